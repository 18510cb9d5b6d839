"""Words looked up in the index of a catalog: which items have them, the best first.

An item's score is the sum over the words of *rarity* times *level*: rarity is BM25's
``ln(1 + (N - n + 0.5) / (n + 0.5))`` for a word that n of N items have, the level says how well
the word describes the item, from 1/16 to 1, by BM25F: a word in the title counts four times as
much as one in the description, one in the tags twice, and less in a long text than in a short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from yfcc.catalog.select import literal
from yfcc.catalog.text_index import Say, drop_words, ensure_words, open_words, words_path
from yfcc.catalog.text_query import Clause, Term, WordQuery, parse_words, separated
from yfcc.errors import SourceDamaged

if TYPE_CHECKING:
    from yfcc.catalog.reader import Catalog

_N_LEVELS: Final = 16
_N_HINTS: Final = 3
#: Jaro-Winkler; below it a word is not near.
_LEAST_SIMILARITY: Final = 0.8
#: Words to compare with come from so many segments: this is a hint, not an index.
_SEGMENTS_LOOKED_AT: Final = 10
_LAST_CHARACTER: Final = "\U0010ffff"
_WORD: Final = re.compile(r"\w+")
#: Texts of an item come as one, which is quicker than as a list.
_BETWEEN_TEXTS: Final = "\x1f\x1e"

Lines = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LackingWord:
    """A word that no item has, and the nearest that some have."""

    word: str
    near: tuple[str, ...]

    def describe(self) -> str:
        """For the user."""
        hint = f" Did you mean {' or '.join(self.near)}?" if self.near else ""
        return f"{self.word}: no item of the catalog has this word.{hint}"


@dataclass(frozen=True, slots=True)
class FoundWords:
    """What words come to in a catalog.

    Attributes
    ----------
    n_items : int
        That have them.
    lacking : tuple of LackingWord
    """

    n_items: int
    lacking: tuple[LackingWord, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A token's items in a segment, packed; ``score`` is that of the highest level."""

    lines: bytes
    levels: bytes
    score: float


def find_words(catalog: Catalog, text: str, target: Path, say: Say) -> FoundWords:
    """Look words up and write down which items have them.

    Memory does not grow with the catalog, but for the packed lists of the words, about a byte
    and a half for each item that has one.

    Parameters
    ----------
    catalog : Catalog
    text : str
        As :func:`yfcc.catalog.text_query.parse_words` reads it.
    target : Path
        Gets the columns ``line_number``, ascending, and ``score``.
    say : callable
        Takes a line about what takes its time.

    Raises
    ------
    UsageError
        There is no word in it.
    SourceDamaged
        The index was built anew, and cannot be read even so.
    """
    query = parse_words(text)
    ensure_words(catalog, say)
    try:
        return _find(catalog, query, target)
    except duckdb.Error as error:
        say(f"{words_path(catalog.path)}: damaged: {str(error).splitlines()[0]}")
    drop_words(catalog.path)
    ensure_words(catalog, say)
    try:
        return _find(catalog, query, target)
    except duckdb.Error as error:
        raise SourceDamaged(
            f"{words_path(catalog.path)}: built anew, and cannot be read: "
            f"{str(error).splitlines()[0]}. Check the disk and the memory of this machine."
        ) from error


def _find(catalog: Catalog, query: WordQuery, target: Path) -> FoundWords:
    schema = pa.schema([("line_number", pa.int64()), ("score", pa.float32())])
    n_found = 0
    with open_words(words_path(catalog.path)) as words:
        search = _Search(words, query)
        with pq.ParquetWriter(target, schema) as writer:
            for lines, scores in search.iter_found():
                if query.phrases or query.unwanted_phrases:
                    is_found = _have_phrases(catalog, query, lines)
                    lines, scores = lines[is_found], scores[is_found]  # noqa: PLW2901
                n_found += len(lines)
                writer.write_table(pa.table([lines, scores], schema=schema))
        return FoundWords(n_found, tuple(search.lacking()))


class _Search:
    """One query over an index."""

    def __init__(self, words: duckdb.DuckDBPyConnection, query: WordQuery) -> None:
        self._words = words
        self._query = query
        self._segments = [
            (int(number), int(first))
            for number, first in words.execute(
                "SELECT segment, first_line FROM word_segments ORDER BY segment"
            ).fetchall()
        ]
        (row,) = words.execute("SELECT n_items FROM word_index").fetchall()
        self._n_items = int(row[0])
        self._terms: dict[Term, dict[int, list[_Entry]]] = {}

    def iter_found(self) -> Iterator[tuple[Lines, Scores]]:
        """Line numbers of the items, ascending, and their scores; a segment at a time."""
        clauses = [*self._query.wanted, *self._query.unwanted]
        for term in dict.fromkeys(term for clause in clauses for term in clause.terms):
            self._terms[term] = self._look_up(term)
        for number, first in self._segments:
            lines, scores = self._in_segment(number)
            if len(lines):
                yield lines + first, scores

    def _look_up(self, term: Term) -> dict[int, list[_Entry]]:
        """Lists of a term by segment."""
        test = f"token = {literal(term.token)}"
        if term.is_prefix:
            end = literal(term.token + _LAST_CHARACTER)
            test = f"token >= {literal(term.token)} AND token < {end}"
        rows = self._words.execute(
            f"SELECT segment, n_items, lines, levels FROM words WHERE {test}"
        ).fetchall()
        n_having = sum(n_items for _, n_items, _, _ in rows)
        # Items that have several words of one beginning are counted for each.
        n_having = min(n_having, self._n_items)
        rarity = float(np.log1p((self._n_items - n_having + 0.5) / (n_having + 0.5)))
        found: dict[int, list[_Entry]] = {}
        for segment, _, lines, levels in rows:
            found.setdefault(segment, []).append(_Entry(lines, levels, rarity))
        return found

    def _in_segment(self, number: int) -> tuple[Lines, Scores]:
        wanted = [self._entries(clause, number) for clause in self._query.wanted]
        if not all(wanted):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        # The rarest first: what is left to look at only shrinks.
        wanted.sort(key=lambda entries: sum(len(each.lines) for each in entries))
        lines, scores = _unite(wanted[0])
        for entries in wanted[1:]:
            there, more = _unite(entries)
            place, is_there = _places(lines, there)
            lines = lines[is_there]
            scores = scores[is_there] + more[place[is_there]]
        for clause in self._query.unwanted:
            entries = self._entries(clause, number)
            if entries:
                _, is_there = _places(lines, _unite(entries)[0])
                lines, scores = lines[~is_there], scores[~is_there]
        return lines, scores

    def _entries(self, clause: Clause, number: int) -> list[_Entry]:
        return [entry for term in clause.terms for entry in self._terms[term].get(number, ())]

    def lacking(self) -> Iterator[LackingWord]:
        """Words that no item has."""
        for clause in self._query.wanted:
            if not any(self._terms[term] for term in clause.terms):
                yield LackingWord(clause.word, tuple(self._nearest(clause.word)))

    def _nearest(self, word: str) -> list[str]:
        likeness = f"jaro_winkler_similarity(token, {literal(word)})"
        rows = self._words.execute(
            f"""
            SELECT token FROM words
            WHERE segment < {_SEGMENTS_LOOKED_AT} AND {likeness} >= {_LEAST_SIMILARITY}
            GROUP BY token
            ORDER BY round({likeness}, 2) DESC, sum(n_items) DESC, token LIMIT {_N_HINTS}"""
        )
        return [row[0] for row in rows.fetchall()]


def _places(lines: Lines, there: Lines) -> tuple[Lines, npt.NDArray[np.bool_]]:
    """Where each line stands in an ascending list, and whether it does."""
    place = np.searchsorted(there, lines)
    place[place == len(there)] = 0
    return place, there[place] == lines if len(there) else np.zeros(len(lines), np.bool_)


def _unite(entries: Sequence[_Entry]) -> tuple[Lines, Scores]:
    """Lines of all lists, ascending, each with the best of its scores."""
    lists = [(unpack_lines(each.lines), each) for each in entries]
    if len(lists) == 1:
        lines, entry = lists[0]
        return lines, _scores(entry, len(lines))
    best = np.zeros(max(int(lines[-1]) for lines, _ in lists) + 1, np.float32)
    for lines, entry in lists:
        best[lines] = np.maximum(best[lines], _scores(entry, len(lines)))
    found = np.flatnonzero(best)
    return found, best[found]


def _scores(entry: _Entry, n_items: int) -> Scores:
    found = unpack_levels(entry.levels, n_items).astype(np.float32)
    found += 1
    found *= np.float32(entry.score / _N_LEVELS)
    return found


def unpack_lines(packed: bytes) -> Lines:
    """What :func:`yfcc.catalog.text_loops.pack` made of lines.

    Examples
    --------
    >>> unpack_lines(bytes([0, 1, 0x80, 1])).tolist()
    [0, 2, 131]
    """
    data = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(data < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1))
    gaps = (data[starts] & 0x7F).astype(np.int64)
    longer = np.flatnonzero(ends > starts)
    n_bytes = 1
    while len(longer):
        gaps[longer] |= (data[starts[longer] + n_bytes] & 0x7F).astype(np.int64) << 7 * n_bytes
        longer = longer[ends[longer] > starts[longer] + n_bytes]
        n_bytes += 1
    found: Lines = np.cumsum(gaps + 1) - 1
    return found


def unpack_levels(packed: bytes, n_items: int) -> npt.NDArray[np.uint8]:
    """What :func:`yfcc.catalog.text_loops.pack` made of levels, 0 to 15."""
    data = np.frombuffer(packed, np.uint8)
    found = np.empty(2 * len(data), np.uint8)
    found[0::2] = data & 0xF
    found[1::2] = data >> 4
    return found[:n_items]


def _have_phrases(catalog: Catalog, query: WordQuery, lines: Lines) -> npt.NDArray[np.bool_]:
    """Which items have all phrases, each within one text, and none of the unwanted ones."""
    wanted = [re.compile(pattern) for pattern in query.phrases]
    unwanted = [re.compile(pattern) for pattern in query.unwanted_phrases]
    hints = [max(_WORD.findall(each.pattern), key=len) for each in (*wanted, *unwanted)]
    kept: list[int] = []
    with catalog.connection.cursor() as cursor:
        cursor.register("candidates", pa.table({"line_number": lines}))
        reader = cursor.sql(
            "SELECT line_number, array_to_string(list_concat([title, description], "
            f"coalesce(user_tags, []), coalesce(machine_tags, [])), '{_BETWEEN_TEXTS}') FROM items "
            f"WHERE line_number BETWEEN {lines[0]} AND {lines[-1]} "
            "AND line_number IN (SELECT line_number FROM candidates)"
        ).to_arrow_reader()
        for batch in reader:
            for line, texts in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                folded = [
                    separated(text)
                    for text in texts.split(_BETWEEN_TEXTS)
                    if not text.isascii() or _has_any(text.lower(), hints)
                ]
                if all(_any(pattern, folded) for pattern in wanted) and not any(
                    _any(pattern, folded) for pattern in unwanted
                ):
                    kept.append(line)
    found: npt.NDArray[np.bool_] = np.isin(lines, np.array(kept, np.int64))
    return found


def _has_any(text: str, hints: Iterable[str]) -> bool:
    """Whether a phrase may be in a text of plain characters: quicker to say than whether it is."""
    return any(hint in text for hint in hints)


def _any(pattern: re.Pattern[str], texts: Iterable[str]) -> bool:
    return any(pattern.search(text) for text in texts)

"""What was asked for: words, phrases in quotes, words that must be absent. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from yfcc.catalog.text_tokens import LONGEST, MOST_JOINED, fold, is_dense, iter_runs, tokens_of
from yfcc.errors import UsageError

_PARTS: Final = re.compile(r'(-?)"([^"]*)"|(-?)([^\s"]+)')
_EXPECTED: Final = (
    'expected words, like sunset beach; quotes keep words together, "new york"; -word must be '
    "absent; photo* finds all words that begin so."
)


@dataclass(frozen=True, slots=True)
class Term:
    """A token, or the beginning of one."""

    token: str
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """Of several terms any will do; ``word`` is what was asked for, folded."""

    word: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class WordQuery:
    """An item is found if it has all of some clauses and nothing of others.

    Attributes
    ----------
    wanted : tuple of Clause
        All of them.
    unwanted : tuple of Clause
        None of them.
    phrases : tuple of str
        Patterns that a text of the item has to match once it is folded, see
        :func:`separated`: the index does not know which words are neighbours.
    unwanted_phrases : tuple of str
    """

    wanted: tuple[Clause, ...]
    unwanted: tuple[Clause, ...] = ()
    phrases: tuple[str, ...] = ()
    unwanted_phrases: tuple[str, ...] = ()


def parse_words(text: str, flag: str = "--text") -> WordQuery:
    """Read what was asked for.

    Raises
    ------
    UsageError
        There is no word in it, or nothing but words that must be absent.

    Examples
    --------
    >>> [clause.word for clause in parse_words('Café "new york" -dog').wanted]
    ['new', 'york', 'cafe']
    """
    if text.count('"') % 2:
        raise UsageError(f'{flag} {text}: a quote (") lacks its second one.')
    wanted: list[Clause] = []
    unwanted: list[Clause] = []
    phrases: list[str] = []
    unwanted_phrases: list[str] = []
    plain: list[str] = []
    for match in _PARTS.finditer(text):
        minus, quoted, other_minus, word = match.groups()
        is_absent = bool(minus or other_minus)
        runs = list(iter_runs(quoted if quoted is not None else word))
        if not runs:
            continue
        if is_absent and len(_tokens(runs)) > 1:
            unwanted_phrases.append(_pattern(runs))
        elif is_absent:
            unwanted.append(_clause(runs[0], is_prefix=word is not None and word.endswith("*")))
        elif quoted is not None:
            wanted += [Clause(token, (Term(token),)) for token in _tokens(runs)[:-1]]
            wanted.append(_clause(runs[-1], is_prefix=False))
            if len(_tokens(runs)) > 1:
                phrases.append(_pattern(runs))
        elif word.endswith("*"):
            wanted += [_clause(run, is_prefix=run is runs[-1]) for run in runs]
        else:
            plain += runs
    phrases += [_pattern([run]) for run in plain if is_dense(run[0]) and len(run) > 2]
    wanted += _joined_clauses(plain)
    if not wanted:
        raise UsageError(f"{flag} {text!r}: there is no word to look for: {_EXPECTED}")
    unique = tuple(dict.fromkeys(wanted))
    return WordQuery(unique, tuple(unwanted), tuple(phrases), tuple(unwanted_phrases))


def _tokens(runs: Sequence[str]) -> list[str]:
    """Tokens that every text with these runs has."""
    found = []
    for run in runs:
        tokens = tokens_of(run)
        # The last character alone is a token only where a run ends.
        found += tokens[:-1] if is_dense(run[0]) and len(run) > 1 else tokens
    return found


def _clause(run: str, *, is_prefix: bool) -> Clause:
    """One word, or a run of a dense script of which the last pair counts."""
    if is_dense(run[0]):
        # Every character begins a token: a single one finds all of them.
        token = _tokens([run])[-1]
        return Clause(token, (Term(token, is_prefix=len(token) == 1),))
    token = run[:LONGEST]
    return Clause(token, (Term(token, is_prefix),))


def _joined_clauses(runs: Sequence[str]) -> list[Clause]:
    """Words one after another: where a tag writes some of them as one, that will do for each."""
    found = []
    for at, run in enumerate(runs):
        if is_dense(run[0]):
            found += [Clause(token, (Term(token),)) for token in _tokens([run])[:-1]]
            found.append(_clause(run, is_prefix=False))
            continue
        terms = [Term(run[:LONGEST])]
        for first in range(max(at - MOST_JOINED + 1, 0), at + 1):
            for end in range(max(at, first + 1) + 1, min(first + MOST_JOINED, len(runs)) + 1):
                if not any(is_dense(each[0]) for each in runs[first:end]):
                    terms.append(Term("".join(runs[first:end])[:LONGEST]))
        found.append(Clause(run[:LONGEST], tuple(dict.fromkeys(terms))))
    return found


def separated(text: str) -> str:
    """A text's folded runs with one blank between any two."""
    # Most texts are plain, and blanks are all that is between their words.
    return " ".join(fold(text).split() if text.isascii() else iter_runs(text))


def _pattern(runs: Sequence[str]) -> str:
    """A regular expression that finds runs one after another in what :func:`separated` gives."""
    first = "" if is_dense(runs[0][0]) else "(?<![^ ])"
    last = "" if is_dense(runs[-1][0]) else "(?![^ ])"
    return first + re.escape(" ".join(runs)) + last

"""A segment of the index of words: so many items, gathered in memory, then packed."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yfcc.catalog.text_folding import make_folding
from yfcc.catalog.text_loops import (
    MOST_BYTES,
    MOST_TOKENS,
    WIDEST,
    Bytes,
    Offsets,
    Room,
    Texts,
    add_items,
    group_by_term,
    pack,
    rehash,
)
from yfcc.catalog.text_tokens import COMPOSING, LONGEST, composed

_FIRST_TERMS: Final = 1 << 14
_PATTERN: Final = f"[{COMPOSING}]"


class Segment:
    """Words of items, counted.

    Parameters
    ----------
    first_line : int
        Line number of its first item.
    """

    def __init__(self, first_line: int) -> None:
        self.first_line = first_line
        self.n_items = 0
        self._room = _make_room()
        self._seen = np.zeros(1 << 12, np.int32)

    @property
    def n_words(self) -> int:
        """Different words."""
        return int(self._room.used[0])

    @property
    def n_postings(self) -> int:
        """Pairs of a word and an item."""
        return int(self._room.used[2])

    def add(self, lines: Offsets, texts: pa.ListArray) -> None:
        """Count the words of n more items.

        Parameters
        ----------
        lines : int64 array, n
            Their line numbers, ascending.
        texts : list of strings array, n
            Of each the title, the description, then its tags; nulls are empty.
        """
        rows = np.asarray(texts.offsets)
        offsets, data = _buffers(_compose(texts.values))
        found = Texts(lines - self.first_line, rows, offsets, data)
        at, end = 0, len(lines)
        while True:
            at = add_items(found, make_folding(), self._room, at, self._seen)
            if at == end:
                break
            n_texts = int(rows[at + 1] - rows[at])
            self._enlarge(int(offsets[rows[at + 1]] - offsets[rows[at]]), n_texts)
        self.n_items += end

    def _enlarge(self, n_bytes: int, n_texts: int) -> None:
        """Make room for one more item with so much text, and for many after it."""
        room = self._room
        n_terms, n_used, n_postings = (int(each) for each in room.used)
        most = MOST_TOKENS * n_bytes + n_texts + 1
        room = room._replace(
            hashes=_enlarged(room.hashes, n_terms + most),
            starts=_enlarged(room.starts, n_terms + most + 1),
            counts=_enlarged(room.counts, n_terms + most),
            data=_enlarged(room.data, n_used + MOST_BYTES * n_bytes + WIDEST * LONGEST),
            terms=_enlarged(room.terms, n_postings + most),
            lines=_enlarged(room.lines, n_postings + most),
            levels=_enlarged(room.levels, n_postings + most),
        )
        n_slots = len(room.slots)
        while n_slots < 2 * (n_terms + most):
            n_slots *= 2
        if n_slots > len(room.slots):
            room = room._replace(slots=np.zeros(n_slots, np.int32))
            rehash(room.slots, room.hashes, n_terms)
        self._seen = _enlarged(self._seen, most + 1)
        self._room = room

    def packed(self) -> pa.Table:
        """The words in order, with their items.

        Returns
        -------
        pa.Table
            ``token``, ``n_items``, ``lines``, ``levels``; one row a word.
        """
        room = self._room
        n_terms = self.n_words
        tokens = _array(pa.large_string(), room.starts[: n_terms + 1], room.data)
        order = np.asarray(pc.sort_indices(tokens)).astype(np.int64)
        starts, lines, levels = group_by_term(room, n_terms)
        line_starts, line_data, level_starts, level_data = pack(order, starts, lines, levels)
        return pa.table(
            {
                "token": tokens.take(pa.array(order)),
                "n_items": pa.array(np.diff(starts)[order].astype(np.int32)),
                "lines": _array(pa.large_binary(), line_starts, line_data),
                "levels": _array(pa.large_binary(), level_starts, level_data),
            }
        )


def _make_room() -> Room:
    n_terms = _FIRST_TERMS
    return Room(
        slots=np.zeros(2 * n_terms, np.int32),
        hashes=np.empty(n_terms, np.uint64),
        starts=np.zeros(n_terms + 1, np.int64),
        data=np.empty(16 * n_terms, np.uint8),
        counts=np.empty((n_terms, 3), np.int32),
        terms=np.empty(4 * n_terms, np.int32),
        lines=np.empty(4 * n_terms, np.int32),
        levels=np.empty(4 * n_terms, np.uint8),
        used=np.zeros(3, np.int64),
    )


def _enlarged(array: np.ndarray, n_wanted: int) -> np.ndarray:
    """The array, or a copy of at least twice the length; memory that is not used costs none."""
    if len(array) >= n_wanted:
        return array
    larger = np.empty((max(n_wanted, 2 * len(array)), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _compose(values: pa.StringArray) -> pa.StringArray:
    """Texts in which no character needs the one before it; such are few."""
    is_wanted = pc.match_substring_regex(values, _PATTERN)
    if not pc.any(is_wanted).as_py():
        return values
    is_wanted = is_wanted.fill_null(False)
    better = [composed(text) for text in values.filter(is_wanted).to_pylist()]
    return pc.replace_with_mask(values, is_wanted, pa.array(better, values.type))


def _buffers(values: pa.StringArray) -> tuple[np.ndarray, Bytes]:
    _, offsets, data = values.buffers()
    found = np.frombuffer(offsets, np.int32, len(values) + 1, 4 * values.offset)
    return found, np.frombuffer(data if data is not None else b"", np.uint8)


def _array(kind: pa.DataType, starts: Offsets, data: Bytes) -> pa.Array:
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(starts) - 1, buffers)

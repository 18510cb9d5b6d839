"""The dataset in windows of unique ids, with the columns the catalog derives."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap, BitMap64

from yfcc.metadata.columns import Rows
from yfcc.metadata.lines import Reject
from yfcc.metadata.stream import ParsedChunk
from yfcc.model import SHARD_MULTIPLIER, SHARD_SHIFT, MediaKind

#: Rows joined at a time: 30 MB of text of all files, so that reading and writing overlap.
WINDOW_ROWS: Final = 20_480
DUPLICATE_REASON: Final = "duplicate photo id: an earlier line has it"
_LOWER_BITS: Final = 32
_LOWER_MASK: Final = 2**_LOWER_BITS - 1
#: Identifiers below 2**36; the dataset's largest have 34 bits.
_N_NEAR: Final = 16
_NO_IDS: Final = np.zeros(0, np.int64)
_LICENSE_FORM: Final = re.compile(r"://creativecommons\.org/licenses/([a-z-]+)/")


@dataclass(frozen=True, slots=True)
class Window:
    """Some rows of the dataset, none of which came before.

    Attributes
    ----------
    rows : Rows
        Up to ``WINDOW_ROWS``.
    rejects : tuple of Reject
        Lines read on the way to them.
    file : str
        Of the dataset's files the one that holds the last row.
    next_line : int
        The line in it behind that row.
    """

    rows: Rows
    rejects: tuple[Reject, ...]
    file: str
    next_line: int


def iter_windows(
    chunks: Iterable[ParsedChunk], seen: SeenIds, *, window_rows: int = WINDOW_ROWS
) -> Iterator[Window]:
    """Group parsed chunks into windows; the first line of an id wins.

    Parameters
    ----------
    chunks : iterable of ParsedChunk
        Of the dataset, in order.
    seen : SeenIds
        Ids so far.
    window_rows : int
    """
    parts: list[Rows] = []
    rejects: list[Reject] = []
    held = 0
    for chunk in chunks:
        rows, duplicates = _without_duplicates(chunk.rows, seen)
        rejects += sorted([*chunk.rejects, *duplicates], key=lambda reject: reject.line_number)
        parts.append(rows)
        held += len(rows)
        while held >= window_rows:
            joined = Rows.joined(parts)
            yield _window(joined.slice(0, window_rows), rejects, chunk)
            parts, rejects = [joined.slice(window_rows, held)], []
            held -= window_rows
    if parts:
        yield _window(Rows.joined(parts), rejects, chunk)


def _window(rows: Rows, rejects: list[Reject], chunk: ParsedChunk) -> Window:
    """A window whose last row, if it has one, is of this chunk."""
    next_line = int(rows.line_numbers[-1]) + 1 if len(rows) else chunk.place.line_number
    return Window(rows, tuple(rejects), chunk.rows.file, next_line)


class SeenIds:
    """Identifiers so far, in about two bytes each.

    Near ones, which are all that the dataset has, are kept by their upper half: a 32-bit bitmap
    takes sorted numbers in less than half the time of a 64-bit one.
    """

    def __init__(self) -> None:
        self._near: list[BitMap] = [BitMap() for _ in range(_N_NEAR)]
        self._far = BitMap64()

    def add(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Take n ids in ascending order; those that were there before come back."""
        known = []
        ends = np.searchsorted(ids, np.arange(_N_NEAR + 1, dtype=np.int64) << _LOWER_BITS)
        for upper in range(_N_NEAR):
            part = ids[ends[upper] : ends[upper + 1]]
            if not len(part):
                continue
            new = BitMap(array("I", (part & _LOWER_MASK).astype(np.uint32).tobytes()))
            if self._near[upper].intersect(new):
                again = np.array(self._near[upper] & new, np.int64)
                known.append(again | (upper << _LOWER_BITS))
            self._near[upper] |= new
        far = BitMap64(array("Q", ids[ends[-1] :].tobytes()))
        if far:
            known.append(np.array(self._far & far, np.int64))
            self._far |= far
        return np.concatenate(known) if known else _NO_IDS


def _without_duplicates(rows: Rows, seen: SeenIds) -> tuple[Rows, list[Reject]]:
    ids: npt.NDArray[np.int64] = rows.table["photo_id"].to_numpy()
    in_order = np.sort(ids)
    known = seen.add(in_order)
    if not len(known) and not (in_order[1:] == in_order[:-1]).any():
        return rows, []
    _, first = np.unique(ids, return_index=True)
    is_first = np.zeros(len(ids), np.bool_)
    is_first[first] = True
    is_first &= ~np.isin(ids, known)
    rejects = [rows.reject(row, DUPLICATE_REASON) for row in np.flatnonzero(~is_first).tolist()]
    return rows.kept(is_first), rejects


def item_columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Columns of ``items`` that come from the dataset alone, by name.

    Parameters
    ----------
    table : pa.Table
        As :func:`yfcc.metadata.dataset.parse_dataset` gives it.
    """
    columns = {name: table[name] for name in table.column_names if name != "marker"}
    kinds = pa.array([MediaKind.PHOTO.value, MediaKind.VIDEO.value])
    columns["media_kind"] = kinds.take(table["marker"])
    columns["license"] = _license_codes(table["license_url"])
    columns["shard"] = pa.array(shards_of(table["photo_id"].to_numpy()).astype(np.int16))
    return columns


def _license_codes(urls: pa.ChunkedArray) -> pa.Array:
    """``by-nc`` of ``http://creativecommons.org/licenses/by-nc/2.0/``; null if it is no such."""
    encoded = urls.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = []
    for url in encoded.dictionary.to_pylist():
        match = _LICENSE_FORM.search(url) if url else None
        codes.append(match[1] if match else None)
    return pc.take(pa.array(codes, pa.string()), encoded.indices)


def shards_of(photo_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """:func:`yfcc.model.shard_of` for an array of n ids at once."""
    n_digits = np.searchsorted(10 ** np.arange(19, dtype=np.int64), photo_ids, side="right")
    first_six = photo_ids // 10 ** np.maximum(n_digits - 6, 0)
    shards: npt.NDArray[np.int64] = (first_six * SHARD_MULTIPLIER % 2**32) >> SHARD_SHIFT
    return shards

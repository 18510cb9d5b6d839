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
from pyroaring import BitMap64

from yfcc.metadata.columns import Rows
from yfcc.metadata.lines import Reject
from yfcc.metadata.stream import ParsedChunk
from yfcc.model import SHARD_MULTIPLIER, SHARD_SHIFT, MediaKind

#: Rows joined at a time: 30 MB of text of all files, so that reading and writing overlap.
WINDOW_ROWS: Final = 20_480
DUPLICATE_REASON: Final = "duplicate photo id: an earlier line has it"
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
    chunks: Iterable[ParsedChunk], seen: BitMap64, *, window_rows: int = WINDOW_ROWS
) -> Iterator[Window]:
    """Group parsed chunks into windows; the first line of an id wins.

    Parameters
    ----------
    chunks : iterable of ParsedChunk
        Of the dataset, in order.
    seen : BitMap64
        Ids so far; grows by about two bytes a row.
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


def _without_duplicates(rows: Rows, seen: BitMap64) -> tuple[Rows, list[Reject]]:
    ids: npt.NDArray[np.int64] = rows.table["photo_id"].to_numpy()
    # A sorted array of the machine's own kind is taken three times as fast as one of NumPy.
    in_order = array("Q", np.sort(ids).tobytes())
    new = BitMap64(in_order)
    rejects: list[Reject] = []
    if len(new) != len(ids) or seen.intersect(new):
        _, first = np.unique(ids, return_index=True)
        is_first = np.zeros(len(ids), np.bool_)
        is_first[first] = True
        again = seen & new
        is_first &= ~np.isin(ids, np.fromiter(again, np.int64, len(again)))
        rejects = [rows.reject(row, DUPLICATE_REASON) for row in np.flatnonzero(~is_first).tolist()]
        rows = rows.kept(is_first)
    seen.update(in_order)
    return rows, rejects


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

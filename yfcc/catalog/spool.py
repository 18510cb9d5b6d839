"""Rows put in the order of shards on disk: DuckDB's own sort of wide rows runs out of memory.

A scan brings the rows in the dataset's order, where the shards are all mixed up. They are parted
into portions of neighbouring shards, each small enough to be sorted in memory, and wait in one
file without a name, which vanishes with the process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: A portion has at most as many rows, or one shard: some 15 MB of items with their documents.
ROWS_A_PORTION: Final = 10_000
#: Rows that wait in memory until they are written, of all portions together.
_BYTES_IN_MEMORY: Final = 16 << 20
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="zstd")


class Spool:
    """Rows of many shards, taken in in any order, given out shard by shard; a context manager.

    Parameters
    ----------
    counts : mapping of int to int
        Rows to come, by shard; a hint for the size of the portions.
    folder : Path
        Where the file lies; nothing is written before 16 MB have come.
    rows_a_portion : int
        Rows sorted in memory at a time.
    """

    def __init__(
        self, counts: Mapping[int, int], folder: Path, rows_a_portion: int = ROWS_A_PORTION
    ) -> None:
        self._ends = _portion_ends(counts, rows_a_portion)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        self._waiting: list[list[pa.RecordBatch]] = [[] for _ in range(len(self._ends) + 1)]
        self._written: list[list[tuple[int, int]]] = [[] for _ in self._waiting]
        self._n_bytes_waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give disk and memory back."""
        self._waiting = []
        self._file.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows in; ``shard`` is one of their columns."""
        shards = numbers_of(batch.column("shard"))
        portions = np.searchsorted(self._ends, shards, side="right")
        order = np.argsort(portions, kind="stable")
        numbers, starts = np.unique(portions[order], return_index=True)
        rows = batch.take(_column_of(order))
        for number, start, end in zip(numbers, starts, [*starts[1:], batch.num_rows], strict=True):
            self._waiting[number].append(rows.slice(start, end - start))
        self._n_bytes_waiting += batch.nbytes
        if self._n_bytes_waiting >= _BYTES_IN_MEMORY:
            self._flush()

    def iter_sorted(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows by shard, by media directory (the first six digits of the id), by id.

        Parameters
        ----------
        batch_rows : int
            Rows of a batch, at most.
        """
        for number in range(len(self._waiting)):
            batches = [self._read(*place) for place in self._written[number]]
            batches += self._waiting[number]
            self._waiting[number] = []
            if not batches:
                continue
            rows = pa.Table.from_batches(batches).combine_chunks()
            del batches
            order = _order_of(rows)
            for start in range(0, len(order), batch_rows):
                yield from rows.take(_column_of(order[start : start + batch_rows])).to_batches()

    def _flush(self) -> None:
        for number, batches in enumerate(self._waiting):
            if batches:
                self._written[number].append(self._write(batches))
                self._waiting[number] = []
        self._n_bytes_waiting = 0

    def _write(self, batches: list[pa.RecordBatch]) -> tuple[int, int]:
        """Append rows to the file: where they lie."""
        sink = pa.BufferOutputStream()
        table = pa.Table.from_batches(batches).combine_chunks()
        with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
            writer.write_table(table)
        content = sink.getvalue()
        start = self._file.seek(0, os.SEEK_END)
        self._file.write(content)
        return start, content.size

    def _read(self, start: int, n_bytes: int) -> pa.RecordBatch:
        self._file.seek(start)
        with pa.ipc.open_stream(self._file.read(n_bytes)) as reader:
            return reader.read_all().combine_chunks().to_batches()[0]


def _portion_ends(counts: Mapping[int, int], rows_a_portion: int) -> npt.NDArray[np.int64]:
    """First shards of all portions but the first, ascending."""
    ends = []
    n_rows = 0
    for shard in sorted(counts):
        if n_rows and n_rows + counts[shard] > rows_a_portion:
            ends.append(shard)
            n_rows = 0
        n_rows += counts[shard]
    return np.array(ends, np.int64)


def _order_of(rows: pa.Table) -> npt.NDArray[np.int64]:
    ids = numbers_of(rows.column("photo_id").chunk(0))
    prefixes = ids.copy()
    while (is_long := prefixes >= 1_000_000).any():
        prefixes[is_long] //= 10
    return np.lexsort((ids, prefixes, numbers_of(rows.column("shard").chunk(0))))


def numbers_of(column: pa.Array) -> npt.NDArray[np.int64]:
    """The numbers in a column without nulls, in place.

    Arrow's own ``to_numpy`` loads pandas where that is installed: 0.25 s and 60 MB.
    """
    return cast("npt.NDArray[np.int64]", np.from_dlpack(column))


def _column_of(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Numbers as a column, in place; ``pa.array`` loads pandas too."""
    content = pa.py_buffer(np.ascontiguousarray(numbers, np.int64))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, content])

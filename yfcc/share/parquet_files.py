"""Rows distributed over the Parquet files of their partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from yfcc.catalog.parquet import PartitionKey
from yfcc.share.sink import Sink, Target

#: Directory of the files: engines are pointed there, so nothing else may lie in it.
ITEMS: Final = "items"
#: Hive's name of a partition without a value, which all engines read as NULL.
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
#: Rows of a row group, DuckDB's own size.
_GROUP_ROWS: Final = 122_880
#: More bytes than a row group has.
NO_LIMIT: Final = 1 << 62
#: Columns whose values recur; a dictionary of the others is thrown away when it is full.
_UNIQUE_COLUMNS: Final = frozenset(
    {
        *("line_number", "photo_id", "photo_hash", "date_uploaded", "page_url", "download_url"),
        *("secret", "secret_original", "media", "n_bytes", "sha256", "changes"),
    }
)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export.

    Attributes
    ----------
    path : str
        Below the export's directory.
    n_rows, n_bytes : int
    sha256 : str
    partition : mapping of str to str or None
    """

    path: str
    n_rows: int
    n_bytes: int
    sha256: str
    partition: Mapping[str, str | None]


def split_by_partition(
    batch: pa.RecordBatch, columns: tuple[str, ...]
) -> Iterator[tuple[PartitionKey, pa.RecordBatch]]:
    """Split a batch; the rows of a part keep their order."""
    if not columns:
        yield (), batch
        return
    found = pa.Table.from_batches([batch.select(columns)])
    for row in found.group_by(list(columns)).aggregate([]).to_pylist():
        key = tuple(row[column] for column in columns)
        is_in = None
        for column, value in row.items():
            there = batch[column]
            same = pc.is_null(there) if value is None else pc.equal(there, value)
            is_in = same if is_in is None else pc.and_kleene(is_in, same)
        yield key, batch.filter(is_in)


@dataclass(slots=True)
class _Waiting:
    """Rows of one partition on disk, as Arrow's stream, until they fill a row group.

    Read by a memory map, so that they are nobody's memory in between.
    """

    path: Path
    schema: pa.Schema
    n_rows: int = 0
    n_bytes: int = 0
    _stream: pa.RecordBatchStreamWriter | None = None

    def append(self, rows: pa.RecordBatch) -> None:
        """Take rows."""
        if self._stream is None:
            self._stream = pa.ipc.new_stream(str(self.path), self.schema)
        self._stream.write_batch(rows)
        self.n_rows += len(rows)
        self.n_bytes += rows.nbytes

    @contextmanager
    def take(self) -> Iterator[pa.Table]:
        """All rows, which are gone afterwards."""
        if self._stream is not None:
            self._stream.close()
        with pa.memory_map(str(self.path)) as mapped, pa.ipc.open_stream(mapped) as stream:
            yield stream.read_all()
        self.path.unlink()
        self.n_rows, self.n_bytes, self._stream = 0, 0, None

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()


@dataclass(slots=True)
class _Partition:
    """Rows that wait for their row group, and the file they will go to."""

    key: PartitionKey
    directory: str
    waiting: _Waiting
    n_files: int = 0
    path: str = ""
    n_file_rows: int = 0
    sink: Sink | None = None
    parquet: pq.ParquetWriter | None = None


@dataclass(slots=True)
class PartitionedWriter:
    """Distributes rows over the files of their partitions.

    Attributes
    ----------
    target : Target
    schema : pa.Schema
    columns : tuple of str
        That the partitions are of, outermost first.
    file_rows : int
        Rows of a file, at most.
    scratch : Path
        A directory for rows that wait, at most a row group of every partition.
    group_bytes : int
        Of a row group in memory, about at most: pictures fill it with few rows.
    is_by_line : bool
        Whether the rows come in the dataset's order.
    """

    target: Target
    schema: pa.Schema
    columns: tuple[str, ...]
    file_rows: int
    scratch: Path
    group_bytes: int = NO_LIMIT
    is_by_line: bool = True
    _partitions: dict[PartitionKey, _Partition] = field(default_factory=dict)
    _files: list[ExportedFile] = field(default_factory=list)

    @property
    def n_bytes(self) -> int:
        """Bytes written so far, of all files."""
        under_way = sum(each.sink.n_bytes for each in self._partitions.values() if each.sink)
        return sum(file.n_bytes for file in self._files) + under_way

    def add(self, key: PartitionKey, rows: pa.RecordBatch) -> None:
        """Take rows of a partition; write a row group when it is full, end a file likewise."""
        partition = self._partitions.get(key) or self._start(key)
        while len(rows):
            n_group = min(_GROUP_ROWS, self.file_rows - partition.n_file_rows)
            n_taken = min(len(rows), n_group - partition.waiting.n_rows)
            partition.waiting.append(rows.slice(0, n_taken))
            rows = rows.slice(n_taken)
            waiting = partition.waiting
            if waiting.n_rows == n_group or waiting.n_bytes >= self.group_bytes:
                self._write_group(partition)
            if partition.n_file_rows == self.file_rows:
                self._close(partition)

    def _start(self, key: PartitionKey) -> _Partition:
        directory = "/".join([ITEMS, *map(_segment, self.columns, key)])
        waiting = _Waiting(self.scratch / f"{len(self._partitions)}.arrow", self.schema)
        partition = self._partitions[key] = _Partition(key, directory, waiting)
        return partition

    def add_empty(self) -> None:
        """Make a file without rows, in no partition."""
        self._open(self._start(()))

    def finish(self) -> list[ExportedFile]:
        """Write what waits, close all files; they are durable on return."""
        for partition in self._partitions.values():
            if partition.waiting.n_rows:
                self._write_group(partition)
            self._close(partition)
        return self._files

    def abandon(self) -> None:
        """Let go of files that were not finished."""
        for partition in self._partitions.values():
            partition.waiting.close()
            if partition.sink:
                partition.sink.abandon()
            partition.sink = partition.parquet = None

    def _write_group(self, partition: _Partition) -> None:
        parquet = partition.parquet or self._open(partition)
        n_rows = partition.waiting.n_rows
        with partition.waiting.take() as rows:
            parquet.write_table(rows, row_group_size=n_rows)
        partition.n_file_rows += n_rows

    def _open(self, partition: _Partition) -> pq.ParquetWriter:
        partition.path, partition.sink = self.target.open_sink(
            partition.directory, partition.n_files, "parquet"
        )
        partition.parquet = open_writer(partition.sink, self.schema, is_by_line=self.is_by_line)
        partition.n_files += 1
        return partition.parquet

    def _close(self, partition: _Partition) -> None:
        if partition.parquet is None or partition.sink is None:
            return
        partition.parquet.close()
        partition.sink.close()
        self._files.append(
            ExportedFile(
                partition.path,
                partition.n_file_rows,
                partition.sink.n_bytes,
                partition.sink.sha256,
                dict(zip(self.columns, partition.key, strict=False)),
            )
        )
        partition.sink = partition.parquet = None
        partition.n_file_rows = 0


def open_writer(sink: Sink, schema: pa.Schema, *, is_by_line: bool) -> pq.ParquetWriter:
    """Begin a file; ``is_by_line``: its rows come in the dataset's order."""
    order = pq.SortingColumn.from_ordering(schema, [("line_number", "ascending")])
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=_recurring_columns(schema),
        sorting_columns=order if is_by_line else None,
    )


def _segment(column: str, value: str | None) -> str:
    """Name of a partition's directory, escaped as Hive does."""
    if value is None:
        return f"{column}={_NO_VALUE}"
    escaped = "".join(
        character if character.isalnum() or character in "-_. " else quote(character, safe="")
        for character in value
    )
    return f"{column}={escaped}"


def _recurring_columns(schema: pa.Schema) -> list[str]:
    """Leaf columns whose values recur, as Parquet names them."""
    names = []
    for column in schema:
        if column.name in _UNIQUE_COLUMNS:
            continue
        if pa.types.is_map(column.type):
            names += [f"{column.name}.key_value.key", f"{column.name}.key_value.value"]
        elif pa.types.is_list(column.type):
            item = column.type.value_type
            inner = [f".{part.name}" for part in item] if pa.types.is_struct(item) else [""]
            names += [f"{column.name}.list.element{name}" for name in inner]
        else:
            names.append(column.name)
    return names

"""The ledger as a table: ``downloads``, one row an item, its latest record."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from yfcc.mirror.disk import Disk, target_errors
from yfcc.mirror.layout import PART_SUFFIX
from yfcc.mirror.ledger import find_committed, list_shards, read_shard
from yfcc.mirror.root import open_mirror

#: The columns of ``downloads``, in order.
DOWNLOADS_SCHEMA: Final = pa.schema(
    [
        ("photo_id", pa.int64()),
        ("outcome", pa.string()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("path", pa.string()),
        ("n_bytes", pa.int64()),
        ("sha256", pa.string()),
        ("content_type", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("http_status", pa.int32()),
        ("attempts", pa.int32()),
        ("first_error", pa.string()),
        ("fetched_at", pa.timestamp("us", tz="UTC")),
        ("x_robots_tag", pa.string()),
        ("shard", pa.int32()),
    ]
)

_PIECE_BYTES: Final = 16 << 20
_INTEGERS: Final = {pa.int64(): pl.Int64, pa.int32(): pl.Int32}
_READ_SCHEMA: Final = {
    column.name: _INTEGERS.get(column.type, pl.String) for column in DOWNLOADS_SCHEMA
}


def iter_download_tables(root: Path, disk: Disk | None = None) -> Iterator[pa.Table]:
    """The table ``downloads`` in pieces of whole shards, in order of shards.

    Also while a run is writing to the mirror: each piece is what was committed when it was read.

    Parameters
    ----------
    root : Path
        The mirror.
    disk : Disk, optional
        The disk's operations.

    Yields
    ------
    pyarrow.Table
        At least one row, with the columns of ``DOWNLOADS_SCHEMA``; ids are unique over all
        pieces. Memory is that of about 16 MiB of ledger, or of one shard.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        The ledger cannot be read.
    """
    records: list[bytes] = []
    with open_mirror(root, disk) as mirror:
        for shard in list_shards(mirror):
            records += find_committed(read_shard(mirror, shard)).records
            if sum(map(len, records)) >= _PIECE_BYTES:
                yield _tabulate(b"".join(records))
                records.clear()
    if records:
        yield _tabulate(b"".join(records))


def _tabulate(records: bytes) -> pa.Table:
    frame = pl.read_ndjson(io.BytesIO(records), schema=_READ_SCHEMA)
    latest = frame.unique("photo_id", keep="last", maintain_order=True)
    # An adopted item whose JSON had no date has none here either.
    moments = latest.with_columns(
        pl.col("fetched_at").str.to_datetime(
            "%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="us", time_zone="UTC", strict=False
        )
    )
    return moments.to_arrow().cast(DOWNLOADS_SCHEMA)


def write_downloads_parquet(root: Path, target: Path, disk: Disk | None = None) -> int:
    """Write the table ``downloads`` as one Parquet file, piece by piece.

    The file appears whole or not at all, in place of what had the name.

    Parameters
    ----------
    root : Path
        The mirror.
    target : Path
        The file.
    disk : Disk, optional
        The disk's operations.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        The file cannot be written, or the ledger not be read.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    n_rows = 0
    try:
        with target_errors(f"write {target}"):
            with pq.ParquetWriter(part, DOWNLOADS_SCHEMA, compression="zstd") as writer:
                for table in iter_download_tables(root, disk):
                    writer.write_table(table)
                    n_rows += table.num_rows
            _publish(part, target, disk or Disk())
    finally:
        with suppress(FileNotFoundError):  # published
            part.unlink()
    return n_rows


def _publish(part: Path, target: Path, disk: Disk) -> None:
    dir_fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = disk.open(part.name, os.O_RDONLY, dir_fd=dir_fd)
        try:
            disk.fsync(fd)
        finally:
            disk.close(fd)
        disk.rename(part.name, target.name, from_fd=dir_fd, to_fd=dir_fd)
        disk.fsync(dir_fd)
    finally:
        os.close(dir_fd)

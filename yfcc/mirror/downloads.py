"""The ledger as a table: ``downloads``, one row an item, its latest record."""

from __future__ import annotations

import io
import os
import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from yfcc.mirror.disk import Disk, target_errors
from yfcc.mirror.layout import MEDIA, PART_SUFFIX
from yfcc.mirror.ledger import find_committed, iter_shards, list_shards
from yfcc.mirror.opening import open_any
from yfcc.mirror.root import AnyMirror
from yfcc.model import SHARD_MULTIPLIER, SHARD_SHIFT

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
        ("n_trailing_bytes", pa.int64()),
        ("has_zero_run", pa.bool_()),
        ("evidence", pa.string()),
    ]
)

_PIECE_BYTES: Final = 16 << 20
_N_AHEAD: Final = 2
#: Columns with few values; a dictionary of the others costs time and saves nothing.
FEW_VALUES: Final = [
    *("outcome", "source", "content_type", "width", "height", "http_status", "attempts"),
    *("first_error", "x_robots_tag", "shard"),
]
_READ_AS: Final = {pa.int64(): pl.Int64, pa.int32(): pl.Int32, pa.bool_(): pl.Boolean}
#: Of the ledger's lines; ``extension`` stands there for most of the path.
_READ_SCHEMA: Final = {
    **{column.name: _READ_AS.get(column.type, pl.String) for column in DOWNLOADS_SCHEMA},
    "extension": pl.String,
}


def iter_download_tables(root: Path | str, disk: Disk | None = None) -> Iterator[pa.Table]:
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
        pieces. Memory is that of a few times 16 MiB of ledger, or of a few shards.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        The ledger cannot be read.
    """
    tables: deque[Future[pa.Table]] = deque()
    # While one piece is written, the next is parsed and the one after it read.
    with open_any(root, disk) as mirror, ThreadPoolExecutor(_N_AHEAD) as executor:
        for piece in _iter_pieces(mirror, list_shards(mirror)):
            tables.append(executor.submit(_tabulate, piece))
            if len(tables) > _N_AHEAD:
                yield tables.popleft().result()
        while tables:
            yield tables.popleft().result()


def iter_tables(mirror: AnyMirror, shards: Sequence[int]) -> Iterator[pa.Table]:
    """The rows of some shards, as :func:`iter_download_tables`, but one piece after the other."""
    return map(_tabulate, _iter_pieces(mirror, shards))


def _iter_pieces(mirror: AnyMirror, shards: Sequence[int]) -> Iterator[list[bytes]]:
    """Sealed lines of some whole shards at a time, at least one line."""
    records: list[bytes] = []
    for content in iter_shards(mirror, shards):
        records += find_committed(content).records
        if sum(map(len, records)) >= _PIECE_BYTES:
            yield records
            records = []
    if records:
        yield records


def _tabulate(records: list[bytes]) -> pa.Table:
    frame = pl.read_ndjson(io.BytesIO(b"".join(records)), schema=_READ_SCHEMA)
    latest = frame.unique("photo_id", keep="last", maintain_order=True)
    whole = latest.with_columns(
        pl.coalesce("path", _media_path()),
        pl.coalesce("shard", _shard()),
        # An adopted item whose JSON had no date has none here either.
        pl.col("fetched_at").str.to_datetime(
            "%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="us", time_zone="UTC", strict=False
        ),
    )
    return whole.select(DOWNLOADS_SCHEMA.names).to_arrow().cast(DOWNLOADS_SCHEMA)


def _prefix() -> pl.Expr:
    """Six digits that name an item's directory, as :func:`yfcc.model.id_prefix` has them."""
    return pl.col("photo_id").cast(pl.String).str.zfill(6).str.slice(0, 6)


def _media_path() -> pl.Expr:
    """As :func:`yfcc.mirror.layout.media_path` has it; null without an extension."""
    digits, top = _prefix(), pl.lit(f"{MEDIA}/")
    name = pl.concat_str(pl.col("photo_id"), pl.lit("."), pl.col("extension"))
    return pl.concat_str(
        top, digits.str.slice(0, 3), pl.lit("/"), digits.str.slice(3), pl.lit("/"), name
    )


def _shard() -> pl.Expr:
    """As :func:`yfcc.model.shard_of` has it."""
    product = _prefix().cast(pl.Int64) * SHARD_MULTIPLIER
    return (product % 2**32 // 2**SHARD_SHIFT).cast(pl.Int32)


def write_downloads_parquet(root: Path | str, target: Path, disk: Disk | None = None) -> int:
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
            with pq.ParquetWriter(
                part, DOWNLOADS_SCHEMA, compression="zstd", use_dictionary=FEW_VALUES
            ) as writer:
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

"""The file under construction: windows in, late rows joined, published by rename."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from yfcc.catalog.connection import Limits, connect_writer
from yfcc.catalog.publish import publish
from yfcc.catalog.schema import create_tables, create_views
from yfcc.metadata.columns import Rows
from yfcc.metadata.layouts import Pack
from yfcc.metadata.lines import Reject
from yfcc.metadata.packs import VALUE_KINDS

_LATE_SCHEMA: Final = [
    ("photo_id", pa.int64()),
    ("line_number", pa.int64()),
    ("byte_offset", pa.int64()),
    ("raw", pa.binary()),
]
_REJECT_SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("line_number", pa.int64()),
        ("byte_offset", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.binary()),
    ]
)
#: The column of ``items`` that a pack fills.
PACK_COLUMN: Final = {
    Pack.AUTOTAGS: "autotags",
    Pack.EXIF: "exif",
    Pack.PLACES: "places",
    Pack.HASH: "photo_hash",
}
#: What lies beside the target while a build is at work, or after it was killed.
_LEFTOVERS: Final = tuple(
    f"{file}{suffix}"
    for file in (".building", ".building.2", ".late")
    for suffix in ("", ".wal", ".spill", ".maps")
)
#: Maps come to DuckDB by way of a Parquet file: as Arrow it checks every key against every other
#: of its row with a set of values, 330 ns a key, though they are unique already.
_MAP_COLUMNS: Final = ("autotags", "exif")
_RECURRING_IN_MAPS: Final = ("autotags.key_value.key", "exif.key_value.key", "exif.key_value.value")
#: Rows of one transaction: a DuckDB row group, which goes to the file as it is, written once.
_BATCH_ROWS: Final = 122_880
DUPLICATE_PACK_REASON: Final = "duplicate photo id: another line of the pack has it"


@dataclass(frozen=True, slots=True)
class IngestRecord:
    """A row of ``ingests``; the fields are its columns."""

    file: str
    pack: str
    edition: str
    source: str
    etag: str
    n_bytes: int
    n_raw_bytes: int
    n_lines: int
    n_joined: int
    n_orphans: int
    n_rejected: int
    row_limit: int | None
    n_shards: int
    started_at: datetime
    finished_at: datetime
    yfcc_version: str


@dataclass(frozen=True, slots=True)
class LateCounts:
    """What became of the late rows of a pack."""

    n_joined: int
    n_orphans: int
    n_rejected: int


@dataclass(slots=True)
class CatalogWriter:
    """Builds a catalog beside its target.

    Attributes
    ----------
    target : Path
        The catalog's name once it is published.
    limits : Limits
    """

    target: Path
    limits: Limits
    _connection: duckdb.DuckDBPyConnection = field(init=False)
    _late_connection: duckdb.DuckDBPyConnection = field(init=False)
    _columns: str = field(init=False)
    _n_uncommitted: int = 0

    def open(self) -> None:
        """Start a new file; what an earlier build left is removed."""
        self.discard()
        self._connection = connect_writer(self._building, self.limits)
        # Several threads cut a window into row groups that the checkpoint writes once more:
        # twice the file, and 1.5 times the CPU. The other cores decompress meanwhile.
        self._connection.execute("SET threads = 1")
        create_tables(self._connection)
        # Late rows lie in a file of their own, and a transaction writes to one file only.
        self._late_connection = self._connection.cursor()
        described = self._connection.execute("DESCRIBE items").fetchall()
        self._columns = ", ".join(f'"{row[0]}"' for row in described)

    @property
    def _building(self) -> Path:
        return self.target.with_name(f"{self.target.name}.building")

    @property
    def _late(self) -> Path:
        return self.target.with_name(f"{self.target.name}.late")

    @property
    def _maps(self) -> Path:
        return self._building.with_name(f"{self._building.name}.maps")

    def insert_items(self, columns: dict[str, pa.ChunkedArray]) -> None:
        """Append a window to ``items``; columns that are missing are null."""
        n_rows = len(columns["photo_id"])
        if not n_rows:
            return
        if not self._n_uncommitted:
            self._connection.execute("BEGIN")
        for pack, column in PACK_COLUMN.items():
            columns.setdefault(column, pa.nulls(n_rows, VALUE_KINDS[pack]))
        maps = {name: columns.pop(name) for name in _MAP_COLUMNS}
        pyarrow.parquet.write_table(
            pa.table(maps),
            self._maps,
            compression="none",
            use_dictionary=list(_RECURRING_IN_MAPS),
            write_statistics=False,
            row_group_size=n_rows,
        )
        maps_file = f"read_parquet('{_quoted(self._maps)}')"
        beside = f"POSITIONAL JOIN {maps_file}"
        _append(
            self._connection, "items", pa.table(columns), f"{self._columns} FROM incoming {beside}"
        )
        self._n_uncommitted += n_rows
        if self._n_uncommitted >= _BATCH_ROWS:
            self._commit()

    def _commit(self) -> None:
        if self._n_uncommitted:
            self._connection.execute("COMMIT")
            self._n_uncommitted = 0

    def insert_rejects(self, rejects: Iterable[Reject]) -> None:
        """Append to ``rejected_lines``."""
        rows = [
            {
                "file": reject.file,
                "line_number": reject.line_number,
                "byte_offset": reject.byte_offset,
                "reason": reject.reason,
                "raw": reject.raw,
            }
            for reject in rejects
        ]
        if rows:
            table = pa.Table.from_pylist(rows, _REJECT_SCHEMA)
            _append(self._connection, "rejected_lines", table)

    def insert_ingest(self, record: IngestRecord) -> None:
        """Append to ``ingests``."""
        values = [getattr(record, name) for name in record.__slots__]
        marks = ", ".join("?" for _ in values)
        self._connection.execute(f"INSERT INTO ingests VALUES ({marks})", values)

    def keep_late(self, pack: Pack, rows: Rows) -> None:
        """Put rows of a pack aside until the end."""
        if not len(rows):
            return
        raw = [rows.raw_line(row) for row in range(len(rows))]
        table = pa.table(
            {
                "photo_id": rows.table["photo_id"],
                "line_number": rows.line_numbers,
                "byte_offset": rows.byte_offsets,
                "raw": pa.array(raw, pa.binary()),
                "value": rows.table["value"],
            }
        )
        _append(self._late_connection, self._late_table(f"late_{pack}", pack), table)

    def keep_missed(self, pack: Pack, ids: pa.Array) -> None:
        """Remember items whose row of a pack was not found yet."""
        if len(ids):
            missed = self._late_table(f"missed_{pack}")
            _append(self._late_connection, missed, pa.table({"photo_id": ids}))

    def _late_table(self, name: str, pack: Pack | None = None) -> str:
        """A table in the side file, made at the first use."""
        run = self._late_connection.execute
        run(f"ATTACH IF NOT EXISTS '{_quoted(self._late)}' AS late")
        columns = _LATE_SCHEMA[:1]
        if pack:
            columns = [*_LATE_SCHEMA, ("value", VALUE_KINDS[pack])]
        empty = pa.schema(columns).empty_table()
        self._late_connection.register("empty", empty)
        run(f"CREATE TABLE IF NOT EXISTS late.{name} AS SELECT * FROM empty")
        self._late_connection.unregister("empty")
        return f"late.{name}"

    def missed_ids(self, pack: Pack) -> npt.NDArray[np.int64]:
        """Items whose row of a pack was not found yet."""
        missed = self._late_table(f"missed_{pack}")
        rows = self._late_connection.execute(f"SELECT photo_id FROM {missed}").fetchall()
        return np.array([row[0] for row in rows], np.int64)

    def join_late(self, files: dict[Pack, str], *, is_whole: bool) -> dict[Pack, LateCounts]:
        """Join what was put aside; returns counts of every pack.

        Parameters
        ----------
        files : dict of Pack to str
            The packs' file names.
        is_whole : bool
            Whether the dataset was read to its end. If not, nothing is known to be an orphan.
        """
        counts = {}
        found = []
        self._commit()
        self._connection.execute(f"SET threads = {self.limits.n_threads or 1}")
        for pack, file in files.items():
            counts[pack] = self._judge_late(pack, file, is_whole=is_whole)
            if counts[pack].n_joined:
                found.append(pack)
        if found:
            self._write_again(found)
        return counts

    def _judge_late(self, pack: Pack, file: str, *, is_whole: bool) -> LateCounts:
        """Orphans and duplicates to their tables; what belongs to an item to ``found_…``."""
        late = self._late_table(f"late_{pack}", pack)
        missed = self._late_table(f"missed_{pack}")
        run = self._connection.execute
        if is_whole:
            run(
                f"""INSERT INTO orphans SELECT ?, photo_id, raw FROM {late}
                WHERE photo_id NOT IN (SELECT photo_id FROM items) ORDER BY line_number""",
                [file],
            )
        # The first late row of an item that has none yet is its value, in the pack's own order.
        run(
            f"""CREATE OR REPLACE TABLE late.found_{pack} AS
            SELECT photo_id, line_number, value FROM {late}
            WHERE photo_id IN (SELECT photo_id FROM {missed})
            QUALIFY row_number() OVER (PARTITION BY photo_id ORDER BY line_number) = 1"""
        )
        run(
            f"""INSERT INTO rejected_lines SELECT ?, line_number, byte_offset, ?, raw FROM {late}
            WHERE photo_id IN (SELECT photo_id FROM items)
            AND line_number NOT IN (SELECT line_number FROM late.found_{pack})
            ORDER BY line_number""",
            [file, DUPLICATE_PACK_REASON],
        )
        n_late, n_orphans, n_found = (
            self._count(query)
            for query in (
                f"""SELECT count(*) FROM {late}
                WHERE {is_whole} OR photo_id IN (SELECT photo_id FROM items)""",
                f"SELECT count(*) FROM orphans WHERE file = '{_quoted(file)}'",
                f"SELECT count(*) FROM late.found_{pack}",
            )
        )
        return LateCounts(n_found, n_orphans, n_late - n_orphans - n_found)

    def _write_again(self, packs: list[Pack]) -> None:
        """A second file with the values of late rows in place; the first is dropped."""
        values = ", ".join(
            f"coalesce(items.{PACK_COLUMN[pack]}, found_{pack}.value) AS {PACK_COLUMN[pack]}"
            for pack in packs
        )
        joins = " ".join(f"LEFT JOIN late.found_{pack} USING (photo_id)" for pack in packs)
        second = self._building.with_name(f"{self._building.name}.2")
        run = self._connection.execute
        first = run("SELECT current_database()").fetchall()[0][0]
        run(f"ATTACH '{_quoted(second)}' AS second")
        run("USE second")
        create_tables(self._connection)
        for table in ("rejected_lines", "orphans"):
            run(f'INSERT INTO {table} SELECT * FROM "{first}".{table}')
        run(
            f"""INSERT INTO items SELECT {self._columns} FROM (
            SELECT items.* REPLACE ({values}) FROM "{first}".items AS items {joins})
            ORDER BY line_number"""
        )
        run(f'USE "{first}"')
        self._late_connection.close()
        self._connection.close()
        second.replace(self._building)
        self._connection = connect_writer(self._building, self.limits)

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchall()[0][0])

    def finish(self) -> None:
        """Views, checkpoint, and the name."""
        create_views(self._connection)
        self._connection.execute("CHECKPOINT")
        self._late_connection.close()
        self._connection.close()
        publish(self._building, self.target)
        self.discard()

    def discard(self) -> None:
        """Remove what a build leaves beside its target."""
        if hasattr(self, "_late_connection"):
            self._late_connection.close()
        if hasattr(self, "_connection"):
            self._connection.close()
        for suffix in _LEFTOVERS:
            path = self.target.with_name(f"{self.target.name}{suffix}")
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _append(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: pa.Table,
    query: str = "* FROM incoming",
) -> None:
    """Append what a query makes of ``incoming``, which are the rows."""
    connection.register("incoming", rows)
    try:
        connection.execute(f"INSERT INTO {table} SELECT {query}")
    finally:
        connection.unregister("incoming")


def _quoted(value: Path | str) -> str:
    return str(value).replace("'", "''")

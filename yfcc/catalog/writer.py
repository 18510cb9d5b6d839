"""The file under construction: windows in, a transaction a batch, published by rename."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from yfcc.catalog.behind import Act, Behind
from yfcc.catalog.connection import (
    ROW_GROUP_ROWS,
    Limits,
    connect_writer,
    quoted,
    target_errors,
)
from yfcc.catalog.forget import Rewritten, without_forgotten
from yfcc.catalog.late import LateJoin
from yfcc.catalog.publish import publish
from yfcc.catalog.readback import check_readable
from yfcc.catalog.schema import create_tables, create_views, list_countries
from yfcc.catalog.text_index import drop_words
from yfcc.errors import LockedError, TargetError
from yfcc.metadata.layouts import Pack
from yfcc.metadata.lines import Reject
from yfcc.metadata.packs import VALUE_KINDS

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
#: Tables that a build fills.
_FILLED: Final = ("items", "rejected_lines", "orphans", "originals", "ingests")
#: What lies beside the target while a build is at work, or after it was killed; the journal has
#: its own keeper.
_LEFTOVERS: Final = tuple(
    f"{file}{suffix}"
    for file in (".building", ".building.2")
    for suffix in ("", ".wal", ".spill", ".maps")
)
#: Maps come to DuckDB by way of a Parquet file: as Arrow it checks every key against every other
#: of its row with a set of values, 330 ns a key, though they are unique already.
_MAP_COLUMNS: Final = ("autotags", "exif")
#: Their values recur too, but to look for it takes longer than to write them twice.
_RECURRING_IN_MAPS: Final = ("autotags.key_value.key", "exif.key_value.key")


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
    n_hash_mismatches: int
    row_limit: int | None
    n_shards: int
    started_at: datetime
    finished_at: datetime
    yfcc_version: str


@dataclass(slots=True)
class CatalogWriter:
    """Builds a catalog beside its target, in transactions that the caller ends.

    Rows are appended and committed by a thread behind the caller's, so that the next are made
    ready meanwhile. Its errors come back with a later call.

    Attributes
    ----------
    target : Path
        The catalog's name once it is published.
    limits : Limits
    n_rows : dict of str to int
        Rows of every table, those too that are handed in but not committed.
    """

    target: Path
    limits: Limits
    n_rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_FILLED, 0))
    _connection: duckdb.DuckDBPyConnection | None = None
    _columns: str = ""
    _second: Path | None = None
    _is_in_transaction: bool = False
    _behind: Behind | None = None

    def create(self) -> None:
        """Start a new file; what an earlier build left is removed."""
        self.remove()
        self._connect()
        create_tables(self.connection)
        self._describe()

    def reopen(self) -> str | None:
        """Go on with the file of an interrupted build; returns why it cannot be, or None.

        Raises
        ------
        LockedError
            Another program has it open.
        TargetError
            The disk is full or failing.
        """
        if not self._building.is_file():
            return f"{self._building.name} is missing"
        try:
            with target_errors(self._building):
                self._connect()
                for table in _FILLED:
                    self.n_rows[table] = self._count(table)
                self._describe()
        except duckdb.Error as error:
            text = str(error)
            if "lock" in text and "PID" in text:
                raise LockedError(
                    f"{self._building}: another program has it open: {text}"
                ) from error
            return f"{self._building.name} cannot be read: {text.splitlines()[0]}"
        return None

    def _connect(self) -> None:
        self._connection = connect_writer(self._building, self.limits)
        # Several threads cut a window into row groups that the checkpoint writes once more:
        # twice the file, and 1.5 times the CPU. The other cores decompress meanwhile.
        self._connection.execute("SET threads = 1")
        self._behind = Behind("write")

    def _describe(self) -> None:
        described = self.connection.execute("DESCRIBE items").fetchall()
        self._columns = ", ".join(f'"{row[0]}"' for row in described)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """To the tables under construction, with all that was handed in."""
        self._settle()
        return self._at_once

    @property
    def _at_once(self) -> duckdb.DuckDBPyConnection:
        """The connection for an act of the thread behind, or when that has nothing to do."""
        if self._connection is None:
            raise TargetError(f"{self._building}: not open.")
        return self._connection

    def _settle(self) -> None:
        """Wait until all that was handed in is done."""
        if self._behind is not None:
            self._behind.settle()

    def _hand_in(self, act: Act) -> None:
        if self._behind is None:
            raise TargetError(f"{self._building}: not open.")
        self._behind.do(act)

    @property
    def _building(self) -> Path:
        return self._beside("building")

    def _beside(self, name: str) -> Path:
        return self.target.with_name(f"{self.target.name}.{name}")

    def _begin(self) -> None:
        if not self._is_in_transaction:
            self._at_once.execute("BEGIN")
            self._is_in_transaction = True

    def commit(self, then: Act | None = None) -> None:
        """Have all rows so far made durable, and something done after that."""
        self._hand_in(self._end_transaction)
        if then:
            self._hand_in(then)

    def _end_transaction(self) -> None:
        if self._is_in_transaction:
            self._at_once.execute("COMMIT")
            self._is_in_transaction = False

    def insert_items(self, columns: dict[str, pa.ChunkedArray]) -> None:
        """Append a window to ``items``; columns that are missing are null."""
        n_rows = len(columns["photo_id"])
        if not n_rows:
            return
        for pack, column in PACK_COLUMN.items():
            columns.setdefault(column, pa.nulls(n_rows, VALUE_KINDS[pack]))
        self.n_rows["items"] += n_rows
        self._hand_in(partial(self._append_items, columns))

    def _append_items(self, columns: dict[str, pa.ChunkedArray]) -> None:
        maps = {name: columns.pop(name) for name in _MAP_COLUMNS}
        maps_file = self._beside("building.maps")
        pyarrow.parquet.write_table(
            pa.table(maps),
            maps_file,
            compression="none",
            use_dictionary=list(_RECURRING_IN_MAPS),
            write_statistics=False,
            row_group_size=len(columns["photo_id"]),
        )
        beside = f"POSITIONAL JOIN read_parquet('{quoted(maps_file)}')"
        self._append("items", pa.table(columns), f"{self._columns} FROM incoming {beside}")

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
            self.n_rows["rejected_lines"] += len(rows)
            table = pa.Table.from_pylist(rows, _REJECT_SCHEMA)
            self._hand_in(partial(self._append, "rejected_lines", table))

    def insert_originals(
        self, pack: str, items: pa.Table, odd: npt.NDArray[np.int64], lines: pa.Array
    ) -> None:
        """Append to ``originals`` the lines of some items in the dataset or in a pack."""
        if len(odd):
            self.n_rows["originals"] += len(odd)
            rows = items.select(["line_number", "photo_id"]).take(odd).append_column("raw", [lines])
            query = f"'{pack}', * FROM incoming"
            self._hand_in(partial(self._append, "originals", rows, query))

    def insert_ingest(self, record: IngestRecord) -> None:
        """Append to ``ingests``."""
        connection = self.connection
        self._begin()
        values = [getattr(record, name) for name in record.__slots__]
        marks = ", ".join("?" for _ in values)
        connection.execute(f"INSERT INTO ingests VALUES ({marks})", values)
        self.n_rows["ingests"] += 1

    def use_all_threads(self) -> None:
        """For the end of a build, when nothing is left to decompress."""
        self.connection.execute(f"SET threads = {self.limits.n_threads or 1}")

    def insert_late(self, late: LateJoin) -> None:
        """Bring late rows to where they belong.

        Values of items that are written already need a second file; the first stays as it is,
        so that a build that is killed meanwhile can do it again.
        """
        self._settle()
        if late.found:
            self._begin_second(late)
        self._begin()
        for table, n_rows in late.insert_rest().items():
            self.n_rows[table] += n_rows

    def _begin_second(self, late: LateJoin) -> None:
        """A second file with the values of late rows in place, in a transaction."""
        values = ", ".join(
            f"coalesce(items.{PACK_COLUMN[pack]}, found_{pack}.value) AS {PACK_COLUMN[pack]}"
            for pack in late.found
        )
        joins = " ".join(
            f"LEFT JOIN {late.found_rows(pack)} AS found_{pack} USING (photo_id)"
            for pack in late.found
        )
        self._second = self._beside("building.2")
        self._sweep(self._second)
        run = self.connection.execute
        first = run("SELECT current_database()").fetchall()[0][0]
        run(f"ATTACH '{quoted(self._second)}' AS second (ROW_GROUP_SIZE {ROW_GROUP_ROWS})")
        run("USE second")
        self._begin()
        create_tables(self.connection)
        for table in ("rejected_lines", "originals"):
            run(f'INSERT INTO {table} SELECT * FROM "{first}".{table}')
        run(
            f"""INSERT INTO items SELECT {self._columns} FROM (
            SELECT items.* REPLACE ({values}) FROM "{first}".items AS items {joins})
            ORDER BY line_number"""
        )

    @property
    def is_in_second(self) -> bool:
        """Whether what is written now goes to a second file."""
        return self._second is not None

    def create_views(self) -> None:
        """Make the views over the tables, and the list of countries."""
        connection = self.connection
        self._begin()
        create_views(connection)
        list_countries(connection)

    def publish(self) -> Rewritten | None:
        """Checkpoint, read back, and give the file its name; nothing else is left of the build.

        Returns
        -------
        Rewritten or None
            What became of the file, if removed items had to be left out.

        Raises
        ------
        TargetError
            What was written cannot be read.
        """
        built = self._second or self._building
        self._settle()
        if self._second:
            self.close()
            self._connection = connect_writer(built, self.limits)
        self._at_once.execute("CHECKPOINT")
        self.close()
        try:
            check_readable(built, self.n_rows, self.limits)
        except TargetError:
            built.unlink()
            raise
        rewritten = without_forgotten(built, self.target, self.limits)
        drop_words(self.target)
        publish(rewritten.path if rewritten else built, self.target)
        return rewritten

    def iter_ids(self) -> Iterator[npt.NDArray[np.int64]]:
        """Identifiers of all items, in sorted arrays of up to a few millions."""
        reader = self.connection.sql("SELECT photo_id FROM items").to_arrow_reader(2_000_000)
        for batch in reader:
            yield np.sort(batch.column(0).to_numpy())

    def close(self) -> None:
        """Let go of the file; what was not committed is gone."""
        if self._behind is not None:
            self._behind.close()
            self._behind = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._is_in_transaction = False
        self._beside("building.maps").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what a build leaves beside its target."""
        self.close()
        for suffix in _LEFTOVERS:
            self._sweep(self.target.with_name(f"{self.target.name}{suffix}"), with_wal=False)
        self.n_rows = dict.fromkeys(_FILLED, 0)

    @staticmethod
    def _sweep(path: Path, *, with_wal: bool = True) -> None:
        for each in (path, path.with_name(f"{path.name}.wal")) if with_wal else (path,):
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink(missing_ok=True)

    def _count(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def _append(self, table: str, rows: pa.Table, query: str = "* FROM incoming") -> None:
        """Append what a query makes of ``incoming``, which are the rows."""
        self._begin()
        self._at_once.register("incoming", rows)
        try:
            self._at_once.execute(f"INSERT INTO {table} SELECT {query}")
        finally:
            with contextlib.suppress(duckdb.Error):  # the error of the insertion tells more
                self._at_once.unregister("incoming")

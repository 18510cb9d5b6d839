"""A published catalog, opened to read: selections counted and streamed, SQL answered."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import duckdb
import pyarrow as pa

from yfcc.catalog.connection import Limits, target_errors
from yfcc.catalog.names import check_country, check_names
from yfcc.catalog.open_files import OpenFile, borrow, file_number, give_back
from yfcc.catalog.select import LISTED, IdList, Selection, in_shards, literal
from yfcc.catalog.select_rules import FOUND
from yfcc.catalog.select_where import check_computed, check_condition
from yfcc.catalog.selection_counts import SelectionCounts
from yfcc.catalog.spool import Spool
from yfcc.catalog.spooled_items import SpooledItems
from yfcc.errors import TargetError, UsageError
from yfcc.progress import note

if TYPE_CHECKING:
    from yfcc.catalog.text_search import FoundWords

_SCAN_ROWS: Final = 2_048
_ITEM_COLUMNS: Final = "photo_id, photo_hash, media_kind, download_url, shard, document"
#: What DuckDB says of a selection that it cannot, or must not, compute.
_REFUSED: Final = (duckdb.ProgrammingError, duckdb.DataError, duckdb.PermissionException)
#: What a sample of a selection is called in its SQL.
_DRAWN: Final = "drawn_items"


@dataclass(slots=True, weakref_slot=True, eq=False)
class Catalog:
    """A catalog open for reading; a context manager.

    One that nobody refers to any more is closed. Several of one file share what DuckDB has of it.

    Attributes
    ----------
    path : Path
    limits : Limits
    folders, files : tuple of str
        What SQL may reach beside the catalog and its scratch folder.
    """

    path: Path
    limits: Limits = field(default_factory=Limits)
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    _connection: duckdb.DuckDBPyConnection = field(init=False)
    _shared: OpenFile = field(init=False)
    _let_go: Callable[[], object] = field(init=False)
    _folder: tuple[int, Path] | None = None
    _lists: dict[str, tuple[IdList, Path]] = field(default_factory=dict)
    _samples: dict[Selection, Path] = field(default_factory=dict)
    _found: dict[str, tuple[FoundWords, Path]] = field(default_factory=dict)
    _file: tuple[int, int] | None = None
    _spooling: duckdb.DuckDBPyConnection | None = None
    _is_cancelled: bool = False
    _is_closed: bool = False

    def __post_init__(self) -> None:
        self._shared = borrow(self.path, self.limits, self.folders, self.files)
        self._file = self._shared.number
        self._connection = self._shared.connection.cursor()
        self._let_go = weakref.finalize(self, give_back, self.path.absolute(), self._shared)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._is_closed = True
        self._connection.close()
        if self._folder is not None and self._folder[0] == os.getpid():
            shutil.rmtree(self._folder[1], ignore_errors=True)
        self._folder = None
        self._let_go()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """For the other modules of this room.

        Raises
        ------
        UsageError
            The catalog is closed.
        """
        if self._is_closed:
            raise UsageError(f"{self.path}: this catalog was closed; open it again.")
        return self._connection

    def is_current(self) -> bool:
        """Whether no other file took the catalog's place since it was opened."""
        return self._file is not None and self._file == file_number(self.path)

    def fingerprint(self) -> str:
        """Hex digest of the versions of all files the catalog was built from."""
        rows = self.connection.execute(
            "SELECT file, etag, n_bytes, n_joined, row_limit FROM ingests ORDER BY file"
        ).fetchall()
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    @contextmanager
    def selecting(
        self, selection: Selection, shards: Collection[int] | None = None
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """A connection, and the condition over ``items`` that is the selection there.

        Parameters
        ----------
        selection : Selection
        shards : collection of int, optional
            Only items of these shards will be asked for.

        Raises
        ------
        UsageError
            A flag's value is not of its form, or the condition cannot be computed.
        """
        # A connection of its own: the run asks for items while others count.
        with self.connection.cursor() as cursor:
            if selection.where:
                check_condition(cursor, selection.where)
            check_country(cursor, selection)
            try:
                yield cursor, self._condition(cursor, selection, shards)
            except _REFUSED as error:
                if selection.where:
                    check_computed(cursor, selection.where)
                raise UsageError(
                    f"the selection cannot be computed: {str(error).strip()}"
                ) from error

    def listed(self, selection: Selection) -> IdList | None:
        """What the selection's list of ids holds; None if it has none.

        Raises
        ------
        UsageError
            The list cannot be read.
        """
        if not selection.ids:
            return None
        if selection.ids not in self._lists:
            # Heavy to load, and rarely wanted.
            from yfcc.catalog.listed_items import find_listed  # noqa: PLC0415

            path = self._scratch_path() / f"listed-{len(self._lists)}.parquet"
            with self.connection.cursor() as cursor, target_errors(path):
                self._lists[selection.ids] = find_listed(cursor, selection.ids, path), path
        return self._lists[selection.ids][0]

    def found(self, text: str) -> FoundWords:
        """What words come to; the first to ask has the index of words built.

        Raises
        ------
        UsageError
            There is no word in it.
        """
        if text not in self._found:
            from yfcc.catalog.text_search import find_words  # noqa: PLC0415

            path = self._scratch_path() / f"found-{len(self._found)}.parquet"
            with target_errors(path):
                self._found[text] = find_words(self, text, path, note), path
        return self._found[text][0]

    def write_list(self, path: str, target: Path) -> None:
        """Write a list of ids as the one its digest is of, see :func:`~.listed_items.write_list`.

        Raises
        ------
        UsageError
            The list cannot be read.
        """
        from yfcc.catalog.listed_items import write_list  # noqa: PLC0415

        with self.connection.cursor() as cursor:
            write_list(cursor, path, self._scratch_path() / "list.raw", target)

    def describe(self, selection: Selection) -> str:
        """The selection for the record: its SQL, with what identifies a list of ids."""
        found = self.listed(selection)
        if found is None:
            return selection.sql()
        return (
            f"{selection.sql()} /* {LISTED}: sha256 {found.sha256}, {found.n_listed} listed, "
            f"{found.n_found} of them in the catalog */"
        )

    def count(self, selection: Selection) -> SelectionCounts:
        """How many items are selected, in one scan.

        Raises
        ------
        UsageError
            ``--where`` is no condition over ``items``, or a name is unknown to the catalog.
        """
        with self.selecting(selection) as (cursor, condition):
            query = (
                "SELECT shard, license, media_kind, count(*) FROM items "
                f"WHERE {condition} GROUP BY ALL"
            )
            rows = cursor.execute(query).fetchall()
            check_names(cursor, selection, is_empty=not rows)
        return SelectionCounts(tuple(rows))

    def count_among(
        self, selection: Selection, ids: Iterable[int], shards: Collection[int]
    ) -> dict[str, int]:
        """How many of some items are selected, by media kind.

        Parameters
        ----------
        selection : Selection
        ids : iterable of int
            Photo ids, as many as fit in memory.
        shards : collection of int
            All shards that they belong to, at least.
        """
        known = pa.table({"photo_id": pa.array(ids, pa.int64())})
        with self.selecting(selection, shards) as (cursor, condition):
            cursor.register("known_items", known)
            query = (
                f"SELECT media_kind, count(*) FROM items WHERE {in_shards(shards)} "
                f"AND photo_id IN (SELECT photo_id FROM known_items) AND ({condition}) GROUP BY ALL"
            )
            return dict(cursor.execute(query).fetchall())

    def spool_items(
        self, selection: Selection, counts: Mapping[int, int], lines: tuple[int, int | None]
    ) -> SpooledItems:
        """Read the selected items of some shards and put them in order.

        One scan of the catalog, whatever the number of shards: few calls for many shards each
        cost less than many for few. Memory is about 50 MB beside DuckDB's, the rest is on disk.

        Parameters
        ----------
        selection : Selection
        counts : mapping of int to int
            Items to come by shard.
        lines : tuple of int and int or None
            Only those from the first line number on, up to the second, which is not included.

        Raises
        ------
        UsageError
            The selection cannot be computed.
        CancelledError
            :meth:`cancel` was called.
        TargetError
            There is no room to put them in order.
        """
        first, end = lines
        within = f"line_number >= {first}" + ("" if end is None else f" AND line_number < {end}")
        spool = Spool(counts, self._scratch_path())
        try:
            with self.selecting(selection, counts) as (cursor, condition):
                query = (
                    f"SELECT {_ITEM_COLUMNS} FROM item_documents "
                    f"WHERE {in_shards(counts)} AND {within} AND ({condition})"
                )
                self._fill(spool, cursor, query)
        except BaseException:
            spool.close()
            raise
        return SpooledItems(spool)

    def cancel(self) -> None:
        """End :meth:`spool_items` in another thread, now and for ever."""
        self._is_cancelled = True
        if self._spooling is not None:
            self._spooling.interrupt()

    def _fill(self, spool: Spool, cursor: duckdb.DuckDBPyConnection, query: str) -> None:
        self._spooling = cursor
        try:
            with target_errors(self.path):
                reader: pa.RecordBatchReader = cursor.sql(query).to_arrow_reader(_SCAN_ROWS)
                for batch in reader:
                    if self._is_cancelled:
                        raise CancelledError
                    spool.add(batch)
        except (duckdb.InterruptException, RuntimeError, OSError) as error:
            if self._is_cancelled:
                raise CancelledError from error
            raise
        finally:
            self._spooling = None
        if self._is_cancelled:
            raise CancelledError

    def _condition(
        self,
        cursor: duckdb.DuckDBPyConnection,
        selection: Selection,
        shards: Collection[int] | None,
    ) -> str:
        if selection.sample is not None:
            selection.conditions()  # a wrong value shows before anything is computed
            _create_view(cursor, _DRAWN, self._drawn(selection), shards)
            if selection.text:  # for those who want to know how well the words fit
                self._create_found(cursor, selection)
            return f"photo_id IN (SELECT photo_id FROM {_DRAWN})"
        if self.listed(selection) is not None and selection.ids:
            _create_view(cursor, LISTED, self._lists[selection.ids][1], shards)
        if selection.text:
            self._create_found(cursor, selection)
        return selection.sql()

    def _create_found(self, cursor: duckdb.DuckDBPyConnection, selection: Selection) -> None:
        selection.conditions()  # a wrong value shows before anything is computed
        text = selection.text or ""
        lacking = self.found(text).lacking
        if lacking:
            raise UsageError("\n".join(f"--text {each.describe()}" for each in lacking))
        cursor.execute(
            f"CREATE OR REPLACE TEMP VIEW {FOUND} AS SELECT {literal(text)} AS words, "
            f"line_number, score FROM read_parquet({literal(str(self._found[text][1]))})"
        )

    def _drawn(self, selection: Selection) -> Path:
        """The file with a selection's sample."""
        if selection not in self._samples:
            from yfcc.catalog.drawing import write_drawn  # noqa: PLC0415

            path = self._scratch_path() / f"drawn-{len(self._samples)}.parquet"
            drawn_from = self.selecting(selection.without_sample())
            with drawn_from as (cursor, condition), target_errors(path):
                write_drawn(cursor, selection, condition, path)
            self._samples[selection] = path
        return self._samples[selection]

    @contextmanager
    def lend_folder(self) -> Iterator[Path]:
        """An empty folder that SQL on this catalog may read, for a while.

        Raises
        ------
        TargetError
            There is no room for one.
        """
        parent = self._scratch_path()
        with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def _scratch_path(self) -> Path:
        """Folder for what is written on the side, by this process: forks have their own."""
        if self._folder is None or self._folder[0] != os.getpid():
            scratch = self._shared.scratch
            if isinstance(scratch, TargetError):
                raise scratch
            with target_errors(scratch.path):
                self._folder = os.getpid(), Path(tempfile.mkdtemp(dir=scratch.path))
        return self._folder[1]


def _create_view(
    cursor: duckdb.DuckDBPyConnection, name: str, path: Path, shards: Collection[int] | None
) -> None:
    cursor.execute(
        f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT photo_id "
        f"FROM read_parquet({literal(str(path))}) WHERE {in_shards(shards)}"
    )

"""The index of words beside a catalog: made when it is first wanted, and bound to that catalog.

``CATALOG.words`` is a DuckDB file, so its blocks have checksums. It is built segment by segment
under another name and published by a rename; a killed build leaves nothing under that name. An
index that belongs to another catalog, or to another definition of words, is made anew. What is
removed from a catalog leaves the index with it: :func:`drop_words`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import pyarrow as pa

from yfcc import __version__
from yfcc.catalog.connection import Limits, connect_writer, target_errors
from yfcc.catalog.publish import exclusive_lock, fsync_directory, publish
from yfcc.catalog.sqlfiles import read_sql
from yfcc.catalog.text_tokens import DEFINITION
from yfcc.errors import LockedError, SourceChanged, TargetError

#: Items of a segment: memory (about 400 bytes an item) against the number of places to look in.
SEGMENT_ITEMS: Final = 500_000
_BATCH_ITEMS: Final = 10_000
#: What DuckDB may take while an index is built.
_MEMORY: Final = "400MB"
#: DuckDB's headers: each checkpoint writes them, and they hold checksums of what they point to.
_HEADER_BYTES: Final = 3 * 4096
_SAY_EVERY_S: Final = 5.0
_WAIT_S: Final = 0.2
_TEXTS: Final = (
    "SELECT line_number, list_concat([title, description], coalesce(user_tags, []), "
    "coalesce(machine_tags, [])) FROM items"
)

if TYPE_CHECKING:
    from yfcc.catalog.reader import Catalog
    from yfcc.catalog.text_segment import Segment

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class WordsSummary:
    """What an index holds.

    Attributes
    ----------
    path : Path
    n_items : int
    n_words : int
        Different ones, a segment at a time.
    n_postings : int
        Pairs of a word and an item.
    n_bytes : int
        Of the file.
    is_new : bool
        Built just now.
    """

    path: Path
    n_items: int
    n_words: int
    n_postings: int
    n_bytes: int
    is_new: bool


def words_path(catalog: Path) -> Path:
    """Where the index of a catalog lies."""
    return catalog.with_name(f"{catalog.name}.words")


def drop_words(catalog: Path) -> None:
    """Remove the index of a catalog, durably, and what unfinished builds left.

    Raises
    ------
    OSError
        It cannot be removed.
    """
    index = words_path(catalog)
    found = [index, *_unfinished(index)]
    gone = [path for path in found if _unlink(path)]
    if gone:
        fsync_directory(index.parent)


def _unfinished(index: Path) -> list[Path]:
    start = f"{index.name}.building-"
    return [path for path in index.parent.iterdir() if path.name.startswith(start)]


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def catalog_identity(catalog: Catalog) -> str:
    """Digest of what tells a catalog from every other, also from its own earlier self.

    A copy of the file has the same; opening it to read changes nothing.

    Raises
    ------
    SourceChanged
        Another file took its place since it was opened.
    """
    with catalog.connection.cursor() as cursor:
        rows = cursor.execute("SELECT * FROM ingests ORDER BY ALL").fetchall()
    found = hashlib.sha256(repr(rows).encode())
    if not catalog.is_current():
        raise SourceChanged(f"{catalog.path}: it was replaced while it was read. Run again.")
    with catalog.path.open("rb") as file:
        found.update(file.read(_HEADER_BYTES))
        found.update(str(os.fstat(file.fileno()).st_size).encode())
    return found.hexdigest()


def ensure_words(
    catalog: Catalog, say: Say, *, rebuild: bool = False, segment_items: int = SEGMENT_ITEMS
) -> WordsSummary:
    """Build the index of a catalog unless there is one that fits.

    Parameters
    ----------
    catalog : Catalog
    say : callable
        Takes a line about what takes its time.
    rebuild : bool
        Build it in any case.
    segment_items : int
        Items of a segment.

    Raises
    ------
    TargetError
        There is none, and the folder cannot be written.
    SourceChanged
        The catalog was replaced meanwhile.
    """
    identity = catalog_identity(catalog)
    index = words_path(catalog.path)
    found = None if rebuild else _summary(index, identity)
    if found:
        return found
    is_waiting = False
    while True:
        try:
            with (
                target_errors(index),
                exclusive_lock(index.with_name(f"{index.name}.lock")),
            ):
                # Another process may have built it while this one waited.
                found = None if rebuild and not is_waiting else _summary(index, identity)
                if found:
                    return found
                say(_beginning(index))
                _Building(catalog, identity, say, segment_items).run()
            break
        except LockedError as error:
            if not is_waiting:
                say(f"waiting for the index of words: {error}")
            is_waiting = True
            time.sleep(_WAIT_S)
    found = _summary(index, identity)
    if not found:
        raise _changed(catalog.path)
    return replace(found, is_new=True)


def _beginning(index: Path) -> str:
    reason = "it belongs to another catalog, or is damaged" if index.exists() else "there is none"
    return (
        f"building the index of words, {index} ({reason}); it is kept. "
        "`yfcc index --catalog FILE` builds it ahead."
    )


def _changed(catalog: Path) -> SourceChanged:
    return SourceChanged(f"{catalog}: it was replaced while its words were indexed. Run again.")


@contextlib.contextmanager
def open_words(index: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An index of words, to read."""
    config: dict[str, Any] = {
        "memory_limit": _MEMORY,
        "temp_directory": "",
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(str(index), read_only=True, config=config)
    try:
        connection.execute("SET enable_progress_bar = false")
        yield connection
    finally:
        connection.close()


def _summary(index: Path, identity: str) -> WordsSummary | None:
    """What an index holds; None if there is none, or it is of no use."""
    if not index.is_file():
        return None
    try:
        with open_words(index) as connection:
            rows = connection.execute(
                "SELECT w.n_items, coalesce(sum(s.n_words), 0), coalesce(sum(s.n_postings), 0), "
                "coalesce(sum(s.n_items), 0) "
                "FROM word_index AS w LEFT JOIN word_segments AS s ON true "
                f"WHERE catalog = '{identity}' AND definition = '{DEFINITION}' GROUP BY ALL"
            ).fetchall()
            n_bytes = index.stat().st_size
    except (duckdb.Error, FileNotFoundError):
        return None
    if len(rows) != 1 or rows[0][0] != rows[0][3]:
        return None
    n_items, n_words, n_postings, _ = (int(each) for each in rows[0])
    return WordsSummary(index, n_items, n_words, n_postings, n_bytes, is_new=False)


class _DisorderedError(Exception):
    """Line numbers do not ascend."""


class _Totals(NamedTuple):
    n_rows: int
    n_postings: int


class _Building:
    """One build, under the lock."""

    def __init__(self, catalog: Catalog, identity: str, say: Say, segment_items: int) -> None:
        self._catalog = catalog
        self._identity = identity
        self._say = say
        self._segment_items = segment_items
        self._index = words_path(catalog.path)
        self._n_items = 0
        self._said_s = time.monotonic()
        with catalog.connection.cursor() as cursor:
            self._n_to_do = int(cursor.execute("SELECT count(*) FROM items").fetchall()[0][0])

    def run(self) -> None:
        """Build, read back, publish; nothing is left if it fails."""
        for leftover in _unfinished(self._index):
            _unlink(leftover)
        # A name of its own: even without the lock nobody else writes to it.
        path = self._index.with_name(f"{self._index.name}.building-{os.getpid()}")
        try:
            try:
                totals = self._build(path, "")
            except _DisorderedError:
                _unlink(path)
                totals = self._build(path, " ORDER BY line_number")
            self._check(path, totals)
            self._publish(path)
        finally:
            for leftover in (path, path.with_name(f"{path.name}.wal")):
                _unlink(leftover)

    def _build(self, path: Path, order: str) -> _Totals:
        from yfcc.catalog.text_segment import Segment  # noqa: PLC0415 - compiled loops take time

        self._n_items = 0
        writer = connect_writer(path, Limits(_MEMORY))
        try:
            for table in ("words", "word_segments", "word_index"):
                writer.execute(read_sql(f"schema/{table}.sql"))
            n_rows = n_postings = number = 0
            segment = None
            for batch in self._iter_batches(order):
                lines = batch.column(0).to_numpy()
                if segment is None:
                    segment = Segment(int(lines[0]))
                segment.add(lines, batch.column(1))
                self._advance(len(lines))
                if segment.n_items >= self._segment_items or self._n_items == self._n_to_do:
                    _write(writer, number, segment)
                    n_rows += segment.n_words
                    n_postings += segment.n_postings
                    number += 1
                    segment = None
            writer.execute(
                "INSERT INTO word_index VALUES (?, ?, ?, ?)",
                [self._identity, DEFINITION, self._n_items, __version__],
            )
            writer.execute("CHECKPOINT")
        finally:
            writer.close()
        return _Totals(n_rows, n_postings)

    def _iter_batches(self, order: str) -> Iterator[pa.RecordBatch]:
        last = -1
        n_rows = min(_BATCH_ITEMS, self._segment_items)
        with self._catalog.connection.cursor() as cursor:
            for batch in cursor.sql(_TEXTS + order).to_arrow_reader(n_rows):
                if not batch.num_rows:
                    continue
                lines = batch.column(0).to_numpy()
                if lines[0] <= last or (lines[1:] <= lines[:-1]).any():
                    raise _DisorderedError
                last = int(lines[-1])
                yield batch

    def _advance(self, n_items: int) -> None:
        self._n_items += n_items
        now_s = time.monotonic()
        if now_s - self._said_s >= _SAY_EVERY_S:
            self._said_s = now_s
            share = self._n_items / max(self._n_to_do, 1)
            self._say(f"index of words: {self._n_items:,} items, {share:.0%}")

    def _check(self, path: Path, totals: _Totals) -> None:
        """Read everything back, with its checksums."""
        with open_words(path) as connection:
            rows = connection.execute(
                "SELECT count(*), coalesce(sum(n_items), 0), bit_xor(hash(token)), "
                "bit_xor(hash(lines)), bit_xor(hash(levels)) FROM words"
            ).fetchall()
        if tuple(int(each) for each in rows[0][:2]) != totals:
            raise TargetError(
                f"{path}: the index of words reads back differently: expected {totals}, "
                f"got {rows[0][:2]}. Check the disk and the memory of this machine, then run again."
            )

    def _publish(self, path: Path) -> None:
        # Items may have been removed meanwhile: their words must not appear again.
        catalog_identity(self._catalog)
        try:
            publish(path, self._index)
        except FileNotFoundError as error:  # `yfcc forget` swept it away
            raise _changed(self._catalog.path) from error
        try:
            catalog_identity(self._catalog)
        except SourceChanged:
            drop_words(self._catalog.path)
            raise


def _write(writer: duckdb.DuckDBPyConnection, number: int, segment: Segment) -> None:
    writer.register("packed", segment.packed())
    try:
        writer.execute(f"INSERT INTO words SELECT {number}, * FROM packed")
    finally:
        writer.unregister("packed")
    writer.execute(
        "INSERT INTO word_segments VALUES (?, ?, ?, ?, ?)",
        [number, segment.first_line, segment.n_items, segment.n_words, segment.n_postings],
    )

"""Removal of items from a catalog: a new file without their rows takes the old one's place.

``CATALOG.tombstones`` beside the catalog lists what must not be in it. It is made durable before
anything is rewritten and outlives rebuilds: whatever is published under the catalog's name is
first looked through for it.

Rows are never deleted in place, as their bytes would stay in free blocks of the file. Every line
that was read stays accounted for: what was removed counts as rejected, with the reason
``forgotten`` and without its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from yfcc.catalog.connection import Limits, connect_reader, connect_writer, target_errors
from yfcc.catalog.known_items import NAMED, create_lists
from yfcc.catalog.publish import exclusive_lock, publish, write_durably
from yfcc.catalog.readback import check_readable
from yfcc.catalog.schema import create_tables, create_views, list_countries
from yfcc.catalog.select import literal
from yfcc.catalog.text_index import drop_words
from yfcc.catalog.tombstones import (
    Reason,
    Tombstone,
    TombstoneSet,
    encode_tombstone,
    gather,
    parse_list,
)
from yfcc.errors import SourceMissing, TargetError, UsageError, YfccError

#: Reason of lines in ``rejected_lines`` whose text was removed.
FORGOTTEN_REASON: Final = "forgotten"
_COPIED: Final = ("items", "rejected_lines", "orphans", "originals", "ingests")
_REMADE: Final = "country_names"
#: Columns by pack: where there is a value, a row of the pack was joined.
_PACK_COLUMNS: Final = {
    "autotags": "autotags",
    "exif": "exif",
    "places": "places",
    "hash": "photo_hash",
}
_LINE_ROWS: Final = 20_000
_TOKEN: Final = re.compile(rb"[0-9A-Za-z@%]+")
#: Nobody knows any more where a removed row stood.
_UNKNOWN: Final = -1


def tombstones_path(catalog: Path) -> Path:
    """The list beside a catalog of what must not be in it."""
    return catalog.with_name(f"{catalog.name}.tombstones")


def read_tombstones(catalog: Path) -> list[Tombstone]:
    """The list beside a catalog; empty if there is none.

    Raises
    ------
    TargetError
        It is damaged.
    """
    path = tombstones_path(catalog)
    with target_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
    try:
        return parse_list(content, Reason.OTHER, "1970-01-01")
    except UsageError as error:
        raise TargetError(
            f"{path}: damaged: {error}. Put back a copy, or write it anew with `yfcc forget "
            f"--mirror DIR --catalog {catalog}`, once the damaged file is moved away."
        ) from error


def add_tombstones(catalog: Path, tombstones: Iterable[Tombstone]) -> None:
    """Add to the list beside a catalog, durably, also before the catalog is built.

    Raises
    ------
    TargetError
        It is damaged, or cannot be written.
    """
    there = read_tombstones(catalog)
    known = {(each.kind, each.value) for each in there}
    merged = {(each.kind, each.value): each for each in [*there, *tombstones]}
    if merged.keys() != known:
        with target_errors(tombstones_path(catalog)):
            lines = b"".join(map(encode_tombstone, merged.values()))
            write_durably(tombstones_path(catalog), lines)


def remove_rows(
    catalog: Path, tombstones: Iterable[Tombstone], limits: Limits | None = None
) -> int:
    """Publish a catalog anew without the rows of removed items.

    Killed at any moment, either the old or the new file has the name, and the list beside it
    says what to do.

    Returns
    -------
    int
        Items removed from it; 0 leaves the file as it is.

    Raises
    ------
    SourceError
        The catalog is missing, or is none.
    LockedError
        It is being built, or another program writes to it.
    TargetError
        The disk is full or failing.
    """
    limits = limits or Limits()
    if not catalog.is_file():
        raise SourceMissing(f"{catalog}: no catalog there. Name another with --catalog.")
    with target_errors(catalog), exclusive_lock(catalog.with_name(f"{catalog.name}.lock")):
        add_tombstones(catalog, tombstones)
        rewritten = without_forgotten(catalog, catalog, limits)
        if rewritten is None:
            return 0
        # Words of what is removed go with it: before, for a kill must not leave them, and after,
        # for somebody may have had the old catalog indexed meanwhile.
        drop_words(catalog)
        publish(rewritten.path, catalog)
        drop_words(catalog)
        return rewritten.n_items


def keep_away(catalog: Path, tombstones: Iterable[Tombstone]) -> None:
    """Add to the list beside a catalog while nobody builds it, also before it is first built.

    Raises
    ------
    LockedError
        It is being built.
    TargetError
        The list is damaged, or cannot be written.
    """
    with target_errors(catalog):
        catalog.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(catalog.with_name(f"{catalog.name}.lock")):
            add_tombstones(catalog, tombstones)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A closed, complete catalog without some items.

    Attributes
    ----------
    path : Path
    n_items : int
        How many were left out.
    ingests : dict of str to dict
        By file, its row of ``ingests``: what was left out counts as rejected.
    """

    path: Path
    n_items: int
    ingests: dict[str, dict[str, Any]]


def without_forgotten(built: Path, catalog: Path, limits: Limits) -> Rewritten | None:
    """A copy of a catalog without what the list beside its name forbids.

    Parameters
    ----------
    built : Path
        A closed catalog, published or not; it stays as it is.
    catalog : Path
        Its name once it is published. The copy lies beside it as ``CATALOG.forgetting``.
    limits : Limits

    Returns
    -------
    Rewritten or None
        None: there is nothing to leave out.

    Raises
    ------
    TargetError
        The copy cannot be written, or reads back differently.
    YfccError
        The file has tables that this version does not know how to copy.
    """
    copy = catalog.with_name(f"{catalog.name}.forgetting")
    for leftover in (copy, copy.with_name(f"{copy.name}.wal")):
        leftover.unlink(missing_ok=True)
    forgotten = gather(read_tombstones(catalog))
    if not forgotten:
        return None
    connect_reader(built, limits).close()  # says in the user's words if it is none
    connection = connect_writer(copy, limits)
    is_whole = False
    try:
        rewriting = _Rewriting(connection, built, forgotten)
        if rewriting.is_needed():
            rewriting.copy()
            is_whole = True
    finally:
        connection.close()
        if not is_whole:
            copy.unlink(missing_ok=True)
    if not is_whole:
        return None
    check_readable(copy, rewriting.n_rows, limits)
    return Rewritten(copy, rewriting.n_items, rewriting.ingests)


class _Rewriting:
    """From an old file, attached to a new one, all rows but those of removed items."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, built: Path, forgotten: TombstoneSet
    ) -> None:
        self._run = connection.execute
        self._connection = connection
        self.n_items = 0
        self.n_rows: dict[str, int] = {}
        self.ingests: dict[str, dict[str, Any]] = {}
        self._tables: tuple[str, ...] = ()
        self._run(f"ATTACH {literal(str(built))} AS old (READ_ONLY)")
        self._refuse_strange_tables(built)
        create_lists(connection, forgotten)
        has = ", ".join(f"{each} IS NOT NULL AS has_{each}" for each in _PACK_COLUMNS.values())
        self._run(
            f"CREATE TEMP TABLE gone AS SELECT photo_id, line_number, photo_hash, {has} "
            f"FROM old.items WHERE {NAMED}"
        )
        # Packs may have rows of an item that the dataset does not have.
        self._run(
            "CREATE TEMP TABLE wanted_ids AS "
            "SELECT photo_id FROM named_ids UNION SELECT photo_id FROM gone"
        )
        self.n_items = self._count("gone")
        self._lines = pa.array(list(self._iter_lines(forgotten)), pa.int64())

    def _refuse_strange_tables(self, built: Path) -> None:
        found = {
            row[0]
            for row in self._run(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'"
            ).fetchall()
        }
        # Catalogs of earlier versions have no originals: an empty table would say there are none.
        self._tables = tuple(table for table in _COPIED if table in found)
        strange = sorted(found - {*_COPIED, _REMADE})
        if strange:
            raise YfccError(
                f"{built}: this version of yfcc cannot remove items from its tables "
                f"{', '.join(strange)}: use the version that built it, or build it again"
            )

    def is_needed(self) -> bool:
        """Whether anything has to be left out."""
        return bool(self.n_items or len(self._lines) or self._count_orphans())

    def _count(self, table: str) -> int:
        return int(self._run(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def _count_orphans(self) -> int:
        return self._count(
            "(SELECT 1 FROM old.orphans WHERE photo_id IN (SELECT photo_id FROM wanted_ids))"
        )

    def _iter_lines(self, forgotten: TombstoneSet) -> Iterator[int]:
        """Rows of ``rejected_lines`` whose text names something that was removed."""
        gone = self._run("SELECT photo_id, photo_hash FROM gone").fetchall()
        texts = {str(photo_id) for photo_id in forgotten.ids} | forgotten.hashes.keys()
        texts |= {str(photo_id) for photo_id, _ in gone} | {each for _, each in gone if each}
        texts |= {form for nsid in forgotten.users for form in (nsid, nsid.replace("@", "%40"))}
        wanted = {text.encode() for text in texts}
        reader = self._connection.sql(
            f"SELECT rowid, raw FROM old.rejected_lines WHERE reason != '{FORGOTTEN_REASON}'"
        ).to_arrow_reader(_LINE_ROWS)
        for batch in reader:
            rows, raws = batch.columns
            for row, raw in zip(rows.to_pylist(), raws.to_pylist(), strict=True):
                if not wanted.isdisjoint(_TOKEN.findall(raw)):
                    yield row

    def copy(self) -> None:
        """Fill the new file, in the old one's order."""
        create_tables(self._connection)
        self._connection.register("named_lines", pa.table({"row": self._lines}))
        # Of five million rows that several threads wrote, one was out of order.
        self._run("SET threads = 1")
        self._run(
            "INSERT INTO items BY NAME SELECT * FROM old.items "
            "WHERE photo_id NOT IN (SELECT photo_id FROM gone)"
        )
        self._run(
            f"""
            INSERT INTO rejected_lines
            SELECT file, line_number, byte_offset,
                   CASE WHEN is_named THEN '{FORGOTTEN_REASON}' ELSE reason END,
                   CASE WHEN is_named THEN ''::BLOB ELSE raw END
            FROM (SELECT *, rowid IN (SELECT "row" FROM named_lines) AS is_named
                  FROM old.rejected_lines)"""
        )
        self._run(
            "INSERT INTO orphans SELECT * FROM old.orphans "
            "WHERE photo_id NOT IN (SELECT photo_id FROM wanted_ids)"
        )
        if "originals" in self._tables:
            self._run(
                "INSERT INTO originals SELECT * FROM old.originals "
                "WHERE photo_id NOT IN (SELECT photo_id FROM gone)"
            )
        else:
            self._run("DROP TABLE originals")
        self._account()
        create_views(self._connection)
        list_countries(self._connection)
        self._run("DETACH old")
        self._run("CHECKPOINT")
        self.n_rows = {table: self._count(table) for table in self._tables}

    def _account(self) -> None:
        """Count every removed row as rejected, in the file that it came from."""
        answer = self._run("SELECT * FROM old.ingests")
        names = [column[0] for column in answer.description or ()]
        ingests: list[dict[str, Any]] = [
            dict(zip(names, row, strict=True)) for row in answer.fetchall()
        ]
        orphans = dict(
            self._run(
                "SELECT file, count(*) FROM old.orphans "
                "WHERE photo_id IN (SELECT photo_id FROM wanted_ids) GROUP BY file"
            ).fetchall()
        )
        datasets = [row["file"] for row in ingests if row["pack"] == "dataset"]
        first_line = 0
        for row in ingests:
            if row["pack"] == "dataset":
                end = first_line + row["n_lines"] if row["file"] != datasets[-1] else None
                lines = self._dataset_lines(first_line, end)
                numbers = [line - first_line for line in lines]
                first_line += row["n_lines"]
            else:
                column = _PACK_COLUMNS[row["pack"]]
                n_gone = self._count(f"(SELECT 1 FROM gone WHERE has_{column})")
                numbers = [_UNKNOWN] * min(n_gone, row["n_joined"])
            n_orphans = orphans.get(row["file"], 0)
            row["n_joined"] -= len(numbers)
            row["n_orphans"] -= n_orphans
            row["n_rejected"] += len(numbers) + n_orphans
            self._reject(row["file"], numbers + [_UNKNOWN] * n_orphans)
            self.ingests[row["file"]] = row
            marks = ", ".join("?" for _ in names)
            self._run(
                f"INSERT INTO ingests ({', '.join(names)}) VALUES ({marks})",
                [row[name] for name in names],
            )

    def _dataset_lines(self, first: int, end: int | None) -> list[int]:
        within = f"line_number >= {first}" + ("" if end is None else f" AND line_number < {end}")
        rows = self._run(f"SELECT line_number FROM gone WHERE {within} ORDER BY 1").fetchall()
        return [row[0] for row in rows]

    def _reject(self, file: str, line_numbers: list[int]) -> None:
        if not line_numbers:
            return
        table = pa.table({"line_number": pa.array(line_numbers, pa.int64())})
        self._connection.register("forgotten_lines", table)
        self._run(
            f"INSERT INTO rejected_lines SELECT {literal(file)}, line_number, {_UNKNOWN}, "
            f"'{FORGOTTEN_REASON}', ''::BLOB FROM forgotten_lines"
        )
        self._connection.unregister("forgotten_lines")

"""The selected items with all that is needed to write the files that they were read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from yfcc.catalog.names import check_names
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.writer import PACK_COLUMN
from yfcc.errors import SourceDamaged
from yfcc.metadata.layouts import COLUMNS_V1, COLUMNS_V2, Pack

_DATASET: Final = "dataset"


@dataclass(frozen=True, slots=True)
class DatasetPart:
    """One of the dataset's files.

    Attributes
    ----------
    file : str
    first_line : int
        Line number of its first, counted over all of them.
    end_line : int or None
        Of the first behind it; None: it is the last.
    """

    file: str
    first_line: int
    end_line: int | None

    def condition(self) -> str:
        """Which rows of ``items`` come from it, in SQL."""
        first = f"line_number >= {self.first_line}" if self.first_line else "true"
        return first if self.end_line is None else f"{first} AND line_number < {self.end_line}"


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """What a catalog was built from.

    Attributes
    ----------
    edition : str
    columns : tuple of str
        Of the dataset.
    parts : tuple of DatasetPart
    packs : dict of Pack to str
        Names of the files.
    """

    edition: str
    columns: tuple[str, ...]
    parts: tuple[DatasetPart, ...]
    packs: dict[Pack, str]


def read_files(catalog: Catalog) -> ReadFiles:
    """The files that a catalog was built from.

    Raises
    ------
    SourceDamaged
        It was built by a version that did not keep how lines were written.
    """
    run = catalog.connection.execute
    try:
        run("SELECT raw FROM originals LIMIT 0")
    except duckdb.CatalogException as error:
        version = run("SELECT min(yfcc_version) FROM ingests").fetchall()[0][0]
        raise SourceDamaged(
            f"{catalog.path}: built by yfcc {version}, which did not keep how lines were "
            "written (table originals). Build it again with `yfcc metadata`."
        ) from error
    rows = run("SELECT file, pack, edition, n_lines FROM ingests").fetchall()
    datasets = [(file, n_lines) for file, pack, _, n_lines in rows if pack == _DATASET]
    parts, first_line = [], 0
    for number, (file, n_lines) in enumerate(datasets, 1):
        end = first_line + n_lines
        parts.append(DatasetPart(file, first_line, end if number < len(datasets) else None))
        first_line = end
    edition = rows[0][2]
    return ReadFiles(
        edition,
        COLUMNS_V2 if edition == "v2" else COLUMNS_V1,
        tuple(parts),
        {Pack(pack): file for file, pack, *_ in rows if pack != _DATASET},
    )


def count_by_part(
    catalog: Catalog, selection: Selection, parts: tuple[DatasetPart, ...]
) -> list[int]:
    """Selected items that each part of the dataset has.

    Raises
    ------
    UsageError
        The selection cannot be computed.
    """
    counts = ", ".join(f"count(*) FILTER ({part.condition()})" for part in parts)
    with catalog.selecting(selection) as (cursor, condition):
        (found,) = cursor.execute(f"SELECT {counts} FROM items WHERE {condition}").fetchall()
        check_names(cursor, selection, is_empty=not any(found))
    return list(found)


@dataclass(frozen=True, slots=True)
class WrittenItems:
    """Some selected items, and the lines of theirs that have to be written as they were.

    Attributes
    ----------
    items : pa.RecordBatch
        In the dataset's order, with every column that a file is made of.
    originals : pa.Table
        ``pack``, ``photo_id`` and ``raw``; null where the pack has no line of the item.
    """

    items: pa.RecordBatch
    originals: pa.Table


@contextmanager
def open_written_items(
    catalog: Catalog, selection: Selection, files: ReadFiles, batch_rows: int
) -> Iterator[Iterator[WrittenItems]]:
    """Stream the selected items in the dataset's order, up to ``batch_rows`` at a time."""
    columns = {"line_number", "photo_id", "media_kind", *files.columns} - {"marker"}
    columns |= {PACK_COLUMN[pack] for pack in files.packs}
    with (
        catalog.selecting(selection) as (cursor, condition),
        catalog.connection.cursor() as beside,
    ):
        query = f"SELECT {', '.join(sorted(columns))} FROM items WHERE {condition}"
        reader = cursor.sql(query).to_arrow_reader(batch_rows)
        n_originals = beside.execute("SELECT count(*) FROM originals").fetchall()[0][0]
        # One for each batch, rather than a join of all: the order stays, and memory is bounded.
        wanted = "line_number BETWEEN ? AND ?" if n_originals else "? + ? < 0"
        lines = f"""
            SELECT pack, photo_id, raw FROM originals
            WHERE {wanted} AND photo_id IN (SELECT photo_id FROM written_items)"""
        yield (_with_originals(beside, lines, batch) for batch in reader)


def _with_originals(
    connection: duckdb.DuckDBPyConnection, query: str, batch: pa.RecordBatch
) -> WrittenItems:
    numbers = batch["line_number"].to_numpy()
    connection.register("written_items", pa.Table.from_batches([batch.select(["photo_id"])]))
    bounds = [int(numbers.min()), int(numbers.max())]
    return WrittenItems(batch, connection.sql(query, params=bounds).to_arrow_table())

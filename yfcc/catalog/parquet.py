"""The selected items as Arrow, in types that every reader of Parquet knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa

from yfcc.catalog.names import check_names
from yfcc.catalog.reader import Catalog
from yfcc.catalog.relations import check_columns
from yfcc.catalog.select import Selection

#: Text columns with few values. Numbers are none: from a directory's name pyarrow reads them as
#: 32 bits wide and then refuses the column of 16 bits in the file.
PARTITION_COLUMNS: Final = ("license", "media_kind", "extension")
#: A time zone of its own tells readers that the moment is UTC, not somebody's local time.
_UPLOADED: Final = "date_uploaded AT TIME ZONE 'UTC' AS date_uploaded"
#: What `ingests` says without naming folders of this machine.
_PROVENANCE: Final = (
    "file, pack, edition, etag, n_bytes, n_lines, n_joined, n_orphans, n_rejected, row_limit, "
    "yfcc_version"
)

PartitionKey = tuple[str | None, ...]


def count_by_partition(
    catalog: Catalog, selection: Selection, columns: Sequence[str]
) -> dict[PartitionKey, int]:
    """Selected items by the values of some columns, in the order of the values.

    Returns
    -------
    dict
        No key for values that no selected item has.

    Raises
    ------
    UsageError
        The selection cannot be computed.
    """
    keys = "".join(f"{column}, " for column in columns)
    with catalog.selecting(selection) as (cursor, condition):
        query = f"SELECT {keys}count(*) FROM items WHERE {condition}"
        if columns:
            query += " GROUP BY ALL ORDER BY ALL"
        rows = cursor.execute(query).fetchall()
        check_names(cursor, selection, is_empty=not any(row[-1] for row in rows))
    return {tuple(row[:-1]): row[-1] for row in rows if row[-1]}


@contextmanager
def open_items(
    catalog: Catalog, selection: Selection, batch_rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatchReader]:
    """Stream the selected items in the dataset's order.

    ``date_uploaded`` is in UTC, ``date_taken`` without a zone. The builder wrote the rows by line
    number and DuckDB keeps that order, so nothing is sorted here.

    Parameters
    ----------
    catalog : Catalog
    selection : Selection
        As :func:`count_by_partition` took it: what is wrong with it shows there.
    batch_rows : int
        Rows of a batch, at most.
    columns : sequence of str, optional
        Of ``items``; by default all.

    Raises
    ------
    UsageError
        No such column.
    """
    with catalog.selecting(selection) as (cursor, condition):
        cursor.execute("SET TimeZone = 'UTC'")
        if columns is None:
            wanted = f"* REPLACE ({_UPLOADED})"
        else:
            names = check_columns(cursor, columns)
            wanted = ", ".join(_UPLOADED if n == "date_uploaded" else n for n in names)
        query = f"SELECT {wanted} FROM items WHERE {condition}"
        yield cursor.sql(query).to_arrow_reader(batch_rows)


def read_provenance(catalog: Catalog) -> list[dict[str, Any]]:
    """What the catalog was built from: a dict a metadata file."""
    answer = catalog.connection.execute(f"SELECT {_PROVENANCE} FROM ingests ORDER BY file")
    rows = answer.fetchall()
    return [dict(zip(_PROVENANCE.split(", "), row, strict=True)) for row in rows]

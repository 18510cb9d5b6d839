"""The selected items as a relation of DuckDB, which computes when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from difflib import get_close_matches
from typing import TypeAlias

import duckdb

from yfcc.catalog.names import check_names
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError

#: A query that is carried out when its rows are asked for.
Relation: TypeAlias = duckdb.DuckDBPyRelation


def open_relation(
    catalog: Catalog, selection: Selection, columns: Sequence[str] | None, stack: ExitStack
) -> Relation:
    """The selected items as a relation; its connection lives as long as the stack.

    Parameters
    ----------
    catalog : Catalog
    selection : Selection
    columns : sequence of str, optional
        Of ``items``; None: all.
    stack : ExitStack
        Closes the connection.

    Raises
    ------
    UsageError
        No such column; the selection cannot be computed, or names what the catalog does not know.
    """
    cursor, condition = stack.enter_context(catalog.selecting(selection))
    check_names(cursor, selection)
    wanted = "*" if columns is None else ", ".join(check_columns(cursor, columns))
    return cursor.sql(f"SELECT {wanted} FROM items WHERE {condition}")


def check_columns(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> Sequence[str]:
    """Names of columns of ``items``, if all of them are.

    Raises
    ------
    UsageError
        One is not; the message has the nearest ones.
    """
    if isinstance(columns, str):
        raise UsageError(f"columns {columns!r}: expected several names, as in [{columns!r}].")
    known = [row[0] for row in connection.execute("DESCRIBE items").fetchall()]
    for column in columns:
        if column not in known:
            near = get_close_matches(column, known, n=2)
            said = f"Did you mean {' or '.join(near)}?" if near else f"They are {', '.join(known)}."
            raise UsageError(f"items have no column {column!r}. {said}")
    if not columns:
        raise UsageError("expected at least one column of items, got none.")
    return columns

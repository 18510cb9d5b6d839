"""What tables and views there are for SQL, from the catalog and the comments in ``sql/``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import duckdb

from yfcc.catalog.sqlfiles import sql_directory
from yfcc.errors import UsageError

#: What the mirror's records fill, and the flags; how many rows they have is not known before.
_FILLED_LATER: Final = frozenset({"downloads", "found", "runs", "selected"})
_COLUMN: Final = re.compile(r'^    "?(\w+)"?\s+[A-Z].*?--\s+(\S.*)$', re.MULTILINE)
_HEAD: Final = re.compile(r"^-- (in|out|rows):\s*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    type : str
    about : str
        Empty where its name says all.
    """

    name: str
    type: str
    about: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view.

    Attributes
    ----------
    name : str
    kind : str
        ``table`` or ``view``.
    about : str
        A sentence.
    made_of : str
        Where its rows come from.
    out : str
        Its name, perhaps with columns and what holds for them.
    rows : str
        What a row is.
    n_rows : int, optional
        None: not known without counting.
    columns : tuple of Column
    """

    name: str
    kind: str
    about: str
    made_of: str
    out: str
    rows: str
    n_rows: int | None
    columns: tuple[Column, ...]


def list_tables(connection: duckdb.DuckDBPyConnection) -> list[Table]:
    """The documented tables and views of a connection, tables first, by name."""
    found = connection.execute(
        "SELECT table_name, 'table', estimated_size FROM duckdb_tables() WHERE NOT internal "
        "UNION ALL SELECT view_name, 'view', NULL FROM duckdb_views() WHERE NOT internal "
        "ORDER BY 2, 1"
    ).fetchall()
    texts = _texts()
    of_items = dict(_COLUMN.findall(texts.get("items", "")))
    return [
        _table(connection, name, kind, n_rows, texts[name], of_items)
        for name, kind, n_rows in found
        if name in texts
    ]


def describe_table(connection: duckdb.DuckDBPyConnection, name: str) -> Table:
    """One table or view.

    Raises
    ------
    UsageError
        There is none of this name.
    """
    tables = {table.name: table for table in list_tables(connection)}
    if name.lower() not in tables:
        near = get_close_matches(name.lower(), tables, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"--describe {name}: expected one of {', '.join(sorted(tables))}.{hint}")
    return tables[name.lower()]


def documented_names() -> list[str]:
    """Names of tables and views that a catalog may have."""
    return sorted(_files())


def _table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    kind: str,
    n_rows: int | None,
    text: str,
    of_items: dict[str, str],
) -> Table:
    head = dict(_HEAD.findall(text))
    about = {**of_items, **dict(_COLUMN.findall(text))}
    rows = connection.execute(f'DESCRIBE "{name}"').fetchall()
    return Table(
        name=name,
        kind=kind,
        about=text.partition("\n-- in:")[0].removeprefix("-- ").replace("\n-- ", " "),
        made_of=head["in"],
        out=head["out"],
        rows=head["rows"],
        n_rows=None if name in _FILLED_LATER else n_rows,
        columns=tuple(Column(row[0], row[1], about.get(row[0], "")) for row in rows),
    )


def _texts() -> dict[str, str]:
    return {name: path.read_text(encoding="utf-8") for name, path in _files().items()}


def _files() -> dict[str, Path]:
    return {
        path.stem: path
        for folder in ("schema", "views")
        for path in (sql_directory() / folder).glob("*.sql")
        if f"CREATE {'TABLE' if folder == 'schema' else 'VIEW'} {path.stem} "
        in path.read_text(encoding="utf-8")
    }

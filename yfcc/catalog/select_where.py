"""The check of ``--where``: one condition over ``items``, the same whenever it is computed."""

from __future__ import annotations

import re
from typing import Final

import duckdb

from yfcc.errors import UsageError

_LONGEST_SHOWN: Final = 200
#: Texts, names in quotes and comments: what stands in them calls nothing.
_NOT_CODE: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
#: What comes out differently on another day: a selection is to be the same then.
_BY_DAY: Final = re.compile(
    r"\b(now|today|get_current_time|get_current_timestamp|transaction_timestamp)\s*\(|"
    r"\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b",
    re.IGNORECASE,
)
#: What comes out differently each time: a download asks for its items again and again.
_BY_CHANCE: Final = re.compile(
    r"\b(random|uuid|uuidv4|uuidv7|gen_random_uuid)\s*\(|\b(using\s+sample|tablesample)\b",
    re.IGNORECASE,
)


def check_condition(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse a ``--where`` that is more, or less, than one condition, or left to chance.

    Raises
    ------
    UsageError
    """
    shown = _shown(where)
    query = f"SELECT 1 FROM items WHERE (\n{where}\n) LIMIT 0"
    try:
        # Also without the parentheses, so that it closes none that it did not open; first, for
        # then its errors show what was written, and nothing else.
        for text in (f"SELECT 1 FROM items WHERE {where}\n", query):
            statements = connection.extract_statements(text)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError(f"--where {shown}: expected one condition over items.")
        connection.cursor().execute(query)
    except duckdb.Error as error:
        raise UsageError(
            f"--where {shown}: not a condition over the columns of items: {str(error).strip()}"
        ) from error
    code = _NOT_CODE.sub(" ", where)
    day = _BY_DAY.search(code)
    if day:
        raise UsageError(
            f"--where {shown}: {day[0].rstrip('( ')} gives other items another day. Write the "
            "time, like TIMESTAMP '2012-02-16 09:56:37'."
        )
    chance = _BY_CHANCE.search(code)
    if chance:
        raise UsageError(
            f"--where {shown}: {chance[0].rstrip('( ')} gives other items each time. "
            "`--sample N --seed S` draws by chance, and the same again."
        )


def check_computed(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse a ``--where`` that fails at some item; in a scan, for when something has failed.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        To the catalog.
    where : str
        Checked by :func:`check_condition`.

    Raises
    ------
    UsageError
        With what DuckDB says of it.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM items WHERE (\n{where}\n)")
    except duckdb.Error as error:
        hint = ""
        if isinstance(error, duckdb.ConversionException):
            hint = "; TRY_CAST(… AS …) gives NULL where a cast fails"
        raise UsageError(
            f"--where {_shown(where)}: cannot be computed for every item{hint}: "
            f"{str(error).strip()}"
        ) from error


def _shown(where: str) -> str:
    return where if len(where) <= _LONGEST_SHOWN else f"{where[:_LONGEST_SHOWN]}…"

"""The check of ``--where``: one condition over ``items``, the same whenever it is computed."""

from __future__ import annotations

import re
from typing import Final

import duckdb

from yfcc.errors import UsageError

_LONGEST_SHOWN: Final = 200
#: Texts, names in quotes and comments: what stands in them calls nothing.
_NOT_CODE: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
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
    shown = where if len(where) <= _LONGEST_SHOWN else f"{where[:_LONGEST_SHOWN]}…"
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
    chance = _BY_CHANCE.search(_NOT_CODE.sub(" ", where))
    if chance:
        raise UsageError(
            f"--where {shown}: {chance[0].rstrip('( ')} gives other items each time. "
            "`--sample N --seed S` draws by chance, and the same again."
        )

"""Names that a selection asks for and the catalog does not know: a slip of the finger, often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import duckdb

from yfcc.catalog.select import Selection, literal
from yfcc.errors import UsageError

#: Values to compare with come from so many items: this is a hint, not an index.
_ITEMS_LOOKED_AT: Final = 1_000_000
_N_HINTS: Final = 3
#: Jaro-Winkler; below it a name is not near.
_LEAST_SIMILARITY: Final = 0.8

#: Where the names of a flag are, one a row.
_SOURCES: Final = {
    "country": "SELECT unnest(places).name AS name, unnest(places).type AS kind",
    "place": "SELECT unnest(places).name AS name, 'any' AS kind",
    "tag": "SELECT unnest(user_tags) AS name, 'any' AS kind",
    "autotag": "SELECT unnest(map_keys(autotags)) AS name, 'any' AS kind",
    "user": "SELECT user_nsid AS name, 'any' AS kind",
    "device": "SELECT capture_device AS name, 'any' AS kind",
}


def check_names(connection: duckdb.DuckDBPyConnection, selection: Selection) -> None:
    """Refuse a name that no item has; for a selection that turned out empty.

    Raises
    ------
    UsageError
        With the nearest names there are.
    """
    for flag, value, alone in _named(selection):
        query = f"SELECT 1 FROM items WHERE {alone.sql()} LIMIT 1"
        if not connection.execute(query).fetchall():
            near = _nearest(connection, flag, value)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"--{flag} {value}: no item of the catalog has it.{hint}")


def _named(selection: Selection) -> Iterator[tuple[str, str, Selection]]:
    """Flag, value, and a selection of nothing else, for each name that is asked for."""
    for flag in ("country", "place", "user", "device"):
        value = getattr(selection, flag)
        if value:
            yield flag, value, replace(Selection(), **{flag: value})
    for tag in selection.tag:
        yield "tag", tag, Selection(tag=(tag,))
    for text in selection.autotag:
        concept = text.lstrip("!")
        for comparison in ("<", ">", "="):
            concept = concept.partition(comparison)[0]
        if not text.startswith("!"):
            yield "autotag", concept.strip(), Selection(autotag=(concept.strip(),))


def _nearest(connection: duckdb.DuckDBPyConnection, flag: str, value: str) -> list[str]:
    kind = " AND kind = 'Country'" if flag == "country" else ""
    likeness = f"jaro_winkler_similarity(lower(name), lower({literal(value)}))"
    rows = connection.execute(
        f"""
        SELECT name
        FROM (SELECT DISTINCT name, kind
              FROM ({_SOURCES[flag]} FROM (SELECT * FROM items LIMIT {_ITEMS_LOOKED_AT})))
        WHERE name IS NOT NULL{kind} AND {likeness} >= {_LEAST_SIMILARITY}
        GROUP BY name ORDER BY {likeness} DESC, name LIMIT {_N_HINTS}"""
    )
    return [row[0] for row in rows.fetchall()]

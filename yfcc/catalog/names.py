"""Names that a selection asks for and the catalog does not know: a slip of the finger, often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import duckdb

from yfcc.catalog.select import Selection, literal
from yfcc.catalog.select_rules import RULES, folded, split_autotag
from yfcc.errors import UsageError

#: Values to compare with come from so many items, taken from all over the catalog, whatever its
#: size: this is a hint, not an index.
_ITEMS_LOOKED_AT: Final = 1_000_000
_N_SLICES: Final = 8
_N_HINTS: Final = 3
#: Jaro-Winkler; below it a name is not near.
_LEAST_SIMILARITY: Final = 0.8

#: Where the names of a flag are. Nobody is told the NSIDs of others.
_SOURCES: Final = {
    "country": "SELECT unnest(places).name AS name, unnest(places).type AS kind",
    "place": "SELECT unnest(places).name AS name, '' AS kind",
    "tag": "SELECT unnest(user_tags) AS name, '' AS kind",
    "autotag": "SELECT unnest(map_keys(autotags)) AS name, '' AS kind",
    "device": "SELECT capture_device AS name, '' AS kind",
}
_WHAT_LISTS_THEM: Final = {
    "country": "SELECT name FROM countries",
    "autotag": "SELECT concept, count(*) FROM item_autotags GROUP BY concept",
}


@dataclass(frozen=True, slots=True)
class _Name:
    """A name that is asked for.

    Attributes
    ----------
    flag : str
        Without its dashes.
    text : str
    alone : str
        The condition that an item has it.
    is_negated : bool
        Whether items that have it are left out.
    """

    flag: str
    text: str
    alone: str
    is_negated: bool = False


def check_names(
    connection: duckdb.DuckDBPyConnection, selection: Selection, *, is_empty: bool | None = None
) -> None:
    """Refuse a name that no item has.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        To the catalog.
    selection : Selection
    is_empty : bool, optional
        Whether the selection turned out empty; None: unknown. If it has items, so has each name
        in it, but for those of what is left out.

    Raises
    ------
    UsageError
        With the nearest names there are.
    """
    whole = [part.sql for part in selection.without_sample().parts()]
    for name in _named(selection):
        if is_empty and whole == [name.alone]:
            is_known = False
        elif is_empty is not False or name.is_negated:
            query = f"SELECT 1 FROM items WHERE {name.alone} LIMIT 1"
            is_known = bool(connection.execute(query).fetchall())
        else:
            continue
        if not is_known:
            raise UsageError(
                f"--{name.flag} {name.text}: no item of the catalog has it."
                f"{_hint(connection, name.flag, name.text)}"
            )


def _named(selection: Selection) -> Iterator[_Name]:
    """Each name that is asked for."""
    for part in selection.without_sample().parts():
        flag = part.flag.removeprefix("--")
        if flag == "autotag":
            is_negated, concept, *_ = split_autotag(part.value)
            yield _Name(flag, concept, RULES[flag](concept), is_negated)
        elif flag in (*_SOURCES, "user"):
            yield _Name(flag, part.value, part.sql)


def _hint(connection: duckdb.DuckDBPyConnection, flag: str, text: str) -> str:
    if flag not in _SOURCES or text.isdigit():
        return ""
    near = _nearest(connection, flag, text)
    if near:
        return f" Did you mean {' or '.join(near)}?"
    if flag in _WHAT_LISTS_THEM:
        return f' `yfcc query "{_WHAT_LISTS_THEM[flag]}"` lists those there are.'
    return ""


def _nearest(connection: duckdb.DuckDBPyConnection, flag: str, text: str) -> list[str]:
    kind = " AND kind = 'Country'" if flag == "country" else ""
    likeness = f"jaro_winkler_similarity({folded('name')}, {folded(literal(text))})"
    rows = connection.execute(
        f"""
        SELECT name
        FROM (SELECT DISTINCT name, kind FROM ({_SOURCES[flag]} FROM ({_looked_at(connection)})))
        WHERE name IS NOT NULL{kind} AND {likeness} >= {_LEAST_SIMILARITY}
        GROUP BY name ORDER BY {likeness} DESC, name LIMIT {_N_HINTS}"""
    )
    return [row[0] for row in rows.fetchall()]


def _looked_at(connection: duckdb.DuckDBPyConnection) -> str:
    """A query for items from all over the catalog; its beginning is no fair sample."""
    query = "SELECT coalesce(max(line_number), 0) + 1 FROM items"
    ((n_lines,),) = connection.execute(query).fetchall()
    width = _ITEMS_LOOKED_AT // _N_SLICES
    starts = [n_lines * number // _N_SLICES for number in range(_N_SLICES)]
    slices = [
        f"SELECT * FROM items WHERE line_number >= {start} "
        f"AND line_number < {min(start + width, end)}"
        for start, end in zip(starts, [*starts[1:], n_lines], strict=True)
    ]
    return " UNION ALL ".join(slices)

"""Names that a selection asks for and the catalog does not know: a slip of the finger, often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Final

import duckdb

from yfcc.catalog.select import Selection, literal
from yfcc.catalog.select_rules import RULES, folded, is_place, split_autotag
from yfcc.errors import UsageError

#: Values to compare with come from so many items, taken from all over the catalog, whatever its
#: size: this is a hint, not an index.
_ITEMS_LOOKED_AT: Final = 1_000_000
_N_SLICES: Final = 8
_N_HINTS: Final = 3
#: Catalogs of earlier versions have no such table.
_COUNTRIES: Final = "country_names"
#: Jaro-Winkler; below the first a name is not what was meant, below the second not even like it.
_LEAST_SIMILARITY: Final = 0.8
_LEAST_LIKENESS: Final = 0.5

#: Where the names of a flag are. Nobody is told the NSIDs of others.
_SOURCES: Final = {
    "country": "SELECT unnest(places).name AS name, unnest(places).type AS kind",
    "place": "SELECT unnest(places).name AS name, '' AS kind",
    "tag": "SELECT unnest(user_tags) AS name, '' AS kind",
    "autotag": "SELECT unnest(map_keys(autotags)) AS name, '' AS kind",
    "device": "SELECT capture_device AS name, '' AS kind",
}
_WHAT_LISTS_THEM: Final = {
    "country": "SELECT name, woeid FROM countries",
    "autotag": "SELECT concept, count(*) FROM item_autotags GROUP BY concept",
    "device": "SELECT DISTINCT capture_device FROM items",
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
    if selection.lines and is_empty is not False:
        _check_lines(connection, selection.lines)
    whole = [part.sql for part in selection.without_sample().parts()]
    for name in _named(selection):
        if name.flag == "country" and _is_country(connection, name.text) is not None:
            continue  # that was checked before anything was counted
        if is_empty and whole == [name.alone]:
            is_known = False
        elif is_empty is not False or name.is_negated:
            query = f"SELECT 1 FROM items WHERE {name.alone} LIMIT 1"
            is_known = bool(connection.execute(query).fetchall())
        else:
            continue
        if not is_known:
            raise _unknown(connection, name.flag, name.text)


def check_country(connection: duckdb.DuckDBPyConnection, selection: Selection) -> None:
    """Refuse a country that is not in the catalog's list of them; costs nothing.

    Raises
    ------
    UsageError
        With the nearest names there are.
    """
    if selection.country and _is_country(connection, selection.country) is False:
        raise _unknown(connection, "country", selection.country)


def _is_country(connection: duckdb.DuckDBPyConnection, text: str) -> bool | None:
    """Whether a country is listed; None: the catalog lists none, or is of an earlier version."""
    query = f"SELECT bool_or({is_place(text)}) FROM {_COUNTRIES} AS place"
    try:
        rows = connection.execute(query).fetchall()
    except duckdb.CatalogException:
        return None
    found: bool | None = rows[0][0]
    return found


def _unknown(connection: duckdb.DuckDBPyConnection, flag: str, text: str) -> UsageError:
    hint = _hint(connection, flag, text)
    return UsageError(f"--{flag} {text}: no item of the catalog has it.{hint}")


def _check_lines(connection: duckdb.DuckDBPyConnection, lines: str) -> None:
    """Refuse lines that all lie behind the last one; DuckDB knows where that is."""
    first = int(lines.partition("-")[0] or 0)
    last = _last_line(connection)
    if first > last:
        raise UsageError(f"--lines {lines}: the lines of the catalog end at {last}.")


def _last_line(connection: duckdb.DuckDBPyConnection) -> int:
    query = "SELECT coalesce(max(line_number), -1) FROM items"
    return int(connection.execute(query).fetchall()[0][0])


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
    if flag == "user":
        return "" if "@N" in text else " Expected an NSID, like 12345678@N00."
    near = [] if text.isdigit() else _nearest(connection, flag, text)
    meant = [name for name, likeness in near if likeness >= _LEAST_SIMILARITY]
    hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
    if flag == "country" and _is_place(connection, text):
        return f"{hint} It is a place of another kind: --place {quote(text)}."
    if not meant and near:
        hint = f" The nearest there are: {', '.join(name for name, _ in near)}."
    if not meant and flag in _WHAT_LISTS_THEM:
        hint += f' `yfcc query "{_WHAT_LISTS_THEM[flag]}"` lists those there are.'
    return hint


def _is_place(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Whether items, of those that are looked at, have such a place that is no country."""
    test = f"{is_place(text)} AND place.type <> 'Country'"
    query = (
        f"SELECT 1 FROM ({_looked_at(connection)}) "
        f"WHERE len(list_filter(places, lambda place: {test})) > 0 LIMIT 1"
    )
    return bool(connection.execute(query).fetchall())


def _nearest(
    connection: duckdb.DuckDBPyConnection, flag: str, text: str
) -> list[tuple[str, float]]:
    """The nearest names, and how near they are, from 0 to 1."""
    kind = " AND kind = 'Country'" if flag == "country" else ""
    source = f"{_SOURCES[flag]} FROM ({_looked_at(connection)})"
    if flag == "country" and _is_country(connection, text) is not None:
        source = f"SELECT name, 'Country' AS kind FROM {_COUNTRIES}"
    name, wanted = folded("name"), folded(literal(text))
    # Of a device people know the beginning.
    compared = f"left({name}, {len(text)})" if flag == "device" else name
    likeness = f"jaro_winkler_similarity({compared}, {wanted})"
    if flag == "country":
        likeness = f"greatest({likeness}, {_initials_alike(name, wanted)})"
    rows = connection.execute(
        f"""
        SELECT name, max({likeness}) AS likeness
        FROM (SELECT DISTINCT name, kind FROM ({source}))
        WHERE name IS NOT NULL{kind} AND {likeness} >= {_LEAST_LIKENESS}
        GROUP BY name ORDER BY likeness DESC, name LIMIT {_N_HINTS}"""
    )
    return rows.fetchall()


def _initials_alike(name: str, wanted: str) -> str:
    """A SQL expression: 1 if what is wanted are a name's initials, as UK, or nearly, as USA."""
    letters = f"replace({wanted}, '.', '')"
    first = f"list_transform(string_split({name}, ' '), lambda word: left(word, 1))"
    initials = f"array_to_string({first}, '')"
    is_alike = (
        f"len({initials}) > 1 AND starts_with({letters}, {initials}) "
        f"AND len({letters}) <= len({initials}) + 1"
    )
    return f"CASE WHEN {is_alike} THEN 1 ELSE 0 END"


def _looked_at(connection: duckdb.DuckDBPyConnection) -> str:
    """A query for items from all over the catalog; its beginning is no fair sample."""
    n_lines = _last_line(connection) + 1
    width = _ITEMS_LOOKED_AT // _N_SLICES
    starts = [n_lines * number // _N_SLICES for number in range(_N_SLICES)]
    slices = [
        f"SELECT * FROM items WHERE line_number >= {start} "
        f"AND line_number < {min(start + width, end)}"
        for start, end in zip(starts, [*starts[1:], n_lines], strict=True)
    ]
    return " UNION ALL ".join(slices)

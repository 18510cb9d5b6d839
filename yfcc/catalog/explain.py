"""What each flag of a selection does to the number of items, in one scan of the catalog."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import duckdb
import numpy as np

from yfcc.catalog.drawing import count_strata, last_round
from yfcc.catalog.names import check_names
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import IdList, Part, Selection, all_of
from yfcc.catalog.select_sample import STRATA

#: Strata told one by one.
_N_STRATA: Final = 20


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """One value of one flag.

    Attributes
    ----------
    flag, value, sql : str
        As in :class:`~yfcc.catalog.select.Part`.
    n_alone : int
        Items that it selects alone.
    n_left : int
        Items that it and all flags before it select together.
    """

    flag: str
    value: str
    sql: str
    n_alone: int
    n_left: int


@dataclass(frozen=True, slots=True)
class StratumShare:
    """What a sample takes of the items with one value.

    Attributes
    ----------
    value : str, optional
        None: of the items that have none.
    n_items : int
        That the other flags select.
    n_least, n_most : int
        Drawn of them; they differ where the last round is not a whole one.
    """

    value: str | None
    n_items: int
    n_least: int
    n_most: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A selection in numbers.

    Attributes
    ----------
    n_items : int
        Of the catalog.
    n_selected : int
    sql : str
        A query for the selected items.
    flags : tuple of FlagEffect
        In the order in which they are joined.
    ids : IdList, optional
        What the list of ids holds.
    n_strata : int, optional
        Different values that a sample is shared out among.
    strata : tuple of StratumShare
        The largest of them.
    """

    n_items: int
    n_selected: int
    sql: str
    flags: tuple[FlagEffect, ...]
    ids: IdList | None = None
    n_strata: int | None = None
    strata: tuple[StratumShare, ...] = ()


def explain_selection(catalog: Catalog, selection: Selection) -> Explanation:
    """Count what each flag selects, alone and together with those before it.

    Raises
    ------
    UsageError
        A flag's value is not of its form, the condition cannot be computed, or a name is unknown
        to the catalog.
    """
    drawn_from = selection.without_sample()
    parts = drawn_from.parts()
    with catalog.selecting(drawn_from) as (cursor, condition):
        n_items, flags = _count_parts(cursor, parts)
        n_selected = flags[-1].n_left if flags else n_items
        check_names(cursor, selection, is_empty=not n_selected)
        found = Explanation(
            n_items, n_selected, _query(selection), tuple(flags), catalog.listed(selection)
        )
        return found if selection.sample is None else _sampled(cursor, selection, condition, found)


def _query(selection: Selection) -> str:
    """The selection as a query that can be copied."""
    conditions = selection.conditions()
    drawn = conditions.get("--sample")
    # What a sample is drawn from stands in its own condition already.
    wanted = [drawn] if drawn else conditions.values()
    joined = "\n  AND ".join(f"({sql})" for sql in wanted) or "true"
    return f"SELECT * FROM items\nWHERE {joined}"


def _count_parts(
    cursor: duckdb.DuckDBPyConnection, parts: list[Part]
) -> tuple[int, list[FlagEffect]]:
    columns = [f"({part.sql}) AS c{number}" for number, part in enumerate(parts)]
    counts = ["count(*)"]
    for number in range(len(parts)):
        together = all_of(f"c{each}" for each in range(number + 1))
        counts += [f"count(*) FILTER (c{number})", f"count(*) FILTER ({together})"]
    source = f"SELECT {', '.join(columns) or '1'} FROM items"
    ((n_items, *numbers),) = cursor.execute(
        f"SELECT {', '.join(counts)} FROM ({source})"
    ).fetchall()
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return n_items, [
        FlagEffect(part.flag, part.value, part.sql, n_alone, n_left)
        for part, (n_alone, n_left) in zip(parts, pairs, strict=True)
    ]


def _sampled(
    cursor: duckdb.DuckDBPyConnection, selection: Selection, condition: str, found: Explanation
) -> Explanation:
    """Add the effect of the sample, which takes so many if there are so many."""
    n_wanted = selection.sample or 0
    value = str(n_wanted) + (f" --per {selection.per}" if selection.per else "")
    effect = FlagEffect(
        "--sample",
        value,
        selection.conditions()["--sample"],
        min(n_wanted, found.n_items),
        min(n_wanted, found.n_selected),
    )
    found = replace(found, flags=(*found.flags, effect), n_selected=effect.n_left)
    if selection.per is None:
        return found
    table = count_strata(cursor, STRATA[selection.per], condition)
    n_of = table.column("n").to_numpy()
    last = last_round(n_of, n_wanted)
    is_whole = bool(np.minimum(n_of, last).sum() <= n_wanted)
    largest = table.slice(0, _N_STRATA).to_pylist()
    strata = (_share(row["stratum"], row["n"], last, is_whole=is_whole) for row in largest)
    return replace(found, n_strata=len(table), strata=tuple(strata))


def _share(value: object, n_items: int, last: int, *, is_whole: bool) -> StratumShare:
    n_most = min(n_items, last)
    return StratumShare(
        None if value is None else str(value),
        n_items,
        n_most if is_whole else min(n_items, last - 1),
        n_most,
    )

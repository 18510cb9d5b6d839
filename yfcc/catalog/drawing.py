"""The sample of a selection, drawn from a catalog in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from yfcc.catalog.select import Selection, draw, literal
from yfcc.catalog.select_sample import STRATA, draw_in_rounds, order_of

#: Comes behind every MD5.
_NO_BOUND: Final = "g"


@dataclass(frozen=True, slots=True)
class Margin:
    """Candidates beyond what a stratum gives: so many of their square root, and so many more.

    By default it is short of some in fewer than one of a thousand million draws; the draw is
    repeated without bounds then.
    """

    n_deviations: float = 6.0
    n_more: float = 30.0


def write_drawn(
    connection: duckdb.DuckDBPyConnection,
    selection: Selection,
    condition: str,
    target: Path,
    margin: Margin | None = None,
) -> None:
    """Write the ``photo_id`` and ``shard`` of a sample's items, as Parquet.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        On which the condition can be computed.
    selection : Selection
        With a sample.
    condition : str
        What the sample is drawn from.
    target : Path
    margin : Margin, optional
        Costs time or a second draw; nothing else depends on it.
    """
    n_items = selection.sample or 0
    if selection.per is None:
        _copy(connection, draw(n_items, selection.seed, condition, "photo_id, shard"), target)
        return
    stratum = STRATA[selection.per]
    strata = count_strata(connection, stratum, condition)
    bounds = _bounds(strata, n_items, margin or Margin())
    items = (
        f"SELECT photo_id, shard, {order_of(selection.seed)} AS digest, {stratum} AS stratum "
        f"FROM items WHERE {condition}"
    )
    candidates = target.with_suffix(".candidates")
    if not _write_candidates(connection, items, bounds, candidates):
        unbounded = pa.array([_NO_BOUND] * len(bounds), pa.string())
        _write_candidates(
            connection,
            items,
            bounds.drop_columns("bound").append_column("bound", unbounded),
            candidates,
        )
    table = f"SELECT * FROM read_parquet({literal(str(candidates))})"
    _copy(connection, draw_in_rounds(n_items, table, "photo_id, shard"), target)
    candidates.unlink()


def count_strata(connection: duckdb.DuckDBPyConnection, stratum: str, condition: str) -> pa.Table:
    """How many selected items have each value of an expression.

    Returns
    -------
    pa.Table
        ``stratum`` and ``n``, the most frequent first.
    """
    found: pa.Table = connection.sql(
        f"SELECT {stratum} AS stratum, count(*) AS n FROM items WHERE {condition} "
        "GROUP BY ALL ORDER BY n DESC, stratum"
    ).to_arrow_table()
    return found


def _bounds(strata: pa.Table, n_items: int, margin: Margin) -> pa.Table:
    """How many items each stratum gives at most, and below which MD5 they surely lie.

    A window over all selected items would take memory and disk for each of them; this way it is
    over little more than the sample.
    """
    n_of = strata.column("n").to_numpy()
    n_given = np.minimum(n_of, last_round(n_of, n_items))
    n_wanted = n_given + margin.n_deviations * np.sqrt(n_given) + margin.n_more
    parts = n_wanted / np.maximum(n_of, 1)
    texts = [_NO_BOUND if part >= 1 else f"{int(part * 2**64):016x}" for part in parts.tolist()]
    return strata.append_column("n_given", pa.array(n_given)).append_column(
        "bound", pa.array(texts, pa.string())
    )


def last_round(n_of: npt.NDArray[np.int64], n_items: int) -> int:
    """The round in which the last item of a sample is drawn.

    Parameters
    ----------
    n_of : ndarray of int64
        Items of each stratum.
    n_items : int
        Of the sample.

    Examples
    --------
    >>> last_round(np.array([2, 10, 10]), 12)
    5
    """
    first, last = 0, int(n_of.max(initial=0))
    while first < last:
        middle = (first + last) // 2
        if int(np.minimum(n_of, middle).sum()) >= n_items:
            last = middle
        else:
            first = middle + 1
    return first


def _write_candidates(
    connection: duckdb.DuckDBPyConnection, items: str, bounds: pa.Table, target: Path
) -> bool:
    """Write the items below the bounds; whether they are as many as their strata may give."""
    connection.register("strata", bounds)
    try:
        below = (
            f"SELECT photo_id, shard, digest, selected.stratum FROM ({items}) AS selected "
            "JOIN strata ON selected.stratum IS NOT DISTINCT FROM strata.stratum "
            "WHERE digest < bound"
        )
        _copy(connection, below, target)
        lacking = (
            "SELECT 1 FROM strata LEFT JOIN (SELECT stratum, count(*) AS n_found FROM "
            f"read_parquet({literal(str(target))}) GROUP BY ALL) AS found "
            "ON found.stratum IS NOT DISTINCT FROM strata.stratum "
            "WHERE coalesce(n_found, 0) < n_given LIMIT 1"
        )
        return not connection.execute(lacking).fetchall()
    finally:
        connection.unregister("strata")


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    connection.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet)")

"""A sample shared out evenly: drawn quickly, and yet exactly the one that its rule says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from yfcc.catalog.drawing import Margin, count_strata, last_round, write_drawn
from yfcc.catalog.schema import create_tables
from yfcc.catalog.select import Selection

#: Of very different sizes, among them the items that have none.
ROWS = """
INSERT INTO items BY NAME
SELECT i AS line_number, 1000 + i AS photo_id, 'photo' AS media_kind, i % 7 AS shard,
    CASE WHEN i < 3 THEN 'rare' WHEN i < 50 THEN NULL WHEN i < 400 THEN 'some' ELSE 'most' END
        AS capture_device
FROM range(5000) AS t(i)
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        create_tables(made)
        made.execute(ROWS)
        yield made


def drawn(
    connection: duckdb.DuckDBPyConnection, selection: Selection, path: Path, margin: Margin | None
) -> list[tuple[int, int]]:
    write_drawn(connection, selection, selection.without_sample().sql(), path, margin)
    rows = connection.execute(f"SELECT photo_id, shard FROM read_parquet('{path}')").fetchall()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return sorted(rows)


@pytest.mark.parametrize("margin", [None, Margin(0, 0), Margin(-1, 0)])
@pytest.mark.parametrize("n_items", [1, 4, 13, 200, 1000, 4999, 9999])
def test_a_bound_on_the_candidates_changes_nothing(
    connection: duckdb.DuckDBPyConnection, n_items: int, margin: Margin | None, tmp_path: Path
) -> None:
    # Without a margin strata come out short of items: then they are drawn once more.
    selection = Selection(sample=n_items, per="capture_device", seed=5, where="photo_id % 11 > 0")
    query = f"SELECT photo_id, shard FROM items WHERE {selection.sql()} ORDER BY photo_id"
    wanted = connection.execute(query).fetchall()
    assert len(wanted) == min(n_items, 4545)
    assert drawn(connection, selection, tmp_path / "drawn.parquet", margin) == wanted


def test_strata_are_counted_the_most_frequent_first(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    strata = count_strata(connection, "capture_device", "photo_id <> 1000").to_pylist()
    assert [(each["stratum"], each["n"]) for each in strata] == [
        ("most", 4600),
        ("some", 350),
        (None, 47),
        ("rare", 2),
    ]


def test_the_last_round_is_the_first_that_gives_enough() -> None:
    random = np.random.default_rng(2)
    for _ in range(200):
        n_of = random.integers(0, 40, random.integers(0, 9))
        n_items = int(random.integers(1, 200))
        found = last_round(n_of, n_items)
        rounds = range(int(n_of.max(initial=0)) + 1)
        enough = [r for r in rounds if np.minimum(n_of, r).sum() >= n_items]
        assert found == (enough[0] if enough else n_of.max(initial=0))


def test_nothing_to_draw_from_draws_nothing(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    selection = Selection(sample=5, per="license", where="false")
    assert drawn(connection, selection, tmp_path / "drawn.parquet", None) == []

"""Questions to catalogs of two sizes: how long the answer takes in an open process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from timing import make_once, print_rows

from yfcc.catalog.query import prepare_query
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.demo.metadata_files import write_metadata

_TIMES_AS_MANY: Final = 5


def run(out: Path, n_rows: int, n_runs: int) -> None:
    """Print the table."""
    sizes = (n_rows, _TIMES_AS_MANY * n_rows)
    times = [_measure(_make_catalog(out, size), n_runs) for size in sizes]
    print(f"## queries: median of {n_runs} runs, in ms\n")
    names = ["", *(f"{size:,} rows" for size in sizes)]
    print_rows(names, [[question, *(each[question] for each in times)] for question in times[0]])
    print()


def _make_catalog(out: Path, n_rows: int) -> Path:
    source, folder = out / f"metadata-{n_rows}", out / f"catalog-{n_rows}"
    make_once(source, lambda: write_metadata(source, n_rows, seed=1))
    catalog = folder / "catalog.duckdb"
    command = ["metadata", "--source", str(source), "--catalog", str(catalog), "--quiet"]
    make_once(
        folder,
        lambda: subprocess.run([sys.executable, "-m", "yfcc.cli.main", *command], check=True),
    )
    return catalog


def _measure(path: Path, n_runs: int) -> dict[str, float]:
    times: dict[str, list[float]] = {}
    with Catalog(path) as catalog:
        for _ in range(n_runs):
            for question, sql in _questions(catalog).items():
                began = time.perf_counter()
                prepare_query(catalog.connection, sql).table()
                times.setdefault(question, []).append(1e3 * (time.perf_counter() - began))
    return {question: statistics.median(each) for question, each in times.items()}


def _questions(catalog: Catalog) -> dict[str, str]:
    """What is asked; the same country, box and concept in every catalog."""
    concept = "SELECT concept FROM item_autotags GROUP BY concept ORDER BY count(*) DESC LIMIT 1"
    place = """SELECT name, avg(longitude), avg(latitude) FROM (
        SELECT longitude, latitude, unnest(places, recursive := true) FROM items LIMIT 50000)
        WHERE "type" = 'Country' GROUP BY name ORDER BY count(*) DESC LIMIT 1"""
    if catalog.path not in _KNOWN:
        ((name,),) = prepare_query(catalog.connection, concept).table().rows()
        ((country, x, y),) = prepare_query(catalog.connection, place).table().rows()
        middle = "SELECT photo_id FROM items WHERE line_number = (SELECT count(*) // 2 FROM items)"
        ((photo_id,),) = prepare_query(catalog.connection, middle).table().rows()
        box = f"{x - 2},{y - 2},{x + 2},{y + 2}"
        items = "SELECT count(*) FROM items WHERE"
        _KNOWN[catalog.path] = {
            "items by licence": "SELECT license, count(*) FROM items GROUP BY license",
            "one autotag over 0.8": f"{items} {Selection(autotag=(f'{name}>0.8',)).sql()}",
            "a country in a box": f"{items} {Selection(country=country, bbox=box).sql()}",
            "an item by id": f"SELECT * FROM items WHERE photo_id = {photo_id}",
        }
    return _KNOWN[catalog.path]


_KNOWN: Final[dict[Path, dict[str, str]]] = {}

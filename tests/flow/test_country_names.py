"""The list of countries: what ``--country`` is looked up in, whatever the size of the catalog."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.fakes.small_catalog import write_small_catalog
from yfcc.catalog.forget import remove_rows
from yfcc.catalog.reader import Catalog
from yfcc.catalog.schema import list_countries
from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import Kind, Reason, make_tombstone
from yfcc.errors import UsageError


def ask(path: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def count(path: Path, country: str) -> int:
    with Catalog(path) as catalog:
        return sum(catalog.count(Selection(country=country)).by_shard().values())


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = write_small_catalog(tmp_path / "catalog.duckdb")
    with duckdb.connect(str(path)) as connection:
        list_countries(connection)
    return path


def test_a_built_catalog_lists_the_countries_of_its_items(sample_catalog: Path) -> None:
    found = ask(sample_catalog, "SELECT woeid, name FROM country_names ORDER BY ALL")
    assert len(found) > 3
    assert found == ask(
        sample_catalog,
        "SELECT DISTINCT woeid, name FROM item_places WHERE type = 'Country' ORDER BY ALL",
    )


def test_a_country_is_looked_up_in_the_list_alone(listed: Path) -> None:
    assert (count(listed, "fiji"), count(listed, "3")) == (2, 1)
    with duckdb.connect(str(listed)) as connection:
        connection.execute("UPDATE country_names SET name = 'Faraway' WHERE name = 'Japan'")
    assert count(listed, "Faraway") == 0
    for unknown, said in (("Japan", "lists those there are"), ("Fuji", "Did you mean Fiji?")):
        with pytest.raises(UsageError, match=f"no item of the catalog has it.*{said}"):
            count(listed, unknown)
        with Catalog(listed) as catalog:
            opening = catalog.selecting(Selection(country=unknown))
            # Before anything is computed.
            with pytest.raises(UsageError, match="no item of the catalog has it"):
                opening.__enter__()


@pytest.mark.parametrize("text", ["UK", "u.k.", "ukm"])
def test_initials_are_understood_as_what_they_stand_for(listed: Path, text: str) -> None:
    with duckdb.connect(str(listed)) as connection:
        connection.execute("INSERT INTO country_names VALUES (9, 'United Kingdom')")
    with pytest.raises(UsageError, match=r"Did you mean United Kingdom\?$"):
        count(listed, text)


def test_a_catalog_without_the_list_is_looked_through(tmp_path: Path) -> None:
    path = write_small_catalog(tmp_path / "catalog.duckdb")
    assert count(path, "Japan") == 1
    with pytest.raises(UsageError, match="Did you mean Japan"):
        count(path, "Japn")


def test_a_country_leaves_the_list_with_its_last_item(listed: Path) -> None:
    names = "SELECT name FROM country_names ORDER BY 1"
    assert ask(listed, names) == [("Fiji",), ("France",), ("Japan",)]
    remove_rows(listed, [make_tombstone(Kind.ID, "102", Reason.OTHER, "2026-01-01")])
    assert ask(listed, names) == [("Fiji",), ("France",)]
    with pytest.raises(UsageError, match="no item of the catalog has it"):
        count(listed, "Japan")

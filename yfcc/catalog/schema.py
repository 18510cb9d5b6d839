"""Tables, macros and views of a catalog, from the files in ``sql/``."""

from __future__ import annotations

from typing import Final

import duckdb

from yfcc.catalog.sqlfiles import read_sql

_TABLES: Final = ("items", "rejected_lines", "orphans", "originals", "ingests", "shard_of")
#: In the order in which they build on each other.
_VIEWS: Final = (
    "photos",
    "videos",
    "item_autotags",
    "item_exif",
    "item_places",
    "countries",
    "item_credits",
    "item_documents",
)


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the empty tables, and the macro ``shard_of``."""
    for name in _TABLES:
        connection.execute(read_sql(f"schema/{name}.sql"))


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views over the tables."""
    for name in _VIEWS:
        connection.execute(read_sql(f"views/{name}.sql"))


def list_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the list of countries, once all items are there: one look at one column."""
    connection.execute(read_sql("schema/country_names.sql"))
    connection.execute(
        "INSERT INTO country_names SELECT DISTINCT country.woeid, country.name FROM ("
        "SELECT unnest(list_filter(places, lambda place: place.type = 'Country')) AS country "
        "FROM items) ORDER BY ALL"
    )

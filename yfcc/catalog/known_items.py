"""Which items a catalog has: those that removals name, and those with given ids."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from yfcc.catalog.connection import Limits, connect_reader
from yfcc.catalog.tombstones import TombstoneSet

#: The condition over ``items``, next to what :func:`create_lists` makes.
NAMED: Final = (
    "(photo_id IN (SELECT photo_id FROM named_ids) "
    "OR user_nsid IN (SELECT user_nsid FROM named_users) "
    "OR photo_hash IN (SELECT photo_hash FROM named_hashes))"
)


def create_lists(connection: duckdb.DuckDBPyConnection, forgotten: TombstoneSet) -> None:
    """Temporary tables with what is named; they are never part of the file."""
    lists = {
        "named_ids": pa.table({"photo_id": pa.array(forgotten.ids, pa.int64())}),
        "named_users": pa.table({"user_nsid": pa.array(forgotten.users, pa.string())}),
        "named_hashes": pa.table({"photo_hash": pa.array(forgotten.hashes, pa.string())}),
    }
    for name, table in lists.items():
        connection.register("incoming", table)
        connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM incoming")
        connection.unregister("incoming")


def find_items(catalog: Path, forgotten: TombstoneSet, limits: Limits | None = None) -> list[int]:
    """Ids of the items in a catalog that are named, by id, owner or hash; ascending.

    Raises
    ------
    SourceError
        The catalog is missing, or is none.
    LockedError
        A writer has it open.
    """
    connection = connect_reader(catalog, limits or Limits())
    try:
        create_lists(connection, forgotten)
        query = f"SELECT photo_id FROM items WHERE {NAMED} ORDER BY photo_id"
        return [row[0] for row in connection.execute(query).fetchall()]
    finally:
        connection.close()


class KnownItems:
    """Asks a catalog which items it has; a context manager.

    Parameters
    ----------
    catalog : Path
    """

    def __init__(self, catalog: Path) -> None:
        self._connection = connect_reader(catalog, Limits())

    def __enter__(self) -> KnownItems:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def unknown(self, photo_ids: Collection[int]) -> list[int]:
        """Those of some ids that are not in the catalog."""
        there = self._look_up("photo_id", photo_ids)
        return [photo_id for photo_id in photo_ids if photo_id not in there]

    def page_urls(self, photo_ids: Collection[int]) -> dict[int, str]:
        """Addresses of the pages of some items, as far as the catalog has them."""
        found = self._look_up("page_url", photo_ids)
        return {photo_id: str(url) for photo_id, url in found.items() if url}

    def _look_up(self, column: str, photo_ids: Collection[int]) -> dict[int, Any]:
        asked = pa.table({"photo_id": pa.array(np.fromiter(photo_ids, np.int64))})
        self._connection.register("asked", asked)
        try:
            rows = self._connection.execute(
                f"SELECT photo_id, {column} FROM items "
                "WHERE photo_id IN (SELECT photo_id FROM asked)"
            ).fetchall()
        finally:
            self._connection.unregister("asked")
        return dict(rows)

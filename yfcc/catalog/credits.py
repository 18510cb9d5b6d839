"""What the catalog knows of the credits that the selected items ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from yfcc.catalog.names import check_names
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.sqlfiles import read_sql

_SCAN_ROWS: Final = 8_192
_COLUMNS: Final = (
    "photo_id, title, author, author_url, user_nsid, source_url, license_name, license_url"
)


def iter_attributions(catalog: Catalog, selection: Selection) -> Iterator[dict[str, Any]]:
    """Title, author, source and licence of the selected items, in the dataset's order.

    Yields
    ------
    dict
        ``photo_id, title, author, author_url, user_nsid, source_url, license_name, license_url``;
        None for what the catalog lacks.

    Raises
    ------
    UsageError
        The selection cannot be computed, or names what the catalog does not know.
    """
    # Of this version, also over a catalog that another one built.
    view = read_sql("views/item_credits.sql").replace("CREATE VIEW", "CREATE OR REPLACE TEMP VIEW")
    n_rows = 0
    with catalog.selecting(selection) as (cursor, condition):
        cursor.execute(view)
        query = f"SELECT {_COLUMNS} FROM item_credits WHERE {condition}"
        for batch in cursor.sql(query).to_arrow_reader(_SCAN_ROWS):
            n_rows += batch.num_rows
            yield from batch.to_pylist()
        check_names(cursor, selection, is_empty=not n_rows)

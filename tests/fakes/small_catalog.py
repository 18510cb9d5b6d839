"""A catalog of eight items that are known by heart, made in an instant."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from yfcc.catalog.schema import create_tables, create_views

_ITEMS: Final = """
INSERT INTO items BY NAME
SELECT i AS line_number, 100 + i AS photo_id, printf('%032x', i) AS photo_hash,
    ['by', 'by', 'by', 'by', 'by-sa', 'by-sa', 'by-nc', NULL][i + 1] AS license,
    CASE WHEN i = 5 THEN 'video' ELSE 'photo' END AS media_kind,
    printf('%d@N00', i % 3) AS user_nsid,
    CASE WHEN i < 6 THEN 'Canon EOS 5D' ELSE 'NIKON D90' END AS capture_device,
    make_timestamp(2010 + i // 2, 6, 1, 12, 0, 0) AS date_taken,
    [179.5, -179.5, 139.5, 2.5, NULL, NULL, NULL, NULL][i + 1] AS longitude,
    [-17, -17, 35.5, 48.5, NULL, NULL, NULL, NULL][i + 1] AS latitude,
    CASE WHEN i % 2 = 0 THEN ['sunset', 'sea'] END AS user_tags,
    MAP {'cat': 0.5::FLOAT + i / 20::FLOAT, 'outdoor': 0.9::FLOAT} AS autotags,
    CASE i WHEN 0 THEN [{'woeid': 1, 'name': 'Fiji', 'type': 'Country'}]
           WHEN 1 THEN [{'woeid': 1, 'name': 'Fiji', 'type': 'Country'}]
           WHEN 2 THEN [{'woeid': 2, 'name': 'Tōkyō', 'type': 'Town'},
                        {'woeid': 3, 'name': 'Japan', 'type': 'Country'}]
           WHEN 3 THEN [{'woeid': 4, 'name': 'France', 'type': 'Country'}] END AS places,
    shard_of(100 + i) AS shard
FROM range(8) AS t(i)
"""
_INGEST: Final = """
INSERT INTO ingests VALUES ('yfcc100m_dataset.bz2', 'dataset', 'v2', 'here', 'etag', 1234, 5678,
    8, $n, 0, 0, 0, NULL, 4096, TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', '0.1.0')
"""


def write_small_catalog(path: Path, without: tuple[int, ...] = ()) -> Path:
    """Write the catalog, perhaps without some of its items, which are 100 to 107."""
    path.parent.mkdir(exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        create_tables(connection)
        create_views(connection)
        connection.execute(_ITEMS)
        connection.execute(
            "DELETE FROM items WHERE list_contains($ids, photo_id)", {"ids": without}
        )
        connection.execute(_INGEST, {"n": 8 - len(without)})
    return path

"""What an ``ids`` file comes to in a catalog: a narrow table on disk, made once.

It is a Parquet file in the reader's scratch folder, as a catalog opened to read takes no table,
and a temporary table would be one connection's own.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb

from yfcc.catalog.digests import digest_lines
from yfcc.catalog.id_list import write_listed
from yfcc.catalog.select import IdList, literal


def find_listed(connection: duckdb.DuckDBPyConnection, path: str, target: Path) -> IdList:
    """Read a list and write down which items of the catalog it names.

    Memory does not grow with the list: it is read in a stream, and DuckDB spills what it joins.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        To the catalog.
    path : str
        The list.
    target : Path
        Gets the columns ``photo_id`` and ``shard``, one row an item.

    Raises
    ------
    UsageError
        As :func:`yfcc.catalog.id_list.write_listed`.
    """
    raw = target.with_suffix(".raw")
    write_listed(Path(path), raw)
    table = f"read_parquet({literal(str(raw))})"
    ids = f"SELECT photo_id FROM {table} WHERE photo_id IS NOT NULL"
    hashes = f"SELECT photo_hash FROM {table} WHERE photo_hash IS NOT NULL"
    (n_hash_rows,) = _row(connection, f"SELECT count(photo_hash) FROM {table}")
    digest, n_listed = digest_lines(connection, _names(raw))
    named = f"SELECT photo_id, shard, NULL AS photo_hash FROM items WHERE photo_id IN ({ids})"
    if n_hash_rows:
        named += (
            " UNION ALL SELECT photo_id, shard, photo_hash FROM items "
            f"WHERE photo_hash IN ({hashes})"
        )
    connection.execute(f"COPY ({named}) TO {literal(str(target))} (FORMAT parquet)")
    (n_found,) = _row(
        connection,
        "SELECT count(*) FILTER (WHERE photo_hash IS NULL) + count(DISTINCT photo_hash) "
        f"FROM read_parquet({literal(str(target))})",
    )
    raw.unlink()
    return IdList(path, n_listed, n_found, digest)


def write_list(connection: duckdb.DuckDBPyConnection, path: str, raw: Path, target: Path) -> None:
    """Write a list as the one its digest is of: ids in ascending order, then hashes; gzip.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : str
        The list, of any form.
    raw : Path
        For what is read of it, where the connection may look; removed in the end.
    target : Path

    Raises
    ------
    UsageError
        As :func:`yfcc.catalog.id_list.write_listed`.
    """
    try:
        write_listed(Path(path), raw)
        with gzip.GzipFile(target, "wb", compresslevel=6, mtime=0) as stream:
            digest_lines(connection, _names(raw), stream.write)
    finally:
        raw.unlink(missing_ok=True)


def _names(raw: Path) -> list[str]:
    """Queries for the different ids and hashes of a list, each in ascending order."""
    return [
        f"SELECT DISTINCT {column} FROM read_parquet({literal(str(raw))}) "
        f"WHERE {column} IS NOT NULL ORDER BY 1"
        for column in ("photo_id", "photo_hash")
    ]


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    rows: list[tuple[int, ...]] = connection.execute(query).fetchall()
    return rows[0]

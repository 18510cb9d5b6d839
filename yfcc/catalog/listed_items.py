"""What an ``ids`` file or a sample comes to in a catalog: narrow tables on disk, made once.

They are Parquet files in the reader's scratch folder, as a catalog opened to read takes no table,
and a temporary table would be one connection's own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from yfcc.catalog.id_list import write_listed
from yfcc.catalog.select import IdList, literal

_BATCH_ROWS = 200_000


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
    digest, n_listed = _digest(connection, [ids, hashes] if n_hash_rows else [ids])
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


def write_drawn(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Write the ``photo_id`` and ``shard`` of a query's items."""
    connection.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet)")


def _digest(connection: duckdb.DuckDBPyConnection, queries: list[str]) -> tuple[str, int]:
    """SHA-256 and length of the list as it would be with one name a line, sorted."""
    found = hashlib.sha256()
    n_listed = 0
    for query in queries:
        reader: pa.RecordBatchReader = connection.sql(
            f"SELECT DISTINCT * FROM ({query}) ORDER BY 1"
        ).to_arrow_reader(_BATCH_ROWS)
        for batch in reader:
            lines = pc.binary_join_element_wise(batch.column(0).cast(pa.string()), "", "\n")
            found.update("".join(lines.to_pylist()).encode())
            n_listed += batch.num_rows
    return found.hexdigest(), n_listed


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    rows: list[tuple[int, ...]] = connection.execute(query).fetchall()
    return rows[0]

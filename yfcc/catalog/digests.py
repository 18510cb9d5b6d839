"""What identifies a set of items: the SHA-256 of its names, sorted, a line each.

``yfcc query "SELECT photo_id FROM selected ORDER BY 1" --format csv`` without its first line has
the same digest as the selection, by ``sha256sum``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

_BATCH_ROWS = 200_000


def digest_lines(
    connection: duckdb.DuckDBPyConnection,
    queries: list[str],
    write: Callable[[bytes], object] = lambda _: None,
) -> tuple[str, int]:
    """SHA-256 and number of the rows of some queries, each a text or a number, in their order.

    Memory does not grow with the rows.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    queries : list of str
        One after the other; of one column without NULL.
    write : callable, optional
        Gets the lines, some megabytes at a time.
    """
    found = hashlib.sha256()
    n_rows = 0
    for query in queries:
        reader: pa.RecordBatchReader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
        for batch in reader:
            lines = pc.binary_join_element_wise(batch.column(0).cast(pa.string()), "", "\n")
            text = "".join(lines.to_pylist()).encode()
            found.update(text)
            write(text)
            n_rows += batch.num_rows
    return found.hexdigest(), n_rows

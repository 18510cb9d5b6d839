"""A published catalog, opened to read: selections counted and streamed, SQL answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

from yfcc.catalog.connection import Limits, connect_reader
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError
from yfcc.model import Item, MediaKind

_BATCH_ROWS: Final = 1_000


@dataclass(slots=True)
class Catalog:
    """A catalog open for reading; a context manager.

    Attributes
    ----------
    path : Path
    limits : Limits
    """

    path: Path
    limits: Limits = field(default_factory=Limits)
    _connection: duckdb.DuckDBPyConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = connect_reader(self.path, self.limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """For the other modules of this room."""
        return self._connection

    def fingerprint(self) -> str:
        """Hex digest of the versions of all files the catalog was built from."""
        rows = self._connection.execute(
            "SELECT file, etag, n_bytes, n_joined, row_limit FROM ingests ORDER BY file"
        ).fetchall()
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    def count_by_shard(self, selection: Selection) -> dict[int, int]:
        """Selected items of each shard that has any.

        Raises
        ------
        UsageError
            ``--where`` is no condition over ``items``.
        """
        query = f"SELECT shard, count(*) FROM items WHERE {selection.sql()} GROUP BY shard"
        return dict(self._run(query, selection).fetchall())

    def count_by_license(self, selection: Selection) -> dict[str | None, int]:
        """Selected items of each licence, most frequent first."""
        query = (
            f"SELECT license, count(*) AS n FROM items WHERE {selection.sql()} "
            "GROUP BY license ORDER BY n DESC"
        )
        return dict(self._run(query, selection).fetchall())

    def iter_items(self, selection: Selection, shards: Sequence[int]) -> Iterator[list[Item]]:
        """Selected items of some shards, by shard and media directory.

        Yields
        ------
        list of Item
            Up to 1,000.
        """
        wanted = ", ".join(str(shard) for shard in shards)
        query = f"""
            SELECT photo_id, photo_hash, media_kind, download_url, shard, document
            FROM item_documents
            WHERE shard IN ({wanted}) AND ({selection.sql()})
            ORDER BY shard, left(photo_id::VARCHAR, 6), photo_id"""
        # A connection of its own: the run asks for items while others count.
        with self._connection.cursor() as cursor:
            reader: pa.RecordBatchReader = self._run(query, selection, cursor).to_arrow_reader(
                _BATCH_ROWS
            )
            for batch in reader:
                yield _items(batch)

    def _run(
        self,
        query: str,
        selection: Selection,
        connection: duckdb.DuckDBPyConnection | None = None,
    ) -> duckdb.DuckDBPyRelation:
        if selection.where:
            check_condition(self._connection, selection.where)
        try:
            return (connection or self._connection).sql(query)
        except (duckdb.ProgrammingError, duckdb.DataError) as error:
            raise UsageError(f"the selection cannot be computed: {str(error).strip()}") from error


def check_condition(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse a ``--where`` that is more, or less, than one condition.

    Raises
    ------
    UsageError
    """
    query = f"SELECT 1 FROM items WHERE (\n{where}\n) LIMIT 0"
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(f"--where {where}: expected one condition over items.")
        connection.cursor().execute(query)
    except duckdb.Error as error:
        raise UsageError(
            f"--where {where}: not a condition over the columns of items: {str(error).strip()}"
        ) from error


def _items(batch: pa.RecordBatch) -> list[Item]:
    return [
        Item(
            photo_id=row["photo_id"],
            photo_hash=row["photo_hash"] or "",
            media_kind=MediaKind(row["media_kind"]),
            download_url=row["download_url"] or "",
            shard=row["shard"],
            document=row["document"],
        )
        for row in batch.to_pylist()
    ]

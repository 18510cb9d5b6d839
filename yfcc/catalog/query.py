"""SQL of the user, over the catalog and, with a mirror, its ``downloads`` and ``runs``."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from yfcc.catalog.bucket_files import BucketFiles
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import literal
from yfcc.catalog.sqlfiles import read_sql
from yfcc.errors import SourceMissing, TargetError, UsageError

if TYPE_CHECKING:
    import polars as pl

_TRACEBACK: Final = "Traceback (most recent call last)"
_READS: Final = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_COPY_OPTIONS: Final = {
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT over an open catalog.

    Attributes
    ----------
    catalog : Catalog
    sql : str
        Without a semicolon at its end, checked.
    """

    catalog: Catalog
    sql: str

    def table(self) -> pl.DataFrame:
        """The whole answer as a polars table.

        Raises
        ------
        UsageError
            The SQL cannot be run.
        """
        try:
            answer: pl.DataFrame = self.catalog.connection.sql(self.sql).pl()
        except duckdb.Error as error:
            raise _explained(error, self.catalog) from error
        return answer

    def write(self, kind: str, target: str) -> None:
        """Stream the answer to a file, an ``s3://`` address, or standard output (``-``).

        Parameters
        ----------
        kind : str
            ``csv``, ``json`` or ``parquet``.
        target : str

        Raises
        ------
        UsageError
            The SQL cannot be run.
        TargetError
            The target cannot be written.
        """
        path = "/dev/stdout" if target == "-" else target
        bucket = BucketFiles() if target.startswith("s3://") else None
        if bucket:
            self.catalog.connection.register_filesystem(bucket.filesystem)
        sys.stdout.flush()
        try:
            self.catalog.connection.execute(
                f"COPY (\n{self.sql}\n) TO {literal(path)} ({_COPY_OPTIONS[kind]})"
            )
        except duckdb.Error as error:
            # What Python code raised inside comes as a text that holds its whole traceback.
            if bucket and _TRACEBACK in str(error):
                raise bucket.explain(target, str(error)) from error
            if isinstance(error, duckdb.IOException):
                raise TargetError(
                    f"{target}: cannot be written: {str(error).splitlines()[0]}"
                ) from error
            raise _explained(error, self.catalog) from error


def prepare_query(catalog: Catalog, text: str) -> Query:
    """Check that a text is one statement that only reads.

    Raises
    ------
    UsageError
        It is none, several, or another kind of statement.
    """
    try:
        statements = catalog.connection.extract_statements(text)
    except duckdb.Error as error:
        raise UsageError(f"the SQL cannot be read: {str(error).strip()}") from error
    if len(statements) != 1:
        raise UsageError(f"expected one SELECT, got {len(statements)} statements.")
    if statements[0].type not in _READS:
        kind = statements[0].type.name
        raise UsageError(f"expected one SELECT, got {kind}: the catalog is never changed by SQL.")
    return Query(catalog, statements[0].query.strip().rstrip(";"))


def mentions(text: str, table: str) -> bool:
    """Whether a query may read a table: only then it is worth to bring it.

    Examples
    --------
    >>> mentions("select count(*) from Downloads", "downloads")
    True
    >>> mentions("select count(*) from items", "downloads")
    False
    """
    # DuckDB's query() and query_table() can put a name together.
    return re.search(rf"{table}|\bquery", text, re.IGNORECASE) is not None


def attach_records(catalog: Catalog, table: str, parquet: Path | None) -> None:
    """Make a table of the mirror's records known to queries.

    Parameters
    ----------
    catalog : Catalog
    table : str
        ``downloads`` or ``runs``.
    parquet : Path, optional
        Its rows as Parquet; None: an empty table of the same columns.
    """
    create = read_sql(f"schema/{table}.sql").replace("CREATE TABLE", "CREATE TEMP TABLE")
    catalog.connection.execute(create)
    if parquet is not None:
        columns = ", ".join(
            row[0] for row in catalog.connection.execute(f"DESCRIBE {table}").fetchall()
        )
        catalog.connection.execute(f"DROP TABLE {table}")
        catalog.connection.execute(
            f"CREATE TEMP VIEW {table} AS "
            f"SELECT {columns} FROM read_parquet({literal(str(parquet))})"
        )


def read_query_file(path: Path) -> str:
    """Text of a SQL file; ``sql/queries/….sql`` is also found where yfcc is installed.

    Raises
    ------
    SourceMissing
    """
    if path.is_file():
        return path.read_text(encoding="utf-8")
    try:
        return read_sql(f"queries/{path.name}")
    except FileNotFoundError as error:
        raise SourceMissing(f"{path}: no such SQL file.") from error


def _explained(error: duckdb.Error, catalog: Catalog) -> UsageError:
    text = str(error).strip()
    hint = ""
    if isinstance(error, duckdb.CatalogException):
        tables = ", ".join(table_names(catalog))
        hint = f"\nTables and views: {tables}"
    return UsageError(f"the SQL cannot be run: {text}{hint}")


def table_names(catalog: Catalog) -> list[str]:
    """Names of the tables and views a query can use."""
    rows = catalog.connection.execute(
        "SELECT DISTINCT table_name FROM information_schema.tables ORDER BY table_name"
    ).fetchall()
    return [row[0] for row in rows]

"""SQL of the user, over the catalog, a selection of it and, with a mirror, its records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from yfcc.catalog.bucket_files import BucketFiles
from yfcc.catalog.connection import output_files
from yfcc.catalog.names import check_names
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection, literal
from yfcc.catalog.select_rules import FOUND
from yfcc.catalog.select_where import check_computed
from yfcc.catalog.sqlfiles import read_sql, sql_names
from yfcc.catalog.standard_output import StandardOutput
from yfcc.errors import TargetError, UsageError

if TYPE_CHECKING:
    import polars as pl

_TRACEBACK: Final = "Traceback (most recent call last)"
_READS: Final = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
#: What to do in place of statements that people try.
_INSTEAD: Final = {
    "COPY": "--format and --output write the answer to a file",
    "EXPORT": "--format and --output write the answer to a file",
    "PRAGMA": "--tables and --describe TABLE tell what there is",
    "CALL": "--tables and --describe TABLE tell what there is",
    "MULTI": "write SELECT * FROM (PIVOT … ON … IN (…)), with the values that become columns",
}
#: Types whose values Python cannot hold all of, as months and times after the year 9999, or does
#: not write plainly inside a list.
_BEYOND_PYTHON: Final = re.compile(
    r"INTERVAL|DATE|TIME|UNION|VARIANT|GEOMETRY|BIT|BIGNUM|[( ](DECIMAL|UUID)|(DECIMAL|UUID).*\["
)
_FLOAT: Final = re.compile("^(FLOAT|DOUBLE)$")
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
    connection : duckdb.DuckDBPyConnection
    sql : str
        Without a semicolon at its end, checked.
    """

    connection: duckdb.DuckDBPyConnection
    sql: str

    def table(self) -> pl.DataFrame:
        """The whole answer as a polars table; intervals and unions are text there.

        Raises
        ------
        UsageError
            The SQL cannot be run.
        """
        text = self._changed(re.compile("INTERVAL|UNION|VARIANT"), "CAST({} AS VARCHAR)")
        try:
            answer: pl.DataFrame = self.connection.sql(text).pl()
        except duckdb.Error as error:
            raise _explained(error, self.connection) from error
        return answer

    def rows(self) -> tuple[list[str], list[tuple[object, ...]]]:
        """The names of the columns, and all rows, to be printed: times and the like are text.

        Raises
        ------
        UsageError
            The SQL cannot be run.
        """
        text = self._changed(_BEYOND_PYTHON, "CAST({} AS VARCHAR)")
        try:
            answer = self.connection.execute(text)
            return [column[0] for column in answer.description or ()], answer.fetchall()
        except duckdb.Error as error:
            raise _explained(error, self.connection) from error

    def _changed(self, kinds: re.Pattern[str], change: str) -> str:
        """The SQL with a change to its columns of some types.

        Parameters
        ----------
        kinds : re.Pattern
            Searched for in the names of types.
        change : str
            A SQL expression with ``{}`` for the column.
        """
        try:
            found = self.connection.sql(self.sql)
            # EXPLAIN has no columns that this asks for.
            kinds_of = [str(each) for each in found.types] if found is not None else []
        except duckdb.Error as error:
            raise _explained(error, self.connection) from error
        if not any(map(kinds.search, kinds_of)):
            return self.sql
        columns = ", ".join(
            f"{change.format(f'#{number}')} AS {_quoted(name)}"
            if kinds.search(kind)
            else f"#{number}"
            for number, (name, kind) in enumerate(zip(found.columns, kinds_of, strict=True), 1)
        )
        return f"SELECT {columns} FROM (\n{self.sql}\n)"

    def write(self, kind: str, target: str) -> None:
        """Stream the answer to a file or an ``s3://`` address.

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
        bucket = BucketFiles() if target.startswith("s3://") else None
        if bucket:
            self.connection.register_filesystem(bucket.filesystem)
        try:
            self._copy(kind, target)
        except duckdb.Error as error:
            # What Python code raised inside comes as a text that holds its whole traceback.
            if bucket and _TRACEBACK in str(error):
                raise bucket.explain(target, str(error)) from error
            if isinstance(error, duckdb.IOException):
                raise TargetError(
                    f"{target}: cannot be written: {str(error).splitlines()[0]}"
                ) from error
            raise _explained(error, self.connection) from error

    def _copy(self, kind: str, path: str) -> None:
        text = self.sql
        if kind == "json":  # which has no number for what is none
            text = self._changed(_FLOAT, "CASE WHEN isfinite({0}) THEN {0} END")
        self.connection.execute(f"COPY (\n{text}\n) TO {literal(path)} ({_COPY_OPTIONS[kind]})")

    def print(self, kind: str, output: StandardOutput) -> None:
        """Stream the answer to standard output.

        Parameters
        ----------
        kind : str
            ``csv``, ``json`` or ``parquet``.
        output : StandardOutput
            Its path is one of those that the catalog's SQL may reach.

        Raises
        ------
        UsageError
            The SQL cannot be run.
        BrokenPipeError
            Nobody reads any more.
        TargetError
            Standard output cannot be written.
        """
        try:
            self._copy(kind, output.path)
        except duckdb.Error as error:
            output.finish()  # raises what DuckDB was refused for, if it was that
            raise _explained(error, self.connection) from error
        output.finish()


@contextmanager
def open_records(
    catalog: Catalog, selection: Selection, records: Mapping[str, Sequence[Path]]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that also knows ``selected``, ``downloads`` and ``runs``.

    Parameters
    ----------
    catalog : Catalog
    selection : Selection
        What ``selected`` holds.
    records : mapping of str to sequence of Path
        Parquet files of the mirror's tables.

    Raises
    ------
    UsageError
        The selection cannot be computed, or names what the catalog does not know.
    """
    with catalog.selecting(selection) as (connection, condition):
        check_names(connection, selection)
        create = read_sql("views/selected.sql").replace("CREATE VIEW", "CREATE TEMP VIEW")
        connection.execute(create.replace("WHERE true", f"WHERE {condition}"))
        connection.execute(_found_view(selection))
        for table, files in records.items():
            attach_records(connection, table, files)
        try:
            yield connection
        except UsageError as error:
            if selection.where and isinstance(error.__cause__, duckdb.Error):
                check_computed(connection, selection.where)
            raise


def _found_view(selection: Selection) -> str:
    """What makes the view ``found``; without ``--text`` it is empty."""
    create = read_sql("views/found.sql").replace("CREATE VIEW", "CREATE TEMP VIEW")
    if selection.text:
        return create
    empty = "(SELECT NULL::BIGINT AS line_number, NULL::FLOAT AS score WHERE false)"
    return create.replace(f"JOIN {FOUND}", f"JOIN {empty}")


def prepare_query(connection: duckdb.DuckDBPyConnection, text: str) -> Query:
    """Check that a text is one statement that only reads.

    Raises
    ------
    UsageError
        It is none, several, or another kind of statement.
    """
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise UsageError(f"the SQL cannot be read: {str(error).strip()}") from error
    if len(statements) != 1:
        raise UsageError(f"expected one SELECT, got {len(statements)} statements.")
    if statements[0].type not in _READS:
        kind = statements[0].type.name
        hint = _INSTEAD.get(kind, "the catalog is never changed by SQL")
        raise UsageError(f"expected one SELECT, got {kind}: {hint}.")
    return Query(connection, statements[0].query.strip().rstrip(";"))


def files_of(target: str) -> tuple[str, ...]:
    """What writing an answer to ``--output`` has to reach; the first is where it goes."""
    return tuple(output_files(target))


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


def attach_records(
    connection: duckdb.DuckDBPyConnection, table: str, parquet: Sequence[Path]
) -> None:
    """Make a table of the mirror's records known to queries.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    table : str
        ``downloads`` or ``runs``.
    parquet : sequence of Path
        Its rows as Parquet; none: an empty table of the same columns.
    """
    create = read_sql(f"schema/{table}.sql").replace("CREATE TABLE", "CREATE TEMP TABLE")
    connection.execute(create)
    if parquet:
        files = ", ".join(literal(str(path)) for path in parquet)
        columns = ", ".join(row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall())
        connection.execute(f"DROP TABLE {table}")
        connection.execute(
            f"CREATE TEMP VIEW {table} AS SELECT {columns} FROM read_parquet([{files}])"
        )


def read_query_file(path: Path) -> str:
    """Text of a SQL file; ``sql/queries/….sql`` is also found where yfcc is installed.

    Raises
    ------
    UsageError
        There is no such file, or no text in it.
    """
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise UsageError(f"--file {path}, line {line}: expected text in UTF-8.") from error
        except OSError as error:
            raise UsageError(f"--file {path}: cannot be read: {error.strerror}.") from error
    name = path.name if path.suffix else f"{path.name}.sql"
    try:
        return read_sql(f"queries/{name}")
    except FileNotFoundError as error:
        known = sql_names("queries")
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" yfcc has {', '.join(known)}."
        raise UsageError(f"--file {path}: no such SQL file.{hint}") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _explained(error: duckdb.Error, connection: duckdb.DuckDBPyConnection) -> UsageError:
    text = str(error).strip()
    hint = ""
    if isinstance(error, duckdb.CatalogException):
        tables = ", ".join(table_names(connection))
        hint = f"\nTables and views: {tables}"
    return UsageError(f"the SQL cannot be run: {text}{hint}")


def table_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of the tables and views a query can use."""
    rows = connection.execute(
        "SELECT DISTINCT table_name FROM information_schema.tables ORDER BY table_name"
    ).fetchall()
    return [row[0] for row in rows]

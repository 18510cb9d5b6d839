"""``yfcc query``: SQL over the catalog and the mirror's records."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from yfcc.cli.options import DEFAULT_CATALOG, CatalogOption, JsonOption, QuietOption
from yfcc.cli.output import print_table
from yfcc.errors import UsageError


class Format(StrEnum):
    """Forms of an answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def query(  # noqa: PLR0913, PLR0917 - each is a flag
    sql: Annotated[str | None, typer.Argument(help="One SELECT.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file with one SELECT; those of sql/queries by name.")
    ] = None,
    format: Annotated[Format, typer.Option(help="Form of the answer.")] = Format.TABLE,  # noqa: A002
    output: Annotated[
        str, typer.Option(help="A file or s3://bucket/key; - is standard output.")
    ] = "-",
    catalog: CatalogOption = DEFAULT_CATALOG,
    mirror: Annotated[
        str | None,
        typer.Option(envvar="YFCC_MIRROR", help="Mirror of the tables `downloads` and `runs`."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run one SELECT over the catalog and the mirror's records."""
    from yfcc.catalog.query import attach_records, prepare_query, read_query_file  # noqa: PLC0415
    from yfcc.catalog.reader import Catalog  # noqa: PLC0415

    if (sql is None) == (file is None):
        raise UsageError("expected one SELECT: either as an argument or with --file.")
    text = sql if sql is not None else read_query_file(file or Path())
    with ExitStack() as stack:
        opened = stack.enter_context(Catalog(catalog))
        records = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for table in ("downloads", "runs"):
            attach_records(opened, table, _records_of(mirror, table, text, records))
        prepared = prepare_query(opened, text)
        kind = Format.JSON if json else format
        if kind is Format.PARQUET and output == "-":
            raise UsageError("--format parquet needs --output: Parquet is no text.")
        if kind is Format.TABLE:
            answer = prepared.table()
            print_table(answer.columns, answer.rows())
        else:
            prepared.write(kind.value, output)


def _records_of(mirror: str | None, table: str, text: str, directory: Path) -> Path | None:
    """A table of the mirror as Parquet; None without a mirror, or if the query needs none."""
    from yfcc.catalog.query import mentions  # noqa: PLC0415
    from yfcc.mirror.opening import open_any  # noqa: PLC0415

    if mirror is None:
        return None
    if not mentions(text, table):
        open_any(mirror).close()  # a wrong name is said even so
        return None
    from yfcc.mirror.downloads import write_downloads_parquet  # noqa: PLC0415 - 0.5 s of libraries
    from yfcc.mirror.runs import write_runs_parquet  # noqa: PLC0415

    write = {"downloads": write_downloads_parquet, "runs": write_runs_parquet}[table]
    target = directory / f"{table}.parquet"
    write(mirror, target)
    return target

"""``yfcc query``: SQL over the catalog and the mirror's records."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from yfcc.catalog.select import Selection
from yfcc.cli.options import DEFAULT_CATALOG, CatalogOption, JsonOption, QuietOption
from yfcc.cli.output import print_json, print_table
from yfcc.cli.selection import tell_missing, typed_flags, with_selection
from yfcc.errors import UsageError
from yfcc.progress import note

if TYPE_CHECKING:
    from yfcc.catalog.query import Query
    from yfcc.catalog.standard_output import StandardOutput


#: Where a query reads what only a mirror has.
_RECORDS: Final = re.compile(r"\b(?:from|join)\s+(downloads|runs)\b", re.IGNORECASE)


class Format(StrEnum):
    """Forms of an answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def _tables_that_begin(incomplete: str) -> list[str]:
    """For the shell's completion."""
    from yfcc.catalog.tables import documented_names  # noqa: PLC0415 - duckdb

    return [name for name in documented_names() if name.startswith(incomplete)]


@with_selection
def query(  # noqa: PLR0913 - each is a flag
    *,
    context: typer.Context,
    sql: Annotated[str | None, typer.Argument(help="One SELECT.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file with one SELECT; those of sql/queries by name.")
    ] = None,
    format: Annotated[Format, typer.Option(help="Form of the answer.")] = Format.TABLE,  # noqa: A002
    output: Annotated[
        str, typer.Option(help="A file or s3://bucket/key; - is standard output.")
    ] = "-",
    tables: Annotated[
        bool, typer.Option("--tables", help="Say which tables and views there are.")
    ] = False,
    describe: Annotated[
        str | None,
        typer.Option(
            help="Say what a table or view holds, column by column.",
            autocompletion=_tables_that_begin,
        ),
    ] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    mirror: Annotated[
        str | None,
        typer.Option(envvar="YFCC_MIRROR", help="Mirror of the tables `downloads` and `runs`."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Run one SELECT over the catalog and the mirror's records.

    The selection flags choose what `selected` holds.
    """
    n_asked = [sql is None, file is None, not tables, describe is None].count(False)
    is_saved = context.params.get("save") is not None
    if is_saved and not n_asked:
        return
    if n_asked != 1:
        raise UsageError(
            "expected one SELECT, as an argument or with --file; or --tables, or --describe TABLE."
        )
    if tables or describe is not None:
        _tell_tables(catalog, describe, is_json=json)
        return
    kind = Format.JSON if json else format
    _check_output(kind, output)
    text = _text_of(sql, file, [] if is_saved else typed_flags(context))
    with ExitStack() as stack:
        if kind is Format.TABLE or output != "-":
            printed, reached = None, _files_of(output)
        else:
            printed = stack.enter_context(_standard_output())
            reached = (printed.path,)
        prepared = stack.enter_context(_prepared(text, catalog, mirror, selection, reached))
        if kind is Format.TABLE:
            print_table(*prepared.rows())
        elif printed is not None:
            prepared.print(kind.value, printed)
        else:
            prepared.write(kind.value, output)


def _check_output(kind: Format, output: str) -> None:
    if kind is Format.TABLE and output != "-":
        raise UsageError(
            f"--output {output}: name its form too, with --format csv, json or parquet."
        )
    if kind is Format.PARQUET and output == "-" and sys.stdout.isatty():
        raise UsageError("--format parquet needs --output, or a pipe: Parquet is no text.")


def _standard_output() -> StandardOutput:
    from yfcc.catalog.standard_output import StandardOutput  # noqa: PLC0415

    return StandardOutput()


def _files_of(output: str) -> tuple[str, ...]:
    from yfcc.catalog.query import files_of  # noqa: PLC0415 - duckdb, which --help need not load

    return () if output == "-" else files_of(output)


def _text_of(sql: str | None, file: Path | None, flags: list[str]) -> str:
    from yfcc.catalog.query import mentions, read_query_file  # noqa: PLC0415 - duckdb

    text = sql if sql is not None else read_query_file(file or Path())
    if flags and not (mentions(text, "selected") or mentions(text, "found")):
        raise UsageError(
            f"{' '.join(flags)}: the selection flags choose what `selected` holds, and the SQL "
            "does not read it. Write FROM selected, or leave the flags out."
        )
    return text


@contextmanager
def _prepared(
    text: str, catalog: Path, mirror: str | None, selection: Selection, files: tuple[str, ...]
) -> Iterator[Query]:
    """The query on a catalog, with what it needs of the mirror; it reaches some files more."""
    from yfcc.api.records import bring_records  # noqa: PLC0415 - duckdb
    from yfcc.catalog.query import open_records, prepare_query  # noqa: PLC0415
    from yfcc.catalog.reader import Catalog  # noqa: PLC0415
    from yfcc.mirror.cache_folder import cache_folders  # noqa: PLC0415

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        opened = stack.enter_context(
            Catalog(catalog, folders=(str(folder), *cache_folders(mirror)), files=files)
        )
        prepare_query(opened.connection, text)  # what is no SELECT costs nothing more
        empty = _RECORDS.search(text) if mirror is None else None
        if empty:
            note(f"{empty[1]}: empty, as no mirror is named; --mirror names one.")
        records = stack.enter_context(bring_records(mirror, text, folder, is_cached=True))
        connection = stack.enter_context(open_records(opened, selection, records))
        tell_missing(opened, selection)
        yield prepare_query(connection, text)


def _tell_tables(catalog: Path, name: str | None, *, is_json: bool) -> None:
    from yfcc.catalog.query import open_records  # noqa: PLC0415 - duckdb
    from yfcc.catalog.reader import Catalog  # noqa: PLC0415
    from yfcc.catalog.tables import describe_table, list_tables  # noqa: PLC0415

    empty: dict[str, list[Path]] = {"downloads": [], "runs": []}
    with Catalog(catalog) as opened, open_records(opened, Selection(), empty) as connection:
        found = list_tables(connection) if name is None else [describe_table(connection, name)]
    if is_json:
        print_json([asdict(each) for each in found] if name is None else asdict(found[0]))
    elif name is None:
        print_table(
            ("name", "kind", "rows", "about"),
            [(each.name, each.kind, each.n_rows, each.about) for each in found],
        )
    else:
        (table,) = found
        typer.echo(f"{table.name} ({table.kind}): {table.about}")
        typer.echo(f"made of: {table.made_of}")
        typer.echo(f"makes: {table.out}")
        typer.echo(f"rows: {table.rows}")
        print_table(
            ("column", "type", "about"),
            [(each.name, each.type, each.about) for each in table.columns],
        )

"""``yfcc export``: the selected items in forms that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.catalog.select import Selection
from yfcc.cli.options import DEFAULT_CATALOG, CatalogOption, JsonOption, QuietOption, hand_on
from yfcc.cli.output import print_json, print_table
from yfcc.cli.selection import with_selection
from yfcc.progress import RunDisplay

if TYPE_CHECKING:
    from yfcc.share.parquet import ParquetSummary

app = typer.Typer(
    help="Write the selected items in a form that other tools read.", no_args_is_help=True
)

OutOption = Annotated[str, typer.Option("--out", help="A new directory, or s3://bucket/prefix.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an export that is there already.")
]


@app.callback()
def _every_form(context: typer.Context) -> None:
    """Hand the settings of the whole command on to each form."""
    hand_on(context.default_map or {}, context)


@app.command()
@with_selection
def parquet(  # noqa: PLR0913 - each is a flag
    *,
    catalog: CatalogOption = DEFAULT_CATALOG,
    out: OutOption,
    partition_by: Annotated[
        str, typer.Option(help="Some of license, media_kind, extension; or none.")
    ] = "license",
    files_rows: Annotated[int, typer.Option(min=1, help="Rows of a file, at most.")] = 1_000_000,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Write the selected items as partitioned Parquet for polars, Spark, Trino and the like."""
    from yfcc.share.parquet import (  # noqa: PLC0415 - pyarrow, which --help need not load
        ParquetRequest,
        export_parquet,
        parse_partition_columns,
    )

    columns = parse_partition_columns(partition_by)
    request = ParquetRequest(catalog, out, selection, columns, files_rows, overwrite)
    with RunDisplay(is_quiet=quiet or json) as display:
        summary = export_parquet(request, display.show)
    if json:
        print_json(_document(summary))
    elif not quiet:
        _print_partitions(summary)


def _document(summary: ParquetSummary) -> dict[str, object]:
    from yfcc.share.parquet import manifest_path  # noqa: PLC0415
    from yfcc.share.parquet_files import ITEMS  # noqa: PLC0415

    return {
        "out": summary.out,
        "items": f"{summary.out.rstrip('/')}/{ITEMS}",
        "manifest": manifest_path(summary.out),
        "n_rows": summary.n_rows,
        "n_bytes": summary.n_bytes,
        "n_files": len(summary.files),
        "partition_by": list(summary.partition_by),
        "partitions": [
            {**dict(zip(summary.partition_by, key, strict=False)), "n_rows": n_rows}
            | {"n_files": n_files, "n_bytes": n_bytes}
            for key, (n_rows, n_files, n_bytes) in _partitions(summary).items()
        ],
    }


def _partitions(summary: ParquetSummary) -> dict[tuple[str | None, ...], tuple[int, int, int]]:
    """Rows, files and bytes of each partition."""
    found: dict[tuple[str | None, ...], tuple[int, int, int]] = {}
    for file in summary.files:
        key = tuple(file.partition.values())
        n_rows, n_files, n_bytes = found.get(key, (0, 0, 0))
        found[key] = (n_rows + file.n_rows, n_files + 1, n_bytes + file.n_bytes)
    return found


def _print_partitions(summary: ParquetSummary) -> None:
    from yfcc.share.parquet_files import ITEMS  # noqa: PLC0415

    width = len(summary.partition_by)
    # An empty export has one file, which is in no partition.
    found = {key: counts for key, counts in _partitions(summary).items() if len(key) == width}
    rows = [[*key, *counts] for key, counts in found.items()]
    print_table((*summary.partition_by, "items", "files", "bytes"), rows)
    typer.echo(
        f"{summary.n_rows:,} items in {len(summary.files):,} files, {summary.n_bytes:,} bytes, "
        f"in {summary.out.rstrip('/')}/{ITEMS}"
    )

"""``yfcc export tsv``: the selected items in the dataset's own form."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from yfcc.catalog.select import Selection
from yfcc.cli.export_parquet import OutOption
from yfcc.cli.options import DEFAULT_CATALOG, CatalogOption, JsonOption, QuietOption
from yfcc.cli.output import print_json, print_table
from yfcc.cli.selection import with_selection
from yfcc.progress import RunDisplay


@with_selection
def tsv(  # noqa: PLR0913 - each is a flag
    *,
    catalog: CatalogOption = DEFAULT_CATALOG,
    out: OutOption,
    packing: Annotated[str, typer.Option(help="none, bz2, gz or zst.")] = "none",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export that is there already.")
    ] = False,
    credits: Annotated[  # noqa: A002
        bool,
        typer.Option(
            "--credits/--no-credits",
            help="Write author, source and licence of every item beside the lines, too.",
        ),
    ] = True,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Write the selected items as the metadata files they came from, byte for byte."""
    from yfcc.share.sink import MANIFEST_NAME  # noqa: PLC0415 - pyarrow, not for --help
    from yfcc.share.tsv import TsvRequest, export_tsv  # noqa: PLC0415

    request = TsvRequest(catalog, out, selection, packing, overwrite, credits)
    with RunDisplay(is_quiet=quiet or json) as display:
        summary = export_tsv(request, display.show)
    if json:
        print_json(
            {
                "out": summary.out,
                "manifest": f"{summary.out.rstrip('/')}/{MANIFEST_NAME}",
                "edition": summary.edition,
                "n_rows": summary.n_rows,
                "n_bytes": summary.n_bytes,
                "files": [asdict(file) for file in summary.files],
                "notes": summary.notes,
            }
        )
    elif not quiet:
        rows = [[file.path, file.n_lines, file.n_bytes] for file in summary.files]
        print_table(("file", "lines", "bytes"), rows)
        typer.echo(
            f"{summary.n_rows:,} items in {len(summary.files):,} files, "
            f"{summary.n_bytes:,} bytes, in {summary.out}"
        )
        for name, n_items in sorted(summary.notes.items()):
            typer.echo(f"{name}: {n_items:,}")

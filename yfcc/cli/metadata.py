"""``yfcc metadata``: build the catalog."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.cli.options import (
    DEFAULT_CATALOG,
    CatalogOption,
    JsonOption,
    QuietOption,
    S3EndpointOption,
)
from yfcc.cli.output import print_json, print_table, today
from yfcc.errors import UsageError
from yfcc.metadata.layouts import Pack
from yfcc.progress import open_file_progress

if TYPE_CHECKING:
    from yfcc.catalog.build import BuildSummary

NO_SOURCE = """no source of metadata is named. There are three kinds:
  the synthetic demo     yfcc demo data
                         yfcc metadata --source demo/sample/buckets/yfcc100m-metadata/v2
  a copy of your own     yfcc metadata --source DIRECTORY
                         yfcc metadata --source s3://BUCKET/PREFIX
                         yfcc metadata --source https://HOST/FOLDER/
                         or one file there: the dataset alone, or the SQLite file
  a public bucket        the 2014 edition (us-west-2, anonymous), read as it is:
                         yfcc metadata --source s3://mmcommons
                         or SQLite, whose 65 GB are first fetched to disk beside the catalog:
                         s3://multimedia-commons/tools/etc/yfcc100m_dataset.sql"""


def metadata(  # noqa: PLR0913, PLR0917 - each is a flag
    source: Annotated[
        str | None,
        typer.Option(
            envvar="YFCC_SOURCE",
            help="Directory, s3://bucket/prefix or https://…/ with the files; or one file there.",
        ),
    ] = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    limit: Annotated[
        int | None, typer.Option(min=1, envvar="YFCC_LIMIT", help="Lines of the dataset to read.")
    ] = None,
    memory_limit: Annotated[
        str, typer.Option(envvar="YFCC_MEMORY_LIMIT", help="Memory to use, like 2GB.")
    ] = "1500MB",
    max_rejects: Annotated[
        int | None,
        typer.Option(
            min=0,
            envvar="YFCC_MAX_REJECTS",
            help="Stop when more lines are rejected. [default: 1,000 and 1 % of those read]",
        ),
    ] = None,
    anonymous: Annotated[
        bool | None,
        typer.Option(
            "--anonymous/--signed",
            help="How to ask an S3 bucket. [default: signed if credentials are found]",
        ),
    ] = None,
    s3_endpoint: S3EndpointOption = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Start over, though an interrupted build could be gone on with."
        ),
    ] = False,
    forgotten: Annotated[
        Path | None,
        typer.Option(
            envvar="YFCC_FORGOTTEN",
            help="List of removals, as `yfcc forget --export` writes it: such items stay out.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Build the catalog from the metadata files, streaming; run it again to go on."""
    from yfcc.catalog.build import BuildSettings, BuildSizes, build_catalog  # noqa: PLC0415
    from yfcc.catalog.connection import parse_memory  # noqa: PLC0415
    from yfcc.metadata.source import open_source  # noqa: PLC0415
    from yfcc.metadata.source.bucket import BucketAccess  # noqa: PLC0415

    if not source:
        raise UsageError(NO_SOURCE)
    memory_bytes = parse_memory(memory_limit)
    sizes = BuildSizes.within(memory_bytes)
    settings = BuildSettings(catalog, limit, memory_bytes, max_rejects, restart, sizes)
    access = BucketAccess(s3_endpoint, None if anonymous is None else not anonymous)
    if forgotten is not None:
        _keep_away(catalog, forgotten)
    opened = open_source(source, access)
    try:
        with open_file_progress(is_quiet=quiet or json) as progress:
            summary = build_catalog(opened, settings, progress)
    finally:
        opened.close()
    if json:
        _print_document(summary)
    elif not quiet:
        _print_counts(summary)


def _keep_away(catalog: Path, forgotten: Path) -> None:
    """Put a list of removals beside the catalog, where every build looks for it."""
    from yfcc.catalog.forget import keep_away  # noqa: PLC0415
    from yfcc.catalog.tombstones import Reason, parse_list  # noqa: PLC0415

    try:
        tombstones = parse_list(forgotten.read_bytes(), Reason.OTHER, today())
    except OSError as error:
        raise UsageError(f"--forgotten {forgotten}: cannot be read: {error.strerror}") from error
    except UsageError as error:
        raise UsageError(f"--forgotten {forgotten} {error}; nothing was built") from error
    keep_away(catalog, tombstones)


def _print_document(summary: BuildSummary) -> None:
    print_json(
        {
            "catalog": str(summary.catalog),
            "edition": summary.edition,
            "missing_packs": list(summary.missing),
            "n_items": summary.n_items,
            "n_forgotten": summary.n_forgotten,
            "files": {file: asdict(counts) for file, counts in summary.counts.items()},
        }
    )


def _print_counts(summary: BuildSummary) -> None:
    rows = [
        (file, each.n_lines, each.n_joined, each.n_orphans, each.n_rejected)
        for file, each in summary.counts.items()
    ]
    print_table(("file", "lines", "joined", "orphans", "rejected"), rows)
    for pack in summary.missing:
        becomes = (
            "photo_hash is computed from the download URL"
            if pack == Pack.HASH
            else "that column stays empty"
        )
        typer.echo(f"no {pack} file at the source: {becomes}")
    if summary.n_forgotten:
        typer.echo(
            f"{summary.n_forgotten:,} removed items are left out: their lines count as rejected, "
            "with the reason forgotten"
        )
    typer.echo(f"{summary.n_items:,} items in {summary.catalog}")

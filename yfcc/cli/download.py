"""``yfcc download``: mirror the selected media."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.cli.options import (
    DEFAULT_CATALOG,
    DEFAULT_MIRROR,
    CatalogOption,
    JsonOption,
    MirrorOption,
    QuietOption,
    S3EndpointOption,
)
from yfcc.cli.selection import with_selection

if TYPE_CHECKING:
    from yfcc.catalog.select import Selection


@with_selection
def download(  # noqa: PLR0913 - each is a flag
    *,
    catalog: CatalogOption = DEFAULT_CATALOG,
    mirror: MirrorOption = DEFAULT_MIRROR,
    sources: Annotated[
        str, typer.Option("--from", envvar="YFCC_FROM", help="Sources in order: s3, flickr.")
    ] = "s3",
    workers: Annotated[
        int, typer.Option(min=1, max=512, envvar="YFCC_WORKERS", help="Items under way at a time.")
    ] = 32,
    shards: Annotated[str | None, typer.Option(help="Only these of 0-4095, like 0-63,70.")] = None,
    shard_of: Annotated[
        str | None, typer.Option(help="I/N: the I-th of N shares, from 0, for job arrays.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    max_bytes: Annotated[
        int, typer.Option(min=1, envvar="YFCC_MAX_BYTES", help="Largest item to store.")
    ] = 4_000_000_000,
    flickr_rate: Annotated[
        str, typer.Option(envvar="YFCC_FLICKR_RATE", help="Requests to Flickr, of all workers.")
    ] = "2/s",
    contact: Annotated[
        str | None, typer.Option(envvar="YFCC_CONTACT", help="URL in the User-Agent.")
    ] = None,
    flickr_endpoint: Annotated[
        str | None, typer.Option(envvar="YFCC_FLICKR_ENDPOINT", help="In place of Flickr's hosts.")
    ] = None,
    s3_endpoint: S3EndpointOption = None,
    allow_private_hosts: Annotated[
        bool, typer.Option("--allow-private-hosts", help="Also addresses of private networks.")
    ] = False,
    ignore_opt_out: Annotated[
        bool,
        typer.Option("--ignore-opt-out", help="Store despite opt-out headers; it is recorded."),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Mirror the selected media; run it again to go on where it was."""

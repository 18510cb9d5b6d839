"""``yfcc download``: mirror the selected media."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from yfcc.catalog.select import IdList, Selection
from yfcc.cli.download_display import DownloadDisplay
from yfcc.cli.forecast import describe_ids, show_forecast
from yfcc.cli.options import (
    DEFAULT_CATALOG,
    DEFAULT_MIRROR,
    CatalogOption,
    JsonOption,
    MirrorOption,
    QuietOption,
    S3EndpointOption,
)
from yfcc.cli.output import print_json, print_table
from yfcc.cli.selection import with_selection
from yfcc.config import rate_file, s3_endpoint_url
from yfcc.errors import UsageError

if TYPE_CHECKING:
    from yfcc.mirror.totals import RunSummary


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
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            envvar="YFCC_PROCESSES",
            help="Share the work out to so many processes of this machine.",
        ),
    ] = 1,
    shards: Annotated[str | None, typer.Option(help="Only these of 0-4095, like 0-63,70.")] = None,
    shard_of: Annotated[
        str | None, typer.Option(help="I/N: the I-th of N shares, from 0, for job arrays.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be done: items, bytes, time, licences, disk."
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Start even if the disk cannot hold what is expected."),
    ] = False,
    ask_again: Annotated[
        bool,
        typer.Option(
            "--ask-again",
            help="Ask once more for items with a final outcome, stored ones too; never for "
            "forgotten ones.",
        ),
    ] = False,
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
    decode: Annotated[
        bool,
        typer.Option("--decode", envvar="YFCC_DECODE", help="Decode every picture fully."),
    ] = False,
    placeholder: Annotated[
        list[str] | None,
        typer.Option(
            envvar="YFCC_PLACEHOLDER",
            help="SHA-256 of one more picture that stands for a missing photo.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Mirror the selected media; run it again to go on where it was."""
    from yfcc.media.placeholder import KNOWN_PLACEHOLDERS, parse_digests  # noqa: PLC0415
    from yfcc.media.politeness import parse_rate  # noqa: PLC0415 - --help need not load this
    from yfcc.media.settings import FetchSettings, parse_sources  # noqa: PLC0415
    from yfcc.mirror.download import DownloadRequest, download_selection, forecast  # noqa: PLC0415

    settings = FetchSettings(
        sources=parse_sources(sources),
        s3_endpoint=s3_endpoint or s3_endpoint_url(),
        flickr_endpoint=flickr_endpoint,
        contact=contact,
        max_bytes=max_bytes,
        flickr_rate=parse_rate(flickr_rate),
        rate_file=rate_file(),
        ignore_opt_out=ignore_opt_out,
        allow_private_hosts=allow_private_hosts,
        decode=decode,
        known_placeholders=KNOWN_PLACEHOLDERS | parse_digests(placeholder or []),
    )
    request = DownloadRequest(
        catalog=catalog,
        mirror=mirror,
        selection=selection,
        settings=settings,
        shards=_chosen_shards(shards, shard_of),
        n_workers=workers,
        command=shlex.join(["yfcc", *sys.argv[1:]]),
        force=force,
        ask_again=ask_again,
    )
    if dry_run:
        show_forecast(forecast(request), mirror, is_json=json)
        return
    listed: list[IdList] = []
    with DownloadDisplay(is_quiet=quiet or json) as display:
        if processes > 1:
            from yfcc.engines.processes import download_in_processes  # noqa: PLC0415

            summary = download_in_processes(request, processes, display.show, listed.append)
        else:
            summary = download_selection(request, display.show, listed.append)
    if json:
        told = asdict(listed[0]) if listed else None
        print_json(asdict(summary) | {"mirror": mirror, "ids": told})
    elif not quiet:
        _print_counts(summary, mirror)
        for ids in listed:
            typer.echo(describe_ids(ids), err=True)
    _leave(summary)


def _print_counts(summary: RunSummary, mirror: str) -> None:
    rows = [*summary.outcomes.items(), ("not yet tried", summary.not_yet_tried)]
    print_table(("outcome", "items"), [*rows, ("selected", summary.n_selected)])
    typer.echo(f"{summary.n_bytes:,} bytes of media stored in {mirror} by this run")
    if summary.exit_code:
        typer.echo("run the same command again to go on", err=True)


def _leave(summary: RunSummary) -> NoReturn:
    code = summary.exit_code or 0
    if summary.n_dropped:
        # A thread that does not end would keep the interpreter; it can change nothing any more.
        sys.stdout.flush()
        os._exit(code)
    raise typer.Exit(code)


def _chosen_shards(shards: str | None, shard_of: str | None) -> frozenset[int] | None:
    from yfcc.mirror.shards import parse_shards, parse_share  # noqa: PLC0415

    if shards and shard_of:
        raise UsageError("--shards and --shard-of: expected one of them.")
    if shard_of:
        return parse_share(shard_of)
    return parse_shards(shards) if shards else None

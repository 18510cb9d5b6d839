"""``yfcc download``: mirror the selected media."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn

import typer

from yfcc.catalog.select import IdList, Selection
from yfcc.cli.download_display import DownloadDisplay, describe_licenses
from yfcc.cli.download_options import (
    AskAgainOption,
    DecodeOption,
    DryRunOption,
    FlickrRateOption,
    ForceOption,
    IgnoreOptOutOption,
    MaxBytesOption,
    PlaceholderOption,
    PrivateHostsOption,
    ProcessesOption,
    ShardOfOption,
    ShardsOption,
    SourcesOption,
    WorkersOption,
)
from yfcc.cli.forecast import describe_ids, show_forecast
from yfcc.cli.options import (
    DEFAULT_CATALOG,
    DEFAULT_MIRROR,
    CatalogOption,
    ContactOption,
    FlickrEndpointOption,
    JsonOption,
    MirrorOption,
    QuietOption,
    S3EndpointOption,
)
from yfcc.cli.output import print_json, print_table, reader_may_leave, safe_text
from yfcc.cli.selection import with_selection
from yfcc.config import rate_file, s3_endpoint_url
from yfcc.errors import UsageError
from yfcc.redact import redact_text

if TYPE_CHECKING:
    from yfcc.mirror.download import DownloadRequest
    from yfcc.mirror.plan import DownloadPlan
    from yfcc.mirror.totals import RunSummary


@with_selection
def download(  # noqa: PLR0913 - each is a flag
    *,
    catalog: CatalogOption = DEFAULT_CATALOG,
    mirror: MirrorOption = DEFAULT_MIRROR,
    sources: SourcesOption = "s3",
    workers: WorkersOption = 32,
    processes: ProcessesOption = 1,
    shards: ShardsOption = None,
    shard_of: ShardOfOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    ask_again: AskAgainOption = False,
    max_bytes: MaxBytesOption = 4_000_000_000,
    flickr_rate: FlickrRateOption = "2/s",
    contact: ContactOption = None,
    flickr_endpoint: FlickrEndpointOption = None,
    s3_endpoint: S3EndpointOption = None,
    allow_private_hosts: PrivateHostsOption = False,
    ignore_opt_out: IgnoreOptOutOption = False,
    decode: DecodeOption = False,
    placeholder: PlaceholderOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Mirror the selected media; run it again to go on where it was."""
    from yfcc.media.locate import plan_places  # noqa: PLC0415
    from yfcc.media.placeholder import KNOWN_PLACEHOLDERS, parse_digests  # noqa: PLC0415
    from yfcc.media.politeness import parse_rate  # noqa: PLC0415 - --help need not load this
    from yfcc.media.settings import FetchSettings, parse_contact, parse_sources  # noqa: PLC0415
    from yfcc.mirror.download import DownloadRequest  # noqa: PLC0415

    settings = FetchSettings(
        sources=parse_sources(sources),
        s3_endpoint=s3_endpoint or s3_endpoint_url(),
        flickr_endpoint=flickr_endpoint,
        contact=parse_contact(contact),
        max_bytes=max_bytes,
        flickr_rate=parse_rate(flickr_rate),
        rate_file=rate_file(),
        ignore_opt_out=ignore_opt_out,
        allow_private_hosts=allow_private_hosts,
        decode=decode,
        known_placeholders=KNOWN_PLACEHOLDERS | parse_digests(placeholder or []),
    )
    plan_places(settings)  # what names no server is refused before anything is counted
    request = DownloadRequest(
        catalog=catalog,
        mirror=mirror,
        selection=selection,
        settings=settings,
        shards=_chosen_shards(shards, shard_of),
        n_workers=workers,
        command=redact_text(shlex.join(["yfcc", *sys.argv[1:]])),
        force=force,
        ask_again=ask_again,
    )
    if dry_run:
        _forecast(request, is_json=json)
    else:
        _run(request, processes, is_json=json, is_quiet=quiet)


def _forecast(request: DownloadRequest, *, is_json: bool) -> None:
    from yfcc.mirror.download import forecast  # noqa: PLC0415

    show_forecast(forecast(request), request.mirror, is_json=is_json)


def _run(request: DownloadRequest, n_processes: int, *, is_json: bool, is_quiet: bool) -> NoReturn:
    from yfcc.mirror.root import warn_of_writers  # noqa: PLC0415

    listed: list[IdList] = []
    with DownloadDisplay(is_quiet=is_quiet or is_json) as display:

        def tell(plan: DownloadPlan) -> None:
            display.say(describe_licenses(plan))

        if n_processes > 1:
            from yfcc.engines.processes import download_in_processes  # noqa: PLC0415

            summary = download_in_processes(request, n_processes, display.show, listed.append, tell)
        else:
            from yfcc.mirror.download import download_selection  # noqa: PLC0415

            summary = download_selection(request, display.show, listed.append, tell_plan=tell)
    warning = warn_of_writers(request.mirror)
    with reader_may_leave():
        if warning and not is_quiet:
            typer.echo(safe_text(warning), err=True)
        if is_json:
            told = asdict(listed[0]) if listed else None
            print_json(asdict(summary) | {"mirror": request.mirror, "ids": told})
        elif not is_quiet:
            _print_counts(summary, request.mirror)
            for ids in listed:
                typer.echo(describe_ids(ids), err=True)
    _leave(summary)


def _print_counts(summary: RunSummary, mirror: str) -> None:
    rows = [*summary.outcomes.items(), ("not yet tried", summary.not_yet_tried)]
    print_table(("outcome", "items"), [*rows, ("selected", summary.n_selected)])
    typer.echo(f"{summary.n_bytes:,} bytes of media stored in {mirror} by this run")
    for digest, n_items in summary.repeated.items():
        typer.echo(
            f"{n_items:,} items have the same picture: perhaps one that stands for missing photos. "
            f"Look at it, and if so, name it to --placeholder and `yfcc forget --digest`: {digest}",
            err=True,
        )
    if summary.exit_code:
        typer.echo("run the same command again to go on", err=True)


def _leave(summary: RunSummary) -> NoReturn:
    code = summary.exit_code or 0
    if summary.n_dropped:
        # A thread that does not end would keep the interpreter; it can change nothing any more.
        with reader_may_leave():
            sys.stdout.flush()
        os._exit(code)
    raise typer.Exit(code)


def _chosen_shards(shards: str | None, shard_of: str | None) -> frozenset[int] | None:
    from yfcc.mirror.shards import parse_shards, parse_share  # noqa: PLC0415

    if shards is not None and shard_of is not None:
        raise UsageError("--shards and --shard-of: expected one of them.")
    if shard_of is not None:
        return parse_share(shard_of)
    return None if shards is None else parse_shards(shards)

"""``yfcc recheck``: whether stored items are still public."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.cli.options import (
    DEFAULT_MIRROR,
    ContactOption,
    FlickrEndpointOption,
    JsonOption,
    MirrorOption,
    QuietOption,
)
from yfcc.cli.output import print_json, safe_text, today
from yfcc.config import rate_file

if TYPE_CHECKING:
    from yfcc.mirror.recheck import RecheckSummary

#: Some pages told nothing: run again.
_UNFINISHED = 3


CatalogOption = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        envvar="YFCC_CATALOG",
        help="Knows pages that an item's JSON does not name.",
    ),
]
SampleOption = Annotated[
    int | None, typer.Option(min=1, help="Only so many stored items, chosen at random.")
]
SeedOption = Annotated[int | None, typer.Option(help="Which sample: the same seed, the same.")]
OutOption = Annotated[
    Path | None,
    typer.Option(help="List candidates here, for `yfcc forget --file`; else on stdout."),
]
RestartOption = Annotated[
    bool, typer.Option("--restart", help="Ask again for what a stopped recheck has asked.")
]
FlickrRateOption = Annotated[
    str, typer.Option(envvar="YFCC_FLICKR_RATE", help="Requests to Flickr, of all processes.")
]


def recheck(  # noqa: PLR0913 - each is a flag
    mirror: MirrorOption = DEFAULT_MIRROR,
    *,
    catalog: CatalogOption = None,
    sample: SampleOption = None,
    seed: SeedOption = None,
    out: OutOption = None,
    restart: RestartOption = False,
    flickr_rate: FlickrRateOption = "2/s",
    flickr_endpoint: FlickrEndpointOption = None,
    contact: ContactOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask politely whether stored items are still public, and list those that are not."""
    from yfcc.media.page_status import PageAsker  # noqa: PLC0415 - --help need not load this
    from yfcc.media.politeness import parse_rate  # noqa: PLC0415
    from yfcc.media.settings import FetchSettings, Source, parse_contact  # noqa: PLC0415
    from yfcc.mirror.opening import open_any  # noqa: PLC0415
    from yfcc.mirror.recheck import RecheckOptions, encode_candidates  # noqa: PLC0415
    from yfcc.mirror.recheck import recheck as ask_all  # noqa: PLC0415
    from yfcc.mirror.stop import StopRequest, stop_on_signals  # noqa: PLC0415

    settings = FetchSettings(
        sources=(Source.FLICKR,),
        flickr_endpoint=flickr_endpoint,
        contact=parse_contact(contact),
        flickr_rate=parse_rate(flickr_rate),
        rate_file=rate_file(),
    )
    options = RecheckOptions(
        catalog=catalog,
        n_sample=sample,
        seed=secrets.randbelow(10**6) if seed is None else seed,
        out=out,
        restart=restart,
    )
    with stop_on_signals(StopRequest()) as stop, open_any(mirror) as opened:
        with closing(PageAsker(settings, stop_event=stop.event)) as asker:
            summary = ask_all(opened, asker.ask, options, stop=stop)
        if json:
            print_json(_describe(mirror, summary, out))
        elif not quiet:
            if out is None:
                typer.echo(encode_candidates(summary.candidates, today()).decode(), nl=False)
            _print(summary, out)
    if summary.n_open:
        raise typer.Exit(_UNFINISHED)


def _describe(mirror: str, summary: RecheckSummary, out: Path | None) -> dict[str, object]:
    return {
        "mirror": mirror,
        "started": summary.started,
        "n_items": summary.n_items,
        "n_settled_before": summary.n_settled_before,
        "n_open": summary.n_open,
        "pages": summary.fates,
        "candidates": summary.candidates,
        "out": None if out is None else str(out),
        "errors": summary.errors,
    }


def _print(summary: RecheckSummary, out: Path | None) -> None:
    for line in summary.errors:
        typer.echo(safe_text(line), err=True)
    if summary.n_settled_before:
        typer.echo(
            f"went on with the recheck of {summary.started}: {summary.n_settled_before:,} pages "
            "were asked for before",
            err=True,
        )
    counts = ", ".join(f"{n:,} {fate}" for fate, n in sorted(summary.fates.items()))
    typer.echo(f"pages of {summary.n_items:,} stored items: {counts or 'none asked'}", err=True)
    if summary.candidates:
        where = "the lines above" if out is None else str(out)
        typer.echo(
            f"{len(summary.candidates):,} are gone: look at {where}, then "
            "`yfcc forget --file LIST`; nothing was removed",
            err=True,
        )
    if summary.n_open:
        typer.echo("not all could be asked: run the same command again to go on", err=True)

"""How a forecast reads: what a download would do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from yfcc.catalog.select import IdList
from yfcc.cli.download_display import format_bytes
from yfcc.cli.output import print_json, print_table, safe_text
from yfcc.progress import format_duration

if TYPE_CHECKING:
    from yfcc.mirror.forecast import Forecast


def show_forecast(found: Forecast, mirror: str, *, is_json: bool) -> None:
    """Print a forecast: tables and sentences, or one JSON document."""
    if is_json:
        print_json(asdict(found) | {"mirror": mirror, "fits": found.fits})
        return
    rows = [(license_ or "unknown", n_items) for license_, n_items in found.by_license.items()]
    print_table(("license", "items"), [*rows, ("selected", found.n_selected)])
    for line in describe_forecast(found, mirror):
        typer.echo(line)


def describe_forecast(found: Forecast, mirror: str) -> list[str]:
    """The sentences of a forecast."""
    kinds = ", ".join(f"{n_items:,} {kind}s" for kind, n_items in sorted(found.by_media.items()))
    about = "" if found.is_counted else "about "
    known = (
        f"{about}{found.n_already_stored:,} stored already, "
        f"{about}{found.n_otherwise_final:,} with another final outcome"
    )
    means = ", ".join(
        f"{format_bytes(found.mean_bytes[kind])} a {kind} "
        f"({'as stored here' if found.mean_from[kind] == 'mirror' else 'as is usual'})"
        for kind in sorted(found.mean_bytes)
    )
    disk = f"about {format_bytes(found.needed_bytes)} of disk with JSON and ledger; " + (
        "a bucket has no end"
        if found.free_bytes is None
        else f"{format_bytes(found.free_bytes)} free, "
        f"{format_bytes(found.reserved_bytes)} stay free"
    )
    lines = [] if found.ids is None else [describe_ids(found.ids)]
    lines += [
        f"{found.n_selected:,} items selected in {found.n_shards:,} shards: {kinds or 'none'}",
        f"{known}; {about}{found.n_to_fetch:,} to be asked for",
        f"about {format_bytes(found.expected_bytes)} expected: {means}",
        disk,
        _describe_time(found),
    ]
    if not found.fits:
        lines.append(f"{safe_text(mirror)}: the disk cannot hold it; a download needs --force")
    return [*lines, "nothing was asked for"]


def _describe_time(found: Forecast) -> str:
    if found.rate_bytes_per_s is None or found.expected_s is None:
        return "time unknown: no run of this mirror has ended yet that stored anything"
    return (
        f"about {format_duration(found.expected_s)} at the latest run's "
        f"{format_bytes(found.rate_bytes_per_s)}/s"
    )


def describe_ids(ids: IdList) -> str:
    """How much of a list of ids the catalog has."""
    return (
        f"{ids.n_listed:,} different ids listed in {safe_text(ids.path)}, {ids.n_missing:,} of "
        "them not in the catalog"
    )

"""``yfcc status``: counts of a mirror that add up."""

from __future__ import annotations

from dataclasses import asdict

import typer

from yfcc.cli.options import DEFAULT_MIRROR, JsonOption, MirrorOption, QuietOption
from yfcc.cli.output import print_json, print_table


def status(
    mirror: MirrorOption = DEFAULT_MIRROR,
    *,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show how a mirror stands: items by outcome, and what the last run left."""
    from yfcc.mirror.opening import open_any  # noqa: PLC0415
    from yfcc.mirror.status import read_status  # noqa: PLC0415

    with open_any(mirror) as opened:
        found = read_status(opened)
    run = found.last_run
    if json:
        print_json(
            {
                "mirror": mirror,
                "n_items": found.n_items,
                "outcomes": dict(found.outcomes),
                "n_bytes": found.n_bytes,
                "n_shards": found.n_shards,
                "last_run": asdict(run) if run else None,
            }
        )
    elif not quiet:
        rows = [*found.outcomes.items(), ("recorded", found.n_items)]
        print_table(("outcome", "items"), rows)
        typer.echo(f"{found.n_bytes:,} bytes of media in {mirror}")
        if run and not run.ended:
            typer.echo(f"last run {run.run_id}: still at work, or it was killed")
        elif run:
            n_with_outcome = sum(run.outcomes.values())
            typer.echo(
                f"last run {run.run_id} ({run.end}): {run.n_selected:,} selected = "
                f"{n_with_outcome:,} with an outcome + {run.not_yet_tried:,} not yet tried"
            )

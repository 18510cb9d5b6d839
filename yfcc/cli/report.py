"""``yfcc report``: a run as one HTML page with plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yfcc.cli.options import DEFAULT_MIRROR, JsonOption, MirrorOption, QuietOption
from yfcc.cli.output import print_json


def report(
    mirror: MirrorOption = DEFAULT_MIRROR,
    *,
    run: Annotated[
        str | None, typer.Option("--run", help="Id of a run. [default: the one that began last]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The page. [default: report-RUN.html]")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a run as one HTML page: outcomes, rates over time, errors, pauses, settings."""
    from yfcc.mirror.report import read_report, write_report  # noqa: PLC0415

    found = read_report(mirror, run)
    target = out or Path(f"report-{found.run.run_id}.html")
    write_report(found, target)
    if json:
        print_json(
            {
                "mirror": mirror,
                "run_id": found.run.run_id,
                "out": str(target),
                "n_samples": len(found.samples),
            }
        )
    elif not quiet:
        typer.echo(f"run {found.run.run_id}: {target}")

"""``yfcc verify``: re-check every stored byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from yfcc.cli.options import DEFAULT_MIRROR, JsonOption, MirrorOption, QuietOption
from yfcc.cli.output import print_json, safe_text
from yfcc.errors import VerifyError


def verify(
    mirror: MirrorOption = DEFAULT_MIRROR,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Take damaged items back: the next download asks.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read every stored byte again and compare it with its record."""
    from yfcc.mirror.repair import repair_mirror  # noqa: PLC0415
    from yfcc.mirror.root import open_mirror  # noqa: PLC0415
    from yfcc.mirror.verify import verify_mirror  # noqa: PLC0415

    with open_mirror(Path(mirror)) as opened:
        check = repair_mirror if repair else verify_mirror
        summary = check(opened, n_workers=os.cpu_count() or 1)
    if json:
        print_json(
            {
                "mirror": mirror,
                "n_items": summary.n_items,
                "n_bytes": summary.n_bytes,
                "n_damaged": len(summary.damages),
                "n_repaired": summary.n_repaired,
                "damages": [
                    {
                        "problem": damage.problem.value,
                        "path": damage.path,
                        "expected": damage.expected,
                        "got": damage.got,
                    }
                    for damage in summary.damages
                ],
            }
        )
        if summary.damages:
            raise typer.Exit(VerifyError.exit_code)
        return
    if not quiet:
        for damage in summary.damages:
            typer.echo(safe_text(damage.describe()))
        typer.echo(
            f"{summary.n_items:,} stored items, {summary.n_bytes:,} bytes read again: "
            f"{len(summary.damages):,} damaged, {summary.n_repaired:,} taken back"
        )
    summary.raise_if_damaged()

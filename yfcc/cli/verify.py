"""``yfcc verify``: re-check every stored byte."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yfcc.cli.options import DEFAULT_MIRROR, JsonOption, MirrorOption, QuietOption
from yfcc.cli.output import print_json, safe_text
from yfcc.errors import UsageError, VerifyError

if TYPE_CHECKING:
    from yfcc.mirror.findings import VerifySummary


def verify(  # noqa: PLR0913 - each is a flag
    mirror: MirrorOption = DEFAULT_MIRROR,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Take damaged items back: the next download asks.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also decode every picture fully, in guarded processes.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many stored items, chosen at random.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which sample: the same seed, the same.")] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="List all intact files in this file, for `sha256sum -c` in the mirror's folder or "
            "in a copy of its bucket."
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Read all, also what a stopped verify has read.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=512, help="Processes that read. [default: one a core]")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read every stored byte again and compare it with its record; stopped, it goes on later."""
    from yfcc.media.guarded import count_cores  # noqa: PLC0415
    from yfcc.mirror.opening import open_any  # noqa: PLC0415
    from yfcc.mirror.repair import repair_mirror  # noqa: PLC0415
    from yfcc.mirror.verify import VerifyOptions, verify_mirror  # noqa: PLC0415

    if manifest is not None and manifest.parts[:1] == ("s3:",):
        raise UsageError(
            "--manifest: expected a file on this machine, got an address in a bucket. Name a file, "
            "and copy it there once it is written."
        )
    options = VerifyOptions(
        n_workers=workers or count_cores(),
        deep=deep,
        n_sample=sample,
        seed=secrets.randbelow(10**6) if seed is None else seed,
        manifest=manifest,
        restart=restart,
    )
    with open_any(mirror) as opened:
        summary = (repair_mirror if repair else verify_mirror)(opened, options)
    if json:
        print_json(_describe(mirror, summary))
        if summary.damages:
            raise typer.Exit(VerifyError.exit_code)
        return
    if not quiet:
        _print(summary)
    summary.raise_if_damaged()


def _describe(mirror: str, summary: VerifySummary) -> dict[str, Any]:
    return {
        "mirror": mirror,
        "n_items": summary.n_items,
        "n_bytes": summary.n_bytes,
        "n_damaged": len(summary.damages),
        "n_repaired": summary.n_repaired,
        "n_recorded": summary.n_recorded,
        "n_not_decoded": summary.n_not_decoded,
        "n_items_resumed": summary.n_items_resumed,
        "seed": summary.seed,
        "damages": [
            {
                "problem": damage.problem.value,
                "path": damage.path,
                "expected": damage.expected,
                "got": damage.got,
            }
            for damage in summary.damages
        ],
        "orphans": summary.orphans,
        "shared_bytes": [asdict(each) for each in summary.shared],
    }


def _print(summary: VerifySummary) -> None:
    for damage in summary.damages:
        typer.echo(safe_text(damage.describe()))
    for path in summary.orphans:
        typer.echo(safe_text(f"{path}: orphaned, the next download of its item sees to it"))
    for each in summary.shared:
        typer.echo(
            f"{each.n_items:,} stored items have the same {each.n_bytes:,} bytes: look at item "
            f"{each.photo_id}. If it stands for missing pictures, `yfcc forget --digest "
            f"{each.sha256}` removes them all, and none is stored any more"
        )
    if summary.n_items_resumed:
        typer.echo(f"{summary.n_items_resumed:,} of the items were read by a verify before this")
    if summary.n_not_decoded:
        typer.echo(f"{summary.n_not_decoded:,} pictures are too large to be decoded")
    recorded = f", {summary.n_recorded:,} recorded as they are" if summary.n_recorded else ""
    sample = "" if summary.seed is None else f", a sample with --seed {summary.seed}"
    typer.echo(
        f"{summary.n_items:,} stored items, {summary.n_bytes:,} bytes read again{sample}: "
        f"{len(summary.damages):,} damaged, {len(summary.orphans):,} orphaned, "
        f"{summary.n_repaired:,} taken back{recorded}"
    )

"""``yfcc forget``: removal that lasts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.cli.options import DEFAULT_MIRROR, JsonOption, MirrorOption, QuietOption
from yfcc.cli.output import print_json, safe_text, today
from yfcc.errors import UsageError, VerifyError

if TYPE_CHECKING:
    from yfcc.catalog.tombstones import Tombstone
    from yfcc.mirror.forget import ForgetSummary
    from yfcc.share.removal import ExportRemoval

_N_SHOWN = 20


CatalogOption = Annotated[
    Path | None,
    typer.Option(
        "--catalog", envvar="YFCC_CATALOG", help="The catalog that loses the rows as well."
    ),
]
IdOption = Annotated[
    list[str] | None, typer.Option("--id", help="A photo or video; may be repeated.")
]
UserOption = Annotated[
    list[str] | None, typer.Option("--user", help="All items of an owner, by NSID.")
]
HashOption = Annotated[
    list[str] | None, typer.Option("--hash", help="An item, by the dataset's hash.")
]
DigestOption = Annotated[
    list[str] | None,
    typer.Option("--digest", help="All items with these bytes, by their SHA-256."),
]
FileOption = Annotated[
    Path | None,
    typer.Option(help="A list: ids, NSIDs, hashes, digests, or what --export wrote."),
]
ReasonOption = Annotated[
    str,
    typer.Option(
        help="owner-request, subject-request, legal, no-longer-public, unwanted or other."
    ),
]
ExportOption = Annotated[
    Path | None,
    typer.Option(help="Write all removals of the mirror here, for --file elsewhere."),
]
ExportedOption = Annotated[
    list[str] | None,
    typer.Option(
        help="An export of this mirror that was moved or copied; may be repeated. Where they were "
        "written, exports are found without it."
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")
]


def forget(  # noqa: PLR0913 - each is a flag
    mirror: MirrorOption = DEFAULT_MIRROR,
    *,
    catalog: CatalogOption = None,
    photo_ids: IdOption = None,
    users: UserOption = None,
    hashes: HashOption = None,
    digests: DigestOption = None,
    file: FileOption = None,
    reason: ReasonOption = "owner-request",
    export: ExportOption = None,
    exported: ExportedOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Remove items for good: bytes, JSON, records, catalog rows; nothing brings them back.

    They go from exports too, and those are named that could not be reached. Without an item to
    remove it carries earlier removals to their ends.
    """
    from yfcc.mirror.forget import forget as remove  # noqa: PLC0415
    from yfcc.mirror.forget import preview  # noqa: PLC0415
    from yfcc.mirror.forget_lists import write_list  # noqa: PLC0415
    from yfcc.mirror.opening import open_any  # noqa: PLC0415
    from yfcc.share.removal import list_exports, remove_from_exports  # noqa: PLC0415

    asked = _asked(photo_ids, users, hashes, digests, reason)
    if file is not None:
        asked += _read(file, reason)
    with open_any(mirror) as opened:
        if export is not None and not asked:
            n_lines = write_list(opened, export)
            if json:
                print_json({"mirror": mirror, "export": str(export), "n_tombstones": n_lines})
            elif not quiet:
                typer.echo(f"{n_lines:,} removals written to {export}")
            return
        summary: ForgetSummary = (preview if dry_run else remove)(opened, asked, catalog)
        if export is not None and not dry_run:
            write_list(opened, export)
        exports = list_exports(opened) if dry_run else remove_from_exports(opened, exported or ())
    summary.left += [f"{each.address}: {each.why}" for each in exports if each.is_left]
    if json:
        print_json(_describe(mirror, summary) | {"exports": [asdict(each) for each in exports]})
        if summary.left:
            raise typer.Exit(VerifyError.exit_code)
        return
    if not quiet:
        _print(mirror, summary, catalog, has_asked=bool(asked))
        for each in exports:
            _print_export(each)
    summary.raise_if_left()


def _asked(
    photo_ids: list[str] | None,
    users: list[str] | None,
    hashes: list[str] | None,
    digests: list[str] | None,
    reason: str,
) -> list[Tombstone]:
    from yfcc.catalog.tombstones import Kind, make_tombstone, parse_reason  # noqa: PLC0415

    code, date = parse_reason(reason), today()
    found = []
    for kind, flag, values in (
        (Kind.ID, "--id", photo_ids),
        (Kind.USER, "--user", users),
        (Kind.HASH, "--hash", hashes),
        (Kind.SHA256, "--digest", digests),
    ):
        for value in values or ():
            try:
                found.append(make_tombstone(kind, value, code, date))
            except UsageError as error:
                raise UsageError(f"{flag} {error}") from error
    return found


def _read(file: Path, reason: str) -> list[Tombstone]:
    from yfcc.catalog.tombstones import parse_list, parse_reason  # noqa: PLC0415

    try:
        found = parse_list(file.read_bytes(), parse_reason(reason), today())
    except OSError as error:
        raise UsageError(f"--file {file}: cannot be read: {error.strerror}") from error
    except UsageError as error:
        raise UsageError(f"--file {file} {error}; nothing was removed") from error
    return found


def _describe(mirror: str, summary: ForgetSummary) -> dict[str, object]:
    return {
        "mirror": mirror,
        "n_new": summary.n_new,
        "n_tombstones": summary.n_known,
        "n_items": summary.n_items,
        "n_files": summary.n_files,
        "catalogs": summary.catalogs,
        "unknown": summary.unknown,
        "left": summary.left,
        "is_dry_run": summary.is_dry_run,
    }


def _print(mirror: str, summary: ForgetSummary, catalog: Path | None, *, has_asked: bool) -> None:
    would = "would be " if summary.is_dry_run else ""
    for photo_id in summary.unknown[:_N_SHOWN]:
        typer.echo(f"item {photo_id}: nothing of it is here; it is kept away from now on")
    if len(summary.unknown) > _N_SHOWN:
        typer.echo(f"{len(summary.unknown):,} items in all are not here, and are kept away")
    for line in summary.left:
        typer.echo(safe_text(line))
    typer.echo(
        f"{summary.n_items:,} items, {summary.n_files:,} files {would}removed from {mirror}; "
        f"{summary.n_new:,} new of {summary.n_known:,} removals that last"
    )
    for path, n_rows in summary.catalogs.items():
        typer.echo(safe_text(f"{n_rows:,} rows {would}removed from {path}"))
    if catalog is None and has_asked and not summary.catalogs:
        typer.echo(
            "the catalog still has the rows until `yfcc forget --catalog FILE` removes them; "
            "nothing is fetched for them"
        )


def _print_export(export: ExportRemoval) -> None:
    if export.is_left:
        return  # said already
    if export.why is not None:
        typer.echo(safe_text(f"{export.address}: {export.why}"))
    elif export.n_items:
        typer.echo(safe_text(f"{export.n_items:,} items removed from {export.address}"))

"""``yfcc export webdataset`` and ``yfcc export imagefolder``: items with their media."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from yfcc.catalog.select import Selection
from yfcc.cli.options import (
    DEFAULT_CATALOG,
    DEFAULT_MIRROR,
    JsonOption,
    MirrorOption,
    QuietOption,
)
from yfcc.cli.output import print_json, print_table
from yfcc.cli.selection import with_selection
from yfcc.progress import RunDisplay

if TYPE_CHECKING:
    from yfcc.share.export_request import Form
    from yfcc.share.exporting import MediaExportSummary

_CatalogOption = Annotated[
    Path,
    typer.Option(
        "--catalog",
        envvar="YFCC_CATALOG",
        help="Where the selection is computed; if it is not there and nothing is selected, every "
        "stored item is exported.",
    ),
]
_Out = Annotated[
    str, typer.Option("--out", help="A new directory or s3://bucket/prefix, or one to go on with.")
]
SizeOption = Annotated[
    int | None,
    typer.Option(
        min=16,
        help="Make JPEG and PNG photos smaller: their shorter side gets so many pixels. Items "
        "under ND licences stay as they are.",
    ),
]
RedistributableOption = Annotated[
    bool,
    typer.Option(
        "--redistributable",
        help="Leave out what may not be handed on: by an unknown licence, an incomplete credit or "
        "an opt-out that was received with the item.",
    ),
]
_CleanCaptions = Annotated[
    bool,
    typer.Option(
        "--clean-captions",
        help="Captions without HTML, addresses and names of files such as IMG_0520.",
    ),
]
_Workers = Annotated[
    int | None, typer.Option(min=1, help="Pieces made at a time. [default: one a core]")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an export that is there already.")
]


@with_selection
def webdataset(  # noqa: PLR0913 - each is a flag
    *,
    catalog: _CatalogOption = DEFAULT_CATALOG,
    mirror: MirrorOption = DEFAULT_MIRROR,
    out: _Out,
    shard_items: Annotated[int, typer.Option(min=1, help="Items of a shard, at most.")] = 10_000,
    shard_bytes: Annotated[
        int, typer.Option(min=1, help="Bytes of media of a shard, at most, or one item.")
    ] = 1_000_000_000,
    size: SizeOption = None,
    clean_captions: _CleanCaptions = False,
    redistributable: RedistributableOption = False,
    workers: _Workers = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Write the selected stored items as tar shards for the webdataset library.

    Run it again to go on where it was cut short.
    """
    from yfcc.share.webdataset import WebDataset  # noqa: PLC0415 - --help need not load it

    asked = _Asked(
        (catalog, mirror, out), size, clean_captions, redistributable, workers, overwrite, selection
    )
    summary = _export(WebDataset(), (shard_items, shard_bytes), asked, json or quiet)
    _say(summary, "shards", is_json=json, is_quiet=quiet)


@with_selection
def imagefolder(  # noqa: PLR0913 - each is a flag
    *,
    catalog: _CatalogOption = DEFAULT_CATALOG,
    mirror: MirrorOption = DEFAULT_MIRROR,
    out: _Out,
    folder_items: Annotated[int, typer.Option(min=1, help="Photos of a folder, at most.")] = 1_000,
    size: SizeOption = None,
    clean_captions: _CleanCaptions = False,
    redistributable: RedistributableOption = False,
    workers: _Workers = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Write the selected stored photos as files with metadata.jsonl, for Hugging Face datasets.

    Run it again to go on where it was cut short.
    """
    from yfcc.share.imagefolder import ImageFolder  # noqa: PLC0415

    asked = _Asked(
        (catalog, mirror, out), size, clean_captions, redistributable, workers, overwrite, selection
    )
    summary = _export(ImageFolder(), (folder_items, 1 << 62), asked, json or quiet)
    _say(summary, "folders", is_json=json, is_quiet=quiet)


class _Asked(NamedTuple):
    """What both forms are asked for, in the order of the flags."""

    places: tuple[Path, str, str]
    size: int | None
    has_clean_captions: bool
    is_redistributable: bool
    n_workers: int | None
    is_overwriting: bool
    selection: Selection


def _export(
    form: Form, limits: tuple[int, int], asked: _Asked, is_silent: bool
) -> MediaExportSummary:
    from yfcc.share.export_request import ExportRequest  # noqa: PLC0415
    from yfcc.share.exporting import export_media  # noqa: PLC0415
    from yfcc.share.pieces import PieceLimits  # noqa: PLC0415

    (catalog, mirror, out), *_ = asked
    flags = asked._asdict()
    del flags["places"]
    request = ExportRequest(
        form=form,
        mirror=mirror,
        catalog=_find_catalog(catalog, asked.selection),
        out=out,
        limits=PieceLimits(*limits),
        **flags,
    )
    with RunDisplay(is_quiet=is_silent) as display:
        return export_media(request, display.show)


def _find_catalog(catalog: Path, selection: Selection) -> Path | None:
    """The catalog to select by; None if every stored item is wanted, and none was named."""
    is_asked = catalog != DEFAULT_CATALOG or selection.conditions()
    return catalog if is_asked or catalog.is_file() else None


def _say(summary: MediaExportSummary, pieces: str, *, is_json: bool, is_quiet: bool) -> None:
    if is_json:
        print_json(asdict(summary))
        return
    if is_quiet:
        return
    print_table(
        ("license", "items"), [[code or "unknown", n] for code, n in summary.licenses.items()]
    )
    for name, n_items in sorted(summary.notes.items()):
        typer.echo(f"{name}: {n_items:,}")
    typer.echo(
        f"{summary.n_items:,} of {summary.n_selected:,} selected items in {summary.n_pieces:,} "
        f"{pieces}, {summary.n_bytes:,} bytes, in {summary.out}; {summary.n_not_stored:,} not in "
        f"the mirror, {summary.n_forgotten:,} forgotten, {summary.n_left_out:,} left out"
    )
    if summary.n_pieces_kept:
        typer.echo(f"{summary.n_pieces_kept:,} {pieces} were there already, and whole")

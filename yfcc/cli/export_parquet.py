"""``yfcc export parquet``: the selected items as tables."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.catalog.select import Selection
from yfcc.cli.export_media import OverwriteOption, RedistributableOption, SizeOption
from yfcc.cli.options import (
    DEFAULT_CATALOG,
    DEFAULT_MIRROR,
    CatalogOption,
    JsonOption,
    MirrorOption,
    QuietOption,
)
from yfcc.cli.output import print_json, print_table
from yfcc.cli.selection import with_selection
from yfcc.errors import UsageError
from yfcc.progress import RunDisplay

if TYPE_CHECKING:
    from yfcc.share.parquet import ParquetSummary
    from yfcc.share.parquet_media import MediaSource

OutOption = Annotated[str, typer.Option("--out", help="A new directory, or s3://bucket/prefix.")]
#: With pictures inside a file of a million rows would have 100 GB.
_ROWS_WITH_BYTES = 5_000
_ROWS = 1_000_000


@with_selection
def parquet(  # noqa: PLR0913 - each is a flag
    *,
    catalog: CatalogOption = DEFAULT_CATALOG,
    out: OutOption,
    partition_by: Annotated[
        str, typer.Option(help="Some of license, media_kind, extension; or none.")
    ] = "license",
    files_rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Rows of a file, at most. [default: {_ROWS:,}; with --images bytes "
            f"{_ROWS_WITH_BYTES:,}]",
        ),
    ] = None,
    images: Annotated[
        str,
        typer.Option(
            help="none; bytes: media of stored items inside; or paths: where the mirror has them."
        ),
    ] = "none",
    mirror: MirrorOption = DEFAULT_MIRROR,
    size: SizeOption = None,
    redistributable: RedistributableOption = False,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Write the selected items as partitioned Parquet for polars, Spark, Trino and the like.

    With media, those that are stored, by shard and id; else all, in the dataset's order.
    """
    from yfcc.share.parquet import (  # noqa: PLC0415 - pyarrow, which --help need not load
        ParquetRequest,
        export_parquet,
        parse_partition_columns,
    )

    columns = parse_partition_columns(partition_by)
    media = _media(images, mirror, size, is_redistributable=redistributable)
    rows = files_rows or (_ROWS_WITH_BYTES if images == "bytes" else _ROWS)
    request = ParquetRequest(catalog, out, selection, columns, rows, overwrite, media)
    with RunDisplay(is_quiet=quiet or json) as display:
        summary = export_parquet(request, display.show)
    if json:
        print_json(_document(summary))
    elif not quiet:
        _print_partitions(summary)


def _media(
    images: str, mirror: str, size: int | None, *, is_redistributable: bool
) -> MediaSource | None:
    from yfcc.share.copies import CopyRules  # noqa: PLC0415
    from yfcc.share.parquet_media import Images, MediaSource  # noqa: PLC0415

    known = [each.value for each in Images]
    if images not in known:
        raise UsageError(f"--images {images}: expected one of {', '.join(known)}.")
    if size is not None and images != Images.BYTES:
        raise UsageError("--size: only --images bytes has pictures to make smaller.")
    if images == Images.NONE:
        if is_redistributable:
            raise UsageError("--redistributable: name --images bytes or --images paths as well.")
        return None
    now = datetime.now(UTC)
    rules = CopyRules(size=size, is_redistributable=is_redistributable, now_utc=now)
    return MediaSource(mirror, Images(images), rules)


def _document(summary: ParquetSummary) -> dict[str, object]:
    from yfcc.share.parquet import manifest_path  # noqa: PLC0415
    from yfcc.share.parquet_files import ITEMS  # noqa: PLC0415

    stored = {} if summary.stored is None else {"stored": asdict(summary.stored)}
    return {
        "out": summary.out,
        "items": f"{summary.out.rstrip('/')}/{ITEMS}",
        "manifest": manifest_path(summary.out),
        "n_rows": summary.n_rows,
        "n_bytes": summary.n_bytes,
        "n_files": len(summary.files),
        "partition_by": list(summary.partition_by),
        "partitions": [
            {**dict(zip(summary.partition_by, key, strict=False)), "n_rows": n_rows}
            | {"n_files": n_files, "n_bytes": n_bytes}
            for key, (n_rows, n_files, n_bytes) in _partitions(summary).items()
        ],
        "notes": summary.notes,
        **stored,
    }


def _partitions(summary: ParquetSummary) -> dict[tuple[str | None, ...], tuple[int, int, int]]:
    """Rows, files and bytes of each partition."""
    found: dict[tuple[str | None, ...], tuple[int, int, int]] = {}
    for file in summary.files:
        key = tuple(file.partition.values())
        n_rows, n_files, n_bytes = found.get(key, (0, 0, 0))
        found[key] = (n_rows + file.n_rows, n_files + 1, n_bytes + file.n_bytes)
    return found


def _print_partitions(summary: ParquetSummary) -> None:
    from yfcc.share.parquet_files import ITEMS  # noqa: PLC0415

    width = len(summary.partition_by)
    # An empty export has one file, which is in no partition.
    found = {key: counts for key, counts in _partitions(summary).items() if len(key) == width}
    rows = [[*key, *counts] for key, counts in found.items()]
    print_table((*summary.partition_by, "items", "files", "bytes"), rows)
    typer.echo(
        f"{summary.n_rows:,} items in {len(summary.files):,} files, {summary.n_bytes:,} bytes, "
        f"in {summary.out.rstrip('/')}/{ITEMS}"
    )
    for name, n_items in sorted(summary.notes.items()):
        typer.echo(f"{name}: {n_items:,}")
    if summary.stored is not None:
        typer.echo(
            f"selected {summary.stored.n_selected:,}: {summary.stored.n_not_stored:,} not in the "
            f"mirror, {summary.stored.n_forgotten:,} forgotten"
        )

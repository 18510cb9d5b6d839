"""What the manifest of an export as Parquet says."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from yfcc import __version__
from yfcc.catalog.parquet import read_provenance
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import IdList
from yfcc.share.parquet_files import ExportedFile
from yfcc.share.parquet_media import MediaRows, MediaSource
from yfcc.share.sink import Target

if TYPE_CHECKING:
    from yfcc.share.parquet import ParquetRequest, StoredNotes, Written


def build_manifest(
    request: ParquetRequest,
    catalog: Catalog,
    target: Target,
    written: Written,
) -> dict[str, Any]:
    """What the manifest says, but for its times and its documents."""
    selection = request.selection
    return {
        "schema_version": 1,
        "form": "parquet",
        "export_id": target.export_id,
        "yfcc_version": __version__,
        "catalog": {"fingerprint": catalog.fingerprint(), "ingests": read_provenance(catalog)},
        "selection": {"sql": catalog.describe(selection), "flags": selection.conditions()}
        | _described_ids(catalog.listed(selection)),
        "n_rows": sum(file.n_rows for file in written.files),
        "partition_by": list(request.partition_by),
        "columns": {column.name: str(column.type) for column in written.schema},
        "files": [describe_file(file) for file in written.files],
    } | _described_media(request.media, written.media)


def _described_media(
    source: MediaSource | None, rows: MediaRows | StoredNotes | None
) -> dict[str, Any]:
    if source is None or rows is None:
        return {}
    return {
        "images": source.images.value,
        "rules": {
            "size": source.rules.size,
            "redistributable": source.rules.is_redistributable,
        },
        "stored": asdict(rows.counts),
        "notes": dict(+rows.notes),
    }


def _described_ids(listed: IdList | None) -> dict[str, Any]:
    """What identifies a list of ids, without the place where it lay on this machine."""
    if listed is None:
        return {}
    found = asdict(listed)
    del found["path"]
    return {"ids": found}


def describe_file(file: ExportedFile) -> dict[str, Any]:
    """A file, as the manifest lists it."""
    return {
        "path": file.path,
        "n_rows": file.n_rows,
        "n_bytes": file.n_bytes,
        "sha256": file.sha256,
        "partition": dict(file.partition),
    }

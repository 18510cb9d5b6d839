"""What lies beside the Parquet files of an export: credits, checksums, card, Croissant file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from yfcc.share.credit_lists import ExportCredits
from yfcc.share.credits import UNCHANGED, Credit, author_of
from yfcc.share.documents import CHECKSUMS, Documents
from yfcc.share.export_facts import ExportedPart, ExportFacts

if TYPE_CHECKING:
    from yfcc.share.parquet import ParquetRequest, Written

CREDIT_COLUMNS = (
    *("photo_id", "title", "user_nickname", "user_nsid", "page_url"),
    *("license_name", "license_url", "license", "media", "changes"),
)


class RowCredits:
    """The credits of rows that have media inside.

    Parameters
    ----------
    documents : Documents
    """

    def __init__(self, documents: Documents) -> None:
        self._credits = ExportCredits(documents.open)

    def add(self, batch: pa.RecordBatch) -> None:
        """Credit every row."""
        for row in batch.select(CREDIT_COLUMNS).to_pylist():
            self._credits.write(credit_of_row(row, row["media"]["path"], row["changes"]))

    def close(self) -> None:
        """Finish the lists."""
        self._credits.close()


def credit_of_row(row: Mapping[str, Any], path: str | None, changes: str = UNCHANGED) -> Credit:
    """The credit of a row of ``items``; what it lacks is None."""
    nsid = row["user_nsid"]
    return Credit(
        photo_id=row["photo_id"],
        title=row["title"],
        author=author_of(row["user_nickname"], nsid),
        author_url=f"https://www.flickr.com/people/{nsid}/" if nsid else None,
        source_url=row["page_url"],
        license_name=row["license_name"],
        license_url=row["license_url"],
        path=path,
        changes=changes,
    )


def write_parquet_documents(
    documents: Documents, request: ParquetRequest, written: Written, manifest: dict[str, Any]
) -> list[dict[str, Any]]:
    """Write card, Croissant file and checksums; what the manifest says of all documents.

    Raises
    ------
    TargetError
        They cannot be written.
    """
    facts = _describe(request, written, manifest, f"{documents.lead}{CHECKSUMS}")
    pieces = [
        ExportedPart(file.path, file.n_rows, file.n_bytes, file.sha256) for file in written.files
    ]
    return documents.finish(facts, pieces)


def _describe(
    request: ParquetRequest, written: Written, manifest: dict[str, Any], checksums: str
) -> ExportFacts:
    n_rows = sum(file.n_rows for file in written.files)
    rows, source = written.media, request.media
    licenses = Counter({code or "": n for code, n in written.licenses.items()})
    return ExportFacts(
        form="parquet",
        n_selected=rows.counts.n_selected if rows else n_rows,
        n_items=n_rows,
        n_not_stored=rows.counts.n_not_stored if rows else 0,
        n_forgotten=rows.counts.n_forgotten if rows else 0,
        n_bytes=sum(file.n_bytes for file in written.files),
        n_pieces=len(written.files),
        notes=dict(+rows.notes) if rows else {},
        licenses=dict(licenses.most_common()),
        fingerprint=manifest["catalog"]["fingerprint"],
        sql=manifest["selection"]["sql"],
        size=source.rules.size if source else None,
        has_media=source is not None and source.images == "bytes",
        has_credits=source is not None,
        started_at=manifest["started_at"],
        checksums=checksums,
    )

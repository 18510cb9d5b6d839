"""What lies beside the Parquet files of an export: credits, checksums, card, Croissant file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from yfcc.share.credit_lists import ExportCredits
from yfcc.share.croissant import CROISSANT, build_croissant
from yfcc.share.dataset_card import CARD, build_card
from yfcc.share.export_facts import ExportedPart, ExportFacts
from yfcc.share.sink import Sink, Target

if TYPE_CHECKING:
    from yfcc.share.parquet import ParquetRequest, Written

_CHECKSUMS = "SHA256SUMS"
CREDIT_COLUMNS = (
    *("photo_id", "title", "user_nickname", "user_nsid", "page_url"),
    *("license_name", "license_url", "license", "media", "changes"),
)


@dataclass(slots=True)
class Documents:
    """Files of an export that are no data, as they are written.

    Attributes
    ----------
    target : Target
    lead : str
        What their names begin with.
    """

    target: Target
    lead: str = ""
    _sinks: dict[str, Sink] = field(default_factory=dict)

    def open(self, name: str) -> Sink:
        """A new one."""
        path = f"{self.lead}{name}"
        sink = self._sinks[path] = self.target.open_document(path)
        return sink

    def write(self, name: str, content: bytes) -> None:
        """A small one."""
        sink = self.open(name)
        sink.write(content)
        sink.close()

    def abandon(self) -> None:
        """Let go of files that were not finished."""
        for sink in self._sinks.values():
            sink.abandon()

    def measured(self) -> dict[str, ExportedPart]:
        """All of them, which are closed by now."""
        return {
            name: ExportedPart(name, 0, sink.n_bytes, sink.sha256)
            for name, sink in self._sinks.items()
        }


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
            nsid = row["user_nsid"]
            document = {
                "photo_id": row["photo_id"],
                "attribution": {
                    "title": row["title"],
                    "author": row["user_nickname"] or nsid,
                    "author_url": f"https://www.flickr.com/people/{nsid}/" if nsid else None,
                    "source_url": row["page_url"],
                    "license_name": row["license_name"],
                    "license_url": row["license_url"],
                },
                "metadata": {"title": row["title"], "license": row["license"]},
            }
            self._credits.add(document, row["media"]["path"], row["changes"])

    def close(self) -> None:
        """Finish the lists."""
        self._credits.close()


def write_parquet_documents(
    documents: Documents, request: ParquetRequest, written: Written, manifest: dict[str, Any]
) -> list[dict[str, Any]]:
    """Write card, Croissant file and checksums; what the manifest says of all documents.

    Raises
    ------
    TargetError
        They cannot be written.
    """
    facts = _describe(request, written, manifest, f"{documents.lead}{_CHECKSUMS}")
    pieces = [
        ExportedPart(file.path, file.n_rows, file.n_bytes, file.sha256) for file in written.files
    ]
    documents.write(CROISSANT, build_croissant(facts, pieces, documents.measured()))
    documents.write(CARD, build_card(facts))
    told = [*pieces, *documents.measured().values()]
    lines = "".join(f"{part.sha256}  {part.path}\n" for part in told)
    documents.write(_CHECKSUMS, lines.encode())
    return [
        {"path": part.path, "n_bytes": part.n_bytes, "sha256": part.sha256}
        for part in documents.measured().values()
    ]


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
        started_at=manifest["started_at"],
        checksums=checksums,
    )

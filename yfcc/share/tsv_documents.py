"""What lies beside the lines of an export: credits, checksums, card, Croissant file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from yfcc.catalog.originals import WrittenItems
from yfcc.plain_text import safe_text
from yfcc.share.credit_forms import CsvRows, describe_licenses
from yfcc.share.credit_lists import (
    ATTRIBUTION_CSV,
    ATTRIBUTION_TEXT,
    LICENSES_NAME,
    ExportCredits,
)
from yfcc.share.credits import CreditCounts, missing_parts
from yfcc.share.documents import CHECKSUMS, Documents
from yfcc.share.export_facts import ExportedPart, ExportFacts
from yfcc.share.parquet_documents import credit_of_row
from yfcc.share.terms import parse_terms
from yfcc.share.tsv_files import TsvFile

#: Counted in the manifest and the card: the dataset's form has a line of every item all the same.
UNCREDITED = "without a complete credit"
_CREDIT_COLUMNS = (
    *("photo_id", "title", "user_nickname", "user_nsid", "page_url"),
    *("license_name", "license_url"),
)


class LineCredits:
    """Who the selected items are by and under which licences, as they are written.

    Parameters
    ----------
    documents : Documents
    has_lists : bool
        Whether credits are written; licences are counted in any case.

    Attributes
    ----------
    licenses : Counter of str
        Items by the licence's code; ``""`` for an unknown one.
    notes : Counter of str
        Items that no complete credit can be made of.
    """

    def __init__(self, documents: Documents, *, has_lists: bool) -> None:
        self._documents = documents
        self._lists = ExportCredits(documents.open) if has_lists else None
        self.licenses: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()

    def add(self, written: WrittenItems) -> None:
        """Credit some items."""
        urls = written.items["license_url"]
        for found in urls.value_counts().to_pylist():
            self.licenses[license_code(found["values"])] += found["counts"]
        if self._lists is None:
            return
        for row in written.items.select(_CREDIT_COLUMNS).to_pylist():
            credit = credit_of_row(row, None)
            if missing_parts(credit):
                self.notes[UNCREDITED] += 1
            else:
                self._lists.write(credit)

    def finish(self) -> None:
        """End the lists."""
        if self._lists is not None:
            self._lists.close()

    def abandon(self) -> None:
        """Let go of lists that were not finished."""
        self._documents.abandon()


def license_code(url: str | None) -> str:
    """``by-nc`` of a licence's URL; empty for one that is unknown."""
    terms = parse_terms(url)
    return terms.license if terms else ""


def remove_credits(
    documents: Documents, open_file: Callable[[str], IO[bytes]], ids: set[bytes]
) -> int:
    """Write the lists of credits anew without those of some items; how many are left.

    Raises
    ------
    TargetError
        They cannot be written.
    """
    counts = CreditCounts()
    with (
        open_file(ATTRIBUTION_CSV) as stream,
        io.TextIOWrapper(stream, encoding="utf-8", newline="") as text,
    ):
        rows = csv.reader(text)
        written = CsvRows(sink := documents.open(ATTRIBUTION_CSV))
        header = next(rows)
        written.write(header)
        place, at = header.index("photo_id"), header.index("license_url")
        for row in rows:
            if row[place].encode() not in ids:
                counts.by_license[row[at]] += 1
                written.write(row)
        sink.close()
    with open_file(ATTRIBUTION_TEXT) as lines:
        sink = documents.open(ATTRIBUTION_TEXT)
        for line in lines:
            head, colon, _ = line.partition(b": ")
            if colon and head.isdigit() and head not in ids:
                sink.write(line)
        for said in describe_licenses(counts):
            sink.write(f"{safe_text(said)}\n".encode())
        sink.close()
    said = "".join(f"{line}\n" for line in describe_licenses(counts))
    documents.write(LICENSES_NAME, said.encode())
    return counts.n_written


def write_tsv_documents(
    documents: Documents, written: Sequence[TsvFile], manifest: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Write card, Croissant file and checksums; what the manifest says of all documents.

    Raises
    ------
    TargetError
        They cannot be written.
    """
    facts = ExportFacts(
        form="tsv",
        n_selected=manifest["n_rows"],
        n_items=manifest["n_rows"],
        n_not_stored=0,
        n_forgotten=0,
        n_bytes=sum(file.n_bytes for file in written),
        n_pieces=len(written),
        notes=manifest["notes"],
        licenses=manifest["licenses"],
        fingerprint=manifest["catalog"]["fingerprint"],
        sql=manifest["selection"]["sql"],
        size=None,
        has_media=False,
        has_credits=manifest["has_credits"],
        started_at=manifest["started_at"],
        checksums=CHECKSUMS,
    )
    pieces = [ExportedPart(file.path, file.n_lines, file.n_bytes, file.sha256) for file in written]
    return documents.finish(facts, pieces)

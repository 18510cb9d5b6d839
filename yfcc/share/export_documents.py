"""What lies beside the pieces of an export: credits, checksums, card, Croissant file, manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from yfcc import __version__
from yfcc.share.credit_lists import (
    ATTRIBUTION_CSV,
    ATTRIBUTION_TEXT,
    LICENSES_NAME,
    ExportCredits,
)
from yfcc.share.croissant import CROISSANT, build_croissant
from yfcc.share.dataset_card import CARD, build_card
from yfcc.share.documents import CHECKSUMS
from yfcc.share.export_facts import ExportedPart, ExportFacts
from yfcc.share.export_place import ExportPlace
from yfcc.share.export_request import ExportRequest
from yfcc.share.pieces import PieceHead, credit_document

if TYPE_CHECKING:
    from yfcc.share.exporting import MediaExportSummary

_CREDITS: Final = (ATTRIBUTION_TEXT, ATTRIBUTION_CSV, LICENSES_NAME)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the items of an export come from, and how they were chosen.

    Attributes
    ----------
    mirror : str
    fingerprint : str or None
        Of the catalog; None if there was none.
    ingests : list of dict
        The metadata files that the catalog was built from.
    sql : str
        The selection.
    flags : dict of str to str
        Its conditions by the flag they come from.
    """

    mirror: str
    fingerprint: str | None
    ingests: list[dict[str, Any]]
    sql: str
    flags: dict[str, str]


def write_documents(
    place: ExportPlace,
    request: ExportRequest,
    heads: list[PieceHead],
    summary: MediaExportSummary,
    origin: Origin,
) -> None:
    """Write all of them, the manifest last: then the export is complete.

    Raises
    ------
    SourceDamaged
        An item lacks what its credit needs.
    TargetError
        They cannot be written.
    """
    pieces = [
        ExportedPart(head.path, head.n_items, head.n_bytes, head.sha256, place.index_name(number))
        for number, head in enumerate(heads)
        if head.n_items
    ]
    n_pieces = len(heads)
    _write_credits(place, n_pieces)
    metadata = request.form.finish(place, n_pieces)
    indexes = [place.index_name(number) for number in range(n_pieces)]
    place.remove_beyond([*(piece.path for piece in pieces), *indexes, *metadata])
    facts = _describe(place, request, summary, origin)
    files = {name: _measure(place, name) for name in (*metadata, *_CREDITS)}
    place.write_whole(CROISSANT, build_croissant(facts, pieces, files))
    place.write_whole(CARD, build_card(facts))
    for name in (CROISSANT, CARD, *indexes):
        files[name] = _measure(place, name)
    with place.new_file(CHECKSUMS) as sink:
        for line in _iter_checksums(place, n_pieces, list(files.values())):
            sink.write(line.encode())
    files[CHECKSUMS] = _measure(place, CHECKSUMS)
    place.finish(_build_manifest(place, request, summary, origin, pieces, files))


def _describe(
    place: ExportPlace, request: ExportRequest, summary: MediaExportSummary, origin: Origin
) -> ExportFacts:
    return ExportFacts(
        form=request.form.form,
        n_selected=summary.n_selected,
        n_items=summary.n_items,
        n_not_stored=summary.n_not_stored,
        n_forgotten=summary.n_forgotten,
        n_bytes=summary.n_bytes,
        n_pieces=summary.n_pieces,
        notes=summary.notes,
        licenses=summary.licenses,
        fingerprint=origin.fingerprint,
        sql=origin.sql,
        size=request.size,
        has_media=True,
        has_credits=True,
        started_at=place.started_at,
    )


def _measure(place: ExportPlace, name: str) -> ExportedPart:
    n_bytes, sha256 = place.measure(name)
    return ExportedPart(name, 0, n_bytes, sha256)


def _write_credits(place: ExportPlace, n_pieces: int) -> None:
    credits_ = ExportCredits(place.open_sink)
    for _, rows in place.iter_indexes(n_pieces):
        for row in rows:
            credits_.add(credit_document(row), row["path"], row["changes"])
    credits_.close()
    for name in _CREDITS:
        place.publish(name)


def _iter_checksums(place: ExportPlace, n_pieces: int, files: list[ExportedPart]) -> Iterator[str]:
    """Lines as ``sha256sum -c`` reads them, for every file but this list and the manifest."""
    for head, rows in place.iter_indexes(n_pieces):
        if head.sha256 is not None:
            yield f"{head.sha256}  {head.path}\n"
            continue
        for row in rows:
            yield f"{row['sha256']}  {row['path']}\n"
    for file in files:
        yield f"{file.sha256}  {file.path}\n"


def _build_manifest(
    place: ExportPlace,
    request: ExportRequest,
    summary: MediaExportSummary,
    origin: Origin,
    pieces: list[ExportedPart],
    files: dict[str, ExportedPart],
) -> dict[str, Any]:
    counts = asdict(summary)
    for name in ("out", "manifest", "n_pieces_kept"):
        del counts[name]
    return {
        "schema_version": 1,
        "form": request.form.form,
        "yfcc_version": __version__,
        "started_at": place.started_at,
        "catalog": {"fingerprint": origin.fingerprint, "ingests": origin.ingests},
        "selection": {"sql": origin.sql, "flags": origin.flags},
        "rules": {
            "size": request.size,
            "redistributable": request.is_redistributable,
            "clean_captions": request.has_clean_captions,
            "limits": asdict(request.limits),
        },
        **counts,
        "pieces": [asdict(piece) for piece in pieces],
        "files": [
            {"path": file.path, "n_bytes": file.n_bytes, "sha256": file.sha256}
            for file in files.values()
        ],
    }

"""An export of media, from the mirror to a directory or a bucket, piece by piece.

The ledger says what the pieces are made of; threads make them side by side, each reading, checking
and writing one item after the other. (Hashing, reading and writing let other threads work; pictures
are made smaller in processes.) A piece that is there already and whole is kept.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final, Self

import orjson

from yfcc import __version__
from yfcc.catalog.connection import Limits
from yfcc.catalog.exported import make_exported
from yfcc.catalog.parquet import read_provenance
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.media.guarded import count_cores
from yfcc.media.resize import Resizers
from yfcc.mirror.exported import note_export
from yfcc.mirror.forget import finish_removals
from yfcc.mirror.ledger import read_last_seals
from yfcc.mirror.opening import open_any
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.model import Outcome
from yfcc.share.ahead import map_within
from yfcc.share.copies import Copy, Copyist, CopyRules
from yfcc.share.export_documents import Origin, write_documents
from yfcc.share.export_folder import ExportFolder
from yfcc.share.export_place import MANIFEST, ExportPlace, Finished
from yfcc.share.export_request import ExportRequest
from yfcc.share.pieces import (
    Piece,
    PieceHead,
    describe_row,
    encode_index,
    iter_pieces,
)
from yfcc.share.stored import StoredCounts, StoredItem, iter_stored

#: Version of the pieces' bytes: another one makes all of them anew.
_FORM_VERSION: Final = 2
_LIMITS: Final = Limits("300MB", 2)
_SHOW_EVERY_S: Final = 0.1


@dataclass(slots=True)
class MediaExportCounts:
    """How far an export is, as a display asks for it.

    ``n_selected`` is the sum of ``outcomes`` and of what is still to come.
    """

    n_selected: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    n_bytes: int = 0
    started_s: float = field(default_factory=monotonic)

    @property
    def not_yet_tried(self) -> int:
        """Items still to come."""
        return max(0, self.n_selected - self.outcomes.total())

    @property
    def elapsed_s(self) -> float:
        """Seconds since the export began."""
        return monotonic() - self.started_s


@dataclass(frozen=True, slots=True)
class MediaExportSummary:
    """What an export did: ``n_selected = n_items + n_left_out + n_not_stored + n_forgotten``.

    Attributes
    ----------
    out, manifest : str
    n_selected, n_items, n_left_out, n_not_stored, n_forgotten : int
    n_bytes : int
        Of all pieces.
    n_pieces, n_pieces_kept : int
        All, and those that were there already.
    notes : dict of str to int
        Why items were left out or kept as they are, and what else is worth knowing.
    licenses : dict of str to int
        Items by the licence's code.
    """

    out: str
    manifest: str
    n_selected: int
    n_items: int
    n_left_out: int
    n_not_stored: int
    n_forgotten: int
    n_bytes: int
    n_pieces: int
    n_pieces_kept: int
    notes: dict[str, int]
    licenses: dict[str, int]


def export_media(
    request: ExportRequest, show: Callable[[MediaExportCounts], object] = lambda _: None
) -> MediaExportSummary:
    """Write the selected items with their media, or go on where an export was cut short.

    Raises
    ------
    UsageError
        The selection cannot be computed, there is no mirror, or the target may not be replaced.
    SourceError
        There is no catalog, or an item lacks what its credit needs.
    LockedError
        Another export to the same directory is at work.
    TargetError
        The target cannot be written, or the mirror not be read. Pieces that are whole stay.
    VerifyError
        Bytes or JSON of the mirror are not as recorded.
    """
    with ExitStack() as stack:
        mirror = open_any(request.mirror)
        stack.callback(mirror.close)
        finish_removals(mirror)
        catalog = None
        if request.catalog is not None:
            catalog = stack.enter_context(Catalog(request.catalog, _LIMITS))
        origin = _describe_origin(request, catalog, mirror)
        identity = _describe_identity(request, origin)
        # What is wrong with the selection shows before anything is written.
        n_expected = _count_selected(mirror, catalog, request.selection)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        place = _open_place(request, identity, started_at)
        stack.enter_context(place)
        # Before it is looked what was removed: whoever removes looks for exports after that.
        note_export(mirror, make_exported(request.out, request.form.form))
        run = _Run(request, place, mirror, catalog, identity, show)
        stack.enter_context(run)
        run.counts.n_selected = n_expected
        heads = run.make_pieces()
        with place.writing():
            return _finish(request, run, heads, origin)


def _open_place(request: ExportRequest, identity: dict[str, Any], started_at: str) -> ExportPlace:
    """The directory or the prefix of a bucket that the address names."""
    if "://" not in request.out:
        out = Path(request.out)
        return ExportFolder(out, identity, request.is_overwriting, started_at)
    from yfcc.share.export_prefix import ExportPrefix  # noqa: PLC0415 - boto3's errors

    return ExportPrefix(request.out.rstrip("/"), identity, request.is_overwriting, started_at)


def _describe_origin(request: ExportRequest, catalog: Catalog | None, mirror: AnyMirror) -> Origin:
    selection = request.selection
    root = str(mirror.root.resolve()) if isinstance(mirror, Mirror) else mirror.root
    if catalog is None:
        return Origin(root, None, [], "every stored item", {})
    return Origin(
        mirror=root,
        fingerprint=catalog.fingerprint(),
        ingests=read_provenance(catalog),
        sql=catalog.describe(selection),
        flags=selection.conditions(),
    )


def _describe_identity(request: ExportRequest, origin: Origin) -> dict[str, Any]:
    """All that decides about the bytes of an export, beside what the mirror holds."""
    return {
        "form": request.form.form,
        "form_version": _FORM_VERSION,
        "yfcc_version": __version__,
        "mirror": origin.mirror,
        "catalog": origin.fingerprint,
        "selection": origin.sql,
        "limits": asdict(request.limits),
        "size": request.size,
        "redistributable": request.is_redistributable,
        "clean_captions": request.has_clean_captions,
    }


def _count_selected(mirror: AnyMirror, catalog: Catalog | None, selection: Selection) -> int:
    """Items to expect."""
    if catalog is None:
        seals = read_last_seals(mirror).values()
        return sum(seal.counts.get(Outcome.STORED.value, 0) for seal in seals)
    return sum(catalog.count(selection).by_shard().values())


class _Run:
    """Makes the pieces of one export; a context manager."""

    def __init__(
        self,
        request: ExportRequest,
        place: ExportPlace,
        mirror: AnyMirror,
        catalog: Catalog | None,
        identity: Mapping[str, Any],
        show: Callable[[MediaExportCounts], object],
    ) -> None:
        self._request = request
        self.place = place
        self._mirror = mirror
        self._catalog = catalog
        self._identity = identity
        self._show = show
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._n_workers = request.n_workers or count_cores()
        self._resizers = Resizers(self._n_workers)
        self._copyist = Copyist(self._rules(), self._resizers)
        self._executor = ThreadPoolExecutor(self._n_workers, thread_name_prefix="yfcc-export")
        self.stored = StoredCounts()
        self.counts = MediaExportCounts()
        self.n_not_taken = 0
        self._shown_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._executor.shutdown(cancel_futures=True)
        self._resizers.close()

    def _rules(self) -> CopyRules:
        return CopyRules(
            size=self._request.size,
            is_redistributable=self._request.is_redistributable,
            has_clean_captions=self._request.has_clean_captions,
            # That of the first run: one that goes on judges as that did.
            now_utc=datetime.fromisoformat(self.place.started_at),
        )

    def make_pieces(self) -> list[tuple[PieceHead, bool]]:
        """Make what is lacking; the heads of all pieces, and whether each was there already."""
        rules: dict[str, Any] = {**self._identity}
        if self._request.is_redistributable:
            rules["judged_at"] = self.place.started_at
        heads = []
        under_way: deque[Future[tuple[PieceHead, bool]]] = deque()
        for piece in iter_pieces(self._iter_items(), self._request.limits, rules):
            under_way.append(self._executor.submit(self._make, piece))
            if len(under_way) > self._n_workers:
                heads.append(under_way.popleft().result())
        heads += [future.result() for future in under_way]
        self.counts.n_selected = self.stored.n_selected
        return heads

    def _iter_items(self) -> Iterator[StoredItem]:
        items = iter_stored(
            self._mirror,
            self._catalog,
            self._request.selection,
            self.stored,
            with_documents=False,
        )
        for item in items:
            self._note_lacking()
            if self._request.form.takes(item):
                yield item
            else:
                self.n_not_taken += 1
                self._note("left out", 1, 0)
        self._note_lacking()

    def _make(self, piece: Piece) -> tuple[PieceHead, bool]:
        with self.place.writing():
            head = self.place.find_piece(piece)
            if head is not None:
                self._note("kept", head.n_items, head.n_bytes)
                self._note("left out", len(piece.items) - head.n_items, 0)
                return head, True
            return self._make_new(piece), False

    def _make_new(self, piece: Piece) -> PieceHead:
        place, form = self.place, self._request.form
        path = form.path_of(piece)
        notes: Counter[str] = Counter()
        licenses: Counter[str] = Counter()
        rows: list[bytes] = []
        with form.begin(place, path) as writer:
            for copied in self._iter_copies(piece, path, notes):
                row = describe_row(copied)
                rows.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                licenses[copied.document["license"] or ""] += 1
                writer.add(copied)
                self._note("exported", 1, len(copied.media))
            done = writer.finish() if rows else Finished(0, None)
        head = PieceHead(
            digest=piece.digest,
            path=path,
            n_items=len(rows),
            n_bytes=done.n_bytes,
            sha256=done.sha256,
            notes=dict(+notes),
            licenses=dict(licenses),
            etag=done.etag,
        )
        place.write_whole(place.index_name(piece.number), encode_index(head, rows))
        return head

    def _iter_copies(self, piece: Piece, path: str, notes: Counter[str]) -> Iterator[Copy]:
        def load(item: StoredItem) -> tuple[Copy | None, Counter[str]]:
            if self._stop.is_set():
                raise CancelledError
            found: Counter[str] = Counter()
            copied = self._copyist.copy(item, path, found)
            item.release()
            return copied, found

        loaded = (
            map(load, piece.items)
            if isinstance(self._mirror, Mirror)
            else map_within(
                self._mirror.submit, load, piece.items, lambda item: item.record.n_bytes or 0
            )
        )
        for copied, found in loaded:
            notes.update(found)
            if copied is None:
                self._note("left out", 1, 0)
            else:
                yield copied

    def _note_lacking(self) -> None:
        with self._lock:
            n_lacking = self.stored.n_not_stored + self.stored.n_forgotten
            if n_lacking:
                self.counts.outcomes["not stored"] = n_lacking

    def _note(self, outcome: str, n_items: int, n_bytes: int) -> None:
        with self._lock:
            if n_items:
                self.counts.outcomes[outcome] += n_items
            self.counts.n_bytes += n_bytes
            if monotonic() - self._shown_s > _SHOW_EVERY_S:
                self._shown_s = monotonic()
                self._show(self.counts)


def _finish(
    request: ExportRequest, run: _Run, heads: list[tuple[PieceHead, bool]], origin: Origin
) -> MediaExportSummary:
    stored = run.stored
    found = [head for head, _ in heads]
    notes, licenses = Counter[str](), Counter[str]()
    for head in found:
        notes.update(head.notes)
        licenses.update(head.licenses)
    if run.n_not_taken:
        notes["left out: no picture"] += run.n_not_taken
    n_items = sum(head.n_items for head in found)
    summary = MediaExportSummary(
        out=request.out,
        manifest=f"{request.out.rstrip('/')}/{MANIFEST}",
        n_selected=stored.n_selected,
        n_items=n_items,
        n_left_out=stored.n_given - n_items,
        n_not_stored=stored.n_not_stored,
        n_forgotten=stored.n_forgotten,
        n_bytes=sum(head.n_bytes for head in found),
        n_pieces=sum(bool(head.n_items) for head in found),
        n_pieces_kept=sum(is_kept for _, is_kept in heads),
        notes=dict(notes),
        licenses=dict(licenses.most_common()),
    )
    write_documents(run.place, request, found, summary, origin)
    return summary

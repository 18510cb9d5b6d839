"""The selected items in the files they came from: same names, same columns, same bytes.

The catalog has decoded values. They are encoded again as the dataset's authors did it, and lines
that had been written in another way come from the table ``originals``. Files are written side by
side, a window of items at a time, so memory does not grow with the selection.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from yfcc import __version__
from yfcc.catalog.connection import Limits
from yfcc.catalog.exported import identify_catalog, make_exported, note_beside
from yfcc.catalog.originals import (
    DatasetPart,
    ReadFiles,
    count_by_part,
    open_written_items,
    read_files,
)
from yfcc.catalog.parquet import read_provenance
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.writer import PACK_COLUMN
from yfcc.errors import UsageError, VerifyError
from yfcc.metadata.layouts import stem_of
from yfcc.share.documents import Documents
from yfcc.share.export_counts import ExportCounts
from yfcc.share.sink import Target
from yfcc.share.target import open_target, writing_errors
from yfcc.share.tsv_documents import LineCredits, write_tsv_documents
from yfcc.share.tsv_files import PACKINGS, DatasetFile, LineWriter, PackFile, TsvFile

_BATCH_ROWS: Final = 8_192
_LIMITS: Final = Limits("300MB", 2)
#: Files written at the same time.
_N_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class TsvRequest:
    """What to export, and where to.

    Attributes
    ----------
    catalog : Path
    out : str
        A directory or ``s3://bucket/prefix``.
    selection : Selection
    packing : str
        ``none``, ``bz2``, ``gz`` or ``zst``.
    is_overwriting : bool
        Whether an export that is already there is replaced.
    has_credits : bool
        Whether lists of credits are written beside the lines.
    """

    catalog: Path
    out: str
    selection: Selection
    packing: str = "none"
    is_overwriting: bool = False
    has_credits: bool = True


@dataclass(frozen=True, slots=True)
class TsvSummary:
    """What an export did.

    Attributes
    ----------
    out, edition : str
    n_rows : int
        Items.
    files : tuple of TsvFile
        Those of the dataset first.
    notes : dict of str to int
        What is worth knowing, counted.
    """

    out: str
    edition: str
    n_rows: int
    files: tuple[TsvFile, ...]
    notes: dict[str, int]

    @property
    def n_bytes(self) -> int:
        """Of all files."""
        return sum(file.n_bytes for file in self.files)


def export_tsv(
    request: TsvRequest, show: Callable[[ExportCounts], object] = lambda _: None
) -> TsvSummary:
    """Write the selected items as the metadata files that they were read from.

    Raises
    ------
    UsageError
        The selection cannot be computed, or the target may not be replaced.
    SourceError
        There is no catalog, or one of an earlier version.
    LockedError
        Another export to the same directory is at work.
    TargetError
        The target cannot be written; nothing was published.
    VerifyError
        The catalog gave other items than it counted.
    """
    _check_words(request)
    started_at = datetime.now(UTC)
    opened = identify_catalog(request.catalog)
    with Catalog(request.catalog, _LIMITS) as catalog:
        files = read_files(catalog)
        n_items = count_by_part(catalog, request.selection, files.parts)
        target = open_target(
            request.out, secrets.token_hex(6), is_overwriting=request.is_overwriting
        )
        with target, writing_errors(request.out):
            note_beside(request.catalog, make_exported(request.out, "tsv"), opened)
            counts = ExportCounts(sum(n_items))

            def advance(n_more: int) -> None:
                counts.n_exported += n_more
                show(counts)

            documents = Documents(target)
            credited = LineCredits(documents, has_lists=request.has_credits)
            writers = _plan_files(request, files, target, is_whole=all(n_items))
            written = _write_files(request, catalog, files, writers, credited, advance)
            n_lines = sum(file.n_lines for file in written if file.pack == "dataset")
            if n_lines != counts.n_selected:
                raise VerifyError(
                    f"{request.out}: expected {counts.n_selected:,} lines of the dataset, wrote "
                    f"{n_lines:,}. Nothing was published; run again."
                )
            document = _manifest(request, catalog, target.export_id, files, written)
            document |= {
                "n_rows": n_lines,
                "licenses": dict(credited.licenses.most_common()),
                "notes": dict(credited.notes),
                "started_at": started_at.isoformat(),
            }
            document["documents"] = write_tsv_documents(documents, written, document)
            document["finished_at"] = datetime.now(UTC).isoformat()
            target.publish(document)
    notes = dict(credited.notes)
    return TsvSummary(request.out, files.edition, counts.n_selected, written, notes)


def _check_words(request: TsvRequest) -> None:
    if request.packing not in PACKINGS:
        raise UsageError(f"--packing {request.packing}: expected one of {', '.join(PACKINGS)}.")


def _plan_files(
    request: TsvRequest, files: ReadFiles, target: Target, *, is_whole: bool
) -> list[DatasetFile | PackFile]:
    """A writer for each file.

    A dataset of ten files becomes one if a file of them would be empty: empty ones are damaged
    ones to whoever reads them.
    """

    def writer(stem: str) -> LineWriter:
        return LineWriter(stem, request.packing, target.open_file)

    parts = files.parts if is_whole else (DatasetPart("", 0, None),)
    datasets = [
        DatasetFile(writer(stem_of(part.file, None)), files.columns, part) for part in parts
    ]
    packs = [
        PackFile(writer(stem_of(file, pack)), pack, PACK_COLUMN[pack])
        for pack, file in files.packs.items()
    ]
    return [*datasets, *packs]


def _write_files(
    request: TsvRequest,
    catalog: Catalog,
    files: ReadFiles,
    writers: list[DatasetFile | PackFile],
    credited: LineCredits,
    advance: Callable[[int], None],
) -> tuple[TsvFile, ...]:
    with ExitStack() as stack:
        for each in writers:
            stack.callback(each.writer.abandon)
        stack.callback(credited.abandon)
        batches = stack.enter_context(
            open_written_items(catalog, request.selection, files, _BATCH_ROWS)
        )
        executor = stack.enter_context(ThreadPoolExecutor(_N_THREADS, "tsv"))
        for written in batches:
            # Every file gets the lines of one window before any gets those of the next.
            for _ in executor.map(lambda each: each.add(written), (*writers, credited)):  # noqa: B023
                pass
            advance(len(written.items))
        finished = [each.finish() for each in writers]
        credited.finish()
    return tuple(file for file in finished if file is not None)


def _manifest(
    request: TsvRequest,
    catalog: Catalog,
    export_id: str,
    files: ReadFiles,
    written: tuple[TsvFile, ...],
) -> dict[str, Any]:
    selection = request.selection
    return {
        "schema_version": 1,
        "form": "tsv",
        "export_id": export_id,
        "yfcc_version": __version__,
        "catalog": {"fingerprint": catalog.fingerprint(), "ingests": read_provenance(catalog)},
        "selection": {"sql": catalog.describe(selection), "flags": selection.conditions()},
        "edition": files.edition,
        "columns": list(files.columns),
        "has_credits": request.has_credits,
        "files": [asdict(file) for file in written],
    }

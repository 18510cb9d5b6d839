"""Removing rows from an export of tables: Parquet, or lines in the dataset's own form.

The export is replaced by one without the rows, as ``--overwrite`` does it: in a directory whole or
not at all, in a bucket by its manifest. Files that have none of the rows are taken over as they
are.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import TombstoneSet
from yfcc.errors import VerifyError
from yfcc.share.bucket_target import UNFINISHED_NAME, bucket_errors, open_files
from yfcc.share.copies import CopyRules
from yfcc.share.documents import Documents
from yfcc.share.export_place import decode_document
from yfcc.share.parquet import ParquetRequest, StoredNotes, Written
from yfcc.share.parquet_documents import CREDIT_COLUMNS, RowCredits, write_parquet_documents
from yfcc.share.parquet_files import ExportedFile, open_writer
from yfcc.share.parquet_manifest import describe_file
from yfcc.share.parquet_media import Images, MediaSource
from yfcc.share.removal_look import NoExport, Removed
from yfcc.share.removal_tsv import find_lines, remove_lines
from yfcc.share.sink import MANIFEST_NAME, Target
from yfcc.share.stored import StoredCounts
from yfcc.share.target import DirectoryTarget, open_target, writing_errors

_PART: Final = re.compile(r"(.+)/part-([0-9]{5,})[^/]*\.parquet")
_BATCH_ROWS: Final = 1_024

#: Opens a file of the export that is there.
Open = Callable[[str], IO[bytes]]


def remove_from_tables(address: str, wanted: TombstoneSet) -> Removed:
    """Remove rows from an export of tables.

    Parameters
    ----------
    address : str
        A directory or ``s3://bucket/prefix``.
    wanted : TombstoneSet

    Raises
    ------
    NoExport
        There is none.
    UsageError
        Files lie there that no export wrote.
    LockedError
        An export to the same place is at work.
    TargetError
        The place cannot be read or written.
    VerifyError
        A file is damaged.
    """
    if "://" in address:
        return _remove_from_bucket(address, wanted)
    out = Path(address)
    target = DirectoryTarget(out, secrets.token_hex(6), is_overwriting=True)
    if not target.has_anything():
        raise NoExport
    # Entered first: what a killed export or removal left is put in order, or gone.
    with target, writing_errors(address):
        if not (out / MANIFEST_NAME).is_file():
            return Removed(0)
        manifest = decode_document((out / MANIFEST_NAME).read_bytes())
        if manifest is None:
            raise VerifyError(f"{out / MANIFEST_NAME} is damaged")

        def open_file(path: str) -> IO[bytes]:
            return (out / path).open("rb")

        if manifest.get("form") == "tsv":
            found = find_lines(manifest, open_file, wanted)
            if not found.concerned:
                return Removed(0)
            return Removed(remove_lines(target, manifest, open_file, found))
        concerned = _find_files(manifest, open_file, wanted)
        if not concerned:
            return Removed(0)
        return Removed(_replace(target, manifest, open_file, wanted, concerned))


def _remove_from_bucket(address: str, wanted: TombstoneSet) -> Removed:
    with bucket_errors(address):
        files = open_files()

        def open_file(path: str) -> IO[bytes]:
            stream: IO[bytes] = files.open(f"{address}/{path}", "rb")
            return stream

        # Nothing is locked there: one that is under way may still bring an item.
        is_done = not files.exists(f"{address}/{UNFINISHED_NAME}")
        if not files.exists(f"{address}/{MANIFEST_NAME}"):
            if is_done:
                raise NoExport
            return Removed(0, is_done=False)
        manifest = decode_document(files.cat_file(f"{address}/{MANIFEST_NAME}"))
        if manifest is None:
            raise VerifyError(f"{address}/{MANIFEST_NAME} is damaged")
        if manifest.get("form") == "tsv":
            found = find_lines(manifest, open_file, wanted)
            if not found.concerned:
                return Removed(0, is_done)
            with open_target(address, secrets.token_hex(6), is_overwriting=True) as target:
                return Removed(remove_lines(target, manifest, open_file, found), is_done)
        concerned = _find_files(manifest, open_file, wanted)
        if not concerned:
            return Removed(0, is_done)
        with open_target(address, secrets.token_hex(6), is_overwriting=True) as target:
            return Removed(_replace(target, manifest, open_file, wanted, concerned), is_done)


def _find_files(
    manifest: Mapping[str, Any], open_file: Open, wanted: TombstoneSet
) -> dict[str, int]:
    """Files that have rows that are to go, and how many."""
    concerned: Counter[str] = Counter()
    for file in manifest["files"]:
        with open_file(file["path"]) as stream:
            parquet = pq.ParquetFile(stream)
            columns = [name for name in _MARKS if name in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(columns=columns):
                concerned[file["path"]] += pc.sum(_is_named(batch, wanted)).as_py() or 0
    return dict(+concerned)


#: Columns by which an item is named.
_MARKS: Final = ("photo_id", "photo_hash", "user_nsid", "sha256")


def _is_named(rows: pa.RecordBatch | pa.Table, wanted: TombstoneSet) -> Any:
    """Which rows are to go; no nulls."""
    named = pc.is_in(rows["photo_id"], pa.array(list(wanted.ids), pa.int64()))
    for column, values in (
        ("photo_hash", wanted.hashes),
        ("user_nsid", wanted.users),
        ("sha256", wanted.digests),
    ):
        if values and column in rows.schema.names:
            texts = rows[column].cast(pa.string())
            named = pc.or_(named, pc.is_in(texts, pa.array(list(values), pa.string())))
    return named


def _replace(
    target: Target,
    manifest: dict[str, Any],
    open_file: Open,
    wanted: TombstoneSet,
    concerned: Mapping[str, int],
) -> int:
    """Publish the export anew without the rows that are to go; how many there were."""
    source = _media_source(manifest)
    written: list[ExportedFile] = []
    licenses: Counter[str | None] = Counter()
    schema: pa.Schema | None = None
    with ExitStack() as stack:
        for file in manifest["files"]:
            if file["path"] not in concerned:
                target.keep(file["path"])
                written.append(ExportedFile(**file))
                continue
            # The last one tells the columns, though it has no rows.
            is_last = file is manifest["files"][-1] and not written
            if concerned[file["path"]] == file["n_rows"] and not is_last:
                continue
            with open_file(file["path"]) as stream:
                old = pq.ParquetFile(stream)
                schema = old.schema_arrow
                written.append(_rewrite(target, file, old, wanted, is_by_line=source is None))
        documents = Documents(target, "_" if source is None else "")
        stack.callback(documents.abandon)
        row_credits = RowCredits(documents) if source is not None else None
        for batch in _iter_credited(target, written, has_media=source is not None):
            for found in pc.value_counts(batch["license"]).to_pylist():
                licenses[found["values"]] += found["counts"]
            if row_credits is not None:
                row_credits.add(batch)
        if row_credits is not None:
            row_credits.close()
        n_removed = int(manifest["n_rows"]) - sum(file.n_rows for file in written)
        document = _describe(target, manifest, written, n_removed)
        request = ParquetRequest(
            Path(),
            "",
            Selection(),
            tuple(manifest["partition_by"]),
            is_overwriting=True,
            media=source,
        )
        told = None
        if source is not None:
            told = StoredNotes(
                StoredCounts(**document["stored"]), Counter(document.get("notes", {}))
            )
        all_written = Written(schema or pa.schema([]), written, Counter(), licenses, told)
        document["documents"] = write_parquet_documents(documents, request, all_written, document)
        target.publish(document)
    return n_removed


def _media_source(manifest: Mapping[str, Any]) -> MediaSource | None:
    if "images" not in manifest:
        return None
    rules = CopyRules(
        size=manifest["rules"]["size"],
        is_redistributable=manifest["rules"]["redistributable"],
        now_utc=datetime.now(UTC),
    )
    return MediaSource("", Images(manifest["images"]), rules)


def _rewrite(
    target: Target,
    file: Mapping[str, Any],
    old: pq.ParquetFile,
    wanted: TombstoneSet,
    *,
    is_by_line: bool,
) -> ExportedFile:
    """Write a file without some rows; memory is that of a row group."""
    match = _PART.fullmatch(file["path"])
    if match is None:
        raise VerifyError(f"{file['path']}: no name that an export gives to a file")
    path, sink = target.open_sink(match[1], int(match[2]), "parquet")
    n_rows = 0
    try:
        with open_writer(sink, old.schema_arrow, is_by_line=is_by_line) as parquet:
            for number in range(old.num_row_groups):
                rows = old.read_row_group(number)
                kept = rows.filter(pc.invert(_is_named(rows, wanted)))
                if len(kept):
                    parquet.write_table(kept, row_group_size=len(kept))
                    n_rows += len(kept)
        sink.close()
    except BaseException:
        sink.abandon()
        raise
    return ExportedFile(path, n_rows, sink.n_bytes, sink.sha256, dict(file["partition"]))


def _iter_credited(
    target: Target, written: list[ExportedFile], *, has_media: bool
) -> Iterator[pa.RecordBatch]:
    """The licences of all rows that stay, and what else their credits need."""
    columns = ["license"]
    if has_media:
        columns = [name for name in CREDIT_COLUMNS if name != "media"] + ["media.path"]
    for file in written:
        with target.open_source(file.path) as stream:
            yield from pq.ParquetFile(stream).iter_batches(_BATCH_ROWS, columns=columns)


def _describe(
    target: Target, manifest: dict[str, Any], written: list[ExportedFile], n_removed: int
) -> dict[str, Any]:
    """The manifest of what is left."""
    document = manifest | {
        "export_id": target.export_id,
        "n_rows": sum(file.n_rows for file in written),
        "files": [describe_file(file) for file in written],
        "n_removed": manifest.get("n_removed", 0) + n_removed,
    }
    if "stored" in manifest:
        stored = manifest["stored"]
        document["stored"] = stored | {
            "n_given": stored["n_given"] - n_removed,
            "n_forgotten": stored["n_forgotten"] + n_removed,
        }
    return document

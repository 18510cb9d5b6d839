"""From metadata files to a published catalog, in one pass, a window at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64

from yfcc import __version__
from yfcc.catalog.align import PackCursor, ids_of
from yfcc.catalog.connection import Limits, target_errors
from yfcc.catalog.publish import exclusive_lock
from yfcc.catalog.windows import DUPLICATE_REASON, Window, item_columns, iter_windows
from yfcc.catalog.writer import (
    DUPLICATE_PACK_REASON,
    PACK_COLUMN,
    CatalogWriter,
    IngestRecord,
)
from yfcc.errors import SourceDamaged, TooManyRejectsError, UsageError, YfccError
from yfcc.metadata.columns import Rows
from yfcc.metadata.hashes import fill_hashes
from yfcc.metadata.layouts import Edition, Pack, find_edition
from yfcc.metadata.lines import Reject
from yfcc.metadata.packs import VALUE_KINDS, parse_pack
from yfcc.metadata.source import Source, SourceObject
from yfcc.metadata.stream import Ahead, FileStream, ParsedChunk
from yfcc.model import N_SHARDS
from yfcc.progress import FileProgress

#: Without --max-rejects a build stops when more than this many lines, and this share of all
#: lines read, were rejected: it is not the dataset that is being read.
_MAX_REJECTS: Final = 1_000
_MAX_REJECTED_SHARE: Final = 0.01
#: Chunks of 4 MiB that wait parsed, a file: about a window of the longest lines.
_PARSED_AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How a catalog is built.

    Attributes
    ----------
    catalog : Path
        Where it goes; replaced if it is there.
    limit : int, optional
        Lines of the dataset to read.
    memory_bytes : int
        For the whole process, about; DuckDB gets two fifths of it.
    max_rejects : int, optional
        None: 1,000 and 1 % of the lines.
    """

    catalog: Path
    limit: int | None = None
    memory_bytes: int = 1_500_000_000
    max_rejects: int | None = None


@dataclass(slots=True)
class FileCounts:
    """What became of the lines of one file."""

    n_joined: int = 0
    n_orphans: int = 0
    n_rejected: int = 0
    n_lines: int = 0
    n_raw_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What a build did.

    Attributes
    ----------
    catalog : Path
    edition : str
    missing : tuple of str
        Packs that the source lacks.
    n_items : int
    counts : dict of str to FileCounts
        By file name.
    """

    catalog: Path
    edition: str
    missing: tuple[str, ...]
    n_items: int
    counts: dict[str, FileCounts]


def build_catalog(source: Source, settings: BuildSettings, progress: FileProgress) -> BuildSummary:
    """Read the metadata files of a source and publish a catalog.

    Raises
    ------
    SourceError
        Missing, forbidden, damaged or changed files; nothing is published.
    TooManyRejectsError
        More rejected lines than allowed.
    TargetError
        The catalog cannot be written.
    LockedError
        Another build of the same catalog is at work.
    """
    if settings.catalog.is_dir():
        raise UsageError(
            f"--catalog {settings.catalog}: expected the name of a file, got a directory. "
            f"Perhaps {settings.catalog / 'catalog.duckdb'}?"
        )
    objects = {found.name: found for found in source.list_objects()}
    edition = find_edition(objects, source.url)
    catalog = settings.catalog
    with target_errors(catalog):
        catalog.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(catalog.with_name(f"{catalog.name}.lock")), ExitStack() as stack:
            build = _Build(source, objects, edition, settings, progress, stack)
            return build.run()


@dataclass(slots=True)
class _Build:
    source: Source
    objects: dict[str, SourceObject]
    edition: Edition
    settings: BuildSettings
    progress: FileProgress
    stack: ExitStack
    writer: CatalogWriter = field(init=False)
    executor: ThreadPoolExecutor = field(init=False)
    counts: dict[str, FileCounts] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None  # of the dataset, once they are known
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))

    def __post_init__(self) -> None:
        n_threads = os.cpu_count() or 1
        self.executor = self.stack.enter_context(
            ThreadPoolExecutor(n_threads, thread_name_prefix="decompress")
        )
        memory_mb = self.settings.memory_bytes * 2 // 5 // 10**6
        self.writer = CatalogWriter(self.settings.catalog, Limits(f"{memory_mb}MB", n_threads))
        self.stack.callback(self.writer.discard)
        self.writer.open()

    def run(self) -> BuildSummary:
        """Read everything, join it, publish."""
        for file in (*self.edition.datasets, *self.edition.packs.values()):
            self.counts[file] = FileCounts()
            self.progress.start_file(file, self.objects[file].n_bytes)
        cursors = {
            pack: PackCursor(self._open_pack(pack, file), VALUE_KINDS[pack])
            for pack, file in self.edition.packs.items()
        }
        n_items = 0
        for window in self._windows():
            self._add_window(window, cursors)
            n_items += len(window.rows)
        if not sum(self.counts[file].n_lines for file in self.counts):
            raise SourceDamaged(
                f"{self.source.url}: the dataset has no lines. Fetch {self.edition.datasets[0]} "
                "again."
            )
        self._join_late(cursors)
        self._check_adds_up(n_items)
        for file in self.counts:
            self.writer.insert_ingest(self._ingest(file))
        self.writer.finish()
        return BuildSummary(
            self.settings.catalog, self.edition.name, self.edition.missing, n_items, self.counts
        )

    def _join_late(self, cursors: dict[Pack, PackCursor]) -> None:
        """What no window took is joined now, or is an orphan or a duplicate."""
        is_whole = self.settings.limit is None
        for pack, cursor in cursors.items():
            missed = None if is_whole else self.writer.missed_ids(pack)
            if missed is not None and not len(missed):
                continue
            for rows in cursor.drain():
                # Beyond the limit lie rows of items that were not read: no orphans.
                is_wanted = None if missed is None else np.isin(ids_of(rows), missed)
                self.writer.keep_late(pack, rows if is_wanted is None else rows.kept(is_wanted))
        for pack, late in self.writer.join_late(
            dict(self.edition.packs), is_whole=is_whole
        ).items():
            file = self.edition.packs[pack]
            counts = self.counts[file]
            counts.n_joined += late.n_joined
            counts.n_orphans += late.n_orphans
            counts.n_rejected += late.n_rejected
            if late.n_rejected:
                self._check_rejects(f"{file}: {DUPLICATE_PACK_REASON}")

    def _add_window(self, window: Window, cursors: dict[Pack, PackCursor]) -> None:
        columns = item_columns(window.rows.table)
        ids = window.rows.table["photo_id"]
        for pack, cursor in cursors.items():
            aligned = cursor.align(ids.to_numpy())
            column = PACK_COLUMN[pack]
            # The dataset of v2 has the hash itself: a pack of it only fills gaps.
            there = columns.get(column)
            columns[column] = pc.coalesce(there, aligned.values) if there else aligned.values
            self.counts[self.edition.packs[pack]].n_joined += int(aligned.is_found.sum())
            self.writer.keep_missed(pack, ids.filter(pa.array(~aligned.is_found)))
            for rows in aligned.late:
                self.writer.keep_late(pack, rows)
        if Pack.HASH not in cursors:
            there = columns.get("photo_hash", pa.nulls(len(window.rows), pa.string()))
            columns["photo_hash"] = fill_hashes(there, columns["download_url"])
        self.writer.insert_items(columns)
        self.writer.insert_rejects(window.rejects)
        for reject in window.rejects:
            if reject.reason == DUPLICATE_REASON:
                self.counts[reject.file].n_joined -= 1
                self._reject([reject])

    def _open(self, file: str) -> FileStream:
        return FileStream(self.source, self.objects[file], self.executor)

    def _ahead(self, chunks: Iterator[ParsedChunk], name: str) -> Ahead[ParsedChunk]:
        ahead = Ahead(chunks, _PARSED_AHEAD, name)
        self.stack.callback(ahead.close)
        return ahead

    def _windows(self) -> Iterator[Window]:
        return iter_windows(self._dataset_chunks(), BitMap64())

    def _dataset_chunks(self) -> Iterator[ParsedChunk]:
        """The dataset's files one after the other; they count their lines together."""
        n_before = 0
        for file in self.edition.datasets:
            limit = self.settings.limit
            stream = self._open(file)
            parsed = stream.parsed_dataset(
                n_before, None if limit is None else limit - n_before, self.columns
            )
            for chunk in self._ahead(parsed, file):
                self._count(file, chunk)
                self.counts[file].n_joined += len(chunk.rows)
                yield chunk
            self.columns = stream.columns
            n_before += self.counts[file].n_lines
            if limit is not None and n_before >= limit:
                return

    def _open_pack(self, pack: Pack, file: str) -> Iterator[Rows]:
        """Rows of a pack; reading starts at once, beside the dataset's."""
        stream = self._open(file)
        parsed = stream.parsed(partial(parse_pack, pack=pack), stream.line_chunks())
        return self._pack_rows(file, self._ahead(parsed, file))

    def _pack_rows(self, file: str, chunks: Iterator[ParsedChunk]) -> Iterator[Rows]:
        for chunk in chunks:
            self._count(file, chunk)
            self.writer.insert_rejects(chunk.rejects)
            yield chunk.rows

    def _count(self, file: str, chunk: ParsedChunk) -> None:
        """Count what was read, and stop when too much of it is rejected."""
        counts = self.counts[file]
        counts.n_lines += chunk.n_lines
        counts.n_raw_bytes = chunk.end_offset
        self.progress.advance_file(file, chunk.n_compressed_bytes, counts.n_lines)
        self._reject(chunk.rejects)

    def _reject(self, rejects: Sequence[Reject]) -> None:
        """Count rejects, and stop when they are too many."""
        for reject in rejects:
            self.counts[reject.file].n_rejected += 1
        if rejects:
            last = rejects[-1]
            self._check_rejects(
                f"{last.file}, line {last.line_number} (from 0), byte {last.byte_offset:,} "
                f"of the decompressed file: {last.reason}"
            )

    def _check_rejects(self, last: str) -> None:
        n_rejected = sum(counts.n_rejected for counts in self.counts.values())
        n_lines = sum(counts.n_lines for counts in self.counts.values())
        allowed = self.settings.max_rejects
        if allowed is None:
            allowed = max(_MAX_REJECTS, int(n_lines * _MAX_REJECTED_SHARE))
        if n_rejected > allowed:
            raise TooManyRejectsError(
                f"{n_rejected:,} of {n_lines:,} lines rejected; at most {allowed:,} are allowed. "
                f"Last: {last}. Nothing was published. Check that the file is what its name says, "
                "or allow more with --max-rejects."
            )

    def _check_adds_up(self, n_items: int) -> None:
        """Every line read is an item, joined, an orphan or a reject."""
        n_dataset = 0
        for file, counts in self.counts.items():
            if file in self.edition.datasets:
                n_dataset += counts.n_joined
            n_told = counts.n_joined + counts.n_orphans + counts.n_rejected
            if self.settings.limit is not None and file not in self.edition.datasets:
                counts.n_lines = n_told  # lines beyond the limit were not looked at
            if n_told != counts.n_lines:
                raise YfccError(f"{file}: {counts.n_lines:,} lines read, {n_told:,} accounted for.")
        if n_dataset != n_items:
            raise YfccError(f"{n_dataset:,} rows of the dataset read, {n_items:,} items written.")

    def _ingest(self, file: str) -> IngestRecord:
        counts, found = self.counts[file], self.objects[file]
        packs = {name: pack.value for pack, name in self.edition.packs.items()}
        return IngestRecord(
            file=file,
            pack=packs.get(file, "dataset"),
            edition=self.edition.name,
            source=found.url,
            etag=found.etag,
            n_bytes=found.n_bytes,
            n_raw_bytes=counts.n_raw_bytes,
            n_lines=counts.n_lines,
            n_joined=counts.n_joined,
            n_orphans=counts.n_orphans,
            n_rejected=counts.n_rejected,
            row_limit=self.settings.limit,
            n_shards=N_SHARDS,
            started_at=self.started_at,
            finished_at=datetime.now(UTC).replace(tzinfo=None),
            yfcc_version=__version__,
        )

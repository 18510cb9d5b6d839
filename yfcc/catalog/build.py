"""From metadata files to a published catalog, in one pass, a window at a time.

A build that is killed goes on from its last batch: :mod:`yfcc.catalog.journal` says how.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from yfcc import __version__
from yfcc.catalog.align import Held, PackCursor, ids_of, other_hashes
from yfcc.catalog.connection import Limits, target_errors
from yfcc.catalog.counts import FileCounts, Tally
from yfcc.catalog.intake import Inputs, Intake, passed_rows
from yfcc.catalog.journal import Journal
from yfcc.catalog.late import (
    DUPLICATE_PACK_REASON,
    LateJoin,
    id_set,
    ids_in,
    late_table,
    passed_table,
)
from yfcc.catalog.plan import BuildPlan, plan_build, why_not_resumed
from yfcc.catalog.publish import HeldLock, exclusive_lock
from yfcc.catalog.settings import BuildSettings, BuildSizes, BuildSummary
from yfcc.catalog.spared import modules_spared
from yfcc.catalog.steps import DatasetPlace, PackPlace, Stage, Step, going_on
from yfcc.catalog.windows import (
    DUPLICATE_REASON,
    SeenIds,
    Window,
    item_columns,
    iter_windows,
)
from yfcc.catalog.writer import PACK_COLUMN, CatalogWriter, IngestRecord
from yfcc.errors import SourceDamaged, UsageError
from yfcc.metadata.columns import Rows
from yfcc.metadata.hashes import check_hashes
from yfcc.metadata.layouts import Pack, find_edition
from yfcc.metadata.packs import VALUE_KINDS
from yfcc.metadata.source import Source
from yfcc.metadata.source.landing import Landing
from yfcc.metadata.stream import step_back
from yfcc.metadata.unpack import Packing, packing_of
from yfcc.model import N_SHARDS
from yfcc.progress import FileProgress

__all__ = ["BuildSettings", "BuildSizes", "BuildSummary", "build_catalog"]


def build_catalog(source: Source, settings: BuildSettings, progress: FileProgress) -> BuildSummary:
    """Read the metadata files of a source and publish a catalog.

    What an interrupted build of the same catalog has done is not done again.

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
    UsageError
        An interrupted build of another source, or with another limit, lies there.
    """
    catalog = settings.catalog
    if catalog.is_dir():
        raise UsageError(
            f"--catalog {catalog}: expected the name of a file, got a directory. "
            f"Perhaps {catalog / 'catalog.duckdb'}?"
        )
    objects = {found.name: found for found in source.list_objects()}
    edition = find_edition(objects, source.url)
    with target_errors(catalog):
        catalog.parent.mkdir(parents=True, exist_ok=True)
        only_one = exclusive_lock(catalog.with_name(f"{catalog.name}.lock"))
        with only_one as lock, modules_spared(), ExitStack() as stack:
            packing = packing_of(source, objects[edition.datasets[0]])
            edition = edition.as_packed(is_database=packing is Packing.SQLITE)
            n_threads = os.cpu_count() or 1
            executor = ThreadPoolExecutor(n_threads, "decompress", initializer=step_back)
            landing = Landing(catalog.with_name(f"{catalog.name}.source"), progress)
            inputs = Inputs(
                source,
                objects,
                edition,
                stack.enter_context(executor),
                landing,
                settings.limit,
                settings.sizes.chunk_bytes,
            )
            return _Build(inputs, settings, progress, stack, lock).run()


@dataclass(slots=True)
class _Build:
    inputs: Inputs
    settings: BuildSettings
    progress: FileProgress
    stack: ExitStack
    lock: HeldLock
    writer: CatalogWriter = field(init=False)
    journal: Journal = field(init=False)
    tally: Tally = field(init=False)
    intake: Intake = field(init=False)
    started_at: datetime = field(init=False)
    has_begun: bool = False
    n_uncommitted: int = 0  # items, and rows of packs drained

    def __post_init__(self) -> None:
        catalog = self.settings.catalog
        memory_mb = self.settings.memory_bytes // 5 // 10**6
        self.writer = CatalogWriter(catalog, Limits(f"{memory_mb}MB", os.cpu_count() or 1))
        self.journal = Journal(catalog.with_name(f"{catalog.name}.building.journal"))
        self.stack.callback(self._leave)

    def _leave(self) -> None:
        """Let go of everything; what the next run can go on from stays."""
        self.writer.close()
        self.journal.abandon()
        if self.has_begun and self.journal.number <= 1 and self.lock.is_ours:
            self._remove()

    def _remove(self) -> None:
        """The journal goes first: without it the file beside the target counts for nothing."""
        self.journal.remove()
        self.writer.remove()

    def _tidy_up(self) -> None:
        """Remove what the build no longer needs; the catalog is there, whether or not it can."""
        try:
            self._remove()
            self.inputs.landing.clear()
        except OSError as error:
            name = self.settings.catalog.name
            self.progress.say(f"files beside {name} could not be removed: {error.strerror}")

    def run(self) -> BuildSummary:
        """Read everything, join it, publish."""
        for remark in self.inputs.edition.remarks:
            self.progress.say(remark)
        step = self._begin()
        self.started_at = step.started_at
        self.tally = Tally(copy.deepcopy(step.counts), self.settings.max_rejects)
        self.intake = Intake(
            self.inputs,
            self.tally,
            self.writer.insert_rejects,
            self.progress,
            self.stack,
            step.columns,
        )
        for file in self.tally.files:
            self.progress.start_file(file, self.inputs.objects[file].n_bytes)
        if step.stage in {Stage.READING, Stage.DRAINING}:
            self._read(step)
        edition = self.inputs.edition.as_read(self.intake.columns)
        if step.stage is not Stage.FINISHED:
            self._join(edition.name)
        self.lock.check()
        rewritten = self.writer.publish()
        self._tidy_up()
        if rewritten:
            self.tally.take_over(rewritten.ingests)
        n_items = self.tally.n_items(self.inputs.edition.datasets)
        found = (self.settings.catalog, edition.name, edition.missing, n_items, self.tally.files)
        return BuildSummary(*found, rewritten.n_items if rewritten else 0)

    def _begin(self) -> Step:
        """The step to go on from: that of an interrupted build, or the start."""
        edition, objects = self.inputs.edition, self.inputs.objects
        files = (*edition.datasets, *edition.packs.values())
        plan = plan_build(
            self.inputs.source.url, [objects[file] for file in files], self.settings.limit
        )
        kept = None if self.settings.is_restart else self.journal.read_plan()
        if kept and self.journal.has_batches:
            step = self._resume(kept, plan)
            if step:
                self.has_begun = True
                return step
        self.has_begun = True
        self._remove()
        self.writer.create()
        now = datetime.now(UTC).replace(tzinfo=None)
        counts = {file: FileCounts() for file in files}
        first = Step(0, Stage.READING, dict(self.writer.n_rows), counts, now, None, None, {})
        self.journal.start(plan, first)
        return first

    def _resume(self, kept: BuildPlan, asked: BuildPlan) -> Step | None:
        """The last step of an interrupted build, if it can be gone on with."""
        reason = why_not_resumed(kept, asked, self.settings.catalog) or self.writer.reopen()
        if not reason:
            step = self.journal.find_step(self.writer.n_rows)
            if step:
                self.journal.go_on_from(step)
                self.progress.say(going_on(step))
                return step
            reason = "its rows are not those of its journal"
        self.progress.say(f"an interrupted build is there, but {reason}: starting over")
        return None

    def _read(self, step: Step) -> None:
        """All files to their ends; what no window took is kept for the join."""
        cursors = {pack: self._open_pack(pack, step) for pack in self.inputs.edition.packs}
        if step.stage is Stage.READING:
            self._read_windows(step, cursors)
            if not self.tally.n_lines:
                raise SourceDamaged(
                    f"{self.inputs.source.url}: the dataset has no lines. Fetch "
                    f"{self.inputs.edition.datasets[0]} again."
                )
            self._commit(Stage.DRAINING, cursors)
        for pack, cursor in cursors.items():
            self._drain(pack, cursors, cursor)
        self._commit(Stage.JOINING, {})

    def _open_pack(self, pack: Pack, step: Step) -> PackCursor:
        there = step.packs.get(pack)
        rows = self.intake.pack_rows(pack, there.place if there else None)
        cursor = PackCursor(rows, VALUE_KINDS[pack], self.settings.sizes.slack_rows)
        if there:
            files = self.journal.files("passed", pack)
            name = self.inputs.edition.packs[pack]
            passed = [passed_rows(pack, name, pa.parquet.read_table(path)) for path in files]
            held = Held(
                Rows.joined(passed) if passed else None,
                n_ahead=there.n_ahead,
                is_unordered=there.is_unordered,
            )
            late = [] if held.is_unordered else self.journal.files("late", pack)
            cursor.restore(held, id_set(late))
        return cursor

    def _read_windows(self, step: Step, cursors: Mapping[Pack, PackCursor]) -> None:
        seen = SeenIds()
        for ids in self.writer.iter_ids():
            seen.add(ids)
        sizes = self.settings.sizes
        chunks = self.intake.dataset_chunks(step.dataset)
        for window in iter_windows(chunks, seen, window_rows=sizes.window_rows):
            self._add_window(window, cursors)
            self.n_uncommitted += len(window.rows)
            if self.n_uncommitted >= sizes.batch_rows:
                place = self.intake.place_of(window.file, window.next_line)
                self._commit(
                    Stage.READING, cursors, DatasetPlace(window.file, place) if place else None
                )

    def _add_window(self, window: Window, cursors: Mapping[Pack, PackCursor]) -> None:
        table = window.rows.table
        columns = item_columns(table)
        ids = table["photo_id"]
        odd = np.flatnonzero(window.rows.is_odd)
        self.writer.insert_originals("dataset", table, odd, window.rows.raw_lines(odd))
        hashes = None
        for pack, cursor in cursors.items():
            aligned = cursor.align(ids.to_numpy())
            column = PACK_COLUMN[pack]
            # The dataset of v2 has the hash itself: a pack of it only fills gaps.
            there = columns.get(column)
            columns[column] = pc.coalesce(there, aligned.values) if there else aligned.values
            if pack is Pack.HASH:
                hashes = aligned
            self.writer.insert_originals(pack, table, aligned.odd, aligned.odd_lines)
            file = self.inputs.edition.packs[pack]
            self.tally.files[file].n_joined += int(aligned.is_found.sum())
            if not aligned.is_found.all():
                missed = table.select(["photo_id", "line_number"])
                self.journal.keep("missed", pack, missed.filter(pa.array(~aligned.is_found)))
            for rows in aligned.late:
                self._keep_late(pack, rows)
        self._check_hashes(window.file, columns)
        if hashes:
            others = other_hashes(ids, columns["photo_hash"], hashes)
            self.writer.insert_originals(Pack.HASH, table, *others)
        self.writer.insert_items(columns)
        rejects = self.intake.unrecorded(window.rejects)
        self.writer.insert_rejects(rejects)
        duplicates = [each for each in rejects if each.reason == DUPLICATE_REASON]
        for reject in duplicates:
            self.tally.files[reject.file].n_joined -= 1
        self.tally.add_rejects(duplicates)

    def _check_hashes(self, file: str, columns: dict[str, pa.ChunkedArray]) -> None:
        """Check the hashes, and compute those that the edition lacks."""
        pack = self.inputs.edition.packs.get(Pack.HASH)
        there = columns.get("photo_hash", pa.nulls(len(columns["photo_id"]), pa.string()))
        columns["photo_hash"], n_mismatches = check_hashes(there, columns["download_url"])
        self.tally.files[pack or file].n_hash_mismatches += n_mismatches

    def _keep_late(self, pack: Pack, rows: Rows) -> None:
        if len(rows):
            self.journal.keep("late", pack, late_table(rows))

    def _drain(self, pack: Pack, cursors: Mapping[Pack, PackCursor], cursor: PackCursor) -> None:
        """What no window took waits for the join."""
        missed = None
        if self.settings.limit is not None:
            missed = ids_in(self.journal.files("missed", pack))
            if not len(missed):
                return
        for rows in cursor.drain():
            # Beyond the limit lie rows of items that were not read: no orphans.
            is_wanted = None if missed is None else np.isin(ids_of(rows), missed)
            self._keep_late(pack, rows if is_wanted is None else rows.kept(is_wanted))
            self.n_uncommitted += len(rows)
            if self.n_uncommitted >= self.settings.sizes.batch_rows:
                self._commit(Stage.DRAINING, cursors)

    def _commit(
        self,
        stage: Stage,
        cursors: Mapping[Pack, PackCursor],
        dataset: DatasetPlace | None = None,
    ) -> None:
        """End a batch: first what the next run needs, then the rows."""
        self.lock.check()
        packs = {}
        for pack, cursor in cursors.items():
            held = cursor.held()
            if held.passed:
                self.journal.keep("passed", pack, passed_table(held.passed))
            place = self.intake.place_of(self.inputs.edition.packs[pack], held.first_ahead)
            packs[pack] = PackPlace(place, held.n_ahead, held.is_unordered)
        step = Step(
            self.journal.number,
            stage,
            dict(self.writer.n_rows),
            self.tally.files,
            self.started_at,
            self.intake.columns,
            dataset,
            packs,
        )
        self.journal.write_step(step)
        self.writer.commit(partial(self.journal.forget_before, step))
        self.n_uncommitted = 0

    def _join(self, edition: str) -> None:
        """What no window took is joined now, or is an orphan or a duplicate."""
        packs = self.inputs.edition.packs
        is_whole = self.settings.limit is None
        self.writer.use_all_threads()
        late = LateJoin(self.writer.connection, self.journal, packs, is_whole)
        late.judge()
        for pack, found in late.counts.items():
            counts = self.tally.files[packs[pack]]
            counts.n_joined += found.n_joined
            counts.n_orphans += found.n_orphans
            counts.n_rejected += found.n_rejected
            if found.n_rejected:
                self.tally.check_rejects(f"{packs[pack]}: {DUPLICATE_PACK_REASON}")
        self.tally.check_adds_up(
            self.inputs.edition.datasets, self.writer.n_rows["items"], is_whole=is_whole
        )
        self.writer.insert_late(late)
        for file in self.tally.files:
            self.writer.insert_ingest(self._ingest(file, edition))
        self.writer.create_views()
        if self.writer.is_in_second:
            # The first file stays as it was: a run that is killed from here on joins again.
            self.writer.commit()
        else:
            self._commit(Stage.FINISHED, {})

    def _ingest(self, file: str, edition: str) -> IngestRecord:
        found = self.inputs.objects[file]
        packs = {name: pack.value for pack, name in self.inputs.edition.packs.items()}
        return IngestRecord(
            file=file,
            pack=packs.get(file, "dataset"),
            edition=edition,
            source=found.url,
            etag=found.etag,
            n_bytes=found.n_bytes,
            **asdict(self.tally.files[file]),
            row_limit=self.settings.limit,
            n_shards=N_SHARDS,
            started_at=self.started_at,
            finished_at=datetime.now(UTC).replace(tzinfo=None),
            yfcc_version=__version__,
        )

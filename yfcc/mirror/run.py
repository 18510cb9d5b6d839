"""A download run: claim, feed, fetch, commit, sum up."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from yfcc.errors import LockedError, TargetError, YfccError
from yfcc.media.courtesy import HostNote
from yfcc.mirror.acquire import Acquire
from yfcc.mirror.belt import Belt
from yfcc.mirror.claim import AnyClaim, claim_shards
from yfcc.mirror.clock import Clock, SystemClock, format_utc
from yfcc.mirror.committer import Committer, GroupLimits
from yfcc.mirror.feed import Feeder, Ledgers, Task
from yfcc.mirror.garbage import seldom_collected
from yfcc.mirror.hiring import Hiring, WorkClock
from yfcc.mirror.ledger import read_last_seals
from yfcc.mirror.one_core import OneCore, allowed_cores, choose_first
from yfcc.mirror.open_files import ensure_open_files
from yfcc.mirror.opening import open_ledger, open_store
from yfcc.mirror.plan import DownloadPlan, ItemSource
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.run_file import write_run
from yfcc.mirror.samples import Sampler
from yfcc.mirror.shard_ledger import ShardLedger
from yfcc.mirror.space import SpaceGuard
from yfcc.mirror.stop import StopRequest
from yfcc.mirror.tombstones import LiveTombstones, has_pending
from yfcc.mirror.totals import (
    Fingerprint,
    RunEnd,
    RunProgress,
    RunSummary,
    RunTotals,
    decide_exit_code,
)
from yfcc.mirror.worker import Bench, work

#: Seconds between two looks at signals, errors and ageing groups.
_TICK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class DownloadJob:
    """What a run is to do.

    Attributes
    ----------
    mirror : Mirror or BucketMirror
        Where to.
    source : ItemSource
        Which items.
    plan : DownloadPlan
        How many of them, in which shards.
    acquire : Acquire
        Fetches and checks one item.
    fingerprint : Fingerprint
        What was asked, for the record.
    describe_hosts : callable
        What holds requests back just now.
    count_repeated : callable
        Items by the SHA-256 of a picture that many of them have.
    """

    mirror: AnyMirror
    source: ItemSource
    plan: DownloadPlan
    acquire: Acquire
    fingerprint: Fingerprint
    describe_hosts: Callable[[], tuple[HostNote, ...]] = tuple
    count_repeated: Callable[[], Mapping[str, int]] = dict


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run does it.

    Attributes
    ----------
    n_workers : int
        Items under way at a time.
    force : bool
        Ask again for items with a final outcome. A stored item that is not to be had any more
        stays; removed items are never asked for.
    min_free_bytes : int or None
        The run stops when less is free on the mirror's disk; None for 1 %, at most 2 GiB.
    grace_s : float
        Seconds that items under way get to finish once the run is stopped.
    limits : GroupLimits
        When a group of items is committed.
    save_every_s : float
        Seconds between two updates of the run's file.
    clock : Clock
        The time.
    number : int or None
        Of this process among those that share the work.
    run_id : str or None
        What the run is called; None for a new name.
    """

    n_workers: int = 32
    force: bool = False
    min_free_bytes: int | None = None
    grace_s: float = 10.0
    limits: GroupLimits = field(default_factory=GroupLimits)
    save_every_s: float = 10.0
    clock: Clock = field(default_factory=SystemClock)
    number: int | None = None
    run_id: str | None = None


def make_run_id(now: datetime) -> str:
    """A unique name for a run that sorts by time, ``20261121t082745z-5f3a9c``."""
    return f"{now:%Y%m%dt%H%M%Sz}-{secrets.token_hex(3)}"


def run_download(
    job: DownloadJob,
    options: RunOptions | None = None,
    stop: StopRequest | None = None,
    report: Callable[[RunProgress], None] | None = None,
) -> RunSummary:
    """Mirror the selected items; what an earlier run did is not done again.

    Parameters
    ----------
    job : DownloadJob
        What to do.
    options : RunOptions, optional
        How.
    stop : StopRequest, optional
        Asks for an orderly end. Its event is also set when the run stops by itself, so that
        what fetches gives up soon.
    report : callable, optional
        Gets the progress several times a second, in the caller's thread.

    Returns
    -------
    RunSummary
        Also in the mirror, as ``ledger/runs/<run_id>.json``.

    Raises
    ------
    LockedError
        Another run holds one of the shards.
    TargetError
        The mirror is full, read-only or failing.
    YfccError
        What ``job.acquire`` or ``job.source`` raised to stop the run. All that was fetched
        before is recorded, and the run's file is written.
    """
    options = options or RunOptions()
    now = options.clock.now_utc()
    run_id = options.run_id or make_run_id(now)
    stopping = stop or StopRequest()
    if has_pending(job.mirror):
        from yfcc.mirror.forget import finish_removals  # noqa: PLC0415 - seldom, and not small

        finish_removals(job.mirror, options.clock, lambda: stopping.is_asked)
    with (
        claim_shards(job.mirror, job.plan.shards, run_id, format_utc(now)) as claim,
        seldom_collected(),
    ):
        run = _Run(job, options, stopping, claim, format_utc(now))
        return run.carry_out(report or _ignore)


def _ignore(_progress: RunProgress) -> None:
    """Report to nobody."""


class _Run:
    """The parts of a run, put together."""

    def __init__(
        self,
        job: DownloadJob,
        options: RunOptions,
        stop: StopRequest,
        claim: AnyClaim,
        started: str,
    ) -> None:
        self._job = job
        self._options = options
        self._stop = stop
        self._claim = claim
        self._began_s = options.clock.monotonic()
        self._saved_s = self._began_s
        self._started = started
        self._error: BaseException | None = None
        self._error_lock = threading.Lock()
        self._totals = RunTotals(job.plan.n_selected, job.plan.counts)
        self._sampler = Sampler(job.mirror, claim.run_id)
        self._belt: Belt[Task] = Belt(2 * options.n_workers)
        store = open_store(job.mirror, claim.run_id)
        self._store = store
        # What goes into buckets is sent by threads of other libraries.
        cores = allowed_cores() if isinstance(job.mirror, Mirror) else frozenset()
        self._one_core = OneCore(cores, choose_first(cores, options.number))
        work_clock = WorkClock(meet=self._one_core.join)
        self._committer = Committer(
            store, self._totals, claim.check, options.limits, options.clock, work_clock
        )
        self._bench = Bench(
            run_id=claim.run_id,
            belt=self._belt,
            acquire=job.acquire,
            store=store,
            committer=self._committer,
            space=SpaceGuard(store, options.min_free_bytes),
            totals=self._totals,
            tombstones=LiveTombstones(job.mirror),
            clock=options.clock,
            work_clock=work_clock,
        )

    def carry_out(self, report: Callable[[RunProgress], None]) -> RunSummary:
        """Do the work and sum up."""
        self._prepare()
        n_threads = self._options.n_workers + 1
        executor = ThreadPoolExecutor(n_threads, thread_name_prefix="yfcc-download")
        futures: list[Future[None]] = []

        def start(job: Callable[[], None]) -> None:
            futures.append(executor.submit(job))
            futures[-1].add_done_callback(self._note_failure)

        try:
            self._committer.start()
            start(self._feed)
            clock = self._bench.work_clock
            hiring = Hiring(lambda: start(self._work), self._options.n_workers, clock)
            self._watch(futures, hiring, report)
        except KeyboardInterrupt:
            self._stop.ask()
        except YfccError as error:
            self._fail(error)
        finally:
            n_dropped = self._wind_down(executor, futures)
        progress = self._progress()
        try:
            self._sampler.finish(progress)
        except YfccError as error:
            self._fail(error)
        report(progress)
        return self._conclude(n_dropped)

    def _prepare(self) -> None:
        """Find out before any traffic what would go wrong after it."""
        ensure_open_files(self._options.n_workers, self._options.limits.n_records)
        self._store.probe()
        self._bench.space.check()
        write_run(self._job.mirror, self._summarise(RunEnd.RUNNING))

    def _feed(self) -> None:
        feeder = Feeder(
            self._job.plan,
            self._job.source,
            Ledgers(self._open_ledger, self._count_recorded),
            self._totals,
            self._bench.tombstones,
            force=self._options.force,
        )
        with suppress(CancelledError):  # the source was told to stop, as everybody was
            for task in feeder.iter_tasks():
                if not self._belt.put(task):
                    return
            self._belt.finish()

    def _count_recorded(self) -> dict[int, Mapping[str, int]]:
        seals = read_last_seals(self._job.mirror, self._job.plan.shards)
        return {shard: seal.counts for shard, seal in seals.items()}

    def _open_ledger(self, shard: int) -> ShardLedger:
        return open_ledger(self._job.mirror, shard, self._claim.check)

    def _work(self) -> None:
        work(self._bench, self._stop.event.is_set)

    def _watch(
        self,
        futures: list[Future[None]],
        hiring: Hiring,
        report: Callable[[RunProgress], None],
    ) -> None:
        """Wait for the end, and see to what grows old meanwhile."""
        while not self._stop.event.is_set():
            _, pending = wait(futures, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
            progress = self._progress()
            self._sampler.look(progress)
            report(progress)
            if not pending or self._stop.is_asked:
                return
            hiring.look(has_work=len(self._belt) > 0)
            self._one_core.look(self._bench.work_clock.total_cpu_s())
            self._committer.commit_aged()
            if self._options.clock.monotonic() - self._saved_s >= self._options.save_every_s:
                self._saved_s = self._options.clock.monotonic()
                write_run(self._job.mirror, self._summarise(RunEnd.RUNNING))
        if self._error is None:
            self._stop.ask()  # the event was set from outside

    def _note_failure(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._error_lock:
            if self._error is None:
                self._error = error
        self._halt()

    def _halt(self) -> None:
        """No new items; what is under way is told."""
        self._belt.close()
        self._stop.event.set()

    def _wind_down(self, executor: ThreadPoolExecutor, futures: list[Future[None]]) -> int:
        """End the threads, make durable what they brought; the number of those that did not end.

        Nothing more is written after the target has failed, or once somebody else may hold the
        shards.
        """
        self._halt()
        late = wait(futures, timeout=self._options.grace_s).not_done
        executor.shutdown(wait=not late, cancel_futures=True)
        try:
            self._committer.close(keep=not isinstance(self._error, TargetError | LockedError))
        except YfccError as error:
            self._fail(error)
        return len(late)

    def _conclude(self, n_dropped: int) -> RunSummary:
        error = self._error
        is_complete = self._totals.snapshot().not_yet_tried == 0
        if error is not None:
            end = RunEnd.STOPPED
        else:
            interrupted = self._stop.is_asked and not is_complete
            end = RunEnd.INTERRUPTED if interrupted else RunEnd.FINISHED
        summary = replace(self._summarise(end), n_dropped=n_dropped)
        # The error that stopped the run tells more than the one it causes here.
        with suppress(TargetError) if error else nullcontext():
            write_run(self._job.mirror, summary)
        if error is not None:
            raise error
        summary.check()
        return summary

    def _summarise(self, end: RunEnd) -> RunSummary:
        progress = self._totals.snapshot()
        now = format_utc(self._options.clock.now_utc())
        signal_number = self._stop.signal_number if end is RunEnd.INTERRUPTED else None
        code = decide_exit_code(progress.outcomes, self._error, signal_number)
        return RunSummary(
            run_id=self._claim.run_id,
            fingerprint=self._job.fingerprint,
            shards=self._job.plan.describe_shards(),
            started=self._started,
            ended="" if end is RunEnd.RUNNING else now,
            end=end,
            n_selected=progress.n_selected,
            outcomes={outcome.value: n for outcome, n in progress.outcomes.items()},
            not_yet_tried=progress.not_yet_tried,
            n_bytes=progress.n_bytes,
            n_adopted=progress.n_adopted,
            exit_code=None if end is RunEnd.RUNNING else code,
            error=None if self._error is None else str(self._error),
            errors=self._totals.count_errors(),
            licenses=self._job.plan.count_licenses(),
            repeated=self._job.count_repeated(),
        )

    def _progress(self) -> RunProgress:
        elapsed_s = self._options.clock.monotonic() - self._began_s
        return replace(self._totals.snapshot(elapsed_s), hosts=self._job.describe_hosts())

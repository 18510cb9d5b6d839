"""Reading every stored byte again, to see whether mirror and ledger still agree."""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from yfcc.errors import TargetError
from yfcc.mirror.ahead import map_ahead
from yfcc.mirror.check_child import AnyChecker, CheckOptions, ChildChecker, OwnChecker
from yfcc.mirror.disk import target_errors
from yfcc.mirror.findings import Damage, Problem, ShardFindings, VerifySummary
from yfcc.mirror.forget import finish_removals
from yfcc.mirror.journal import is_unwritable
from yfcc.mirror.layout import MEDIA, PROBE_PREFIX
from yfcc.mirror.ledger import list_shards, read_last_seals
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.same_bytes import find_shared_bytes
from yfcc.mirror.sampling import share_out
from yfcc.mirror.shards import format_shards
from yfcc.mirror.verdicts import ShardTask
from yfcc.mirror.verify_journal import SAVE_EVERY_S, Asked, VerifyJournal
from yfcc.model import N_SHARDS, Outcome, shard_of

#: Fewer recorded bytes than this are read before other processes have started.
_BYTES_WORTH_A_PROCESS: Final = 128 << 20

_STEP: Final = re.compile(r"[0-9]{3}")

#: Shards of a bucket that one process checks at a time: each begins and ends with waiting. With
#: fewer items in each than that, there is more to wait for than processes can help with.
_N_SHARDS_AHEAD: Final = 8
_ITEMS_WORTH_A_PROCESS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What a verification looks at.

    Attributes
    ----------
    shards : frozenset of int or None
        Only these.
    n_workers : int
        Processes that read.
    deep : bool
        Also walk every structure and decode every picture.
    n_sample : int or None
        Only so many stored items, chosen by ``seed``; files that nobody recorded are not looked
        for then.
    seed : int
    manifest : Path or None
        Where a list of all files that are as recorded goes, as ``sha256sum`` writes it: a file on
        this machine, with paths below the mirror's root.
    restart : bool
        Do not go on where an earlier verification was.
    bytes_worth_a_process : int
        With fewer recorded bytes, this process does all by itself; 0: never.
    save_every_s : float
        Seconds of reading from a bucket that a kill may cost; 0: one shard.
    """

    shards: frozenset[int] | None = None
    n_workers: int = 1
    deep: bool = False
    n_sample: int | None = None
    seed: int = 0
    manifest: Path | None = None
    restart: bool = False
    bytes_worth_a_process: int = _BYTES_WORTH_A_PROCESS
    save_every_s: float = SAVE_EVERY_S


@dataclass(slots=True)
class _Plan:
    """What there is to check."""

    tasks: list[ShardTask]
    n_items: int = 0
    n_bytes: int = 0
    damages: list[Damage] = field(default_factory=list)


def verify_mirror(
    mirror: AnyMirror,
    options: VerifyOptions | None = None,
    report: Callable[[VerifySummary], None] | None = None,
) -> VerifySummary:
    """Read again everything that is recorded as stored, and look for what is not recorded.

    Nothing is written but the journal of progress: if this process is killed, the next
    verification goes on from there. A removal that was cut short is carried out first. A mirror
    that cannot be written is verified all the same.
    Memory: the records of one shard for each process, and one number for each directory.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
        Also while a run is writing to it.
    options : VerifyOptions, optional
    report : callable, optional
        Gets the sums after every shard.

    Raises
    ------
    TargetError
        The disk cannot be read.
    LockedError
        Another verification of the same mirror is under way.
    """
    options = options or VerifyOptions()
    finish_removals(mirror)
    summary = VerifySummary(seed=None if options.n_sample is None else options.seed)
    with ExitStack() as cleanup:
        journal = _open_journal(mirror, options)
        if journal is not None:
            cleanup.callback(journal.close)
            for findings in journal.done:
                summary.add(findings)
            summary.n_items_resumed = summary.n_items
        plan = _plan(mirror, options)
        summary.damages += plan.damages
        done = set() if journal is None else {findings.shard for findings in journal.done}
        plan.tasks = [task for task in plan.tasks if task.shard not in done]
        for findings in _check_all(mirror, options, plan):
            if journal is not None:
                journal.add(findings)
            summary.add(findings)
            if report is not None:
                report(summary)
        if journal is not None:
            journal.finish()
    if options.shards is None and options.n_sample is None:
        summary.shared = find_shared_bytes(mirror, summary.n_items)
    summary.damages.sort(key=lambda damage: damage.shard)
    summary.orphans.sort()
    return summary


def _open_journal(mirror: AnyMirror, options: VerifyOptions) -> VerifyJournal | None:
    if options.n_sample is not None and options.manifest is None:
        return None
    shards = "all" if options.shards is None else format_shards(options.shards)
    if options.n_sample is not None:
        shards += f", {options.n_sample} items by seed {options.seed}"
    manifest = None if options.manifest is None else str(options.manifest.absolute())
    asked = Asked(_check_options(options), shards, manifest)
    restart, save_every_s = options.restart, options.save_every_s
    try:
        return VerifyJournal(mirror, asked, restart=restart, save_every_s=save_every_s)
    except TargetError as error:
        if options.manifest is not None or not is_unwritable(error):
            raise
        return None


def _check_options(options: VerifyOptions) -> CheckOptions:
    return CheckOptions(options.deep, options.manifest is not None)


def _plan(mirror: AnyMirror, options: VerifyOptions) -> _Plan:
    # A seal that is damaged is no reason to give up here: the shard's check will say so.
    seals = read_last_seals(mirror)
    asked = frozenset(range(N_SHARDS)) if options.shards is None else options.shards
    shards = [shard for shard in list_shards(mirror) if shard in asked]
    n_stored: Counter[int] = Counter()
    n_bytes = 0
    for shard in shards:
        seal = seals.get(shard)
        if seal is not None:
            n_stored[shard] = seal.counts.get(Outcome.STORED.value, 0)
            n_bytes += seal.n_bytes
    if options.n_sample is not None:
        chosen = share_out(n_stored, options.n_sample, options.seed)
        share = min(1.0, options.n_sample / max(1, n_stored.total()))
        tasks = [
            ShardTask(shard, None, n, options.seed) for shard, n in sorted(chosen.items()) if n
        ]
        return _Plan(tasks, chosen.total(), int(n_bytes * share))
    leaves, damages = _list_leaves(mirror)
    known = set(shards) | (leaves.keys() & asked)
    tasks = [ShardTask(shard, leaves.get(shard, array("I")).tolist()) for shard in sorted(known)]
    return _Plan(tasks, n_stored.total(), n_bytes, damages)


def _list_leaves(mirror: AnyMirror) -> tuple[dict[int, array[int]], list[Damage]]:
    """Directories that may hold items, by shard, as numbers; and names that do not belong there."""
    leaves: dict[int, array[int]] = {}
    strays: list[str] = []
    tops: list[str] = []
    for top, is_step in _list(mirror, (MEDIA,)):
        if is_step:
            tops.append(top)
        elif not top.startswith(PROBE_PREFIX):  # a run that is killed leaves its probe behind
            strays.append(f"{MEDIA}/{top}")
    listed = map_ahead(mirror, lambda top: _list(mirror, (MEDIA, top)), tops)
    for top, names in zip(tops, listed, strict=True):
        for leaf, is_leaf in names:
            if is_leaf:
                # The shard follows from the six digits alone: they stand for all their ids.
                prefix = int(top + leaf)
                leaves.setdefault(shard_of(prefix), array("I")).append(prefix)
            else:
                strays.append(f"{MEDIA}/{top}/{leaf}")
    damages = [
        Damage(Problem.EXTRA, path, "directories of three digits", "a foreign name", -1)
        for path in strays
    ]
    return leaves, damages


def _list(mirror: AnyMirror, parts: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Names in a directory, and whether each is that of a directory on the way to items."""
    if not isinstance(mirror, Mirror):
        names, folders = mirror.objects.list_folder("/".join((*parts, "")))
        steps = [(name, _STEP.fullmatch(name) is not None) for name in folders]
        return sorted([*steps, *((name, False) for name in names)])
    with target_errors(f"list {mirror.name(*parts)}"):
        fd = mirror.open_directory(*parts)
        try:
            with os.scandir(fd) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        finally:
            os.close(fd)
    return sorted((name, is_dir and _STEP.fullmatch(name) is not None) for name, is_dir in found)


def _check_all(mirror: AnyMirror, options: VerifyOptions, plan: _Plan) -> Iterator[ShardFindings]:
    """Check all shards, in any order."""
    with ExitStack() as cleanup:
        checkers = _open_checkers(mirror, options, plan)
        if len(checkers) == 1:
            cleanup.callback(checkers[0].close)
            yield from map(checkers[0].check, plan.tasks)
            return
        idle: SimpleQueue[AnyChecker] = SimpleQueue()
        executor = ThreadPoolExecutor(len(checkers), thread_name_prefix="yfcc-verify")
        cleanup.callback(executor.shutdown, cancel_futures=True)
        for checker in checkers:
            # Before the executor's end, where they are processes: its threads wait for them.
            cleanup.callback(checker.close)
            idle.put(checker)
        yield from _run(executor, idle, plan.tasks, 2 * len(checkers))


def _open_checkers(mirror: AnyMirror, options: VerifyOptions, plan: _Plan) -> Sequence[AnyChecker]:
    """What checks shards, each one at a time: processes, or this one if there is little to do."""
    check = _check_options(options)
    n_workers, n_shards = min(options.n_workers, len(plan.tasks)), len(plan.tasks)
    is_on_disk = isinstance(mirror, Mirror)
    is_little = plan.n_bytes < options.bytes_worth_a_process
    if options.bytes_worth_a_process and not is_on_disk:
        is_little |= plan.n_items < _ITEMS_WORTH_A_PROCESS * n_shards
    if n_workers > 1 and (options.deep or not is_little):
        return [ChildChecker(mirror, check) for _ in range(n_workers)]
    # A disk is not waited for, and what decodes does so with a process of its own.
    n_threads = 1 if is_on_disk or options.deep else _N_SHARDS_AHEAD
    return [OwnChecker(mirror, check) for _ in range(max(1, min(n_threads, n_shards)))]


def _run(
    executor: ThreadPoolExecutor,
    idle: SimpleQueue[AnyChecker],
    tasks: Sequence[ShardTask],
    n_ahead: int,
) -> Iterator[ShardFindings]:
    def check(task: ShardTask) -> ShardFindings:
        checker = idle.get()
        try:
            return checker.check(task)
        finally:
            idle.put(checker)

    rest = iter(tasks)
    under_way: set[Future[ShardFindings]] = set()
    while True:
        for task in rest:
            under_way.add(executor.submit(check, task))
            if len(under_way) >= n_ahead:
                break
        if not under_way:
            return
        finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()

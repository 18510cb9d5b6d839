"""Reading every stored byte again, to see whether mirror and ledger still agree."""

from __future__ import annotations

import errno
import os
import random
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

from yfcc.errors import TargetError, UsageError
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.check_child import CheckOptions, ChildChecker, OwnChecker
from yfcc.mirror.disk import target_errors
from yfcc.mirror.findings import Damage, Problem, ShardFindings, VerifySummary
from yfcc.mirror.forget import finish_removals
from yfcc.mirror.layout import MEDIA, PROBE_PREFIX
from yfcc.mirror.ledger import list_shards, read_last_seals
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.same_bytes import find_shared_bytes
from yfcc.mirror.shards import format_shards
from yfcc.mirror.verdicts import ShardTask
from yfcc.mirror.verify_journal import VerifyJournal
from yfcc.model import Outcome, shard_of

#: Fewer recorded bytes than this are read before other processes have started.
_BYTES_WORTH_A_PROCESS: Final = 128 << 20

_STEP: Final = re.compile(r"[0-9]{3}")

#: No place for the progress, which is no reason not to read.
_NOT_WRITABLE: Final = frozenset(
    {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT}
)


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
        Where a list of all files that are as recorded goes, as ``sha256sum`` writes it.
    restart : bool
        Do not go on where an earlier verification was.
    bytes_worth_a_process : int
        With fewer recorded bytes, this process does all by itself.
    """

    shards: frozenset[int] | None = None
    n_workers: int = 1
    deep: bool = False
    n_sample: int | None = None
    seed: int = 0
    manifest: Path | None = None
    restart: bool = False
    bytes_worth_a_process: int = _BYTES_WORTH_A_PROCESS


@dataclass(slots=True)
class _Plan:
    """What there is to check."""

    tasks: list[ShardTask]
    n_bytes: int = 0
    damages: list[Damage] = field(default_factory=list)


def verify_mirror(
    mirror: AnyMirror,
    options: VerifyOptions | None = None,
    report: Callable[[VerifySummary], None] | None = None,
) -> VerifySummary:
    """Read again everything that is recorded as stored, and look for what is not recorded.

    Nothing is written but ``ledger/verify.jsonl``: if this process is killed, the next
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
    if isinstance(mirror, BucketMirror):
        if options.manifest is not None:
            raise UsageError(
                f"--manifest: {mirror.root} is in a bucket, where sha256sum reads nothing. Copy "
                "the mirror to a directory and verify it there."
            )
        return None  # nothing can be appended to: a verification begins anew
    if options.n_sample is not None and options.manifest is None:
        return None
    check = CheckOptions(options.deep, options.manifest is not None)
    shards = "all" if options.shards is None else format_shards(options.shards)
    if options.n_sample is not None:
        shards += f", {options.n_sample} items by seed {options.seed}"
    try:
        return VerifyJournal(mirror, check, shards, options.manifest, restart=options.restart)
    except TargetError as error:
        cause = error.__cause__
        is_read_only = isinstance(cause, OSError) and cause.errno in _NOT_WRITABLE
        if options.manifest is not None or not is_read_only:
            raise
        return None


def _plan(mirror: AnyMirror, options: VerifyOptions) -> _Plan:
    # A seal that is damaged is no reason to give up here: the shard's check will say so.
    seals = read_last_seals(mirror)
    shards = list_shards(mirror) if options.shards is None else sorted(options.shards)
    n_stored: Counter[int] = Counter()
    n_bytes = 0
    for shard in shards:
        seal = seals.get(shard)
        if seal is not None:
            n_stored[shard] = seal.counts.get(Outcome.STORED.value, 0)
            n_bytes += seal.n_bytes
    if options.n_sample is not None:
        chosen = _share_out(n_stored, options.n_sample, options.seed)
        share = min(1.0, options.n_sample / max(1, n_stored.total()))
        tasks = [ShardTask(shard, None, n, options.seed) for shard, n in sorted(chosen.items())]
        return _Plan(tasks, int(n_bytes * share))
    leaves, damages = _list_leaves(mirror)
    known = set(shards) | (leaves.keys() if options.shards is None else set())
    tasks = [ShardTask(shard, leaves.get(shard, array("I")).tolist()) for shard in sorted(known)]
    return _Plan(tasks, n_bytes, damages)


def _share_out(n_stored: Counter[int], n_sample: int, seed: int) -> Counter[int]:
    """How many items of each shard are in a sample where every item has the same chance."""
    shards = sorted(n_stored)
    n_sample = min(n_sample, n_stored.total())
    choice = random.Random(seed)  # noqa: S311 - no secret
    counts = [n_stored[shard] for shard in shards]
    return Counter(choice.sample(shards, n_sample, counts=counts)) if n_sample else Counter()


def _list_leaves(mirror: AnyMirror) -> tuple[dict[int, array[int]], list[Damage]]:
    """Directories that may hold items, by shard, as numbers; and names that do not belong there."""
    leaves: dict[int, array[int]] = {}
    strays: list[str] = []
    for top, is_step in _list(mirror, (MEDIA,)):
        if not is_step:
            # A run that is killed leaves its probe behind.
            strays += [] if top.startswith(PROBE_PREFIX) else [f"{MEDIA}/{top}"]
            continue
        for leaf, is_leaf in _list(mirror, (MEDIA, top)):
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
    if isinstance(mirror, BucketMirror):
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
    check = CheckOptions(options.deep, options.manifest is not None)
    n_workers = min(options.n_workers, len(plan.tasks))
    # A bucket is waited for, and one process can wait for many objects.
    is_little = plan.n_bytes < options.bytes_worth_a_process and not options.deep
    if isinstance(mirror, BucketMirror) or n_workers <= 1 or is_little:
        own = OwnChecker(mirror, check)
        try:
            yield from map(own.check, plan.tasks)
        finally:
            own.close()
        return
    with ExitStack() as cleanup:
        idle: SimpleQueue[ChildChecker] = SimpleQueue()
        executor = ThreadPoolExecutor(n_workers, thread_name_prefix="yfcc-verify")
        cleanup.callback(executor.shutdown, cancel_futures=True)
        for _ in range(n_workers):
            child = ChildChecker(Path(mirror.root), check)
            cleanup.callback(child.close)  # before the executor's end: its threads wait for it
            idle.put(child)
        yield from _run(executor, idle, plan.tasks, 2 * n_workers)


def _run(
    executor: ThreadPoolExecutor,
    idle: SimpleQueue[ChildChecker],
    tasks: Sequence[ShardTask],
    n_ahead: int,
) -> Iterator[ShardFindings]:
    def check(task: ShardTask) -> ShardFindings:
        child = idle.get()
        try:
            return child.check(task)
        finally:
            idle.put(child)

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

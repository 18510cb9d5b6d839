"""Group commit: media durable first, then the records that say so, then the counts.

Workers hand in what became of their items and go on to the next; a few threads do nothing but
commit. They take a group at a time: all files of the group are written, synced and renamed, their
directories synced, and only then one commit goes to the ledger of each shard in the group. A
group that does not fill is committed once its oldest item has waited long enough. Whoever hands
in more than the disk takes has to wait, which bounds memory and open files.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from yfcc.mirror.clock import Clock
from yfcc.mirror.hiring import WorkClock
from yfcc.mirror.record import Record, as_not_stored
from yfcc.mirror.shard_ledger import ShardLedger, append_together
from yfcc.mirror.store import Publication, Store
from yfcc.mirror.totals import RunTotals
from yfcc.model import Outcome

#: Threads that commit, each a group at a time: while one waits for the disk to sync, the next
#: writes. A group holds two open files an item and one a directory.
N_COMMITTERS: Final = 2
#: Groups that may wait for them.
_N_WAITING: Final = 2
#: What the record of an item says while its files are replaced.
_BEING_REPLACED: Final = "asked for again, and not stored anew yet"


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """When a group is committed, whichever comes first.

    Attributes
    ----------
    n_records : int
        Items in it.
    n_bytes : int
        Media bytes it holds in memory.
    age_s : float
        Seconds its oldest item has waited.
    """

    n_records: int = 32
    n_bytes: int = 16 << 20
    age_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one item, not durable yet.

    Attributes
    ----------
    ledger : ShardLedger
        Of the item's shard.
    record : Record
        What is to be recorded.
    counts_as : Outcome
        The item's outcome in this run: an adopted item is ``stored`` to the ledger and
        ``already_stored`` to the run.
    publication : Publication or None
        What is to be stored.
    leftovers : tuple of str
        Files of the item that no record will name: removed once the record is durable.
    """

    ledger: ShardLedger
    record: Record
    counts_as: Outcome
    publication: Publication | None = None
    leftovers: tuple[str, ...] = ()


class Committer:
    """Takes entries from many threads and makes them durable in groups.

    Parameters
    ----------
    store : Store
        Keeps media and JSON.
    totals : RunTotals
        Counts what is durable.
    check_claim : callable
        Raises LockedError when the run no longer holds its shards.
    limits : GroupLimits
        When to commit.
    clock : Clock
        Tells a group's age.
    work_clock : WorkClock, optional
        Adds up CPU time.
    """

    def __init__(
        self,
        store: Store,
        totals: RunTotals,
        check_claim: Callable[[], None],
        limits: GroupLimits,
        clock: Clock,
        work_clock: WorkClock | None = None,
    ) -> None:
        self._store = store
        self._totals = totals
        self._check_claim = check_claim
        self._limits = limits
        self._clock = clock
        self._work_clock = work_clock or WorkClock()
        lock = threading.Lock()
        self._is_due = threading.Condition(lock)
        self._has_place = threading.Condition(lock)
        self._waiting: list[Entry] = []
        self._n_bytes_waiting = 0
        self._oldest_s = 0.0
        self._is_urgent = False
        self._is_closed = False
        self._error: BaseException | None = None
        self._executor = ThreadPoolExecutor(N_COMMITTERS, thread_name_prefix="yfcc-commit")

    def start(self) -> None:
        """Begin to commit, until :meth:`close`."""
        for _ in range(N_COMMITTERS):
            self._executor.submit(self._work).add_done_callback(self._note_end)

    def add(self, entry: Entry) -> bool:
        """Hand in an entry, waiting while too many wait already.

        Returns
        -------
        bool
            False if the run has ended and it does not count any more.

        Raises
        ------
        TargetError, LockedError
            A group, this entry's or an earlier one, could not be made durable: nothing of it
            counts, and the run has to stop.
        """
        part = entry.publication.part if entry.publication else None
        with self._has_place:
            while self._is_full() and not self._is_closed and self._error is None:
                self._has_place.wait()
            if self._error is not None:
                raise self._error
            if self._is_closed:
                return False
            if not self._waiting:
                self._oldest_s = self._clock.monotonic()
            self._waiting.append(entry)
            self._n_bytes_waiting += part.n_bytes if part else 0
            # A large part holds an open file: it does not wait.
            self._is_urgent |= part is not None and part.spill is not None
            if self._has_group():
                self._is_due.notify()
        return True

    def commit_aged(self) -> None:
        """Have a group committed whose oldest entry has waited long enough; returns at once.

        Raises
        ------
        TargetError, LockedError
            As in :meth:`add`.
        """
        with self._is_due:
            if self._error is not None:
                raise self._error
            age_s = self._clock.monotonic() - self._oldest_s
            if self._waiting and age_s >= self._limits.age_s:
                self._is_urgent = True
                self._is_due.notify()

    def close(self, *, keep: bool) -> None:
        """Take no more entries, and wait for the groups under way.

        Parameters
        ----------
        keep : bool
            Whether entries that wait are committed. If not they are dropped: their items stay
            untried.

        Raises
        ------
        TargetError, LockedError
            As in :meth:`add`.
        """
        with self._is_due:
            self._is_closed = True
            dropped = [] if keep else self._take_group(len(self._waiting))
            self._is_due.notify_all()
            self._has_place.notify_all()
        self._drop(dropped)
        self._executor.shutdown()
        with self._is_due:
            left = self._take_group(len(self._waiting))
        self._drop(left)
        if self._error is not None:
            raise self._error

    def _is_full(self) -> bool:
        return (
            len(self._waiting) >= _N_WAITING * self._limits.n_records
            or self._n_bytes_waiting >= _N_WAITING * self._limits.n_bytes
        )

    def _has_group(self) -> bool:
        return bool(self._waiting) and (
            self._is_urgent
            or self._is_closed
            or len(self._waiting) >= self._limits.n_records
            or self._n_bytes_waiting >= self._limits.n_bytes
        )

    def _work(self) -> None:
        """Commit groups until the end, or until one of the threads fails."""
        while (group := self._next_group()) is not None:
            try:
                self._commit(group)
            finally:
                self._drop(group)
            self._work_clock.note()

    def _note_end(self, future: Future[None]) -> None:
        error = future.exception()
        with self._is_due:
            self._error = self._error or error
            self._is_due.notify_all()
            self._has_place.notify_all()

    def _next_group(self) -> list[Entry] | None:
        """The next group, waited for; None when there will be no more."""
        with self._is_due:
            while self._error is None:
                if self._has_group():
                    group = self._take_group(self._limits.n_records)
                    if self._has_group():
                        self._is_due.notify()
                    self._has_place.notify_all()
                    return group
                if self._is_closed:
                    break
                self._is_due.wait()
            return None

    def _take_group(self, n_records: int) -> list[Entry]:
        group = self._waiting[:n_records]
        del self._waiting[:n_records]
        self._n_bytes_waiting = sum(
            entry.publication.part.n_bytes for entry in self._waiting if entry.publication
        )
        self._is_urgent = any(
            entry.publication is not None and entry.publication.part.spill is not None
            for entry in self._waiting
        )
        self._oldest_s = self._clock.monotonic()
        return group

    def _commit(self, group: list[Entry]) -> None:
        self._check_claim()
        _take_back([entry for entry in group if entry.publication])
        publications = [entry.publication for entry in group if entry.publication]
        if publications:
            self._store.publish(publications)
        adopted = [
            entry.record.photo_id
            for entry in group
            if entry.publication is None and entry.record.outcome is Outcome.STORED
        ]
        if adopted:  # by a run that may have been killed before it could sync their names
            self._store.keep_names(adopted)
        by_ledger = _record([(entry, entry.record) for entry in group])
        for entries in by_ledger.values():
            self._count(entries)
        for entry in group:
            if entry.leftovers:
                self._store.remove(entry.record.photo_id, entry.leftovers)

    def _count(self, entries: list[Entry]) -> None:
        new = [entry.record.n_bytes or 0 for entry in entries if entry.publication]
        n_adopted = sum(
            entry.counts_as is Outcome.ALREADY_STORED and entry.record.outcome is Outcome.STORED
            for entry in entries
        )
        outcomes = Counter(entry.counts_as for entry in entries)
        # All entries of a commit are of one ledger, and so of one shard.
        by_shard = {entries[0].ledger.shard: len(entries)}
        self._totals.add(outcomes, sum(new), n_adopted, by_shard)
        self._totals.add_errors(entry.record.first_error for entry in entries)

    @staticmethod
    def _drop(group: list[Entry]) -> None:
        for entry in group:
            if entry.publication:
                entry.publication.part.discard()


def _record(records: Iterable[tuple[Entry, Record]]) -> dict[ShardLedger, list[Entry]]:
    """Add a record of each entry to its ledger; the entries by ledger."""
    entries: dict[ShardLedger, list[Entry]] = defaultdict(list)
    commits: dict[ShardLedger, list[Record]] = defaultdict(list)
    for entry, record in records:
        entries[entry.ledger].append(entry)
        commits[entry.ledger].append(record)
    append_together(list(commits.items()))
    return entries


def _take_back(group: list[Entry]) -> None:
    """Record of stored items that they are to be stored anew, before their files are replaced.

    A run that asks again may be killed between the files and the records. What lies there then
    is other than recorded; the next run looks for it on disk, as for any item that is not stored.
    """
    again = [
        (entry, as_not_stored(entry.record, _BEING_REPLACED))
        for entry in group
        if entry.ledger.outcome_of(entry.record.photo_id) is Outcome.STORED
    ]
    if again:
        _record(again)

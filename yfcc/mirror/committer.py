"""Group commit: media durable first, then the records that say so, then the counts.

Workers hand in what became of their items. Whichever of them fills a group commits it, with
its own thread: all files of the group are written, synced and renamed, their directories
synced, and only then one commit goes to the ledger of each shard in the group. A group that does
not fill is committed once its oldest item has waited long enough. A few groups may be under way
at a time: a slow disk serves several better than one, and a bound on them bounds memory and
open files.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from yfcc.mirror.appending import ShardLedger
from yfcc.mirror.clock import Clock
from yfcc.mirror.record import Record
from yfcc.mirror.store import Publication, Store
from yfcc.mirror.totals import RunTotals
from yfcc.model import Outcome

#: Groups under way at a time. Each holds two open files an item and one a directory.
N_SLOTS: Final = 4


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
    """

    def __init__(
        self,
        store: Store,
        totals: RunTotals,
        check_claim: Callable[[], None],
        limits: GroupLimits,
        clock: Clock,
    ) -> None:
        self._store = store
        self._totals = totals
        self._check_claim = check_claim
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(N_SLOTS)
        self._waiting: list[Entry] = []
        self._n_bytes_waiting = 0
        self._oldest_s = 0.0
        self._is_closed = False

    def add(self, entry: Entry) -> bool:
        """Hand in an entry; False if the run has ended and it does not count any more.

        The call may commit a group, this entry's or an earlier one.

        Raises
        ------
        TargetError, LockedError
            A group could not be made durable: nothing of it counts, and the run has to stop.
        """
        part = entry.publication.part if entry.publication else None
        with self._lock:
            if self._is_closed:
                return False
            if not self._waiting:
                self._oldest_s = self._clock.monotonic()
            self._waiting.append(entry)
            self._n_bytes_waiting += part.n_bytes if part else 0
            is_due = (
                len(self._waiting) >= self._limits.n_records
                or self._n_bytes_waiting >= self._limits.n_bytes
                # A large part holds an open file: it does not wait.
                or (part is not None and part.spill is not None)
            )
        if is_due:
            self._commit_group()
        return True

    def commit_aged(self) -> None:
        """Commit a group whose oldest entry has waited long enough.

        Raises
        ------
        TargetError, LockedError
            As in :meth:`add`.
        """
        with self._lock:
            age_s = self._clock.monotonic() - self._oldest_s
            is_due = bool(self._waiting) and age_s >= self._limits.age_s
        if is_due:
            self._commit_group()

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
        with self._lock:
            self._is_closed = True
        try:
            while keep and self._waiting:
                self._commit_group()
        finally:
            with ExitStack() as slots:
                for _ in range(N_SLOTS):
                    slots.enter_context(self._slots)
                self._drop(self._take_group(len(self._waiting)))

    def _commit_group(self) -> None:
        with self._slots:
            group = self._take_group(self._limits.n_records)
            if group:
                try:
                    self._commit(group)
                finally:
                    self._drop(group)

    def _take_group(self, n_records: int) -> list[Entry]:
        with self._lock:
            group = self._waiting[:n_records]
            del self._waiting[:n_records]
            self._n_bytes_waiting = sum(
                entry.publication.part.n_bytes for entry in self._waiting if entry.publication
            )
            self._oldest_s = self._clock.monotonic()
        return group

    def _commit(self, group: list[Entry]) -> None:
        self._check_claim()
        publications = [entry.publication for entry in group if entry.publication]
        if publications:
            self._store.publish(publications)
        by_ledger: dict[ShardLedger, list[Entry]] = defaultdict(list)
        for entry in group:
            by_ledger[entry.ledger].append(entry)
        for ledger, entries in by_ledger.items():
            ledger.append([entry.record for entry in entries])
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
        self._totals.add(Counter(entry.counts_as for entry in entries), sum(new), n_adopted)

    @staticmethod
    def _drop(group: list[Entry]) -> None:
        for entry in group:
            if entry.publication:
                entry.publication.part.discard()

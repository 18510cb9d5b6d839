"""What is known of one shard's items, wherever its ledger lies."""

from __future__ import annotations

import threading
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from yfcc.mirror.ledger import Seal, encode_seal, find_committed
from yfcc.mirror.record import Record, encode_record
from yfcc.model import Outcome


@dataclass(frozen=True, slots=True)
class SealedRecords:
    """Records on their way to a shard's ledger.

    Attributes
    ----------
    records : sequence of Record
    content : bytes
        Their lines, sealed.
    counts : Counter of str
        Items of the shard by outcome, once they count.
    n_bytes : int
        Bytes of the stored ones, then.
    """

    records: Sequence[Record]
    content: bytes
    counts: Counter[str]
    n_bytes: int


class ShardLedger(ABC):
    """The outcomes of one shard, read when it is made; who writes more takes them in.

    Memory is about 100 bytes an item of the shard.

    Parameters
    ----------
    shard : int
        0 to 4095.
    check_claim : callable
        Raises LockedError when the shard is no longer held.

    Attributes
    ----------
    lock : threading.Lock
        Held while a commit is under way.
    """

    def __init__(self, shard: int, check_claim: Callable[[], None]) -> None:
        self.shard = shard
        self.check_claim = check_claim
        self.lock = threading.Lock()
        committed = find_committed(self.read())
        self._outcomes = committed.read_outcomes()
        self._sizes: dict[int, int] | None = None
        self._counts = Counter(outcome.value for outcome in self._outcomes.values())
        self._n_bytes = committed.seal.n_bytes if committed.seal else 0
        if committed.n_damaged_bytes:  # the seal counts items that are lost
            self._sizes = committed.read_sizes()
            self._n_bytes = sum(self._sizes.values())
        self.end_of_commits = committed.end

    @property
    @abstractmethod
    def name(self) -> str:
        """Where the ledger lies, for messages."""

    @abstractmethod
    def read(self) -> bytes:
        """All that the ledger holds."""

    @classmethod
    @abstractmethod
    def append_all(cls, commits: Sequence[tuple[ShardLedger, Sequence[Record]]]) -> None:
        """Add a commit to each of several ledgers of this kind, whose locks are held.

        Raises
        ------
        TargetError, LockedError
            None of the records counts in this run.
        """

    def outcome_of(self, photo_id: int) -> Outcome | None:
        """Latest outcome of an item; None if nothing is known of it."""
        return self._outcomes.get(photo_id)

    def append(self, records: Sequence[Record]) -> None:
        """Add records in one commit; they are durable on return.

        Raises
        ------
        TargetError
            The place refused; none of the records counts.
        LockedError
            Another process holds the shard by now; none of the records counts.
        """
        append_together([(self, records)])

    def seal(self, records: Sequence[Record]) -> SealedRecords:
        """The records as a commit that would be the next."""
        lines = b"".join(map(encode_record, records))
        counts, n_bytes = self._count_with(records)
        seal = Seal(len(records), zlib.crc32(lines), +counts, n_bytes)
        return SealedRecords(records, lines + encode_seal(seal), counts, n_bytes)

    def take_in(self, sealed: SealedRecords) -> None:
        """From now on the records count."""
        self.end_of_commits += len(sealed.content)
        self._counts, self._n_bytes = sealed.counts, sealed.n_bytes
        for record in sealed.records:
            self._outcomes[record.photo_id] = record.outcome
            if self._sizes is None:
                continue
            if record.outcome is Outcome.STORED:
                self._sizes[record.photo_id] = record.n_bytes or 0
            else:
                self._sizes.pop(record.photo_id, None)

    def _size_of(self, photo_id: int) -> int:
        """Bytes of a stored item; seldom asked for, and so read when it first is."""
        if self._sizes is None:
            self._sizes = find_committed(self.read()).read_sizes()
        return self._sizes.get(photo_id, 0)

    def _count_with(self, records: Sequence[Record]) -> tuple[Counter[str], int]:
        """Items by outcome, and bytes of the stored ones, once the records count."""
        counts, n_bytes = self._counts.copy(), self._n_bytes
        for record in {record.photo_id: record for record in records}.values():
            before = self._outcomes.get(record.photo_id)
            if before is not None:
                counts[before.value] -= 1
            if before is Outcome.STORED:
                n_bytes -= self._size_of(record.photo_id)
            counts[record.outcome.value] += 1
            if record.outcome is Outcome.STORED:
                n_bytes += record.n_bytes or 0
        return counts, n_bytes


def append_together(commits: Sequence[tuple[ShardLedger, Sequence[Record]]]) -> None:
    """Add a commit to each of several ledgers of one mirror; all are durable on return.

    Parameters
    ----------
    commits : sequence of (ShardLedger, sequence of Record)
        Each ledger once.

    Raises
    ------
    TargetError
        The place refused; none of the records counts.
    LockedError
        Another process holds the shards by now; none of the records counts.
    """
    in_order = sorted(commits, key=lambda commit: commit[0].shard)  # none waits in a circle
    with ExitStack() as held:
        for ledger, _ in in_order:
            held.enter_context(ledger.lock)
        first = in_order[0][0]
        first.check_claim()
        first.append_all(in_order)

"""Writing the ledger: one shard's file, one commit at a time."""

from __future__ import annotations

import os
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import orjson

from yfcc.errors import LockedError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER, ledger_name
from yfcc.mirror.ledger import Seal, encode_seal, find_committed, read_shard
from yfcc.mirror.record import Record, encode_record
from yfcc.mirror.root import Mirror
from yfcc.mirror.tree import PRIVATE_FILE_MODE
from yfcc.model import Outcome

_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


class ShardLedger:
    """The outcomes of one shard: what is known, and how more is added durably.

    The caller holds the shard (:mod:`yfcc.mirror.claim`). Should that lock have been defeated,
    the file's size gives the other writer away, and nothing is added.

    Memory is about 150 bytes an item of the shard; no file stays open.

    Parameters
    ----------
    mirror : Mirror
        Where the file lies.
    shard : int
        0 to 4095.
    check_claim : callable
        Raises LockedError when the shard is no longer held; called before every commit.
    """

    def __init__(self, mirror: Mirror, shard: int, check_claim: Callable[[], None]) -> None:
        self.shard = shard
        self._mirror = mirror
        self._check_claim = check_claim
        self._lock = threading.Lock()
        self._outcomes: dict[int, Outcome] = {}
        self._sizes: dict[int, int] = {}
        committed = find_committed(read_shard(mirror, shard))
        for line in committed.iter_lines():
            found = orjson.loads(line)
            self._take_in(found["photo_id"], _OUTCOMES[found["outcome"]], found["n_bytes"])
        self._counts = Counter(outcome.value for outcome in self._outcomes.values())
        self._n_bytes = sum(self._sizes.values())
        self._end = committed.end
        self._may_be_torn = True

    @property
    def name(self) -> str:
        """The file's path, for messages."""
        return self._mirror.name(LEDGER, ledger_name(self.shard))

    def outcome_of(self, photo_id: int) -> Outcome | None:
        """Latest outcome of an item; None if nothing is known of it."""
        return self._outcomes.get(photo_id)

    def append(self, records: Sequence[Record]) -> None:
        """Add records in one commit; they are durable on return.

        Raises
        ------
        TargetError
            The disk refused; none of the records counts.
        LockedError
            Another process holds the shard by now; none of the records counts.
        """
        with self._lock:
            lines = b"".join(map(encode_record, records))
            counts, n_bytes = self._count_with(records)
            seal = Seal(len(records), zlib.crc32(lines), +counts, n_bytes)
            content = lines + encode_seal(seal)
            self._check_claim()
            with target_errors(f"write {self.name}"):
                self._append_bytes(content)
            self._may_be_torn = False
            self._end += len(content)
            self._counts, self._n_bytes = counts, n_bytes
            for record in records:
                self._take_in(record.photo_id, record.outcome, record.n_bytes)

    def _take_in(self, photo_id: int, outcome: Outcome, n_bytes: int | None) -> None:
        self._outcomes[photo_id] = outcome
        if outcome is Outcome.STORED:
            self._sizes[photo_id] = n_bytes or 0
        else:
            self._sizes.pop(photo_id, None)

    def _count_with(self, records: Sequence[Record]) -> tuple[Counter[str], int]:
        """Items by outcome, and bytes of the stored ones, once the records count."""
        counts, n_bytes = self._counts.copy(), self._n_bytes
        for record in {record.photo_id: record for record in records}.values():
            before = self._outcomes.get(record.photo_id)
            if before is not None:
                counts[before.value] -= 1
                n_bytes -= self._sizes.get(record.photo_id, 0)
            counts[record.outcome.value] += 1
            if record.outcome is Outcome.STORED:
                n_bytes += record.n_bytes or 0
        return counts, n_bytes

    def _append_bytes(self, content: bytes) -> None:
        disk = self._mirror.disk
        ledger_fd = self._mirror.open_directory(LEDGER)
        try:
            fd = disk.open(ledger_name(self.shard), _APPEND, PRIVATE_FILE_MODE, dir_fd=ledger_fd)
            try:
                self._cut_torn_end(fd)
                self._write_or_take_back(fd, content, ledger_fd)
            finally:
                disk.close(fd)
        finally:
            os.close(ledger_fd)

    def _cut_torn_end(self, fd: int) -> None:
        n_bytes = os.fstat(fd).st_size
        if n_bytes == self._end:
            return
        if n_bytes < self._end or not self._may_be_torn:
            raise LockedError(
                f"{self.name} has {n_bytes} bytes, this run left it with {self._end}: another "
                "process writes to the mirror; stop one of the two and run again"
            )
        self._mirror.disk.truncate(fd, self._end)

    def _write_or_take_back(self, fd: int, content: bytes, ledger_fd: int) -> None:
        """Write and sync; on an error leave nothing that could pass for committed.

        After a failed fsync the pages count as clean, though they never reached the disk: the
        commit would look whole until the next power cut.
        """
        disk = self._mirror.disk
        self._may_be_torn = True
        try:
            disk.write_all(fd, content)
            disk.fdatasync(fd)
            if self._end == 0:
                disk.fsync(ledger_fd)  # the file may be new: its name has to last as well
        except OSError:
            with suppress(OSError):  # the error that counts is the first
                disk.truncate(fd, self._end)
            raise

"""Writing the ledger: commits to the files of one or several shards, durable together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from yfcc.errors import LockedError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER, ledger_name
from yfcc.mirror.ledger import read_shard
from yfcc.mirror.record import Record
from yfcc.mirror.root import Mirror
from yfcc.mirror.shard_ledger import SealedRecords, ShardLedger
from yfcc.mirror.tree import PRIVATE_FILE_MODE

_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class _Commit:
    """Records on their way to the end of one shard's file.

    Attributes
    ----------
    sealed : SealedRecords
    fd : int
        The file, open.
    is_first : bool
        Whether nothing was committed to the file before: its name may be new.
    """

    sealed: SealedRecords
    fd: int
    is_first: bool


class FileLedger(ShardLedger):
    """The ledger of one shard in a file that grows; no file stays open.

    The caller holds the shard (:mod:`yfcc.mirror.claim`). Should that lock have been defeated,
    the file's size gives the other writer away, and nothing is added.

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
        self._mirror = mirror
        self._may_be_torn = True
        super().__init__(shard, check_claim)

    @property
    def name(self) -> str:
        """The file's path, for messages."""
        return self._mirror.name(LEDGER, ledger_name(self.shard))

    def read(self) -> bytes:
        """The whole file; empty if there is none."""
        return read_shard(self._mirror, self.shard)

    @classmethod
    def append_all(cls, commits: Sequence[tuple[ShardLedger, Sequence[Record]]]) -> None:
        """Add a commit to each of several ledgers of one mirror, whose locks are held.

        All are written before the first is synced, so that one commit of the file system's
        journal serves many, and the folder is synced once for all files that are new.
        """
        own = [(ledger, records) for ledger, records in commits if isinstance(ledger, cls)]
        first = own[0][0]
        with target_errors(f"open the folder of {first.name}"):
            ledger_fd = first.open_folder()
        try:
            _write_all(own, ledger_fd)
        finally:
            os.close(ledger_fd)

    def open_folder(self) -> int:
        """Descriptor of the folder that all ledgers of the mirror lie in."""
        return self._mirror.open_directory(LEDGER)

    def sync_folder(self, ledger_fd: int) -> None:
        """Make the names of new ledgers durable."""
        self._mirror.disk.fsync(ledger_fd)

    def begin(self, records: Sequence[Record], ledger_fd: int) -> _Commit:
        """Open the file for one commit; nothing is written yet, and the lock is held.

        Raises
        ------
        OSError
            The file cannot be opened.
        LockedError
            Another process wrote to it.
        """
        disk = self._mirror.disk
        fd = disk.open(ledger_name(self.shard), _APPEND, PRIVATE_FILE_MODE, dir_fd=ledger_fd)
        try:
            self._cut_torn_end(fd)
        except (OSError, LockedError):
            disk.close(fd)
            raise
        return _Commit(self.seal(records), fd, self.end_of_commits == 0)

    def write(self, commit: _Commit) -> None:
        """Write a commit, not durable yet."""
        self._may_be_torn = True
        self._mirror.disk.write_all(commit.fd, commit.sealed.content)

    def sync(self, commit: _Commit) -> None:
        """Make a commit's content durable."""
        self._mirror.disk.fdatasync(commit.fd)

    def end(self, commit: _Commit, *, is_durable: bool) -> None:
        """Close the file of a commit, which counts from now on, or of which nothing is left.

        After a failed fsync the pages count as clean, though they never reached the disk: the
        commit would look whole until the next power cut.
        """
        disk = self._mirror.disk
        if not is_durable:
            with suppress(OSError):  # the error that counts is the first
                disk.truncate(commit.fd, self.end_of_commits)
            with suppress(OSError):
                disk.close(commit.fd)
            return
        with target_errors(f"write {self.name}"):
            disk.close(commit.fd)
        self._may_be_torn = False
        self.take_in(commit.sealed)

    def _cut_torn_end(self, fd: int) -> None:
        n_bytes = os.fstat(fd).st_size
        if n_bytes == self.end_of_commits:
            return
        if n_bytes < self.end_of_commits or not self._may_be_torn:
            raise LockedError(
                f"{self.name} has {n_bytes} bytes, this run left it with {self.end_of_commits}: "
                "another process writes to the mirror; stop one of the two and run again"
            )
        self._mirror.disk.truncate(fd, self.end_of_commits)


def _write_all(commits: Sequence[tuple[FileLedger, Sequence[Record]]], ledger_fd: int) -> None:
    begun: list[tuple[FileLedger, _Commit]] = []
    is_durable = False
    try:
        for ledger, records in commits:
            with target_errors(f"write {ledger.name}"):
                commit = ledger.begin(records, ledger_fd)
                begun.append((ledger, commit))
                ledger.write(commit)
        for ledger, commit in begun:
            with target_errors(f"write {ledger.name}"):
                ledger.sync(commit)
        new = [ledger for ledger, commit in begun if commit.is_first]
        if new:  # their names have to last as well
            with target_errors(f"write {new[0].name}"):
                new[0].sync_folder(ledger_fd)
        is_durable = True
    finally:
        with ExitStack() as ending:  # each of them, also if one fails
            for ledger, commit in begun:
                ending.callback(ledger.end, commit, is_durable=is_durable)

"""Lines that tell how far something long has come, kept in the mirror so that a kill costs little.

On a disk they are appended to ``ledger/<name>.jsonl``, held by ``flock``. Nothing can be appended
to an object: for buckets see :mod:`yfcc.mirror.bucket.journal`. Whoever writes a journal reads it
first, cuts off what does not count, and appends to the rest.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Protocol

from yfcc.errors import LockedError, TargetError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.tree import PRIVATE_FILE_MODE

_READ_BYTES: Final = 1 << 20

#: There is no place for lines, which is no reason not to read the mirror.
_NOT_WRITABLE: Final = frozenset(
    {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT}
)


class Journal(Protocol):
    """Lines, each added after what it tells of; held by one process until it is closed.

    Every method raises TargetError where the mirror cannot be read or written, and LockedError
    where another process holds the journal by now.
    """

    @property
    def name(self) -> str:
        """Where it is, for messages."""

    def read(self) -> Iterator[bytes]:
        """Whole lines without their newlines, oldest first; before anything is appended."""

    def cut(self, n_bytes: int) -> None:
        """Forget all after so many bytes of whole lines; that all was forgotten is durable."""

    def append(self, content: bytes) -> None:
        """Add whole lines: they outlast the process soon, and a power cut later."""

    def sync(self) -> None:
        """Make durable what was appended."""

    def close(self) -> None:
        """Let others have it; lines stay."""


class FileJournal:
    """A journal in a directory.

    Parameters
    ----------
    mirror : Mirror
    thing : str
        What it is about, one word: names the file.
    said : str
        What is being done to the mirror, for messages: a participle.

    Raises
    ------
    LockedError
        Another process holds it.
    TargetError
        It cannot be written.
    """

    def __init__(self, mirror: Mirror, thing: str, said: str) -> None:
        self._disk = mirror.disk
        file = journal_file(thing)
        self.name = mirror.name(LEDGER, file)
        with target_errors(f"write {self.name}"):
            ledger_fd = mirror.open_directory(LEDGER)
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
                self._fd = self._disk.open(file, flags, PRIVATE_FILE_MODE, dir_fd=ledger_fd)
            finally:
                os.close(ledger_fd)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise LockedError(
                f"{mirror.root} is being {said} by another process: wait until it ends"
            ) from error

    def read(self) -> Iterator[bytes]:
        """Whole lines without their newlines, oldest first."""
        rest, place = b"", 0
        while True:
            with target_errors(f"read {self.name}"):
                piece = os.pread(self._fd, _READ_BYTES, place)
            if not piece:
                return  # what is left is torn
            place += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines

    def cut(self, n_bytes: int) -> None:
        """Forget all after so many bytes of whole lines."""
        with target_errors(f"write {self.name}"):
            self._disk.truncate(self._fd, n_bytes)
            if not n_bytes:
                self._disk.fdatasync(self._fd)

    def append(self, content: bytes) -> None:
        """Add whole lines."""
        with target_errors(f"write {self.name}"):
            self._disk.write_all(self._fd, content)

    def sync(self) -> None:
        """Make durable what was appended."""
        with target_errors(f"write {self.name}"):
            self._disk.fdatasync(self._fd)

    def close(self) -> None:
        """Let others have it."""
        os.close(self._fd)


def open_journal(mirror: AnyMirror, thing: str, said: str, save_every_s: float) -> Journal:
    """A journal of a mirror, made if there is none.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    thing : str
        What it is about, one word.
    said : str
        What is being done to the mirror, for messages: a participle.
    save_every_s : float
        Seconds between two writes to a bucket, where each is a whole object.

    Raises
    ------
    LockedError
        Another process holds it.
    TargetError
        It cannot be written; see :func:`is_unwritable`.
    """
    if isinstance(mirror, Mirror):
        return FileJournal(mirror, thing, said)
    from yfcc.mirror.bucket.journal import ObjectJournal  # noqa: PLC0415

    return ObjectJournal(mirror, thing, said, save_every_s)


def is_unwritable(error: TargetError) -> bool:
    """Whether an error says that the mirror is full or may not be written, not that it fails."""
    cause = error.__cause__
    if isinstance(cause, OSError):
        return cause.errno in _NOT_WRITABLE
    from yfcc.mirror.bucket.journal import is_refusal  # noqa: PLC0415

    return isinstance(cause, Exception) and is_refusal(cause)


def empty_journal(mirror: AnyMirror, thing: str) -> None:
    """Forget what a journal tells, durably; one that is being written is left to its writer.

    Raises
    ------
    TargetError
        The mirror cannot be written.
    """
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket.journal import remove_parts  # noqa: PLC0415

        remove_parts(mirror, thing)
        return
    with target_errors(f"write {mirror.name(LEDGER, journal_file(thing))}"):
        ledger_fd = mirror.open_directory(LEDGER)
        try:
            fd = mirror.disk.open(journal_file(thing), os.O_RDWR | os.O_NOFOLLOW, dir_fd=ledger_fd)
        except FileNotFoundError:
            return
        finally:
            os.close(ledger_fd)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mirror.disk.truncate(fd, 0)
                mirror.disk.fdatasync(fd)
        finally:
            os.close(fd)


def journal_file(thing: str) -> str:
    """Name of a journal's file in a directory."""
    return f"{thing}.jsonl"

"""One builder at a time, and a file that appears whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yfcc.errors import LockedError, TargetError


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that this process holds.

    Attributes
    ----------
    path : Path
    descriptor : int
    """

    path: Path
    descriptor: int

    @property
    def is_ours(self) -> bool:
        """Whether others would find it held: somebody may have deleted the file."""
        return _is_same_file(self.descriptor, self.path)

    def check(self) -> None:
        """Make sure of that, before something is written that another may write as well.

        Raises
        ------
        LockedError
            The file was deleted or replaced.
        """
        if not self.is_ours:
            raise LockedError(
                f"{self.path} was deleted while this process held it, so another may be at work "
                "there by now. Leave lock files alone, and run again."
            )


@contextmanager
def exclusive_lock(path: Path) -> Iterator[HeldLock]:
    """Hold ``flock`` on a file that is never deleted.

    Raises
    ------
    LockedError
        Another process holds it; the message has its number.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise LockedError(
                f"{path}: process {holder} is at work there. Wait until it is done, or end it."
            ) from error
        # A deleted lock file gives a second lock: hold only the one that others will find.
        if not _is_same_file(descriptor, path):
            raise LockedError(f"{path}: the lock file was replaced meanwhile. Run again.")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield HeldLock(path, descriptor)
    finally:
        os.close(descriptor)


def find_holder(path: Path) -> str | None:
    """Number of the process that holds a lock, or ``unknown``; None if nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        # Shared: two that ask at once do not take each other for a holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return None


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)


def publish(built: Path, target: Path) -> None:
    """Give a finished file its name, durably; it must be closed.

    Raises
    ------
    OSError
        The file has not got its name.
    TargetError
        It has, and may lose it to a power cut.
    """
    descriptor = os.open(built, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    built.replace(target)
    try:
        fsync_directory(target.parent)
    except OSError as error:
        raise TargetError(
            f"{target} is written and whole, but a power cut may take its name away: "
            f"{error.strerror}. Look at the system's log before you trust the disk, then run again."
        ) from error


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file that appears whole or not at all, also when the power fails."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    publish(part, path)


def fsync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

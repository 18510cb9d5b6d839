"""Disks that break on command, and one that remembers."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections import Counter
from pathlib import Path

from yfcc.mirror.disk import Disk


class FailingDisk(Disk):
    """A disk whose n-th call of one kind fails, and no other.

    Parameters
    ----------
    operation : str
        Name of the method.
    n : int
        Which call fails, from 1.
    code : int
        The system's number for the error.
    """

    def __init__(self, operation: str, n: int, code: int = errno.EIO) -> None:
        self.operation = operation
        self.n = n
        self.code = code
        self.n_calls = 0
        self._lock = threading.Lock()

    @property
    def has_failed(self) -> bool:
        return self.n_calls >= self.n

    def _count(self, operation: str) -> None:
        if operation != self.operation:
            return
        with self._lock:
            self.n_calls += 1
            fails = self.n_calls == self.n
        if fails:
            raise OSError(self.code, os.strerror(self.code))

    def open(self, name, flags, mode=0o600, *, dir_fd):
        self._count("open")
        return super().open(name, flags, mode, dir_fd=dir_fd)

    def mkdir(self, name, *, dir_fd):
        self._count("mkdir")
        super().mkdir(name, dir_fd=dir_fd)

    def write(self, fd, content):
        try:
            self._count("write")
        except OSError:
            # As a full disk does it: a piece arrives, then the error.
            super().write(fd, memoryview(content)[: len(content) // 2])
            raise
        return super().write(fd, content)

    def fsync(self, fd):
        self._count("fsync")
        super().fsync(fd)

    def fdatasync(self, fd):
        self._count("fdatasync")
        super().fdatasync(fd)

    def truncate(self, fd, n_bytes):
        self._count("truncate")
        super().truncate(fd, n_bytes)

    def close(self, fd):
        super().close(fd)
        self._count("close")

    def rename(self, name, new_name, *, from_fd, to_fd):
        self._count("rename")
        super().rename(name, new_name, from_fd=from_fd, to_fd=to_fd)

    def link(self, name, new_name, *, dir_fd):
        self._count("link")
        super().link(name, new_name, dir_fd=dir_fd)

    def unlink(self, name, *, dir_fd):
        self._count("unlink")
        super().unlink(name, dir_fd=dir_fd)

    def rmdir(self, name, *, dir_fd):
        self._count("rmdir")
        super().rmdir(name, dir_fd=dir_fd)

    def measure_space(self, fd):
        self._count("measure_space")
        return super().measure_space(fd)


class CountingDisk(FailingDisk):
    """A disk that never fails, and counts the calls of every kind."""

    def __init__(self) -> None:
        super().__init__("", 1)
        self.counts: Counter[str] = Counter()

    def _count(self, operation: str) -> None:
        with self._lock:
            self.counts[operation] += 1


class SmallDisk(Disk):
    """A disk with room for so many bytes: a write that does not fit arrives in part."""

    def __init__(self, n_bytes: int, code: int = errno.ENOSPC) -> None:
        self.n_bytes_left = n_bytes
        self.code = code

    def write(self, fd, content):
        n_bytes = min(len(content), self.n_bytes_left)
        if n_bytes == 0 and len(content) > 0:
            raise OSError(self.code, os.strerror(self.code))
        self.n_bytes_left -= n_bytes
        return super().write(fd, memoryview(content)[:n_bytes])

    def measure_space(self, fd):
        return 1 << 40, 1 << 40


class PiecemealDisk(Disk):
    """A disk that takes 100 bytes at a time."""

    def write(self, fd, content):
        return super().write(fd, memoryview(content)[:100])


class RecordingDisk(Disk):
    """A disk that remembers what was done, with the paths that were meant."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def _path(self, fd: int) -> str:
        return str(Path(f"/proc/self/fd/{fd}").readlink())

    def write(self, fd, content):
        self.calls.append(("write", self._path(fd)))
        return super().write(fd, content)

    def fsync(self, fd):
        self.calls.append(("fsync", self._path(fd)))
        super().fsync(fd)

    def fdatasync(self, fd):
        self.calls.append(("fdatasync", self._path(fd)))
        super().fdatasync(fd)

    def truncate(self, fd, n_bytes):
        self.calls.append(("truncate", self._path(fd)))
        super().truncate(fd, n_bytes)

    def close(self, fd):
        self.calls.append(("close", self._path(fd)))
        super().close(fd)

    def mkdir(self, name, *, dir_fd):
        self.calls.append(("mkdir", f"{self._path(dir_fd)}/{name}"))
        super().mkdir(name, dir_fd=dir_fd)

    def rename(self, name, new_name, *, from_fd, to_fd):
        self.calls.append(("renamed", f"{self._path(from_fd)}/{name}"))
        self.calls.append(("rename", f"{self._path(to_fd)}/{new_name}"))
        super().rename(name, new_name, from_fd=from_fd, to_fd=to_fd)


class KillingDisk(FailingDisk):
    """A disk whose process is killed in the n-th call of one kind: before it, or half through."""

    def _count(self, operation: str) -> None:
        try:
            super()._count(operation)
        except OSError:
            if operation == "write":
                raise  # the piece is written first
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, fd, content):
        try:
            return super().write(fd, content)
        except OSError:
            os.kill(os.getpid(), signal.SIGKILL)
            raise


class DyingDisk(Disk):
    """A disk that is gone from its n-th change on: what a kill at that moment leaves behind.

    Nothing after it arrives, whatever is done to tidy up, and only half of a write.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.n_changes = 0
        self._lock = threading.Lock()

    def _change(self) -> None:
        with self._lock:
            self.n_changes += 1
            is_gone = self.n_changes >= self.n
        if is_gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def open(self, name, flags, mode=0o600, *, dir_fd):
        if flags & os.O_CREAT:
            self._change()
        return super().open(name, flags, mode, dir_fd=dir_fd)

    def mkdir(self, name, *, dir_fd):
        self._change()
        super().mkdir(name, dir_fd=dir_fd)

    def write(self, fd, content):
        try:
            self._change()
        except OSError:
            if self.n_changes == self.n:
                super().write(fd, memoryview(content)[: len(content) // 2])
            raise
        return super().write(fd, content)

    def fsync(self, fd):
        self._change()
        super().fsync(fd)

    def fdatasync(self, fd):
        self._change()
        super().fdatasync(fd)

    def truncate(self, fd, n_bytes):
        self._change()
        super().truncate(fd, n_bytes)

    def rename(self, name, new_name, *, from_fd, to_fd):
        self._change()
        super().rename(name, new_name, from_fd=from_fd, to_fd=to_fd)

    def link(self, name, new_name, *, dir_fd):
        self._change()
        super().link(name, new_name, dir_fd=dir_fd)

    def unlink(self, name, *, dir_fd):
        self._change()
        super().unlink(name, dir_fd=dir_fd)

    def rmdir(self, name, *, dir_fd):
        self._change()
        super().rmdir(name, dir_fd=dir_fd)

"""The operations of the target disk, as an object that tests can make fail at the n-th call.

Everything the mirror changes on disk passes through a :class:`Disk`; everything the operating
system refuses leaves this room as a :class:`~yfcc.errors.TargetError`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from yfcc.errors import TargetError

_FULL: Final = "it is full: free space there and run again"
_READ_ONLY: Final = "it may not be written: check the mount and its permissions, or choose another"
_FAILING: Final = "the disk failed: look at the system's log before you trust it again"
_NOT_OURS: Final = (
    "a symbolic link or a foreign file stands where the mirror wants its own: move it away"
)
_MANY_FILES: Final = "too many open files: raise the limit (ulimit -n) or use fewer workers"

#: What the user can do about it, by the system's number for the error.
_ADVICE: Final[dict[int, str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the quota is used up: free space there and run again",
    errno.EFBIG: "a file is larger than the limit allows (ulimit -f)",
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EIO: _FAILING,
    errno.ELOOP: _NOT_OURS,
    errno.ENOTDIR: _NOT_OURS,
    errno.EISDIR: _NOT_OURS,
    errno.EMFILE: _MANY_FILES,
    errno.ENFILE: _MANY_FILES,
    errno.EXDEV: "the folders of a mirror have to lie on one file system",
}


class Disk:
    """The operating system's own calls, one a method.

    Names are relative to the directory of the file descriptor that comes with them, so that a
    path is never looked up twice.
    """

    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int) -> int:
        """File descriptor of an opened or new file."""
        return os.open(name, flags | os.O_CLOEXEC, mode, dir_fd=dir_fd)

    def mkdir(self, name: str, *, dir_fd: int) -> None:
        """A new directory, readable by all, writable by its owner."""
        os.mkdir(name, 0o755, dir_fd=dir_fd)

    def write(self, fd: int, content: bytes | bytearray | memoryview) -> int:
        """Number of bytes written: perhaps not all of them."""
        return os.write(fd, content)

    def begin_writing(self, fd: int) -> None:
        """Have the system begin to write a file's bytes; returns at once, and promises nothing."""
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # a file system need not know this
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def fsync(self, fd: int) -> None:
        """Data and metadata are durable on return."""
        os.fsync(fd)

    def fdatasync(self, fd: int) -> None:
        """Data and size are durable on return."""
        if hasattr(os, "fdatasync"):
            os.fdatasync(fd)
        else:
            os.fsync(fd)

    def truncate(self, fd: int, n_bytes: int) -> None:
        """The file ends after that many bytes."""
        os.ftruncate(fd, n_bytes)

    def close(self, fd: int) -> None:
        """The descriptor is free again."""
        os.close(fd)

    def rename(self, name: str, new_name: str, *, from_fd: int, to_fd: int) -> None:
        """The file appears under its new name, in place of what had it."""
        os.rename(name, new_name, src_dir_fd=from_fd, dst_dir_fd=to_fd)

    def link(self, name: str, new_name: str, *, dir_fd: int) -> None:
        """The file gets a second name, unless something has that name already."""
        os.link(name, new_name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)

    def unlink(self, name: str, *, dir_fd: int) -> None:
        """The name is gone (a symbolic link's own name, never its target's)."""
        os.unlink(name, dir_fd=dir_fd)

    def rmdir(self, name: str, *, dir_fd: int) -> None:
        """The empty directory is gone."""
        os.rmdir(name, dir_fd=dir_fd)

    def measure_space(self, fd: int) -> tuple[int, int]:
        """Bytes free for this user, and bytes in all, of the file system."""
        space = os.fstatvfs(fd)
        return space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize

    def write_all(self, fd: int, content: bytes | bytearray | memoryview) -> None:
        """Write every byte, however many calls it takes."""
        n_written = self.write(fd, content)
        if n_written == len(content):
            return
        rest = memoryview(content)[n_written:]
        while rest:
            rest = rest[self.write(fd, rest) :]


def describe_error(doing: str, error: OSError) -> str:
    """One line for the user: what was tried, what the system said, what to do."""
    advice = _ADVICE.get(error.errno or 0)
    said = error.strerror or str(error)
    return f"{doing}: {said}; {advice}" if advice else f"{doing}: {said}"


@contextmanager
def target_errors(doing: str) -> Iterator[None]:
    """Turn the system's errors into :class:`~yfcc.errors.TargetError`.

    Parameters
    ----------
    doing : str
        What was tried, with the path: the message starts with it.
    """
    try:
        yield
    except OSError as error:
        raise TargetError(describe_error(doing, error)) from error

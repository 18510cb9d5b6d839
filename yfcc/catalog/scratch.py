"""A folder for what a reader writes on the side; nothing of it outlives the process for long."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Final

from yfcc.errors import TargetError

_PREFIX: Final = "yfcc-scratch-"
_LOCK: Final = "lock"


class Scratch:
    """A temporary folder of one process, on disk; removed by :meth:`close`.

    It lies beside the catalog, where there is room for what a selection of it needs, or, when
    that folder is read-only, among the system's temporary files (``TMPDIR``). No two processes
    share one: DuckDB's spill files have fixed names. A process that is killed leaves its folder
    behind, unlocked, and the next one beside it removes it.

    Parameters
    ----------
    beside : Path
        The catalog.

    Raises
    ------
    TargetError
        Neither place can be written.
    """

    def __init__(self, beside: Path) -> None:
        self.path, lock_fd = _make_locked(beside)
        # Also at the end of the process, and when nobody refers to it any more.
        self._remove = weakref.finalize(self, _remove_mine, self.path, lock_fd, os.getpid())
        _sweep(self.path)

    def close(self) -> None:
        """Remove the folder; harmless when that is done already."""
        self._remove()


def _remove_mine(path: Path, lock_fd: int, owner: int) -> None:
    """Remove a folder; a fork of its owner only lets go of it."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
    os.close(lock_fd)


def _make_locked(beside: Path) -> tuple[Path, int]:
    """A new folder, and the lock in it that says its owner lives."""
    while True:
        path = _make_folder(beside)
        with suppress(FileNotFoundError, BlockingIOError):
            fd = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between two of these steps another process may have taken it for a left one.
                if (path / _LOCK).stat().st_ino == os.fstat(fd).st_ino:
                    return path, fd
            except OSError:
                os.close(fd)
                raise
            os.close(fd)


def _make_folder(beside: Path) -> Path:
    places = (beside.absolute().parent, Path(tempfile.gettempdir()))
    reasons = []
    for place in places:
        try:
            return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getuid()}-", dir=place))
        except OSError as error:
            reasons.append(f"{place}: {error.strerror}")
    raise TargetError(
        f"no place for temporary files: {'; '.join(reasons)}. Free space there, or name another "
        "folder in TMPDIR."
    )


def _sweep(mine: Path) -> None:
    """Remove the folders that killed processes of this user left beside one's own."""
    for found in mine.parent.glob(f"{_PREFIX}{os.getuid()}-*"):
        if found != mine:
            with suppress(OSError):  # another process removes it, or is about to lock it
                _remove_unless_held(found)


def _remove_unless_held(folder: Path) -> None:
    fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Only files of one's own making: a folder that just looks alike stays.
        shutil.rmtree(folder)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.ENOENT):
            raise
    finally:
        os.close(fd)

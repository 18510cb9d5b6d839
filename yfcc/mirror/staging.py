"""From written bytes to final names: write, fsync, close, rename, for a batch of files."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from yfcc.mirror.disk import Disk
from yfcc.mirror.part import SpillFile
from yfcc.mirror.tree import NEW_FILE, PUBLIC_FILE_MODE

_CLOSED: Final = -1


@dataclass(slots=True)
class _Staged:
    """A file on its way to its name."""

    fd: int
    part_name: str
    tmp_fd: int
    directory_fd: int
    name: str


class Staging:
    """A batch of files that get their final names together.

    The disk begins to write all of them before the first is synced, so that one commit of the file
    system's journal serves many files: ext4 finds places for a file's bytes only then, and what has
    no place yet needs a commit of its own. It takes half the time so. What has not got its name
    when the ``with`` block ends is removed.

    Parameters
    ----------
    disk : Disk
        The disk's operations.
    tmp_fd : int
        Directory for unfinished files.
    """

    def __init__(self, disk: Disk, tmp_fd: int) -> None:
        self._disk = disk
        self._tmp_fd = tmp_fd
        self._staged: list[_Staged] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._staged:
            with suppress(OSError):  # an error is on its way already
                if file.fd != _CLOSED:
                    os.close(file.fd)
                self._disk.unlink(file.part_name, dir_fd=file.tmp_fd)

    def write(
        self, part_name: str, content: bytes | memoryview, directory_fd: int, name: str
    ) -> None:
        """Write a file that is to appear as ``name`` in a directory."""
        fd = self._disk.open(part_name, NEW_FILE, PUBLIC_FILE_MODE, dir_fd=self._tmp_fd)
        self._staged.append(_Staged(fd, part_name, self._tmp_fd, directory_fd, name))
        self._disk.write_all(fd, content)

    def take_over(self, spill: SpillFile, tmp_fd: int, directory_fd: int, name: str) -> None:
        """Have a file that is written already appear as ``name`` in a directory.

        ``tmp_fd`` is the directory it lies in; it stays open until the block ends.
        """
        self._staged.append(_Staged(spill.fd, spill.name, tmp_fd, directory_fd, name))

    def publish(self) -> None:
        """Sync every file, then give each its name, in the order they were written."""
        for file in self._staged:
            self._disk.begin_writing(file.fd)
        for file in self._staged:
            self._disk.fsync(file.fd)
            fd, file.fd = file.fd, _CLOSED
            self._disk.close(fd)
        while self._staged:
            file = self._staged[0]
            self._disk.rename(
                file.part_name, file.name, from_fd=file.tmp_fd, to_fd=file.directory_fd
            )
            del self._staged[0]

"""Directories below a mirror's root, walked by descriptor so that no link leads out of them."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from yfcc.mirror.disk import Disk
from yfcc.mirror.layout import PART_SUFFIX

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
NEW_READABLE_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
PUBLIC_FILE_MODE: Final = 0o644
PRIVATE_FILE_MODE: Final = 0o600


def open_directory(disk: Disk, root_fd: int, parts: Sequence[str], *, create: bool = False) -> int:
    """Descriptor of a directory below the root; the caller closes it.

    Each step is opened relative to the one before and refuses symbolic links. Directories made
    here are not durable before :func:`sync_directory` of their parents.

    Raises
    ------
    FileNotFoundError
        A step is missing, and none may be made.
    OSError
        ENOTDIR or ELOOP where a link or a file stands in the way.
    """
    fd = root_fd
    try:
        for part in parts:
            parent, fd = fd, _open_step(disk, fd, part, create=create)
            if parent != root_fd:
                os.close(parent)
    except OSError:
        if fd != root_fd:
            os.close(fd)
        raise
    return os.dup(root_fd) if fd == root_fd else fd


def _open_step(disk: Disk, parent_fd: int, name: str, *, create: bool) -> int:
    try:
        return disk.open(name, _DIRECTORY, dir_fd=parent_fd)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):  # another thread or run was faster
        disk.mkdir(name, dir_fd=parent_fd)
    return disk.open(name, _DIRECTORY, dir_fd=parent_fd)


def sync_directory(disk: Disk, root_fd: int, parts: Sequence[str]) -> None:
    """Make the names in a directory durable."""
    fd = open_directory(disk, root_fd, parts)
    try:
        disk.fsync(fd)
    finally:
        disk.close(fd)


def create_directory(disk: Disk, root_fd: int, parts: Sequence[str]) -> None:
    """Make a directory and its parents, all durable."""
    os.close(open_directory(disk, root_fd, parts, create=True))
    for depth in range(len(parts)):
        sync_directory(disk, root_fd, parts[:depth])


def list_names(dir_fd: int) -> list[str]:
    """Names in an open directory, in no order."""
    with os.scandir(dir_fd) as entries:
        return [entry.name for entry in entries]


def list_files(dir_fd: int) -> list[str]:
    """Names of the regular files in an open directory, in no order."""
    with os.scandir(dir_fd) as entries:
        return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]


def open_regular_file(disk: Disk, dir_fd: int, name: str) -> int:
    """Descriptor of a file for reading; links, directories and pipes are refused.

    Raises
    ------
    OSError
        It is missing (FileNotFoundError), no regular file (ELOOP, EISDIR), or may not be read.
    """
    # Without O_NONBLOCK, opening a pipe would wait for its writer.
    fd = disk.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dir_fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EISDIR, "not a regular file", name)
    return fd


def read_file(disk: Disk, dir_fd: int, name: str) -> bytes:
    """Content of a regular file.

    Raises
    ------
    OSError
        As for :func:`open_regular_file`, or it cannot be read.
    """
    with open(open_regular_file(disk, dir_fd, name), "rb") as file:
        return file.read()


def replace_file(disk: Disk, tmp_fd: int, dir_fd: int, name: str, content: bytes) -> None:
    """Put a small private file in place, whole and durable, over what had the name."""
    part = f"{name}.{secrets.token_hex(4)}{PART_SUFFIX}"
    write_durably(disk, tmp_fd, part, content)
    try:
        disk.rename(part, name, from_fd=tmp_fd, to_fd=dir_fd)
    except OSError:
        with suppress(OSError):  # the error that counts is the rename's
            disk.unlink(part, dir_fd=tmp_fd)
        raise
    disk.fsync(dir_fd)


def write_durably(
    disk: Disk, dir_fd: int, name: str, content: bytes, *, mode: int = PRIVATE_FILE_MODE
) -> None:
    """Write a new file and fsync it; on an error nothing of it is left."""
    fd = disk.open(name, NEW_FILE, mode, dir_fd=dir_fd)
    try:
        try:
            disk.write_all(fd, content)
            disk.fsync(fd)
        finally:
            disk.close(fd)
    except OSError:
        with suppress(OSError):  # the error that counts is the first
            disk.unlink(name, dir_fd=dir_fd)
        raise

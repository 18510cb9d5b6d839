"""A mirror's root: made once, opened often."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import orjson

from yfcc.errors import TargetError, UsageError
from yfcc.mirror.clock import Clock, SystemClock, format_utc
from yfcc.mirror.disk import Disk, target_errors
from yfcc.mirror.layout import (
    LEDGER,
    LOCKS,
    MEDIA,
    MIRROR_FILE,
    PART_SUFFIX,
    RUNS,
    TMP,
)
from yfcc.mirror.tree import (
    PUBLIC_FILE_MODE,
    create_directory,
    list_files,
    list_names,
    open_directory,
    read_file,
    replace_file,
    write_durably,
)
from yfcc.model import N_SHARDS

if TYPE_CHECKING:
    from yfcc.mirror.bucket.root import BucketMirror

#: Version of the layout and of the records; another one is refused.
FORMAT: Final = 1

#: Of ``mirror.json``, before it has that name.
_ROOT_PART: Final = re.compile(rf"\.[0-9a-f]{{8}}{re.escape(PART_SUFFIX)}")

#: What file systems without hard links (exFAT) answer.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(slots=True)
class Mirror:
    """An open mirror on a local disk.

    Use it as a context manager, or call :meth:`close`.

    Attributes
    ----------
    root : Path
        As the user named it, for messages.
    fd : int
        Descriptor of the root: every access starts here.
    disk : Disk
        The disk's operations.
    """

    root: Path
    fd: int
    disk: Disk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def open_directory(self, *parts: str, create: bool = False) -> int:
        """Descriptor of a directory below the root, links refused; the caller closes it."""
        return open_directory(self.disk, self.fd, parts, create=create)

    def name(self, *parts: str) -> str:
        """Path of something in the mirror, for messages."""
        # For messages that are hardly ever shown: put together 20 times as fast as a path is.
        return "/".join((str(self.root), *parts))

    def read(self, *parts: str) -> bytes | None:
        """Content of a file; None if there is none."""
        with target_errors(f"read {self.name(*parts)}"):
            try:
                fd = self.open_directory(*parts[:-1])
                try:
                    return read_file(self.disk, fd, parts[-1])
                finally:
                    os.close(fd)
            except FileNotFoundError:
                return None

    def replace(self, run_id: str, content: bytes, *parts: str) -> None:
        """Put a small private file in place, whole and durable, over what had the name.

        Parameters
        ----------
        run_id : str
            Of a living run: the file comes to be among its unfinished ones.
        content : bytes
        *parts : str
            Where to.

        Raises
        ------
        TargetError
            It cannot be written.
        """
        with target_errors(f"write {self.name(*parts)}"):
            tmp_fd = self.open_directory(TMP, run_id)
            try:
                dir_fd = self.open_directory(*parts[:-1], create=True)
                try:
                    replace_file(self.disk, tmp_fd, dir_fd, parts[-1], content)
                finally:
                    os.close(dir_fd)
            finally:
                os.close(tmp_fd)

    def list_names(self, *parts: str) -> list[str]:
        """Names in a directory, in no order."""
        with target_errors(f"read {self.name(*parts)}"):
            fd = self.open_directory(*parts)
            try:
                return list_names(fd)
            finally:
                os.close(fd)


#: A mirror in a directory or in a bucket. The latter, and all that belongs to it, is loaded where
#: one is opened.
AnyMirror: TypeAlias = "Mirror | BucketMirror"


def warn_of_writers(root: str) -> str | None:
    """A warning if everybody on the machine may write to a mirror's directory; None if not.

    What lies there is then only as trustworthy as they are: they may replace media and records.
    """
    if "://" in root:
        return None
    try:
        is_open = Path(root).stat().st_mode & stat.S_IWOTH
    except OSError:
        return None
    advice = f"they may replace what lies there. Take that away with `chmod o-w {root}`"
    return f"{root} can be written by everybody on this machine: {advice}" if is_open else None


def open_mirror(root: Path, disk: Disk | None = None) -> Mirror:
    """Open a mirror that exists; nothing is written.

    Raises
    ------
    UsageError
        No mirror is there, or one of another format.
    TargetError
        It cannot be read.
    """
    disk = disk or Disk()
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"no mirror at {root}: make one with `yfcc download`") from error
    except OSError as error:
        raise TargetError(f"open mirror {root}: {error.strerror}") from error
    mirror = Mirror(root, fd, disk)
    with ExitStack() as on_error:
        on_error.callback(mirror.close)
        with target_errors(f"read {mirror.name(MIRROR_FILE)}"):
            try:
                content = read_file(disk, fd, MIRROR_FILE)
            except FileNotFoundError as error:
                raise UsageError(
                    f"{root} is no mirror: it has no {MIRROR_FILE}; make one with `yfcc download`"
                ) from error
        check_format(str(root), mirror.name(MIRROR_FILE), content)
        on_error.pop_all()
    return mirror


def create_mirror(root: Path, disk: Disk | None = None, clock: Clock | None = None) -> Mirror:
    """Open a mirror; make it first, durably, if none is there.

    Raises
    ------
    UsageError
        A mirror of another format is there.
    TargetError
        The place cannot be written.
    """
    disk = disk or Disk()
    if not root.joinpath(MIRROR_FILE).exists():
        with target_errors(f"create mirror {root}"):
            _make_root(root, disk, clock or SystemClock())
    return open_mirror(root, disk)


def _make_root(root: Path, disk: Disk, clock: Clock) -> None:
    missing = [path for path in (root, *root.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _sync_path(path.parent, disk)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for parts in ((MEDIA,), (LEDGER,), (LEDGER, RUNS), (LEDGER, LOCKS), (TMP,)):
            create_directory(disk, fd, parts)
        _write_once(disk, fd, describe_mirror(clock))
    finally:
        os.close(fd)


def _write_once(disk: Disk, root_fd: int, content: bytes) -> None:
    """Write ``mirror.json`` unless another run was faster: its inode never changes.

    The file doubles as the mutex of :mod:`yfcc.mirror.claim`, hence the link, which never
    replaces, instead of a rename, which does.
    """
    part = f".{secrets.token_hex(4)}{PART_SUFFIX}"  # as sweep_root knows it
    write_durably(disk, root_fd, part, content, mode=PUBLIC_FILE_MODE)
    try:
        disk.link(part, MIRROR_FILE, dir_fd=root_fd)
    except FileExistsError:
        pass
    except FileNotFoundError:
        # Swept by a run that found the mirror made already.
        if MIRROR_FILE not in list_names(root_fd):
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        disk.rename(part, MIRROR_FILE, from_fd=root_fd, to_fd=root_fd)
    finally:
        with suppress(FileNotFoundError):  # renamed
            disk.unlink(part, dir_fd=root_fd)
    disk.fsync(root_fd)


def sweep_root(mirror: Mirror) -> None:
    """Remove what was left of making a mirror by processes that were killed in it.

    Raises
    ------
    OSError
        It may not be removed.
    """
    for name in list_files(mirror.fd):
        if _ROOT_PART.fullmatch(name):
            with suppress(FileNotFoundError):  # its maker was not dead after all
                mirror.disk.unlink(name, dir_fd=mirror.fd)


def _sync_path(path: Path, disk: Disk) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.fsync(fd)
    finally:
        os.close(fd)


def describe_mirror(clock: Clock) -> bytes:
    """Content of a new mirror's ``mirror.json``."""
    return orjson.dumps(
        {"format": FORMAT, "n_shards": N_SHARDS, "created": format_utc(clock.now_utc())},
        option=orjson.OPT_APPEND_NEWLINE,
    )


def check_format(root: str, name: str, content: bytes) -> None:
    """Make sure that a mirror is one that this version reads.

    Parameters
    ----------
    root, name : str
        Of the mirror and of its ``mirror.json``, for messages.
    content : bytes
        Of the latter.

    Raises
    ------
    UsageError
        It is not.
    """
    try:
        described = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UsageError(
            f"{name} is damaged (no JSON, {len(content)} bytes); put back a copy of "
            f'it, or write {{"format":{FORMAT},"n_shards":{N_SHARDS}}}'
        ) from error
    found = (
        (described.get("format"), described.get("n_shards"))
        if isinstance(described, dict)
        else None
    )
    if found != (FORMAT, N_SHARDS):
        raise UsageError(
            f"{root} has format and shards {found}, this version of yfcc reads "
            f"{(FORMAT, N_SHARDS)}: use the version that made it"
        )

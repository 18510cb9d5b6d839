"""Who may work on which shards: one lock file a run, naming what it holds.

This is about directories; for buckets see :mod:`yfcc.mirror.bucket.claim`.

A run claims all of its shards before any traffic and holds them until it ends. Its lock file
``ledger/locks/<run_id>.lock`` lists them and is held by ``flock``: the kernel lets go when the
process dies, however it dies, so a lock never has to be guessed stale. Claims are compared and
made under a short mutex, an ``flock`` on ``mirror.json``, a file that nobody deletes.

Why not one lock file a shard: a small selection touches all 4,096, and holding as many files
open passes the usual limit of 1,024; taking them one after the other would notice a second run
only when it has been working for hours. Why not a lock for 64 shards: two runs with neighbouring
ranges would meet at the edges. This way any two disjoint sets of shards share a mirror, and a
run has one descriptor.

Locks save work; they do not carry correctness. If somebody deletes the lock file of a living
run, the run notices before its next commit and stops; temporary names are unique, publishing is
idempotent, and a ledger file that grew behind a run's back is refused.

The mutex also covers the sweeping: directories ``tmp/<run_id>``, and other files of runs that
are not living, are removed. Child processes made by ``fork`` inherit the lock: use ``spawn`` or
``forkserver``.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from yfcc.errors import LockedError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import (
    LEDGER,
    LOCK_SUFFIX,
    LOCKS,
    MEDIA,
    MIRROR_FILE,
    PROBE_PREFIX,
    TMP,
)
from yfcc.mirror.root import AnyMirror, Mirror, sweep_root
from yfcc.mirror.shards import describe_shards, format_shards, parse_shards
from yfcc.mirror.tree import (
    NEW_READABLE_FILE,
    PRIVATE_FILE_MODE,
    create_directory,
    list_files,
    list_names,
)

if TYPE_CHECKING:
    from yfcc.mirror.bucket.claim import BucketClaim

_EXISTING: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(slots=True)
class Claim:
    """Shards that this process holds, until :meth:`release`.

    Attributes
    ----------
    run_id : str
        Names the lock file and the run's directory for temporary files.
    shards : frozenset of int
        What is held.
    """

    run_id: str
    shards: frozenset[int]
    _mirror: Mirror
    _fd: int

    @property
    def name(self) -> str:
        """The lock file's path, for messages."""
        return self._mirror.name(LEDGER, LOCKS, self.run_id + LOCK_SUFFIX)

    def check(self) -> None:
        """Make sure that the lock file is still ours.

        Raises
        ------
        LockedError
            It was deleted or replaced: another run may hold the shards by now.
        """
        with target_errors(f"look at {self.name}"):
            held = os.fstat(self._fd)
            try:
                there = os.stat(
                    f"{LEDGER}/{LOCKS}/{self.run_id}{LOCK_SUFFIX}",
                    dir_fd=self._mirror.fd,
                    follow_symlinks=False,
                )
            except FileNotFoundError:
                there = None
        if there is None or not os.path.samestat(held, there):
            raise LockedError(
                f"{self.name} was deleted while this run held it, so another run may hold its "
                "shards by now; leave lock files alone (they go when a run ends) and run again"
            )

    def release(self) -> None:
        """Let go, and remove what the run leaves in ``tmp``."""
        if self._fd < 0:
            return
        try:
            with target_errors(f"unlock {self.name}"), _mutex(self._mirror):
                self._tidy_up()
        finally:
            # Whatever could not be removed, the next claim sweeps.
            os.close(self._fd)
            self._fd = -1

    def _tidy_up(self) -> None:
        _remove_tmp(self._mirror, self.run_id)
        locks_fd = self._mirror.open_directory(LEDGER, LOCKS)
        try:
            with suppress(FileNotFoundError):
                self._mirror.disk.unlink(self.run_id + LOCK_SUFFIX, dir_fd=locks_fd)
        finally:
            os.close(locks_fd)


#: What a run holds in a directory or in a bucket.
AnyClaim: TypeAlias = "Claim | BucketClaim"


@contextmanager
def claim_shards(
    mirror: AnyMirror, shards: frozenset[int], run_id: str, started: str
) -> Iterator[AnyClaim]:
    """Hold shards for the time of a ``with`` block.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
        Whose shards.
    shards : frozenset of int
        All that the run will touch.
    run_id : str
        Unique; digits, letters and hyphens.
    started : str
        When the run began, for the message that a second run gets.

    Raises
    ------
    LockedError
        A living run holds one of them.
    TargetError
        The mirror cannot be written.
    """
    claim: AnyClaim
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket.claim import BucketClaim  # noqa: PLC0415

        claim = BucketClaim(mirror, shards, run_id, started)
        claim.take()
    else:
        with target_errors(f"lock shards of {mirror.root}"):
            claim = _claim(mirror, shards, run_id, started)
    try:
        yield claim
    finally:
        claim.release()


def _claim(mirror: Mirror, shards: frozenset[int], run_id: str, started: str) -> Claim:
    with _mutex(mirror):
        living = _living_claims(mirror)
        for held in living:
            _refuse_overlap(mirror, shards, held)
        sweep_root(mirror)
        living_ids = {str(held.get("run_id")) for held in living}
        _sweep_probes(mirror, living_ids)
        _sweep_tmp(mirror, living_ids)
        content = orjson.dumps(
            {
                "run_id": run_id,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "started": started,
                "shards": format_shards(shards),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        locks_fd = mirror.open_directory(LEDGER, LOCKS)
        try:
            name = run_id + LOCK_SUFFIX
            fd = mirror.disk.open(name, NEW_READABLE_FILE, PRIVATE_FILE_MODE, dir_fd=locks_fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mirror.disk.write_all(fd, content)
                create_directory(mirror.disk, mirror.fd, (TMP, run_id))
            except OSError:
                os.close(fd)
                with suppress(OSError):  # the error that counts is the first
                    mirror.disk.unlink(name, dir_fd=locks_fd)
                raise
        finally:
            os.close(locks_fd)
    return Claim(run_id, shards, mirror, fd)


@contextmanager
def _mutex(mirror: Mirror) -> Iterator[None]:
    """One process at a time, for the milliseconds in which claims are made and dropped."""
    fd = mirror.disk.open(MIRROR_FILE, _EXISTING, dir_fd=mirror.fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        there = os.stat(MIRROR_FILE, dir_fd=mirror.fd, follow_symlinks=False)
        if not os.path.samestat(os.fstat(fd), there):
            raise LockedError(f"{mirror.name(MIRROR_FILE)} was replaced just now: run again")
        yield
    finally:
        os.close(fd)


def _living_claims(mirror: Mirror) -> list[dict[str, object]]:
    """What the lock files of living runs say; those of dead ones are removed."""
    living = []
    locks_fd = mirror.open_directory(LEDGER, LOCKS)
    try:
        for name in list_names(locks_fd):
            if name.endswith(LOCK_SUFFIX):
                held = _read_if_held(mirror, locks_fd, name)
                if held is None:
                    mirror.disk.unlink(name, dir_fd=locks_fd)
                else:
                    living.append(held)
    finally:
        os.close(locks_fd)
    return living


def _read_if_held(mirror: Mirror, locks_fd: int, name: str) -> dict[str, object] | None:
    fd = mirror.disk.open(name, _EXISTING, dir_fd=locks_fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held: dict[str, object] = orjson.loads(os.pread(fd, 1 << 20, 0))
        return held
    else:
        return None  # its process is dead, or the kernel would not have given us the lock
    finally:
        os.close(fd)


def _refuse_overlap(mirror: Mirror, shards: frozenset[int], held: dict[str, object]) -> None:
    common = shards & parse_shards(str(held["shards"])) if held["shards"] else frozenset()
    if common:
        raise LockedError(
            f"shards {describe_shards(common)} of {mirror.root} are held by process {held['pid']} "
            f"on {held['host']} since {held['started']}: wait until it ends, or stop it (a "
            "download of other shards, by --shards, can go on beside it)"
        )


def _sweep_probes(mirror: Mirror, living: set[str]) -> None:
    """Remove what runs tried the disk with, and were killed before they could."""
    with suppress(FileNotFoundError):
        media_fd = mirror.open_directory(MEDIA)
        try:
            for name in list_files(media_fd):
                if name.startswith(PROBE_PREFIX) and name[len(PROBE_PREFIX) :] not in living:
                    mirror.disk.unlink(name, dir_fd=media_fd)
        finally:
            os.close(media_fd)


def _sweep_tmp(mirror: Mirror, living: set[str]) -> None:
    tmp_fd = mirror.open_directory(TMP)
    try:
        names = list_names(tmp_fd)
    finally:
        os.close(tmp_fd)
    for name in names:
        if name not in living:
            _remove_tmp(mirror, name)


def _remove_tmp(mirror: Mirror, *parts: str) -> None:
    """Remove a directory below ``tmp`` with all that is in it; links are not followed."""
    try:
        fd = mirror.open_directory(TMP, *parts)
    except (FileNotFoundError, NotADirectoryError):
        return  # nothing of ours
    try:
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            if is_directory:
                _remove_tmp(mirror, *parts, name)
            else:
                mirror.disk.unlink(name, dir_fd=fd)
    finally:
        os.close(fd)
    parent_fd = mirror.open_directory(TMP, *parts[:-1])
    try:
        mirror.disk.rmdir(parts[-1], dir_fd=parent_fd)
    finally:
        os.close(parent_fd)

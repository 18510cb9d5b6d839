"""The mirror's list of removals: ``ledger/tombstones.jsonl``, append only.

::

    {"id":4207153986,"reason":"owner-request","date":"2026-11-21"}
    {"catalog":"/data/catalog.duckdb"}
    {"done":"mirror"}
    {"done":"/data/catalog.duckdb"}

A removal begins when its lines are durable. Behind the last ``done`` of the mirror stand those
that are still to be carried out, and a catalog without a ``done`` behind it still has rows: what
was killed in between is seen by whoever reads the file next. ``{"again":true}`` says that all of
it is to be looked through once more.

A last line without a newline was never durable and does not count. Any other line that cannot be
read stops everything: it may be the one that keeps something away.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from yfcc.catalog.tombstones import (
    Reason,
    Tombstone,
    TombstoneSet,
    decode_tombstone,
    encode_tombstone,
    gather,
)
from yfcc.errors import LockedError, TargetError, UsageError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.tree import PRIVATE_FILE_MODE
from yfcc.model import Item

TOMBSTONES: Final = "tombstones.jsonl"
_MIRROR: Final = "mirror"


@dataclass(slots=True)
class Removals:
    """What the list says.

    Attributes
    ----------
    known : dict of (Kind, str) to Tombstone
        All removals, each once, in their order.
    pending : dict of (Kind, str) to Tombstone
        Those that are not carried out in the mirror yet.
    catalogs : dict of str to None
        Paths of catalogs that still have rows of them, in order.
    n_bytes : int
        Length of the lines that count.
    """

    known: dict[tuple[str, str], Tombstone] = field(default_factory=dict)
    pending: dict[tuple[str, str], Tombstone] = field(default_factory=dict)
    catalogs: dict[str, None] = field(default_factory=dict)
    n_bytes: int = 0

    def add_line(self, line: bytes) -> None:
        """Take in one line.

        Raises
        ------
        UsageError
            It is none of the list's.
        """
        try:
            found: Any = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{line[:40]!r} is no JSON") from error
        match found:
            case {"done": "mirror"}:
                self.pending.clear()
            case {"done": str(catalog)}:
                self.catalogs.pop(catalog, None)
            case {"catalog": str(catalog)}:
                self.catalogs[catalog] = None
            case {"again": True}:
                self.pending = dict(self.known)
            case dict():
                tombstone = decode_tombstone(found)
                key = (tombstone.kind.value, tombstone.value)
                self.known.setdefault(key, tombstone)
                self.pending[key] = self.known[key]
            case _:
                raise UsageError(f"{line[:40]!r} is no JSON object")


def _parse(content: bytes, name: str) -> Removals:
    removals = Removals()
    lines = content.split(b"\n")[:-1]
    for number, line in enumerate(lines, 1):
        try:
            removals.add_line(line)
        except UsageError as error:
            raise TargetError(
                f"{name} line {number} is damaged ({error}); nothing is done while a removal may "
                "be lost: put back a copy of the file, or correct the line"
            ) from error
    removals.n_bytes = sum(map(len, lines)) + len(lines)
    return removals


def read_removals(mirror: AnyMirror) -> Removals:
    """What the list says now; nothing if there is none.

    Raises
    ------
    TargetError
        It cannot be read, or is damaged.
    """
    content = mirror.read(LEDGER, TOMBSTONES) or b""
    return _parse(content, mirror.name(LEDGER, TOMBSTONES))


def has_pending(mirror: AnyMirror) -> bool:
    """Whether a removal was cut short; in a bucket none is begun.

    Raises
    ------
    TargetError
        As for :func:`read_removals`.
    """
    return isinstance(mirror, Mirror) and bool(read_removals(mirror).pending)


class TombstoneFile:
    """The list, open for additions, by one process at a time; a context manager.

    Parameters
    ----------
    mirror : Mirror

    Attributes
    ----------
    removals : Removals
        What it says, additions included.

    Raises
    ------
    LockedError
        Another ``forget`` is at work.
    TargetError
        The list cannot be read or written, or is damaged.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._name = mirror.name(LEDGER, TOMBSTONES)
        with ExitStack() as on_error:
            with target_errors(f"write {self._name}"):
                self._ledger_fd = mirror.open_directory(LEDGER)
                on_error.callback(os.close, self._ledger_fd)
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
                self._fd = mirror.disk.open(
                    TOMBSTONES, flags, PRIVATE_FILE_MODE, dir_fd=self._ledger_fd
                )
                on_error.callback(os.close, self._fd)
                self._lock()
                self.removals = read_removals(mirror)
                if os.fstat(self._fd).st_size > self.removals.n_bytes:
                    mirror.disk.truncate(self._fd, self.removals.n_bytes)
            on_error.pop_all()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"{self._name} is held by another `yfcc forget`, or a run that carries one out: "
                "wait until it ends, then run again"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        os.close(self._ledger_fd)

    def add(
        self, tombstones: Iterable[Tombstone], catalog: str | None = None, *, again: bool = False
    ) -> int:
        """Add removals, a catalog that has rows of them, and the wish to look again.

        Durable on return.

        Returns
        -------
        int
            Removals that were new.
        """
        known = self.removals.known
        new = {
            (each.kind.value, each.value): each
            for each in tombstones
            if (each.kind.value, each.value) not in known
        }
        lines = [encode_tombstone(each) for each in new.values()]
        if again and known:
            lines.append(_line({"again": True}))
        if catalog is not None:
            lines.append(_line({"catalog": catalog}))
        self._append(lines)
        return len(new)

    def mark_mirror_done(self) -> None:
        """Note that nothing of the removals is left in the mirror."""
        self._append([_line({"done": _MIRROR})])

    def mark_catalog_done(self, catalog: str) -> None:
        """Note that nothing of the removals is left in a catalog."""
        self._append([_line({"done": catalog})])

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        content = b"".join(lines)
        disk, end = self._mirror.disk, self.removals.n_bytes
        with target_errors(f"write {self._name}"):
            try:
                disk.write_all(self._fd, content)
                disk.fsync(self._fd)
                if end == 0:
                    disk.fsync(self._ledger_fd)  # the file may be new: its name lasts as well
            except OSError:
                with suppress(OSError):  # the error that counts is the first
                    disk.truncate(self._fd, end)
                raise
        for line in lines:
            self.removals.add_line(line)
        self.removals.n_bytes = end + len(content)


def _line(found: dict[str, object]) -> bytes:
    return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)


class LiveTombstones:
    """The removals as a run sees them: also those that are asked for while it lasts.

    Safe for use by many threads.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
        Of one in a bucket the list is read once.

    Raises
    ------
    TargetError
        The list cannot be read, or is damaged.
    """

    def __init__(self, mirror: AnyMirror) -> None:
        self._mirror = mirror
        self._lock = threading.Lock()
        self._n_bytes = self._measure()
        self._set = gather(read_removals(mirror).known.values())

    def refresh(self) -> None:
        """Look whether removals were added: one look at a file's size, if none were."""
        if self._measure() == self._n_bytes:
            return
        with self._lock:
            n_bytes = self._measure()
            if n_bytes != self._n_bytes:
                self._set = gather(read_removals(self._mirror).known.values())
                self._n_bytes = n_bytes

    def _measure(self) -> int:
        if not isinstance(self._mirror, Mirror):
            return 0
        with target_errors(f"read {self._mirror.name(LEDGER, TOMBSTONES)}"):
            try:
                return os.stat(
                    f"{LEDGER}/{TOMBSTONES}", dir_fd=self._mirror.fd, follow_symlinks=False
                ).st_size
            except FileNotFoundError:
                return 0

    @property
    def removed(self) -> TombstoneSet:
        """All of them, as they were at the last look."""
        return self._set

    def reason_of(self, item: Item) -> Reason | None:
        """Why an item must not be fetched; None if it may be."""
        return self._set.reason_of(item) if self._set else None

    def reason_of_digest(self, sha256: str | None) -> Reason | None:
        """Why bytes must not be stored; None if they may be."""
        return self._set.digests.get(sha256) if sha256 else None

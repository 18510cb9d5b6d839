"""The mirror's list of removals: ``ledger/tombstones.jsonl``, append only.

::

    {"id":4207153986,"reason":"owner-request","date":"2026-11-21"}
    {"catalog":"/data/catalog.duckdb"}
    {"done":"mirror"}
    {"done":"/data/catalog.duckdb"}
    {"done":"/data/export"}

A removal begins when its lines are durable. Behind the last ``done`` of the mirror stand those
that are still to be carried out, and a catalog without a ``done`` behind it still has rows: what
was killed in between is seen by whoever reads the file next. An export without a ``done`` behind
the last removal may have items of it. ``{"again":true}`` says that all of it is to be looked
through once more.

In a bucket the list is an object, replaced on the condition that nobody else was faster.

A last line without a newline was never durable and does not count. Any other line that cannot be
read stops everything: it may be the one that keeps something away.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from abc import ABC, abstractmethod
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
    all_catalogs : dict of str to None
        Paths of all catalogs that ever had.
    done : set of str
        Catalogs, and addresses of exports, that have nothing of any of them.
    n_bytes : int
        Length of the lines that count.
    """

    known: dict[tuple[str, str], Tombstone] = field(default_factory=dict)
    pending: dict[tuple[str, str], Tombstone] = field(default_factory=dict)
    catalogs: dict[str, None] = field(default_factory=dict)
    all_catalogs: dict[str, None] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
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
            case {"done": str(place)}:
                self.catalogs.pop(place, None)
                self.done.add(place)
            case {"catalog": str(catalog)}:
                self.catalogs[catalog] = self.all_catalogs[catalog] = None
            case {"again": True}:
                self.pending = dict(self.known)
                self.done.clear()
            case dict():
                tombstone = decode_tombstone(found)
                self.done.clear()
                key = (tombstone.kind.value, tombstone.value)
                self.known.setdefault(key, tombstone)
                self.pending[key] = self.known[key]
            case _:
                raise UsageError(f"{line[:40]!r} is no JSON object")


def parse_removals(content: bytes, name: str) -> Removals:
    """What a list says.

    Raises
    ------
    TargetError
        It is damaged.
    """
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
    return parse_removals(content, mirror.name(LEDGER, TOMBSTONES))


def has_pending(mirror: AnyMirror) -> bool:
    """Whether a removal was cut short.

    Raises
    ------
    TargetError
        As for :func:`read_removals`.
    """
    return bool(read_removals(mirror).pending)


class TombstoneList(ABC):
    """The list, open for additions; a context manager.

    Attributes
    ----------
    removals : Removals
        What it says, additions included.
    """

    removals: Removals

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Let go of it."""

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

    def mark_done(self, place: str) -> None:
        """Note that nothing of the removals is left in a catalog or an export."""
        self._append([_line({"done": place})])

    @abstractmethod
    def _append(self, lines: list[bytes]) -> None:
        """Add lines, durably, and take them in."""


class TombstoneFile(TombstoneList):
    """The list in a directory, open by one process at a time.

    Parameters
    ----------
    mirror : Mirror

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

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        os.close(self._fd)
        os.close(self._ledger_fd)

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


def open_tombstones(mirror: AnyMirror) -> TombstoneList:
    """The list of a mirror, open for additions.

    Raises
    ------
    LockedError
        Another ``forget`` is at work; one in a bucket shows when something is added.
    TargetError
        The list cannot be read or written, or is damaged.
    """
    if isinstance(mirror, Mirror):
        return TombstoneFile(mirror)
    from yfcc.mirror.bucket.tombstone_object import TombstoneObject  # noqa: PLC0415

    return TombstoneObject(mirror)


def _line(found: dict[str, object]) -> bytes:
    return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)


class LiveTombstones:
    """The removals as a run sees them: also those that are asked for while it lasts.

    Safe for use by many threads.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    look_every_s : float
        In a bucket, where a look takes a request.

    Raises
    ------
    TargetError
        The list cannot be read, or is damaged.
    """

    def __init__(self, mirror: AnyMirror, look_every_s: float = 5.0) -> None:
        self._mirror = mirror
        self._look_every_s = 0.0 if isinstance(mirror, Mirror) else look_every_s
        self._lock = threading.Lock()
        self._looked_s = time.monotonic()
        self._n_bytes = self._measure()
        self._set = gather(read_removals(mirror).known.values())

    def refresh(self) -> None:
        """Look whether removals were added: one look at a file's size, if none were."""
        if self._look_every_s:
            if time.monotonic() - self._looked_s < self._look_every_s:
                return
            self._looked_s = time.monotonic()
        if self._measure() == self._n_bytes:
            return
        with self._lock:
            n_bytes = self._measure()
            if n_bytes != self._n_bytes:
                self._set = gather(read_removals(self._mirror).known.values())
                self._n_bytes = n_bytes

    def _measure(self) -> int:
        if not isinstance(self._mirror, Mirror):
            key = f"{LEDGER}/{TOMBSTONES}"
            return sum(each.n_bytes for each in self._mirror.objects.iter_entries(key))
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

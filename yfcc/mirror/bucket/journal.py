"""A journal in a bucket: its lines in objects of a megabyte, the last of them written over.

::

    ledger/verify/00000001.jsonl      whole
    ledger/verify/00000002.jsonl      written anew every few seconds, with more lines

A write takes the place of the one before, so a line costs no request of its own, and what is held
in memory is one object's lines. The lock is that of :mod:`yfcc.mirror.bucket.turn`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from yfcc.errors import LockedError, TargetError
from yfcc.metadata.source import s3_codes
from yfcc.mirror.bucket.claim import Pace
from yfcc.mirror.bucket.client import code_of
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.bucket.turn import Turn
from yfcc.mirror.layout import LEDGER

#: An object that has grown to it is left alone, and the next begun.
PART_BYTES: Final = 1 << 20
#: Saving takes no more than this part of the time.
_SHARE_OF_TIME: Final = 1 / 20
_NUMBER: Final = re.compile(r"([0-9]{8})\.jsonl")
_REFUSALS: Final = s3_codes.FORBIDDEN | {"405", "MethodNotAllowed", "507", "QuotaExceeded"}


class ObjectJournal:
    """A journal in a bucket, as :class:`~yfcc.mirror.journal.Journal` has it.

    Parameters
    ----------
    mirror : BucketMirror
    thing : str
        What it is about, one word: names the folder.
    said : str
        What is being done to the mirror, for messages: a participle.
    save_every_s : float
        Seconds between two writes; what was appended since the last one is lost by a kill.
    pace : Pace, optional
        Of the lock.

    Raises
    ------
    LockedError
        Another process holds it.
    TargetError
        It cannot be written.
    """

    def __init__(
        self,
        mirror: BucketMirror,
        thing: str,
        said: str,
        save_every_s: float,
        pace: Pace | None = None,
    ) -> None:
        self._mirror = mirror
        self._thing = thing
        self._save_every_s = save_every_s
        self._save_at_s = 0.0
        self._number = 1
        self._open = bytearray()
        self._is_saved = True
        self._turn = Turn(mirror, thing, said, pace)
        self._turn.take()

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return self._mirror.name(LEDGER, self._thing)

    def read(self) -> Iterator[bytes]:
        """Whole lines without their newlines, oldest first."""
        for number in _list_parts(self._mirror, self._thing):
            yield from (self._mirror.read(_key(self._thing, number)) or b"").split(b"\n")[:-1]

    def cut(self, n_bytes: int) -> None:
        """Forget all after so many bytes of whole lines."""
        self._turn.check()
        place, self._number, self._open = 0, 1, bytearray()
        if not n_bytes:
            self._is_saved = True
            remove_parts(self._mirror, self._thing)
            return
        parts = _list_parts(self._mirror, self._thing)
        for number, size in parts.items():
            if place + size >= n_bytes:
                content = self._mirror.read(_key(self._thing, number)) or b""
                self._number, self._open = number, bytearray(content[: n_bytes - place])
                break
            place += size
        self._is_saved = False
        self._mirror.objects.delete(
            _key(self._thing, number) for number in parts if number > self._number
        )

    def append(self, content: bytes) -> None:
        """Add whole lines."""
        self._open += content
        self._is_saved = False
        if len(self._open) >= PART_BYTES or time.monotonic() >= self._save_at_s:
            self.sync()

    def sync(self) -> None:
        """Make durable what was appended."""
        if self._is_saved:
            return
        self._turn.check()
        began_s = time.monotonic()
        self._mirror.objects.put(_key(self._thing, self._number), bytes(self._open))
        self._is_saved = True
        if len(self._open) >= PART_BYTES:
            self._number, self._open = self._number + 1, bytearray()
        now_s = time.monotonic()
        pause_s = max(self._save_every_s, (now_s - began_s) / _SHARE_OF_TIME)
        self._save_at_s = now_s + pause_s if self._save_every_s else now_s

    def close(self) -> None:
        """Let others have it; lines stay."""
        with suppress(TargetError, LockedError):  # some of it is done again then
            self.sync()
        self._turn.release()


def is_refusal(error: Exception) -> bool:
    """Whether the store said that nothing may be written, or nothing more."""
    return code_of(error) in _REFUSALS


def remove_parts(mirror: BucketMirror, thing: str) -> None:
    """Forget a journal."""
    prefix = f"{LEDGER}/{thing}/"
    mirror.objects.delete([entry.key for entry in mirror.objects.iter_entries(prefix)])


def _list_parts(mirror: BucketMirror, thing: str) -> dict[int, int]:
    """Sizes of a journal's objects by number, from 1 on without a gap."""
    prefix = f"{LEDGER}/{thing}/"
    sizes: dict[int, int] = {}
    for entry in mirror.objects.iter_entries(prefix):
        match = _NUMBER.fullmatch(entry.key.removeprefix(prefix))
        if match is None or int(match[1]) != len(sizes) + 1:
            break
        sizes[len(sizes) + 1] = entry.n_bytes
    return sizes


def _key(thing: str, number: int) -> str:
    return f"{LEDGER}/{thing}/{number:08d}.jsonl"

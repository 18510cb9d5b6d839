"""How far a recheck has come: ``ledger/recheck.jsonl``, ids and what their pages answered.

The first line says what is rechecked; each further one tells of an item that needs no asking any
more. It is emptied when all is asked.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, Final, Self

import orjson

from yfcc.errors import LockedError
from yfcc.media.page_status import PageFate
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER
from yfcc.mirror.root import Mirror
from yfcc.mirror.tree import PRIVATE_FILE_MODE

RECHECK: Final = "recheck.jsonl"


class RecheckJournal:
    """The journal of one recheck, held by this process until it is closed; a context manager.

    Parameters
    ----------
    mirror : Mirror
    n_sample : int or None
        How many items were asked for; another number begins anew.
    seed : int
        For a journal that begins.
    started : str
        For a journal that begins: the day.
    restart : bool
        Begin anew in any case.

    Attributes
    ----------
    seed : int
        Which sample: the journal's own, if it is gone on with.
    started : str
        When it began.
    settled : dict of int to PageFate
        What is known already.

    Raises
    ------
    LockedError
        Another recheck is under way.
    TargetError
        The mirror cannot be written.
    """

    def __init__(
        self, mirror: Mirror, n_sample: int | None, seed: int, started: str, *, restart: bool
    ) -> None:
        self._mirror = mirror
        self._name = mirror.name(LEDGER, RECHECK)
        self.seed, self.started = seed, started
        self.settled: dict[int, PageFate] = {}
        with ExitStack() as on_error:
            with target_errors(f"write {self._name}"):
                ledger_fd = mirror.open_directory(LEDGER)
                try:
                    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
                    self._fd = mirror.disk.open(RECHECK, flags, PRIVATE_FILE_MODE, dir_fd=ledger_fd)
                finally:
                    os.close(ledger_fd)
                on_error.callback(os.close, self._fd)
                self._lock()
                content = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
                end = 0 if restart else self._take_up(content, n_sample)
                mirror.disk.truncate(self._fd, end)
                if not end:
                    self._write([{"sample": n_sample, "seed": seed, "started": started}])
            on_error.pop_all()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"{self._mirror.root} is being rechecked by another process: wait until it ends"
            ) from error

    def _take_up(self, content: bytes, n_sample: int | None) -> int:
        """Take in an earlier recheck; where its whole lines end, 0 if it was of something else."""
        end = 0
        for line in content.split(b"\n")[:-1]:
            try:
                found = orjson.loads(line)
                if end == 0:
                    if found["sample"] != n_sample:
                        return 0
                    self.seed, self.started = int(found["seed"]), str(found["started"])
                else:
                    self.settled[int(found["id"])] = PageFate(found["fate"])
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                break  # torn by a power cut: what follows is asked again
            end += len(line) + 1
        return end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def add(self, settled: Iterable[tuple[int, PageFate]]) -> None:
        """Take note of items that need no asking any more; durable on return."""
        found = dict(settled)
        if found:
            with target_errors(f"write {self._name}"):
                self._write([{"id": each, "fate": fate} for each, fate in found.items()])
                self._mirror.disk.fdatasync(self._fd)
            self.settled |= found

    def _write(self, lines: Iterable[dict[str, Any]]) -> None:
        content = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        self._mirror.disk.write_all(self._fd, content)

    def finish(self) -> None:
        """Empty it: the next recheck asks for all again."""
        with target_errors(f"write {self._name}"):
            self._mirror.disk.truncate(self._fd, 0)

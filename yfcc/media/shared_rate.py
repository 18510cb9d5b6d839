"""A rate that all processes of a machine keep together, through one small file.

The file is one line of JSON: for every host the time of the next request and the end of a pause
that it asked for. Times are those of the system's monotonic clock, the same for all processes
since the machine was started, so that a changed time of day changes nothing. Times noted before
a restart are told by their being in the future, or bounded by what was noted.

Every use opens the file, locks it (``flock``: a killed process lets go), and writes the line with
one call. A line that cannot be read is taken for an empty one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Final

import orjson

from yfcc.errors import TargetError
from yfcc.media.clock import Clock, SystemClock
from yfcc.media.politeness import Rate

#: How soon to look again at a file that another process is busy with.
_BUSY_S: Final = 0.005
_MAX_BUSY: Final = 200

#: No note is longer; what is has been damaged.
_MAX_BYTES: Final = 2**20

_MAX_PAUSE_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Note:
    """Of one host: when it was written, and before when no request may start."""

    at_s: float
    next_s: float
    paused_until_s: float

    @property
    def waits_until_s(self) -> float:
        return max(self.next_s, self.paused_until_s)


class SharedRate:
    """A rate for one host, kept by all processes that name the same file and host.

    Parameters
    ----------
    path : Path
        Of the file, on a local disk; it and its directory are made as needed.
    rate : Rate
        Processes may name different ones: a request keeps the distance of the one that made it.
    host : str
        Under which name the file knows the host.
    clock : Clock
        Its monotonic time has to be the same for all processes.

    Raises
    ------
    TargetError
        The file cannot be made or locked.
    """

    def __init__(
        self, path: Path, rate: Rate, host: str = "flickr", clock: Clock | None = None
    ) -> None:
        self._path = path
        self._interval_s = 1.0 / rate.per_s
        self._host = host
        self._clock = clock or SystemClock()
        self._never = Event()
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._opened():
            pass

    def take(self, slowdown: float = 1.0) -> float:
        """Take the next turn, if it has come.

        Parameters
        ----------
        slowdown : float
            1 or more: the next turn comes so many times later.

        Returns
        -------
        float
            0 if the turn is taken; else seconds after which it is worth asking again.

        Raises
        ------
        TargetError
            The file cannot be used any more.
        """
        with self._opened() as file:
            if file is None:
                return _BUSY_S
            now_s = self._clock.monotonic()
            notes = _read_notes(file, now_s)
            note = notes.get(self._host)
            if note is not None:
                return note.waits_until_s - now_s
            next_s = now_s + slowdown * self._interval_s
            _write_notes(file, notes | {self._host: _Note(now_s, next_s, now_s)})
            return 0.0

    def pause(self, pause_s: float) -> None:
        """Let no process ask the host for a while; a longer pause noted before stays.

        Parameters
        ----------
        pause_s : float
            More than a day counts as a day.

        Raises
        ------
        TargetError
            The file cannot be used any more.
        """
        for _ in range(_MAX_BUSY):
            with self._opened() as file:
                if file is not None:
                    self._note_pause(file, pause_s)
                    return
            self._clock.wait(self._never, _BUSY_S)

    def _note_pause(self, file: int, pause_s: float) -> None:
        now_s = self._clock.monotonic()
        notes = _read_notes(file, now_s)
        before = notes.get(self._host, _Note(now_s, now_s, now_s))
        until_s = max(before.paused_until_s, now_s + min(pause_s, _MAX_PAUSE_S))
        _write_notes(file, notes | {self._host: _Note(now_s, before.next_s, until_s)})

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int | None]:
        """The file, locked; None while another process is at it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with self._errors():
            file = os.open(self._path, flags, 0o600)
            try:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield None
                else:
                    yield file
            finally:
                os.close(file)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TargetError(
                f"{self._path}: cannot keep the rate that this machine's processes share: "
                f"{error}; let XDG_CACHE_HOME name a local directory that can be written"
            ) from error


def _read_notes(file: int, now_s: float) -> dict[str, _Note]:
    """The notes that still matter: neither past nor from before the machine was started."""
    line, _, _ = os.pread(file, _MAX_BYTES, 0).partition(b"\n")
    try:
        notes = {host: _Note(**fields) for host, fields in orjson.loads(line).items()}
        return {
            host: note for host, note in notes.items() if note.at_s <= now_s < note.waits_until_s
        }
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        return {}


def _write_notes(file: int, notes: dict[str, _Note]) -> None:
    line = orjson.dumps({host: asdict(note) for host, note in notes.items()}) + b"\n"
    # What a longer line before left behind is never read: the line's end comes first.
    os.pwrite(file, line, 0)
    os.ftruncate(file, len(line))

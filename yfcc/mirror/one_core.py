"""The threads of a run stay together on one core, and move on together where others want it.

Python lets one thread at a time go on. Handing that right to a thread on another core wakes the
other core up, and both then want the same lock: with all threads on one core a download of small
files took a fifth less CPU time (4.6 instead of 5.8 s for 4,000 photos), and not more time by the
clock. Who wants more cores has ``--processes``.

What the system offers for that, Linux alone has; elsewhere nothing happens. The other threads of
the process, as DuckDB's, go where the system puts them.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

#: What each core has done since the system was started.
STAT: Final = Path("/proc/stat")
_THREAD_STAT: Final = Path("/proc/thread-self/stat")
#: Of the fields behind the name in the latter: the core that the thread was on last (proc(5)).
_PROCESSOR_FIELD: Final = 36
#: Of the fields of a core in ``/proc/stat``: idle, and idle while a disk is at work (proc_stat(5)).
_IDLE_FIELDS: Final = (3, 4)

#: The run moves when others take so much more of its core than of another.
_MARGIN: Final = 0.25

#: Seconds between two looks, at random: two runs on one core are not to move at the same moment.
_LOOK_EVERY_S: Final = (0.5, 1.5)


def parse_busy_s(stat: str, ticks_a_second: int) -> dict[int, float]:
    r"""Seconds that each core was busy since the system started, from ``/proc/stat``.

    Examples
    --------
    >>> parse_busy_s("cpu  9 0 9 9 0 0\ncpu1 500 0 100 9000 70 30 0 20\nintr 5\n", 100)
    {1: 6.5}
    """
    busy_s: dict[int, float] = {}
    for line in stat.splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name != "cpu":
            # The last two are of guests, and counted among the first two already.
            ticks = [int(number) for number in numbers[:8]]
            idle = sum(ticks[field] for field in _IDLE_FIELDS)
            busy_s[int(name[3:])] = (sum(ticks) - idle) / ticks_a_second
    return busy_s


def decide_core(here: int, busy: Mapping[int, float], own: float) -> int:
    """The core to be on from now on.

    Parameters
    ----------
    here : int
        The core that the run is on.
    busy : mapping of int to float
        Share of the time that each core was busy, 0 to 1.
    own : float
        Share of the time that the run itself took of its core.
    """
    others_here = busy.get(here, 0.0) - own
    best = min(busy, key=lambda core: (busy[core], core != here), default=here)
    return best if others_here - busy.get(best, 0.0) > _MARGIN else here


def allowed_cores() -> frozenset[int]:
    """Cores that the calling thread may be on; none where the system does not say."""
    is_told = STAT.exists() and _THREAD_STAT.exists()
    if not hasattr(os, "sched_getaffinity") or not is_told:
        return frozenset()
    return frozenset(os.sched_getaffinity(0))


def choose_first(cores: Collection[int], number: int | None = None) -> int | None:
    """The core to begin on; None where there is no choice.

    Parameters
    ----------
    cores : collection of int
        Those that may be used.
    number : int, optional
        Of the process among those that share the work: each begins on another core. By default
        it is where the system has put the calling thread.
    """
    if len(cores) < 2:
        return None
    in_order = sorted(cores)
    if number is None:
        number = int(_THREAD_STAT.read_text().rpartition(")")[2].split()[_PROCESSOR_FIELD])
        return number if number in cores else in_order[0]
    return in_order[number % len(in_order)]


class OneCore:
    """The core of a run.

    Parameters
    ----------
    cores : collection of int
        Those that may be used.
    first : int or None
        Where to begin; None does nothing at all.
    now_s : callable
        The time.
    read_stat : callable
        The text of ``/proc/stat``.
    """

    def __init__(
        self,
        cores: Collection[int],
        first: int | None,
        now_s: Callable[[], float] = time.monotonic,
        read_stat: Callable[[], str] = STAT.read_text,
    ) -> None:
        self._cores = frozenset(cores)
        self._now_s = now_s
        self._read_stat = read_stat
        self._lock = threading.Lock()
        self._threads: set[int] = set()
        self.core = first
        self._take_down(0.0)

    def join(self) -> None:
        """Have the calling thread stay with the others; it is to end with the run."""
        if self.core is None:
            return
        with self._lock:
            self._threads.add(threading.get_native_id())
            self._move({threading.get_native_id()})

    def look(self, own_cpu_s: float) -> None:
        """Move all to another core, if others want this one, or it may be used no more.

        Called several times a second by a thread that did not join: where that may be is where
        the user, or the system, wants the whole process to be.

        Parameters
        ----------
        own_cpu_s : float
            CPU seconds that the threads that joined took so far, nearly.
        """
        if self.core is None or self._now_s() < self._next_s:
            return
        busy_before, own_before, before_s = self._busy_s, self._own_s, self._looked_s
        self._take_down(own_cpu_s)
        passed_s = max(self._looked_s - before_s, 1e-6)
        left = os.sched_getaffinity(0).intersection(self._cores)
        busy = {
            core: (self._busy_s[core] - busy_before[core]) / passed_s
            for core in sorted(left)
            if core in self._busy_s and core in busy_before
        }
        if self.core in left:
            core = decide_core(self.core, busy, (self._own_s - own_before) / passed_s)
        else:
            core = min(busy, key=lambda each: busy[each], default=self.core)
        with self._lock:
            if core != self.core:
                self.core = core
                self._move(self._threads)

    def _take_down(self, own_cpu_s: float) -> None:
        """What the cores and the run have done so far."""
        self._looked_s = self._now_s()
        self._next_s = self._looked_s + random.uniform(*_LOOK_EVERY_S)  # noqa: S311 - no secret
        self._own_s = own_cpu_s
        self._busy_s: dict[int, float] = {}
        if self.core is not None:
            with suppress(OSError):
                self._busy_s = parse_busy_s(self._read_stat(), os.sysconf("SC_CLK_TCK"))

    def _move(self, threads: Collection[int]) -> None:
        if self.core is None:
            return
        for thread in threads:
            # It may have ended, or the system may allow fewer cores by now: all still works.
            with suppress(OSError):
                os.sched_setaffinity(thread, {self.core})

"""How many workers are at work: enough to keep one core busy, no more than are allowed.

Threads that wait for the network cost nothing. Threads that are ready to go on all want Python's
one lock: with 32 of them, a third of a download's CPU time went into handing it from one to the
next (measured on a local server, which answers at once). So a run begins with a few, and more
are added as long as the process has time to spare: as soon as answers take a while, all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

#: A run begins with so many.
N_FIRST: Final = 4

#: With so many cores at work, another thread would mostly wait for the interpreter's lock.
_BUSY_CORES: Final = 0.85


class WorkClock:
    """CPU time of the workers alone: reading the catalog takes some too, but not for long."""

    def __init__(self) -> None:
        self._cpu_s: dict[int, float] = {}

    def note(self) -> None:
        """Take down the calling thread's CPU time; called after every item."""
        self._cpu_s[threading.get_ident()] = time.thread_time()

    def total_s(self) -> float:
        """CPU seconds of all workers so far."""
        return sum(list(self._cpu_s.values()))


def decide_more(n_workers: int, n_most: int, busy_cores: float) -> int:
    """How many workers to add: three times as many, until all are there.

    Parameters
    ----------
    n_workers : int
        At work.
    n_most : int
        Allowed.
    busy_cores : float
        CPU seconds a second that they took lately.
    """
    return 0 if busy_cores >= _BUSY_CORES else min(3 * n_workers, n_most - n_workers)


class Hiring:
    """Adds workers to a run while that helps.

    Parameters
    ----------
    hire : callable
        Sets one more worker to work.
    n_most : int
        Workers allowed.
    cpu_s, now_s : callable
        CPU seconds of the workers so far, and the time.
    """

    def __init__(
        self,
        hire: Callable[[], None],
        n_most: int,
        cpu_s: Callable[[], float],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hire = hire
        self._n_most = n_most
        self._cpu_s = cpu_s
        self._now_s = now_s
        self._n_workers = 0
        self._add(min(N_FIRST, n_most))

    def look(self, *, has_work: bool) -> None:
        """Add what is called for; called several times a second.

        Parameters
        ----------
        has_work : bool
            Whether items wait for a worker.
        """
        if not has_work:
            self._add(0)
            return
        cpu_s, now_s = self._cpu_s(), self._now_s()
        busy_cores = (cpu_s - self._last_cpu_s) / max(now_s - self._last_s, 1e-6)
        self._add(decide_more(self._n_workers, self._n_most, busy_cores))

    def _add(self, n_more: int) -> None:
        for _ in range(n_more):
            self._hire()
        self._n_workers += n_more
        self._last_cpu_s, self._last_s = self._cpu_s(), self._now_s()

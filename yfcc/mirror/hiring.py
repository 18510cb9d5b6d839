"""How many workers are at work: enough to keep one core busy, no more than are allowed.

Threads that wait for the network cost nothing. Threads that are ready to go on all want Python's
one lock: with 32 of them, a third of a download's CPU time went into handing it from one to the
next (measured on a local server, which answers at once). So a run begins with a few, and as many
are added as would keep a core busy: as soon as answers take a while, all of them. None are added
while workers wait for the disk: that gets no faster.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final

#: A run begins with so many.
N_FIRST: Final = 4

#: With so many cores at work, another thread would mostly wait for the interpreter's lock.
_BUSY_CORES: Final = 0.85


class WorkClock:
    """What the workers do with their time; each tells of itself.

    Parameters
    ----------
    now_s : callable
        The time.
    meet : callable
        Called by each thread when it tells of itself for the first time.
    """

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        meet: Callable[[], None] = lambda: None,
    ) -> None:
        self._now_s = now_s
        self._meet = meet
        self._cpu_s: dict[int, float] = {}
        self._asking_s: dict[int, float] = {}
        self._asking_since: dict[int, float] = {}

    def note(self) -> None:
        """Take down the calling thread's CPU time; called after every item."""
        thread = threading.get_ident()
        if thread not in self._cpu_s:
            self._meet()
        self._cpu_s[thread] = time.thread_time()

    def begin_asking(self) -> None:
        """The calling thread asks a server from now on."""
        self._asking_since[threading.get_ident()] = self._now_s()

    def end_asking(self) -> None:
        """The calling thread has its answer, or an error."""
        thread = threading.get_ident()
        asking_s = self._now_s() - self._asking_since.pop(thread)
        self._asking_s[thread] = self._asking_s.get(thread, 0.0) + asking_s

    def total_cpu_s(self) -> float:
        """CPU seconds of all workers so far; reading the catalog takes some too, not for long."""
        return sum(list(self._cpu_s.values()))

    def total_asking_s(self) -> float:
        """Seconds that workers spent asking so far, all together."""
        now_s = self._now_s()
        under_way_s = [now_s - since_s for since_s in list(self._asking_since.values())]
        return sum(list(self._asking_s.values())) + sum(under_way_s)


def decide_more(n_workers: int, n_most: int, busy_cores: float, n_asking: float) -> int:
    """How many workers to add: as many as keep a core busy, if each is like those at work.

    Parameters
    ----------
    n_workers : int
        At work.
    n_most : int
        Allowed.
    busy_cores : float
        CPU seconds a second that they took lately.
    n_asking : float
        Workers that were asking a server, on average: the others waited for the disk.
    """
    if busy_cores >= _BUSY_CORES or n_asking < n_workers / 2:
        return 0
    n_enough = math.ceil(n_workers * _BUSY_CORES / max(busy_cores, 1e-3))
    return min(n_enough, n_most) - n_workers


class Hiring:
    """Adds workers to a run while that helps.

    Parameters
    ----------
    hire : callable
        Sets one more worker to work.
    n_most : int
        Workers allowed.
    clock : WorkClock
        Knows what the workers do.
    now_s : callable
        The time.
    """

    def __init__(
        self,
        hire: Callable[[], None],
        n_most: int,
        clock: WorkClock,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hire = hire
        self._n_most = n_most
        self._clock = clock
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
        passed_s = max(self._now_s() - self._last_s, 1e-6)
        busy_cores = (self._clock.total_cpu_s() - self._last_cpu_s) / passed_s
        n_asking = (self._clock.total_asking_s() - self._last_asking_s) / passed_s
        self._add(decide_more(self._n_workers, self._n_most, busy_cores, n_asking))

    def _add(self, n_more: int) -> None:
        for _ in range(n_more):
            self._hire()
        self._n_workers += n_more
        self._last_s = self._now_s()
        self._last_cpu_s = self._clock.total_cpu_s()
        self._last_asking_s = self._clock.total_asking_s()

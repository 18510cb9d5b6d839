"""A thread that works behind another, in order, and never far behind."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

Act = Callable[[], object]

#: One is done while the next waits and a third is made ready.
_N_WAITING: Final = 1


class Behind:
    """Does acts one after the other in a thread of its own.

    After an act has failed none is done any more, and the error comes back to whoever hands in
    the next, or waits.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._acts: queue.Queue[Act | None] = queue.Queue(_N_WAITING)
        self._error: BaseException | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def do(self, act: Act) -> None:
        """Hand in an act, waiting for a place.

        Raises
        ------
        BaseException
            What an earlier act raised.
        """
        self._check()
        self._acts.put(act)

    def settle(self) -> None:
        """Wait until all is done.

        Raises
        ------
        BaseException
            What an act raised.
        """
        self._acts.join()
        self._check()

    def close(self) -> None:
        """Wait for the act at work, drop the others, end the thread; no error comes back."""
        self._is_closed = True
        self._acts.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._error:
            raise self._error

    def _work(self) -> None:
        while act := self._acts.get():
            try:
                if not (self._error or self._is_closed):
                    act()
            except BaseException as error:  # noqa: BLE001 - it is raised where it matters
                self._error = error
            finally:
                self._acts.task_done()

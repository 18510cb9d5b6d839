"""Asking a run to stop, by signal or from another thread."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from yfcc.errors import InterruptedRun

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
#: A signal to a process group arrives twice where make, which gets it too, hands it on.
_SAME_SIGNAL_S: Final = 0.5


class StopRequest:
    """A wish to stop, seen by the run and by all that fetches for it.

    Attributes
    ----------
    event : threading.Event
        Set once the run stops, for whatever reason: what fetches waits on it and gives up.
    signal_number : int or None
        The signal that asked.
    asked_s : float
        When, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal_number: int | None = None
        self.asked_s = 0.0

    def ask(self, signal_number: int = signal.SIGINT) -> None:
        """Ask the run to stop; returns at once.

        Only a plain attribute is set: a signal handler that touched the event could wait for
        ever for the lock its own thread holds. The run sets the event when it notices.
        """
        if self.signal_number is None:
            self.asked_s = time.monotonic()
            self.signal_number = signal_number

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked."""
        return self.signal_number is not None

    def raise_if_asked(self) -> None:
        """Leave with the exit code of the signal, for use between the steps of a command.

        Raises
        ------
        InterruptedRun
            Somebody asked.
        """
        if self.signal_number is not None:
            raise InterruptedRun(self.signal_number)


@contextmanager
def stop_on_signals(stop: StopRequest) -> Iterator[StopRequest]:
    """Have Ctrl-C and SIGTERM ask for a stop; the second one ends the process at once.

    For the main thread. The handlers that were there come back at the end.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        is_again = number == stop.signal_number
        if stop.is_asked and not (is_again and time.monotonic() < stop.asked_s + _SAME_SIGNAL_S):
            os._exit(128 + number)
        stop.ask(number)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

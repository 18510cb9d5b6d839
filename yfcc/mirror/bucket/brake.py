"""Going slower when the object store asks for it, or is in trouble."""

from __future__ import annotations

import random
import threading
import time
from typing import Final

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 8.0


class Brake:
    """A pause that all requests share: it doubles with each refusal, and halves with each success.

    An object store answers 503 SlowDown while it spreads a busy prefix over more machines, which
    takes it minutes. Safe for use by many threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pause_s = 0.0
        self._free_at_s = 0.0

    def wait(self) -> None:
        """Wait until the pause is over."""
        while (left_s := self._free_at_s - time.monotonic()) > 0:
            # Not all at once when it ends.
            time.sleep(left_s + random.uniform(0, self._pause_s / 4))  # noqa: S311 - no secret

    def slow_down(self) -> None:
        """The store needs it. Refusals of requests sent before the pause count once."""
        with self._lock:
            now_s = time.monotonic()
            if now_s >= self._free_at_s:
                self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
                self._free_at_s = now_s + self._pause_s

    def note_success(self) -> None:
        """A request was answered."""
        if self._pause_s:
            with self._lock:
                shorter_s = self._pause_s / 2
                self._pause_s = shorter_s if shorter_s >= _FIRST_PAUSE_S / 2 else 0.0

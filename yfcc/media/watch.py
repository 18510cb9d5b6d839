"""How fast an answer has to come."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import Final

from yfcc.media.attempt import BrokenAnswerError, ErrorKind
from yfcc.media.clock import Clock
from yfcc.media.gate import interrupted

#: How often a read that waits for bytes looks up whether to go on.
_SLICE_S: Final = 1.0

#: How long an answer may go on to come in after the run was asked to stop.
_GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SpeedLimits:
    """How slow an answer may be; see ``FetchSettings`` for the fields."""

    read_timeout_s: float
    min_rate_bytes_s: float
    min_rate_window_s: float


class Watch:
    """Judges an answer's speed with every packet.

    The socket's own timeout starts anew with every byte: it cannot see a server that sends one
    byte a second.

    Parameters
    ----------
    limits : SpeedLimits
    clock : Clock
    stop : threading.Event
    """

    def __init__(self, limits: SpeedLimits, clock: Clock, stop: Event) -> None:
        self._limits = limits
        self._clock = clock
        self._stop = stop
        self._stop_noticed_s: float | None = None
        self.slice_s = min(_SLICE_S, limits.read_timeout_s)
        self.start(0.0)

    def start(self, deadline_s: float) -> None:
        """Begin to watch an answer that has to be there at a monotonic time."""
        now_s = self._clock.monotonic()
        self._deadline_s = deadline_s
        self._last_s = now_s
        self._window_s = now_s
        self._n_window_bytes = 0

    def note_bytes(self, n_bytes: int) -> None:
        """Take note of a packet.

        Raises
        ------
        BrokenAnswerError
            The answer is too slow, or late.
        InterruptedRun
            The run was asked to stop a while ago.
        """
        now_s = self._clock.monotonic()
        self._last_s = now_s
        self._n_window_bytes += n_bytes
        self._judge(now_s)

    def note_silence(self) -> None:
        """Take note of a while without a packet; raises as :meth:`note_bytes`."""
        if self._stop.is_set():
            raise interrupted()
        now_s = self._clock.monotonic()
        silence_s = now_s - self._last_s
        if silence_s >= self._limits.read_timeout_s:
            raise BrokenAnswerError(ErrorKind.TIMEOUT, f"nothing came for {silence_s:.1f} s")
        self._judge(now_s)

    def _judge(self, now_s: float) -> None:
        if now_s > self._deadline_s:
            raise BrokenAnswerError(ErrorKind.DEADLINE, "the time for one attempt is over")
        limits = self._limits
        window_s = now_s - self._window_s
        if window_s >= limits.min_rate_window_s:
            if self._n_window_bytes < limits.min_rate_bytes_s * window_s:
                raise BrokenAnswerError(
                    ErrorKind.TOO_SLOW, f"{self._n_window_bytes} bytes in {window_s:.1f} s"
                )
            self._window_s = now_s
            self._n_window_bytes = 0
        if self._stop.is_set():
            self._stop_noticed_s = self._stop_noticed_s or now_s
            if now_s - self._stop_noticed_s > _GRACE_S:
                raise interrupted()

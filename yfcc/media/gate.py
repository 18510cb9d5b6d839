"""Where threads wait for their turn with a host."""

from __future__ import annotations

import signal
from threading import Condition
from threading import Event as StopEvent
from typing import Final

from yfcc.errors import InterruptedRun, RateLimitedError, SourceForbidden, SourceUnreachable
from yfcc.media.clock import Clock
from yfcc.media.courtesy import HostNote, describe_host
from yfcc.media.politeness import (
    ANSWERED,
    MISLED,
    Broken,
    Event,
    GatePolicy,
    GateState,
    Throttled,
    Unconnected,
    Verdict,
    admit,
    after,
    backoff_s,
    is_at_rest,
)
from yfcc.media.shared_rate import SharedRate

#: How long a thread sleeps before it looks again whether the run is asked to stop.
_LOOK_UP_S: Final = 0.25


def interrupted() -> InterruptedRun:
    """What to raise once the run is asked to stop; the caller knows by which signal."""
    return InterruptedRun(signal.SIGINT)


class HostGate:
    """The turnstile before a host, shared by all threads.

    Parameters
    ----------
    name : str
        Of the host, for messages.
    policy : GatePolicy
    clock : Clock
    stop : threading.Event
        Set when the run is asked to stop.
    shared : SharedRate, optional
        What other processes of this machine ask the host, and its pauses.
    """

    def __init__(
        self,
        name: str,
        policy: GatePolicy,
        clock: Clock,
        stop: StopEvent,
        shared: SharedRate | None = None,
    ) -> None:
        self._name = name
        self._policy = policy
        self._clock = clock
        self._stop = stop
        self._shared = shared
        self._turn = Condition()
        self._state = GateState(n_allowed=float(policy.max_in_flight))
        self._n_in_flight = 0
        self._n_answers = 0

    @property
    def n_answers(self) -> int:
        """Answers of any kind so far: proof that the host can be reached."""
        return self._n_answers

    @property
    def state(self) -> GateState:
        """How the host has taken our requests so far."""
        return self._state

    def describe(self) -> HostNote | None:
        """What holds requests to the host back; None if nothing does."""
        return describe_host(self._name, self._state, self._policy, self._clock.monotonic())

    def enter(self) -> float:
        """Wait for a turn; every call must be followed by one of :meth:`leave`.

        Returns
        -------
        float
            Monotonic time of the start, to be handed to :meth:`leave`.

        Raises
        ------
        RateLimitedError, SourceUnreachable, SourceForbidden
            The host is not asked any more.
        InterruptedRun
            The run was asked to stop.
        TargetError
            The rate cannot be shared with other processes any more.
        """
        while True:
            with self._turn:
                self._check()
                if self._n_in_flight >= int(self._state.n_allowed):
                    self._turn.wait(_LOOK_UP_S)
                    continue
                now_s = self._clock.monotonic()
                state, wait_s = admit(self._state, self._policy, now_s)
                if wait_s <= 0.0 and self._shared is not None:
                    wait_s = self._shared.take(state.slowdown)
                if wait_s <= 0.0:
                    self._state = state
                    self._n_in_flight += 1
                    return now_s
            self._clock.wait(self._stop, wait_s)

    def wait(self, seconds: float) -> None:
        """Let time pass that the host asked for before one request, without holding a turn.

        Raises
        ------
        InterruptedRun
            The run was asked to stop.
        """
        if self._clock.wait(self._stop, seconds):
            raise interrupted()

    def leave(self, event: Event, started_s: float) -> None:
        """Say how it went, and let the next one in."""
        with self._turn:
            self._n_in_flight -= 1
            if event is not ANSWERED or not is_at_rest(self._state, self._policy):
                now_s = self._clock.monotonic()
                self._state = after(self._state, self._policy, event, started_s, now_s)
                if self._shared is not None and isinstance(event, Throttled):
                    pause_s = self._state.paused_until_s - now_s
                    self._shared.pause(min(pause_s, self._policy.max_pause_s))
            if event is not MISLED and not isinstance(event, Unconnected | Broken):
                self._n_answers += 1
            self._turn.notify()

    def back_off(self, n_before: int) -> None:
        """Let time pass before one thing is asked for again; raises as :meth:`wait`."""
        self.wait(backoff_s(self._policy, n_before))

    def _check(self) -> None:
        if self._stop.is_set():
            raise interrupted()
        name = self._name
        match self._state.verdict:
            case Verdict.RATE_LIMITED:
                limit_min = self._policy.max_pause_s / 60.0
                raise RateLimitedError(
                    f"{name}: asks for longer pauses than {limit_min:.0f} minutes; "
                    "run it again later, what is stored is kept"
                )
            case Verdict.UNREACHABLE:
                raise SourceUnreachable(
                    f"{name}: no connection in {self._state.n_connect_rounds} rounds of attempts; "
                    "check the network, then run it again: items not reached stay untried"
                )
            case Verdict.FORBIDDEN:
                raise SourceForbidden(
                    f"{name}: {self._state.n_forbidden} answers 403 in a row; the host seems to "
                    "refuse this machine altogether, not single items"
                )
            case Verdict.MISLED:
                raise SourceForbidden(
                    f"{name}: led to addresses that are not public {self._state.n_forbidden} "
                    "times in a row; check the name service. If they are right, allow them with "
                    "--allow-private-hosts, and ask once more for what is blocked with --ask-again"
                )
            case None:
                pass

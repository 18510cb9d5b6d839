"""When to ask a host again: pure decisions over values.

A :class:`GateState` says how a host has taken our requests so far. :func:`admit` tells how long
the next request has to wait, :func:`after` what an answer changes. Threads, locks and sleeping
are :mod:`yfcc.media.gate`'s.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from yfcc.errors import UsageError
from yfcc.media.httpdate import parse_date

_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/(s|m|h))?", re.ASCII)
_UNIT_S: Final = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

#: Retry-After of more digits than this is read as "for ever".
_MAX_DIGITS: Final = 9

#: A throttled host is asked up to so many times more slowly than allowed.
_MAX_SLOWDOWN: Final = 32.0
_RECOVERY: Final = 0.9

#: A redirect that wants a longer wait is not followed in this run.
MAX_REDIRECT_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second."""

    per_s: float

    def divided_by(self, n: int) -> Rate:
        """One of ``n`` equal shares, for processes that ask the same host."""
        return Rate(self.per_s / n)


def parse_rate(text: str) -> Rate:
    """Read a rate: ``2/s``, ``30/m``, ``3600/h``, or a number a second.

    Raises
    ------
    UsageError
        It is none, or zero.
    """
    match = _RATE.fullmatch(text.strip().lower())
    per_s = float(match[1]) / _UNIT_S[match[2]] if match else 0.0
    if not 0.0 < per_s < math.inf:
        raise UsageError(f"rate {text!r}: expected a number and a unit, such as 2/s or 30/m")
    return Rate(per_s)


def parse_retry_after(value: str | None, now_utc: datetime) -> float | None:
    """Seconds to wait that a Retry-After names (RFC 9110, 10.2.3); None for nonsense.

    Parameters
    ----------
    value : str or None
        Of the header: seconds, or a date.
    now_utc : datetime
        The server's own time, from its Date header: its clock and ours may differ.

    Returns
    -------
    float or None
        0 for a date in the past, infinity for a number that no one can mean.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value) if len(value) <= _MAX_DIGITS else math.inf
    # A date has a colon in its time; without one, 2.5 or -1 would be read as years.
    moment = parse_date(value) if ":" in value else None
    if moment is None:
        return None
    return max(0.0, (moment - now_utc).total_seconds())


class Verdict(Enum):
    """Why a host is not asked any more in this run."""

    RATE_LIMITED = "rate limited"
    UNREACHABLE = "unreachable"
    FORBIDDEN = "forbidden"
    MISLED = "misled"


@dataclass(frozen=True, slots=True)
class Answered:
    """The host answered what it was asked, if only that there is nothing."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """429 or 503; ``retry_after_s`` None if the host named no time."""

    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class Forbidden:
    """403, or an address that may not be asked: for this one thing, or for everything."""

    verdict: Verdict = Verdict.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Unconnected:
    """No connection: the host, the network or the name service is gone."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer that broke off or makes no sense: says nothing about the host's patience."""


Event = Answered | Throttled | Forbidden | Unconnected | Broken

ANSWERED: Final = Answered()
FORBIDDEN: Final = Forbidden()
MISLED: Final = Forbidden(Verdict.MISLED)
UNCONNECTED: Final = Unconnected()
BROKEN: Final = Broken()


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """How patient to be with a host, and how long; see ``FetchSettings`` for the fields."""

    max_in_flight: int
    rate: Rate | None = None
    backoff_s: float = 0.5
    backoff_cap_s: float = 30.0
    max_pause_s: float = 3600.0
    max_connect_rounds: int = 6
    max_forbidden_run: int = 100


@dataclass(frozen=True, slots=True)
class GateState:
    """How a host has taken our requests so far.

    Attributes
    ----------
    n_allowed : float
        Requests that may be under way; grows by 1 in as many successes, halves on a setback.
    slowdown : float
        1 or more: the rate is divided by it.
    next_slot_s, paused_until_s : float
        Monotonic times before which no request starts.
    setback_s : float
        When the last setback was taken note of. Requests that were under way then belong to
        the same setback and change nothing more.
    n_setbacks : int
        Throttled rounds not yet made good by successes.
    paused_s : float
        Sum of pauses since the last success.
    n_connect_rounds, n_forbidden : int
        In a row.
    verdict : Verdict or None
        Set once the host is not asked any more.
    """

    n_allowed: float
    slowdown: float = 1.0
    next_slot_s: float = -math.inf
    paused_until_s: float = -math.inf
    setback_s: float = -math.inf
    n_setbacks: int = 0
    paused_s: float = 0.0
    n_connect_rounds: int = 0
    n_forbidden: int = 0
    verdict: Verdict | None = None


def admit(state: GateState, policy: GatePolicy, now_s: float) -> tuple[GateState, float]:
    """Whether a request may start now.

    Returns
    -------
    state : GateState
        With the slot taken, if the wait is 0.
    wait_s : float
        Seconds until it is worth asking again; 0 if the request may start.
    """
    wait_s = max(state.paused_until_s, state.next_slot_s) - now_s
    if wait_s > 0.0:
        return state, wait_s
    if policy.rate is None:
        return state, 0.0
    return replace(state, next_slot_s=now_s + state.slowdown / policy.rate.per_s), 0.0


def is_at_rest(state: GateState, policy: GatePolicy) -> bool:
    """Whether an answer would change nothing: the case of nearly all, kept cheap."""
    return (
        state.n_allowed >= policy.max_in_flight
        and state.n_setbacks == 0
        and state.n_forbidden == 0
        and state.n_connect_rounds == 0
        and state.slowdown == 1.0
    )


def after(
    state: GateState, policy: GatePolicy, event: Event, started_s: float, now_s: float
) -> GateState:
    """What an answer changes.

    Parameters
    ----------
    event : Event
    started_s : float
        Monotonic time at which the request was let through.
    now_s : float
        Monotonic time of the answer.
    """
    match event:
        case Answered():
            return _after_success(state, policy, started_s)
        case Forbidden(why):
            n_forbidden = state.n_forbidden + 1
            verdict = why if n_forbidden >= policy.max_forbidden_run else None
            return replace(
                state,
                n_forbidden=n_forbidden,
                n_connect_rounds=0,
                verdict=state.verdict or verdict,
            )
        case Throttled(retry_after_s):
            return _after_throttling(state, policy, retry_after_s, started_s, now_s)
        case Unconnected():
            return _after_no_connection(state, policy, started_s, now_s)
        case Broken():
            return replace(state, n_connect_rounds=0) if state.n_connect_rounds else state


def _after_success(state: GateState, policy: GatePolicy, started_s: float) -> GateState:
    if started_s <= state.setback_s:
        # It was let through before the host complained: no sign that it has recovered.
        return replace(state, n_forbidden=0, n_connect_rounds=0)
    return replace(
        state,
        n_allowed=min(policy.max_in_flight, state.n_allowed + 1.0 / state.n_allowed),
        slowdown=max(1.0, state.slowdown * _RECOVERY),
        n_setbacks=max(0, state.n_setbacks - 1),
        paused_s=0.0,
        n_connect_rounds=0,
        n_forbidden=0,
    )


def backoff_s(policy: GatePolicy, n_before: int) -> float:
    """Seconds to pause after so many setbacks before: doubling, up to the cap."""
    return min(policy.backoff_cap_s, policy.backoff_s * 2.0 ** min(n_before, 30))


def _after_throttling(
    state: GateState,
    policy: GatePolicy,
    retry_after_s: float | None,
    started_s: float,
    now_s: float,
) -> GateState:
    is_news = started_s > state.setback_s
    pause_s = retry_after_s or 0.0
    if is_news:
        pause_s = max(pause_s, backoff_s(policy, state.n_setbacks))
        state = replace(
            state,
            n_allowed=max(1.0, state.n_allowed / 2.0),
            slowdown=min(_MAX_SLOWDOWN, state.slowdown * 2.0),
            n_setbacks=state.n_setbacks + 1,
            setback_s=now_s,
        )
    state = replace(state, n_connect_rounds=0, n_forbidden=0)
    return _pause(state, policy, pause_s, now_s)


def _pause(state: GateState, policy: GatePolicy, pause_s: float, now_s: float) -> GateState:
    longer_s = max(0.0, now_s + pause_s - max(now_s, state.paused_until_s))
    paused_s = state.paused_s + longer_s
    verdict = None
    if pause_s > policy.max_pause_s or paused_s > policy.max_pause_s:
        verdict = Verdict.RATE_LIMITED
    return replace(
        state,
        paused_until_s=max(state.paused_until_s, now_s + pause_s),
        paused_s=paused_s,
        verdict=state.verdict or verdict,
    )


def _after_no_connection(
    state: GateState, policy: GatePolicy, started_s: float, now_s: float
) -> GateState:
    if started_s <= state.setback_s:
        return state
    n_rounds = state.n_connect_rounds + 1
    pause_s = backoff_s(policy, state.n_connect_rounds)
    verdict = Verdict.UNREACHABLE if n_rounds >= policy.max_connect_rounds else None
    return replace(
        state,
        n_connect_rounds=n_rounds,
        setback_s=now_s,
        paused_until_s=max(state.paused_until_s, now_s + pause_s),
        verdict=state.verdict or verdict,
    )

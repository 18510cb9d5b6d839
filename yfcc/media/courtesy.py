"""What holds requests to a host back, in words: for whoever watches a run."""

from __future__ import annotations

from dataclasses import dataclass

from yfcc.media.politeness import GatePolicy, GateState


@dataclass(frozen=True, slots=True)
class HostNote:
    """Why a host is asked less than it could be.

    Attributes
    ----------
    host : str
    is_paused : bool
        Whether it is not asked at all just now.
    text : str
        One line, the host's name first.
    """

    host: str
    is_paused: bool
    text: str


def describe_host(host: str, state: GateState, policy: GatePolicy, now_s: float) -> HostNote | None:
    """What holds requests to a host back; None if nothing does.

    Parameters
    ----------
    host : str
        Its name.
    state : GateState
        How it has taken our requests so far.
    policy : GatePolicy
        How patient we are.
    now_s : float
        Monotonic time.

    Examples
    --------
    >>> describe_host("S3", GateState(16.0), GatePolicy(64), 0.0).text
    'S3: 16 of 64 connections, it asked to slow down'
    """
    pause_s = state.paused_until_s - now_s
    if pause_s > 0.0:
        if state.n_connect_rounds:
            return HostNote(host, True, f"{host}: no connection, next try in {pause_s:.0f} s")
        return HostNote(host, True, f"{host}: paused for {pause_s:.0f} s, it asked to slow down")
    n_allowed = int(state.n_allowed)
    held = []
    if n_allowed < policy.max_in_flight:
        held.append(f"{n_allowed} of {policy.max_in_flight} connections")
    if policy.rate is not None and state.slowdown > 1.0:
        held.append(f"{policy.rate.per_s / state.slowdown:.2g} requests/s")
    if not held:
        return None
    return HostNote(host, False, f"{host}: {', '.join(held)}, it asked to slow down")

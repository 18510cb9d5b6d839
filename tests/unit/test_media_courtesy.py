"""A host's patience, in words."""

from __future__ import annotations

from yfcc.media.courtesy import HostNote, describe_host
from yfcc.media.politeness import (
    ANSWERED,
    UNCONNECTED,
    GatePolicy,
    GateState,
    Rate,
    Throttled,
    after,
)

POLICY = GatePolicy(max_in_flight=64)


def note(state: GateState, now_s: float, policy: GatePolicy = POLICY) -> HostNote | None:
    return describe_host("S3", state, policy, now_s)


def test_a_host_at_rest_is_no_news() -> None:
    assert note(GateState(64.0), 5.0) is None


def test_a_pause_counts_down_and_leaves_fewer_connections_that_recover() -> None:
    state = after(GateState(64.0), POLICY, Throttled(12.0), started_s=10.0, now_s=11.0)
    paused = note(state, 11.0)
    assert paused == HostNote("S3", True, "S3: paused for 12 s, it asked to slow down")
    later = note(state, 20.0)
    assert later is not None
    assert later.text.startswith("S3: paused for 3 s")
    assert note(state, 24.0) == HostNote(
        "S3", False, "S3: 32 of 64 connections, it asked to slow down"
    )
    for second in range(5000):
        state = after(state, POLICY, ANSWERED, started_s=30.0 + second, now_s=31.0 + second)
    assert note(state, 6000.0) is None


def test_a_slower_rate_is_told() -> None:
    policy = GatePolicy(max_in_flight=1, rate=Rate(2.0))
    state = after(GateState(1.0), policy, Throttled(1.0), started_s=10.0, now_s=11.0)
    told = note(state, 20.0, policy)
    assert told == HostNote("S3", False, "S3: 1 requests/s, it asked to slow down")


def test_a_dead_network_is_told_from_an_impatient_host() -> None:
    state = after(GateState(64.0), POLICY, UNCONNECTED, started_s=10.0, now_s=11.0)
    told = note(state, 11.0)
    assert told is not None
    assert told.is_paused
    assert told.text.startswith("S3: no connection, next try in ")

"""When a host is asked again: the decisions, without threads."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.errors import UsageError
from yfcc.media.politeness import (
    ANSWERED,
    BROKEN,
    FORBIDDEN,
    UNCONNECTED,
    Event,
    GatePolicy,
    GateState,
    Rate,
    Throttled,
    Verdict,
    admit,
    after,
    is_at_rest,
    parse_rate,
    parse_retry_after,
)

NOW = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
POLICY = GatePolicy(max_in_flight=8, backoff_s=1.0, backoff_cap_s=30.0, max_pause_s=3600.0)
FRESH = GateState(n_allowed=8.0)


def state_after(*events: tuple[Event, float], policy: GatePolicy = POLICY) -> GateState:
    """After events whose requests started as soon as they were allowed to."""
    state = FRESH
    for event, now_s in events:
        state = after(state, policy, event, now_s - 0.01, now_s)
    return state


@pytest.mark.parametrize(
    ("text", "per_s"),
    [("2/s", 2.0), ("30/m", 0.5), ("3600/h", 1.0), ("0.5", 0.5), (" 2/S ", 2.0)],
)
def test_rates(text: str, per_s: float) -> None:
    assert parse_rate(text) == Rate(per_s)


@pytest.mark.parametrize("text", ["", "0/s", "-1/s", "2/d", "fast", "1e9", "nan", "2 /s/s", "٣/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(UsageError, match="such as 2/s"):
        parse_rate(text)


def test_a_rate_is_shared_by_processes() -> None:
    assert Rate(2.0).divided_by(4) == Rate(0.5)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1" * 9, 111111111.0),
        ("9" * 5000, math.inf),
        ("Sat, 21 Nov 2026 08:02:00 GMT", 120.0),
        ("Saturday, 21-Nov-26 08:00:30 GMT", 30.0),
        ("Sat Nov 21 08:01:00 2026", 60.0),
        ("Sat, 21 Nov 2020 08:02:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("٣", None),
        ("120, 60", None),
        ("Sat, 99 Nov 2026 88:02:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_is_an_error(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0.0


def test_a_rate_gives_one_slot_after_the_other() -> None:
    policy = GatePolicy(max_in_flight=8, rate=Rate(2.0))
    state, wait_s = admit(FRESH, policy, 10.0)
    assert wait_s == 0.0
    assert admit(state, policy, 10.1)[1] == pytest.approx(0.4)
    state, wait_s = admit(state, policy, 10.5)
    assert wait_s == 0.0
    assert admit(state, policy, 10.5)[1] == pytest.approx(0.5)


def test_slots_not_used_are_not_saved_up() -> None:
    policy = GatePolicy(max_in_flight=8, rate=Rate(2.0))
    state, _ = admit(FRESH, policy, 10.0)
    state, _ = admit(state, policy, 99.0)
    assert admit(state, policy, 99.0)[1] == pytest.approx(0.5)


def test_throttling_pauses_the_host_as_long_as_it_asks() -> None:
    state = state_after((Throttled(120.0), 10.0))
    assert admit(state, POLICY, 10.0)[1] == pytest.approx(120.0)
    assert admit(state, POLICY, 129.0)[1] == pytest.approx(1.0)
    assert admit(state, POLICY, 130.0)[1] == 0.0


@pytest.mark.parametrize("retry_after_s", [None, 0.0])
def test_pauses_grow_while_the_host_goes_on_to_complain(retry_after_s: float | None) -> None:
    state, now_s, pauses = FRESH, 0.0, []
    for _ in range(8):
        state = after(state, POLICY, Throttled(retry_after_s), now_s, now_s + 0.01)
        pause_s = admit(state, POLICY, now_s + 0.01)[1]
        pauses.append(round(pause_s, 6))
        now_s += 0.02 + pause_s
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_answers_to_requests_of_one_moment_are_one_setback() -> None:
    state = FRESH
    for _ in range(8):
        state = after(state, POLICY, Throttled(None), 9.0, 10.0)
    assert state.n_setbacks == 1
    assert state.n_allowed == 4.0
    assert admit(state, POLICY, 10.0)[1] == pytest.approx(1.0)


def test_requests_under_way_are_halved_and_come_back_one_by_one() -> None:
    state = state_after((Throttled(None), 1.0), (Throttled(None), 3.0), (Throttled(None), 9.0))
    assert state.n_allowed == 1.0
    assert state_after(*((Throttled(None), float(t)) for t in range(1, 90, 5))).n_allowed == 1.0
    n_successes = 0
    while state.n_allowed < 8.0:
        state = after(state, POLICY, ANSWERED, 20.0, 20.1)
        n_successes += 1
    assert 20 < n_successes < 50
    while not is_at_rest(state, POLICY):
        state = after(state, POLICY, ANSWERED, 20.0, 20.1)
    assert state.slowdown == 1.0


def test_a_throttled_host_is_asked_more_slowly_but_never_faster_than_allowed() -> None:
    policy = GatePolicy(max_in_flight=8, rate=Rate(2.0), backoff_s=1.0)
    state = state_after((Throttled(None), 1.0), policy=policy)
    state, _ = admit(state, policy, 10.0)
    assert admit(state, policy, 10.0)[1] == pytest.approx(1.0)
    for _ in range(100):
        state = after(state, policy, ANSWERED, 11.0, 11.1)
    state, _ = admit(state, policy, 20.0)
    assert admit(state, policy, 20.0)[1] == pytest.approx(0.5)


def test_a_success_that_began_before_the_complaint_proves_nothing() -> None:
    state = after(state_after((Throttled(None), 10.0)), POLICY, ANSWERED, 9.5, 10.5)
    assert state.n_setbacks == 1


@pytest.mark.parametrize("retry_after_s", [3601.0, 1e9, math.inf])
def test_a_pause_that_no_run_can_take_ends_it(retry_after_s: float) -> None:
    assert state_after((Throttled(retry_after_s), 1.0)).verdict is Verdict.RATE_LIMITED


def test_pauses_without_a_success_between_add_up_to_an_end() -> None:
    state = state_after((Throttled(1900.0), 0.0), (Throttled(1900.0), 2000.0))
    assert state.verdict is Verdict.RATE_LIMITED
    state = state_after((Throttled(1900.0), 0.0), (ANSWERED, 1950.0), (Throttled(1900.0), 2000.0))
    assert state.verdict is None


def test_a_network_that_stays_away_ends_the_run_and_one_that_comes_back_does_not() -> None:
    rounds = [(UNCONNECTED, float(t)) for t in range(0, 600, 100)]
    assert state_after(*rounds[:5]).verdict is None
    assert state_after(*rounds).verdict is Verdict.UNREACHABLE
    assert state_after(*rounds[:5], (BROKEN, 700.0), *rounds[:5]).verdict is None


def test_connections_that_fail_together_are_one_round() -> None:
    state = FRESH
    for _ in range(64):
        state = after(state, POLICY, UNCONNECTED, 0.0, 10.0)
    assert state.n_connect_rounds == 1
    assert admit(state, POLICY, 10.0)[1] == pytest.approx(1.0)


def test_403_and_nothing_else_for_long_ends_the_run() -> None:
    policy = GatePolicy(max_in_flight=8, max_forbidden_run=3)
    two = [(FORBIDDEN, 1.0), (FORBIDDEN, 2.0)]
    assert state_after(*two, (ANSWERED, 3.0), *two, policy=policy).verdict is None
    assert state_after(*two, (FORBIDDEN, 3.0), policy=policy).verdict is Verdict.FORBIDDEN


events = st.one_of(
    st.sampled_from([ANSWERED, BROKEN, FORBIDDEN, UNCONNECTED]),
    st.builds(Throttled, st.none() | st.floats(0, 1e10)),
)


@given(st.lists(st.tuples(events, st.floats(0, 100)), max_size=60))
def test_whatever_happens_the_limits_hold(history: list[tuple[Event, float]]) -> None:
    state, now_s = FRESH, 0.0
    for event, step_s in history:
        was_over = state.verdict
        state = after(state, POLICY, event, now_s, now_s + step_s)
        now_s += step_s
        assert 1.0 <= state.n_allowed <= POLICY.max_in_flight
        assert state.slowdown >= 1.0
        assert was_over is None or state.verdict is was_over
        if state.verdict is not Verdict.RATE_LIMITED:
            assert admit(state, POLICY, now_s)[1] <= POLICY.max_pause_s

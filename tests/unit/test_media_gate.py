"""Threads before a host's gate."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime

import pytest

from yfcc.errors import InterruptedRun, RateLimitedError, SourceForbidden, SourceUnreachable
from yfcc.media.gate import HostGate
from yfcc.media.politeness import (
    ANSWERED,
    BROKEN,
    FORBIDDEN,
    UNCONNECTED,
    GatePolicy,
    Rate,
    Throttled,
)


class SteppedClock:
    """Time that passes only while someone waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits: list[float] = []

    def now_utc(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    def monotonic(self) -> float:
        self.now_s += 1e-6
        return self.now_s

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(round(seconds, 3))
        self.now_s += seconds
        return stop.is_set()


def gate_of(
    policy: GatePolicy, stop: threading.Event | None = None
) -> tuple[HostGate, SteppedClock]:
    clock = SteppedClock()
    return HostGate("host", policy, clock, stop or threading.Event()), clock


def test_a_rate_spaces_requests_out() -> None:
    gate, clock = gate_of(GatePolicy(max_in_flight=4, rate=Rate(2.0)))
    for _ in range(3):
        gate.leave(ANSWERED, gate.enter())
    assert clock.waits == [0.5, 0.5]


def test_a_pause_holds_the_whole_host() -> None:
    gate, clock = gate_of(GatePolicy(max_in_flight=4))
    gate.leave(Throttled(120.0), gate.enter())
    gate.enter()
    assert clock.waits == [120.0]


@pytest.mark.parametrize(
    ("event", "error", "n_events"),
    [
        (Throttled(math.inf), RateLimitedError, 1),
        (UNCONNECTED, SourceUnreachable, 6),
        (FORBIDDEN, SourceForbidden, 100),
    ],
)
def test_a_host_that_will_not_answer_ends_the_run_for_every_thread(
    event: object, error: type[Exception], n_events: int
) -> None:
    gate, _ = gate_of(GatePolicy(max_in_flight=4))
    for _ in range(n_events):
        gate.leave(event, gate.enter())  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(error, match="host: "):
            gate.enter()


def test_a_stopped_run_lets_nobody_in() -> None:
    stop = threading.Event()
    gate, _ = gate_of(GatePolicy(max_in_flight=4), stop)
    gate.leave(Throttled(60.0), gate.enter())
    stop.set()
    with pytest.raises(InterruptedRun):
        gate.enter()


def test_answers_of_any_kind_are_counted_and_silence_is_not() -> None:
    gate, _ = gate_of(GatePolicy(max_in_flight=4))
    for event in (ANSWERED, FORBIDDEN, Throttled(0.0), BROKEN, UNCONNECTED):
        gate.leave(event, gate.enter())
    assert gate.n_answers == 3


def test_never_more_requests_under_way_than_allowed() -> None:
    gate, _ = gate_of(GatePolicy(max_in_flight=3))
    lock = threading.Lock()
    n_under_way, most = 0, 0

    def ask() -> None:
        nonlocal n_under_way, most
        for _ in range(20):
            started_s = gate.enter()
            with lock:
                n_under_way += 1
                most = max(most, n_under_way)
            with lock:
                n_under_way -= 1
            gate.leave(ANSWERED, started_s)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3
    assert gate.n_answers == 160

"""A rate in a file: what is noted, and what is made of notes that cannot be right."""

from __future__ import annotations

import fcntl
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from yfcc.errors import TargetError
from yfcc.media.gate import HostGate
from yfcc.media.politeness import ANSWERED, GatePolicy, Rate, Throttled
from yfcc.media.shared_rate import SharedRate


class SetClock:
    """Time that passes only where a test says so, or someone waits."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s
        self.waits: list[float] = []

    def now_utc(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(round(seconds, 6))
        self.now_s += seconds
        return stop.is_set()


def rates(path: Path, per_s: float = 2.0, n: int = 2) -> tuple[SetClock, list[SharedRate]]:
    clock = SetClock()
    return clock, [SharedRate(path, Rate(per_s), clock=clock) for _ in range(n)]


def test_two_that_share_a_file_keep_one_rate(tmp_path: Path) -> None:
    clock, (first, second) = rates(tmp_path / "new" / "rates.json")
    assert first.take() == 0.0
    assert second.take() == pytest.approx(0.5)
    clock.now_s += 0.5
    assert second.take() == 0.0
    assert first.take() == pytest.approx(0.5)


def test_a_slowed_turn_keeps_a_longer_distance_for_all(tmp_path: Path) -> None:
    _, (first, second) = rates(tmp_path / "rates.json")
    assert first.take(slowdown=4.0) == 0.0
    assert second.take() == pytest.approx(2.0)


def test_a_pause_holds_for_all_and_a_shorter_one_does_not_end_it(tmp_path: Path) -> None:
    clock, (first, second) = rates(tmp_path / "rates.json")
    first.pause(60.0)
    second.pause(1.0)
    assert second.take() == pytest.approx(60.0)
    clock.now_s += 60.0
    assert second.take() == 0.0


def test_a_pause_does_not_make_the_next_turn_come_sooner(tmp_path: Path) -> None:
    _, (first, second) = rates(tmp_path / "rates.json", per_s=0.1)
    first.take()
    second.pause(1.0)
    assert first.take() == pytest.approx(10.0)


def test_hosts_have_rates_of_their_own_in_one_file_and_old_notes_are_dropped(
    tmp_path: Path,
) -> None:
    clock, path = SetClock(), tmp_path / "rates.json"
    one, other = (SharedRate(path, Rate(1.0), host, clock) for host in ("one", "other"))
    assert (one.take(), other.take()) == (0.0, 0.0)
    clock.now_s += 0.5
    assert other.take() == pytest.approx(0.5)
    clock.now_s += 5.0
    other.take()
    assert b"one" not in path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]\n",
        b'{"flickr": 1}\n',
        b'{"flickr": {"at_s": null, "next_s": null, "paused_until_s": null}}\n',
        b'{"flickr": {"at_s": 1.0}}\n',
        b"\x00" * 100,
    ],
)
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rates.json"
    path.write_bytes(content)
    _, (first, second) = rates(path)
    assert first.take() == 0.0
    assert second.take() == pytest.approx(0.5)


def test_what_a_longer_line_left_behind_is_not_read(tmp_path: Path) -> None:
    # As after a kill between the two calls that write.
    path = tmp_path / "rates.json"
    clock, (first, _) = rates(path)
    first.take()
    with path.open("ab") as file:
        file.write(b'of an older line"}\n')
    assert SharedRate(path, Rate(2.0), clock=clock).take() == pytest.approx(0.5)


def test_notes_from_before_a_restart_of_the_machine_hold_nobody(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    clock, (first, _) = rates(path)
    first.pause(3000.0)
    clock.now_s = 5.0
    assert first.take() == 0.0


def test_a_changed_time_of_day_changes_nothing(tmp_path: Path) -> None:
    class Jumping(SetClock):
        def now_utc(self) -> datetime:
            raise AssertionError("the time of day was asked for")

    clock = Jumping()
    rate = SharedRate(tmp_path / "rates.json", Rate(2.0), clock=clock)
    assert rate.take() == 0.0
    assert rate.take() == pytest.approx(0.5)


def test_a_pause_of_years_is_one_of_a_day(tmp_path: Path) -> None:
    _, (first, second) = rates(tmp_path / "rates.json")
    first.pause(float("inf"))
    assert second.take() == pytest.approx(86400.0)


def test_a_process_that_is_at_it_is_not_waited_for_within_the_call(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    _, (first, _) = rates(path)
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert 0.0 < first.take() < 0.1
    first.pause(60.0)
    os.close(holder)
    assert first.take() == 0.0


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for path in (tmp_path / "file" / "rates.json", tmp_path, tmp_path / "link"):
        with pytest.raises(TargetError, match="XDG_CACHE_HOME"):
            SharedRate(path, Rate(2.0))


def test_a_gate_waits_for_the_turns_of_another_process(tmp_path: Path) -> None:
    clock, (mine, other) = rates(tmp_path / "rates.json")
    policy = GatePolicy(max_in_flight=4, rate=Rate(1000.0))
    gate = HostGate("host", policy, clock, threading.Event(), mine)
    other.take()
    gate.leave(ANSWERED, gate.enter())
    assert clock.waits == [0.5]


def test_a_pause_that_one_gate_learns_of_holds_the_others(tmp_path: Path) -> None:
    clock, (mine, other) = rates(tmp_path / "rates.json")
    gate = HostGate("host", GatePolicy(max_in_flight=4), clock, threading.Event(), mine)
    gate.leave(Throttled(120.0), gate.enter())
    assert other.take() == pytest.approx(120.0)


def test_no_more_than_the_longest_pause_of_a_run_is_noted(tmp_path: Path) -> None:
    clock, (mine, other) = rates(tmp_path / "rates.json")
    policy = GatePolicy(max_in_flight=4, max_pause_s=600.0)
    gate = HostGate("host", policy, clock, threading.Event(), mine)
    gate.leave(Throttled(float("inf")), gate.enter())
    assert other.take() == pytest.approx(600.0)

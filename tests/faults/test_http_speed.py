"""Servers that take their time."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fakes.fetching import acquire_from, client_of, photo
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import (
    Endless,
    Pause,
    ScriptedServer,
    Step,
    in_turn,
    reply,
)
from yfcc.errors import InterruptedRun
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

PHOTO = jpeg()
WHOLE = reply(PHOTO)
HEADERS = reply(b"", length=10**6)


def seconds_to_fail(*steps: Step, **settings: float) -> tuple[float, str]:
    started_s = time.monotonic()
    fetched = acquire_from(in_turn(steps), max_attempts=1, **settings)
    assert fetched.outcome is Outcome.FAILED
    return time.monotonic() - started_s, fetched.error


def test_a_server_that_says_nothing_is_left_after_the_read_timeout() -> None:
    seconds, error = seconds_to_fail(Pause(20), read_timeout_s=0.3)
    assert 0.3 <= seconds < 1.5
    assert "timeout" in error


def test_a_server_that_stops_in_the_middle_is_left_after_the_read_timeout() -> None:
    seconds, error = seconds_to_fail(HEADERS + PHOTO, Pause(20), read_timeout_s=0.3)
    assert 0.3 <= seconds < 1.5
    assert "timeout" in error


def test_a_byte_now_and_then_is_too_slow_although_no_read_times_out() -> None:
    seconds, error = seconds_to_fail(
        HEADERS, Endless(b"x", 0.05), read_timeout_s=5.0, min_rate_window_s=0.5
    )
    assert 0.5 <= seconds < 2.0
    assert "too slow" in error


def test_headers_byte_by_byte_are_too_slow_too() -> None:
    seconds, error = seconds_to_fail(
        b"HTTP/1.1 200 OK\r\nX: ", Endless(b"x", 0.05), min_rate_window_s=0.5
    )
    assert 0.5 <= seconds < 2.0
    assert "too slow" in error


def test_a_body_that_is_fast_enough_still_has_a_deadline() -> None:
    seconds, error = seconds_to_fail(
        HEADERS + PHOTO, Endless(b"x" * 4000, 0.05), deadline_s=0.5, min_rate_window_s=30.0
    )
    assert 0.5 <= seconds < 2.0
    assert "deadline" in error


def test_silence_has_a_deadline_too() -> None:
    seconds, _ = seconds_to_fail(HEADERS, Pause(20), deadline_s=0.4, read_timeout_s=1.0)
    assert seconds < 2.0


def test_what_was_slow_is_asked_again() -> None:
    fetched = acquire_from(in_turn((HEADERS, Pause(5)), WHOLE), read_timeout_s=0.2)
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)


def test_a_slow_start_is_no_failure() -> None:
    fetched = acquire_from(in_turn((Pause(0.3), WHOLE[:20], Pause(0.2), WHOLE[20:])))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 1)


def test_a_stopped_run_does_not_wait_for_a_silent_server() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    with (
        ScriptedServer(in_turn((HEADERS, Pause(30)))) as server,
        client_of(server, stop, read_timeout_s=30.0) as client,
    ):
        timer.start()
        started_s = time.monotonic()
        with pytest.raises(InterruptedRun):
            client.acquire(photo(), BytesSink())
        assert time.monotonic() - started_s < 3.0
    timer.join()


def test_a_stopped_run_does_not_wait_out_a_pause() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    busy = reply(b"", 503, [("Retry-After", "100")])
    with ScriptedServer(in_turn(busy)) as server, client_of(server, stop) as client:
        timer.start()
        started_s = time.monotonic()
        with pytest.raises(InterruptedRun):
            client.acquire(photo(), BytesSink())
        assert time.monotonic() - started_s < 3.0
    timer.join()


def test_a_photo_that_is_coming_in_is_finished_when_the_run_stops() -> None:
    stop = threading.Event()

    def script(_: object) -> list[Step]:
        stop.set()
        return [WHOLE[:500], Pause(0.2), WHOLE[500:]]

    with ScriptedServer(script) as server, client_of(server, stop) as client:
        assert client.acquire(photo(), BytesSink()).outcome is Outcome.STORED

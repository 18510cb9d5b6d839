"""Servers that say no, not now, or never again."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fakes.fetching import (
    BOTH,
    FLICKR_TARGET,
    ROBOTS,
    S3_TARGET,
    TDMREP,
    acquire_from,
    client_of,
    photo,
)
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import ScriptedServer, by_target, in_turn, reply
from tests.unit.test_media_gate import SteppedClock
from yfcc.errors import RateLimitedError, SourceForbidden
from yfcc.media.acquire import MediaClient
from yfcc.media.settings import FetchSettings, Source
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

WHOLE = reply(jpeg())


@pytest.mark.parametrize("status", [404, 410, 403, 451])
def test_a_404_is_asked_once(status: int) -> None:
    fetched = acquire_from(in_turn(reply(b"<Error/>", status)))
    assert fetched.outcome is Outcome.GONE
    assert fetched.acquired.http_status == status
    assert fetched.acquired.last_error == f"s3: status: {status}"
    assert fetched.targets == [S3_TARGET]


def test_what_the_persistent_copy_lacks_is_asked_of_flickr_each_url_once() -> None:
    fetched = acquire_from(in_turn(reply(b"", 404)), sources=BOTH)
    assert fetched.outcome is Outcome.GONE
    assert fetched.targets == [S3_TARGET, ROBOTS, TDMREP, FLICKR_TARGET]
    assert fetched.acquired.attempts == 2


@pytest.mark.parametrize("status", [404, 403])
def test_what_flickr_still_has_is_stored(status: int) -> None:
    script = by_target(**{"multimedia-commons": reply(b"", status), "7301": WHOLE})
    fetched = acquire_from(script, sources=BOTH)
    assert (fetched.outcome, fetched.acquired.source) == (Outcome.STORED, "flickr")
    assert fetched.acquired.first_error == f"s3: status: {status}"


def test_flickr_is_not_asked_for_what_the_persistent_copy_has() -> None:
    fetched = acquire_from(in_turn(WHOLE), sources=BOTH)
    assert fetched.targets == [S3_TARGET]


def test_gone_at_one_source_and_failed_at_the_other_is_tried_on_the_next_run() -> None:
    script = by_target(**{"7301": reply(b"", 500)})
    fetched = acquire_from(script, sources=BOTH)
    assert (fetched.outcome, fetched.acquired.source) == (Outcome.FAILED, "flickr")
    assert fetched.acquired.first_error == "s3: status: 404"
    assert fetched.acquired.last_error == "flickr: status: 500"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_trouble_that_passes_is_asked_again(status: int) -> None:
    fetched = acquire_from(in_turn(reply(b"busy", status), reply(b"busy", status), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 3)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_trouble_that_stays_is_a_failure_never_a_final_outcome(status: int) -> None:
    fetched = acquire_from(in_turn(reply(b"busy", status)), max_attempts=3)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 3)
    assert not fetched.outcome.is_final


@pytest.mark.parametrize("status", [400, 401, 414, 204, 206, 304, 999])
def test_odd_statuses_are_failures_asked_once(status: int) -> None:
    fetched = acquire_from(in_turn(reply(b"", status)))
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 1)


def test_retry_after_is_obeyed() -> None:
    answers = in_turn(reply(b"", 503, [("Retry-After", "1")]), WHOLE)
    started_s = time.monotonic()
    assert acquire_from(answers).outcome is Outcome.STORED
    assert time.monotonic() - started_s >= 1.0


def test_a_pause_takes_nothing_from_the_time_for_an_attempt() -> None:
    clock = SteppedClock()
    with ScriptedServer(in_turn(reply(b"", 503, [("Retry-After", "100")]), WHOLE)) as server:
        settings = FetchSettings(s3_endpoint=server.url, deadline_s=60.0)
        client = MediaClient(settings, clock)
        found = client.acquire(photo(), BytesSink())
        client.close()
    assert sum(clock.waits) >= 100
    assert (found.outcome, found.attempts) == (Outcome.STORED, 2)


def test_a_date_is_read_by_the_servers_own_clock() -> None:
    # By ours the pause would be over since 2001, or for ever.
    headers = [
        ("Date", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("Retry-After", "Sat, 01 Jan 2000 00:00:01 GMT"),
    ]
    started_s = time.monotonic()
    assert acquire_from(in_turn(reply(b"", 429, headers), WHOLE)).outcome is Outcome.STORED
    assert 1.0 <= time.monotonic() - started_s < 5.0


@pytest.mark.parametrize("value", ["soon", "", "-1", "1.5", "Mon, 01 Jan 1990 00:00:00 GMT", "0"])
def test_nonsense_and_the_past_mean_the_default_pause(value: str) -> None:
    answers = in_turn(reply(b"", 429, [("Retry-After", value)]), WHOLE)
    started_s = time.monotonic()
    assert acquire_from(answers).outcome is Outcome.STORED
    assert time.monotonic() - started_s < 1.0


@pytest.mark.parametrize("value", ["1000000000", "9" * 40, "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_pause_that_no_run_can_take_ends_it_with_a_message(value: str) -> None:
    with pytest.raises(RateLimitedError, match="run it again later"):
        acquire_from(in_turn(reply(b"", 429, [("Retry-After", value)])))


def test_pauses_without_a_success_add_up_to_an_end() -> None:
    with pytest.raises(RateLimitedError):
        acquire_from(in_turn(reply(b"", 503)), max_pause_s=0.2, max_attempts=1000)


def test_a_pause_holds_every_thread_not_only_the_item() -> None:
    busy = threading.Event()
    times: list[float] = []

    def script(_: object) -> tuple[bytes]:
        times.append(time.monotonic())
        if busy.is_set():
            return (WHOLE,)
        busy.set()
        return (reply(b"", 503, [("Retry-After", "1")]),)

    with ScriptedServer(script) as server, client_of(server) as client:
        first = threading.Thread(target=client.acquire, args=(photo(1), BytesSink()))
        first.start()
        busy.wait(5)
        time.sleep(0.1)
        others = [
            threading.Thread(target=client.acquire, args=(photo(i), BytesSink()))
            for i in range(2, 8)
        ]
        for thread in others:
            thread.start()
        for thread in (first, *others):
            thread.join()
    assert len(times) == 8
    assert min(times[1:]) - times[0] >= 1.0


def test_403_for_everything_stops_the_run_before_all_items_are_called_gone() -> None:
    with (
        ScriptedServer(in_turn(reply(b"", 403))) as server,
        client_of(server, max_forbidden_run=5) as client,
    ):
        outcomes = [client.acquire(photo(i), BytesSink()).outcome for i in range(1, 6)]
        with pytest.raises(SourceForbidden):
            client.acquire(photo(6), BytesSink())
    assert outcomes == [Outcome.GONE] * 5


def test_the_flickr_rate_is_one_for_all_threads() -> None:
    from yfcc.media.politeness import Rate

    with (
        ScriptedServer(by_target(**{"7301": WHOLE})) as server,
        client_of(server, sources=(Source.FLICKR,), flickr_rate=Rate(10.0)) as client,
    ):
        started_s = time.monotonic()
        threads = [
            threading.Thread(target=client.acquire, args=(photo(i), BytesSink()))
            for i in range(1, 6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Two pages and five photos: six steps of a tenth of a second between them.
        assert time.monotonic() - started_s >= 0.6
        assert len(server.requests) == 7

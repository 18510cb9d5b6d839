"""Servers that ask not to store, and hosts that ask not to be asked."""

from __future__ import annotations

import gzip
import time
import zlib

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
from tests.fakes.scripted_server import Close, Pause, ScriptedServer, by_target, in_turn, reply
from tests.unit.test_media_gate import SteppedClock
from yfcc.media.acquire import MediaClient
from yfcc.media.settings import FetchSettings, Source
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

PHOTO = jpeg()
WHOLE = reply(PHOTO)
FLICKR = {"sources": (Source.FLICKR,)}

REFUSALS = [
    ("X-Robots-Tag", "noai"),
    ("x-robots-tag", "googlebot: all, *: noimageai"),
    ("tdm-reservation", "1"),
    ("Content-Usage", "train-ai=n"),
]


@pytest.mark.parametrize("header", REFUSALS)
def test_what_is_refused_is_not_read_and_not_asked_of_another_source(
    header: tuple[str, str],
) -> None:
    started_s = time.monotonic()
    fetched = acquire_from(
        in_turn((reply(b"", headers=[header], length=len(PHOTO)), Pause(10))), sources=BOTH
    )
    assert time.monotonic() - started_s < 2.0
    assert fetched.outcome is Outcome.REFUSED
    assert fetched.content == b""
    assert fetched.targets == [S3_TARGET]
    assert fetched.acquired.rights == {header[0].lower(): header[1]}
    assert header[1] in fetched.error


def test_the_connection_of_a_refused_answer_is_closed() -> None:
    answers = in_turn(reply(PHOTO, headers=[REFUSALS[0]]), WHOLE)
    with ScriptedServer(answers) as server, client_of(server) as client:
        client.acquire(photo(1), BytesSink())
        client.acquire(photo(2), BytesSink())
    assert server.n_connections == 2


@pytest.mark.parametrize("header", REFUSALS)
def test_the_user_may_store_it_all_the_same_and_the_headers_are_kept(
    header: tuple[str, str],
) -> None:
    fetched = acquire_from(in_turn(reply(PHOTO, headers=[header])), ignore_opt_out=True)
    assert fetched.outcome is Outcome.STORED
    assert fetched.acquired.rights == {header[0].lower(): header[1]}


def test_headers_that_do_not_refuse_are_kept_with_the_photo() -> None:
    headers = [("X-Robots-Tag", "nofollow"), ("X-Robots-Tag", "googlebot: noindex"),
               ("tdm-policy", "https://a.b/c"), ("tdm-reservation", "0")]  # fmt: skip
    fetched = acquire_from(in_turn(reply(PHOTO, headers=headers)))
    assert fetched.outcome is Outcome.STORED
    assert fetched.acquired.x_robots_tag == "nofollow, googlebot: noindex"
    assert fetched.acquired.rights["tdm-policy"] == "https://a.b/c"


def test_a_refusal_on_the_way_counts_as_much_as_one_at_the_end() -> None:
    moved = reply(b"", 302, [("Location", "/new/1.jpg"), ("X-Robots-Tag", "noai")])
    fetched = acquire_from(by_target(**{"7301": moved, "new": WHOLE}), **FLICKR)
    assert fetched.outcome is Outcome.REFUSED
    assert fetched.targets == [ROBOTS, TDMREP, FLICKR_TARGET]


def test_noindex_on_an_error_page_is_not_about_the_photo() -> None:
    fetched = acquire_from(in_turn(reply(b"", 404, [("X-Robots-Tag", "noindex")])))
    assert fetched.outcome is Outcome.GONE


def test_a_refusal_at_flickr_stands_where_the_copy_has_nothing() -> None:
    script = by_target(**{"7301": reply(PHOTO, headers=[REFUSALS[0]])})
    fetched = acquire_from(script, sources=BOTH)
    assert (fetched.outcome, fetched.acquired.source) == (Outcome.REFUSED, "flickr")


def test_what_robots_txt_disallows_is_not_asked() -> None:
    robots = reply(b"User-agent: *\nDisallow: /7301/\n")
    fetched = acquire_from(by_target(robots=robots, **{"7301": WHOLE}), **FLICKR)
    assert fetched.outcome is Outcome.BLOCKED
    assert "robots.txt" in fetched.error
    assert fetched.targets == [ROBOTS]
    assert fetched.acquired.attempts == 0


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_rules_are_obeyed_although_they_come_encoded(coding: str) -> None:
    rules = b"User-agent: *\nDisallow: /7301/\n"
    encoded = gzip.compress(rules) if coding == "gzip" else zlib.compress(rules)
    robots = reply(encoded, headers=[("Content-Encoding", coding)])
    fetched = acquire_from(by_target(robots=robots, **{"7301": WHOLE}), **FLICKR)
    assert (fetched.outcome, fetched.targets) == (Outcome.BLOCKED, [ROBOTS])


def test_what_robots_txt_says_about_use_counts() -> None:
    robots = reply(b"User-agent: *\nContent-Usage: train-ai=n\n")
    script = by_target(robots=robots, **{"7301": WHOLE})
    fetched = acquire_from(script, **FLICKR)
    assert (fetched.outcome, fetched.targets) == (Outcome.REFUSED, [ROBOTS])
    fetched = acquire_from(script, ignore_opt_out=True, **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert fetched.acquired.rights == {"content-usage": "train-ai=n"}


@pytest.mark.parametrize(
    "robots",
    [
        reply(b"", 404),
        reply(b"", 403),
        reply(b"", 410),
        reply(b"<html>not really</html>"),
        reply(b"User-agent: *\nDisallow:\n"),
        reply(b"User-agent: *\nAllow: /\n", length=None),
    ],
)
def test_no_rules_mean_that_all_may_be_asked(robots: bytes) -> None:
    script = by_target(robots=(robots, Close()), **{"7301": WHOLE})
    assert acquire_from(script, **FLICKR).outcome is Outcome.STORED


@pytest.mark.parametrize(
    "robots",
    [
        (reply(b"", 500),),
        (reply(b"", 503),),
        (reply(b"", 429),),
        (reply(b"User-agent", length=100), Close()),
        (reply(b"\x1f\x8b\x08", headers=[("Content-Encoding", "gzip")]),),
        (reply(b"User-agent: *", headers=[("Content-Encoding", "br")]),),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nUser-agent", Close()),
        (Close(),),
        (reply(b"", 302, [("Location", "http://127.0.0.1:1/robots.txt")]),),
    ],
)
def test_rules_that_cannot_be_had_leave_the_item_for_the_next_run(
    robots: tuple[object, ...],
) -> None:
    script = by_target(robots=robots, **{"7301": WHOLE})  # type: ignore[arg-type]
    fetched = acquire_from(script, **FLICKR)
    assert fetched.outcome is Outcome.FAILED
    assert set(fetched.targets) == {ROBOTS}


@pytest.mark.parametrize("status", [500, 503])
def test_rules_that_cannot_be_had_for_a_moment_cost_no_item(status: int) -> None:
    answers = in_turn(
        *[reply(b"", status)] * 2, reply(b"User-agent: *\nDisallow: /other/\n"), WHOLE
    )
    fetched = acquire_from(answers, **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert fetched.targets == [ROBOTS] * 3 + [TDMREP, FLICKR_TARGET]


def test_rules_that_cannot_be_had_again_hold_for_longer() -> None:
    # RFC 9309, 2.4: not for more than 24 hours, unless the file is unreachable.
    clock = SteppedClock()
    robots = {"answer": reply(b"User-agent: *\nDisallow: /other/\n")}
    script = by_target(**{"7301": WHOLE, "other": WHOLE})
    other = photo(2, download_url="http://farm8.staticflickr.com/other/1.jpg")
    with ScriptedServer(
        lambda request: (robots["answer"],) if request.target == ROBOTS else script(request)
    ) as server:
        client = MediaClient(FetchSettings(flickr_endpoint=server.url, **FLICKR), clock)
        outcomes = []
        for answer in (robots["answer"], reply(b"", 500), reply(b"User-agent: *\nDisallow: /\n")):
            robots["answer"] = answer
            outcomes += [client.acquire(item, BytesSink()).outcome for item in (photo(1), other)]
            clock.now_s += 25 * 3600.0
        client.close()
    assert outcomes == [
        Outcome.STORED, Outcome.BLOCKED, Outcome.STORED, Outcome.BLOCKED, Outcome.BLOCKED,
        Outcome.BLOCKED,
    ]  # fmt: skip


def test_robots_txt_is_asked_for_once_and_redirects_of_it_are_followed() -> None:
    moved = reply(b"", 301, [("Location", "/rules")])
    rules = reply(b"User-agent: yfcc\nDisallow: /private\n")
    script = by_target(robots=moved, rules=rules, **{"7301": WHOLE})
    with ScriptedServer(script) as server, client_of(server, **FLICKR) as client:
        outcomes = {client.acquire(photo(i), BytesSink()).outcome for i in range(1, 5)}
    assert outcomes == {Outcome.STORED}
    assert server.targets == [ROBOTS, "/rules", TDMREP, *[FLICKR_TARGET] * 4]


def test_five_redirects_of_robots_txt_are_followed_and_more_mean_none() -> None:
    moved = reply(b"", 301, [("Location", "/robots.txt")])
    fetched = acquire_from(by_target(robots=moved, **{"7301": WHOLE}), **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert fetched.targets == [ROBOTS] * 6 + [TDMREP, FLICKR_TARGET]


def test_the_persistent_copy_is_published_to_be_fetched_and_has_no_robots_txt() -> None:
    assert acquire_from(in_turn(WHOLE)).targets == [S3_TARGET]

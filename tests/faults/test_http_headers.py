"""Servers whose headers are not what HTTP has."""

from __future__ import annotations

import time

import pytest

from tests.fakes.fetching import acquire_from
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import Close, Endless, Step, in_turn, reply
from yfcc.model import Outcome

PHOTO = jpeg()
WHOLE = reply(PHOTO)
START = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(PHOTO)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n" + PHOTO,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b": y\r\n\r\n" + PHOTO,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 150 + b"\r\n" + PHOTO,
        b"HTTP/1.1 " + b"2" * 70_000,
        b"HTTP/1.1 abc OK\r\n\r\n" + PHOTO,
        b"HTTP/1.1 42 OK\r\n\r\n" + PHOTO,
        b"HTTP/9.9 200 OK\r\n\r\n" + PHOTO,
        b"ICY 200 OK\r\n\r\n" + PHOTO,
        PHOTO,
        b"\r\n\r\n",
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nX: y\r\n",
        b"HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n" + PHOTO,
        b"HTTP/1.1 200 OK\r\n\xe9: z\r\n\r\n" + PHOTO,
    ],
)
def test_an_answer_that_is_no_http_is_a_clean_failure_and_asked_again(answer: bytes) -> None:
    fetched = acquire_from(in_turn((answer, Close()), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert fetched.acquired.first_error
    fetched = acquire_from(in_turn((answer, Close())), max_attempts=2)
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.FAILED, 2)


def test_an_opt_out_behind_a_cr_alone_is_never_overlooked() -> None:
    answer = START + b"X: y\rX-Robots-Tag: noai\r\n\r\n" + PHOTO
    fetched = acquire_from(in_turn((answer, Close())), max_attempts=1)
    assert (fetched.outcome, fetched.content) == (Outcome.FAILED, b"")
    assert acquire_from(in_turn(START + b"X: y\r\r\n\r\n" + PHOTO)).outcome is Outcome.STORED


@pytest.mark.parametrize("line", [b"no colon here", b" folded before any", b": no name"])
def test_an_opt_out_behind_an_unreadable_line_is_never_overlooked(line: bytes) -> None:
    answer = START + line + b"\r\nX-Robots-Tag: noai\r\n\r\n" + PHOTO
    fetched = acquire_from(in_turn((answer, Close())), max_attempts=1)
    assert fetched.outcome in {Outcome.FAILED, Outcome.REFUSED}


@pytest.mark.parametrize(
    "lines",
    [
        b"X-Robots-Tag : noai\r\n",
        b"X-ROBOTS-TAG:noai\r\n",
        b"x-robots-tag:\t noai \t\r\n",
        b"X-Robots-Tag: nofollow\r\nETag: 1\r\nX-Robots-Tag: noai\r\n",
        b"X-Robots-Tag:\r\n noai\r\n",
        b"X-Robots-Tag: noai\n",
    ],
)
def test_an_opt_out_is_read_however_it_is_spaced(lines: bytes) -> None:
    assert acquire_from(in_turn(START + lines + b"\r\n" + PHOTO)).outcome is Outcome.REFUSED


def test_a_hundred_headers_are_read_and_the_last_counts() -> None:
    lines = b"X: y\r\n" * 98 + b"X-Robots-Tag: noai\r\n"
    assert acquire_from(in_turn(START + lines + b"\r\n" + PHOTO)).outcome is Outcome.REFUSED


def test_a_folded_header_is_read_whole() -> None:
    answer = START + b"X-Robots-Tag: nofollow,\r\n\t noai\r\n\r\n" + PHOTO
    fetched = acquire_from(in_turn(answer))
    assert fetched.outcome is Outcome.REFUSED
    assert fetched.acquired.x_robots_tag == "nofollow, noai"


def test_headers_in_latin_1_are_no_trouble() -> None:
    answer = START + b"X-Robots-Tag: \xe9\xff all\r\nServer: \x9b\r\n\r\n" + PHOTO
    assert acquire_from(in_turn(answer)).outcome is Outcome.STORED


def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert acquire_from(in_turn(interim + WHOLE)).outcome is Outcome.STORED


def test_http_1_0_is_understood() -> None:
    answer = (b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + PHOTO, Close())
    assert acquire_from(in_turn(answer)).outcome is Outcome.STORED


@pytest.mark.parametrize(
    "answer",
    [
        (START.replace(b"Content-Length", b"X"), Endless(b"X: y\r\n" * 50, 0.02)),
        (START, Endless(b"X", 0.02)),
    ],
    ids=["headers", "one header"],
)
def test_what_comes_without_end_around_a_body_ends_with_the_time_for_an_attempt(
    answer: tuple[Step, ...],
) -> None:
    started_s = time.monotonic()
    fetched = acquire_from(in_turn(answer), max_attempts=1, deadline_s=0.5)
    assert fetched.outcome is Outcome.FAILED
    assert time.monotonic() - started_s < 3.0


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((Endless(b"HTTP/1.1 102 Processing\r\n\r\n"),), "interim answers"),
        ((CHUNKED + b"0\r\n", Endless(b"X: y\r\n" * 50)), "trailers"),
        ((CHUNKED + b"0\r\n", Endless(b"X" * 5000)), "trailer line"),
        ((CHUNKED, Endless(b"1" * 5000)), "chunk size"),
        ((CHUNKED + b"1;", Endless(b"X" * 5000)), "chunk size"),
    ],
)
def test_what_comes_without_end_around_a_body_is_left_soon(
    answer: tuple[Step, ...], reason: str
) -> None:
    # No deadline helps here: it has to be long enough for a film.
    fetched = acquire_from(in_turn(answer), max_attempts=1, deadline_s=3600.0)
    assert fetched.outcome is Outcome.FAILED
    assert reason in fetched.error


def test_a_header_of_almost_64_kib_is_read_and_what_follows_it_too() -> None:
    answer = START + b"X-Long: " + b"x" * 65_000 + b"\r\nX-Robots-Tag: noai\r\n\r\n" + PHOTO
    assert acquire_from(in_turn(answer)).outcome is Outcome.REFUSED

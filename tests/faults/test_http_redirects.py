"""Servers that send us elsewhere."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fakes.fetching import (
    BOTH,
    FLICKR_TARGET,
    ROBOTS,
    TDMREP,
    acquire_from,
    client_of,
    photo,
)
from tests.fakes.mirror_items import wait_until
from tests.fakes.pictures import jpeg, picture
from tests.fakes.scripted_server import Request, ScriptedServer, Step, by_target, in_turn, reply
from yfcc.errors import InterruptedRun
from yfcc.media.settings import Source
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

WHOLE = reply(jpeg())
FLICKR = {"sources": (Source.FLICKR,)}


def moved(location: str, status: int = 302) -> bytes:
    return reply(b"moved", status, [("Location", location)])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed(status: int) -> None:
    script = by_target(**{"7301": moved("/new/6.jpg", status), "new": WHOLE})
    fetched = acquire_from(script, **FLICKR)
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 1)
    assert fetched.acquired.url == f"{fetched.server.url}/new/6.jpg"
    assert fetched.server.n_connections == 1


def test_five_redirects_are_followed_and_six_are_not() -> None:
    chain = {f"h{i}": moved(f"/h{i + 1}/x") for i in range(1, 6)}
    script = by_target(**{"7301": moved("/h2/x"), "h6": WHOLE}, **chain)
    assert acquire_from(script, **FLICKR).outcome is Outcome.STORED
    script = by_target(**{"7301": moved("/h1/x"), "h6": WHOLE}, **chain)
    fetched = acquire_from(script, **FLICKR)
    assert fetched.outcome is Outcome.FAILED
    assert "more than 5 redirects" in fetched.error
    assert fetched.targets[-1] == "/h5/x"


def test_a_loop_ends() -> None:
    fetched = acquire_from(by_target(**{"7301": moved(FLICKR_TARGET)}), **FLICKR)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 8)


@pytest.mark.parametrize(
    "location",
    [
        "https://s.yimg.com/pw/images/en-us/photo_unavailable.png",
        "http://l.yimg.com/g/images/photo_unavailable_l.gif?v=2",
        "/images/photo_unavailable.gif",
    ],
)
def test_a_redirect_to_the_placeholder_is_known_without_asking_for_it(location: str) -> None:
    script = by_target(**{"7301": moved(location), "images": reply(picture("GIF"))})
    fetched = acquire_from(script, **FLICKR)
    assert fetched.outcome is Outcome.PLACEHOLDER
    assert fetched.acquired.http_status == 302
    assert fetched.targets == [ROBOTS, TDMREP, FLICKR_TARGET]


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:image/png;base64,AAAA",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://127.0.0.1:1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://224.0.0.1/",
        "http://0177.0.0.1/",
        "http://0x7f000001/",
        "http://127.0.0.1.nip.io/",
        "http://xn--fgsds-pta.com/x.jpg",
        "http://farm8.staticflickr.com@evil.example/x.jpg",
        "http://farm8.staticflickr.com%2f@evil.example/",
        "http://evil.example#.staticflickr.com/",
        "http://evil.example\\.staticflickr.com/",
        "gopher://farm8.staticflickr.com/x",
        "javascript:alert(1)",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://evil.example/x.jpg",
        "http://staticflickr.com.evil.example/x.jpg",
        "http://user:pass@farm8.staticflickr.com/x.jpg",
        "http://farm8.staticflickr.com:22/x.jpg",
        "https://s.yimg.com/other.png",
        "//[",
    ],
)
def test_a_redirect_to_what_may_not_be_asked_is_blocked(location: str) -> None:
    fetched = acquire_from(by_target(**{"7301": moved(location)}), **FLICKR)
    assert fetched.outcome is Outcome.BLOCKED
    assert fetched.error
    assert fetched.targets == [ROBOTS, TDMREP, FLICKR_TARGET]


def test_the_persistent_copy_may_not_send_us_into_the_private_network_either() -> None:
    fetched = acquire_from(in_turn(moved("http://127.0.0.1:1/x", 307)))
    assert (fetched.outcome, fetched.n_requests) == (Outcome.BLOCKED, 1)


def test_a_redirect_without_an_aim_is_a_failure() -> None:
    fetched = acquire_from(by_target(**{"7301": reply(b"", 302)}), **FLICKR)
    assert fetched.outcome is Outcome.FAILED
    assert "without a Location" in fetched.error


def test_a_redirect_to_a_login_page_is_not_media() -> None:
    script = by_target(**{"7301": moved("/signin/"), "signin": reply(b"<html>Sign in</html>")})
    fetched = acquire_from(script, **FLICKR)
    assert fetched.outcome is Outcome.NOT_MEDIA
    assert fetched.acquired.evidence == b"<html>Sign in</html>"


def test_no_line_break_in_a_location_becomes_a_header() -> None:
    script = by_target(**{"7301": moved("/new/\xe9%0d%0aX-Evil: 1"), "new": WHOLE})
    fetched = acquire_from(script, **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert fetched.targets[-1] == "/new/%E9%0d%0aX-Evil:%201"
    assert "x-evil" not in fetched.server.requests[-1].headers


def test_a_blocked_flickr_url_does_not_hide_that_the_copy_lacks_the_item() -> None:
    script = by_target(**{"7301": moved("http://evil.example/")})
    fetched = acquire_from(script, sources=BOTH)
    assert fetched.outcome is Outcome.GONE
    assert fetched.acquired.source == "s3"


def waiting(retry_after: str) -> bytes:
    return reply(b"", 302, [("Location", "/new/6.jpg"), ("Retry-After", retry_after)])


def test_a_redirect_is_followed_after_the_wait_it_asks_for() -> None:
    started_s = time.monotonic()
    fetched = acquire_from(by_target(**{"7301": waiting("1"), "new": WHOLE}), **FLICKR)
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 1)
    assert 1.0 <= time.monotonic() - started_s < 5.0


@pytest.mark.parametrize("value", ["soon", "-1", "0", "Mon, 01 Jan 1990 00:00:00 GMT"])
def test_a_redirect_with_a_wait_that_is_none_is_followed_at_once(value: str) -> None:
    started_s = time.monotonic()
    fetched = acquire_from(by_target(**{"7301": waiting(value), "new": WHOLE}), **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert time.monotonic() - started_s < 1.0


@pytest.mark.parametrize("value", ["61", "1000000000", "9" * 40, "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_redirect_with_too_long_a_wait_is_left_for_another_run(value: str) -> None:
    fetched = acquire_from(by_target(**{"7301": waiting(value), "new": WHOLE}), **FLICKR)
    assert fetched.outcome is Outcome.FAILED
    assert "asks to wait" in fetched.error
    assert fetched.targets[-1] == FLICKR_TARGET


def test_one_item_that_waits_for_a_redirect_does_not_hold_up_the_others() -> None:
    def script(request: Request) -> list[Step]:
        return [waiting("2") if request.target.endswith("slow.jpg") else WHOLE]

    with (
        ScriptedServer(script) as server,
        client_of(server, sources=(Source.FLICKR,), flickr_connections=1) as client,
    ):
        slow = photo(1, download_url="http://farm8.staticflickr.com/7301/slow.jpg")
        thread = threading.Thread(target=client.acquire, args=(slow, BytesSink()))
        thread.start()
        wait_until(lambda: "/7301/slow.jpg" in server.targets)
        started_s = time.monotonic()
        assert client.acquire(photo(2), BytesSink()).outcome is Outcome.STORED
        assert time.monotonic() - started_s < 1.0
        thread.join()


def test_a_stopped_run_does_not_wait_for_a_redirect() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    with (
        ScriptedServer(by_target(**{"7301": waiting("50")})) as server,
        client_of(server, stop, sources=(Source.FLICKR,)) as client,
    ):
        timer.start()
        started_s = time.monotonic()
        with pytest.raises(InterruptedRun):
            client.acquire(photo(), BytesSink())
        assert time.monotonic() - started_s < 3.0
    timer.join()

"""Servers that send us elsewhere."""

from __future__ import annotations

import pytest

from tests.fakes.fetching import BOTH, FLICKR_TARGET, acquire_from
from tests.fakes.pictures import jpeg, picture
from tests.fakes.scripted_server import by_target, in_turn, reply
from yfcc.media.settings import Source
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
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 7)


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
    assert fetched.targets == ["/robots.txt", FLICKR_TARGET]


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
    assert fetched.targets == ["/robots.txt", FLICKR_TARGET]


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

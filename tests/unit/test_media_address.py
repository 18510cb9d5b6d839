"""Which URLs and machines may be asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.media.address import HostRules, UnusableUrl, follow, is_public_address, parse_url

RULES = HostRules(
    hosts=frozenset({"multimedia-commons.s3.us-west-2.amazonaws.com"}),
    domains=("staticflickr.com", "flickr.com"),
    named=frozenset({parse_url("http://127.0.0.1:9000/").origin}),
)


def test_a_url_is_taken_apart_and_put_together() -> None:
    address = parse_url("HTTP://Farm8.StaticFlickr.com/7301/6_d.jpg?x=1#top")
    assert (address.origin.scheme, address.origin.host) == ("http", "farm8.staticflickr.com")
    assert address.origin.port == 80
    assert address.target == "/7301/6_d.jpg?x=1"
    assert str(address) == "http://farm8.staticflickr.com/7301/6_d.jpg?x=1"
    assert str(parse_url("https://a.b:8443")) == "https://a.b:8443/"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.jpg",
        "//host/path",
        "file:///etc/passwd",
        "ftp://host/x",
        "gopher://host/x",
        "http:/host/x",
        "http://",
        "http:///x",
        "http://user@host/x",
        "http://user:secret@host/x",
        "http://host@169.254.169.254/x",
        "http://host\\@other/x",
        "http://hóst/x",
        "http://host/x\r\nHost: other",
        "http://host/a b",
        "http://host/\u2028",
        "http://host:0/x",
        "http://host:65536/x",
        "http://host:port/x",
        "http://host.:80 /x",
        "http://-host/x",
        "http://[::1/x",
        "http://host/x\n",
    ],
)
def test_a_url_that_is_not_plain_is_refused(url: str) -> None:
    with pytest.raises(UnusableUrl):
        parse_url(url)


@given(st.text(max_size=60))
def test_any_text_is_a_plain_address_or_refused(text: str) -> None:
    try:
        address = parse_url(text)
    except UnusableUrl:
        return
    assert str(address).isascii()
    assert str(address).isprintable()
    assert " " not in str(address)
    assert parse_url(str(address)) == address


def test_a_redirect_is_followed_relative_to_where_it_came_from() -> None:
    base = parse_url("http://live.staticflickr.com/7301/6_d.jpg")
    assert str(follow(base, "/x y/é".encode().decode("latin-1"))) == (
        "http://live.staticflickr.com/x%20y/%C3%A9"
    )
    assert follow(base, "https://www.flickr.com/a").origin.scheme == "https"
    for location in ("file:///etc/passwd", "http://u@h/", "//[", "javascript:alert(1)"):
        with pytest.raises(UnusableUrl):
            follow(base, location)


def test_a_redirect_from_https_down_to_http_is_refused() -> None:
    with pytest.raises(UnusableUrl, match="down to http"):
        follow(parse_url("https://www.flickr.com/a"), "http://www.flickr.com/b")


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
        "198.18.0.1", "203.0.113.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "fec0::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:53aa:64c::1", "2001:db8::1",
        "100::1", "", "localhost", "2130706433", "0x7f.1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_public_internet(text: str) -> None:
    assert not is_public_address(text)


@pytest.mark.parametrize("text", ["52.218.0.1", "8.8.8.8", "2600:1f60::1", "::ffff:8.8.8.8"])
def test_public_addresses(text: str) -> None:
    assert is_public_address(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://farm8.staticflickr.com/",
        "https://live.staticflickr.com/",
        "http://flickr.com/",
        "https://www.flickr.com/",
        "https://multimedia-commons.s3.us-west-2.amazonaws.com/",
        "http://127.0.0.1:9000/",
    ],
)
def test_hosts_that_may_be_asked(url: str) -> None:
    RULES.check(parse_url(url).origin)


@pytest.mark.parametrize(
    "url",
    [
        "http://staticflickr.com.evil.example/",
        "http://evilflickr.com/",
        "http://s.yimg.com/",
        "http://127.0.0.1/",
        "http://127.0.0.1:9001/",
        "https://127.0.0.1:9000/",
        "http://2130706433/",
        "http://[::1]/",
        "http://farm8.staticflickr.com:8080/",
        "https://other.s3.us-west-2.amazonaws.com/",
    ],
)
def test_hosts_that_may_not_be_asked(url: str) -> None:
    with pytest.raises(UnusableUrl):
        RULES.check(parse_url(url).origin)

"""robots.txt, RFC 9309."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.media.robots import MAX_ROBOTS_BYTES, parse_robots


def allows(content: str, target: str) -> bool:
    return parse_robots(content.encode(), "yfcc").allows(target)


@pytest.mark.parametrize(
    ("rules", "target", "is_allowed"),
    [
        ("", "/a", True),
        ("Disallow:", "/a", True),
        ("Disallow: /", "/a", False),
        ("Disallow: /a", "/b", True),
        ("Disallow: /a", "/ab", False),
        ("Disallow: /A", "/a", True),
        ("Disallow: /\nAllow: /photos/", "/photos/1", True),
        ("Allow: /photos/\nDisallow: /photos/1", "/photos/1", False),
        ("Allow: /a\nDisallow: /a", "/a", True),
        ("Disallow: /*.jpg$", "/x/y.jpg", False),
        ("Disallow: /*.jpg$", "/x/y.jpg?z", True),
        ("Disallow: /a$", "/ab", True),
        ("Disallow: /a*b*c", "/a1b2c3", False),
        ("Disallow: /a*b*c", "/a1c2b3", True),
        ("Disallow: /*$", "/a", False),
        ("Disallow: /*ab$", "/abcab", False),
        ("Disallow: /p?q=1", "/p?q=1&r", False),
        ("Disallow: /%7Ejoe", "/~joe", False),
        ("Disallow: /é", "/%C3%A9", False),
        ("Disallow: /a%2fb", "/a%2Fb", False),
        ("Disallow: /a%2fb", "/a/b", True),
        ("disallow : /a # why", "/a", False),
    ],
)
def test_rules(rules: str, target: str, is_allowed: bool) -> None:
    assert allows(f"User-agent: *\n{rules}\n", target) is is_allowed


def test_our_own_group_counts_instead_of_the_one_for_everybody() -> None:
    content = "User-agent: *\nDisallow: /\n\nUser-agent: YFCC/2.0\nDisallow: /no\n"
    assert allows(content, "/yes")
    assert not allows(content, "/no")
    assert allows("User-agent: *\nDisallow: /\nUser-agent: yfcc\nDisallow:\n", "/a")
    assert not allows("User-agent: yfccbot\nAllow: /\nUser-agent: *\nDisallow: /\n", "/a")


def test_groups_that_name_us_count_as_one_and_names_in_a_row_share_rules() -> None:
    content = (
        "User-agent: yfcc\nDisallow: /a\n\nSitemap: /s\nUser-agent: x\n\nUser-agent: yfcc\r"
        "Disallow: /b\r\nUser-agent: y\nDisallow: /c\n"
    )
    assert [allows(content, target) for target in ("/a", "/b", "/c")] == [False, False, True]


def test_rules_before_any_name_and_junk_are_nothing() -> None:
    assert allows("\ufeffDisallow: /\n<html>\n\x00: /\nUser-agent:\nDisallow: /\n", "/a")
    assert not allows("\ufeffUser-agent: *\nDisallow: /a", "/a")


def test_usage_rules_go_by_path() -> None:
    rules = parse_robots(
        b"User-Agent: *\nAllow: /\nContent-Usage: train-ai=n\nContent-Usage: /ok/ train-ai=y\n",
        "yfcc",
    )
    assert rules.usage_of("/test") == ("train-ai=n",)
    assert rules.usage_of("/ok/test") == ("train-ai=y",)


def test_a_file_without_end_is_read_to_its_limit() -> None:
    content = b"User-agent: *\n" + b"#\n" * MAX_ROBOTS_BYTES + b"Disallow: /\n"
    assert parse_robots(content, "yfcc").allows("/a")


def test_a_pattern_full_of_stars_takes_no_time() -> None:
    rules = parse_robots(b"User-agent: *\nDisallow: /" + b"*a" * 2000 + b"b$", "yfcc")
    started_s = time.perf_counter()
    assert rules.allows("/" + "a" * 5000)
    assert time.perf_counter() - started_s < 1.0


@given(st.binary(max_size=200), st.text(min_size=1, max_size=30))
def test_nothing_in_a_file_is_an_error(content: bytes, target: str) -> None:
    parse_robots(b"User-agent: *\n" + content, "yfcc").allows(f"/{target}")

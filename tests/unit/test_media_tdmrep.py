"""What a site reserves in ``/.well-known/tdmrep.json``."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.media.headers import Headers
from yfcc.media.rights import read_rights
from yfcc.media.tdmrep import NO_RESERVATIONS, TdmDeclaration, parse_tdmrep

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RESERVED = TdmDeclaration(is_reserved=True)
POLICY = "https://example.org/policy.json"


def declared(rules: object, target: str) -> TdmDeclaration | None:
    return parse_tdmrep(json.dumps(rules).encode()).declaration_of(target)


def rule(location: object, reservation: object = 1, **more: object) -> dict[str, object]:
    return {"location": location, "tdm-reservation": reservation, **more}


@pytest.mark.parametrize(
    ("location", "target", "matches"),
    [
        ("/", "/7301/1_d.jpg", True),
        ("/7301/", "/7301/1_d.jpg", True),
        ("/7301/", "/7302/1_d.jpg", False),
        ("/*.jpg", "/7301/1_d.jpg", True),
        ("/*.jpg$", "/7301/1_d.jpg?v=2", False),
        ("/7301/1_d.jpg$", "/7301/1_d.jpg", True),
        ("/A/", "/a/1.jpg", False),
        ("/%7Ejoe/", "/~joe/1.jpg", True),
        ("/foo-%24", "/foo-$", False),
        (" / ", "/1.jpg", True),
    ],
)
def test_a_location_is_a_pattern_as_in_robots_txt(
    location: str, target: str, matches: bool
) -> None:
    assert declared([rule(location)], target) == (RESERVED if matches else None)


def test_the_first_match_in_sequence_decides() -> None:
    rules = [rule("/a/open/", 0), rule("/a/", 1), rule("/a/open/not/", 1)]
    assert declared(rules, "/a/x") == RESERVED
    assert declared(rules, "/a/open/not/x") == TdmDeclaration(is_reserved=False)
    assert declared(rules, "/b") is None


def test_a_policy_is_kept() -> None:
    found = declared([rule("/", 1, **{"tdm-policy": POLICY})], "/x")
    assert str(found) == f"tdm-reservation: 1, tdm-policy: {POLICY}"
    assert declared([rule("/", 1, **{"tdm-policy": 7})], "/x") == RESERVED


@pytest.mark.parametrize("value", [2, -1, True, None, "yes", 1.5, [1], {}, "01"])
def test_another_value_is_unset_and_hides_what_comes_after(value: object) -> None:
    assert declared([rule("/", value), rule("/", 1)], "/x") is None


def test_a_number_in_quotes_counts_all_the_same() -> None:
    assert declared([rule("/", "1")], "/x") == RESERVED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>no such page</html>",
        b'{"location": "/", "tdm-reservation": 1}',
        b'[{"location": "/", "tdm-reservation": 1}',
        b"[" * 100_000,
        b'["/", 1, null, {"tdm-reservation": 1}, {"location": 1, "tdm-reservation": 1}]',
        b"\xff\xfe",
    ],
)
def test_a_file_that_is_none_declares_nothing(content: bytes) -> None:
    assert parse_tdmrep(content) == NO_RESERVATIONS


def test_a_byte_order_mark_is_no_trouble() -> None:
    content = b"\xef\xbb\xbf" + json.dumps([rule("/")]).encode()
    assert parse_tdmrep(content).declaration_of("/x") == RESERVED


@given(st.binary(max_size=200), st.text(min_size=1, max_size=30))
def test_nothing_in_a_file_is_an_error(content: bytes, target: str) -> None:
    parse_tdmrep(content).declaration_of(f"/{target}")


@given(
    st.lists(
        st.builds(
            rule,
            st.text(alphabet="/a*$%", max_size=8),
            st.sampled_from([0, 1, 2, "1", None]),
        ),
        max_size=6,
    ),
    st.text(alphabet="/a$", max_size=6),
)
def test_a_reservation_of_everything_put_first_always_counts(
    rules: list[dict[str, object]], path: str
) -> None:
    assert declared([rule("/"), *rules], f"/{path}") == RESERVED


@pytest.mark.parametrize(
    ("header", "file", "is_refused"),
    [
        (None, True, True),
        (None, False, False),
        ("0", True, False),
        ("1", False, True),
        ("2", True, True),
        ("", True, True),
        ("0, 1", True, True),
    ],
)
def test_a_header_with_a_value_goes_before_the_file(
    header: str | None, file: bool, is_refused: bool
) -> None:
    headers = Headers([] if header is None else [("tdm-reservation", header)])
    found = read_rights(headers, NOW, TdmDeclaration(file, POLICY))
    assert found.is_refused is is_refused
    if header in {None, "2", ""}:
        assert found.headers["tdmrep.json"].startswith(f"tdm-reservation: {int(file)}")
    else:
        assert "tdmrep.json" not in found.headers


def test_the_file_does_not_hide_what_other_headers_refuse() -> None:
    found = read_rights(Headers([("X-Robots-Tag", "noai")]), NOW, TdmDeclaration(False))
    assert found.is_refused
    assert set(found.headers) == {"x-robots-tag", "tdmrep.json"}

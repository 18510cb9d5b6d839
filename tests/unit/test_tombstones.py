"""Lists of removals: what a line may be, and what must not be mistaken for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.catalog.tombstones import (
    Kind,
    Reason,
    Tombstone,
    encode_tombstone,
    gather,
    parse_list,
)
from yfcc.errors import UsageError

DAY = "2026-11-21"
HASH = "8d7e5f0123456789abcdef"


def parse(text: str) -> list[Tombstone]:
    return parse_list(text.encode(), Reason.LEGAL, DAY)


@pytest.mark.parametrize(
    ("line", "kind", "value"),
    [
        ("4207153986", Kind.ID, "4207153986"),
        ("  7  # a note", Kind.ID, "7"),
        ("39089491@N00", Kind.USER, "39089491@N00"),
        ("39089491%40n00", Kind.USER, "39089491@N00"),
        (HASH.upper(), Kind.HASH, HASH),
        ("A" * 64, Kind.SHA256, "a" * 64),
        ("\ufeff7", Kind.ID, "7"),
        ("7\r", Kind.ID, "7"),
    ],
)
def test_plain_lines(line: str, kind: Kind, value: str) -> None:
    assert parse(line) == [Tombstone(kind, value, Reason.LEGAL, DAY)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cat", "'cat'"),
        ("0123", "'0123'"),
        ("9999999999999999999", "may be an id or a hash"),
        ("1234567890123456", "may be an id or a hash"),
        ("Bob@N00", "NSID"),
        ('{"id":1', "cut short"),
        ('{"id":9223372036854775808,"reason":"legal","date":"2026-11-21"}', "photo id"),
        ('{"id":1,"reason":"my neighbour Bob","date":"2026-11-21"}', "reason"),
        ('{"id":1,"user":"1@N00","reason":"legal","date":"2026-11-21"}', "expected one of"),
        ('{"id":1,"reason":"legal","date":"yesterday"}', "date"),
        ('{"id":1,"reason":"legal"}', "date"),
        ("\u00e9", "identifier"),
    ],
)
def test_junk_is_refused_with_its_line(line: str, said: str) -> None:
    with pytest.raises(UsageError, match="line 3: ") as caught:
        parse(f"1\n\n{line}\n2\n")
    assert said in str(caught.value)


TOMBSTONES = st.builds(
    Tombstone,
    st.just(Kind.ID),
    st.integers(1, 2**63 - 1).map(str),
    st.sampled_from(Reason),
    st.dates().map(str),
) | st.builds(
    Tombstone,
    st.just(Kind.HASH),
    st.text("0123456789abcdef", min_size=16, max_size=32),
    st.sampled_from(Reason),
    st.dates().map(str),
)


@given(st.lists(TOMBSTONES))
def test_what_is_exported_is_read_back(found: list[Tombstone]) -> None:
    content = b"".join(map(encode_tombstone, found))
    assert parse_list(content, Reason.OTHER, DAY) == found
    assert {int(each.value) for each in found if each.kind is Kind.ID} == gather(found).ids.keys()

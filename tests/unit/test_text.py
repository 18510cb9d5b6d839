"""Form-encoded columns decode as the standard library decodes a value."""

from __future__ import annotations

from urllib.parse import quote_plus, unquote_plus, unquote_to_bytes

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yfcc.metadata.dataset import decode_tags
from yfcc.metadata.text import decode_form, split_list, split_pairs

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)

#: ASCII with many escapes, whole and broken.
pieces = st.sampled_from(
    [*"%+,:0123456789abcdefABCDEFgG%%", "%2B", "%2C", "%25", "%00", "%0a", "%C3%BC", "%e2%80"]
)
encoded = st.one_of(
    st.lists(pieces, max_size=12).map("".join),
    st.text(st.characters(codec="ascii"), max_size=12),
    st.text(max_size=8).map(quote_plus),
)


def expected(value: str) -> str | None:
    return unquote_plus(value) or None


def decoded(values: list[bytes]) -> list[str | None]:
    return decode_form(pa.array(values, pa.binary())).to_pylist()


@quick
@given(st.lists(encoded, max_size=8))
def test_a_column_decodes_as_unquote_plus_decodes_each_value(values):
    assert decoded([value.encode() for value in values]) == [expected(v) for v in values]


@quick
@given(st.lists(encoded, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_a_slice_decodes_as_its_values(values, start, length):
    column = pa.array([value.encode() for value in values], pa.binary()).slice(start, length)
    assert decode_form(column).to_pylist() == [expected(v) for v in values[start : start + length]]


@quick
@given(st.lists(st.binary(max_size=10), max_size=6))
def test_any_bytes_decode_with_replacement_characters(values):
    wanted = [
        unquote_to_bytes(v.replace(b"+", b" ")).decode("utf-8", "replace") or None for v in values
    ]
    assert decoded(values) == wanted


@quick
@given(st.lists(st.text(max_size=10), max_size=6))
def test_what_was_encoded_comes_back(values):
    assert decoded([quote_plus(v).encode() for v in values]) == [v or None for v in values]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a%2Bb+c", "a+b c"),
        ("100%", "100%"),
        ("%4", "%4"),
        ("%zz%41", "%zzA"),
        ("%%41", "%A"),
        ("%2541", "%41"),
        ("%ff", "\ufffd"),
        ("%ED%A0%80", "\ufffd\ufffd\ufffd"),
        ("%C3", "\ufffd"),
        ("a%00b", "a\0b"),
        ("%EF%BF%BD", "\ufffd"),
        ("%F0%9F%90%88", "\U0001f408"),
        ("%EF%BB%BFx", "\ufeffx"),
    ],
)
def test_a_value_decodes_once(value, wanted):
    assert decoded([value.encode()]) == [wanted]
    assert wanted == unquote_plus(value)


def test_an_escape_never_borrows_from_the_next_value():
    assert decoded([b"%", b"41", b"%4", b"1", b"%", b"", b"4", b"1"]) == [
        *("%", "41", "%4", "1", "%", None, "4", "1")
    ]


def test_an_invalid_value_leaves_its_neighbours_alone():
    assert decoded([b"a+b", b"", b"%ff", b"", b"%C3%BC"]) == ["a b", None, "\ufffd", None, "ü"]


def test_nothing_decodes_to_nothing():
    assert decoded([]) == []
    assert decoded([b"", b""]) == [None, None]
    whole = pa.array([b"a", b"b"], pa.binary())
    assert decode_form(whole.slice(2, 0)).to_pylist() == []


@quick
@given(st.lists(encoded, max_size=8), st.integers(0, 3))
def test_tags_are_split_first_and_decoded_then(values, start):
    column = pa.array([v.encode() for v in values], pa.binary()).slice(start)
    wanted = [[unquote_plus(tag) for tag in v.split(",")] if v else None for v in values[start:]]
    assert decode_tags(column).to_pylist() == wanted


@quick
@given(st.lists(st.lists(st.sampled_from(["a", "", ":", "b:c", "d"])).map(",".join)))
def test_lists_split_as_python_splits(values):
    split = split_list(pa.array([v.encode() for v in values], pa.binary()))
    wanted = [v.encode().split(b",") if v else None for v in values]
    assert split.with_values(split.values).to_pylist() == wanted


@quick
@given(st.lists(st.text("a:", max_size=5), min_size=1), st.booleans())
def test_pairs_split_at_one_colon(values, at_last):
    keys, rest, has_colon = split_pairs(
        pa.array([v.encode() for v in values], pa.binary()), at_last=at_last
    )
    for value, key, after, found in zip(
        values, keys.to_pylist(), rest.to_pylist(), has_colon.tolist(), strict=True
    ):
        assert found == (":" in value)
        if found:
            parts = value.rpartition(":") if at_last else value.partition(":")
            assert (key.decode(), after.decode()) == (parts[0], parts[2])
        else:
            assert (key.decode(), after.decode()) == (value, "")

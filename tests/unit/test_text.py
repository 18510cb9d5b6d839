"""Form-encoded columns decode as the standard library decodes a value."""

from __future__ import annotations

import re
from urllib.parse import quote_plus, unquote_plus, unquote_to_bytes

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yfcc.metadata.text import column_bytes, count_commas, decode_form, decode_list, string_column
from yfcc.metadata.text_loops import decode_pairs, split_places, split_scores

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
    assert decode_list(column).to_pylist() == wanted


def loop(function, values: list[str]):
    offsets, data = column_bytes(pa.array([v.encode() for v in values], pa.binary()))
    is_odd = np.zeros(len(values), np.bool_)
    return function(offsets, data, count_commas(data), is_odd)


def texts(offsets, data) -> list[str]:
    return string_column(offsets, data, empty_is_null=False).to_pylist()


def repeats(keys: list[bytes]) -> bool:
    return len(set(keys)) < len(keys)


@quick
@given(st.lists(st.lists(encoded, max_size=6).map(",".join), max_size=8))
def test_pairs_split_at_the_first_colon_and_decode_then(values):
    rows, key_at, keys, text_at, text, is_bad, is_suspect = loop(decode_pairs, values)
    pieces = [piece for value in values if value for piece in value.split(",")]
    halves = [piece.partition(":") for piece in pieces]
    assert texts(key_at, keys) == [unquote_plus(key) for key, _, _ in halves]
    assert texts(text_at, text) == [unquote_plus(rest) for _, _, rest in halves]
    assert np.diff(rows).tolist() == [value.count(",") + 1 if value else 0 for value in values]
    assert is_bad.tolist() == [
        bool(value) and any(":" not in piece for piece in value.split(",")) for value in values
    ]
    for value, suspect in zip(values, is_suspect.tolist(), strict=True):
        decoded_keys = [
            unquote_to_bytes(p.partition(":")[0].replace("+", " ")) for p in value.split(",")
        ]
        assert suspect == (bool(value) and repeats(decoded_keys))


def test_a_row_of_very_many_keys_is_a_suspect():
    value = ",".join(f"k{n}:v" for n in range(5_000))
    *_, is_suspect = loop(decode_pairs, ["a:b", value, "a:b"])
    assert is_suspect.tolist() == [False, True, False]


scores = st.one_of(
    st.sampled_from(
        ["1", "0.5", "0.9999", "1.", ".5", "", "1e-3", "-1", "nan", "0x1", "1.5.5", "+1"]
    ),
    st.decimals(0, 1, places=4).map(str),
    st.integers(0, 10**20).map(str),
)


def is_usual(score: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", score)) and len(score.replace(".", "")) <= 15


concepts = st.sampled_from(["cat", "a:b", "", "it's", "grüne", "x+y%41"])


@quick
@given(st.lists(st.lists(st.tuples(concepts, scores), max_size=5), max_size=6))
def test_scores_follow_the_last_colon(rows_of_pairs):
    values = [",".join(f"{concept}:{score}" for concept, score in row) for row in rows_of_pairs]
    rows, at, names, found, is_other, is_suspect = loop(split_scores, values)
    pairs = [pair for row in rows_of_pairs for pair in row]
    assert texts(at, names) == [concept for concept, _ in pairs]
    assert np.diff(rows).tolist() == [len(row) for row in rows_of_pairs]
    for (_, score), got in zip(pairs, found.tolist(), strict=True):
        if got >= 0:
            assert np.float32(score) == np.float32(got)
    for row, other, suspect in zip(
        rows_of_pairs, is_other.tolist(), is_suspect.tolist(), strict=True
    ):
        usual = [
            re.fullmatch(r"[0-9]+(\.[0-9]+)?", s) and len(s.replace(".", "")) <= 15 for _, s in row
        ]
        assert other == (not all(usual))
        assert suspect == repeats([concept for concept, _ in row])


place = st.one_of(
    st.sampled_from(["1:A:Town", "12:New+York:County", "3:a%3Ab:c:Zip", "7:x", "z:b:c", ":b:c"]),
    st.sampled_from(["1234567890123456789:a:b", "123456789012345678:%C3%BC::"]),
)


@quick
@given(st.lists(st.lists(place, max_size=4).map(",".join), max_size=6))
def test_places_split_at_the_first_and_the_last_colon(values):
    rows, woeids, name_at, names, type_at, types, is_bad = loop(split_places, values)
    found = list(zip(woeids.tolist(), texts(name_at, names), texts(type_at, types), strict=True))
    for row, value in enumerate(values):
        got = found[rows[row] : rows[row + 1]]
        pieces = value.split(",") if value else []
        matches = [re.fullmatch(r"([0-9]{1,18}):(.*):([^:]*)", piece) for piece in pieces]
        assert is_bad[row] == (not all(matches))
        if not is_bad[row]:
            assert got == [(int(m[1]), unquote_plus(m[2]), m[3]) for m in matches]

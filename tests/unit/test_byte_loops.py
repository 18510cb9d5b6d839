"""The compiled loops over bytes, against the standard library."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yfcc.metadata.byte_loops import count_newlines, holds_only, read_ids

#: The first call loads or compiles a loop.
patient = settings(deadline=None)

_LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"") + b"\n"))


@patient
@given(_LINES)
def test_lines_are_counted(lines: list[bytes]) -> None:
    assert count_newlines(np.frombuffer(b"".join(lines), np.uint8)) == len(lines)


@patient
@given(st.binary(), st.binary())
def test_a_column_holds_only_what_is_allowed(data: bytes, allowed: bytes) -> None:
    table = np.zeros(256, np.bool_)
    table[list(allowed)] = True
    assert holds_only(np.frombuffer(data, np.uint8), table) == (set(data) <= set(allowed))


_DIGITS = st.text("0123456789", max_size=21).map(str.encode)


@patient
@given(st.lists(st.one_of(_DIGITS, st.binary(max_size=20))))
@example([b"9223372036854775807", b"9223372036854775808", b"9999999999999999999", b"0", b"01"])
@example([b"+7", b" 8", b"1_000", b"1\n", "\u0661".encode(), b"", b"1.6", b"-1", b"12:3", b"1/2"])
def test_ids_are_those_of_the_pattern(values: list[bytes]) -> None:
    lengths = [0, *(len(value) for value in values)]
    offsets = np.cumsum(lengths).astype(np.int32)
    ids, is_id = read_ids(offsets, np.frombuffer(b"".join(values), np.uint8))
    for value, number, is_good in zip(values, ids.tolist(), is_id.tolist(), strict=True):
        is_expected = bool(re.fullmatch(rb"[1-9][0-9]{0,18}", value)) and int(value) < 2**63
        assert is_good == is_expected
        assert number == (int(value) if is_expected else 0)

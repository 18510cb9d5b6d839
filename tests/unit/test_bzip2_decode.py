"""The block decoder against the standard library, on whole blocks and on damaged ones."""

from __future__ import annotations

import bz2
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yfcc.metadata.bzip2_blocks import Scanner, Segment
from yfcc.metadata.bzip2_decode import decode_block

quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)


def segments_of(stream: bytes) -> list[Segment]:
    return list(Scanner("file", None).segments([stream]))


def decoded(stream: bytes) -> list[bytes | None]:
    return [decode_block(segment.block) for segment in segments_of(stream)]


def whole(stream: bytes) -> bytes:
    found = decoded(stream)
    assert None not in found
    return b"".join(part for part in found if part is not None)


runs = st.lists(
    st.tuples(st.binary(min_size=1, max_size=6), st.integers(1, 700)), min_size=1, max_size=12
).map(lambda parts: b"".join(part * times for part, times in parts))


@quick
@given(st.one_of(runs, st.binary(min_size=1, max_size=4_000), st.text(min_size=1).map(str.encode)))
def test_any_content_comes_out_as_it_went_in(content):
    assert whole(bz2.compress(content)) == content


@pytest.mark.parametrize("n_equal", [1, 3, 4, 5, 6, 254, 255, 258, 259, 260, 263, 518, 700_000])
@pytest.mark.parametrize("around", [b"", b"x", b"0123456"])
def test_runs_of_every_length_unfold(n_equal, around):
    content = around + b"a" * n_equal + around
    assert whole(bz2.compress(content)) == content


def test_a_block_that_unfolds_fifty_fold_comes_out_whole():
    content = bytes(30_000_000)
    assert whole(bz2.compress(content)) == content


@pytest.mark.parametrize("n_values", [1, 2, 3, 17, 255, 256])
@pytest.mark.parametrize("level", [1, 9])
def test_alphabets_of_every_size_decode(n_values, level):
    numbers = random.Random(n_values)
    values = numbers.sample(range(256), n_values)
    # A few values make up most of it, so that codes of all lengths occur.
    content = bytes(numbers.choices(values, [2.0**-n for n in range(n_values)], k=250_000))
    assert whole(bz2.compress(content, level)) == content


@pytest.mark.parametrize("period", [1, 2, 3, 64, 1_000, 1_024, 30_000])
@pytest.mark.parametrize("n_bytes", [900, 4_096, 70_001, 90_000])
def test_text_that_repeats_goes_round_more_than_once(period, n_bytes):
    once = random.Random(period).randbytes(period)
    content = (once * (n_bytes // period + 1))[:n_bytes]
    assert whole(bz2.compress(content, 1)) == content


def test_codes_longer_than_the_table_are_found():
    numbers = random.Random(5)
    content = b"".join(
        bytes([numbers.randrange(256)]) if numbers.random() < 0.0005 else b"ab"
        for _ in range(10**5)
    )
    assert whole(bz2.compress(content)) == content


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 4, 5, 9])
def test_blocks_of_different_sizes_follow_each_other(n_blocks):
    numbers = random.Random(n_blocks)
    parts = [numbers.randbytes(numbers.randrange(1, 90_000)) for _ in range(n_blocks)]
    stream = b"".join(bz2.compress(part, 1) for part in parts)
    assert decoded(stream) == parts


@pytest.mark.parametrize("content", [b"a", b"line\n" * 40, bytes(range(256)) * 3])
def test_no_flipped_bit_gives_other_bytes(content):
    stream = bz2.compress(content)
    (segment,) = segments_of(stream)
    n_refused = 0
    for bit in range(48, segment.n_bits):
        damaged = bytearray(segment.data)
        damaged[(segment.bit % 8 + bit) // 8] ^= 0x80 >> (segment.bit + bit) % 8
        block = Segment(segment.bit, 9, segment.n_bits, bytes(damaged)).block
        found = decode_block(block)
        # Another row of a text that repeats, or a code that is never used, changes nothing.
        assert found in (None, content), bit
        n_refused += found is None
    assert n_refused > segment.n_bits // 2


@quick
@given(st.binary(max_size=300), st.integers(0, 7), st.integers(0, 2_400), st.integers(1, 9))
def test_junk_is_refused_and_read_no_further_than_its_padding(junk, first_bit, n_bits, level):
    n_bits = min(n_bits, max(0, len(junk) * 8 - first_bit))
    segment = Segment(first_bit, level, n_bits, junk + bytes(64))
    assert decode_block(segment.block) is None


def test_a_block_is_refused_where_its_stream_promises_a_smaller_one():
    content = random.Random(1).randbytes(150_000)
    (segment,) = segments_of(bz2.compress(content, 9))
    assert decode_block(segment.block) == content
    smaller = Segment(segment.bit, 1, segment.n_bits, segment.data)
    assert decode_block(smaller.block) is None

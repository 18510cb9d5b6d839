"""Blocks cut into chunks of whole lines: every byte in exactly one chunk, every line numbered."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yfcc.metadata.bzip2 import BlockPosition, RawBlock
from yfcc.metadata.lines import (
    KEPT_OF_LONG_LINE_BYTES,
    MAX_LINE_BYTES,
    LineChunk,
    first_lines,
    iter_line_chunks,
)

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)


def blocks_of(data: bytes, cuts: list[int]) -> list[RawBlock]:
    """``data`` in blocks that end at ``cuts``; block n starts at bit 1000 n."""
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    positions = [BlockPosition(bit=1000 * n, raw_offset=at) for n, at in enumerate(bounds)]
    return [
        RawBlock(before, after, data[before.raw_offset : after.raw_offset])
        for before, after in pairwise(positions)
    ]


def chunks_of(data: bytes, cuts: list[int] | None = None, chunk_bytes: int = 10) -> list[LineChunk]:
    return list(iter_line_chunks(blocks_of(data, cuts or []), "f", chunk_bytes=chunk_bytes))


lines = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([b"", b"\r", b"a\r", b"\x85", b"\x0b\x0c\x1c", "\u2028".encode(), b"\0"]),
    ),
    max_size=12,
).map(b"\n".join)


@quick
@given(data=lines, cuts=st.lists(st.integers(1, 120)), chunk_bytes=st.integers(1, 60))
def test_every_byte_is_in_exactly_one_chunk_however_the_blocks_are_cut(data, cuts, chunk_bytes):
    whole = data if not data or data.endswith(b"\n") else data + b"\n"
    blocks = blocks_of(data, cuts)
    chunks = list(iter_line_chunks(blocks, "f", chunk_bytes=chunk_bytes))
    assert b"".join(chunk.data for chunk in chunks) == whole
    at = n_lines = 0
    for chunk in chunks:
        assert chunk.data.endswith(b"\n")
        assert chunk.file == "f"
        assert chunk.long_line is None
        assert (chunk.raw_offset, chunk.first_line) == (at, n_lines)
        assert chunk.n_lines == chunk.data.count(b"\n")
        at += len(chunk.data)
        n_lines += chunk.n_lines
        holder = next(b for b in blocks if b.after.raw_offset > chunk.raw_offset)
        assert chunk.restart == holder.position


@quick
@given(data=lines, cuts=st.lists(st.integers(1, 120)), chunk_bytes=st.integers(1, 60))
def test_the_size_of_chunks_is_kept_to_a_block(data, cuts, chunk_bytes):
    blocks = blocks_of(data, cuts)
    largest = max((len(block.raw) for block in blocks), default=0)
    longest = max((len(line) for line in data.split(b"\n")), default=0)
    for chunk in iter_line_chunks(blocks, "f", chunk_bytes=chunk_bytes):
        assert len(chunk.data) <= chunk_bytes + largest + longest + 1


@quick
@given(data=lines, cuts=st.lists(st.integers(1, 120)), chunk_bytes=st.integers(1, 60))
def test_reading_again_from_any_chunk_gives_the_same_chunks(data, cuts, chunk_bytes):
    blocks = blocks_of(data, cuts)
    chunks = list(iter_line_chunks(blocks, "f", chunk_bytes=chunk_bytes))
    for n, chunk in enumerate(chunks):
        left = blocks[blocks.index(next(b for b in blocks if b.position == chunk.restart)) :]
        again = iter_line_chunks(left, "f", start=chunk.place, chunk_bytes=chunk_bytes)
        assert list(again) == chunks[n:]


def test_only_a_newline_ends_a_line():
    data = b"a\rb\x0b\x0c\x1c\x1d\x1e\x85" + "\u2028\u2029\u0085".encode() + b"\0c\nd\n"
    (chunk,) = chunks_of(data, chunk_bytes=1000)
    assert chunk.n_lines == 2


def test_nothing_has_no_lines():
    assert chunks_of(b"") == []


def test_a_last_line_without_a_newline_gets_one():
    assert [c.data for c in chunks_of(b"a\nb", chunk_bytes=1)] == [b"a\n", b"b\n"]


@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_first_lines_are_whole_lines(wanted):
    (chunk,) = chunks_of(b"a\n\nccc\n", chunk_bytes=100)
    cut = first_lines(chunk, wanted)
    assert cut.data == b"".join([b"a\n", b"\n", b"ccc\n"][:wanted])
    assert cut.n_lines == cut.data.count(b"\n")
    assert (cut.first_line, cut.raw_offset) == (0, 0)


LONG = MAX_LINE_BYTES + 1


def long_cases() -> dict[str, list[bytes]]:
    long, other = b"x" * LONG, b"y" * (LONG + 5)
    return {
        "first": [long, b"a", b"b"],
        "between": [b"a", b"b", long, b"c"],
        "last": [b"a", long],
        "two in a row": [b"a", long, other, b"b"],
        "with empty lines around": [b"", long, b"", other, b""],
    }


@pytest.mark.parametrize("ends_with_newline", [True, False])
@pytest.mark.parametrize("case", long_cases())
def test_a_line_that_is_too_long_is_set_aside_with_its_number_and_place(case, ends_with_newline):
    rows = long_cases()[case]
    data = b"\n".join(rows) + (b"\n" if ends_with_newline else b"")
    n_lines = len(rows) if ends_with_newline or rows[-1] else len(rows) - 1
    chunks = chunks_of(data, list(range(900_000, len(data), 900_000)), chunk_bytes=1 << 20)
    starts = [0, *accumulate(len(row) + 1 for row in rows)]
    long_lines = [c.long_line for c in chunks if c.long_line]
    assert [(r.line_number, r.byte_offset) for r in long_lines] == [
        (number, starts[number]) for number, row in enumerate(rows) if len(row) >= LONG
    ]
    for reject in long_lines:
        assert reject.raw == rows[reject.line_number][:KEPT_OF_LONG_LINE_BYTES]
        assert f"{len(rows[reject.line_number]):,} bytes" in reject.reason
    numbers = []
    for chunk in chunks:
        if not chunk.long_line:
            got = chunk.data.split(b"\n")[:-1]
            assert got == rows[chunk.first_line : chunk.first_line + chunk.n_lines]
            assert chunk.raw_offset == starts[chunk.first_line]
        numbers += range(chunk.first_line, chunk.first_line + chunk.n_lines)
    assert numbers == list(range(n_lines))


@pytest.mark.parametrize("case", long_cases())
@pytest.mark.parametrize("block_bytes", [900_000, 3_000_000])
def test_reading_again_beside_a_line_that_is_too_long_gives_the_same_chunks(case, block_bytes):
    data = b"\n".join(long_cases()[case]) + b"\n"
    blocks = blocks_of(data, list(range(block_bytes, len(data), block_bytes)))
    chunks = list(iter_line_chunks(blocks, "f", chunk_bytes=1 << 20))
    for n, chunk in enumerate(chunks):
        left = [block for block in blocks if block.position.bit >= chunk.restart.bit]
        again = iter_line_chunks(left, "f", start=chunk.place, chunk_bytes=1 << 20)
        assert list(again) == chunks[n:]


def test_a_line_of_the_greatest_length_is_a_line():
    data = b"x" * MAX_LINE_BYTES + b"\nb\n"
    chunks = chunks_of(data, [900_000, 3_000_000], chunk_bytes=1)
    assert [c.long_line for c in chunks] == [None] * len(chunks)
    assert b"".join(c.data for c in chunks) == data


def test_the_restart_of_a_long_line_is_the_block_it_starts_in():
    data = b"a\n" + b"x" * LONG + b"\nb\n"
    chunks = chunks_of(data, [1, 2, 900_000], chunk_bytes=1 << 30)
    assert [c.restart.raw_offset for c in chunks] == [0, 2, 900_000]

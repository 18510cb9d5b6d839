"""bz2 read in parallel: what is whole comes out byte for byte, what is damaged is named."""

from __future__ import annotations

import bz2
import random
import re
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from yfcc.errors import SourceDamaged
from yfcc.metadata.bzip2 import RawBlock, iter_blocks
from yfcc.metadata.lines import KEPT_OF_LONG_LINE_BYTES, iter_line_chunks

NAME = "a/file.bz2"
EMPTY = bz2.compress(b"")
TINY = [b"".join(b"%d\tline %d of %d\n" % (i, i, part) for i in range(9)) for part in range(5)]
LARGE = random.Random(1).randbytes(330_000)  # four blocks at level 1
LARGE_STREAM = bz2.compress(LARGE, 1)
MARK = 0x314159265359


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class OneByOne(Executor):
    """Runs a task when it is given."""

    def submit(self, task, /, *args, **kwargs):
        future: Future = Future()
        try:
            future.set_result(task(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as executors do
            future.set_exception(error)
        return future


def cut(data: bytes, n_bytes: int) -> Iterator[bytes]:
    return (data[at : at + n_bytes] for at in range(0, len(data), n_bytes))


def blocks_of(data: bytes, executor: Executor, chunk: int = 1 << 16, **more) -> list[RawBlock]:
    return list(iter_blocks(cut(data, chunk), executor, name=NAME, **more))


def raw_of(data: bytes, executor: Executor, chunk: int = 1 << 16, **more) -> bytes:
    return b"".join(block.raw for block in blocks_of(data, executor, chunk, **more))


def read_until_error(data: bytes, executor: Executor) -> tuple[bytes, str | None]:
    raw = []
    try:
        for block in iter_blocks(cut(data, 1 << 16), executor, name=NAME):
            raw.append(block.raw)
    except SourceDamaged as error:
        return b"".join(raw), str(error)
    return b"".join(raw), None


def named_offset(message: str) -> int:
    return int(re.search(r"compressed offset ([0-9,]+)", message)[1].replace(",", ""))


def n_marks(data: bytes) -> int:
    bits = int.from_bytes(data, "big")
    mask = (1 << 48) - 1
    return sum((bits >> at) & mask == MARK for at in range(len(data) * 8 - 47))


@pytest.mark.parametrize("chunk", [997, 65_536, 10_000_000])
def test_a_stream_of_several_blocks_comes_out_whole(executor, chunk):
    blocks = blocks_of(LARGE_STREAM, executor, chunk)
    assert b"".join(block.raw for block in blocks) == LARGE
    assert len(blocks) == 4


def test_one_stream_a_block_as_pbzip2_writes_it_comes_out_whole(executor):
    for chunk in [1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 47, 1000]:
        data = b"".join(bz2.compress(part) for part in TINY)
        assert raw_of(data, executor, chunk) == b"".join(TINY)


@pytest.mark.parametrize("n_empty", [1, 3])
@pytest.mark.parametrize("where", ["first", "between", "last"])
def test_streams_of_nothing_may_stand_anywhere(executor, n_empty, where):
    for chunk in [1, 5, 13, 14, 15, 1000]:
        one, two = bz2.compress(TINY[0]), bz2.compress(TINY[1])
        nothing = EMPTY * n_empty
        data = {
            "first": nothing + one + two,
            "between": one + nothing + two,
            "last": one + two + nothing,
        }[where]
        assert raw_of(data, executor, chunk) == TINY[0] + TINY[1]


@pytest.mark.parametrize("n_empty", [1, 2, 5])
def test_nothing_but_streams_of_nothing_is_nothing(executor, n_empty):
    for chunk in [1, 14, 1000]:
        assert raw_of(EMPTY * n_empty, executor, chunk) == b""


@pytest.mark.parametrize("levels", [(1, 9), (9, 1), (5, 1)])
def test_streams_of_different_levels_follow_each_other(executor, levels):
    parts = (LARGE[:120_000], LARGE[120_000:250_000])
    data = b"".join(bz2.compress(part, level) for part, level in zip(parts, levels, strict=True))
    assert raw_of(data, executor) == LARGE[:250_000]


@pytest.mark.parametrize("ahead", [0, 1, 2, 100])
def test_blocks_in_flight_change_nothing(executor, ahead):
    assert raw_of(LARGE_STREAM, executor, ahead=ahead) == LARGE


def test_positions_count_the_decompressed_bytes(executor):
    at = 0
    for block in blocks_of(LARGE_STREAM + bz2.compress(TINY[0]), executor):
        assert block.position.raw_offset == at
        at += len(block.raw)
        assert block.after.raw_offset == at


@pytest.mark.parametrize("chunk", [11, 4096, 10_000_000])
def test_reading_starts_again_at_any_block_byte_for_byte(executor, chunk):
    data = LARGE_STREAM + bz2.compress(TINY[0], 9) + EMPTY + bz2.compress(TINY[1], 1)
    whole = LARGE + TINY[0] + TINY[1]
    blocks = blocks_of(data, executor)
    assert len(blocks) == 6
    for block in blocks if chunk > 11 else blocks[-2:]:
        start = block.position
        rest = raw_of(data[start.bit // 8 :], executor, chunk, start=start)
        assert rest == whole[start.raw_offset :]


def test_a_block_knows_where_the_next_one_starts(executor):
    data = LARGE_STREAM + bz2.compress(TINY[0], 9) + EMPTY + bz2.compress(TINY[1], 1)
    blocks = blocks_of(data, executor)
    assert [block.after for block in blocks[:-1]] == [block.position for block in blocks[1:]]


def test_damage_behind_a_restart_is_still_noticed(executor):
    start = blocks_of(LARGE_STREAM, executor)[2].position
    damaged = LARGE_STREAM[:-4] + bytes(4)  # the stream's CRC
    with pytest.raises(SourceDamaged, match="CRC"):
        raw_of(damaged[start.bit // 8 :], executor, start=start)


FINE = bz2.compress(TINY[0]) + bz2.compress(TINY[1])
DAMAGED = {
    "truncated half": LARGE_STREAM[: len(LARGE_STREAM) // 2],
    "last three bytes gone": LARGE_STREAM[:-3],
    "last byte gone": LARGE_STREAM[:-1],
    "second stream truncated": FINE[:-20],
    "second header truncated": bz2.compress(TINY[0]) + b"BZ",
    "second stream only a header": bz2.compress(TINY[0]) + b"BZh9",
    "garbage behind the end": FINE + b"garbage",
    "one byte behind the end": FINE + b"\0",
    "garbage that looks like a header": FINE + b"BZh9 and so on, and so on",
    "garbage between streams": bz2.compress(TINY[0]) + b"garbage" + bz2.compress(TINY[1]),
    "garbage behind several blocks": LARGE_STREAM + b"garbage",
    "garbage behind a stream of nothing": EMPTY + b"garbage",
    "much garbage behind a stream of nothing": EMPTY + b"garbage" * 10,
    "header only": b"BZh9",
    "part of a header": b"BZ",
    "header and half a mark": b"BZh9\x31\x41\x59",
    "HTML": b"<!DOCTYPE html><html><body>Not found</body></html>",
    "short HTML": b"<html>",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(40),
    "level 0": b"BZh0" + LARGE_STREAM[4:],
    "no block behind the header": b"BZh9" + bytes(100),
    "stream of nothing, truncated": EMPTY[:-1],
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_an_error_that_names_file_and_compressed_offset(executor, case):
    for chunk in [7, 1 << 16]:
        data = DAMAGED[case]
        with pytest.raises(SourceDamaged) as caught:
            raw_of(data, executor, chunk if len(data) < 5000 else 1 << 16)
        message = str(caught.value)
        assert NAME in message
        assert 0 <= named_offset(message) <= len(data)
        assert caught.value.exit_code == 4


def test_an_empty_file_is_damaged(executor):
    with pytest.raises(SourceDamaged, match=f"{NAME}: the file is empty"):
        raw_of(b"", executor)
    with pytest.raises(SourceDamaged, match="empty"):
        list(iter_blocks([b"", b""], executor, name=NAME))


@pytest.mark.parametrize("wrong", [b"XZh9", b"BZh:"])
@pytest.mark.parametrize(
    "first", [bz2.compress(TINY[0]), LARGE_STREAM], ids=["one block", "several blocks"]
)
def test_a_damaged_second_header_is_noticed_where_it_is(executor, first, wrong):
    data = first + wrong + bz2.compress(TINY[1])[4:] + bz2.compress(TINY[2])
    raw, message = read_until_error(data, executor)
    assert message is not None
    assert (TINY[0] if len(first) < 1000 else LARGE).startswith(raw)
    assert named_offset(message) <= len(first) + 4


def test_no_flipped_bit_changes_a_byte_unnoticed():
    for seed in range(3):
        executor = OneByOne()
        rng = random.Random(seed)
        parts = [bz2.compress(part) for part in TINY[:3]]
        data, whole = b"".join(parts), b"".join(TINY[:3])
        n_noticed = 0
        for _ in range(40):
            bit = rng.randrange(len(data) * 8)
            flipped = bytearray(data)
            flipped[bit // 8] ^= 0x80 >> bit % 8
            raw, message = read_until_error(bytes(flipped), executor)
            if message is None:
                assert raw == whole, f"bit {bit}"
            else:
                n_noticed += 1
                assert NAME in message
                assert whole.startswith(raw), f"bit {bit}"
        assert n_noticed >= 35


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_among_many_blocks_is_noticed(seed, executor):
    bit = random.Random(seed).randrange(32, len(LARGE_STREAM) * 8 - 8)
    flipped = bytearray(LARGE_STREAM)
    flipped[bit // 8] ^= 0x80 >> bit % 8
    raw, message = read_until_error(bytes(flipped), executor)
    assert message is not None
    assert LARGE.startswith(raw)
    assert named_offset(message) <= len(LARGE_STREAM)


def test_a_cut_anywhere_is_noticed(executor):
    for seed in range(6):
        data = b"".join(bz2.compress(part) for part in TINY)
        ends = {len(b"".join(bz2.compress(part) for part in TINY[:n])) for n in range(6)}
        for at in random.Random(seed).sample(sorted(set(range(len(data))) - ends), 10):
            raw, message = read_until_error(data[:at], executor)
            assert message is not None, at
            assert b"".join(TINY).startswith(raw)


def test_bytes_before_the_damage_come_out_first(executor):
    blocks = iter_blocks(cut(LARGE_STREAM[:-3], 1 << 16), executor, name=NAME, ahead=1)
    raw = next(blocks).raw + next(blocks).raw
    assert len(raw) > 150_000
    assert LARGE.startswith(raw)
    with pytest.raises(SourceDamaged, match="truncated"):
        list(blocks)


def content_with_the_mark_in_its_symbol_table(n_bytes: int, seed: int = 0) -> bytes:
    """Content whose block lists its bytes in a bitmap that spells the block mark.

    The bitmap of the bytes 0x40 to 0x6f is 48 bits, which a block holds as they are.
    """
    symbols = [0x40 + i for i in range(48) if MARK >> (47 - i) & 1]
    rng = random.Random(seed)
    content = bytearray(symbols)
    while len(content) < n_bytes:
        symbol = rng.choice(symbols)
        if content[-1] != symbol:  # bzip2 writes runs with a byte of their length
            content.append(symbol)
    return bytes(content)


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize("ahead", [1, 4])
def test_a_mark_that_lies_in_a_block_by_chance_does_not_split_it(executor, n_blocks, ahead):
    parts = [content_with_the_mark_in_its_symbol_table(500, seed) for seed in range(n_blocks)]
    data = b"".join(bz2.compress(part) for part in parts)
    assert n_marks(data) == 2 * n_blocks
    assert raw_of(data, executor, ahead=ahead) == b"".join(parts)


def test_a_mark_by_chance_is_no_excuse_for_damage(executor):
    data = bytearray(bz2.compress(content_with_the_mark_in_its_symbol_table(500)))
    data[len(data) // 2] ^= 1
    with pytest.raises(SourceDamaged, match="compressed offset 4 "):
        raw_of(bytes(data), executor)


def test_a_bomb_of_100_mb_of_zeros_stays_flat_in_memory(executor):
    data = bz2.compress(bytes(5_000_000), 1) * 20
    assert len(data) < 2000
    tracemalloc.start()
    try:
        blocks = iter_blocks([data], executor, name=NAME, ahead=2)
        chunks = list(iter_line_chunks(blocks, NAME))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000
    assert [(chunk.n_lines, chunk.data) for chunk in chunks] == [(1, b"")]
    assert chunks[0].long_line.raw == bytes(KEPT_OF_LONG_LINE_BYTES)
    assert "100,000,000" in chunks[0].long_line.reason


def test_a_reader_that_stops_early_leaves_nothing_behind(executor):
    blocks = iter_blocks(cut(LARGE_STREAM, 4096), executor, name=NAME)
    assert LARGE.startswith(next(blocks).raw)
    blocks.close()
    assert list(blocks) == []

"""bz2 decompressed in parallel, block by block, from any stream of bytes.

Every block is a problem of its own: it is cut out at the marks around it and decoded in a thread.
Memory is a few blocks; reading can start again at any block.

A block that the decoder refuses is dressed as a stream of its own and shown to the standard
library, which has the last word.

What the library is blind to is checked here: nothing but another stream may follow a stream, the
last one must end, and the CRC of each stream is the one in its end mark.
"""

from __future__ import annotations

import bz2
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from yfcc.errors import SourceDamaged
from yfcc.metadata.bzip2_blocks import BlockPosition, Scanner, Segment, damaged
from yfcc.metadata.bzip2_decode import decode_block

__all__ = ["BlockPosition", "RawBlock", "iter_blocks"]


@dataclass(frozen=True, slots=True)
class RawBlock:
    """Decompressed bytes of one block.

    Attributes
    ----------
    position : BlockPosition
        Where it starts.
    after : BlockPosition
        State after it; ``bit`` is the next block's, if there is one.
    raw : bytes
        Up to 46 MB; 900 kB for text.
    """

    position: BlockPosition
    after: BlockPosition
    raw: bytes


def _combined(stream_crc: int, block_crc: int) -> int:
    """CRC of a stream after one more block (rotate left, then XOR)."""
    return ((stream_crc << 1 | stream_crc >> 31) & 0xFFFFFFFF) ^ block_crc


def iter_blocks(
    chunks: Iterable[bytes],
    executor: Executor,
    *,
    name: str,
    ahead: int = 4,
    start: BlockPosition | None = None,
) -> Iterator[RawBlock]:
    """Decompress a bzip2 file, in order, several blocks at once.

    Parameters
    ----------
    chunks : iterable of bytes
        The file from byte 0, or from byte ``start.bit // 8``.
    executor : Executor
        Threads; may be shared by several files.
    name : str
        For messages.
    ahead : int
        Blocks in flight.
    start : BlockPosition, optional
        A place kept from an earlier run.

    Yields
    ------
    RawBlock
        In the file's order, none empty.

    Raises
    ------
    SourceDamaged
        Not bzip2, truncated, damaged, or followed by anything that is not bzip2.
    """
    scanner = Scanner(name, start)
    collector = _Collector(name, scanner.first)
    pending: deque[_Pending] = deque()
    damage: SourceDamaged | None = None
    try:
        try:
            for segment in scanner.segments(chunks):
                pending.append((segment, executor.submit(decode_block, segment.block)))
                while len(pending) > ahead:
                    yield from collector.take(pending)
        except SourceDamaged as error:
            damage = error  # what lies before it comes out first
        while pending:
            yield from collector.take(pending)
        if damage:
            raise damage
    finally:
        for _, future in pending:
            future.cancel()


_Pending = tuple[Segment, Future[bytes | None]]


def _decompress(segment: Segment) -> bytes:
    """Decode a block by the standard library.

    Raises
    ------
    OSError, EOFError, ValueError
        It is damaged.
    """
    decompressor = bz2.BZ2Decompressor()
    raw = decompressor.decompress(segment.as_stream())
    # A stream that ends early hides whatever follows: damage between two streams.
    if not decompressor.eof or decompressor.unused_data:
        raise EOFError("the block ends elsewhere than the next one starts")
    return raw


@dataclass(slots=True)
class _Collector:
    """Puts decompressed blocks in order and checks what ties them together."""

    name: str
    position: BlockPosition

    def take(self, pending: deque[_Pending]) -> Iterator[RawBlock]:
        """The oldest block; the next one too, if the mark between them was chance."""
        segment, future = pending.popleft()
        raw = future.result()
        if raw is None:
            segment, raw = self._ask_library(segment, pending)
        before = replace(self.position, bit=segment.bit, level=segment.level)
        crc = _combined(before.stream_crc, segment.crc)
        if segment.ends_stream is not None:
            if segment.ends_stream != crc:
                raise damaged(
                    self.name,
                    segment.bit + segment.n_bits,
                    before.raw_offset + len(raw),
                    f"expected the stream's CRC {crc:08x}, got {segment.ends_stream:08x}",
                )
            crc = 0
        self.position = BlockPosition(
            bit=segment.next_bit or segment.bit + segment.n_bits,
            level=segment.next_level or segment.level,
            stream_crc=crc,
            raw_offset=before.raw_offset + len(raw),
        )
        if raw:
            yield RawBlock(before, self.position, raw)

    def _ask_library(self, segment: Segment, pending: deque[_Pending]) -> tuple[Segment, bytes]:
        """Decode by the standard library; if it refuses, across a mark that may be chance.

        A mark is chance once in 3,000 whole data sets.
        """
        try:
            return segment, _decompress(segment)
        except (OSError, EOFError, ValueError) as error:
            if pending and segment.ends_stream is None:
                later, future = pending.popleft()
                future.cancel()
                joined = segment.joined(later)
                try:
                    return joined, _decompress(joined)
                except (OSError, EOFError, ValueError):
                    pass  # damage, not chance: report the first block's error
            raise damaged(
                self.name,
                segment.bit,
                self.position.raw_offset,
                "the block's content does not match its checksum or cannot be decoded",
            ) from error

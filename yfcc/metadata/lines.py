"""Whole lines out of decompressed blocks; only a newline ends a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from yfcc.metadata.byte_loops import count_newlines
from yfcc.metadata.bzip2 import BlockPosition, RawBlock

#: Longer lines are no data: the longest reported is 197,990 bytes.
MAX_LINE_BYTES: Final = 4 << 20
#: Of a line that is too long, so much is kept as evidence.
KEPT_OF_LONG_LINE_BYTES: Final = 64 << 10
#: A chunk ends with the block that brings it to this size.
CHUNK_BYTES: Final = 4 << 20
_SLICE_BYTES: Final = 1 << 20
_FIRST_BLOCK: Final = BlockPosition(bit=32)


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is no row, kept whole with the reason.

    Attributes
    ----------
    file : str
        Name of the metadata file.
    line_number : int
        Counted from 0, as the dataset does.
    byte_offset : int
        Where the line starts in the decompressed file.
    reason : str
    raw : bytes
        The line without its newline (its first 64 KiB if it is longer than 4 MiB).
    """

    file: str
    line_number: int
    byte_offset: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class LinePlace:
    """Where a line starts, and how to get there without reading what lies before.

    Attributes
    ----------
    block : BlockPosition
        The block that holds its first byte.
    raw_offset : int
        Of its first byte, in the decompressed file.
    line_number : int
        From 0.
    """

    block: BlockPosition
    raw_offset: int
    line_number: int


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Some whole lines of a file, or one line that is too long.

    Attributes
    ----------
    file : str
    data : bytes
        Lines, each ended by a newline; empty if there is a ``long_line``.
    n_lines : int
        Lines in ``data``, or 1.
    first_line : int
        Line number of the first, from 0.
    raw_offset : int
        Where the first line starts in the decompressed file.
    restart : BlockPosition
        The block that holds its first byte: reading can start again there.
    long_line : Reject, optional
    """

    file: str
    data: bytes
    n_lines: int
    first_line: int
    raw_offset: int
    restart: BlockPosition
    long_line: Reject | None = None

    @property
    def place(self) -> LinePlace:
        """Where its first line starts: reading again from there cuts the same chunks."""
        return LinePlace(self.restart, self.raw_offset, self.first_line)


def iter_line_chunks(
    blocks: Iterable[RawBlock],
    file: str,
    *,
    start: LinePlace | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[LineChunk]:
    """Cut blocks into chunks of whole lines.

    Parameters
    ----------
    blocks : iterable of RawBlock
        In order, from the start of the file, or from the block of ``start``.
    file : str
    start : LinePlace, optional
        Of the first line that is wanted.
    chunk_bytes : int
        A chunk ends with the block that brings it to this size.

    Yields
    ------
    LineChunk
        Every byte from the start is in exactly one chunk. A last line without a newline gets one.
    """
    cutter = _Cutter(file, chunk_bytes)
    if start:
        cutter.n_lines, cutter.raw_offset = start.line_number, start.raw_offset
    first_byte = start.raw_offset if start else 0
    for block in blocks:
        # A block of 900 kB can unfold to 46 MB: smaller slices bound what a line can hide.
        # They lie where they lay without a start, so that the chunks are the same.
        for begin in range(0, len(block.raw), _SLICE_BYTES):
            n_before = max(first_byte - block.position.raw_offset - begin, 0)
            if n_before < _SLICE_BYTES:
                part = block.raw[begin + n_before : begin + _SLICE_BYTES]
                yield from cutter.add(part, block.position)
    yield from cutter.finish()


def first_lines(chunk: LineChunk, n_lines: int) -> LineChunk:
    """A chunk's first lines, all of them if there are no more."""
    if n_lines >= chunk.n_lines:
        return chunk
    end = -1
    for _ in range(n_lines):
        end = chunk.data.index(b"\n", end + 1)
    return replace(chunk, data=chunk.data[: end + 1], n_lines=n_lines)


@dataclass(slots=True)
class _Cutter:
    """Whole lines so far, and the beginning of the one that is not whole yet."""

    file: str
    chunk_bytes: int
    # Views where a part is not a whole block: its bytes are copied once, into the chunk.
    parts: list[bytes | memoryview] = field(default_factory=list)
    n_bytes: int = 0  # of the parts
    open_parts: list[bytes] = field(default_factory=list)
    open_bytes: int = 0  # of the open line, also those that are no longer kept
    open_restart: BlockPosition = _FIRST_BLOCK
    restart: BlockPosition = _FIRST_BLOCK
    n_lines: int = 0  # before the parts
    raw_offset: int = 0  # of the parts

    def add(self, raw: bytes, position: BlockPosition) -> Iterator[LineChunk]:
        """Take the next bytes; yield what is complete."""
        newline = raw.find(b"\n")
        if newline >= 0 and self.open_bytes + newline > MAX_LINE_BYTES:
            self._keep_open(raw[:newline], position)
            yield from self._cut()
            yield self._cut_long_line()
            raw = raw[newline + 1 :]
        end = raw.rfind(b"\n") + 1
        if end:
            if not self.parts:
                self.restart = self.open_restart if self.open_bytes else position
            self.parts += [*self.open_parts, memoryview(raw)[:end]]
            self.n_bytes += self.open_bytes + end
            self.open_parts, self.open_bytes = [], 0
        self._keep_open(raw[end:], position)
        if self.n_bytes >= self.chunk_bytes:
            yield from self._cut()

    def finish(self) -> Iterator[LineChunk]:
        """What is left at the end of the file."""
        if self.open_bytes > MAX_LINE_BYTES:
            yield from self._cut()
            yield self._cut_long_line()
        elif self.open_bytes:
            yield from self.add(b"\n", self.open_restart)
        yield from self._cut()

    def _keep_open(self, part: bytes, position: BlockPosition) -> None:
        if not self.open_bytes:
            self.open_restart = position
        # Of a line that is too long only the beginning is kept: memory stays flat.
        if part and self.open_bytes <= MAX_LINE_BYTES:
            self.open_parts.append(part)
        self.open_bytes += len(part)

    def _cut(self) -> Iterator[LineChunk]:
        if not self.parts:
            return
        data = b"".join(self.parts)
        n_lines = count_newlines(np.frombuffer(data, np.uint8))
        yield LineChunk(self.file, data, n_lines, self.n_lines, self.raw_offset, self.restart)
        self.parts, self.n_bytes = [], 0
        self.n_lines += n_lines
        self.raw_offset += len(data)

    def _cut_long_line(self) -> LineChunk:
        raw = b"".join(self.open_parts)[:KEPT_OF_LONG_LINE_BYTES]
        reason = f"line of {self.open_bytes:,} bytes; at most {MAX_LINE_BYTES:,} are allowed"
        reject = Reject(self.file, self.n_lines, self.raw_offset, reason, raw)
        chunk = LineChunk(
            self.file, b"", 1, self.n_lines, self.raw_offset, self.open_restart, reject
        )
        self.n_lines += 1
        self.raw_offset += self.open_bytes + 1
        self.open_parts, self.open_bytes = [], 0
        return chunk

"""Cutting a stream of bzip2 into its blocks, at any bit, without decoding them.

A stream is a header ``BZh1`` … ``BZh9``, blocks that start at any *bit* with the 48-bit mark
0x314159265359 and the CRC of their content, and an end mark 0x177245385090 with the CRC of the
whole stream, padded to a byte.

Format: https://en.wikipedia.org/wiki/Bzip2#File_format, checked against files of bzip2, lbzip2
and pbzip2 (one stream a block).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.errors import SourceDamaged
from yfcc.metadata.bzip2_decode import N_PADDING, BlockBits
from yfcc.metadata.kernels import compiled

_BLOCK_MARK: Final = 0x314159265359
_END_MARK: Final = 0x177245385090
_MARK_BITS: Final = 48
_CRC_BITS: Final = 32
_HEADER_BITS: Final = 32
#: A compressed block of 900 kB cannot be larger than this; without a mark in so many bytes the
#: stream is no bzip2 (bzip2 grows incompressible input by about 1 %).
_MAX_BLOCK_BYTES: Final = 2 << 20
_LEVELS: Final = b"123456789"


_MASK: Final = (1 << _MARK_BITS) - 1


def _places(mark: int) -> npt.NDArray[np.uint8]:
    """For each value of two bytes the bits at which a mark may have begun in the byte before.

    Returns
    -------
    uint8 array, 2 x 256
        Of the first and of the second byte. Bit n is set if the byte is what the mark has there
        when it begins at bit n.
    """
    places = np.zeros((2, 256), np.uint8)
    for byte in range(2):
        for n_bits_before in range(8):
            value = mark >> (_MARK_BITS - 16 - 8 * byte + n_bits_before) & 0xFF
            places[byte, value] |= 1 << n_bits_before
    return places


_PLACES: Final = {mark: _places(mark) for mark in (_BLOCK_MARK, _END_MARK)}


@compiled
def _scan(
    buffer: npt.NDArray[np.uint8],
    first_byte: int,
    mark: int,
    places: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int64],
) -> int:
    """Bits where a mark lies whole; their number, never more than ``found`` has room for."""
    n_found = 0
    for at in range(max(first_byte, 0) + 1, len(buffer) - 4):
        possible = places[0, buffer[at]] & places[1, buffer[at + 1]]
        if not possible:
            continue
        # The byte before, this one, and five more hold a mark that begins in the byte before.
        value = np.int64(0)
        for nearby in range(at - 1, min(at + 6, len(buffer))):
            value = value << 8 | np.int64(buffer[nearby])
        n_missing = at + 6 - min(at + 6, len(buffer))
        value <<= 8 * n_missing
        for n_bits_before in range(8):
            is_here = possible >> n_bits_before & 1 and value >> (8 - n_bits_before) & _MASK == mark
            if is_here and (n_bits_before == 0 or n_missing == 0) and n_found < len(found):
                found[n_found] = (at - 1) * 8 + n_bits_before
                n_found += 1
    return n_found


def _find_marks(buffer: bytearray, mark: int, first_byte: int = 0) -> list[int]:
    """Bits, from the start of a buffer, where a mark lies whole; at or behind ``first_byte``."""
    found = np.empty(len(buffer) // 6 + 1, np.int64)
    n_found = _scan(np.frombuffer(buffer, np.uint8), first_byte, mark, _PLACES[mark], found)
    return [int(bit) for bit in found[:n_found]]


@dataclass(frozen=True, slots=True)
class BlockPosition:
    """A place where decompression can start again.

    Attributes
    ----------
    bit : int
        Where the block's mark starts, in bits from the start of the file.
    level : int
        1 to 9, from the header of the block's stream.
    stream_crc : int
        Combined CRC of the blocks before it in its stream.
    raw_offset : int
        Bytes of decompressed data before it.
    """

    bit: int
    level: int = 9
    stream_crc: int = 0
    raw_offset: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """The bits from one block mark to whatever comes next.

    Attributes
    ----------
    bit : int
        Of the mark, from the start of the file.
    level : int
        Of its stream.
    n_bits : int
    data : bytes
        The file's bytes that hold them, and zeros behind.
    ends_stream : int, optional
        The stream's CRC, where an end mark follows.
    next_level, next_bit : int, optional
        Of the mark that follows, if one does.
    """

    bit: int
    level: int
    n_bits: int
    data: bytes
    ends_stream: int | None = None
    next_level: int | None = None
    next_bit: int | None = None

    @property
    def block(self) -> BlockBits:
        """The block, to be decoded."""
        return BlockBits(self.data, self.bit % 8, self.n_bits, self.level, self.crc)

    @property
    def crc(self) -> int:
        """CRC of the block's content, from its header."""
        eleven = int.from_bytes(self.data[:11], "big")
        return (eleven >> (8 - self.bit % 8)) & 0xFFFFFFFF

    def as_stream(self) -> bytes:
        """The block dressed as a whole bzip2 stream."""
        n_bytes = (self.bit % 8 + self.n_bits + 7) // 8
        bits = int.from_bytes(self.data[:n_bytes], "big") >> (-(self.bit + self.n_bits) % 8)
        bits &= (1 << self.n_bits) - 1
        n_bits = self.n_bits + _MARK_BITS + _CRC_BITS
        padding = -n_bits % 8
        bits = (bits << _MARK_BITS | _END_MARK) << _CRC_BITS | self.crc
        return b"BZh%d" % self.level + (bits << padding).to_bytes((n_bits + padding) // 8, "big")

    def joined(self, later: Segment) -> Segment:
        """Itself and the next segment as one: the mark between them was chance."""
        n_before = later.bit // 8 - self.bit // 8
        return replace(
            later,
            bit=self.bit,
            level=self.level,
            n_bits=self.n_bits + later.n_bits,
            data=self.data[:n_before] + later.data,
        )


@dataclass(slots=True)
class Scanner:
    """Cuts the bits between block marks out of a stream of bytes."""

    name: str
    start: BlockPosition | None
    buffer: bytearray = field(default_factory=bytearray)
    base: int = 0  # file offset of buffer[0]
    searched: int = 0  # bytes of the buffer without a further mark

    def __post_init__(self) -> None:
        if self.start:
            self.base = self.start.bit // 8
            self.searched = 6  # behind the mark it starts with

    @property
    def first(self) -> BlockPosition:
        """Where the first block starts, as far as it is known before reading."""
        return self.start or BlockPosition(bit=_HEADER_BITS)

    def segments(self, chunks: Iterable[bytes]) -> Iterator[Segment]:
        """Segments in order; each needs the mark that follows it."""
        mark, level = (self.start.bit, self.start.level) if self.start else (None, 9)
        for chunk in chunks:
            self.buffer += chunk
            if mark is None:
                if len(self.buffer) < 14:
                    continue
                level = self._read_header(0)
                mark = self._skip_empty_streams()
                if mark is None:
                    continue
                level = self._read_header(mark // 8 - self.base - 4)
                self.searched = mark // 8 - self.base + 6
            for found in self._marks():
                segment = self._cut(mark, found, level)
                yield segment
                mark, level = found, segment.next_level or level
            self._forget_before(mark)
        yield from self._last(mark, level)

    def _read_header(self, at: int) -> int:
        """Level of the stream whose header lies at ``buffer[at]``."""
        header = bytes(self.buffer[at : at + 4])
        if header[:3] != b"BZh" or header[3:4] not in (_LEVELS[i : i + 1] for i in range(9)):
            raise _not_bzip2(self.name, self.base + at, bytes(self.buffer[at : at + 16]))
        return header[3] - 48

    def _skip_empty_streams(self) -> int | None:
        """Bit of the first block's mark after any streams of nothing; None: more bytes needed."""
        at = 0
        end = _END_MARK.to_bytes(6, "big") + bytes(4)
        while len(self.buffer) >= at + 14 and self.buffer[at + 4 : at + 14] == end:
            at += 14
            if len(self.buffer) > at:
                if len(self.buffer) < at + 14:
                    return None
                self._read_header(at)
        if len(self.buffer) < at + 10:
            return None
        if self.buffer[at + 4 : at + 10] != _BLOCK_MARK.to_bytes(6, "big"):
            raise damaged(self.name, (self.base + at + 4) * 8, 0, "no block after the header")
        return (self.base + at + 4) * 8

    def _marks(self) -> list[int]:
        """Bits of the block marks in the part of the buffer not yet searched."""
        found = _find_marks(self.buffer, _BLOCK_MARK, self.searched)
        # A mark can lie across the end: the last bytes are searched again, with what follows.
        self.searched = max(self.searched, len(self.buffer) - 7)
        if found:
            self.searched = max(self.searched, found[-1] // 8 + 6)
        return [self.base * 8 + bit for bit in found]

    def _bits(self, first: int, last: int) -> int:
        """The bits [first, last) of the file as a number."""
        low, high = first // 8 - self.base, (last + 7) // 8 - self.base
        value = int.from_bytes(self.buffer[low:high], "big") >> (-last % 8)
        return value & ((1 << (last - first)) - 1)

    def _data(self, first: int, last: int) -> bytes:
        """The bytes that hold the bits [first, last) of the file, padded."""
        low, high = first // 8 - self.base, (last + 7) // 8 - self.base
        return bytes(self.buffer[low:high]) + bytes(N_PADDING)

    def _cut(self, mark: int, following: int, level: int) -> Segment:
        """The segment between two marks, with the end of a stream if one lies between."""
        at = following // 8 - self.base
        is_aligned = following % 8 == 0 and at >= 4
        if is_aligned and self.buffer[at - 4 : at - 1] == b"BZh" and self.buffer[at - 1] in _LEVELS:
            end = self._end_mark_before(at - 4, mark)
            if end is not None:
                crc = self._bits(end + _MARK_BITS, end + _MARK_BITS + _CRC_BITS)
                data = self._data(mark, end)
                next_level = self.buffer[at - 1] - 48
                return Segment(mark, level, end - mark, data, crc, next_level, following)
        data = self._data(mark, following)
        return Segment(mark, level, following - mark, data, next_bit=following)

    def _end_mark_before(self, at: int, not_before: int) -> int | None:
        """Bit of the end mark of the stream that ends before ``buffer[at]``."""
        empty = _END_MARK.to_bytes(6, "big") + bytes(4)
        while at >= 14 and self.buffer[at - 10 : at] == empty:
            if self.buffer[at - 14 : at - 11] != b"BZh" or self.buffer[at - 11] not in _LEVELS:
                break
            at -= 14
        for padding in range(8):
            bit = (self.base + at) * 8 - padding - _CRC_BITS - _MARK_BITS
            if bit > not_before and self._bits(bit, bit + _MARK_BITS) == _END_MARK:
                return bit
        return None

    def _forget_before(self, mark: int | None) -> None:
        """Drop what is no longer needed; refuse a stream that has no marks at all."""
        if mark is None:
            return
        drop = mark // 8 - self.base
        del self.buffer[:drop]
        self.base += drop
        self.searched = max(0, self.searched - drop)
        if len(self.buffer) > 16 * _MAX_BLOCK_BYTES:
            raise damaged(self.name, mark, None, "no further block or end mark in 32 MiB")

    def _last(self, mark: int | None, level: int) -> Iterator[Segment]:
        """The segment that ends with the file."""
        n_bytes = self.base + len(self.buffer)
        if mark is None:
            yield from self._nothing(n_bytes)
            return
        end = self._end_mark_before(len(self.buffer), mark)
        if end is None:
            self._explain_missing_end(mark, n_bytes)
        else:
            crc = self._bits(end + _MARK_BITS, end + _MARK_BITS + _CRC_BITS)
            yield Segment(mark, level, end - mark, self._data(mark, end), crc)

    def _nothing(self, n_bytes: int) -> Iterator[Segment]:
        """A file without a block: only streams of nothing are whole."""
        if not self.buffer:
            raise SourceDamaged(
                f"{self.name}: the file is empty (0 bytes); expected bzip2 data. "
                "Fetch the file again."
            )
        self._read_header(0)
        end = _END_MARK.to_bytes(6, "big") + bytes(4)
        if len(self.buffer) % 14 or self.buffer[4:14] != end:
            raise _truncated(self.name, n_bytes)
        yield from ()

    def _explain_missing_end(self, mark: int, n_bytes: int) -> None:
        """Tell garbage after the end from truncation."""
        for bit in _find_marks(self.buffer, _END_MARK, mark // 8 - self.base):
            end = self.base + (bit + _MARK_BITS + _CRC_BITS + 7) // 8
            if end < n_bytes:
                raise SourceDamaged(
                    f"{self.name}: {n_bytes - end:,} bytes at compressed offset {end:,} follow the "
                    "end of the compressed data and are no bzip2 stream. The copy is damaged or "
                    "was appended to; fetch the file again."
                )
        raise _truncated(self.name, n_bytes)


def damaged(name: str, bit: int, raw_offset: int | None, what: str) -> SourceDamaged:
    """The error for bytes that are not what they should be, with the place."""
    raw = "" if raw_offset is None else f", {raw_offset:,} decompressed bytes in"
    return SourceDamaged(
        f"{name}: damaged at compressed offset {bit // 8:,} (bit {bit % 8}){raw}: {what}. "
        "The copy is damaged; fetch the file again."
    )


def _not_bzip2(name: str, offset: int, got: bytes) -> SourceDamaged:
    return SourceDamaged(
        f"{name}: not bzip2 at compressed offset {offset:,}: "
        f"expected 'BZh1' to 'BZh9', got {got!r}. "
        "The copy is damaged or is another kind of file; fetch it again."
    )


def _truncated(name: str, n_bytes: int) -> SourceDamaged:
    return SourceDamaged(
        f"{name}: truncated at compressed offset {n_bytes:,}: the file ends inside the "
        "compressed data, before its end mark. Fetch the file again."
    )

"""gzip, all members of a file (RFC 1952, 2.2), in pieces of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from yfcc.metadata.unpack.pieces import PIECE_BYTES, Piece, damaged_at, truncated_at

#: zlib: a header of gzip, the largest window.
_GZIP: Final = 16 + zlib.MAX_WBITS
#: Compressed bytes given to zlib at a time: what it leaves is copied for every piece.
_SLICE_BYTES: Final = 128 << 10


def iter_gzip(chunks: Iterable[bytes], name: str) -> Iterator[Piece]:
    """Decompress a gzip file.

    zlib checks the CRC and the length of each member; what is checked here is that the last one
    ends, and that nothing but members follows. Zeros are no exception: they may stand where
    members were.

    Parameters
    ----------
    chunks : iterable of bytes
        The file from its first byte.
    name : str
        For messages.

    Raises
    ------
    SourceDamaged
        Truncated, damaged, or followed by anything that is not gzip.
    """
    reader = _Reader(name)
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE_BYTES):
            yield from reader.feed(chunk[start : start + _SLICE_BYTES])
    yield from reader.finish()


@dataclass(slots=True)
class _Reader:
    """One member after the other."""

    name: str
    member: Any = field(default_factory=lambda: zlib.decompressobj(_GZIP))
    member_start: int = 0
    is_inside: bool = False  # a member, that is: not between two
    n_members: int = 0
    n_compressed: int = 0
    n_raw: int = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        while data:
            if not self.is_inside:
                self.member_start, self.is_inside = self.n_compressed, True
            raw = self._decompress(data)
            left = self.member.unused_data or self.member.unconsumed_tail
            self.n_compressed += len(data) - len(left)
            if raw:
                yield self._piece(raw)
            if self.member.eof:
                self._next_member()
            elif not left and len(raw) == PIECE_BYTES:
                yield from self._drain()
            data = left

    def finish(self) -> Iterator[Piece]:
        yield from self._drain()
        if self.is_inside:
            raise truncated_at(self.name, self.n_compressed, self.n_raw, "inside gzip data")

    def _drain(self) -> Iterator[Piece]:
        """What zlib still holds of bytes it has taken."""
        while self.is_inside and (raw := self._decompress(b"")):
            yield self._piece(raw)
            if self.member.eof:
                self._next_member()

    def _next_member(self) -> None:
        self.member = zlib.decompressobj(_GZIP)
        self.is_inside = False
        self.n_members += 1

    def _piece(self, raw: bytes) -> Piece:
        self.n_raw += len(raw)
        return Piece(raw, self.n_compressed)

    def _decompress(self, data: bytes) -> bytes:
        try:
            raw: bytes = self.member.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            if self.n_members and "header" in str(error):
                what = "bytes that are no gzip follow the end of the compressed data"
                raise damaged_at(self.name, self.member_start, self.n_raw, what) from error
            raise damaged_at(self.name, self.n_compressed, self.n_raw, str(error)) from error
        return raw

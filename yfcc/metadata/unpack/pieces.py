"""Bytes of a file that is read from its beginning, and blocks of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from yfcc.errors import SourceDamaged
from yfcc.metadata.bzip2 import BlockPosition, RawBlock

#: Longest piece: whatever a file unfolds to, so much is held.
PIECE_BYTES: Final = 1 << 20
#: Level of the places that are no block of bzip2.
NO_BLOCK: Final = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Decompressed bytes.

    Attributes
    ----------
    raw : bytes
    n_compressed : int
        Bytes of the file read for it and all before it, about.
    """

    raw: bytes
    n_compressed: int


def blocks_of(pieces: Iterable[Piece], start: BlockPosition | None) -> Iterator[RawBlock]:
    """Blocks of a file that can only be read from its beginning.

    Going on somewhere means unpacking all before it again and dropping it: hundreds of
    megabytes a second, beside joining and writing not a tenth of the work.

    Parameters
    ----------
    pieces : iterable of Piece
        The whole file.
    start : BlockPosition, optional
        Only its ``raw_offset`` matters.
    """
    at = n_compressed = 0
    n_dropped = start.raw_offset if start else 0
    for piece in pieces:
        dropped = min(max(n_dropped - at, 0), len(piece.raw))
        before = position(n_compressed, at + dropped)
        at += len(piece.raw)
        n_compressed = piece.n_compressed
        if dropped < len(piece.raw):
            yield RawBlock(before, position(n_compressed, at), piece.raw[dropped:])


def position(n_compressed: int, raw_offset: int) -> BlockPosition:
    """A place in a file that is not bzip2."""
    return BlockPosition(n_compressed * 8, NO_BLOCK, 0, raw_offset)


def damaged_at(name: str, n_compressed: int, raw_offset: int, what: str) -> SourceDamaged:
    """The error for bytes that are not what they should be, with the place."""
    return SourceDamaged(
        f"{name}: damaged at compressed offset {n_compressed:,} or a little before, "
        f"{raw_offset:,} decompressed bytes in: {what}. The copy is damaged; fetch the file again."
    )


def truncated_at(name: str, n_compressed: int, raw_offset: int, where: str) -> SourceDamaged:
    """The error for a file that ends too early."""
    return SourceDamaged(
        f"{name}: truncated at compressed offset {n_compressed:,}, {raw_offset:,} decompressed "
        f"bytes in: the file ends {where}. Fetch the file again."
    )

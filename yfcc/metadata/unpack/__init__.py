"""A metadata file, however it is packed, as blocks of its decompressed bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import chain
from typing import Final

from yfcc.errors import SourceDamaged
from yfcc.metadata.bzip2 import BlockPosition, RawBlock, iter_blocks
from yfcc.metadata.source import Source, SourceObject, iter_object
from yfcc.metadata.source.landing import Landing
from yfcc.metadata.source.reading import ReadAhead
from yfcc.metadata.unpack.database import iter_database
from yfcc.metadata.unpack.gzipped import iter_gzip
from yfcc.metadata.unpack.packing import HEAD_BYTES, Packing, check_text, tell_packing
from yfcc.metadata.unpack.pieces import PIECE_BYTES, Piece, blocks_of, position
from yfcc.metadata.unpack.tar_header import is_tar_header
from yfcc.metadata.unpack.tarred import iter_data
from yfcc.metadata.unpack.zstandard import iter_zstd

__all__ = ["Packing", "iter_unpacked", "packing_of"]

_Unpack = Callable[[Iterable[bytes], str], Iterator[Piece]]
_UNPACK: Final[dict[Packing, _Unpack]] = {Packing.GZIP: iter_gzip, Packing.ZSTD: iter_zstd}


def packing_of(source: Source, source_object: SourceObject) -> Packing:
    """How a file is packed, by its first bytes.

    Raises
    ------
    SourceError
        As :func:`iter_unpacked`.
    """
    head = _head_of(source, source_object)
    return tell_packing(head, source_object.name, source_object.url)


def iter_unpacked(
    source: Source,
    source_object: SourceObject,
    executor: Executor,
    *,
    ahead: int,
    start: BlockPosition | None = None,
    landing: Landing | None = None,
) -> Iterator[RawBlock]:
    """Decompress a file of a source, in order, reading ahead of need.

    How it is packed is told by its bytes: bzip2, gzip, zstd, tar in any of them or by itself,
    SQLite, plain text. For a ``start`` taken from an earlier block's ``position`` the blocks
    begin at its ``raw_offset`` exactly. Where a position is no block of bzip2 its ``level`` is 0,
    and ``bit // 8`` says how far in the file it is, about.

    Parameters
    ----------
    source : Source
    source_object : SourceObject
    executor : Executor
        Threads that decompress, shared by all files.
    ahead : int
        Blocks in flight.
    start : BlockPosition, optional
        A place kept from an earlier run; without it the start of the file.
    landing : Landing, optional
        Where a file lands that must be on disk to be read: SQLite that is elsewhere.

    Raises
    ------
    SourceError
        Missing, changed or damaged.
    """
    name = source_object.url
    if start and not start.raw_offset:
        start = None
    if start and start.level:
        chunks = iter_object(source, source_object, start=start.bit // 8)
        yield from iter_blocks(chunks, executor, name=name, ahead=ahead, start=start)
        return
    head = _head_of(source, source_object)
    packing = tell_packing(head, source_object.name, name)
    if packing is Packing.SQLITE:
        landing = landing or Landing()
        path = landing.path_of(source, source_object)
        try:
            yield from iter_database(path, name, start)
        except SourceDamaged:
            landing.drop(path)  # or the next run would read the same damage
            raise
    elif packing is Packing.PLAIN and not is_tar_header(head):
        yield from _iter_plain(source, source_object, start)
    elif packing is Packing.BZIP2:
        chunks = iter_object(source, source_object)
        yield from _iter_bzip2(iter_blocks(chunks, executor, name=name, ahead=ahead), name, start)
    else:
        unpack = _UNPACK.get(packing, _as_pieces)
        pieces = unpack(iter_object(source, source_object), name)
        yield from blocks_of(_without_archive(pieces, name), start)


def _head_of(source: Source, source_object: SourceObject) -> bytes:
    """The first bytes of a file, or all there are."""
    once = ReadAhead(range_bytes=HEAD_BYTES, n_in_flight=1)
    pieces = iter_object(source, source_object, ahead=once)
    head = next(pieces, b"")
    pieces.close()  # type: ignore[attr-defined]  # it is a generator
    return head


def _iter_plain(
    source: Source, source_object: SourceObject, start: BlockPosition | None
) -> Iterator[RawBlock]:
    """Text as it is; the one packing where a place is simply an offset."""
    at = start.raw_offset if start else 0
    for chunk in iter_object(source, source_object, start=at):
        yield RawBlock(position(at, at), position(at + len(chunk), at + len(chunk)), chunk)
        at += len(chunk)


def _iter_bzip2(
    blocks: Iterator[RawBlock], name: str, start: BlockPosition | None
) -> Iterator[RawBlock]:
    """Blocks of bzip2, unless they hold an archive."""
    first = next(blocks, None)
    if first is None:
        return
    blocks = chain([first], blocks)
    if is_tar_header(first.raw[:HEAD_BYTES]):
        pieces = _sliced(Piece(block.raw, block.after.bit // 8) for block in blocks)
        yield from blocks_of(iter_data(pieces, name), start)
    else:
        check_text(first.raw[:HEAD_BYTES], name)
        yield from blocks


def _without_archive(pieces: Iterator[Piece], name: str) -> Iterator[Piece]:
    """The data itself, whether or not it lies in an archive."""
    first = next(pieces, None)
    if first is None:
        return
    pieces = chain([first], pieces)
    if is_tar_header(first.raw[:HEAD_BYTES]):
        yield from iter_data(pieces, name)
    else:
        check_text(first.raw[:HEAD_BYTES], name)
        yield from pieces


def _as_pieces(chunks: Iterable[bytes], _: str) -> Iterator[Piece]:
    """An archive that is not compressed."""
    n_read = 0
    for chunk in chunks:
        n_read += len(chunk)
        yield from _sliced([Piece(chunk, n_read)])


def _sliced(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces of bounded size: a block of bzip2 can unfold to 46 MB."""
    for piece in pieces:
        for start in range(0, len(piece.raw), PIECE_BYTES):
            yield Piece(piece.raw[start : start + PIECE_BYTES], piece.n_compressed)

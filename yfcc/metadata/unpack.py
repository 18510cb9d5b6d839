"""A metadata file, however it is packed, as blocks of its decompressed bytes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

from yfcc.metadata.bzip2 import BlockPosition, RawBlock, iter_blocks
from yfcc.metadata.source import Source, SourceObject, iter_object


def iter_unpacked(
    source: Source,
    source_object: SourceObject,
    executor: Executor,
    *,
    ahead: int,
    start: BlockPosition | None = None,
) -> Iterator[RawBlock]:
    """Decompress a file of a source, in order, reading ahead of need.

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

    Raises
    ------
    SourceError
        Missing, changed or damaged.
    """
    chunks = iter_object(source, source_object, start=start.bit // 8 if start else 0)
    return iter_blocks(chunks, executor, name=source_object.url, ahead=ahead, start=start)

"""A metadata file as a stream of parsed rows, read and parsed ahead of need."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, Generic, TypeVar

from yfcc.errors import SourceDamaged
from yfcc.metadata.bzip2 import RawBlock
from yfcc.metadata.columns import Rows
from yfcc.metadata.dataset import parse_dataset
from yfcc.metadata.layouts import COLUMNS_V2, columns_of
from yfcc.metadata.lines import (
    CHUNK_BYTES,
    LineChunk,
    LinePlace,
    Reject,
    first_lines,
    iter_line_chunks,
)
from yfcc.metadata.source import Source, SourceObject
from yfcc.metadata.source.landing import Landing
from yfcc.metadata.unpack import iter_unpacked

T = TypeVar("T")

#: Below the thread that writes, on Linux' scale from -20 to 19.
_NICE: Final = 5
#: So many first lines tell the layout: one damaged line does not decide.
_N_TELLING_LINES: Final = 100


@dataclass(frozen=True, slots=True)
class ParsedChunk:
    """Rows and rejects of one chunk of lines.

    Attributes
    ----------
    rows : Rows
    rejects : tuple of Reject
    n_lines : int
        ``len(rows) + len(rejects)``.
    place : LinePlace
        Of its first line.
    end_offset : int
        Decompressed bytes of the file up to here.
    n_compressed_bytes : int
        Compressed bytes of the file read for it, about.
    """

    rows: Rows
    rejects: tuple[Reject, ...]
    n_lines: int
    place: LinePlace
    end_offset: int
    n_compressed_bytes: int


Parser = Callable[[LineChunk], tuple[Rows, list[Reject]]]


@dataclass(slots=True)
class FileStream:
    """One metadata file from its first byte to parsed rows.

    Attributes
    ----------
    source : Source
    source_object : SourceObject
    executor : Executor
        Threads that decompress, shared by all files.
    n_blocks_ahead : int
        Decompressed blocks in flight; 900 kB each.
    chunk_bytes : int
        Of text parsed at a time.
    start : LinePlace, optional
        First line to read; without it the file's first.
    landing : Landing, optional
        Where a remote SQLite file lands to be read.
    """

    source: Source
    source_object: SourceObject
    executor: Executor
    n_blocks_ahead: int = 8
    chunk_bytes: int = CHUNK_BYTES
    start: LinePlace | None = None
    landing: Landing | None = None
    n_compressed_bytes: int = 0
    columns: tuple[str, ...] | None = None

    def line_chunks(self, limit: int | None = None) -> Iterator[LineChunk]:
        """The file's lines from the start, those of its first ``limit`` if there is one."""
        n_left = limit
        if limit is not None and self.start:
            n_left = limit - self.start.line_number
        for chunk in iter_line_chunks(
            self._blocks(), self.source_object.name, start=self.start, chunk_bytes=self.chunk_bytes
        ):
            if n_left is None:
                yield chunk
            else:
                if n_left > 0:
                    yield first_lines(chunk, n_left)
                n_left -= chunk.n_lines
                if n_left <= 0:
                    return

    def _blocks(self) -> Iterator[RawBlock]:
        for block in iter_unpacked(
            self.source,
            self.source_object,
            self.executor,
            ahead=self.n_blocks_ahead,
            start=self.start.block if self.start else None,
            landing=self.landing,
        ):
            self.n_compressed_bytes = block.after.bit // 8
            yield block

    def parsed_dataset(
        self, n_lines_before: int, limit: int | None, expected: tuple[str, ...] | None = None
    ) -> Iterator[ParsedChunk]:
        """Rows of a dataset file, its columns told by its first lines.

        Parameters
        ----------
        n_lines_before : int
            Lines of the dataset's files before this one.
        limit : int, optional
            Lines to read at most.
        expected : tuple of str, optional
            Columns of the dataset's files before this one, or of this one when its first lines
            are not read.

        Raises
        ------
        SourceDamaged
            No known columns, or others than expected.
        """
        chunks = self.line_chunks(limit)
        leading = []
        columns = expected or COLUMNS_V2  # matters only if there is no line of sane length
        for chunk in () if self.start else chunks:
            leading.append(chunk)
            if chunk.data:
                telling = chunk.data.split(b"\n", _N_TELLING_LINES)[:_N_TELLING_LINES]
                columns = columns_of(telling, chunk.file)
                break
        if expected and columns != expected:
            raise SourceDamaged(
                f"{self.source_object.url}: expected {len(expected)} columns as in the files "
                f"before it, got {len(columns)}. Files of two editions lie together."
            )
        self.columns = columns
        parse = partial(parse_dataset, columns=columns, n_lines_before=n_lines_before)
        yield from self.parsed(parse, chain(leading, chunks))

    def parsed(self, parse: Parser, chunks: Iterator[LineChunk]) -> Iterator[ParsedChunk]:
        """Parse each chunk of lines."""
        for chunk in chunks:
            rows, rejects = parse(chunk)
            end = chunk.raw_offset + len(chunk.data)
            yield ParsedChunk(
                rows, tuple(rejects), chunk.n_lines, chunk.place, end, self.n_compressed_bytes
            )


def step_back() -> None:
    """Let other threads of the process go first when cores are scarce.

    The thread that writes has to be fed, and must not wait for those that feed it: as equals they
    fill their queues while it works, and stand still while it commits.
    """
    # Elsewhere a thread has no priority of its own, or none that it may change.
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


_END: Final = object()
#: So long a closed reader may take to end.
_PATIENCE_S: Final = 1.0


class Ahead(Generic[T]):
    """An iterator that another thread keeps a few steps ahead.

    Parameters
    ----------
    items : iterator
        Used by that thread alone.
    n_ahead : int
        Finished items that may wait.
    name : str
        Of the thread.

    Notes
    -----
    Errors come out where the item would have. Close it when done early: the thread ends.
    """

    def __init__(self, items: Iterator[T], n_ahead: int, name: str) -> None:
        self._items = items
        self._queue: queue.Queue[object] = queue.Queue(n_ahead)
        self._error: BaseException | None = None
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ahead-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        step_back()
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001 - handed to the reader, raised there
            self._error = error
        finally:
            close = getattr(self._items, "close", None)
            if close:
                close()
            self._put(_END)

    def _put(self, item: object) -> bool:
        while not self._is_closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item = self._queue.get()
        if item is _END:
            self._queue.put(_END)  # asked again, it ends again
            if self._error:
                raise self._error
            raise StopIteration
        return item  # type: ignore[return-value]  # only T and _END are ever put

    def close(self) -> None:
        """Let the thread end; items that wait are dropped.

        A thread that waits for a slow server is left behind: it ends with its request.
        """
        self._is_closed.set()
        self._thread.join(_PATIENCE_S)

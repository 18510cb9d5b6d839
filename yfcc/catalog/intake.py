"""The metadata files as they are read: lines counted, places noted, rejects told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from yfcc.catalog.counts import Tally
from yfcc.catalog.steps import DatasetPlace, ReadPlace
from yfcc.metadata.bzip2 import BlockPosition
from yfcc.metadata.columns import Rows
from yfcc.metadata.layouts import Edition, Pack
from yfcc.metadata.lines import CHUNK_BYTES, LineChunk, LinePlace, Reject
from yfcc.metadata.packs import parse_pack
from yfcc.metadata.source import Source, SourceObject
from yfcc.metadata.source.landing import Landing
from yfcc.metadata.stream import Ahead, FileStream, ParsedChunk
from yfcc.progress import FileProgress

#: Chunks of 4 MiB that wait parsed, a file: more than a window of its lines.
_PARSED_AHEAD: Final = 5
#: The same where lines are so short that a chunk holds several windows.
_SHORT_PARSED_AHEAD: Final = 2
_SHORT: Final = frozenset({Pack.AUTOTAGS, Pack.PLACES, Pack.HASH})


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is read, and how.

    Attributes
    ----------
    source : Source
    objects : mapping of str to SourceObject
        By file name.
    edition : Edition
    executor : Executor
        Threads that decompress.
    landing : Landing
        Where a remote SQLite file lands.
    limit : int, optional
        Lines of the dataset.
    chunk_bytes : int
        Of text parsed at a time.
    """

    source: Source
    objects: Mapping[str, SourceObject]
    edition: Edition
    executor: Executor
    landing: Landing
    limit: int | None = None
    chunk_bytes: int = CHUNK_BYTES


@dataclass(slots=True)
class Intake:
    """Reads the files of an edition, from their start or from where another run stopped.

    Attributes
    ----------
    inputs : Inputs
    tally : Tally
        Of that other run, if there was one.
    keep_rejects : callable
        Takes the rejected lines of packs.
    progress : FileProgress
    stack : ExitStack
        Ends the threads that read ahead.
    columns : tuple of str, optional
        Of the dataset, once they are known.
    recorded : dict of str to int
        Lines of each file that the other run accounted for: they count no more.
    """

    inputs: Inputs
    tally: Tally
    keep_rejects: Callable[[Sequence[Reject]], None]
    progress: FileProgress
    stack: ExitStack
    columns: tuple[str, ...] | None = None
    recorded: dict[str, int] = field(init=False)
    _places: dict[str, deque[LinePlace]] = field(init=False)

    def __post_init__(self) -> None:
        self.recorded = {file: counts.n_lines for file, counts in self.tally.files.items()}
        self._places = {file: deque() for file in self.tally.files}

    def dataset_chunks(self, start: DatasetPlace | None) -> Iterator[ParsedChunk]:
        """The dataset's files one after the other; they count their lines together."""
        n_before = 0
        limit = self.inputs.limit
        for file in self.inputs.edition.datasets:
            counts = self.tally.files[file]
            if start and file != start.file:
                n_before += counts.n_lines
                self.progress.advance_file(file, self.inputs.objects[file].n_bytes, counts.n_lines)
                continue
            place = start.place if start else None
            start = None
            stream = self._open(file, place)
            parsed = stream.parsed_dataset(
                n_before, None if limit is None else limit - n_before, self.columns
            )
            for chunk in self._ahead(parsed, file, _PARSED_AHEAD):
                self.columns = stream.columns
                new = self._count(file, chunk)
                counts.n_joined += int((chunk.rows.line_numbers >= self.recorded[file]).sum())
                yield new if place is None else replace(new, rows=_from(place, new.rows))
            self.columns = stream.columns
            n_before += counts.n_lines
            if limit is not None and n_before >= limit:
                return

    def pack_rows(self, pack: Pack, place: ReadPlace | None) -> Iterator[Rows]:
        """Rows of a pack; reading starts at once, beside the dataset's."""
        file = self.inputs.edition.packs[pack]
        stream = self._open(file, place)
        parsed = stream.parsed(partial(parse_pack, pack=pack), stream.line_chunks())
        n_ahead = _SHORT_PARSED_AHEAD if pack in _SHORT else _PARSED_AHEAD
        return self._pack_rows(file, self._ahead(parsed, file, n_ahead), place)

    def _pack_rows(
        self, file: str, chunks: Iterator[ParsedChunk], place: ReadPlace | None
    ) -> Iterator[Rows]:
        for chunk in chunks:
            new = self._count(file, chunk)
            self.keep_rejects(new.rejects)
            yield new.rows if place is None else _from(place, new.rows)

    def _open(self, file: str, place: ReadPlace | None) -> FileStream:
        inputs = self.inputs
        if place:
            self._places[file].append(place.chunk)
        # The first lines tell the columns, and a file that begins again needs no place.
        start = place.chunk if place and place.chunk.line_number else None
        return FileStream(
            inputs.source,
            inputs.objects[file],
            inputs.executor,
            chunk_bytes=inputs.chunk_bytes,
            start=start,
            landing=inputs.landing,
        )

    def _ahead(self, chunks: Iterator[ParsedChunk], name: str, n_ahead: int) -> Ahead[ParsedChunk]:
        ahead = Ahead(chunks, n_ahead, name)
        self.stack.callback(ahead.close)
        return ahead

    def _count(self, file: str, chunk: ParsedChunk) -> ParsedChunk:
        """Count what was read, and stop when too much of it is rejected.

        Returns
        -------
        ParsedChunk
            Without the rejects that the other run has recorded.
        """
        self._places[file].append(chunk.place)
        counts = self.tally.files[file]
        end = chunk.place.line_number + chunk.n_lines
        counts.n_lines = max(counts.n_lines, end)
        counts.n_raw_bytes = max(counts.n_raw_bytes, chunk.end_offset)
        self.progress.advance_file(file, chunk.n_compressed_bytes, counts.n_lines)
        rejects = self.unrecorded(chunk.rejects)
        self.tally.add_rejects(rejects)
        return replace(chunk, rejects=rejects)

    def unrecorded(self, rejects: Sequence[Reject]) -> tuple[Reject, ...]:
        """Rejects that no other run has recorded."""
        return tuple(each for each in rejects if each.line_number >= self.recorded[each.file])

    def place_of(self, file: str, next_line: int | None) -> ReadPlace | None:
        """Where reading goes on with a line; None: behind all that was read.

        Lines asked for never go back.
        """
        places = self._places[file]
        if not places:
            return None
        if next_line is None:
            next_line = self.tally.files[file].n_lines
        while len(places) > 1 and places[1].line_number <= next_line:
            places.popleft()
        return ReadPlace(places[0], next_line)


def passed_rows(pack: Pack, file: str, table: pa.Table) -> Rows:
    """Rows of a pack from :func:`yfcc.catalog.late.passed_table`."""
    data = b"".join(line + b"\n" for line in table["raw"].to_pylist())
    rows, _ = parse_pack(LineChunk(file, data, len(table), 0, 0, BlockPosition(0)), pack)
    numbers = table["line_number"].to_numpy().astype(np.int64)
    return replace(rows, line_numbers=numbers, byte_offsets=table["byte_offset"].to_numpy())


def _from(place: ReadPlace, rows: Rows) -> Rows:
    """Rows that are still wanted."""
    first = int(np.searchsorted(rows.line_numbers, place.next_line))
    return rows.slice(first, len(rows)) if first else rows

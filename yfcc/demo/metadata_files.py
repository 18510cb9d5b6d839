"""The metadata files of a sample, compressed as the true ones are."""

from __future__ import annotations

import bz2
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, Protocol

from yfcc.demo.identifiers import FIRST_ORPHAN_ID
from yfcc.demo.rows import ALIGNED, RowChunk, SampleShape, iter_row_chunks

V2_FILES: Final = {
    "dataset": "yfcc100m_dataset.bz2",
    "autotags": "yfcc100m_autotags.bz2",
    "exif": "yfcc100m_exif.bz2",
    "places": "yfcc100m_places.bz2",
}
V1_PACK_FILES: Final = {
    "hashes": "yfcc100m_hash.bz2",
    "autotags": "yfcc100m_autotags-v1.bz2",
}
#: v1 comes in ten files with a tenth of the rows each.
N_V1_DATASET_FILES: Final = 10

_LEVEL: Final = 9
#: With many streams, one has at least so many bytes of text: a block of bzip2.
_STREAM_BYTES: Final = 900_000
_N_SORT_BUCKETS: Final = 64
_MAX_PENDING: Final = 8


class _Writer(Protocol):
    """Where the text of one file goes."""

    def write(self, text: bytes) -> None: ...

    def close(self) -> None: ...


class _OneStreamWriter:
    """One bzip2 stream, compressed in the pool one piece after the other."""

    def __init__(self, target: IO[bytes], pool: ThreadPoolExecutor) -> None:
        self._target = target
        self._pool = pool
        self._compressor = bz2.BZ2Compressor(_LEVEL)
        self._last: Future[None] | None = None

    def write(self, text: bytes) -> None:
        if self._last is not None:
            self._last.result()  # pieces in their order, and no more than one waits
        self._last = self._pool.submit(self._compress, text)

    def close(self) -> None:
        if self._last is not None:
            self._last.result()
        self._target.write(self._compressor.flush())

    def _compress(self, text: bytes) -> None:
        self._target.write(self._compressor.compress(text))


class _ManyStreamsWriter:
    """Independent streams one after the other, compressed side by side."""

    def __init__(self, target: IO[bytes], pool: ThreadPoolExecutor) -> None:
        self._target = target
        self._pool = pool
        self._text = bytearray()
        self._pending: deque[Future[bytes]] = deque()

    def write(self, text: bytes) -> None:
        self._text += text
        if len(self._text) >= _STREAM_BYTES:
            self._submit()
        while len(self._pending) > _MAX_PENDING:
            self._target.write(self._pending.popleft().result())

    def close(self) -> None:
        if self._text or not self._pending:
            self._submit()
        while self._pending:
            self._target.write(self._pending.popleft().result())

    def _submit(self) -> None:
        self._pending.append(self._pool.submit(bz2.compress, bytes(self._text), _LEVEL))
        self._text.clear()


class _SortingWriter:
    """Sorts the lines of a pack by id, then hands them on: buckets on disk, sorted one by one."""

    def __init__(self, writer: _Writer, directory: Path) -> None:
        self._writer = writer
        self._paths = [directory / f"{bucket:02d}" for bucket in range(_N_SORT_BUCKETS)]
        self._width = 2 * FIRST_ORPHAN_ID // _N_SORT_BUCKETS

    def write(self, text: bytes) -> None:
        buckets: dict[int, list[bytes]] = {}
        for line in text.splitlines(keepends=True):
            buckets.setdefault(_line_id(line) // self._width, []).append(line)
        for bucket, lines in buckets.items():
            with self._paths[bucket].open("ab") as file:
                file.write(b"".join(lines))

    def close(self) -> None:
        for path in self._paths:
            if path.exists():
                lines = path.read_bytes().splitlines(keepends=True)
                lines.sort(key=_line_id)
                self._writer.write(b"".join(lines))
        self._writer.close()


def write_metadata(
    directory: Path,
    n_items: int,
    seed: int,
    options: SampleShape = ALIGNED,
    *,
    many_streams: bool = False,
) -> tuple[Path, ...]:
    """Write the metadata files of a sample.

    Parameters
    ----------
    directory : Path
        Is made where it does not exist. Files of the same names are replaced, each as a whole.
    n_items, seed : int
    options : SampleShape
    many_streams : bool
        Compress each file as several streams one after the other, which uses all cores; the
        true files are one stream each.

    Returns
    -------
    tuple of Path
        Four files of v2, or twelve of v1.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names = _file_names(options)
    parts = {name: directory / f".{name}.part" for name in names}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(dir=directory, prefix=".sort-")))
        pool = stack.enter_context(ThreadPoolExecutor())
        make_writer = _ManyStreamsWriter if many_streams else _OneStreamWriter
        writers: dict[str, _Writer] = {}
        for name, part in parts.items():
            writer: _Writer = make_writer(stack.enter_context(part.open("wb")), pool)
            if options.pack_order == "id" and "dataset" not in name:
                (scratch / name).mkdir()
                writer = _SortingWriter(writer, scratch / name)
            writers[name] = writer
        _write_chunks(writers, n_items, seed, options)
    return tuple(part.replace(directory / name) for name, part in parts.items())


def _write_chunks(
    writers: dict[str, _Writer], n_items: int, seed: int, options: SampleShape
) -> None:
    first_row = 0
    for chunk in iter_row_chunks(n_items, seed, options):
        for name, text in split_chunk(chunk, first_row, n_items, options):
            writers[name].write(text)
        first_row += chunk.n_rows
    for writer in writers.values():
        writer.close()


def _file_names(options: SampleShape) -> tuple[str, ...]:
    if options.layout == "v2":
        return tuple(V2_FILES.values())
    datasets = (_v1_dataset_name(index) for index in range(N_V1_DATASET_FILES))
    return (*datasets, *V1_PACK_FILES.values())


def _v1_dataset_name(index: int) -> str:
    return f"yfcc100m_dataset-{index}.bz2"


def split_chunk(
    chunk: RowChunk, first_row: int, n_items: int, options: SampleShape
) -> Iterator[tuple[str, bytes]]:
    """What of a chunk goes into which file."""
    if options.layout == "v2":
        for field, name in V2_FILES.items():
            yield name, getattr(chunk, field)
        return
    for field, name in V1_PACK_FILES.items():
        yield name, getattr(chunk, field)
    lines = chunk.dataset.splitlines(keepends=True)
    for index in range(N_V1_DATASET_FILES):
        first = max(0, index * n_items // N_V1_DATASET_FILES - first_row)
        last = max(0, (index + 1) * n_items // N_V1_DATASET_FILES - first_row)
        if lines[first:last]:
            yield _v1_dataset_name(index), b"".join(lines[first:last])


def _line_id(line: bytes) -> int:
    return int(line[: line.index(b"\t")])

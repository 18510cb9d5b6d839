"""Files of lines in the dataset's own form, packed or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from yfcc.catalog.originals import DatasetPart, WrittenItems
from yfcc.metadata.encode import encode_dataset, encode_pack
from yfcc.metadata.layouts import Pack
from yfcc.share.sink import Sink

#: Packing, as a suffix has it, to Arrow's name of it.
PACKINGS: Final = {"none": None, "bz2": "bz2", "gz": "gzip", "zst": "zstd"}


@dataclass(frozen=True, slots=True)
class TsvFile:
    """One file of an export.

    Attributes
    ----------
    path : str
        Below the export's directory.
    pack : str
        ``dataset``, or that of the file.
    n_lines, n_bytes : int
    sha256 : str
    """

    path: str
    pack: str
    n_lines: int
    n_bytes: int
    sha256: str


class LineWriter:
    """A file that lines are appended to; it begins with the first.

    Parameters
    ----------
    path : str
        Without the suffix of the packing.
    packing : str
        Of ``PACKINGS``.
    open_file : callable
        Makes a file of a name.
    """

    def __init__(self, path: str, packing: str, open_file: Callable[[str], Sink]) -> None:
        self._codec = PACKINGS[packing]
        self._path = f"{path}.{packing}" if self._codec else path
        self._open_file = open_file
        self._sink: Sink | None = None
        self._stream: Sink | pa.NativeFile | None = None
        self._n_lines = 0

    def add(self, lines: pa.BinaryArray) -> None:
        """Append n lines, given without their newlines."""
        if len(lines):
            self.begin()
            self._n_lines += len(lines)
            ended = pc.binary_join_element_wise(lines, b"", b"\n")
            _, offsets, data = ended.buffers()
            first = memoryview(offsets).cast("i")[ended.offset]
            last = memoryview(offsets).cast("i")[ended.offset + len(ended)]
            assert self._stream is not None  # noqa: S101 - begun above  # nosec B101
            self._stream.write(memoryview(data)[first:last])

    def begin(self) -> None:
        """Make the file, if it is not there yet."""
        if self._stream is None:
            self._sink = self._open_file(self._path)
            self._stream = self._sink
            if self._codec:
                packed = pa.PythonFile(self._sink, mode="w")
                self._stream = pa.CompressedOutputStream(packed, self._codec)

    def finish(self, pack: str) -> TsvFile | None:
        """Make it durable; None if it was never begun."""
        if self._stream is None or self._sink is None:
            return None
        self._stream.close()
        self._sink.close()
        return TsvFile(self._path, pack, self._n_lines, self._sink.n_bytes, self._sink.sha256)

    def abandon(self) -> None:
        """Let go of a file that was not finished."""
        if self._sink is not None:
            self._sink.abandon()


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """The dataset, or a part of it."""

    writer: LineWriter
    columns: tuple[str, ...]
    part: DatasetPart

    def add(self, written: WrittenItems) -> None:
        """Append the lines of those items that are in it."""
        items = written.items
        numbers = items["line_number"]
        if self.part.first_line:
            items = items.filter(pc.greater_equal(numbers, self.part.first_line))
        if self.part.end_line is not None:
            items = items.filter(pc.less(items["line_number"], self.part.end_line))
        lines = encode_dataset(items, self.columns)
        self.writer.add(_as_they_were(lines, items["photo_id"], written.originals, "dataset"))

    def finish(self) -> TsvFile | None:
        """Make it durable. There is one even if it has no lines."""
        self.writer.begin()
        return self.writer.finish("dataset")


@dataclass(frozen=True, slots=True)
class PackFile:
    """A pack; ``column`` of the items has its values."""

    writer: LineWriter
    pack: Pack
    column: str

    def add(self, written: WrittenItems) -> None:
        """Append the lines of some items, of those that had one."""
        ids = written.items["photo_id"]
        lines = encode_pack(ids, written.items[self.column], self.pack)
        self.writer.add(_as_they_were(lines, ids, written.originals, self.pack.value))

    def finish(self) -> TsvFile | None:
        """Make it durable; None if it has no lines."""
        return self.writer.finish(self.pack.value)


def _as_they_were(
    lines: pa.BinaryArray, ids: pa.Int64Array, originals: pa.Table, pack: str
) -> pa.BinaryArray:
    """Lines with originals in their places, and without those that there never were."""
    mine = originals.filter(pc.equal(originals["pack"], pack)).combine_chunks()
    if not len(mine):
        return lines
    place = pc.index_in(ids, mine["photo_id"])
    kept = mine["raw"].take(pc.fill_null(place, 0))
    if isinstance(kept, pa.ChunkedArray):
        kept = kept.combine_chunks()
    return pc.if_else(place.is_valid(), kept, lines).drop_null()

"""Lines split into columns of bytes; what is no row is set aside with its reason.

``pyarrow.csv`` does the splitting, 4 CPU seconds a million rows of all files. Its traps are
handled here: it takes a bare carriage return for the end of a line, and knows no line numbers
for what it refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from yfcc.metadata.byte_loops import holds_only, read_ids
from yfcc.metadata.lines import LineChunk, Reject
from yfcc.metadata.text import column_bytes

#: Arrow drops it from the start of what it reads, though here it is data.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NEWLINE: Final = ord("\n")
_FIRST_HIGH: Final = 0x80
_NO_LINES: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file, column by column.

    Attributes
    ----------
    file : str
    table : pa.Table
        n rows; columns named by the caller, binary unless converted.
    line_numbers : int64 array, n
        Ascending, from 0.
    byte_offsets : int64 array, n
        Where each line starts in the decompressed file.
    raw : pa.Table
        The same rows as they were read, all binary.
    is_odd : bool array, n
        Where the values of ``table`` do not tell every byte of ``raw``: nothing but the line
        itself says how it was written.
    """

    file: str
    table: pa.Table
    line_numbers: npt.NDArray[np.int64]
    byte_offsets: npt.NDArray[np.int64]
    raw: pa.Table
    is_odd: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.line_numbers)

    def raw_line(self, row: int) -> bytes:
        """The line of a row as it stands in the file, without its newline."""
        return b"\t".join(column[row].as_py() for column in self.raw.itercolumns())

    def kept(self, is_good: npt.NDArray[np.bool_]) -> Rows:
        """The rows where a mask of n values is true."""
        mask = pa.array(is_good)
        return Rows(
            self.file,
            self.table.filter(mask),
            self.line_numbers[is_good],
            self.byte_offsets[is_good],
            self.raw.filter(mask),
            self.is_odd[is_good],
        )

    def slice(self, start: int, end: int) -> Rows:
        """Rows ``start`` to ``end``, without copying."""
        return Rows(
            self.file,
            self.table.slice(start, end - start),
            self.line_numbers[start:end],
            self.byte_offsets[start:end],
            self.raw.slice(start, end - start),
            self.is_odd[start:end],
        )

    @staticmethod
    def joined(parts: list[Rows]) -> Rows:
        """Rows of one file, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        return Rows(
            parts[0].file,
            pa.concat_tables([part.table for part in parts]),
            np.concatenate([part.line_numbers for part in parts]),
            np.concatenate([part.byte_offsets for part in parts]),
            pa.concat_tables([part.raw for part in parts]),
            np.concatenate([part.is_odd for part in parts]),
        )

    def raw_lines(self, rows: npt.NDArray[np.int64] | None = None) -> pa.Array:
        """The lines of some rows, or of all, as they stand in the file, without newlines."""
        if rows is not None and not len(rows):
            return pa.array([], pa.binary())
        raw = self.raw
        if rows is not None:
            # Mostly few are wanted: to take them would first join all parts of the table.
            is_wanted = np.zeros(len(self), np.bool_)
            is_wanted[rows] = True
            raw = raw.filter(pa.array(is_wanted))
        lines = pc.binary_join_element_wise(*raw.itercolumns(), b"\t")
        if isinstance(lines, pa.ChunkedArray):
            lines = lines.combine_chunks()
        return lines if rows is None else lines.take(np.searchsorted(np.sort(rows), rows))

    def reject(self, row: int, reason: str) -> Reject:
        """A row as a rejected line."""
        return Reject(
            self.file,
            int(self.line_numbers[row]),
            int(self.byte_offsets[row]),
            reason,
            self.raw_line(row),
        )


@dataclass
class _SetAside:
    """Rejects of a chunk, and which of its lines they were."""

    chunk: LineChunk
    rejects: list[Reject] = field(default_factory=list)

    @cached_property
    def bounds(self) -> npt.NDArray[np.int64]:
        """Start of every line of the chunk, and the end of the last: n + 1 values."""
        newlines = np.flatnonzero(np.frombuffer(self.chunk.data, np.uint8) == _NEWLINE)
        return np.concatenate(([0], newlines + 1))

    @property
    def has_empty_lines(self) -> bool:
        """Whether the chunk has some."""
        return bool((np.diff(self.bounds) == 1).any())

    def add(self, line: int, reason: str) -> None:
        """Reject line number ``line`` of the chunk."""
        chunk = self.chunk
        start, end = int(self.bounds[line]), int(self.bounds[line + 1]) - 1
        self.rejects.append(
            Reject(
                chunk.file,
                chunk.first_line + line,
                chunk.raw_offset + start,
                reason,
                chunk.data[start:end],
            )
        )


def split_rows(chunk: LineChunk, columns: tuple[str, ...]) -> tuple[Rows, list[Reject]]:
    """Split a chunk's lines at tabs.

    Parameters
    ----------
    chunk : LineChunk
        With data.
    columns : tuple of str
        Names, in the file's order.

    Returns
    -------
    Rows
        Lines with the right number of columns.
    list of Reject
        Lines with another number, or that are no UTF-8; in the file's order.
    """
    aside = _SetAside(chunk)
    good, cut_lines = chunk.data, _NO_LINES
    # The files are ASCII, so anything else is worth a look.
    is_plain = chunk.data.isascii()
    if not is_plain:
        good, cut_lines = _without_bad_lines(aside, len(columns))
    table, wrong_rows = _split(good, columns)
    # Arrow takes an empty line for a row of empty columns: rare, so looked for only then.
    lengths = [pc.binary_length(table[name]).to_numpy() for name in columns[:2]]
    if is_plain and ((lengths[0] == 0) & (lengths[1] == 0)).any() and aside.has_empty_lines:
        good, cut_lines = _without_bad_lines(aside, len(columns))
        table, wrong_rows = _split(good, columns)
    line_index = np.delete(np.arange(chunk.n_lines, dtype=np.int64), cut_lines)
    for row, n_columns in wrong_rows:
        reason = f"expected {len(columns)} columns, got {n_columns}"
        aside.add(int(line_index[row]), reason)
    line_index = np.delete(line_index, [row for row, _ in wrong_rows])
    byte_offsets = chunk.raw_offset + _starts(aside, table, line_index)
    rejects = sorted(aside.rejects, key=lambda reject: reject.line_number)
    numbers = chunk.first_line + line_index
    is_odd = np.zeros(len(numbers), np.bool_)
    return Rows(chunk.file, table, numbers, byte_offsets, table, is_odd), rejects


def _split(data: bytes, columns: tuple[str, ...]) -> tuple[pa.Table, list[tuple[int, int]]]:
    stand_in = _stand_in(data) if b"\r" in data else None
    if stand_in:
        data = data.replace(b"\r", stand_in)
    table, wrong_rows = _read_csv(data, columns)
    return (_with_returns(table, stand_in) if stand_in else table), wrong_rows


def _without_bad_lines(aside: _SetAside, n_columns: int) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Cut out the lines that are no UTF-8, or empty; both are rare."""
    data, bounds = aside.chunk.data, aside.bounds
    parts, cut_lines, begin = [], [], 0
    high = np.flatnonzero(np.frombuffer(data, np.uint8) >= _FIRST_HIGH)
    suspects = np.searchsorted(bounds, high, side="right") - 1
    for line in np.union1d(suspects, np.flatnonzero(np.diff(bounds) == 1)).tolist():
        start, end = int(bounds[line]), int(bounds[line + 1])
        reason = None
        if end - start == 1:
            reason = f"expected {n_columns} columns, got 1"
        else:
            try:
                data[start:end].decode()
            except UnicodeDecodeError as error:
                reason = f"not UTF-8 at byte {error.start} of the line"
        if reason:
            aside.add(line, reason)
            cut_lines.append(line)
            parts.append(data[begin:start])
            begin = end
    return b"".join([*parts, data[begin:]]), np.array(cut_lines, np.int64)


def _read_csv(data: bytes, columns: tuple[str, ...]) -> tuple[pa.Table, list[tuple[int, int]]]:
    """Split with Arrow; rows of another width come back as (row, its columns)."""
    wrong_rows: list[tuple[int, int]] = []

    def set_aside(row: pyarrow.csv.InvalidRow) -> str:
        wrong_rows.append((row.number - 1, row.actual_columns))
        return "skip"

    if not data:
        return pa.table({name: pa.array([], pa.binary()) for name in columns}), []
    if data.startswith(_BYTE_ORDER_MARK):
        data = _BYTE_ORDER_MARK + data
    table = pyarrow.csv.read_csv(
        pa.BufferReader(data),
        pyarrow.csv.ReadOptions(
            column_names=list(columns), use_threads=False, block_size=len(data) + 1
        ),
        pyarrow.csv.ParseOptions(
            delimiter="\t",
            quote_char=False,
            newlines_in_values=False,
            ignore_empty_lines=False,
            invalid_row_handler=set_aside,
        ),
        pyarrow.csv.ConvertOptions(
            column_types={name: pa.binary() for name in columns}, strings_can_be_null=False
        ),
    )
    return table.combine_chunks(), wrong_rows


def _stand_in(data: bytes) -> bytes:
    """A character that the data lacks, to stand for a carriage return while Arrow splits."""
    characters = (chr(code) for code in range(1, 0x110000) if chr(code) not in "\t\n\r")
    return next(sign for each in characters if (sign := each.encode()) not in data)


def _with_returns(table: pa.Table, stand_in: bytes) -> pa.Table:
    arrays = [pc.replace_substring(column, stand_in, b"\r") for column in table.itercolumns()]
    return pa.table(arrays, names=table.column_names).combine_chunks()


def _starts(
    aside: _SetAside, table: pa.Table, line_index: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Where each row's line starts in the chunk."""
    if aside.rejects:
        return aside.bounds[line_index]
    # Without gaps the lengths of the columns say it, without looking at every byte again.
    n_bytes = np.full(len(line_index), table.num_columns, np.int64)  # tabs and the newline
    for column in table.itercolumns():
        n_bytes += pc.binary_length(column).to_numpy()
    return np.cumsum(n_bytes) - n_bytes


def byte_set(characters: str) -> npt.NDArray[np.bool_]:
    """Table of 256: whether a byte is one of the characters."""
    table = np.zeros(256, np.bool_)
    table[list(characters.encode("ascii"))] = True
    return table


DIGITS: Final = byte_set("0123456789")


def has_only(column: pa.ChunkedArray | pa.Array, allowed: npt.NDArray[np.bool_]) -> bool:
    """Whether no value of a binary column holds a byte outside a set.

    Arrow's casts take more than the dataset's forms (``0x1f``, ``nan``, ``+5``); without these
    characters they take the same.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return all(holds_only(column_bytes(chunk)[1], allowed) for chunk in chunks if len(chunk))


def parse_ids(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Identifiers, ``[1-9][0-9]{0,18}`` below 2**63.

    Returns
    -------
    int64 array, n values
        0 where the value is no identifier.
    bool array, n values
        True where it is one.
    """
    if not len(column):
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    return read_ids(*column_bytes(column.combine_chunks()))


ID_REASON: Final = "photo id is not a number from 1 to 9223372036854775807 written in digits"

"""Form-encoded text decoded a whole column at a time.

The dataset's text is ASCII on disk, encoded as Java's URLEncoder does it: ``+`` for a blank,
``%XX`` for every byte of UTF-8 outside ``A-Z a-z 0-9 . - _ *``. Decoding works on the bytes of an
Arrow column with NumPy, about 5 ns a byte; a call a value would take a hundred times longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_PLUS: Final = ord("+")
_BLANK: Final = ord(" ")
_PERCENT: Final = ord("%")
_NO_DIGIT: Final = 255


def _hex_values() -> npt.NDArray[np.uint8]:
    """Value of each byte as a hex digit; 255 for what is none."""
    values = np.full(256, _NO_DIGIT, np.uint8)
    for digit, character in enumerate("0123456789abcdef"):
        values[ord(character)] = values[ord(character.upper())] = digit
    return values


_HEX: Final = _hex_values()


def column_bytes(column: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Offsets (n + 1, from 0) and bytes of a binary or string column without copying.

    Parameters
    ----------
    column : pa.BinaryArray or pa.StringArray
        May be a slice.
    """
    _, offsets_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[
        column.offset : column.offset + len(column) + 1
    ]
    if data_buffer is None:
        return np.zeros(len(column) + 1, np.int32), np.zeros(0, np.uint8)
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def decode_form(column: pa.Array) -> pa.StringArray:
    """Decode a column of form-encoded values once.

    Parameters
    ----------
    column : pa.BinaryArray, n values
        Without nulls. A ``%`` that starts no ``%XX`` stands for itself.

    Returns
    -------
    pa.StringArray, n values
        Null where the value is empty. Bytes that are no UTF-8 once decoded become U+FFFD.
    """
    if len(column) == 0:
        return pa.array([], pa.string())
    offsets, data = column_bytes(column)
    decoded = np.where(data == _PLUS, np.uint8(_BLANK), data)
    escapes = _escapes(offsets, data)
    if len(escapes):
        decoded[escapes] = _HEX[data[escapes + 1]] << 4 | _HEX[data[escapes + 2]]
        keep = np.ones(len(data), np.bool_)
        keep[escapes + 1] = False
        keep[escapes + 2] = False
        decoded = decoded[keep]
        offsets = (offsets - 2 * np.searchsorted(escapes, offsets)).astype(np.int32)
    return string_column(offsets, decoded)


def _escapes(offsets: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Positions of every ``%`` that two hex digits of the same value follow."""
    found = np.flatnonzero(data == _PERCENT)
    if not len(found):
        return found
    found = found[found + 2 < len(data)]
    is_escape = (_HEX[data[found + 1]] != _NO_DIGIT) & (_HEX[data[found + 2]] != _NO_DIGIT)
    # A value that ends in "%4" must not borrow a digit from the next one.
    first, last = np.searchsorted(found, offsets - 2), np.searchsorted(found, offsets)
    for near in np.flatnonzero(first != last):
        is_escape[first[near] : last[near]] = False
    escapes: npt.NDArray[np.int64] = found[is_escape]
    return escapes


def string_column(offsets: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> pa.StringArray:
    """A string column from offsets and UTF-8; null where empty, U+FFFD for invalid bytes."""
    is_there = np.diff(offsets) > 0
    bitmap = None if is_there.all() else pa.py_buffer(np.packbits(is_there, bitorder="little"))
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(data)]
    column = pa.StringArray.from_buffers(len(is_there), buffers[1], buffers[2], buffers[0])
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        binary = pa.BinaryArray.from_buffers(pa.binary(), len(is_there), buffers)
        return pa.array(
            [
                None if value is None else value.decode("utf-8", "replace")
                for value in binary.to_pylist()
            ],
            pa.string(),
        )
    return column


@dataclass(frozen=True, slots=True)
class SplitList:
    """A column of lists, flat.

    Attributes
    ----------
    offsets : int32 array, n + 1
        Where each row's pieces start in ``values``.
    values : pa.BinaryArray
        The pieces of all rows, in order.
    is_there : bool array, n
        False where the row is empty: it has no pieces, and its list is null.
    """

    offsets: npt.NDArray[np.int32]
    values: pa.BinaryArray
    is_there: npt.NDArray[np.bool_]

    def with_values(self, values: pa.Array) -> pa.ListArray:
        """The lists, of other values of the same number and order."""
        return pa.ListArray.from_arrays(
            pa.array(self.offsets), values, mask=pa.array(~self.is_there)
        )

    def with_pairs(self, keys: pa.Array, values: pa.Array) -> pa.MapArray:
        """The lists as maps."""
        return pa.MapArray.from_arrays(
            pa.array(self.offsets), keys, values, mask=pa.array(~self.is_there)
        )


def split_list(column: pa.BinaryArray) -> SplitList:
    """Split each value at its commas; an empty value has no pieces."""
    is_there = pc.binary_length(column).to_numpy(zero_copy_only=False) > 0
    present = pc.if_else(pa.array(is_there), column, pa.scalar(None, column.type))
    pieces = pc.split_pattern(present, b",")
    n_pieces = pc.fill_null(pc.list_value_length(pieces), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(column) + 1, np.int32)
    np.cumsum(n_pieces, out=offsets[1:])
    return SplitList(offsets, pieces.flatten(), is_there)


def split_pairs(
    pieces: pa.BinaryArray, *, at_last: bool
) -> tuple[pa.BinaryArray, pa.BinaryArray, npt.NDArray[np.bool_]]:
    """Split each piece at its first (or last) colon.

    Returns
    -------
    keys, values : pa.BinaryArray
        Without the colon; a piece without one is all key.
    has_colon : bool array
    """
    halves = pc.split_pattern(pieces, b":", max_splits=1, reverse=at_last)
    n_halves = pc.list_value_length(halves).to_numpy(zero_copy_only=False)
    has_colon = n_halves == 2
    flat = halves.flatten()
    if has_colon.all():
        return flat[::2], flat[1::2], has_colon
    first = np.cumsum(n_halves) - n_halves
    second = pa.array(np.where(has_colon, first + 1, -1), mask=~has_colon)
    values = pc.fill_null(flat.take(second), pa.scalar(b"", pieces.type))
    return flat.take(pa.array(first)), values, has_colon

"""Form-encoded text decoded a whole column at a time.

The dataset's text is ASCII on disk, encoded as Java's URLEncoder does it: ``+`` for a blank,
``%XX`` for every byte of UTF-8 outside ``A-Z a-z 0-9 . - _ *``. Decoding works on the bytes of an
Arrow column in compiled loops; a call a value would take a hundred times longer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from yfcc.metadata.text_loops import Flags, decode_lists, decode_values

_COMMA: Final = ord(",")


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


def decode_form(column: pa.Array, is_odd: Flags | None = None) -> pa.StringArray:
    """Decode a column of form-encoded values once.

    Parameters
    ----------
    column : pa.BinaryArray, n values
        Without nulls. A ``%`` that starts no ``%XX`` stands for itself.
    is_odd : bool array, n, optional
        Gets a mark where encoding again would give other bytes.

    Returns
    -------
    pa.StringArray, n values
        Null where the value is empty. Bytes that are no UTF-8 once decoded become U+FFFD.
    """
    if len(column) == 0:
        return pa.array([], pa.string())
    flags = np.zeros(len(column), np.bool_) if is_odd is None else is_odd
    replaced: list[int] = []
    values = string_column(*decode_values(*column_bytes(column), flags), replaced=replaced)
    flags[replaced] = True
    return values


def string_column(
    offsets: npt.NDArray[np.int32],
    data: npt.NDArray[np.uint8],
    *,
    empty_is_null: bool = True,
    replaced: list[int] | None = None,
) -> pa.StringArray:
    """A string column from offsets and UTF-8; U+FFFD for invalid bytes.

    ``replaced`` gets the numbers of the values that had some.
    """
    is_there = np.diff(offsets) > 0
    has_nulls = empty_is_null and not is_there.all()
    bitmap = pa.py_buffer(np.packbits(is_there, bitorder="little")) if has_nulls else None
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(data)]
    column = pa.StringArray.from_buffers(len(is_there), buffers[1], buffers[2], buffers[0])
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        binary = pa.BinaryArray.from_buffers(pa.binary(), len(is_there), buffers)
        return pa.array(_with_replacements(binary, replaced), pa.string())
    return column


def _with_replacements(column: pa.BinaryArray, replaced: list[int] | None) -> list[str | None]:
    texts: list[str | None] = []
    for place, value in enumerate(column.to_pylist()):
        try:
            texts.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            texts.append(value.decode("utf-8", "replace"))
            if replaced is not None:
                replaced.append(place)
    return texts


def mark_rows(is_odd: Flags, rows: npt.NDArray[np.int32], pieces: list[int]) -> None:
    """Mark the rows that some pieces belong to; ``rows`` (n + 1) says where each row's start."""
    is_odd[np.searchsorted(rows, pieces, side="right") - 1] = True


def count_commas(data: npt.NDArray[np.uint8]) -> int:
    """Commas in some bytes: with the number of values, the most pieces there can be."""
    return int(np.count_nonzero(data == _COMMA))


def decode_list(column: pa.BinaryArray, is_odd: Flags | None = None) -> pa.ListArray:
    """Comma lists of encoded pieces: split first, then decode each once.

    Parameters
    ----------
    column : pa.BinaryArray, n values
        Without nulls.
    is_odd : bool array, n, optional
        Gets a mark where encoding again would give other bytes.

    Returns
    -------
    pa.ListArray, n lists of strings
        Null where the value is empty.
    """
    offsets, data = column_bytes(column)
    flags = np.zeros(len(column), np.bool_) if is_odd is None else is_odd
    rows, pieces, decoded = decode_lists(offsets, data, count_commas(data), flags)
    replaced: list[int] = []
    tags = string_column(pieces, decoded, empty_is_null=False, replaced=replaced)
    mark_rows(flags, rows, replaced)
    return as_lists(rows, tags)


def as_lists(rows: npt.NDArray[np.int32], values: pa.Array) -> pa.ListArray:
    """Lists from where each starts (n + 1) and their values; null where there are none."""
    return pa.ListArray.from_arrays(pa.array(rows), values, mask=_is_empty(rows))


def as_maps(rows: npt.NDArray[np.int32], keys: pa.Array, values: pa.Array) -> pa.MapArray:
    """Maps from where each starts (n + 1), their keys and values; null where there are none."""
    return pa.MapArray.from_arrays(pa.array(rows), keys, values, mask=_is_empty(rows))


def _is_empty(rows: npt.NDArray[np.int32]) -> pa.BooleanArray:
    return pa.array(np.diff(rows) == 0)

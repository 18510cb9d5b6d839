"""Items as lines of the metadata files: the way back of ``dataset`` and ``packs``.

What comes out is byte for byte what was read, but for the lines that parsing marks as odd
(:attr:`yfcc.metadata.columns.Rows.is_odd`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from yfcc.metadata.encode_loops import (
    encode_lists,
    encode_pairs,
    encode_places,
    encode_scores,
    encode_values,
)
from yfcc.metadata.layouts import Pack
from yfcc.metadata.number_loops import format_dates, format_degrees
from yfcc.metadata.text import column_bytes
from yfcc.metadata.text_loops import Bytes, Offsets

_SECONDS: Final = pa.timestamp("s")


def encode_dataset(items: pa.RecordBatch, columns: tuple[str, ...]) -> pa.BinaryArray:
    """Lines of the dataset file, without newlines.

    Parameters
    ----------
    items : pa.RecordBatch, n rows
        With columns as the catalog has them, ``media_kind`` for the marker.
    columns : tuple of str
        Of the layout, see :mod:`yfcc.metadata.layouts`.
    """
    fields = [_ENCODERS.get(name, _plain)(items[_SOURCES.get(name, name)]) for name in columns]
    return pc.binary_join_element_wise(*fields, b"\t")


def encode_pack(photo_ids: pa.Array, values: pa.Array, pack: Pack) -> pa.BinaryArray:
    """Lines of a pack, without newlines; a null value is an empty one."""
    return pc.binary_join_element_wise(_number(photo_ids), _PACK_ENCODERS[pack](values), b"\t")


def _binary(offsets: Offsets, data: Bytes) -> pa.BinaryArray:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _plain(column: pa.Array) -> pa.BinaryArray:
    return pc.cast(pc.fill_null(column, ""), pa.binary())


def _number(column: pa.Array) -> pa.BinaryArray:
    return _plain(pc.cast(column, pa.string()))


def _text(column: pa.StringArray) -> pa.BinaryArray:
    return _binary(*encode_values(*column_bytes(pc.fill_null(column, ""))))


def _tags(column: pa.ListArray) -> pa.BinaryArray:
    return _binary(*encode_lists(_rows_of(column), *column_bytes(column.values)))


def _degrees(column: pa.DoubleArray) -> pa.BinaryArray:
    return _binary(*format_degrees(column.to_numpy(zero_copy_only=False)))


def _seconds(column: pa.TimestampArray) -> npt.NDArray[np.int64]:
    """Unix seconds; any where there is none."""
    # An odd line alone has a fraction of a second, and it is not written anew.
    whole = pc.cast(column, _SECONDS, safe=False)
    seconds: npt.NDArray[np.int64] = pc.fill_null(pc.cast(whole, pa.int64()), 0).to_numpy()
    return seconds


def _date_taken(column: pa.TimestampArray) -> pa.BinaryArray:
    is_there = column.is_valid().to_numpy(zero_copy_only=False)
    return _binary(*format_dates(_seconds(column), is_there))


def _date_uploaded(column: pa.TimestampArray) -> pa.BinaryArray:
    return _number(pc.if_else(column.is_valid(), pa.array(_seconds(column)), None))


def _marker(column: pa.StringArray) -> pa.BinaryArray:
    return pc.if_else(pc.equal(column, "video"), b"1", b"0")


def _autotags(column: pa.MapArray) -> pa.BinaryArray:
    concepts, scores = column_bytes(column.keys), column.items.to_numpy()
    return _binary(*encode_scores(_rows_of(column), *concepts, scores))


def _exif(column: pa.MapArray) -> pa.BinaryArray:
    tags, texts = column_bytes(column.keys), column_bytes(column.items)
    return _binary(*encode_pairs(_rows_of(column), *tags, *texts))


def _places(column: pa.ListArray) -> pa.BinaryArray:
    woeids, names, types = column.values.flatten()
    return _binary(
        *encode_places(
            _rows_of(column), woeids.to_numpy(), *column_bytes(names), *column_bytes(types)
        )
    )


def _rows_of(column: pa.ListArray | pa.MapArray) -> Offsets:
    """Where each row's pieces start; a null one has none."""
    rows: Offsets = column.offsets.to_numpy()
    return rows


#: Columns of the dataset that are not written as they are.
_ENCODERS: Final[dict[str, Callable[[pa.Array], pa.BinaryArray]]] = {
    **dict.fromkeys(("user_nickname", "capture_device", "title", "description"), _text),
    **dict.fromkeys(("user_tags", "machine_tags"), _tags),
    **dict.fromkeys(("longitude", "latitude"), _degrees),
    **dict.fromkeys(("line_number", "photo_id", "accuracy", "server_id", "farm_id"), _number),
    "date_taken": _date_taken,
    "date_uploaded": _date_uploaded,
    "marker": _marker,
}
#: Columns that the catalog calls otherwise.
_SOURCES: Final = {"marker": "media_kind"}
_PACK_ENCODERS: Final[dict[Pack, Callable[[pa.Array], pa.BinaryArray]]] = {
    Pack.AUTOTAGS: _autotags,
    Pack.EXIF: _exif,
    Pack.PLACES: _places,
    Pack.HASH: _plain,
}

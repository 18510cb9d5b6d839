"""Rows of the dataset file: numbers and dates converted, text decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from yfcc.metadata.columns import (
    ID_REASON,
    Rows,
    byte_set,
    has_only,
    parse_ids,
    split_rows,
)
from yfcc.metadata.lines import LineChunk, Reject
from yfcc.metadata.number_loops import mark_odd_dates, mark_odd_degrees, mark_odd_integers
from yfcc.metadata.text import column_bytes, decode_form, decode_list

_TEXT: Final = ("user_nickname", "capture_device", "title", "description")
_LISTS: Final = ("user_tags", "machine_tags")
_PLAIN: Final = (
    "photo_hash",
    "user_nsid",
    "page_url",
    "download_url",
    "license_name",
    "license_url",
    "secret",
    "secret_original",
    "extension",
)
_INTEGERS: Final = {
    "line_number": pa.int64(),
    "accuracy": pa.int16(),
    "server_id": pa.int32(),
    "farm_id": pa.int32(),
    "marker": pa.int8(),
}
_INTEGER_FORM: Final = r"\A-?[0-9]{1,18}\z"
_INTEGER_BYTES: Final = byte_set("-0123456789")
_FLOAT_FORM: Final = r"\A-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?\z"
_DATE_BYTES: Final = byte_set("0123456789-: .")
_YEAR_1: Final = -62_135_596_800  # Unix seconds of its first moment
_YEAR_9999: Final = 253_402_300_799  # and of its last
_SHORTEST_DATE: Final = len("2012-02-16 09:56:37")
_DATE_FORM: Final = (
    r"\A[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) "
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?\z"
)


def parse_dataset(
    chunk: LineChunk, columns: tuple[str, ...], n_lines_before: int = 0
) -> tuple[Rows, list[Reject]]:
    """Rows of the dataset, ready for the catalog.

    Parameters
    ----------
    chunk : LineChunk
    columns : tuple of str
        Of the layout, see :mod:`yfcc.metadata.layouts`.
    n_lines_before : int
        Lines of the dataset's files before this one; a layout without line numbers counts on.

    Returns
    -------
    Rows
        ``table`` has the columns of ``columns`` with ``photo_id`` as int64, dates as timestamps
        (``date_uploaded`` in UTC), tags as lists, text decoded, empty fields null.
    list of Reject
    """
    if chunk.long_line:
        rows, _ = split_rows(replace(chunk, data=b"", n_lines=0, long_line=None), columns)
        return _converted(rows, n_lines_before)[0], [chunk.long_line]
    rows, rejects = split_rows(chunk, columns)
    rows, more = _converted(rows, n_lines_before)
    return rows, sorted([*rejects, *more], key=lambda reject: reject.line_number)


def _converted(rows: Rows, n_lines_before: int) -> tuple[Rows, list[Reject]]:
    """Convert every column; set aside the rows where one cannot be converted."""
    converter = _Converter(rows)
    raw = rows.raw
    ids, is_id = parse_ids(raw["photo_id"])
    converter.refuse(~is_id, ID_REASON)
    found: dict[str, pa.Array] = {"photo_id": pa.array(ids)}
    for name in raw.column_names:
        if name in _INTEGERS:
            found[name] = converter.integers(name, _INTEGERS[name])
        elif name in ("longitude", "latitude"):
            found[name] = converter.degrees(name)
        elif name == "date_taken":
            found[name] = converter.date_taken()
        elif name == "date_uploaded":
            found[name] = converter.seconds(name)
        elif name in _TEXT:
            found[name] = decode_form(_one_array(raw[name]), converter.is_odd)
        elif name in _LISTS:
            found[name] = decode_list(_one_array(raw[name]), converter.is_odd)
        elif name in _PLAIN:
            found[name] = _null_if_empty(pc.cast(_one_array(raw[name]), pa.string()))
    if "photo_hash" in found:  # what lacks is computed later
        converter.is_odd |= found["photo_hash"].is_null().to_numpy(zero_copy_only=False)
    if "line_number" in found:
        converter.refuse_missing("line_number", found["line_number"])
    found.setdefault("line_number", pa.array(rows.line_numbers + n_lines_before))
    converter.refuse_other_markers(found["marker"])
    converter.refuse_half_positions(found)
    table = pa.table(found)
    converted = replace(rows, table=table, is_odd=converter.is_odd)
    return converter.result(converted)


class _Converter:
    """Conversions of one chunk, and which of its rows they refused, with the first reason.

    ``is_odd`` (n flags) marks the rows where a value does not say how it was written.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.is_odd = np.zeros(len(rows), np.bool_)
        self._is_bad = np.zeros(len(rows), np.bool_)
        self._rejects: list[Reject] = []

    def refuse(self, is_bad: npt.NDArray[np.bool_], reason: str) -> None:
        """Set rows aside, those that are not yet, for one reason."""
        for row in np.flatnonzero(is_bad & ~self._is_bad).tolist():
            self._refuse_row(row, reason)

    def _refuse_row(self, row: int, reason: str) -> None:
        self._is_bad[row] = True
        self._rejects.append(self._rows.reject(row, reason))

    def result(self, converted: Rows) -> tuple[Rows, list[Reject]]:
        """The rows that are left, and the rejects."""
        if not self._rejects:
            return converted, []
        return converted.kept(~self._is_bad), self._rejects

    def integers(self, name: str, kind: pa.DataType) -> pa.Array:
        """A column of whole numbers; null where the field is empty."""
        raw = self._rows.raw[name]
        one = _one_array(raw)
        mark_odd_integers(*column_bytes(one), self.is_odd)
        text = _null_if_empty(pc.cast(one, pa.string()))
        if has_only(raw, _INTEGER_BYTES):
            try:
                return pc.cast(text, kind)
            except pa.ArrowInvalid:
                pass  # one of them is out of range or of another form: find it
        return self._one_by_one(name, text, kind, _INTEGER_FORM, "a whole number")

    def seconds(self, name: str) -> pa.Array:
        """A column of Unix seconds as timestamps, UTC; null where the field is empty."""
        seconds = self.integers(name, pa.int64())
        is_far = pc.or_(pc.less(seconds, _YEAR_1), pc.greater(seconds, _YEAR_9999))
        is_far = pc.fill_null(is_far, False)
        self._refuse_field(is_far.to_numpy(zero_copy_only=False), name, "years 1 to 9999")
        near = pc.if_else(is_far, pa.scalar(None, pa.int64()), seconds)
        return pc.cast(near, pa.timestamp("s"))

    def degrees(self, name: str) -> pa.Array:
        """A column of numbers with a fraction; null where the field is empty."""
        raw = _one_array(self._rows.raw[name])
        text = _null_if_empty(pc.cast(raw, pa.string()))
        values = self._one_by_one(name, text, pa.float64(), _FLOAT_FORM, "a number")
        numbers = values.to_numpy(zero_copy_only=False)
        mark_odd_degrees(*column_bytes(raw), numbers, self.is_odd)
        is_infinite = ~np.isfinite(pc.fill_null(values, 0).to_numpy(zero_copy_only=False))
        self._refuse_field(is_infinite, name, "a finite number")
        return values

    def refuse_missing(self, name: str, values: pa.Array) -> None:
        """Set aside the rows that lack a field every row has."""
        self._refuse_field(values.is_null().to_numpy(zero_copy_only=False), name, "a number")

    def date_taken(self) -> pa.Array:
        """Local time of the camera; null where the field is empty or ``null``."""
        raw = _one_array(self._rows.raw["date_taken"])
        mark_odd_dates(*column_bytes(raw), self.is_odd)
        is_there = pc.and_(pc.not_equal(raw, b""), pc.not_equal(raw, b"null"))
        raw = pc.if_else(is_there, raw, pa.scalar(None, pa.binary()))
        kind = pa.timestamp("us")
        text = pc.cast(raw, pa.string())
        shortest = pc.min(pc.binary_length(raw)).as_py()
        if has_only(raw, _DATE_BYTES) and (shortest or _SHORTEST_DATE) >= _SHORTEST_DATE:
            try:
                return pc.cast(text, kind)
            except pa.ArrowInvalid:
                pass  # one of them is no date: find it
        expected = "like 2012-02-16 09:56:37.0"
        return self._one_by_one("date_taken", text, kind, _DATE_FORM, expected)

    def _one_by_one(
        self, name: str, text: pa.StringArray, kind: pa.DataType, form: str, expected: str
    ) -> pa.Array:
        """Cast the values of the right form; refuse the rows of the others."""
        is_form = pc.fill_null(pc.match_substring_regex(text, form), True)
        values = _cast_where_possible(text, is_form, kind)
        is_lost = pc.and_(pc.is_null(values), pc.is_valid(text))
        self._refuse_field(is_lost.to_numpy(zero_copy_only=False), name, expected)
        return values

    def refuse_other_markers(self, marker: pa.Array) -> None:
        """A marker is 0 for photos and 1 for videos."""
        is_known = pc.fill_null(pc.is_in(marker, pa.array([0, 1], pa.int8())), False)
        self._refuse_field(~is_known.to_numpy(zero_copy_only=False), "marker", "0 or 1")

    def refuse_half_positions(self, found: dict[str, pa.Array]) -> None:
        """Longitude, latitude and accuracy are all there, or none of them."""
        there = [
            found[name].is_valid().to_numpy(zero_copy_only=False)
            for name in ("longitude", "latitude", "accuracy")
        ]
        is_half = (there[0] != there[1]) | (there[0] != there[2])
        self.refuse(is_half, "longitude, latitude and accuracy: expected all three or none")

    def _refuse_field(self, is_bad: npt.NDArray[np.bool_], name: str, expected: str) -> None:
        column = self._rows.raw[name]
        for row in np.flatnonzero(is_bad & ~self._is_bad).tolist():
            got = column[row].as_py()[:40]
            self._refuse_row(row, f"{name}: expected {expected}, got {got!r}")


def _cast_where_possible(
    text: pa.StringArray, is_form: pa.BooleanArray, kind: pa.DataType
) -> pa.Array:
    """Cast the values of the right form, one by one where one is out of range."""
    candidates = pc.if_else(is_form, text, pa.scalar(None, pa.string()))
    try:
        return pc.cast(candidates, kind)
    except pa.ArrowInvalid:
        values = []
        for candidate in candidates:
            try:
                values.append(pc.cast(candidate, kind))
            except pa.ArrowInvalid:
                values.append(pa.scalar(None, kind))
        return pa.array([value.as_py() for value in values], kind)


def _null_if_empty(column: pa.StringArray) -> pa.StringArray:
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

"""Loops over numbers and dates as the dataset writes them: format them, tell other spellings.

The dataset was written by Java. A whole number has no leading zeros, a date ends in ``.0``, and a
coordinate has the shortest digits that come back as the same double: ``139.7``, ``0.0``, and
``-1.2E-5`` below a thousandth (``Double.toString``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.metadata.kernels import compiled
from yfcc.metadata.text_loops import Bytes, Flags, Offsets

_ZERO: Final = ord("0")
_MINUS: Final = ord("-")
_POINT: Final = ord(".")
_EXPONENT: Final = ord("E")
#: Powers of ten that a double holds exactly.
_TENS: Final = 10.0 ** np.arange(23)
#: Whole numbers below it are exact in a double, and tell 15 digits apart.
_MOST: Final = 1e15
_LEAST_PLAIN: Final = 1e-3
_LEAST_LARGE: Final = 1e7
_LONGEST_DEGREES: Final = 24
#: Two digits: of an exponent, of a month.
_TWO: Final = 2
_DATE_FORM: Final = np.frombuffer(b"0000-00-00 00:00:00.0", np.uint8)
_DATE_BYTES: Final = len(_DATE_FORM)
_NO_DATE: Final = np.frombuffer(b"null", np.uint8)
#: Where a date has its last digit of seconds; what stands behind is always the same.
_SECONDS_END: Final = 19
_DAY_S: Final = 86_400
_ERA_DAYS: Final = 146_097


@compiled
def mark_odd_integers(offsets: Offsets, data: Bytes, is_odd: Flags) -> None:
    """Mark among n whole numbers those with needless zeros or signs; empty ones are fine."""
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        if last - first > 1:
            is_negative = data[first] == _MINUS
            if data[first + is_negative] == _ZERO:
                is_odd[row] = True


@compiled
def mark_odd_dates(offsets: Offsets, data: Bytes, is_odd: Flags) -> None:
    """Mark among n dates those that are not of the form ``2012-02-16 09:56:37.0``, or ``null``."""
    for row in range(len(offsets) - 1):
        first = offsets[row]
        n_bytes = offsets[row + 1] - first
        is_same = n_bytes == _DATE_BYTES
        if is_same:
            for place in range(_DATE_BYTES):
                got, form = data[first + place], _DATE_FORM[place]
                if form == _ZERO and place < _SECONDS_END:
                    is_same &= _ZERO <= got <= _ZERO + 9
                else:
                    is_same &= got == form
            is_same &= data[first + _SECONDS_END - _TWO] < _ZERO + 6  # no leap second
        elif n_bytes == len(_NO_DATE):
            is_same = True
            for place in range(n_bytes):
                is_same &= data[first + place] == _NO_DATE[place]
        if not is_same:
            is_odd[row] = True


@compiled
def _write_number(number: int, n_digits: int, out: Bytes, at: int) -> int:
    """Write the last digits of a number, with zeros before them; returns where they end."""
    for place in range(at + n_digits - 1, at - 1, -1):
        out[place] = _ZERO + number % 10
        number //= 10
    return at + n_digits


@compiled
def _n_digits(number: int) -> int:
    count = 1
    while number >= 10:
        number //= 10
        count += 1
    return count


@compiled
def _write_degrees(value: float, out: Bytes, at: int) -> int:
    """Write a coordinate; returns where it ends, or where it began if it has no such form."""
    start = at
    if value < 0:
        out[at] = _MINUS
        at += 1
        value = -value
    if not value < _LEAST_LARGE:
        return start
    n_behind = 1
    while n_behind < len(_TENS):
        scaled = np.rint(value * _TENS[n_behind])
        if scaled >= _MOST:
            return start
        # Both exact: the quotient is the double nearest to the decimal fraction.
        if scaled / _TENS[n_behind] == value:
            break
        n_behind += 1
    else:
        return start
    number = np.int64(scaled)
    n_digits = _n_digits(number)
    if value >= _LEAST_PLAIN or value == 0:
        n_before = max(n_digits - n_behind, 1)
        at = _write_number(number, n_before + n_behind, out, at + 1)
        # The digits before the point move to the left, past it.
        for place in range(at - n_before - n_behind, at - n_behind):
            out[place - 1] = out[place]
        out[at - n_behind - 1] = _POINT
        return at
    at = _write_number(number, n_digits, out, at + 1)
    out[at - n_digits - 1] = out[at - n_digits]
    out[at - n_digits] = _POINT
    if n_digits == 1:
        out[at] = _ZERO
        at += 1
    out[at], out[at + 1] = _EXPONENT, _MINUS
    exponent = n_behind - n_digits + 1
    return _write_number(exponent, 1 if exponent < 10 else _TWO, out, at + _TWO)


@compiled
def format_degrees(values: npt.NDArray[np.float64]) -> tuple[Offsets, Bytes]:
    """Coordinates as text; NaN and what has more than 15 digits become empty."""
    out = np.empty(len(values) * _LONGEST_DEGREES, np.uint8)
    offsets = np.zeros(len(values) + 1, np.int32)
    at = 0
    for row in range(len(values)):
        at = _write_degrees(values[row], out, at)
        offsets[row + 1] = at
    return offsets, out[:at]


@compiled
def mark_odd_degrees(
    offsets: Offsets, data: Bytes, values: npt.NDArray[np.float64], is_odd: Flags
) -> None:
    """Mark among n coordinates those that are written otherwise; empty ones are NaN."""
    again, texts = format_degrees(values)
    for row in range(len(values)):
        first, other = offsets[row], again[row]
        n_bytes = offsets[row + 1] - first
        is_same = n_bytes == again[row + 1] - other
        if is_same:
            for place in range(n_bytes):
                is_same &= data[first + place] == texts[other + place]
        if not is_same:
            is_odd[row] = True


@compiled
def format_dates(seconds: npt.NDArray[np.int64], is_there: Flags) -> tuple[Offsets, Bytes]:
    """Moments in Unix seconds, years 1 to 9999, as text; ``null`` for those that lack."""
    out = np.empty(len(seconds) * _DATE_BYTES, np.uint8)
    offsets = np.zeros(len(seconds) + 1, np.int32)
    at = 0
    for row in range(len(seconds)):
        if is_there[row]:
            out[at : at + _DATE_BYTES] = _DATE_FORM
            days, rest = seconds[row] // _DAY_S, seconds[row] % _DAY_S
            # Days to a date of the Gregorian calendar, in years that begin in March:
            # http://howardhinnant.github.io/date_algorithms.html#civil_from_days
            days += 719_468
            era, of_era = days // _ERA_DAYS, days % _ERA_DAYS
            year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
            of_year = of_era - (365 * year + year // 4 - year // 100)
            month = (5 * of_year + 2) // 153
            day = of_year - (153 * month + 2) // 5 + 1
            month += 3 if month < 10 else -9
            _write_number(era * 400 + year + (month <= _TWO), 4, out, at)
            _write_number(month, _TWO, out, at + 5)
            _write_number(day, _TWO, out, at + 8)
            _write_number(rest // 3600, _TWO, out, at + 11)
            _write_number(rest // 60 % 60, _TWO, out, at + 14)
            _write_number(rest % 60, _TWO, out, at + 17)
            at += _DATE_BYTES
        else:
            out[at : at + len(_NO_DATE)] = _NO_DATE
            at += len(_NO_DATE)
        offsets[row + 1] = at
    return offsets, out[:at]

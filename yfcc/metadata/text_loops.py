"""Loops over the bytes of text columns: decode, split at commas and colons, tell repeated keys.

Columns are offsets (n + 1) into bytes, as Arrow has them. Each loop passes over the bytes once.
``%XX`` is decoded inside its own piece only: ``%4`` at its end borrows no digit from the next.

On the way they notice *odd* values, those that :mod:`yfcc.metadata.encode_loops` would not make
again byte for byte from what comes out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.metadata.form_bytes import (
    COLON,
    COMMA,
    DIGIT,
    ESCAPE,
    FORM,
    HEX,
    LOWER,
    NEEDLESS,
    NO_DIGIT,
    PLUS,
    ROLES,
)
from yfcc.metadata.kernels import compiled

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Place = np.uint64

_BLANK: Final = ord(" ")
_COMMA_BYTE: Final = ord(",")
_COLON_BYTE: Final = ord(":")
_POINT: Final = ord(".")
_ZERO: Final = ord("0")
_NOTHING, _ONE, _TWO = np.uint64(0), np.uint64(1), np.uint64(2)
#: Slots of the table that tells repeated keys; rows with more than half as many are suspects.
_N_SLOTS: Final = 2048
_FNV_OFFSET: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)
#: So many digits of a score are exact in a double.
_MAX_SCORE_DIGITS: Final = 15
_MAX_WOEID_DIGITS: Final = 18
#: Bytes of a score as the classifier printed it, ``:0.9510``.
_SCORE_SPAN: Final = np.uint64(7)
_TENTHS: Final = 10.0 ** np.arange(_MAX_SCORE_DIGITS + 1)


@compiled
def _decode_until(
    data: Bytes, at: Place, end: Place, special: int, out: Bytes, n_out: Place
) -> tuple[Place, Place, int]:
    """Decode up to a comma or colon, if that is among the special roles, or to the end.

    Returns
    -------
    at, n_out
        Where it stopped, and the bytes in ``out``.
    odd
        Not 0 where encoding gives something else.
    """
    odd = 0
    # Places are unsigned: a signed one is checked for counting from the end, at every byte.
    while at < end:
        value = data[at]
        role = ROLES[value] & special
        if role:
            if role & (COMMA | COLON):
                break
            if role == PLUS:
                value = _BLANK
            elif role == ESCAPE and at + _TWO < end:
                high, low = HEX[data[at + _ONE]], HEX[data[at + _TWO]]
                both = high | low
                if both != NO_DIGIT:
                    value = (high & DIGIT) << 4 | low & DIGIT
                    odd |= both & LOWER | NEEDLESS[value]
                    at += _TWO
                else:
                    odd = 1
            else:
                odd = 1
        out[n_out] = value
        n_out += _ONE
        at += _ONE
    return at, n_out, odd


@compiled
def decode_values(offsets: Offsets, data: Bytes, is_odd: Flags) -> tuple[Offsets, Bytes]:
    """Decode n form-encoded values; offsets and bytes of what comes out.

    Odd ones are marked among n flags, here and below.
    """
    out = np.empty(len(data), np.uint8)
    out_offsets = np.zeros(len(offsets), np.int32)
    n_out = _NOTHING
    for row in range(len(offsets) - 1):
        at, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        _, n_out, odd = _decode_until(data, at, end, FORM, out, n_out)
        if odd:
            is_odd[row] = True
        out_offsets[row + 1] = n_out
    return out_offsets, out[:n_out]


@compiled
def decode_lists(
    offsets: Offsets, data: Bytes, n_commas: int, is_odd: Flags
) -> tuple[Offsets, Offsets, Bytes]:
    """Split n values at commas, and decode the pieces.

    Returns
    -------
    rows : int32 array, n + 1
        Where each value's pieces start. An empty value has none.
    pieces : int32 array, pieces + 1
        Where each piece starts.
    out : uint8 array
    """
    rows = np.zeros(len(offsets), np.int32)
    pieces = np.zeros(n_commas + len(offsets), np.int32)
    out = np.empty(len(data), np.uint8)
    n_pieces, n_out = 0, _NOTHING
    for row in range(len(offsets) - 1):
        at, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        is_open = at < end
        while is_open:
            at, n_out, odd = _decode_until(data, at, end, FORM | COMMA, out, n_out)
            if odd:
                is_odd[row] = True
            n_pieces += 1
            pieces[n_pieces] = n_out
            is_open = at < end  # at a comma: another piece follows, perhaps an empty one
            at += _ONE
        rows[row + 1] = n_pieces
    return rows, pieces[: n_pieces + 1], out[:n_out]


@compiled
def _key_of(out: Bytes, first: Place, last: Place) -> int:
    """A hash of some bytes (FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/)."""
    key = _FNV_OFFSET
    while first < last:
        key = (key ^ np.uint64(out[first])) * _FNV_PRIME
        first += _ONE
    return key


@compiled
def _is_repeated(key: int, row: int, keys: npt.NDArray[np.uint64], stamps: Offsets) -> bool:
    """Whether a key (its hash) came before in a row; remembers it."""
    slot = np.int64(key & np.uint64(_N_SLOTS - 1))
    while stamps[slot] == row:
        if keys[slot] == key:
            return True
        slot = (slot + 1) & (_N_SLOTS - 1)
    stamps[slot] = row
    keys[slot] = key
    return False


@compiled
def decode_pairs(
    offsets: Offsets, data: Bytes, n_commas: int, is_odd: Flags
) -> tuple[Offsets, Offsets, Bytes, Offsets, Bytes, Flags, Flags]:
    """Split n values at commas, each piece at its first colon, and decode both halves.

    Returns
    -------
    rows : int32 array, n + 1
        Where each value's pieces start. An empty value has none.
    key_offsets : int32 array, pieces + 1
    keys : uint8 array
    text_offsets : int32 array, pieces + 1
    texts : uint8 array
    is_bad : bool array, n
        A piece has no colon.
    is_suspect : bool array, n
        A key may stand more than once.
    """
    n_rows = len(offsets) - 1
    rows = np.zeros(n_rows + 1, np.int32)
    key_offsets = np.zeros(n_commas + n_rows + 1, np.int32)
    text_offsets = np.zeros(n_commas + n_rows + 1, np.int32)
    keys, texts = np.empty(len(data), np.uint8), np.empty(len(data), np.uint8)
    is_bad, is_suspect = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    slots, stamps = np.zeros(_N_SLOTS, np.uint64), np.full(_N_SLOTS, -1, np.int32)
    n_pieces, n_keys, n_texts = 0, _NOTHING, _NOTHING
    for row in range(n_rows):
        at, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        first = n_pieces
        is_open = at < end
        while is_open:
            start = n_keys
            special = FORM | COMMA | COLON
            at, n_keys, odd = _decode_until(data, at, end, special, keys, n_keys)
            if odd:
                is_odd[row] = True
            if at < end and data[at] == _COLON_BYTE:
                special = FORM | COMMA
                at, n_texts, odd = _decode_until(data, at + _ONE, end, special, texts, n_texts)
                if odd:
                    is_odd[row] = True
            else:
                is_bad[row] = True
            n_pieces += 1
            key_offsets[n_pieces] = n_keys
            text_offsets[n_pieces] = n_texts
            key = _key_of(keys, start, n_keys)
            if n_pieces - first > _N_SLOTS // 2 or _is_repeated(key, row, slots, stamps):
                is_suspect[row] = True
            is_open = at < end  # at a comma: another piece follows, perhaps an empty one
            at += _ONE
        rows[row + 1] = n_pieces
    return (
        rows,
        key_offsets[: n_pieces + 1],
        keys[:n_keys],
        text_offsets[: n_pieces + 1],
        texts[:n_texts],
        is_bad,
        is_suspect,
    )


@compiled
def _score(data: Bytes, at: Place, end: Place) -> float:
    """A score of the usual form, digits with a point between them; negative for any other."""
    number, n_digits, n_behind = 0, 0, -1
    while at < end:
        value = np.int64(data[at]) - _ZERO
        at += _ONE
        if 0 <= value <= 9:
            number = number * 10 + value
            n_digits += 1
            if n_behind >= 0:
                n_behind += 1
        elif value == _POINT - _ZERO and n_behind < 0 and n_digits:
            n_behind = 0
        else:
            return -1.0
        if n_digits > _MAX_SCORE_DIGITS:
            return -1.0
    if not n_digits or n_behind == 0:
        return -1.0
    return number / _TENTHS[max(n_behind, 0)]


@compiled
def split_scores(
    offsets: Offsets, data: Bytes, n_commas: int, is_odd: Flags
) -> tuple[Offsets, Offsets, Bytes, npt.NDArray[np.float32], Flags, Flags]:
    """Split n values at commas, each piece at its last colon: a concept and its score.

    Returns
    -------
    rows : int32 array, n + 1
        Where each value's pieces start. An empty value has none.
    concept_offsets : int32 array, pieces + 1
    concepts : uint8 array
    scores : float32 array, pieces
    is_other : bool array, n
        A piece has no colon, or its score is not of the usual form.
    is_suspect : bool array, n
        A concept may stand more than once.
    """
    n_rows = len(offsets) - 1
    rows = np.zeros(n_rows + 1, np.int32)
    concept_offsets = np.zeros(n_commas + n_rows + 1, np.int32)
    concepts = np.empty(len(data), np.uint8)
    scores = np.zeros(n_commas + n_rows, np.float32)
    is_other, is_suspect = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    slots, stamps = np.zeros(_N_SLOTS, np.uint64), np.full(_N_SLOTS, -1, np.int32)
    n_pieces, n_out = 0, _NOTHING
    for row in range(n_rows):
        at, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        first = n_pieces
        is_open = at < end
        while is_open:
            colon, stop = end, at
            while stop < end and data[stop] != _COMMA_BYTE:
                if data[stop] == _COLON_BYTE:
                    colon = stop
                stop += _ONE
            score = _score(data, colon + _ONE, stop) if colon < stop else -1.0
            if score < 0:
                is_other[row] = True
            # Of so many bytes the third behind the colon is there to look at.
            if stop - colon != _SCORE_SPAN or data[colon + _TWO] != _POINT or score < 0:
                is_odd[row] = True
            start = n_out
            while at < min(colon, stop):
                concepts[n_out] = data[at]
                n_out += _ONE
                at += _ONE
            scores[n_pieces] = score
            n_pieces += 1
            concept_offsets[n_pieces] = n_out
            key = _key_of(concepts, start, n_out)
            if n_pieces - first > _N_SLOTS // 2 or _is_repeated(key, row, slots, stamps):
                is_suspect[row] = True
            is_open = stop < end
            at = stop + _ONE
        rows[row + 1] = n_pieces
    return (
        rows,
        concept_offsets[: n_pieces + 1],
        concepts[:n_out],
        scores[:n_pieces],
        is_other,
        is_suspect,
    )


@compiled
def _number(data: Bytes, at: Place, end: Place) -> int:
    """A number of up to 18 digits; negative for anything else."""
    number = np.int64(0)
    if not 0 < end - at <= _MAX_WOEID_DIGITS:
        return np.int64(-1)
    while at < end:
        digit = np.int64(data[at]) - _ZERO
        if not 0 <= digit <= 9:
            return np.int64(-1)
        number = number * 10 + digit
        at += _ONE
    return number


@compiled
def split_places(
    offsets: Offsets, data: Bytes, n_commas: int, is_odd: Flags
) -> tuple[Offsets, npt.NDArray[np.int64], Offsets, Bytes, Offsets, Bytes, Flags]:
    """Split n values at commas, each piece at its first and its last colon.

    Returns
    -------
    rows : int32 array, n + 1
        Where each value's pieces start. An empty value has none.
    woeids : int64 array, pieces
    name_offsets : int32 array, pieces + 1
    names : uint8 array
        Decoded.
    type_offsets : int32 array, pieces + 1
    types : uint8 array
    is_bad : bool array, n
        A piece has not two colons, or its woeid is no number.
    """
    n_rows = len(offsets) - 1
    rows = np.zeros(n_rows + 1, np.int32)
    woeids = np.zeros(n_commas + n_rows, np.int64)
    name_offsets = np.zeros(n_commas + n_rows + 1, np.int32)
    type_offsets = np.zeros(n_commas + n_rows + 1, np.int32)
    names, types = np.empty(len(data), np.uint8), np.empty(len(data), np.uint8)
    is_bad = np.zeros(n_rows, np.bool_)
    n_pieces, n_names, n_types = 0, _NOTHING, _NOTHING
    for row in range(n_rows):
        at, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        is_open = at < end
        while is_open:
            first, last, stop = end, end, at
            while stop < end and data[stop] != _COMMA_BYTE:
                if data[stop] == _COLON_BYTE:
                    first = min(first, stop)
                    last = stop
                stop += _ONE
            if first < last < stop:
                woeid = _number(data, at, first)
                woeids[n_pieces] = woeid
                if woeid < 0:
                    is_bad[row] = True
                begin = first + _ONE
                _, n_names, odd = _decode_until(data, begin, last, FORM, names, n_names)
                _, n_types, _ = _decode_until(data, last + _ONE, stop, 0, types, n_types)
                if odd or (data[at] == _ZERO and first - at > _ONE):
                    is_odd[row] = True
            else:
                is_bad[row] = True
            n_pieces += 1
            name_offsets[n_pieces] = n_names
            type_offsets[n_pieces] = n_types
            is_open = stop < end
            at = stop + _ONE
        rows[row + 1] = n_pieces
    return (
        rows,
        woeids[:n_pieces],
        name_offsets[: n_pieces + 1],
        names[:n_names],
        type_offsets[: n_pieces + 1],
        types[:n_types],
        is_bad,
    )

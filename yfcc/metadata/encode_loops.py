"""Loops that write text columns as the dataset has them: the way back of ``text_loops``.

Columns are offsets (n + 1) into bytes, as Arrow has them; ``rows`` (n + 1) says where each row's
pieces start. A row without pieces is empty.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.metadata.form_bytes import SAFE
from yfcc.metadata.kernels import compiled
from yfcc.metadata.text_loops import Bytes, Offsets

_BLANK: Final = ord(" ")
_PLUS: Final = ord("+")
_PERCENT: Final = ord("%")
_COMMA: Final = ord(",")
_COLON: Final = ord(":")
_POINT: Final = ord(".")
_ZERO: Final = ord("0")
_HEX_DIGITS: Final = np.frombuffer(b"0123456789ABCDEF", np.uint8)
#: Bytes of an escape; of a score with its colon; of a number of 63 bits with its colon.
_ESCAPE_BYTES: Final = 3
_SCORE_BYTES: Final = 7
_NUMBER_BYTES: Final = 20
_TEN_THOUSAND: Final = 10_000


def _is_safe() -> npt.NDArray[np.bool_]:
    """Whether a byte stands for itself."""
    safe = np.zeros(256, np.bool_)
    safe[list(SAFE.encode())] = True
    return safe


_IS_SAFE: Final = _is_safe()


@compiled
def _encode(data: Bytes, first: int, last: int, out: Bytes, at: int) -> int:
    """Form-encode some bytes as Java's URLEncoder does; returns where they end."""
    for place in range(first, last):
        value = data[place]
        if _IS_SAFE[value]:
            out[at] = value
            at += 1
        elif value == _BLANK:
            out[at] = _PLUS
            at += 1
        else:
            out[at] = _PERCENT
            out[at + 1] = _HEX_DIGITS[value >> 4]
            out[at + 2] = _HEX_DIGITS[value & 15]
            at += _ESCAPE_BYTES
    return at


@compiled
def _copy(data: Bytes, first: int, last: int, out: Bytes, at: int) -> int:
    for place in range(first, last):
        out[at] = data[place]
        at += 1
    return at


@compiled
def encode_values(offsets: Offsets, data: Bytes) -> tuple[Offsets, Bytes]:
    """Form-encode n values; offsets and bytes of what comes out."""
    out = np.empty(_ESCAPE_BYTES * len(data), np.uint8)
    ends = np.zeros(len(offsets), np.int32)
    at = 0
    for row in range(len(offsets) - 1):
        at = _encode(data, offsets[row], offsets[row + 1], out, at)
        ends[row + 1] = at
    return ends, out[:at]


@compiled
def encode_lists(rows: Offsets, pieces: Offsets, data: Bytes) -> tuple[Offsets, Bytes]:
    """Form-encode the pieces of n lists, commas between them."""
    out = np.empty(_ESCAPE_BYTES * len(data) + len(pieces), np.uint8)
    ends = np.zeros(len(rows), np.int32)
    at = 0
    for row in range(len(rows) - 1):
        for piece in range(rows[row], rows[row + 1]):
            if piece > rows[row]:
                out[at] = _COMMA
                at += 1
            at = _encode(data, pieces[piece], pieces[piece + 1], out, at)
        ends[row + 1] = at
    return ends, out[:at]


@compiled
def encode_pairs(
    rows: Offsets, key_offsets: Offsets, keys: Bytes, text_offsets: Offsets, texts: Bytes
) -> tuple[Offsets, Bytes]:
    """Rows of ``key:text,…``, both form-encoded."""
    most = _ESCAPE_BYTES * (len(keys) + len(texts)) + 2 * len(key_offsets)
    out = np.empty(most, np.uint8)
    ends = np.zeros(len(rows), np.int32)
    at = 0
    for row in range(len(rows) - 1):
        for piece in range(rows[row], rows[row + 1]):
            if piece > rows[row]:
                out[at] = _COMMA
                at += 1
            at = _encode(keys, key_offsets[piece], key_offsets[piece + 1], out, at)
            out[at] = _COLON
            at = _encode(texts, text_offsets[piece], text_offsets[piece + 1], out, at + 1)
        ends[row + 1] = at
    return ends, out[:at]


@compiled
def encode_scores(
    rows: Offsets, concept_offsets: Offsets, concepts: Bytes, scores: npt.NDArray[np.float32]
) -> tuple[Offsets, Bytes]:
    """Rows of ``concept:0.9510,…``, concepts raw; scores lie from 0 to below 10."""
    out = np.empty(len(concepts) + (_SCORE_BYTES + 1) * len(concept_offsets), np.uint8)
    ends = np.zeros(len(rows), np.int32)
    at = 0
    for row in range(len(rows) - 1):
        for piece in range(rows[row], rows[row + 1]):
            if piece > rows[row]:
                out[at] = _COMMA
                at += 1
            first, last = concept_offsets[piece], concept_offsets[piece + 1]
            at = _copy(concepts, first, last, out, at)
            number = np.int64(np.rint(np.float64(scores[piece]) * _TEN_THOUSAND))
            out[at], out[at + 2] = _COLON, _POINT
            out[at + 1] = _ZERO + number // _TEN_THOUSAND % 10
            for place in range(at + _SCORE_BYTES - 1, at + 2, -1):
                out[place] = _ZERO + number % 10
                number //= 10
            at += _SCORE_BYTES
        ends[row + 1] = at
    return ends, out[:at]


@compiled
def encode_places(
    rows: Offsets,
    woeids: npt.NDArray[np.int64],
    name_offsets: Offsets,
    names: Bytes,
    type_offsets: Offsets,
    types: Bytes,
) -> tuple[Offsets, Bytes]:
    """Rows of ``woeid:Name:Type,…``, the name form-encoded, the type raw."""
    n_pieces = len(woeids)
    out = np.empty(
        _ESCAPE_BYTES * len(names) + len(types) + (_NUMBER_BYTES + 2) * n_pieces, np.uint8
    )
    ends = np.zeros(len(rows), np.int32)
    at = 0
    for row in range(len(rows) - 1):
        for piece in range(rows[row], rows[row + 1]):
            if piece > rows[row]:
                out[at] = _COMMA
                at += 1
            number, begin = woeids[piece], at
            while number >= 10:
                number //= 10
                at += 1
            at += 1
            number = woeids[piece]
            for place in range(at - 1, begin - 1, -1):
                out[place] = _ZERO + number % 10
                number //= 10
            out[at] = _COLON
            at = _encode(names, name_offsets[piece], name_offsets[piece + 1], out, at + 1)
            out[at] = _COLON
            at = _copy(types, type_offsets[piece], type_offsets[piece + 1], out, at + 1)
        ends[row + 1] = at
    return ends, out[:at]

"""The dataset's hash of an item, which is the key of its persistent copy.

The readme calls it the MD5 of the identifier. It is the MD5 of the download URL, each byte
printed in hex without its leading zero: 16 to 32 characters, true of every row we have.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from yfcc.metadata.kernels import compiled
from yfcc.metadata.text import column_bytes

_HEX: Final = [f"{byte:x}" for byte in range(256)]
_HEX_DIGITS: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_LONGEST_HASH: Final = 32
#: RFC 1321, section 3.4: shifts of the four rounds, and the sines.
_SHIFTS: Final = np.repeat(
    np.array([[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]], np.int64)[
        :, None
    ],
    4,
    axis=1,
).ravel()
_SINES: Final = np.floor(np.abs(np.sin(np.arange(1, 65, dtype=np.float64))) * 2**32).astype(
    np.int64
)
_WORD: Final = 0xFFFFFFFF


def photo_hash_of(download_url: str) -> str:
    """The hash of an item.

    Examples
    --------
    >>> photo_hash_of("http://farm1.staticflickr.com/2/3_0123456789.jpg")
    'a4993ebdce48b99b97788945ba3ce'
    """
    digest = hashlib.md5(download_url.encode(), usedforsecurity=False).digest()
    return "".join([_HEX[byte] for byte in digest])


def check_hashes(
    hashes: pa.Array | pa.ChunkedArray, download_urls: pa.Array | pa.ChunkedArray
) -> tuple[pa.StringArray, int]:
    """Hashes with those that are null computed, and the others checked.

    Parameters
    ----------
    hashes, download_urls : n strings each

    Returns
    -------
    pa.StringArray
        Those that were there as they were, right or wrong. Null stays what has no URL.
    int
        How many were there and are not the hash of their URL.
    """
    there, urls = _one_array(hashes), _one_array(download_urls)
    computed = _computed(urls)
    n_mismatches = pc.sum(pc.not_equal(there, computed)).as_py() or 0
    return pc.coalesce(there, computed), int(n_mismatches)


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _computed(urls: pa.StringArray) -> pa.StringArray:
    offsets, data = column_bytes(urls)
    hash_offsets, hashes = _hash_values(offsets, data)
    return pa.StringArray.from_buffers(
        len(urls), pa.py_buffer(hash_offsets), pa.py_buffer(hashes), _validity(urls)
    )


def _validity(column: pa.Array) -> pa.Buffer | None:
    """Which values of a column, perhaps a slice, are there."""
    if not column.null_count:
        return None
    is_there = column.is_valid().to_numpy(zero_copy_only=False)
    return pa.py_buffer(np.packbits(is_there, bitorder="little"))


@compiled
def _add_block(block: npt.NDArray[np.uint8], state: npt.NDArray[np.int64]) -> None:
    """Mix 64 bytes into an MD5 (RFC 1321, section 3.4)."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    for step in range(64):
        kind = step >> 4
        if kind == 0:
            mixed, word = (b & c) | (~b & d), step
        elif kind == 1:
            mixed, word = (d & b) | (~d & c), (5 * step + 1) & 15
        elif kind == 2:
            mixed, word = b ^ c ^ d, (3 * step + 5) & 15
        else:
            mixed, word = c ^ (b | ~d), (7 * step) & 15
        at = word * 4
        value = np.int64(block[at]) | np.int64(block[at + 1]) << 8
        value |= np.int64(block[at + 2]) << 16 | np.int64(block[at + 3]) << 24
        mixed = (a + (mixed & _WORD) + _SINES[step] + value) & _WORD
        shift = _SHIFTS[step]
        mixed = (mixed << shift | mixed >> (32 - shift)) & _WORD
        a, d, c, b = d, c, b, (b + mixed) & _WORD
    state[0] = (state[0] + a) & _WORD
    state[1] = (state[1] + b) & _WORD
    state[2] = (state[2] + c) & _WORD
    state[3] = (state[3] + d) & _WORD


@compiled
def _hash_values(
    offsets: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """The hash of n values, as offsets (n + 1) and text.

    A library's MD5 takes longer to be called than to work: this is for millions of short values.
    """
    n_rows = len(offsets) - 1
    out = np.empty(n_rows * _LONGEST_HASH, np.uint8)
    out_offsets = np.zeros(n_rows + 1, np.int32)
    block, state = np.zeros(64, np.uint8), np.zeros(4, np.int64)
    n_out = 0
    for row in range(n_rows):
        first, last = np.int64(offsets[row]), np.int64(offsets[row + 1])
        n_bits = (last - first) * 8
        state[0], state[1], state[2], state[3] = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476
        while last - first >= 64:
            _add_block(data[first : first + 64], state)
            first += 64
        n_left = last - first
        block[:] = 0
        for at in range(n_left):
            block[at] = data[first + at]
        block[n_left] = 0x80
        if n_left >= 56:
            _add_block(block, state)
            block[:] = 0
        for at in range(8):
            block[56 + at] = n_bits >> (8 * at) & 0xFF
        _add_block(block, state)
        for at in range(16):
            value = state[at >> 2] >> (8 * (at & 3)) & 0xFF
            if value >= 16:
                out[n_out] = _HEX_DIGITS[value >> 4]
                n_out += 1
            out[n_out] = _HEX_DIGITS[value & 15]
            n_out += 1
        out_offsets[row + 1] = n_out
    return out_offsets, out[:n_out]

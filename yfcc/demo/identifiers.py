"""Identifiers that look like the dataset's: photo ids, hashes, upload times, servers."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

#: Ids of the ordinary kind start here; below lie the rare short ones.
_FIRST_ORDINARY_ID: Final = 20_000_000
_N_ORDINARY_IDS: Final = 14_000_000_000
#: Orphan pack rows have ids above every ordinary one.
FIRST_ORPHAN_ID: Final = 20_000_000_000

_ID_BITS: Final = 34  # the least power of two above _N_ORDINARY_IDS
_ID_MASK: Final = np.uint64(2**_ID_BITS - 1)
_HALF_SHIFT: Final = np.uint64(_ID_BITS // 2)
_ODD_MULTIPLIER: Final = np.uint64(0x2545F4914F6CDD1D)

#: One item in so many has a short id, the first of them with 2, 3, 4 and 5 digits.
_SHORT_ID_EVERY: Final = 500
_SHORT_ID_AT: Final = 250
_FIRST_SHORT_ID: Final = 100_000
_N_SHORT_IDS: Final = 2**24

#: Ids grew with time: (id, Unix second of upload), rough, read off the dataset's dates.
_ID_GROWTH: Final = (
    0,
    10**7,
    10**8,
    4 * 10**8,
    2 * 10**9,
    4 * 10**9,
    6 * 10**9,
    9 * 10**9,
    14.02e9,
)
_UPLOAD_TIMES: Final = (
    1_080_000_000,  # spring of 2004
    1_112_000_000,
    1_138_000_000,
    1_171_000_000,
    1_196_000_000,
    1_258_000_000,
    1_312_000_000,
    1_371_000_000,
    1_398_800_000,  # end of April 2014
)

_HEX_OF_BYTE: Final = tuple(f"{value:x}" for value in range(256))


def photo_hash(download_url: str) -> str:
    """The dataset's hash: MD5 of the download URL, each byte printed with ``%x``.

    Returns
    -------
    str
        16 to 32 lower-case hex digits: a byte below 16 gives one digit.
    """
    digest = hashlib.md5(download_url.encode("ascii"), usedforsecurity=False).digest()
    return "".join([_HEX_OF_BYTE[byte] for byte in digest])


def draw_photo_ids(seed: int, first: int, n_ids: int) -> Integers:
    """Ids of the items `first` to ``first + n_ids - 1``: unique, in no order, 2 to 11 digits.

    An id depends on the seed and the item's index alone: the ordinary ones are a permutation
    of the index, walked until it falls into the range of ids.
    """
    index = np.arange(first, first + n_ids, dtype=np.uint64)
    key = np.uint64(seed * 0x9E3779B97F4A7C15 % 2**_ID_BITS)
    rank = _permute(index, key)
    while (outside := rank >= _N_ORDINARY_IDS).any():
        rank[outside] = _permute(rank[outside], key)
    ids: Integers = rank.astype(np.int64) + _FIRST_ORDINARY_ID
    for position in range((_SHORT_ID_AT - first) % _SHORT_ID_EVERY, n_ids, _SHORT_ID_EVERY):
        ids[position] = _short_id(seed, (first + position) // _SHORT_ID_EVERY)
    return ids


def upload_times(photo_ids: Integers) -> Integers:
    """Unix seconds of the uploads, rising with the id."""
    times: Integers = np.interp(photo_ids, _ID_GROWTH, _UPLOAD_TIMES).astype(np.int64)
    return times


def _permute(values: npt.NDArray[np.uint64], key: np.uint64) -> npt.NDArray[np.uint64]:
    """A bijection of the numbers of `_ID_BITS` bits (odd multiplier, xor with own half)."""
    for _ in range(3):
        values = (values * _ODD_MULTIPLIER + key) & _ID_MASK
        values ^= values >> _HALF_SHIFT
    return values


def _short_id(seed: int, ordinal: int) -> int:
    if ordinal < 4:  # 2 to 5 digits, one of each in a dataset
        smallest: int = 10 ** (ordinal + 1)
        return smallest + seed * 37 % (9 * smallest)
    return _FIRST_SHORT_ID + (ordinal * 2_654_435_761 + seed) % _N_SHORT_IDS

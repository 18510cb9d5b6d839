"""Compiled loops over plain bytes: lines counted, what a column holds, numbers in digits."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.metadata.kernels import compiled

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int32]

_NEWLINE: Final = 10
_ZERO: Final = 48
_LONGEST_ID: Final = 19
_LARGEST: Final = 2**63 - 1


@compiled
def count_newlines(data: Bytes) -> int:
    """How many lines end in n bytes."""
    n_found = 0
    for at in range(len(data)):
        n_found += data[at] == _NEWLINE
    return n_found


@compiled
def holds_only(data: Bytes, allowed: npt.NDArray[np.bool_]) -> bool:
    """Whether every byte is allowed by a table of 256."""
    n_wrong = 0
    for at in range(len(data)):
        n_wrong += not allowed[data[at]]
    return n_wrong == 0


@compiled
def read_ids(offsets: Offsets, data: Bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Identifiers, ``[1-9][0-9]{0,18}`` below 2**63, of a column of n values.

    Parameters
    ----------
    offsets : n + 1
        Value i is ``data[offsets[i]:offsets[i + 1]]``.

    Returns
    -------
    int64 array, n
        0 where the value is no identifier.
    bool array, n
        True where it is one.
    """
    n_values = len(offsets) - 1
    ids = np.zeros(n_values, np.int64)
    is_id = np.zeros(n_values, np.bool_)
    for row in range(n_values):
        start, end = offsets[row], offsets[row + 1]
        if not 0 < end - start <= _LONGEST_ID or data[start] == _ZERO:
            continue
        value = np.uint64(0)  # nineteen digits stay below 2**64
        is_number = True
        for at in range(start, end):
            digit = data[at] - _ZERO
            is_number &= 0 <= digit <= 9
            value = value * np.uint64(10) + np.uint64(digit & 0xF)
        if is_number and value <= np.uint64(_LARGEST):
            ids[row] = value
            is_id[row] = True
    return ids, is_id

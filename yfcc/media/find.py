"""Looking for a few bytes in many, without a copy of them all."""

from __future__ import annotations

from typing import Final

_WINDOW_BYTES: Final = 1 << 20


def find_bytes(view: memoryview, pattern: bytes, start: int, end: int | None = None) -> int:
    """Where a pattern is found first; -1 if nowhere.

    Parameters
    ----------
    view : memoryview
    pattern : bytes
        At least one byte.
    start, end : int
        Where to look; to the last byte if no end is given.
    """
    end = len(view) if end is None else min(end, len(view))
    overlap = len(pattern) - 1
    for at in range(start, end, _WINDOW_BYTES):
        found = bytes(view[at : min(end, at + _WINDOW_BYTES + overlap)]).find(pattern)
        if found >= 0:
            return at + found
    return -1

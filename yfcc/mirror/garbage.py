"""Python's search for garbage in circles, made rarer while a run lasts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Objects that have to be new before the young ones are looked through; 700 is usual, which an
#: item's way alone makes every few items.
_N_NEW: Final = 20_000


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Leave what was loaded before out of all searches, and search less often.

    Nothing that a run makes for an item refers to itself: what the searches find is little, and
    they took a twentieth of a download's CPU time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_N_NEW, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

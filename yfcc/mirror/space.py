"""Stopping before the disk is full: a full disk is everybody's trouble."""

from __future__ import annotations

import threading
from typing import Final

from yfcc.errors import TargetError
from yfcc.mirror.store import Store

#: Items between two looks at the space left.
_ITEMS_A_LOOK: Final = 32


class SpaceGuard:
    """Stops a run before the disk is full.

    Parameters
    ----------
    store : Store
        Whose space.
    min_free_bytes : int or None
        What has to stay free; None for 1 % of the file system, at most 2 GiB.
    """

    def __init__(self, store: Store, min_free_bytes: int | None) -> None:
        self._store = store
        self._min_free_bytes = min_free_bytes
        self._lock = threading.Lock()
        self._n_items = 0

    def check(self) -> None:
        """Make sure, every few calls, that enough is left.

        Raises
        ------
        TargetError
            It is not.
        """
        with self._lock:
            is_time = self._n_items % _ITEMS_A_LOOK == 0
            self._n_items += 1
        if not is_time:
            return
        free, total = self._store.measure_space()
        floor = decide_floor(total) if self._min_free_bytes is None else self._min_free_bytes
        if free < floor:
            raise TargetError(
                f"the mirror's disk has {free:,} bytes left, {floor:,} have to stay free: free "
                "space there and run again"
            )


def decide_floor(n_bytes_total: int) -> int:
    """Bytes that have to stay free on a file system of a size: 1 %, at most 2 GiB."""
    return min(2 << 30, n_bytes_total // 100)

"""Reading the ledger ahead of a run that goes through its shards in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Final

from yfcc.mirror.bucket.segments import ShardContent, ShardObjects, read_shard_objects

if TYPE_CHECKING:
    from yfcc.mirror.bucket.objects import Objects

#: Ledger held in memory before it is wanted: eight shards of a whole mirror.
_AHEAD_BYTES: Final = 64 << 20
#: Shards that are read before they are wanted.
_N_AHEAD: Final = 32

Submit = Callable[[Callable[[], ShardContent]], Future[ShardContent]]


class LedgerAhead:
    """The ledger of the shards that a run holds, from one listing.

    A shard that the listing does not have is empty: nobody else may have added to it since.

    Parameters
    ----------
    objects : Objects
    submit : callable
        Begins to do something.
    shards : frozenset of int
        Those that the run holds.
    found : mapping of int to ShardObjects
        What there was of the ledger once the run held them.
    """

    def __init__(
        self,
        objects: Objects,
        submit: Submit,
        shards: frozenset[int],
        found: Mapping[int, ShardObjects],
    ) -> None:
        self._objects = objects
        self._submit = submit
        self._lock = threading.Lock()
        self._new = shards - found.keys()
        self._listed = {shard: found[shard] for shard in sorted(shards & found.keys())}
        self._under_way: dict[int, tuple[int, Future[ShardContent]]] = {}

    def read(self, shard: int) -> ShardContent:
        """A shard's ledger; what was read once is not kept.

        Raises
        ------
        TargetError
        """
        with self._lock:
            if shard in self._new:
                self._new -= {shard}
                return ShardContent(b"", ShardObjects(shard), 0)
            self._begin(shard)
            begun = self._under_way.pop(shard, None)
        if begun is None:
            return read_shard_objects(self._objects, shard)
        return begun[1].result()

    def _begin(self, shard: int) -> None:
        """Begin to read a shard and some that come after it."""
        n_bytes = sum(each[0] for each in self._under_way.values())
        for after in [each for each in self._listed if each >= shard]:
            found = self._listed[after]
            is_much = n_bytes + found.n_bytes > _AHEAD_BYTES or len(self._under_way) > _N_AHEAD
            if is_much and after != shard:
                return
            del self._listed[after]
            n_bytes += found.n_bytes
            read = partial(read_shard_objects, self._objects, after, found)
            self._under_way[after] = (found.n_bytes, self._submit(read))

"""A selection over a catalog, as the run wants its items: in order, and read ahead of need."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import Final

from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.selected_ids import iter_ids
from yfcc.catalog.spooled_items import SpooledItems
from yfcc.catalog.tombstones import TombstoneSet
from yfcc.mirror.plan import DownloadPlan
from yfcc.model import Item

#: The first wave is read in slices that end at these line numbers: the first of them takes a tenth
#: of a second in a catalog of any size, and each keeps the workers busy until the next is there.
FIRST_SLICES: Final = (1_000, 100_000, 1_000_000, 10_000_000)
#: Seconds between two looks whether the run is to stop.
_TICK_S: Final = 0.1


class SelectedItems:
    """The items of a plan's waves, read in the plan's order, one portion ahead of need.

    A portion is what one scan of the catalog brings: the shards of a wave, or of the first wave
    those in a slice of the lines.

    Parameters
    ----------
    catalog : Catalog
        Open until :meth:`close`; nobody else cancels what it reads.
    selection : Selection
    plan : DownloadPlan
    stop_event : threading.Event, optional
        Once it is set, nothing more is read, and whoever waits for items gets a
        ``CancelledError``.
    first_slices : tuple of int
        Line numbers, ascending.
    """

    def __init__(
        self,
        catalog: Catalog,
        selection: Selection,
        plan: DownloadPlan,
        stop_event: threading.Event | None = None,
        first_slices: tuple[int, ...] = FIRST_SLICES,
    ) -> None:
        self._catalog = catalog
        self._selection = selection
        self._plan = plan
        self._stop_event = stop_event or threading.Event()
        self._first_slices = first_slices
        self._to_read = self._iter_scans()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="yfcc-select")
        self._upcoming: Future[SpooledItems] | None = None

    def count_by_shard(self) -> Mapping[int, int]:
        """Number of selected items of each shard that has any."""
        return self._plan.counts

    def follow(self, plan: DownloadPlan) -> None:
        """From now on the waves of another plan are asked for; the last one was read to its end."""
        self._plan = plan
        self._to_read = self._iter_scans()

    def iter_ids(
        self, shards: Collection[int], removed: TombstoneSet
    ) -> Iterator[tuple[int, list[int]]]:
        """Shards, and the ids of their selected items.

        Raises
        ------
        CancelledError
            The run is to stop.
        """
        for shard, ids in iter_ids(self._catalog, self._selection, shards, removed):
            if self._stop_event.is_set():
                raise CancelledError
            yield shard, ids

    def iter_items(self, shards: Sequence[int]) -> Iterator[list[Item]]:
        """Items of the plan's next wave, by shard and directory within each portion.

        Parameters
        ----------
        shards : sequence of int
            The next of the plan's waves.

        Raises
        ------
        CancelledError
            The run is to stop.
        """
        wave = self._plan.waves.index(tuple(shards))
        for _ in self._slices_of(wave):
            with self._next_portion() as items:
                yield from items.iter_items()

    def close(self) -> None:
        """Let nothing go on in the background."""
        upcoming, self._upcoming = self._upcoming, None
        while upcoming is not None and not wait([upcoming], timeout=_TICK_S).done:
            self._catalog.cancel()
        if upcoming is not None and not upcoming.cancelled() and upcoming.exception() is None:
            upcoming.result().close()
        self._executor.shutdown()

    def _next_portion(self) -> SpooledItems:
        current = self._upcoming = self._upcoming or self._begin_next()
        while current is not None and not wait([current], timeout=_TICK_S).done:
            if self._stop_event.is_set():
                raise CancelledError
        if current is None:
            raise CancelledError  # closed meanwhile
        portion = current.result()
        self._upcoming = self._begin_next()
        return portion

    def _begin_next(self) -> Future[SpooledItems] | None:
        """Start reading the next portion; None if there is no other."""
        for counts, lines in self._to_read:
            read = self._catalog.spool_items
            return self._executor.submit(read, self._selection, counts, lines)
        return None

    def _iter_scans(self) -> Iterator[tuple[Mapping[int, int], tuple[int, int | None]]]:
        for number, wave in enumerate(self._plan.waves):
            counts = {shard: self._plan.counts[shard] for shard in wave}
            for lines in self._slices_of(number):
                yield counts, lines

    def _slices_of(self, wave: int) -> list[tuple[int, int | None]]:
        starts = [0, *self._first_slices] if wave == 0 else [0]
        return list(zip(starts, [*starts[1:], None], strict=True))

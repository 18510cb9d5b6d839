"""What a run is to do: how many items of which shards, and in what portions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from yfcc.catalog.tombstones import TombstoneSet
from yfcc.mirror.shards import format_shards
from yfcc.model import Item

#: Selected items asked of the source at a time. Each wave costs a scan of the catalog, whatever
#: its size, and waits on disk in the order of shards: about 700 bytes an item.
ITEMS_A_WAVE: Final = 4_000_000
#: The first one is smaller: it is read in several slices while the workers wait, and the ledgers
#: of all its shards are open until the last of them.
ITEMS_OF_FIRST_WAVE: Final = 200_000


class ItemSource(Protocol):
    """Where the selected items come from: a selection over a catalog.

    Called from one thread, which is not the caller's of the run. Where it raises
    ``CancelledError`` the run is to stop; it ends without complaint.
    """

    def count_by_shard(self) -> Mapping[int, int]:
        """Number of selected items of each shard that has any."""

    def follow(self, plan: DownloadPlan) -> None:
        """From now on the waves of another plan are asked for, beginning with the first."""

    def iter_ids(
        self, shards: Collection[int], removed: TombstoneSet
    ) -> Iterator[tuple[int, list[int]]]:
        """Shards, and the ids of their selected items.

        Much quicker than the items; for shards of which all may be known.

        Parameters
        ----------
        shards : collection of int
        removed : TombstoneSet
            Items whose user or hash it names are left out.
        """

    def iter_items(self, shards: Sequence[int]) -> Iterator[list[Item]]:
        """Selected items of some shards, in batches.

        Best ordered by shard and within it by the first six digits of the id: then few shards
        are open at a time, and a directory's files are made durable together. Any order works.
        Called once for each wave, in the plan's order.
        """


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """The work of a run.

    Attributes
    ----------
    counts : mapping of int to int
        Selected items by shard, shards without any left out.
    waves : tuple of tuple of int
        The shards, ascending, in portions.
    licenses : mapping of int to mapping of str to int
        Selected items of each shard by licence; ``unknown`` for those without one.
    """

    counts: Mapping[int, int]
    waves: tuple[tuple[int, ...], ...]
    licenses: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    @property
    def n_selected(self) -> int:
        """Selected items."""
        return sum(self.counts.values())

    @property
    def shards(self) -> frozenset[int]:
        """Shards with selected items."""
        return frozenset(self.counts)

    def count_licenses(self) -> dict[str, int]:
        """Selected items by licence, the most frequent first."""
        found: Counter[str] = Counter()
        for shard in self.counts:
            found.update(self.licenses.get(shard, {}))
        return dict(found.most_common())

    def describe_shards(self) -> str:
        """The shards as a list of ranges."""
        return format_shards(self.counts)


def plan_download(
    counts: Mapping[int, int],
    shards: frozenset[int] | None = None,
    items_a_wave: int = ITEMS_A_WAVE,
    licenses: Mapping[int, Mapping[str, int]] = MappingProxyType({}),
) -> DownloadPlan:
    """Plan a run over the shards that have selected items.

    Parameters
    ----------
    counts : mapping of int to int
        Selected items by shard.
    shards : frozenset of int, optional
        Only these.
    items_a_wave : int
        A wave has at most as many selected items, or one shard; the first at most
        ``ITEMS_OF_FIRST_WAVE``.
    licenses : mapping of int to mapping of str to int
        Selected items of each shard by licence, for the record.
    """
    chosen = {
        shard: counts[shard]
        for shard in sorted(counts)
        if counts[shard] > 0 and (shards is None or shard in shards)
    }
    waves: list[tuple[int, ...]] = []
    wave: list[int] = []
    n_items = 0
    for shard, n_selected in chosen.items():
        limit = items_a_wave if waves else min(items_a_wave, ITEMS_OF_FIRST_WAVE)
        if wave and n_items + n_selected > limit:
            waves.append(tuple(wave))
            wave, n_items = [], 0
        wave.append(shard)
        n_items += n_selected
    if wave:
        waves.append(tuple(wave))
    known = {shard: licenses[shard] for shard in chosen if shard in licenses}
    return DownloadPlan(chosen, tuple(waves), known)

"""How many items are selected, by shard, licence and kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

#: What counts by licence call items that have none.
UNKNOWN_LICENSE: Final = "unknown"


@dataclass(frozen=True, slots=True)
class SelectionCounts:
    """Numbers of selected items.

    Attributes
    ----------
    rows : tuple of (int, str or None, str, int)
        Shard, licence, media kind, number of items; no two agree in the first three.
    """

    rows: tuple[tuple[int, str | None, str, int], ...]

    def by_shard(self) -> dict[int, int]:
        """Items of each shard that has any."""
        found: Counter[int] = Counter()
        for shard, _, _, n_items in self.rows:
            found[shard] += n_items
        return dict(found)

    def licenses_by_shard(self) -> dict[int, dict[str, int]]:
        """Items of each shard by licence; ``unknown`` for those without one."""
        found: dict[int, Counter[str]] = {}
        for shard, license_, _, n_items in self.rows:
            found.setdefault(shard, Counter())[license_ or UNKNOWN_LICENSE] += n_items
        return {shard: dict(counts) for shard, counts in found.items()}

    def by_license(self, shards: Collection[int]) -> dict[str | None, int]:
        """Items of some shards by licence, the most frequent first."""
        found: Counter[str | None] = Counter()
        for shard, license_, _, n_items in self.rows:
            if shard in shards:
                found[license_] += n_items
        return dict(found.most_common())

    def by_kind(self, shards: Collection[int]) -> dict[str, int]:
        """Items of some shards by media kind."""
        found: Counter[str] = Counter()
        for shard, _, kind, n_items in self.rows:
            if shard in shards:
                found[kind] += n_items
        return dict(found)

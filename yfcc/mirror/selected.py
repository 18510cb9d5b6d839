"""A selection over a catalog, as the run wants its items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.model import Item


@dataclass(frozen=True, slots=True)
class SelectedItems:
    """The items of a selection.

    Attributes
    ----------
    catalog : Catalog
        Open while the run lasts.
    selection : Selection
    """

    catalog: Catalog
    selection: Selection

    def count_by_shard(self) -> Mapping[int, int]:
        """Number of selected items of each shard that has any."""
        return self.catalog.count_by_shard(self.selection)

    def iter_items(self, shards: Sequence[int]) -> Iterator[list[Item]]:
        """Selected items of some shards, by shard and directory."""
        return self.catalog.iter_items(self.selection, shards)

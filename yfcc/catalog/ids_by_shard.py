"""The ids of a selection in the order of shards, for what is joined with a mirror's ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.catalog.connection import target_errors
from yfcc.catalog.reader import Catalog
from yfcc.catalog.scratch import Scratch
from yfcc.catalog.select import Selection
from yfcc.catalog.spool import Spool

_SCAN_ROWS: Final = 65_536
#: Two numbers a row: 16 MB at a time, or one shard.
_ROWS_A_PORTION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class IdsByShard:
    """The ids that a selection picks.

    Attributes
    ----------
    counts : mapping of int to int
        Number of ids by shard; no shard without any.
    """

    counts: Mapping[int, int]
    _spool: Spool

    def iter_shards(self) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Each shard that has any, ascending, and its ids by media directory, then by id; once."""
        for batch in self._spool.iter_sorted(max(_ROWS_A_PORTION, *self.counts.values(), 0)):
            ids = batch.column("photo_id").to_numpy()
            shards = batch.column("shard").to_numpy()
            starts = np.flatnonzero(np.diff(shards, prepend=-1))
            for start, end in zip(starts, [*starts[1:], len(shards)], strict=True):
                yield int(shards[start]), ids[start:end]


@contextmanager
def open_ids_by_shard(catalog: Catalog, selection: Selection) -> Iterator[IdsByShard]:
    """Read the selected ids; memory is some 50 MB beside DuckDB's, the rest is on disk.

    Raises
    ------
    UsageError
        The selection cannot be computed, or names what the catalog does not know.
    TargetError
        There is no room to put them in order.
    """
    counts = catalog.count(selection).by_shard()
    scratch = Scratch(catalog.path)
    try:
        with Spool(counts, scratch.path, _ROWS_A_PORTION) as spool, target_errors(catalog.path):
            with catalog.selecting(selection) as (cursor, condition):
                query = f"SELECT photo_id, shard FROM items WHERE {condition}"
                for batch in cursor.sql(query).to_arrow_reader(_SCAN_ROWS):
                    spool.add(batch)
            yield IdsByShard(counts, spool)
    finally:
        scratch.close()

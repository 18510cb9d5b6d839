"""The ids of a selection, without anything else of its items."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from yfcc.catalog.connection import target_errors
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection, in_shards
from yfcc.catalog.spool import numbers_of
from yfcc.catalog.tombstones import TombstoneSet

#: Columns that removals may name, beside the id.
_MARKS: Final = ("user_nsid", "photo_hash")
_BATCH_ROWS: Final = 1 << 17


def iter_ids(
    catalog: Catalog, selection: Selection, shards: Collection[int], removed: TombstoneSet
) -> Iterator[tuple[int, list[int]]]:
    """The selected items of some shards by their ids, in one scan of two columns.

    Parameters
    ----------
    catalog : Catalog
    selection : Selection
    shards : collection of int
        Memory is about 50 bytes for each of their selected items.
    removed : TombstoneSet
        Items whose user or hash it names are left out; ids are not looked at.

    Yields
    ------
    tuple of int and list of int
        A shard and its items, in no order; shards ascending, those without items left out.

    Raises
    ------
    UsageError
        The selection cannot be computed.
    TargetError
        There is no room to compute it.
    """
    named = (list(removed.users), list(removed.hashes))
    with catalog.selecting(selection, shards) as (cursor, condition), target_errors(catalog.path):
        conditions = [f"({condition})", in_shards(shards)]
        for column, values in zip(_MARKS, named, strict=True):
            if values:
                cursor.register(f"removed_{column}", pa.table({column: values}))
                listed = f"(SELECT {column} FROM removed_{column})"
                conditions.append(f"coalesce({column} NOT IN {listed}, true)")
        query = f"SELECT shard, photo_id FROM items WHERE {' AND '.join(conditions)}"
        table = cursor.sql(query).to_arrow_reader(_BATCH_ROWS).read_all().combine_chunks()
    if not table.num_rows:
        return
    numbers = numbers_of(table.column("shard").chunk(0))
    order = np.argsort(numbers, kind="stable")
    ids = numbers_of(table.column("photo_id").chunk(0))[order]
    found, starts = np.unique(numbers[order], return_index=True)
    for shard, part in zip(found.tolist(), np.split(ids, starts[1:]), strict=True):
        yield shard, part.tolist()

"""Selected ids, shard by shard."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from yfcc.catalog.ids_by_shard import IdsByShard
from yfcc.catalog.spool import Spool
from yfcc.model import id_prefix


def test_ids_come_by_shard_then_directory_then_id(tmp_path: Path) -> None:
    scattered = {
        7: [420_715_3986, 420_715_12, 420_715_4, 99],
        4_095: [5, 6_000_000_001, 6_000_000_000],
        0: [1],
    }
    counts = {shard: len(ids) for shard, ids in scattered.items()}
    with Spool(counts, tmp_path) as spool:
        for shard, ids in scattered.items():
            batch = {"photo_id": ids, "shard": [shard] * len(ids)}
            spool.add(pa.RecordBatch.from_pydict(batch))
        found = [(shard, ids.tolist()) for shard, ids in IdsByShard(counts, spool).iter_shards()]
    assert found == [
        (shard, sorted(scattered[shard], key=lambda each: (id_prefix(each), each)))
        for shard in sorted(scattered)
    ]


def test_no_selected_id_is_no_shard(tmp_path: Path) -> None:
    with Spool({}, tmp_path) as spool:
        assert list(IdsByShard({}, spool).iter_shards()) == []

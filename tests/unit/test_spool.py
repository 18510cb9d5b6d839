"""Rows come out of a spool in order, whether or not they had to wait on disk."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from yfcc.catalog import spool as spool_module
from yfcc.catalog.spool import Spool
from yfcc.model import shard_of


def rows(n_rows: int, seed: int) -> list[dict[str, object]]:
    numbers = random.Random(seed)
    ids = [numbers.randrange(1, 10 ** numbers.randrange(1, 12)) for _ in range(n_rows)]
    return [{"photo_id": i, "shard": shard_of(i), "document": f"{i}" * 20} for i in set(ids)]


@pytest.mark.parametrize("bytes_in_memory", [1, 40_000, 1 << 30])
@pytest.mark.parametrize("rows_a_portion", [1, 300, 10**6])
def test_rows_come_by_shard_directory_and_id(
    bytes_in_memory: int, rows_a_portion: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_BYTES_IN_MEMORY", bytes_in_memory)
    wanted = rows(1_500, seed=rows_a_portion)
    counts = Counter(row["shard"] for row in wanted)
    with Spool(counts, tmp_path, rows_a_portion) as spool:
        for start in range(0, len(wanted), 100):
            spool.add(pa.RecordBatch.from_pylist(wanted[start : start + 100]))
        batches = list(spool.iter_sorted(64))
    assert max(batch.num_rows for batch in batches) <= 64
    found = [row for batch in batches for row in batch.to_pylist()]
    assert found == sorted(
        wanted, key=lambda row: (row["shard"], int(str(row["photo_id"])[:6]), row["photo_id"])
    )
    assert not list(tmp_path.iterdir())


def test_an_empty_spool_brings_nothing(tmp_path: Path) -> None:
    with Spool({}, tmp_path) as spool:
        assert not list(spool.iter_sorted(10))

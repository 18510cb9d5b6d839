"""One rule of shards, written three times: in Python, in SQL and for whole columns."""

from __future__ import annotations

import random

import duckdb
import numpy as np

from yfcc.catalog.sqlfiles import read_sql
from yfcc.catalog.windows import shards_of
from yfcc.model import N_SHARDS, id_prefix, media_directory, shard_of

RNG = random.Random(7)
EDGES = [edge for power in range(1, 19) for edge in (10**power - 1, 10**power, 10**power + 1)]
PHOTO_IDS = sorted(
    {1, 7, 42, *EDGES, 2**31, 2**32, 2**53, 2**63 - 1, 6900010002}
    | {RNG.randrange(1, 10 ** RNG.randrange(1, 20)) % (2**63 - 1) + 1 for _ in range(2000)}
)


def test_python_sql_and_columns_agree_on_every_shard():
    wanted = [shard_of(photo_id) for photo_id in PHOTO_IDS]
    assert shards_of(np.array(PHOTO_IDS, np.int64)).tolist() == wanted
    with duckdb.connect() as connection:
        connection.execute(read_sql("schema/shard_of.sql"))
        rows = connection.execute(
            "SELECT shard_of(id) FROM (SELECT unnest(?::BIGINT[]) AS id)", [PHOTO_IDS]
        ).fetchall()
    assert [row[0] for row in rows] == wanted


def test_shards_are_0_to_4095_and_all_are_used():
    shards = shards_of(np.arange(100_000, 1_000_000, 7, dtype=np.int64))
    assert (shards.min(), shards.max()) == (0, N_SHARDS - 1)
    assert len(np.unique(shards)) == N_SHARDS


def test_no_shard_gets_much_more_than_its_share():
    shards = shards_of(np.arange(100_000, 1_000_000, dtype=np.int64))
    counts = np.bincount(shards, minlength=N_SHARDS)
    assert counts.max() < 1.5 * counts.mean()


def test_all_ids_of_one_directory_have_one_shard():
    shard_by_directory: dict[str, int] = {}
    for prefix in (100_000, 123456, 690_001, 999_999):
        for n_more in range(13):
            low = prefix * 10**n_more
            for photo_id in (low, low + 10**n_more - 1, low + RNG.randrange(10**n_more)):
                directory = media_directory(photo_id)
                assert shard_by_directory.setdefault(directory, shard_of(photo_id)) == shard_of(
                    photo_id
                )
    assert len(shard_by_directory) == 4


def test_directories_are_the_first_six_digits():
    assert media_directory(6900010002) == "media/690/001"
    assert id_prefix(690001) == ("690", "001")
    assert id_prefix(7) == ("000", "007")
    assert id_prefix(12345) == ("012", "345")
    assert id_prefix(2**63 - 1) == ("922", "337")

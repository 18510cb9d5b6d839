"""Runs, kills, full disks, other selections, removals, damage and repair in any order.

``YFCC_WALK_STEPS=20000 YFCC_WALK_SEED=1000 pytest tests/flow/test_mirror_interleaving.py`` takes
more steps, from other seeds.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.fakes.mirror_checks import media_file, read_records
from tests.fakes.mirror_walk import STEPS, Walk, take_walk

N_STEPS = int(os.environ.get("YFCC_WALK_STEPS", "500"))
FIRST_SEED = int(os.environ.get("YFCC_WALK_SEED", "0"))
#: The mirror of a walk keeps a file of every run.
STEPS_A_WALK = 100


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + N_STEPS // STEPS_A_WALK))
def test_ledger_and_disk_stay_one_whatever_happens(tmp_path: Path, seed: int) -> None:
    walk = take_walk(tmp_path / "mirror", seed, STEPS_A_WALK)
    assert walk.n_steps.total() == STEPS_A_WALK
    assert walk.n_steps.keys() <= STEPS.keys()
    shutil.rmtree(walk.root)


def test_a_walk_sees_what_goes_wrong_behind_its_back(tmp_path: Path) -> None:
    walk = Walk(tmp_path / "mirror", random.Random(1))
    walk.finish()
    photo_id = next(iter(read_records(walk.root)))
    media = media_file(walk.root, photo_id)
    content = media.read_bytes()
    media.write_bytes(content[:-1])
    with pytest.raises(AssertionError, match="not as recorded"):
        walk.check()
    media.write_bytes(content)
    walk.check()
    record = next(iter(walk.root.glob("ledger/runs/*.json")))
    record.write_bytes(record.read_bytes() + b" ")
    with pytest.raises(AssertionError, match="another's counts"):
        walk.check()

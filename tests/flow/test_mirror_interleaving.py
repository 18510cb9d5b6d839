"""Runs, failing disks, damage and repair in any order: ledger and disk stay one."""

from __future__ import annotations

import errno
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.mirror_checks import check_invariants, download, media_file, read_records
from tests.fakes.mirror_disk import FailingDisk, SmallDisk
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.errors import TargetError
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.disk import Disk
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.root import open_mirror
from yfcc.mirror.status import read_status
from yfcc.model import Outcome

ITEMS = make_items(60)
OPERATIONS = ("write", "fsync", "fdatasync", "rename", "open", "close", "unlink", "mkdir")


def some_disk(chance: random.Random) -> Disk:
    kind = chance.randrange(3)
    if kind == 0:
        return FailingDisk(chance.choice(OPERATIONS), chance.randrange(1, 120), errno.EIO)
    return SmallDisk(chance.randrange(100_000)) if kind == 1 else Disk()


def some_run(root: Path, chance: random.Random) -> None:
    """A run over some of the items, whatever comes of it."""
    chosen = [item for item in ITEMS if chance.random() < 0.5]
    weights = [6, 1, 1]
    drawn = {
        item.photo_id: chance.choices([Outcome.STORED, Outcome.FAILED, Outcome.GONE], weights)[0]
        for item in chosen
    }
    recorded = read_records(root)
    acquire = FakeAcquire(drawn.__getitem__)
    options = {"n_workers": chance.randrange(1, 5), "limits": GroupLimits(chance.randrange(1, 9))}
    try:
        summary = download(root, chosen, acquire, some_disk(chance), **options)
    except TargetError:
        pass
    else:
        assert summary.n_selected == len(chosen) == sum(summary.outcomes.values())
    final = {each for each, record in recorded.items() if record["outcome"] != "failed"}
    assert not final & set(acquire.asked)


def some_damage(root: Path, chance: random.Random) -> None:
    """Damage to a stored item, taken back, even if the disk fails in between."""
    stored = [each for each, record in read_records(root).items() if record["outcome"] == "stored"]
    if not stored:
        return
    media = media_file(root, chance.choice(stored))
    chance.choice([media, media.with_suffix(".json")]).unlink()
    try:
        with open_mirror(root, some_disk(chance)) as mirror:
            repair_mirror(mirror)
    except TargetError:
        with open_mirror(root) as mirror:
            repair_mirror(mirror)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_runs_faults_damage_and_repair(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    download(tmp_path, [])
    for _ in range(25):
        step = some_damage if chance.random() < 0.2 else some_run
        step(tmp_path, chance)
        check_invariants(tmp_path)
        records = read_records(tmp_path)
        with open_mirror(tmp_path) as mirror:
            status = read_status(mirror)
        assert status.outcomes == Counter(record["outcome"] for record in records.values())
        assert status.n_bytes == sum(record["n_bytes"] or 0 for record in records.values())
    summary = download(tmp_path, ITEMS)
    assert summary.exit_code == 0
    assert not list(tmp_path.glob("tmp/*"))

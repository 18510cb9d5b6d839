"""Runs that ask again for what is stored, and are killed between the files and their records."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_checks import check_invariants, download, media_file, read_records
from tests.fakes.mirror_items import FakeAcquire, make_items, media_bytes
from tests.fakes.mirror_killed_again import LaterClock
from yfcc.catalog.tombstones import Kind, Reason, Tombstone
from yfcc.mirror.findings import Problem, VerifySummary
from yfcc.mirror.forget import forget
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.root import open_mirror
from yfcc.mirror.verify import verify_mirror

REPOSITORY = Path(__file__).parents[2]
ITEMS = make_items(3)


def repair(root: Path) -> VerifySummary:
    with open_mirror(root) as mirror:
        return repair_mirror(mirror)


def verify(root: Path) -> VerifySummary:
    with open_mirror(root) as mirror:
        return verify_mirror(mirror)


def ask_again(root: Path, acquire: FakeAcquire) -> None:
    download(root, ITEMS, acquire, force=True, clock=LaterClock())


def lose_records(root: Path, acquire: FakeAcquire, *, keep_old_media: bool = False) -> None:
    """A run that asks again for everything, and whose records never arrive."""
    old = [*root.glob("ledger/*.jsonl"), *(root.glob("media/*/*/*.jpg") if keep_old_media else ())]
    kept = {path: path.read_bytes() for path in old}
    ask_again(root, acquire)
    for path, content in kept.items():
        path.write_bytes(content)


def has_both_new(root: Path, photo_id: int, n_bytes: int) -> bool:
    """Whether an item's JSON and media are of the second run."""
    media = media_file(root, photo_id)
    said = f'"n_bytes":{n_bytes},'.encode()
    return media.stat().st_size == n_bytes and said in media.with_suffix(".json").read_bytes()


@pytest.mark.parametrize(
    ("n_bytes", "operations"), [(3_000, "rename"), (4_000, "write,rename,fdatasync,unlink")]
)
def test_a_kill_while_stored_items_are_asked_for_again_costs_no_fetch(
    tmp_path: Path, n_bytes: int, operations: str
) -> None:
    command = [sys.executable, "-m", "tests.fakes.mirror_killed_again", tmp_path]
    subprocess.run(
        [*command, str(len(ITEMS)), str(n_bytes), operations],
        cwd=REPOSITORY,
        check=True,
    )
    roots = sorted(tmp_path.iterdir())
    n_adopted = 0
    for root in roots:
        # Only where the JSON names other bytes than there are is there nothing to record.
        whole = {
            item.photo_id
            for item in ITEMS
            if n_bytes == 3_000
            or has_both_new(root, item.photo_id, n_bytes)
            or has_both_new(root, item.photo_id, 3_000)
        }
        assert verify(root).damages == []  # nobody has to repair anything
        summary = download(root, ITEMS, acquire := FakeAcquire(n_bytes=n_bytes))
        assert set(acquire.asked) == {item.photo_id for item in ITEMS} - whole
        assert sum(summary.outcomes.values()) == len(ITEMS)
        n_adopted += summary.n_adopted
        check_invariants(root)
    assert n_adopted >= len(ITEMS)
    count_cases(len(roots))


def test_what_is_newer_than_its_record_is_recorded_as_it_is(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    before = read_records(tmp_path)
    # Media of another name are removed after the record is there.
    lose_records(tmp_path, FakeAcquire(n_bytes=4_000, extension="png"), keep_old_media=True)
    assert {each.problem for each in verify(tmp_path).damages} == {Problem.JSON_CHANGED}
    found = repair(tmp_path)
    assert (len(found.damages), found.n_recorded, found.n_repaired) == (3, 3, 0)
    for photo_id, record in read_records(tmp_path).items():
        assert record["fetched_at"] > before[photo_id]["fetched_at"]
        assert record["path"].endswith(f"/{photo_id}.png")
        assert record["n_bytes"] == 4_000
        assert record["sha256"] == hashlib.sha256(media_bytes(photo_id, 4_000)).hexdigest()
        assert not media_file(tmp_path, photo_id).exists()
    left = verify(tmp_path)
    assert (left.damages, left.orphans) == ([], [])
    download(tmp_path, ITEMS, again := FakeAcquire())
    assert not again.asked


def test_what_is_older_than_its_record_is_taken_back(tmp_path: Path) -> None:
    root, copy = tmp_path / "mirror", tmp_path / "copy"
    download(root, ITEMS)
    shutil.copytree(root / "media", copy)
    ask_again(root, FakeAcquire())
    shutil.rmtree(root / "media")
    shutil.copytree(copy, root / "media")
    found = repair(root)
    assert (found.n_recorded, found.n_repaired) == (0, 3)
    assert {record["outcome"] for record in read_records(root).values()} == {"failed"}


def test_bytes_that_were_removed_for_good_are_not_recorded(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    lose_records(tmp_path, FakeAcquire(n_bytes=4_000))
    banned = ITEMS[0].photo_id
    digest = hashlib.sha256(media_bytes(banned, 4_000)).hexdigest()
    with open_mirror(tmp_path) as mirror:
        forget(mirror, [Tombstone(Kind.SHA256, digest, Reason.UNWANTED, "2026-11-21")])
    found = repair(tmp_path)
    assert (found.n_recorded, found.n_repaired) == (2, 1)
    assert read_records(tmp_path)[banned]["outcome"] == "failed"
    assert not media_file(tmp_path, banned).exists()

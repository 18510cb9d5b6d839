"""Verification reads every byte again, and repair takes back what is not as recorded."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.fakes.mirror_checks import check_invariants, download, media_file, read_records
from tests.fakes.mirror_disk import FailingDisk
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.errors import LockedError, TargetError, VerifyError
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.root import open_mirror
from yfcc.mirror.status import read_status
from yfcc.mirror.verify import Problem, VerifySummary, verify_mirror
from yfcc.model import Outcome

ITEMS = make_items(12)


def verify(root: Path) -> VerifySummary:
    with open_mirror(root) as mirror:
        return verify_mirror(mirror)


def repair(root: Path) -> VerifySummary:
    with open_mirror(root) as mirror:
        return repair_mirror(mirror)


def break_something(root: Path, problem: Problem, photo_id: int) -> None:
    media = media_file(root, photo_id)
    document = media.with_suffix(".json")
    if problem is Problem.MISSING:
        media.unlink()
    elif problem is Problem.CHANGED:
        content = bytearray(media.read_bytes())
        content[1_000] ^= 1
        media.write_bytes(content)
    elif problem is Problem.UNREADABLE:
        media.rename(root / "moved")
        media.symlink_to(root / "moved")
    elif problem is Problem.JSON_MISSING:
        document.unlink()
    else:
        document.write_bytes(document.read_bytes().replace(b'"n_bytes":3000', b'"n_bytes":3001'))


def test_a_mirror_as_recorded_is_clean(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    summary = verify(tmp_path)
    assert (summary.n_items, summary.n_bytes, summary.damages) == (12, 36_000, [])
    summary.raise_if_damaged()


@pytest.mark.parametrize("problem", [each for each in Problem if each != "ledger_damaged"])
def test_damage_is_found_taken_back_and_fetched_anew(tmp_path: Path, problem: Problem) -> None:
    download(tmp_path, ITEMS)
    damaged = ITEMS[4].photo_id
    break_something(tmp_path, problem, damaged)
    summary = verify(tmp_path)
    (damage,) = summary.damages
    assert damage.problem is problem
    assert damage.path.startswith(f"media/{str(damaged)[:3]}/{str(damaged)[3:6]}/{damaged}.")
    with pytest.raises(
        VerifyError, match=f"1 of 12 stored items are damaged: .*{problem}"
    ) as found:
        summary.raise_if_damaged()
    assert found.value.exit_code == 8
    repaired = repair(tmp_path)
    assert repaired.n_repaired == 1
    with pytest.raises(VerifyError, match="run the download again"):
        repaired.raise_if_damaged()
    record = read_records(tmp_path)[damaged]
    assert record["outcome"] == "failed"
    assert record["last_error"].startswith("verify: media/")
    assert (record["path"], record["sha256"], record["n_bytes"]) == (None, None, None)
    assert not list(media_file(tmp_path, damaged).parent.glob(f"{damaged}.*"))
    with open_mirror(tmp_path) as mirror:
        status = read_status(mirror)
    assert (status.outcomes, status.n_bytes) == ({"failed": 1, "stored": 11}, 33_000)
    again = download(tmp_path, ITEMS, acquire := FakeAcquire())
    assert acquire.asked == {damaged: 1}
    assert again.outcomes == {"already_stored": 11, "stored": 1}
    check_invariants(tmp_path)


def test_a_flipped_bit_in_a_ledger_is_damage_that_costs_no_fetch(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    extra = make_items(200, step=3)
    download(tmp_path, extra)
    ledger = max(
        tmp_path.glob("ledger/*.jsonl"), key=lambda path: path.read_bytes().count(b"commit")
    )
    content = bytearray(ledger.read_bytes())
    content[40] ^= 1
    ledger.write_bytes(content)
    (damage,) = verify(tmp_path).damages
    assert damage.problem is Problem.LEDGER_DAMAGED
    assert damage.path == f"ledger/{ledger.name}"
    assert repair(tmp_path).n_repaired == 0
    assert verify(tmp_path).damages == []
    summary = download(tmp_path, extra, acquire := FakeAcquire())
    assert not acquire.asked
    assert summary.outcomes == {"already_stored": 200}
    assert summary.n_adopted > 0
    check_invariants(tmp_path)


def test_items_without_media_need_none(tmp_path: Path) -> None:
    download(tmp_path, ITEMS, FakeAcquire(lambda _: Outcome.GONE))
    assert (verify(tmp_path).n_items, verify(tmp_path).damages) == (0, [])


def test_repair_waits_for_no_running_download(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    break_something(tmp_path, Problem.MISSING, ITEMS[0].photo_id)
    with (
        open_mirror(tmp_path) as mirror,
        claim_shards(mirror, frozenset(range(4096)), "run-1", "now"),
        pytest.raises(LockedError),
    ):
        repair(tmp_path)
    assert read_records(tmp_path)[ITEMS[0].photo_id]["outcome"] == "stored"


def test_a_disk_that_cannot_be_read_at_all_is_no_damage(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    disk = FailingDisk("open", 20, errno.EMFILE)
    with open_mirror(tmp_path, disk) as mirror, pytest.raises(TargetError, match="ulimit"):
        repair_mirror(mirror, n_workers=1)
    assert {record["outcome"] for record in read_records(tmp_path).values()} == {"stored"}


@pytest.mark.parametrize("operation", ["write", "fsync", "fdatasync", "unlink", "rename"])
def test_a_repair_that_fails_half_through_can_be_done_again(tmp_path: Path, operation: str) -> None:
    n = 0
    while True:
        n += 1
        root = tmp_path / str(n)
        download(root, ITEMS)
        for number, problem in enumerate([Problem.MISSING, Problem.CHANGED, Problem.JSON_CHANGED]):
            break_something(root, problem, ITEMS[number].photo_id)
        disk = FailingDisk(operation, n)
        try:
            with open_mirror(root, disk) as mirror:
                repair_mirror(mirror)
        except TargetError:
            assert disk.has_failed
        repair(root)
        assert verify(root).damages == []
        assert sum(download(root, ITEMS).outcomes.values()) == len(ITEMS)
        check_invariants(root)
        if not disk.has_failed:
            break

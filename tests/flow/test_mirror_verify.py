"""Verification reads every byte again, and repair takes back what is not as recorded."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.fakes.mirror_checks import check_invariants, download, media_file, read_records
from tests.fakes.mirror_disk import FailingDisk, SmallDisk
from tests.fakes.mirror_items import FakeAcquire, FakeAcquired, make_items, media_bytes
from tests.fakes.pictures import jpeg
from yfcc.catalog.tombstones import Kind, Reason, Tombstone
from yfcc.errors import LockedError, TargetError, VerifyError
from yfcc.media.sink import Sink
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.disk import Disk
from yfcc.mirror.findings import Problem, VerifySummary
from yfcc.mirror.forget import forget
from yfcc.mirror.ledger import seal_lines
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.root import open_mirror
from yfcc.mirror.same_bytes import find_shared_bytes
from yfcc.mirror.status import read_status
from yfcc.mirror.verify import VerifyOptions, verify_mirror
from yfcc.model import Item, Outcome

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


OF_ITEMS = [
    problem
    for problem in Problem
    if problem not in {Problem.LEDGER_DAMAGED, Problem.UNDECODABLE, Problem.EXTRA}
]


@pytest.mark.parametrize("problem", OF_ITEMS)
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


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b"Title", b"Tit1e", 1),
        lambda text: text.replace(b'"cat":0.75', b'"cat":0.76'),
        lambda text: text + b" ",
        lambda text: text.replace(b"train-ai=n", b"train-ai=y"),
    ],
    ids=["title", "autotag", "a blank", "rights"],
)
def test_any_byte_of_a_json_counts(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    download(tmp_path, ITEMS)
    damaged = ITEMS[4].photo_id
    path = media_file(tmp_path, damaged, "json")
    good = path.read_bytes()
    path.write_bytes(spoil(good))
    assert path.read_bytes() != good
    (damage,) = repair(tmp_path).damages
    assert (damage.problem, damage.record.photo_id) == (Problem.JSON_CHANGED, damaged)
    assert f"CRC-32 {zlib.crc32(spoil(good)):08x} instead of {zlib.crc32(good):08x}" in damage.got
    assert read_records(tmp_path)[damaged].get("document_crc32") is None
    download(tmp_path, ITEMS, acquire := FakeAcquire())
    assert acquire.asked == {damaged: 1}
    assert b"Tit1e" not in path.read_bytes()
    check_invariants(tmp_path)


def test_a_json_whose_record_is_of_an_earlier_version_is_compared_by_its_members(
    tmp_path: Path,
) -> None:
    download(tmp_path, ITEMS)
    for ledger in tmp_path.glob("ledger/???.jsonl"):
        lines = ledger.read_bytes().splitlines(keepends=True)
        records = [orjson.loads(line) for line in lines if not line.startswith(b'{"commit"')]
        assert all(record.pop("document_crc32") for record in records)
        old = [orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in records]
        ledger.write_bytes(seal_lines(b"".join(old)))
    check_invariants(tmp_path)
    break_something(tmp_path, Problem.JSON_CHANGED, ITEMS[4].photo_id)
    assert [damage.problem for damage in verify(tmp_path).damages] == [Problem.JSON_CHANGED]
    # Those that are found on disk without a record are known byte for byte again.
    for ledger in tmp_path.glob("ledger/???.jsonl"):
        ledger.unlink()
    download(tmp_path, ITEMS)
    assert all(record["document_crc32"] for record in read_records(tmp_path).values())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b'"width":500', b'"width":501'), (b'"stored":1}', b'"stored":3}'), (b":3000}}", b":3001}}")],
    ids=["a record", "a count", "bytes"],
)
def test_a_flipped_bit_in_the_last_commit_is_no_torn_end(
    tmp_path: Path, right: bytes, wrong: bytes
) -> None:
    download(tmp_path, ITEMS)
    ledger = min(tmp_path.glob("ledger/???.jsonl"))
    content = ledger.read_bytes()
    assert content.count(b"commit") == 1
    ledger.write_bytes(content.replace(right, wrong))
    (damage,) = repair(tmp_path).damages
    assert damage.problem is Problem.LEDGER_DAMAGED
    assert verify(tmp_path).damages == []
    with open_mirror(tmp_path) as mirror:
        assert read_status(mirror).outcomes == Counter(
            record["outcome"] for record in read_records(tmp_path).values()
        )
    download(tmp_path, ITEMS, acquire := FakeAcquire())
    assert not acquire.asked
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
        repair_mirror(mirror)
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


def verify_as(root: Path, **options: object) -> VerifySummary:
    with open_mirror(root) as mirror:
        return verify_mirror(mirror, VerifyOptions(**options))  # type: ignore[arg-type]


def describe(summary: VerifySummary) -> list[tuple[str, str]]:
    return sorted((damage.problem.value, damage.path) for damage in summary.damages)


def test_what_no_run_leaves_behind_is_extra_and_stays(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    leaf = media_file(tmp_path, ITEMS[0].photo_id).parent
    top = leaf.parent
    extra = [
        leaf / "notes.txt",
        leaf / f"{ITEMS[0].photo_id}.exe",
        leaf / "9999999999.jpg",
        media_file(tmp_path, 4_207_150_000 + 1),
        top / "thumbs.db",
        tmp_path / "media" / "readme",
    ]
    for path in extra:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"foreign")
    summary = verify(tmp_path)
    expected = sorted(("extra", str(path.relative_to(tmp_path))) for path in extra)
    assert describe(summary) == expected
    with pytest.raises(VerifyError, match=r"6 files are not the mirror's: .*move them away"):
        summary.raise_if_damaged()
    assert repair(tmp_path).n_repaired == 0
    assert all(path.exists() for path in extra)


def test_what_a_killed_run_leaves_behind_is_orphaned_and_no_damage(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    lost = ITEMS[3]
    (tmp_path / "ledger" / f"{lost.shard:03x}.jsonl").unlink()
    media = media_file(tmp_path, lost.photo_id)
    summary = verify(tmp_path)
    mates = [item for item in ITEMS if item.shard == lost.shard]
    assert summary.n_items == len(ITEMS) - len(mates)
    assert summary.damages == []
    assert str(media.relative_to(tmp_path)) in summary.orphans
    assert len(summary.orphans) == 2 * len(mates)
    download(tmp_path, ITEMS)
    assert verify(tmp_path).orphans == []


def test_processes_find_what_threads_of_this_one_find(tmp_path: Path) -> None:
    items = make_items(60)
    download(tmp_path, items)
    for number, problem in enumerate(OF_ITEMS):
        break_something(tmp_path, problem, items[7 * number].photo_id)
    alone = verify_as(tmp_path, n_workers=1)
    manifest = tmp_path / "manifest-sha256.txt"
    together = verify_as(tmp_path, n_workers=2, bytes_worth_a_process=0, manifest=manifest)
    assert len(alone.damages) == len(OF_ITEMS)
    assert together.damages == alone.damages
    assert (together.n_items, together.n_bytes) == (60, 180_000)
    lines = manifest.read_text().splitlines()
    assert len(lines) == 2 * 60 - 2 - 2 - 2 - 1 - 1


def test_sha256sum_accepts_the_manifest(tmp_path: Path) -> None:
    root = tmp_path / "mirror"
    download(root, ITEMS)
    verify_as(root, manifest=tmp_path / "list.txt")
    command = ["sha256sum", "--check", "--strict", "--quiet", str(tmp_path / "list.txt")]
    assert subprocess.run(command, cwd=root, check=False).returncode == 0
    break_something(root, Problem.CHANGED, ITEMS[2].photo_id)
    found = subprocess.run(command, cwd=root, check=False, capture_output=True)
    assert found.returncode == 1
    assert not list(tmp_path.glob("*.part"))


def test_a_sample_is_as_large_as_asked_and_can_be_drawn_again(tmp_path: Path) -> None:
    items = make_items(80)
    download(tmp_path, items)
    for item in items[:20]:
        break_something(tmp_path, Problem.CHANGED, item.photo_id)
    first, again, other = (verify_as(tmp_path, n_sample=30, seed=seed) for seed in (1, 1, 2))
    assert first.n_items == other.n_items == 30
    assert describe(first) == describe(again) != describe(other)
    assert verify_as(tmp_path, n_sample=1000).n_items == 80
    assert not (tmp_path / "ledger" / "verify.jsonl").exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("n_shards", [1, 5])
def test_a_verification_that_was_stopped_goes_on(tmp_path: Path, n_shards: int) -> None:
    root, manifest = tmp_path / "mirror", tmp_path / "list.txt"
    download(root, items := make_items(40))
    break_something(root, Problem.CHANGED, items[0].photo_id)
    break_something(root, Problem.CHANGED, items[39].photo_id)
    whole = verify_as(root, manifest=manifest)
    expected = sorted(manifest.read_text().splitlines())
    manifest.unlink()
    seen: list[int] = []

    def stop(summary: VerifySummary) -> None:
        seen.append(summary.n_items)
        if len(seen) == n_shards:
            raise Killed

    with open_mirror(root) as mirror, pytest.raises(Killed):
        verify_mirror(mirror, VerifyOptions(manifest=manifest), stop)
    journal = root / "ledger" / "verify.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"shard": 99, "n_it')  # torn
    with Path(f"{manifest}.part").open("a") as part:
        part.write("torn")
    resumed = verify_as(root, manifest=manifest)
    assert resumed.n_items_resumed == seen[-1]
    assert (resumed.n_items, resumed.damages) == (40, whole.damages)
    assert sorted(manifest.read_text().splitlines()) == expected
    assert journal.read_bytes() == b""
    assert verify_as(root).n_items_resumed == 0


def test_only_the_same_verification_is_gone_on_with(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)

    def stop(_: VerifySummary) -> None:
        raise Killed

    def stopped() -> None:
        with open_mirror(tmp_path) as mirror, pytest.raises(Killed):
            verify_mirror(mirror, VerifyOptions(), stop)

    stopped()
    assert verify_as(tmp_path, shards=frozenset(range(4096))).n_items_resumed == 0
    stopped()
    assert verify_as(tmp_path, restart=True).n_items_resumed == 0
    stopped()
    assert verify_as(tmp_path).n_items_resumed > 0


def test_two_verifications_at_once_do_not_mix_their_progress(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)

    def meanwhile(_: VerifySummary) -> None:
        with pytest.raises(LockedError, match="being verified by another process"):
            verify(tmp_path)

    with open_mirror(tmp_path) as mirror:
        verify_mirror(mirror, report=meanwhile)


def test_a_mirror_that_cannot_be_written_is_verified_all_the_same(tmp_path: Path) -> None:
    class ReadOnlyDisk(Disk):
        def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return super().open(name, flags, mode, dir_fd=dir_fd)

    download(tmp_path, ITEMS)
    with open_mirror(tmp_path, ReadOnlyDisk()) as mirror:
        assert verify_mirror(mirror).n_items == 12
        with pytest.raises(TargetError, match="may not be written"):
            verify_mirror(mirror, VerifyOptions(manifest=tmp_path / "list.txt"))


@pytest.mark.parametrize("n_bytes", [0, 300, 1000])
def test_a_full_disk_can_be_verified(tmp_path: Path, n_bytes: int) -> None:
    download(tmp_path, ITEMS)
    break_something(tmp_path, Problem.CHANGED, ITEMS[5].photo_id)
    with open_mirror(tmp_path, SmallDisk(n_bytes)) as mirror:
        summary = verify_mirror(mirror)
    assert (summary.n_items, len(summary.damages)) == (12, 1)
    assert verify(tmp_path).n_items == 12


def test_a_deep_look_finds_what_is_as_recorded_and_no_picture(tmp_path: Path) -> None:
    download(tmp_path, ITEMS)
    assert verify(tmp_path).damages == []
    summary = verify_as(tmp_path, deep=True)
    assert {damage.problem for damage in summary.damages} == {Problem.UNDECODABLE}
    assert len(summary.damages) == 12


class Pictures(FakeAcquire):
    """Fetches true pictures."""

    def __call__(self, item: Item, sink: Sink) -> FakeAcquired:
        content = jpeg(item.photo_id)
        sink.write(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return FakeAcquired(Outcome.STORED, extension="jpg", n_bytes=len(content), sha256=sha256)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_deep_look_at_true_pictures_finds_nothing(tmp_path: Path, n_workers: int) -> None:
    download(tmp_path, ITEMS, Pictures())
    summary = verify_as(tmp_path, deep=True, n_workers=n_workers)
    assert (summary.n_items, summary.damages) == (12, [])


class TwinAcquire(FakeAcquire):
    """Gives many items one and the same picture."""

    def __call__(self, item: Item, sink: Sink) -> FakeAcquired:
        twin = 1 if item.photo_id % 2 else item.photo_id
        return super().__call__(replace(item, photo_id=twin), sink)


def test_bytes_that_many_items_share_are_told(tmp_path: Path) -> None:
    items = make_items(50)
    n_twins = sum(item.photo_id % 2 for item in items)
    assert n_twins >= 20
    # In several runs, which cannot know of each other's pictures; some are fetched again.
    for start in range(0, 50, 10):
        download(tmp_path, items[start : start + 10], TwinAcquire())
    download(tmp_path, items[:30], TwinAcquire(), force=True)
    summary = verify(tmp_path)
    (shared,) = summary.shared
    assert summary.damages == []
    assert (shared.n_items, shared.n_bytes) == (n_twins, 3_000)
    assert shared.photo_id == min(item.photo_id for item in items if item.photo_id % 2)
    assert shared.sha256 == hashlib.sha256(media_bytes(1)).hexdigest()
    with open_mirror(tmp_path) as mirror:
        assert find_shared_bytes(mirror, 50, alarm_at=n_twins) == [shared]
        assert find_shared_bytes(mirror, 50, alarm_at=n_twins + 1) == []
        # However many digests share a counter, each is counted by itself.
        assert find_shared_bytes(mirror, -240, alarm_at=2) == [shared]
        assert verify_mirror(mirror, VerifyOptions(n_sample=40)).shared == []
        forget(mirror, [Tombstone(Kind.SHA256, shared.sha256, Reason.UNWANTED, "2026-11-21")])
    assert verify(tmp_path).shared == []
    assert verify(tmp_path).n_items == 50 - n_twins

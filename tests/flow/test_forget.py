"""Removal that lasts: whatever comes later, nothing brings an item back."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.forgetting import (
    CANARY,
    FIRST,
    OTHER,
    OWNER,
    SECOND,
    fill,
    find_bytes,
    has_tombstone,
    make_owned,
    owned_items,
    tombstone,
    traces,
)
from tests.fakes.mirror_checks import check_invariants, download, media_file, read_records
from tests.fakes.mirror_disk import FailingDisk, RecordingDisk
from tests.fakes.mirror_items import FakeAcquire, make_items, media_bytes
from yfcc.catalog.tombstones import Kind, Reason
from yfcc.errors import LockedError, TargetError, VerifyError
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.disk import Disk
from yfcc.mirror.forget import ForgetSummary, forget, preview
from yfcc.mirror.forget_lists import write_list
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.root import create_mirror, open_mirror
from yfcc.mirror.stop import StopRequest
from yfcc.mirror.tombstones import TombstoneFile, read_removals
from yfcc.mirror.verify import verify_mirror
from yfcc.model import Outcome, shard_of

REPOSITORY = Path(__file__).parents[2]


def remove(root: Path, *named: object, kind: Kind = Kind.ID) -> ForgetSummary:
    with open_mirror(root) as mirror:
        return forget(mirror, [tombstone(each, kind) for each in named])


def nothing_left(root: Path, *photo_ids: int) -> None:
    assert traces(root, *photo_ids) == []
    assert find_bytes(root, CANARY) == []
    for photo_id in photo_ids:
        url = f"{photo_id}_0.jpg".encode()
        assert find_bytes(root, url) == []
    check_invariants(root)


def test_an_item_is_gone_with_its_json_and_all_that_was_recorded_of_it(tmp_path: Path) -> None:
    fill(tmp_path)
    before = read_records(tmp_path)[OTHER]
    summary = remove(tmp_path, FIRST)
    assert (summary.n_new, summary.n_items, summary.n_files, summary.left) == (1, 1, 2, [])
    assert traces(tmp_path, FIRST) == []
    record = {name: value for name, value in read_records(tmp_path)[FIRST].items() if value}
    assert record.pop("fetched_at")
    assert record.pop("run_id").startswith("forget-")
    assert record.pop("shard") == shard_of(FIRST)
    assert record == {
        "photo_id": FIRST,
        "outcome": "forgotten",
        "first_error": "forgotten: legal",
    }
    assert read_records(tmp_path)[OTHER] == before
    assert find_bytes(tmp_path, CANARY) == [media_file(tmp_path, SECOND, "json")]
    check_invariants(tmp_path)


def test_a_removed_item_is_never_asked_for_again(tmp_path: Path) -> None:
    fill(tmp_path)
    remove(tmp_path, FIRST)
    for force in (False, True):
        again = FakeAcquire()
        summary = download(tmp_path, owned_items(), again, force=force)
        assert FIRST not in again.asked
        assert summary.outcomes["forgotten"] == 1
    # Another selection, with other items of the shard.
    again = FakeAcquire()
    download(tmp_path, [make_owned(FIRST, OWNER, "x"), *make_items(5)], again)
    assert FIRST not in again.asked
    assert traces(tmp_path, FIRST) == []


def test_the_ledger_lost_and_a_removed_item_stays_away(tmp_path: Path) -> None:
    fill(tmp_path)
    remove(tmp_path, FIRST)
    for path in tmp_path.glob("ledger/???.jsonl"):
        path.unlink()
    summary = download(tmp_path, owned_items(), again := FakeAcquire())
    assert not again.asked
    assert summary.outcomes == {"already_stored": 2, "forgotten": 1}
    assert read_records(tmp_path)[FIRST]["outcome"] == "forgotten"
    assert traces(tmp_path, FIRST) == []


def test_what_a_killed_run_left_on_disk_is_not_adopted(tmp_path: Path) -> None:
    root, other = tmp_path / "mirror", tmp_path / "other"
    fill(other)
    fill(root, [make_owned(FIRST, OWNER, CANARY.decode())])
    with open_mirror(root) as mirror:
        forget(mirror, [tombstone(OWNER, Kind.USER)])
    for extension in ("jpg", "json"):
        target = media_file(root, SECOND, extension)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(media_file(other, SECOND, extension).read_bytes())
    summary = download(root, owned_items(), again := FakeAcquire())
    assert set(again.asked) <= {OTHER}
    assert summary.outcomes["forgotten"] == 2
    nothing_left(root, FIRST, SECOND)


def test_verify_with_repair_brings_nothing_back(tmp_path: Path) -> None:
    fill(tmp_path)
    kept = media_file(tmp_path, FIRST).read_bytes()
    remove(tmp_path, FIRST)
    media_file(tmp_path, FIRST).write_bytes(kept)
    with open_mirror(tmp_path) as mirror:
        assert len(repair_mirror(mirror).damages) == 1
    download(tmp_path, owned_items(), again := FakeAcquire())
    assert FIRST not in again.asked
    assert read_records(tmp_path)[FIRST]["outcome"] == "forgotten"
    assert remove(tmp_path, FIRST).n_files == 1
    assert traces(tmp_path, FIRST) == []
    check_invariants(tmp_path)


def test_all_items_of_an_owner_go_and_later_ones_do_not_come(tmp_path: Path) -> None:
    fill(tmp_path)
    summary = remove(tmp_path, OWNER, kind=Kind.USER)
    assert summary.n_items == 2
    nothing_left(tmp_path, FIRST, SECOND)
    new = make_owned(8_000_000_001, OWNER, CANARY.decode())
    download(tmp_path, [new], again := FakeAcquire())
    assert not again.asked
    nothing_left(tmp_path, FIRST, SECOND, new.photo_id)


def test_an_owners_item_that_was_not_to_be_had_is_recorded_as_removed(tmp_path: Path) -> None:
    gone = FakeAcquire(lambda each: Outcome.GONE if each == SECOND else Outcome.STORED)
    download(tmp_path, owned_items(), gone)
    remove(tmp_path, OWNER, kind=Kind.USER)
    summary = download(tmp_path, owned_items(), again := FakeAcquire())
    assert not again.asked
    assert summary.outcomes == {"already_stored": 1, "forgotten": 2}
    assert read_records(tmp_path)[SECOND]["outcome"] == "forgotten"


def test_by_hash(tmp_path: Path) -> None:
    fill(tmp_path)
    assert remove(tmp_path, f"{FIRST:032x}", kind=Kind.HASH).n_items == 1
    assert traces(tmp_path, FIRST) == []
    item = make_owned(FIRST, OWNER, "x")
    download(tmp_path, [item], again := FakeAcquire())
    assert not again.asked


def test_by_digest_all_items_with_the_bytes_go_and_the_bytes_never_come(tmp_path: Path) -> None:
    fill(tmp_path)
    digest = hashlib.sha256(media_bytes(FIRST)).hexdigest()
    summary = remove(tmp_path, digest, kind=Kind.SHA256)
    assert (summary.n_items, summary.left) == (1, [])
    assert has_tombstone(tmp_path, FIRST)

    class SameBytes(FakeAcquire):
        """Another item with the bytes of the first."""

        def __call__(self, item, sink):
            first = make_owned(FIRST, OWNER, "x")
            return super().__call__(first, sink)

    summary = download(tmp_path, make_items(3), SameBytes())
    assert summary.outcomes == {"forgotten": 3}
    assert find_bytes(tmp_path, media_bytes(FIRST, 500)) == []
    check_invariants(tmp_path)


def test_a_duplicate_of_the_bytes_is_told_and_fails(tmp_path: Path) -> None:
    same = lambda item, sink: FakeAcquire()(make_owned(1, "", ""), sink)  # noqa: E731
    download(tmp_path, owned_items(), same)
    summary = remove(tmp_path, FIRST)
    assert len(summary.left) == 2
    assert f"item {OTHER} has the same bytes" in " ".join(summary.left)
    with pytest.raises(VerifyError) as caught:
        summary.raise_if_left()
    assert caught.value.exit_code == 8
    digest = hashlib.sha256(media_bytes(1)).hexdigest()
    assert remove(tmp_path, digest, kind=Kind.SHA256).left == []
    assert find_bytes(tmp_path, media_bytes(1, 500)) == []


def test_an_item_that_is_not_there_is_kept_away_too(tmp_path: Path) -> None:
    with create_mirror(tmp_path) as mirror:
        assert forget(mirror, [tombstone(FIRST)]).unknown == [FIRST]
    summary = download(tmp_path, owned_items(), again := FakeAcquire())
    assert set(again.asked) == {SECOND, OTHER}
    assert summary.outcomes == {"stored": 2, "forgotten": 1}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    remove(tmp_path, FIRST, SECOND)
    ledgers = {path: path.read_bytes() for path in tmp_path.glob("ledger/???.jsonl")}
    summary = remove(tmp_path, FIRST, SECOND)
    assert (summary.n_new, summary.n_items, summary.n_known) == (0, 0, 2)
    assert summary.unknown == []
    assert ledgers == {path: path.read_bytes() for path in tmp_path.glob("ledger/???.jsonl")}
    with open_mirror(tmp_path) as mirror:
        assert not read_removals(mirror).pending


def test_the_tombstone_is_durable_before_anything_is_removed(tmp_path: Path) -> None:
    fill(tmp_path)
    disk = RecordingDisk()
    removed: list[str] = []

    class Watched(RecordingDisk):
        def unlink(self, name, *, dir_fd):
            disk.calls.append(("unlink", name))
            removed.append(name)
            super().unlink(name, dir_fd=dir_fd)

    watched = Watched()
    watched.calls = disk.calls
    with open_mirror(tmp_path, watched) as mirror:
        forget(mirror, [tombstone(FIRST)])
    tombstones = str(tmp_path / "ledger" / "tombstones.jsonl")
    ledger = str(tmp_path / "ledger" / f"{shard_of(FIRST):03x}.jsonl")
    order = [
        disk.calls.index(("write", tombstones)),
        disk.calls.index(("fsync", tombstones)),
        disk.calls.index(("rename", ledger)),
        disk.calls.index(("unlink", f"{FIRST}.jpg")),
        disk.calls.index(("unlink", f"{FIRST}.json")),
        disk.calls.index(("fsync", str(media_file(tmp_path, FIRST).parent))),
        len(disk.calls) - 1 - disk.calls[::-1].index(("write", tombstones)),
    ]
    assert order == sorted(order)


def test_a_run_at_work_is_not_disturbed_and_the_removal_follows(tmp_path: Path) -> None:
    fill(tmp_path)
    with open_mirror(tmp_path) as mirror:
        shards = frozenset({shard_of(FIRST)})
        with (
            claim_shards(mirror, shards, "another", "2026-11-21T00:00:00.000Z"),
            pytest.raises(LockedError, match="run `yfcc forget` again"),
        ):
            forget(mirror, [tombstone(FIRST)])
        assert media_file(tmp_path, FIRST).exists()
        assert verify_mirror(mirror).damages == []
    assert traces(tmp_path, FIRST) == []


def test_a_run_sees_what_is_removed_while_it_lasts(tmp_path: Path) -> None:
    items = make_items(400)
    last = items[-1].photo_id
    first_shard = items[0].shard

    def before(item):
        if not has_tombstone(tmp_path, last):
            with open_mirror(tmp_path) as mirror, pytest.raises(LockedError):
                forget(mirror, [tombstone(last)])

    acquire = FakeAcquire(before=before)
    download(tmp_path, items, acquire, n_workers=1)
    assert items[0].shard == first_shard
    assert last not in acquire.asked
    assert read_records(tmp_path)[last]["outcome"] == "forgotten"


def test_a_run_sees_what_is_removed_after_the_last_items_were_read(tmp_path: Path) -> None:
    items = make_items(20)  # one batch: all are read before the first is asked for
    last = items[-1].photo_id

    def before(item):
        if not has_tombstone(tmp_path, last):
            with open_mirror(tmp_path) as mirror, pytest.raises(LockedError):
                forget(mirror, [tombstone(last)])

    acquire = FakeAcquire(before=before)
    summary = download(tmp_path, items, acquire, n_workers=1)
    assert last not in acquire.asked
    assert summary.outcomes == {"stored": 19, "forgotten": 1}


def test_of_runs_that_start_at_once_one_carries_a_removal_out_and_the_others_wait(
    tmp_path: Path,
) -> None:
    fill(tmp_path)
    with open_mirror(tmp_path, FailingDisk("unlink", 1)) as mirror, pytest.raises(TargetError):
        forget(mirror, [tombstone(OWNER, Kind.USER)])
    is_removing = threading.Event()

    class SlowDisk(Disk):
        """Removes media only after a second, in which the other run starts."""

        def unlink(self, name, *, dir_fd):
            if name.endswith(".jpg"):
                is_removing.set()
                time.sleep(0.5)
            super().unlink(name, dir_fd=dir_fd)

    acquire = FakeAcquire()
    items, others = owned_items(), make_items(3, first_id=1_000_000_000)
    assert {item.shard for item in items}.isdisjoint(item.shard for item in others)
    with ThreadPoolExecutor(1) as executor:
        # The removal holds all shards while it looks for the owner's items.
        slow = executor.submit(download, tmp_path, others, acquire, SlowDisk())
        assert is_removing.wait(10)
        summary = download(tmp_path, items, acquire)
        assert slow.result().outcomes == {"stored": 3}
    assert summary.outcomes == {"already_stored": 1, "forgotten": 2}
    nothing_left(tmp_path, FIRST, SECOND)


def test_a_run_that_is_stopped_does_not_wait_for_a_removal(tmp_path: Path) -> None:
    fill(tmp_path)
    stop = StopRequest()
    with open_mirror(tmp_path) as mirror, TombstoneFile(mirror) as held:
        held.add([tombstone(FIRST)])
        timer = threading.Timer(0.3, stop.ask)
        timer.start()
        began_s = time.monotonic()
        download(tmp_path, owned_items(), again := FakeAcquire(), stop=stop)
        assert time.monotonic() - began_s < 5
    assert not again.asked


def test_a_damaged_list_stops_every_run(tmp_path: Path) -> None:
    fill(tmp_path)
    remove(tmp_path, FIRST, SECOND)
    path = tmp_path / "ledger" / "tombstones.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"id":420', b'{"id":x20', 1))
    with pytest.raises(TargetError, match="line 1 is damaged"):
        download(tmp_path, owned_items())
    with open_mirror(tmp_path) as mirror, pytest.raises(TargetError, match="line 1"):
        verify_mirror(mirror)


@pytest.mark.parametrize("operation", ["write", "fsync"])
def test_a_full_disk_leaves_no_half_tombstone(tmp_path: Path, operation: str) -> None:
    fill(tmp_path)
    with open_mirror(tmp_path, FailingDisk(operation, 1)) as mirror, pytest.raises(TargetError):
        forget(mirror, [tombstone(FIRST)])
    assert not has_tombstone(tmp_path, FIRST)
    check_invariants(tmp_path)
    assert remove(tmp_path, FIRST).n_files == 2
    assert traces(tmp_path, FIRST) == []


def test_lists_pass_from_mirror_to_mirror(tmp_path: Path) -> None:
    one, two, listed = tmp_path / "one", tmp_path / "two", tmp_path / "list"
    fill(one)
    fill(two)
    remove(one, FIRST)
    remove(one, OWNER, kind=Kind.USER)
    with open_mirror(one) as mirror:
        n_lines = write_list(mirror, listed)
    from yfcc.catalog.tombstones import parse_list

    found = parse_list(listed.read_bytes(), Reason.OTHER, "1999-01-01")
    assert len(found) == n_lines == 3  # the owner's second item is named as well
    assert {each.reason for each in found} == {Reason.LEGAL}
    with open_mirror(two) as mirror:
        assert forget(mirror, found).n_items == 2
    nothing_left(two, FIRST, SECOND)
    with open_mirror(two) as mirror:
        write_list(mirror, tmp_path / "back")
    assert sorted(tmp_path.joinpath("back").read_bytes().splitlines()) == sorted(
        listed.read_bytes().splitlines()
    )


def test_a_preview_removes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    with open_mirror(tmp_path) as mirror:
        summary = preview(mirror, [tombstone(OWNER, Kind.USER), tombstone(7)])
        assert (summary.n_items, summary.n_files, summary.unknown) == (2, 4, [7])
    assert not has_tombstone(tmp_path, OWNER)
    assert download(tmp_path, owned_items()).outcomes == {"already_stored": 3}


@pytest.mark.parametrize("who", [0, 1, 2])
@pytest.mark.parametrize("n", [1, 2])
def test_files_that_a_failing_disk_kept_go_with_the_next_run(
    tmp_path: Path, who: int, n: int
) -> None:
    fill(tmp_path)
    with open_mirror(tmp_path, FailingDisk("unlink", n)) as mirror, pytest.raises(TargetError):
        forget(mirror, [tombstone(SECOND)])
    assert traces(tmp_path, SECOND) != []
    finish(tmp_path, who)
    assert traces(tmp_path, SECOND) == []
    check_invariants(tmp_path)


def test_a_kill_in_any_disk_operation_is_made_good_by_whoever_comes_next(tmp_path: Path) -> None:
    filled, folder = tmp_path / "filled", tmp_path / "killed"
    fill(filled)
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.fakes.forget_killed", folder, filled, str(SECOND)],
        cwd=REPOSITORY,
        check=True,
    )
    places = sorted(folder.iterdir())
    assert len(places) > 30
    n_pending = 0
    for number, place in enumerate(places):
        root = place / "mirror"
        if not has_tombstone(root, SECOND):
            check_invariants(root)
            assert read_records(root)[SECOND]["outcome"] == "stored"
            remove(root, SECOND)
        else:
            with open_mirror(root) as mirror:
                n_pending += bool(read_removals(mirror).pending)
            finish(root, number % 3)
        assert traces(root, SECOND) == [], place
        assert find_bytes(root, CANARY) == [media_file(root, FIRST, "json")]
        assert read_records(root)[SECOND]["outcome"] == "forgotten"
        check_invariants(root)
        summary = download(root, owned_items(), again := FakeAcquire(), force=True)
        assert SECOND not in again.asked
        assert summary.outcomes["forgotten"] == 1
        assert not list(root.glob("tmp/*"))
    assert n_pending > 10
    count_cases(len(places))


def finish(root: Path, who: int) -> None:
    """Carry a removal to its end, in one of three ways."""
    if who == 0:
        remove(root)
    elif who == 1:
        download(root, owned_items(), acquire := FakeAcquire())
        assert SECOND not in acquire.asked
    else:
        with open_mirror(root) as mirror:
            assert verify_mirror(mirror).damages == []


@pytest.mark.parametrize("kind", [Kind.USER, Kind.HASH])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_an_item_that_cannot_be_told_by_its_damaged_json_is_said_to_be_left(
    tmp_path: Path, kind: Kind, how: str
) -> None:
    fill(tmp_path)
    document = media_file(tmp_path, FIRST, "json")
    if how == "cut":
        document.write_bytes(document.read_bytes()[:200])
    else:
        document.unlink()
    photo_hash = next(item.photo_hash for item in owned_items() if item.photo_id == FIRST)
    value = OWNER if kind is Kind.USER else photo_hash
    summary = remove(tmp_path, value, kind=kind)
    (left,) = summary.left
    assert left.startswith(f"item {FIRST} may be meant too, but its JSON is damaged or missing")
    with pytest.raises(VerifyError, match="not all is gone"):
        summary.raise_if_left()
    with open_mirror(tmp_path) as mirror:
        assert repair_mirror(mirror).n_repaired == 1
    assert remove(tmp_path, value, kind=kind).left == []
    download(tmp_path, owned_items(), again := FakeAcquire())
    assert FIRST not in again.asked
    assert traces(tmp_path, FIRST) == []

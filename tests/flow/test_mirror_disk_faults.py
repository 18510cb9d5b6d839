"""Whatever the disk refuses, the run stops with one error and records nothing that is not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_checks import (
    check_invariants,
    download,
    media_file,
    read_records,
    whole_on_disk,
)
from tests.fakes.mirror_disk import FailingDisk, PiecemealDisk, RecordingDisk, SmallDisk
from tests.fakes.mirror_items import FINGERPRINT, FakeAcquire, ListSource, make_items
from yfcc.errors import TargetError
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.plan import plan_download
from yfcc.mirror.root import create_mirror, open_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.status import read_status
from yfcc.mirror.totals import RunEnd
from yfcc.model import Outcome

SMALL_GROUPS = GroupLimits(n_records=3)


def mixed_outcome(photo_id: int) -> Outcome:
    return [Outcome.STORED, Outcome.STORED, Outcome.GONE][photo_id % 3]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("open", errno.EMFILE),
        ("write", errno.ENOSPC),
        ("fsync", errno.EIO),
        ("fdatasync", errno.EIO),
        ("close", errno.EIO),
        ("rename", errno.EIO),
        ("mkdir", errno.ENOSPC),
        ("unlink", errno.EROFS),
        ("rmdir", errno.EROFS),
        ("link", errno.EIO),
        ("measure_space", errno.EIO),
    ],
)
def test_any_failing_call_stops_the_run_and_the_next_one_goes_on(
    tmp_path: Path, operation: str, code: int
) -> None:
    items = make_items(7)
    n, messages = 0, []
    while True:
        n += 1
        root = tmp_path / str(n)
        disk = FailingDisk(operation, n, code)
        acquire = FakeAcquire(mixed_outcome)
        try:
            download(root, items, acquire, disk, n_workers=1, limits=SMALL_GROUPS)
        except TargetError as error:
            messages.append(str(error))
        else:
            # Failing to tidy up is no failure: the next run sweeps.
            assert not disk.has_failed or operation == "unlink"
        recorded = set(read_records(root))
        if root.joinpath("mirror.json").exists():
            check_invariants(root)
        summary = download(root, items, again := FakeAcquire(mixed_outcome))
        assert summary.exit_code == 0
        assert not set(again.asked) & recorded
        check_invariants(root)
        if not disk.has_failed:
            break
    assert n > 1, "the operation never failed"
    for message in messages:
        assert str(tmp_path) in message or ".part" in message
        assert "\n" not in message
    count_cases(n - 1)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fills_up_leaves_whole_files_only(tmp_path: Path, code: int) -> None:
    items = make_items(40)
    root = tmp_path / "mirror"
    messages = []
    while True:
        try:
            summary = download(root, items, disk=SmallDisk(20_000, code), limits=SMALL_GROUPS)
        except TargetError as error:
            messages.append(str(error))
            assert not list(root.rglob("*.part")), "parts left on a full disk"
            check_invariants(root)
            with open_mirror(root) as mirror:
                last = read_status(mirror).last_run
            assert last is not None
            assert last.end in (RunEnd.STOPPED, RunEnd.RUNNING)  # perhaps no room to say so
        else:
            break
    assert len(messages) >= 3
    assert not [message for message in messages if "\n" in message]
    assert sum(summary.outcomes.values()) == 40
    count_cases(len(messages))


def test_a_failed_write_is_no_success_in_any_count(tmp_path: Path) -> None:
    reported = []
    disk = FailingDisk("rename", 4, errno.ENOSPC)  # the first are the probe's and the run's file
    source = ListSource(make_items(5))
    with create_mirror(tmp_path, disk) as mirror:
        plan = plan_download(source.count_by_shard())
        job = DownloadJob(mirror, source, plan, FakeAcquire(), FINGERPRINT)
        with pytest.raises(TargetError, match="full"):
            run_download(job, RunOptions(n_workers=1), report=reported.append)
    assert [progress.outcomes for progress in reported if progress.outcomes] == []
    assert reported[-1].not_yet_tried == 5
    assert read_records(tmp_path) == {}


def test_a_commit_that_could_not_be_synced_does_not_pass_for_one(tmp_path: Path) -> None:
    # The pages of a failed fsync look fine to every reader until the power goes.
    with pytest.raises(TargetError, match="disk failed"):
        download(tmp_path, make_items(5), disk=FailingDisk("fdatasync", 1), n_workers=1)
    assert read_records(tmp_path) == {}
    with open_mirror(tmp_path) as mirror:
        assert read_status(mirror).outcomes == {}


def test_a_disk_that_takes_pieces_stores_whole_files(tmp_path: Path) -> None:
    summary = download(tmp_path, make_items(10), disk=PiecemealDisk())
    assert summary.outcomes == {"stored": 10}
    check_invariants(tmp_path)


def test_order_is_sync_close_rename_sync_of_the_directory_then_ledger(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("paths of descriptors are read from /proc")
    items = make_items(3)
    disk = RecordingDisk()
    download(tmp_path, items, disk=disk, n_workers=1)
    calls = disk.calls
    ledgers = [at for at, (name, path) in enumerate(calls) if path.endswith(".jsonl")]
    for item in items:
        media = media_file(tmp_path, item.photo_id)
        for path in (media, media.with_suffix(".json")):
            renamed = calls.index(("rename", str(path)))
            part = calls[renamed - 1][1]
            synced = calls.index(("fsync", part))
            closed = calls.index(("close", part))
            assert calls.index(("write", part)) < synced < closed < renamed
            for directory in (media.parent, media.parent.parent, tmp_path / "media"):
                kept = [at for at, call in enumerate(calls) if call == ("fsync", str(directory))]
                assert any(renamed < at < min(ledgers) for at in kept), directory
        ledger = str(tmp_path / "ledger" / f"{item.shard:03x}.jsonl")
        written = calls.index(("write", ledger))
        assert written < calls.index(("fdatasync", ledger))
        first_sync = calls.index(("fdatasync", ledger))
        assert ("fsync", str(tmp_path / "ledger")) in calls[first_sync:]


def test_names_of_adopted_items_are_durable_before_the_ledger_tells_of_them(
    tmp_path: Path,
) -> None:
    """The run that renamed them may have been killed before it could sync their directories."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("paths of descriptors are read from /proc")
    items = make_items(3)
    download(tmp_path, items)
    for ledger in tmp_path.glob("ledger/*.jsonl"):
        ledger.unlink()
    disk = RecordingDisk()
    summary = download(tmp_path, items, disk=disk, n_workers=1)
    assert summary.outcomes == {"already_stored": 3}
    for item in items:
        media = media_file(tmp_path, item.photo_id)
        ledger = str(tmp_path / "ledger" / f"{item.shard:03x}.jsonl")
        recorded = disk.calls.index(("write", ledger))
        for directory in (media.parent, media.parent.parent, tmp_path / "media"):
            assert ("fsync", str(directory)) in disk.calls[:recorded], directory
    count_cases(1)


def test_the_space_floor_stops_before_the_disk_is_full(tmp_path: Path) -> None:
    acquire = FakeAcquire()
    with pytest.raises(TargetError, match="have to stay free"):
        download(tmp_path, make_items(3), acquire, min_free_bytes=1 << 60)
    assert not acquire.asked
    count_cases(1)


@pytest.fixture
def small_tmpfs(tmp_path: Path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_a_full_file_system_stops_the_run_and_room_lets_it_go_on(small_tmpfs: Path) -> None:
    root, items = small_tmpfs / "mirror", make_items(60)
    with pytest.raises(TargetError, match="full"):
        download(root, items, FakeAcquire(n_bytes=50_000), min_free_bytes=0, limits=SMALL_GROUPS)
    assert not list(root.rglob("*.part"))
    check_invariants(root)
    n_stored = len(whole_on_disk(root))
    assert 0 < n_stored < 60
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_tmpfs)], check=True)
    again = FakeAcquire(n_bytes=50_000)
    summary = download(root, items, again, min_free_bytes=0)
    assert summary.outcomes == {"already_stored": n_stored, "stored": 60 - n_stored}
    assert len(again.asked) == 60 - n_stored


def test_a_read_only_target_is_refused_before_any_traffic(small_tmpfs: Path) -> None:
    root, items = small_tmpfs / "mirror", make_items(3)
    download(root, items[:1])
    subprocess.run(["mount", "-o", "remount,ro", str(small_tmpfs)], check=True)
    acquire = FakeAcquire()
    with pytest.raises(TargetError, match="may not be written"):
        download(root, items, acquire)
    assert not acquire.asked


def test_too_few_open_files_are_refused_before_any_traffic(tmp_path: Path) -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "from pathlib import Path\n"
        "from tests.fakes.mirror_checks import download\n"
        "from tests.fakes.mirror_items import FakeAcquire, make_items\n"
        "from yfcc.errors import TargetError\n"
        "acquire = FakeAcquire()\n"
        "try:\n"
        f"    download(Path({str(tmp_path)!r}), make_items(3), acquire)\n"
        "except TargetError as error:\n"
        "    assert 'ulimit -n' in str(error), error\n"
        "    assert not acquire.asked\n"
        "else:\n"
        "    raise SystemExit(1)\n"
    )
    repository = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script], cwd=repository, check=True)
    count_cases(1)

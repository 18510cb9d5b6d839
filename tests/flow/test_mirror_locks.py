"""Two runs on one mirror: one waits its turn, or both share it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_checks import check_invariants, download, read_records
from tests.fakes.mirror_items import FINGERPRINT, FakeAcquire, ListSource, make_items, wait_until
from tests.flow.test_mirror_kill import n_lines, start_child
from yfcc.errors import LockedError
from yfcc.mirror.appending import FileLedger
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.plan import plan_download
from yfcc.mirror.record import decode_record
from yfcc.mirror.root import create_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.shards import share_of_shards
from yfcc.model import Item

EARLY, LATE = frozenset(range(10)), frozenset(range(5, 20))


def test_a_second_run_on_the_same_shards_is_refused_and_told_the_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    root = tmp_path / "mirror"
    child = start_child(root, 60, log, "stalled")
    try:
        wait_until(lambda: n_lines(log) > 20)
        acquire = FakeAcquire()
        with pytest.raises(LockedError, match=f"process {child.pid} ") as refused:
            download(root, make_items(60), acquire)
        assert refused.value.exit_code == 5
        assert not acquire.asked
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 143
    finally:
        child.kill()
        child.wait()
    assert download(root, make_items(60)).exit_code == 0
    count_cases(1)


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    log, root = tmp_path / "log", tmp_path / "mirror"
    child = start_child(root, 60, log, "stalled")
    try:
        wait_until(lambda: n_lines(log) > 20)
    finally:
        child.kill()
        child.wait()
    (lock,) = root.glob("ledger/locks/*.lock")
    assert lock.stat().st_mode & 0o777 == 0o600
    assert download(root, make_items(60)).exit_code == 0
    assert not lock.exists()


def test_disjoint_claims_share_a_mirror_and_others_do_not(tmp_path: Path) -> None:
    with create_mirror(tmp_path) as mirror:
        with claim_shards(mirror, EARLY, "run-1", "now"):
            told = r"shards 5-9 of .* process \d+ on .* since now"
            with (
                pytest.raises(LockedError, match=told),
                claim_shards(mirror, LATE, "run-2", "later"),
            ):
                pytest.fail("held twice")
            with claim_shards(mirror, LATE - EARLY, "run-3", "later"):
                pass
        with claim_shards(mirror, EARLY | LATE, "run-4", "later"):
            pass
    assert not list(tmp_path.glob("ledger/locks/*"))
    assert not list(tmp_path.glob("tmp/*"))


def test_parallel_runs_on_disjoint_shards_store_everything_once(tmp_path: Path) -> None:
    items = make_items(240)
    acquire = FakeAcquire()
    errors = []

    def run_share(index: int) -> None:
        source = ListSource(items)
        with create_mirror(tmp_path) as mirror:
            plan = plan_download(source.count_by_shard(), share_of_shards(index, 3))
            try:
                job = DownloadJob(mirror, source, plan, acquire, FINGERPRINT)
                run_download(job, RunOptions(n_workers=3))
            except LockedError as error:
                errors.append(error)

    threads = [threading.Thread(target=run_share, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(acquire.asked.values()) == {1}
    assert set(read_records(tmp_path)) == {item.photo_id for item in items}
    check_invariants(tmp_path)


@contextmanager
def stalled_run(root: Path, items: list[Item]):
    """A run in a thread that is in its first item; what it raises is in the list at the end."""
    started, may_go_on, raised = threading.Event(), threading.Event(), []

    def before(_: Item) -> None:
        started.set()
        may_go_on.wait(20)

    def run() -> None:
        try:
            download(root, items, FakeAcquire(before=before), n_workers=1)
        except LockedError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(20)
    try:
        yield raised
    finally:
        may_go_on.set()
        thread.join(20)


def test_a_run_whose_lock_file_was_deleted_stops_before_it_records(tmp_path: Path) -> None:
    items = make_items(5)
    with stalled_run(tmp_path, items) as raised:
        (lock,) = tmp_path.glob("ledger/locks/*.lock")
        lock.unlink()
        assert download(tmp_path, items).outcomes == {"stored": 5}
        before = read_records(tmp_path)
    (error,) = raised
    assert "was deleted" in str(error)
    assert read_records(tmp_path) == before
    check_invariants(tmp_path)
    count_cases(1)


def test_a_replaced_lock_file_counts_as_deleted(tmp_path: Path) -> None:
    items = make_items(5)
    with stalled_run(tmp_path, items) as raised:
        (lock,) = tmp_path.glob("ledger/locks/*.lock")
        content = lock.read_bytes()
        lock.unlink()
        lock.write_bytes(content)
    assert raised
    assert read_records(tmp_path) == {}


def test_a_ledger_that_grew_behind_a_runs_back_is_not_added_to(tmp_path: Path) -> None:
    items = make_items(1)
    download(tmp_path, items)
    (path,) = tmp_path.glob("ledger/*.jsonl")
    record_line = path.read_bytes()
    with create_mirror(tmp_path) as mirror:
        ledger = FileLedger(mirror, items[0].shard, lambda: None)
        record = decode_record(record_line.split(b"\n")[0])
        ledger.append([record])
        with path.open("ab") as file:
            file.write(record_line)
        before = path.read_bytes()
        with pytest.raises(LockedError, match="another process"):
            ledger.append([record])
    assert path.read_bytes() == before


def test_the_sweep_spares_living_runs_and_foreign_links(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    precious.joinpath("keep").write_text("me")
    root = tmp_path / "mirror"
    with create_mirror(root) as mirror:
        dead = root / "tmp/dead-run"
        dead.mkdir()
        dead.joinpath("7").mkdir()
        dead.joinpath("7/0.part").write_bytes(b"left behind")
        dead.joinpath("7/link").symlink_to(precious)
        root.joinpath("tmp/link").symlink_to(precious)
        with claim_shards(mirror, EARLY, "run-1", "now"):
            assert not dead.exists()
            living = root / "tmp/run-1/7.part"
            living.write_bytes(b"at work")
            with claim_shards(mirror, LATE - EARLY, "run-2", "now"):
                assert living.exists()
    assert precious.joinpath("keep").read_text() == "me"
    assert os.path.lexists(root / "tmp/link")


def n_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_lock_needs_one_open_file_however_many_shards(tmp_path: Path) -> None:
    with create_mirror(tmp_path) as mirror:
        before = n_open_files()
        with claim_shards(mirror, frozenset(range(4096)), "run-1", "now"):
            assert n_open_files() == before + 1
        assert n_open_files() == before


def test_no_descriptor_is_left_open_by_a_run(tmp_path: Path) -> None:
    download(tmp_path, make_items(3))
    before = n_open_files()
    download(tmp_path, make_items(60), FakeAcquire(n_bytes=2_000_000), n_workers=2)
    assert n_open_files() == before


def test_two_processes_may_make_the_same_mirror(tmp_path: Path) -> None:
    root = tmp_path / "a/b/mirror"
    script = (
        "from pathlib import Path\nfrom yfcc.mirror.root import create_mirror\n"
        f"create_mirror(Path({str(root)!r}))"
    )
    children = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(4)]
    assert [child.wait() for child in children] == [0, 0, 0, 0]
    assert sorted(path.name for path in root.iterdir()) == [
        "ledger",
        "media",
        "mirror.json",
        "tmp",
    ]


def test_a_refusal_does_not_list_a_thousand_shards(tmp_path: Path) -> None:
    scattered = frozenset(range(0, 4096, 2))
    with (
        create_mirror(tmp_path / "mirror") as mirror,
        claim_shards(mirror, scattered, "first", "2026-12-01T00:00:00Z"),
        pytest.raises(LockedError) as refused,
        claim_shards(mirror, frozenset(range(4096)), "second", "2026-12-01T00:00:01Z"),
    ):
        pass
    assert str(refused.value).startswith("shards 0,2,4,6,8,10,12,14 and 2,040 more of ")

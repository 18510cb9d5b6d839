"""A run that is killed leaves nothing torn, and the next one goes on where it stopped.

``YFCC_KILLS`` says how many runs are killed at least, ``YFCC_KILL_SEED`` at which moments.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_checks import check_invariants, download, read_records, whole_on_disk
from tests.fakes.mirror_child import N_FAST
from tests.fakes.mirror_items import FakeAcquire, make_items, wait_until
from yfcc.mirror.root import open_mirror
from yfcc.mirror.status import read_status
from yfcc.mirror.totals import RunEnd

REPOSITORY = Path(__file__).parents[2]
N_KILLS = int(os.environ.get("YFCC_KILLS", "3"))
SEED = int(os.environ.get("YFCC_KILL_SEED", "20261121"))


def start_child(
    root: Path, n_items: int, log: Path, manner: str = "fast", done: Path | None = None
) -> subprocess.Popen:
    command = ["-m", "tests.fakes.mirror_child", str(root), str(n_items), str(log), manner]
    command += [str(done)] if done else []
    return subprocess.Popen([sys.executable, *command], cwd=REPOSITORY)


def n_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def test_killed_runs_lose_nothing_and_ask_for_nothing_twice(tmp_path: Path) -> None:
    moments = random.Random(SEED)
    n_kills = 0
    for number in itertools.count():
        n_kills += kill_until_done(tmp_path / str(number), moments)
        if n_kills >= N_KILLS:
            break
    count_cases(n_kills)


def kill_until_done(folder: Path, moments: random.Random) -> int:
    """Mirror in runs that are killed, until one gets to its end; how many were killed."""
    root, log, n_items = folder / "mirror", folder / "log", 400
    folder.mkdir()
    n_kills = 0
    while True:
        n_before = n_lines(log)
        done = set(read_records(root)) | whole_on_disk(root)
        child = start_child(root, n_items, log)
        n_until = n_before + moments.randrange(1, 60)
        try:
            wait_until(lambda n=n_until, c=child: n_lines(log) >= n or c.poll() is not None)
            time.sleep(moments.random() * 0.02)
        finally:
            child.kill()
            code = child.wait()
        asked = {int(line) for line in log.read_text().split("\n")[n_before:-1]}
        assert not asked & done, "asked for what was whole already"
        check_invariants(root)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        n_kills += 1
    assert len(read_records(root)) == n_items
    assert not list(root.glob("tmp/*")), "leftovers of the killed runs"
    assert not list(root.glob("ledger/locks/*"))
    last = download(root, make_items(n_items), again := FakeAcquire())
    assert last.outcomes == {"already_stored": n_items}
    assert not again.asked
    return n_kills


def test_a_kill_in_any_disk_operation_loses_nothing(tmp_path: Path) -> None:
    n_items = 7
    subprocess.run(
        [sys.executable, "-m", "tests.fakes.mirror_killed", str(tmp_path), str(n_items)],
        cwd=REPOSITORY,
        check=True,
    )
    roots = sorted(tmp_path.iterdir())
    assert len(roots) > 60
    for root in roots:
        had_mirror = root.joinpath("mirror.json").exists()
        if had_mirror:
            check_invariants(root)
        whole = whole_on_disk(root)
        summary = download(root, make_items(n_items), acquire := FakeAcquire())
        assert sum(summary.outcomes.values()) == n_items
        assert not set(acquire.asked) & whole
        assert set(acquire.asked) | whole == {item.photo_id for item in make_items(n_items)}
        check_invariants(root)
        assert len(read_records(root)) == n_items
        assert not list(root.glob("tmp/*"))
    count_cases(len(roots))


def test_status_after_a_kill_tells_an_unfinished_run(tmp_path: Path) -> None:
    root, log = tmp_path / "mirror", tmp_path / "log"
    child = start_child(root, 60, log, "stalled")
    try:
        wait_until(lambda: len(read_records(root)) == N_FAST)
    finally:
        child.kill()
        child.wait()
    with open_mirror(root) as mirror:
        status = read_status(mirror)
    assert status.outcomes == {"stored": N_FAST}
    assert status.last_run is not None
    assert (status.last_run.end, status.last_run.ended) == (RunEnd.RUNNING, "")
    assert (status.last_run.n_selected, status.last_run.exit_code) == (60, None)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("manner", ["stalled", "deaf"])
def test_a_signal_ends_a_stalled_run_soon(
    tmp_path: Path, manner: str, number: signal.Signals, code: int
) -> None:
    root, log = tmp_path / "mirror", tmp_path / "log"
    child = start_child(root, 60, log, manner)
    try:
        wait_until(lambda: n_lines(log) >= N_FAST + 1)
        began = time.monotonic()
        child.send_signal(number)
        assert child.wait(timeout=10) == code
        assert time.monotonic() - began < 5
    finally:
        child.kill()
        child.wait()
    check_invariants(root)
    with open_mirror(root) as mirror:
        last = read_status(mirror).last_run
    assert last is not None
    last.check()
    assert (last.end, last.exit_code) == (RunEnd.INTERRUPTED, code)
    assert (last.outcomes, last.not_yet_tried) == ({"stored": N_FAST}, 60 - N_FAST)
    assert bool(last.n_dropped) == (manner == "deaf")


def test_a_signal_that_make_hands_on_counts_once(tmp_path: Path) -> None:
    root, log = tmp_path / "mirror", tmp_path / "log"
    child = start_child(root, 60, log, "deaf")
    try:
        wait_until(lambda: n_lines(log) >= N_FAST + 1)
        child.send_signal(signal.SIGTERM)
        time.sleep(0.1)  # two that wait to be handled would be one
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 143
    finally:
        child.kill()
        child.wait()
    with open_mirror(root) as mirror:
        last = read_status(mirror).last_run
    assert last is not None
    assert (last.end, last.exit_code) == (RunEnd.INTERRUPTED, 143)


def test_the_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    root, log = tmp_path / "mirror", tmp_path / "log"
    child = start_child(root, 60, log, "deaf")
    try:
        wait_until(lambda: n_lines(log) >= N_FAST + 1)
        child.send_signal(signal.SIGINT)
        time.sleep(0.1)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 143
    finally:
        child.kill()
        child.wait()
    check_invariants(root)

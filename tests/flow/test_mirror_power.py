"""Power cuts on a real ext4: what was reported as done is there afterwards, and nothing is torn.

The cut is the file system's own shutdown without a flush of its journal, as xfstests do it.
``YFCC_POWER_CUTS`` says how many there are, ``YFCC_KILL_SEED`` at which moments.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_checks import check_invariants, download, read_records, whole_on_disk
from tests.fakes.mirror_items import FakeAcquire, make_items, wait_until
from tests.flow.test_mirror_kill import n_lines, start_child
from tests.flow.test_verify_journal import verify_partly
from yfcc.mirror.root import open_mirror
from yfcc.mirror.verify import verify_mirror

N_CUTS = int(os.environ.get("YFCC_POWER_CUTS", "6"))
SEED = int(os.environ.get("YFCC_KILL_SEED", "20261121"))
#: _IOR('X', 125, __u32), and "go down without flushing the log".
EXT4_IOC_SHUTDOWN = 0x8004587D
WITHOUT_LOG_FLUSH = 2


def can_mount(image: Path, place: Path) -> bool:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        return False
    with image.open("wb") as file:
        file.truncate(64 << 20)
    commands = (["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", image, place])
    return all(not subprocess.run(c, check=False, capture_output=True).returncode for c in commands)


@pytest.fixture
def powered(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An image, and where it is mounted."""
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    if not can_mount(image, place):
        pytest.skip("a power cut needs root, mkfs.ext4 and a loop device")
    yield image, place
    subprocess.run(["umount", str(place)], check=True)


def cut_power(image: Path, place: Path) -> None:
    fd = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
    finally:
        os.close(fd)


def restart(image: Path, place: Path) -> None:
    """The machine comes up again: the file system replays its journal."""
    subprocess.run(["umount", str(place)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)


def test_a_power_cut_loses_nothing_that_was_reported(
    powered: tuple[Path, Path], tmp_path: Path
) -> None:
    image, place = powered
    root, log, done = place / "mirror", tmp_path / "log", tmp_path / "done"
    n_items, moments = 100 * N_CUTS, random.Random(SEED)
    for _ in range(N_CUTS):
        n_until = n_lines(log) + moments.randrange(5, 80)
        child = start_child(root, n_items, log, "fast", done)
        try:
            wait_until(lambda n=n_until, c=child: n_lines(log) >= n or c.poll() is not None)
            time.sleep(moments.random() * 0.05)
            cut_power(image, place)
            n_reported = int(done.read_text() or 0) if done.exists() else 0
        finally:
            child.kill()
            child.wait()
        restart(image, place)
        if root.joinpath("mirror.json").exists():
            check_invariants(root)
        assert len(read_records(root)) >= n_reported
    whole = whole_on_disk(root)
    assert whole
    summary = download(root, make_items(n_items), acquire := FakeAcquire(), min_free_bytes=0)
    assert sum(summary.outcomes.values()) == n_items
    assert not set(acquire.asked) & whole
    check_invariants(root)
    count_cases(N_CUTS)


def test_a_verification_that_was_done_is_not_gone_on_with_after_a_power_cut(
    powered: tuple[Path, Path],
) -> None:
    """An emptied journal that comes back would say of everything that it was read just now."""
    image, place = powered
    root = place / "mirror"
    download(root, make_items(40), min_free_bytes=0)
    verify_partly(root)
    os.sync()
    with open_mirror(root) as mirror:
        assert verify_mirror(mirror).n_items_resumed > 0
    cut_power(image, place)
    restart(image, place)
    with open_mirror(root) as mirror:
        summary = verify_mirror(mirror)
    assert (summary.n_items, summary.n_items_resumed, summary.damages) == (40, 0, [])
    count_cases(1)

"""How a run went over time: bounded, and true whatever is left out."""

from __future__ import annotations

import errno
import itertools
from pathlib import Path

import pytest

from tests.fakes.mirror_disk import FailingDisk
from yfcc.errors import TargetError
from yfcc.media.courtesy import HostNote
from yfcc.mirror.root import Mirror, create_mirror
from yfcc.mirror.samples import (
    MAX_NOTES,
    MAX_SAMPLES,
    Sample,
    Sampler,
    add_samples,
    read_samples,
)
from yfcc.mirror.totals import RunProgress
from yfcc.model import Outcome

RUN = "20261121t082745z-5f3a9c"
PAUSED = HostNote("flickr", True, "flickr: paused for 9 s, it asked to slow down")
SLOWED = HostNote("flickr", False, "flickr: 1 of 4 connections, it asked to slow down")


def progress(elapsed_s: float, n_stored: int = 0, *hosts: HostNote) -> RunProgress:
    return RunProgress(
        n_selected=10**9,
        outcomes={Outcome.STORED: n_stored, Outcome.GONE: n_stored // 10},
        not_yet_tried=10**9 - n_stored - n_stored // 10,
        n_bytes=n_stored * 80_000,
        n_adopted=0,
        elapsed_s=elapsed_s,
        n_shards=4096,
        n_shards_done=n_stored // 1000,
        n_known=5,
        hosts=hosts,
    )


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    made = create_mirror(tmp_path / "mirror")
    (tmp_path / "mirror" / "tmp" / RUN).mkdir()
    return made


def file_of(mirror: Mirror) -> Path:
    return mirror.root / "ledger" / "runs" / f"{RUN}.samples"


def sample_at(elapsed_s: float, n_stored: int, wait_s: float = 0.0, n_notes: int = 0) -> Sample:
    return Sample(elapsed_s, {"stored": n_stored}, 0, 10 * n_stored, 1, {"h": wait_s}, n_notes)


def test_samples_of_processes_add_up_between_them_and_in_the_end() -> None:
    early = [sample_at(0.0, 0), sample_at(4.0, 400, 2.0, 1)]
    late = [sample_at(0.0, 0), sample_at(1.0, 50), sample_at(9.0, 850, 6.0, 2)]
    found = add_samples([(0.0, early), (1.0, late)])
    assert [each.elapsed_s for each in found] == [0.0, 1.0, 2.0, 4.0, 10.0]
    assert [each.outcomes["stored"] for each in found] == [0, 100, 250, 650, 1250]
    assert found[-1] == Sample(10.0, {"stored": 1250}, 0, 12_500, 2, {"h": 6.0}, 3)
    assert add_samples([(0.0, early)]) == early
    assert add_samples([(0.0, []), (0.0, [])]) == []


def test_samples_of_many_processes_are_no_more_than_a_plot_needs() -> None:
    parts = [
        (0.001 * number, [sample_at(tick / 2, tick) for tick in range(MAX_SAMPLES)])
        for number in range(64)
    ]
    found = add_samples(parts)
    assert len(found) <= MAX_SAMPLES
    assert found[-1].outcomes["stored"] == 64 * (MAX_SAMPLES - 1)
    assert all(a.outcomes["stored"] <= b.outcomes["stored"] for a, b in itertools.pairwise(found))


def test_a_week_takes_less_than_a_megabyte_and_ends_with_the_truth(mirror: Mirror) -> None:
    sampler = Sampler(mirror, RUN)
    week_s, step_s = 7 * 86_400, 10
    for elapsed_s in range(0, week_s, step_s):
        sampler.look(progress(elapsed_s, 10 * elapsed_s, *(PAUSED,) * (elapsed_s // 10 % 20 == 3)))
        if elapsed_s % 20_000 == 0 and elapsed_s:
            assert file_of(mirror).stat().st_size < 1_000_000
    sampler.finish(progress(week_s, 10 * week_s))
    assert file_of(mirror).stat().st_size < 1_000_000
    samples, notes = read_samples(mirror, RUN)
    assert MAX_SAMPLES // 2 <= len(samples) <= MAX_SAMPLES
    last = samples[-1]
    assert (last.elapsed_s, last.outcomes["stored"], last.n_known) == (week_s, 10 * week_s, 5)
    assert (last.n_bytes, last.n_shards_done) == (800_000 * week_s, week_s // 100)
    # Every twentieth look found the host paused, and each look stands for ten seconds.
    assert last.waits == {"flickr": week_s / 20}
    assert (last.n_notes, len(notes)) == (week_s // 200, MAX_NOTES)
    gaps = [b.elapsed_s - a.elapsed_s for a, b in itertools.pairwise(samples)]
    assert min(gaps[:-1]) > 0
    assert max(gaps) < week_s / 400


def test_a_short_run_keeps_every_sample_and_every_pause(mirror: Mirror) -> None:
    sampler = Sampler(mirror, RUN)
    for tick in range(100):
        hosts = [PAUSED] if 20 <= tick < 30 or tick >= 90 else [SLOWED] if tick < 40 else []
        sampler.look(progress(tick / 10, tick, *hosts))
    sampler.finish(progress(10.0, 100))
    samples, notes = read_samples(mirror, RUN)
    assert [sample.elapsed_s for sample in samples] == [k / 2 for k in range(21)]
    assert [note.elapsed_s for note in notes] == [2.0, 9.0]
    assert notes[0].text == PAUSED.text
    assert samples[-1].waits == {"flickr": 2.0}


def test_torn_and_foreign_lines_are_passed_over(mirror: Mirror) -> None:
    sampler = Sampler(mirror, RUN)
    sampler.look(progress(0.0))
    with file_of(mirror).open("ab") as file:
        file.write(b'{"t":3.0,"outcomes":{"sto\n[1]\n{"t":"x","note":1}\n\xff\n{"t":1}\n')
    sampler.finish(progress(5.0, 50))
    samples, notes = read_samples(mirror, RUN)
    assert [sample.elapsed_s for sample in samples] == [0.0, 5.0]
    assert notes == []


@pytest.mark.parametrize("operation", ["open", "write", "close", "rename"])
def test_a_disk_that_fails_says_so_and_tears_no_sample(mirror: Mirror, operation: str) -> None:
    n = {"open": 30, "write": 10, "close": 10, "rename": 1}[operation]
    broken = FailingDisk(operation, n, errno.ENOSPC)
    sampler = Sampler(Mirror(mirror.root, mirror.fd, broken), RUN)

    def run() -> None:
        for elapsed_s in range(MAX_SAMPLES + 1):
            sampler.look(progress(elapsed_s, elapsed_s))

    with pytest.raises(TargetError, match=f"{RUN}.samples"):
        run()
    sampler.finish(progress(MAX_SAMPLES + 2, 7))
    samples, _ = read_samples(mirror, RUN)
    assert samples[-1].outcomes["stored"] == 7
    assert all(each.outcomes["stored"] in (each.elapsed_s, 7) for each in samples)


def test_a_run_without_samples_has_none(mirror: Mirror) -> None:
    assert read_samples(mirror, RUN) == ([], [])

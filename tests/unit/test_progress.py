"""Rates and times left, as they are shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from yfcc.progress import FileProgress, PlainProgress, TerminalProgress

NAME, EXIF = "yfcc100m_dataset.bz2", "yfcc100m_exif.bz2"
SIZE = 100_000_000


class Clock:
    """Stands still until it is told to go on."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def plain(clock: Clock, lines: list[str]) -> PlainProgress:
    return PlainProgress(lines.append, clock)


@pytest.fixture(params=["plain", "terminal"])
def shown(request, clock, lines, plain, capsys) -> Iterator[tuple[FileProgress, list[str]]]:
    """Both displays, and what they have shown so far."""
    if request.param == "plain":
        yield plain, lines
        return
    terminal = TerminalProgress(clock)

    class Bars(list[str]):
        def __contains__(self, text: object) -> bool:
            task = terminal._progress.tasks[0]
            told = f"{task.fields['rows']}, {task.fields['left']} left"
            return str(text).replace(" rows/s", "/s").partition("MB, ")[2] == told

    yield terminal, Bars()


def test_rate_and_time_left_are_those_of_this_run(shown, clock) -> None:
    progress, told = shown
    progress.start_file(NAME, SIZE)
    clock.now_s += 10
    progress.advance_file(NAME, 80_000_000, 8_000_000)  # what an earlier run read
    clock.now_s += 10
    progress.advance_file(NAME, 85_000_000, 8_500_000)
    # 0.5 MB/s: 15 MB take 30 s more.
    expected = f"{NAME}: 85 of 100 MB, 8,500,000 rows, 50,000 rows/s, 0:00:30 left"
    assert expected in told


def test_a_rate_that_is_not_known_yet_is_not_told(plain, clock, lines) -> None:
    plain.start_file(NAME, SIZE)
    clock.now_s += 10
    plain.advance_file(NAME, 80_000_000, 8_000_000)
    assert lines == [f"{NAME}: 80 of 100 MB, 8,000,000 rows"]


def test_each_file_has_a_pace_of_its_own(plain, clock, lines) -> None:
    plain.start_file(NAME, SIZE)
    plain.start_file(EXIF, SIZE)
    plain.advance_file(NAME, 0, 0)
    clock.now_s += 100
    plain.advance_file(EXIF, 50_000_000, 1_000)
    clock.now_s += 10
    plain.advance_file(NAME, 10_000_000, 1_100)
    plain.advance_file(EXIF, 60_000_000, 2_000)
    clock.now_s += 10
    lines.clear()
    plain.advance_file(EXIF, 70_000_000, 3_000)
    assert lines == [
        f"{NAME}: 10 of 100 MB, 1,100 rows, 10 rows/s, 0:16:30 left",
        f"{EXIF}: 70 of 100 MB, 3,000 rows, 100 rows/s, 0:00:30 left",
    ]


def test_lines_come_every_few_seconds_and_only_of_files_that_are_read(plain, clock, lines) -> None:
    plain.start_file(NAME, SIZE)
    plain.start_file(EXIF, SIZE)
    for n_bytes in range(1, 21):
        clock.now_s += 1
        plain.advance_file(NAME, n_bytes * 1_000_000, n_bytes)
    assert len(lines) == 4
    assert all(line.startswith(NAME) for line in lines)


def test_a_file_at_its_end_has_no_time_left(plain, clock, lines) -> None:
    plain.start_file(NAME, SIZE)
    plain.advance_file(NAME, 10_000_000, 10)
    clock.now_s += 9
    plain.advance_file(NAME, SIZE + 100, 100)
    assert lines == [f"{NAME}: 100 of 100 MB, 100 rows, 10 rows/s, 0:00:00 left"]

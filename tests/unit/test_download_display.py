"""What is shown of a download under way."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from yfcc.cli.download_display import DownloadDisplay, Pace, describe_run, format_bytes
from yfcc.errors import RateLimitedError
from yfcc.media.courtesy import HostNote
from yfcc.mirror.totals import RunProgress
from yfcc.model import Outcome

PAUSED = HostNote("h", True, "h: paused for 12 s, it asked to slow down\x1b[31m")


def at(elapsed_s: float, n_stored: int, n_known: int = 0, *hosts: HostNote) -> RunProgress:
    outcomes = {Outcome.STORED: n_stored}
    if n_known:
        outcomes[Outcome.ALREADY_STORED] = n_known
    return RunProgress(
        n_selected=100_000,
        outcomes=outcomes,
        not_yet_tried=100_000 - n_stored - n_known,
        n_bytes=n_stored * 100_000,
        n_adopted=0,
        elapsed_s=elapsed_s,
        n_shards=64,
        n_shards_done=3,
        n_known=n_known,
        hosts=hosts,
    )


@pytest.fixture
def lines() -> list[str]:
    return []


def test_a_line_says_counts_rates_bytes_shards_time_and_what_holds_it_back() -> None:
    pace = Pace()
    for second in range(1, 11):
        pace.look(at(second, second * 100))
    assert describe_run(at(10, 1000, 0, PAUSED), pace) == (
        "1,000 of 100,000 items: 1,000 stored; "
        "100 items/s, 10.0 MB/s, 100.0 MB, 3 of 64 shards, 0:16:30 left; "
        "h: paused for 12 s, it asked to slow down\\x1b[31m"
    )


def test_the_rate_is_the_recent_one_and_of_new_items() -> None:
    pace = Pace()
    pace.look(at(1, 0, 50_000))  # what earlier runs did is passed over in a second
    for second in range(2, 102):
        pace.look(at(second, 10 * second, 50_000))
    assert pace.items_per_s == pytest.approx(10)
    for second in range(102, 202):
        pace.look(at(second, 1010 + 90 * (second - 101), 50_000))
    assert pace.items_per_s == pytest.approx(90)
    assert pace.left_s(900) == pytest.approx(10)


def test_nothing_moves_and_no_time_is_promised() -> None:
    pace = Pace()
    pace.look(at(5, 0))
    pace.look(at(50, 0))
    assert pace.left_s(10) is None
    assert "left" not in describe_run(at(50, 0), pace)


def test_plain_lines_come_every_ten_seconds(lines: list[str]) -> None:
    with DownloadDisplay(is_quiet=False, is_terminal=False, write=lines.append) as display:
        for tick in range(351):
            display.show(at(tick / 10, tick))
    assert [line.split()[0] for line in lines] == ["100", "200", "300"]


def test_a_run_that_an_error_stops_says_how_far_it_came(lines: list[str]) -> None:
    def stop_early() -> None:
        with DownloadDisplay(is_quiet=False, is_terminal=False, write=lines.append) as display:
            display.show(at(3, 20, 1_000))
            raise RateLimitedError("enough")

    with pytest.raises(RateLimitedError):
        stop_early()
    assert lines == [
        "1,020 of 100,000 items: 20 stored, 1,000 already_stored; 98,980 not yet tried"
    ]


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_terminal_that_cannot_draw_gets_plain_lines(name: str) -> None:
    script = (
        "from yfcc.progress import can_draw, open_file_progress\n"
        "print(can_draw(), type(open_file_progress(is_quiet=False)).__name__)"
    )
    for terminal, told in (("xterm", "True TerminalProgress"), (name, "False PlainProgress")):
        ours, theirs = os.openpty()
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=os.environ | {"TERM": terminal},
            check=True,
        )
        os.close(theirs)
        os.close(ours)
        assert done.stdout.decode().strip() == told


def test_quiet_says_nothing(lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for is_terminal in (False, True):
        with DownloadDisplay(is_quiet=True, is_terminal=is_terminal, write=lines.append) as display:
            display.show(at(60, 1))
    assert (lines, *capsys.readouterr()) == ([], "", "")


def test_a_terminal_shows_a_bar_and_takes_no_markup_from_names() -> None:
    from rich.console import Console

    display = DownloadDisplay(is_quiet=False, is_terminal=True)
    out = io.StringIO()
    console = Console(file=out, width=120, color_system=None, highlight=False)
    console.print(display.draw())
    assert out.getvalue() == "reading the catalog\n"
    display.show(at(10, 50_000, 0, HostNote("x", False, "[red]x: 3 of 64 connections")))
    console.print(display.draw())
    bar, counts, pace, host = out.getvalue().splitlines()[1:]
    assert bar.split()[-1] == "50%"
    assert counts == "50,000 of 100,000 items: 50,000 stored"
    assert pace == "5,000 items/s, 500.0 MB/s, 5.0 GB, 3 of 64 shards, 0:00:10 left"
    assert host == "[red]x: 3 of 64 connections"


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(999, "999 B"), (1500, "1.5 kB"), (3.14e9, "3.1 GB"), (9.9e15, "9,900.0 TB")],
)
def test_sizes(n_bytes: float, text: str) -> None:
    assert format_bytes(n_bytes) == text

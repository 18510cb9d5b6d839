"""What a long command shows while it works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from yfcc.config import terminal_is_dumb
from yfcc.plain_text import safe_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PLAIN_EVERY_S: Final = 5.0


@dataclass(slots=True)
class _Pace:
    """How fast this run reads a file.

    What is told of it first may hold what an earlier run read: rates count from there.

    Attributes
    ----------
    n_bytes : int
        Compressed size of the file.
    """

    n_bytes: int
    n_bytes_done: int = 0
    n_rows: int = 0
    _first: tuple[float, int, int] | None = None
    _elapsed_s: float = 0.0

    def advance(self, n_bytes: int, n_rows: int, now_s: float) -> None:
        """So much is read in all."""
        self.n_bytes_done, self.n_rows = n_bytes, n_rows
        if self._first is None:
            self._first = now_s, n_bytes, n_rows
        self._elapsed_s = now_s - self._first[0]

    @property
    def rows_per_s(self) -> float | None:
        """None as long as it is not known."""
        if self._first is None or self._elapsed_s <= 0:
            return None
        return (self.n_rows - self._first[2]) / self._elapsed_s

    @property
    def left_s(self) -> float | None:
        """Seconds to the end of the file; None as long as that is not known."""
        if self._first is None or self.n_bytes_done <= self._first[1]:
            return None
        left_bytes = max(self.n_bytes - self.n_bytes_done, 0)
        return self._elapsed_s * left_bytes / (self.n_bytes_done - self._first[1])


_notes_are_wanted = True


def silence_notes() -> None:
    """Say nothing more through :func:`note`: the user wants it quiet."""
    global _notes_are_wanted  # noqa: PLW0603 - of the process, as standard error is
    _notes_are_wanted = False


def note(text: str) -> None:
    """A line on standard error about a step that takes its time, from whatever is at work."""
    if _notes_are_wanted:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def can_draw() -> bool:
    """Whether standard error is a terminal on which lines can be drawn anew."""
    return sys.stderr is not None and sys.stderr.isatty() and not terminal_is_dumb()


class FileProgress(Protocol):
    """Told how far a build has come in each of its files."""

    def start_file(self, name: str, n_bytes: int) -> None:
        """A file will be read: its name and compressed size."""

    def advance_file(self, name: str, n_bytes: int, n_rows: int) -> None:
        """So many compressed bytes and rows of a file are read in all."""

    def say(self, text: str) -> None:
        """A step that is worth a line."""


class SilentProgress:
    """Shows nothing."""

    def start_file(self, name: str, n_bytes: int) -> None:
        """Nothing."""

    def advance_file(self, name: str, n_bytes: int, n_rows: int) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@dataclass(slots=True)
class PlainProgress:
    """A line every few seconds, for logs.

    Attributes
    ----------
    write : callable
        Takes a line.
    clock : callable
        Seconds, monotonic.
    """

    write: Callable[[str], object] = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: T201
    clock: Callable[[], float] = time.monotonic
    _paces: dict[str, _Pace] = field(default_factory=dict)
    _last_s: float | None = None

    def start_file(self, name: str, n_bytes: int) -> None:
        """Note a file's size."""
        self._paces[name] = _Pace(n_bytes)
        if self._last_s is None:
            self._last_s = self.clock()

    def advance_file(self, name: str, n_bytes: int, n_rows: int) -> None:
        """Say where every file is, every few seconds."""
        now_s = self.clock()
        self._paces[name].advance(n_bytes, n_rows, now_s)
        if self._last_s is not None and now_s - self._last_s < _PLAIN_EVERY_S:
            return
        self._last_s = now_s
        for each, pace in self._paces.items():
            if pace.n_bytes_done:
                self.write(_line(each, pace))

    def say(self, text: str) -> None:
        """A line."""
        self.write(safe_text(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _line(name: str, pace: _Pace) -> str:
    done_mb, size_mb = pace.n_bytes_done / 1e6, pace.n_bytes / 1e6
    told = [f"{name}: {done_mb:,.0f} of {size_mb:,.0f} MB", f"{pace.n_rows:,} rows"]
    if pace.rows_per_s is not None:
        told.append(f"{pace.rows_per_s:,.0f} rows/s")
    if pace.left_s is not None:
        told.append(f"{format_duration(pace.left_s)} left")
    return ", ".join(told)


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples
    --------
    >>> format_duration(3725.4)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


class TerminalProgress:
    """A bar a file, with bytes, rows, rows a second and the time that is left.

    Parameters
    ----------
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = _open_bars(clock)
        self._clock = clock
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, _Pace] = {}

    def start_file(self, name: str, n_bytes: int) -> None:
        """Add a bar."""
        self._tasks[name] = self._progress.add_task(name, total=n_bytes, rows="", left="")
        self._paces[name] = _Pace(n_bytes)

    def advance_file(self, name: str, n_bytes: int, n_rows: int) -> None:
        """Move a bar."""
        pace = self._paces[name]
        pace.advance(n_bytes, n_rows, self._clock())
        rate = "" if pace.rows_per_s is None else f", {pace.rows_per_s:,.0f}/s"
        left = "" if pace.left_s is None else format_duration(pace.left_s)
        self._progress.update(
            self._tasks[name], completed=n_bytes, rows=f"{n_rows:,} rows{rate}", left=left
        )

    def say(self, text: str) -> None:
        """A line above the bars; the text is printed as it is, never read as markup."""
        self._progress.console.print(safe_text(text), markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


def _open_bars(clock: Callable[[], float]) -> Progress:
    from rich.console import Console  # noqa: PLC0415 - 0.1 s that --help need not pay
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rows]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        get_time=clock,
    )


def open_file_progress(*, is_quiet: bool) -> SilentProgress | PlainProgress | TerminalProgress:
    """The display that fits where standard error goes."""
    if is_quiet:
        return SilentProgress()
    if can_draw():
        return TerminalProgress()
    return PlainProgress()


class RunCounts(Protocol):
    """How far a download is."""

    @property
    def n_selected(self) -> int:
        """Items the run was asked for."""

    @property
    def outcomes(self) -> Mapping[Any, int]:
        """Items by outcome."""

    @property
    def not_yet_tried(self) -> int:
        """Items without one."""

    @property
    def n_bytes(self) -> int:
        """Bytes of media stored by this run."""

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""


def describe_run(counts: RunCounts) -> str:
    """A download's progress on one line."""
    elapsed_s = max(counts.elapsed_s, 0.001)
    n_done = counts.n_selected - counts.not_yet_tried
    n_new = n_done - counts.outcomes.get("already_stored", 0)
    left_s = counts.not_yet_tried * elapsed_s / n_new if n_new else 0.0
    outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.outcomes.items())
    return (
        f"{n_done:,} of {counts.n_selected:,} items: {outcomes or 'none yet'}; "
        f"{n_new / elapsed_s:,.0f} items/s, {counts.n_bytes / elapsed_s / 1e6:,.1f} MB/s, "
        f"{format_duration(left_s)} left"
    )


class RunDisplay:
    """Shows a download: a bar on a terminal, a line every few seconds elsewhere, or nothing."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._last_s = 0.0

    def __enter__(self) -> Self:
        if not self._is_quiet and can_draw():
            self._progress = _open_run_bar()
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, counts: RunCounts) -> None:
        """Take the latest counts."""
        if self._is_quiet:
            return
        if self._progress is not None:
            if self._task is None:
                self._task = self._progress.add_task("", total=counts.n_selected)
            self._progress.update(
                self._task,
                completed=counts.n_selected - counts.not_yet_tried,
                description=describe_run(counts),
            )
        elif counts.elapsed_s - self._last_s >= _PLAIN_EVERY_S:
            self._last_s = counts.elapsed_s
            print(describe_run(counts), file=sys.stderr, flush=True)  # noqa: T201


def _open_run_bar() -> Progress:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
    )

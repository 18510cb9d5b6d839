"""What a download shows while it works: a few live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from yfcc.cli.output import safe_text
from yfcc.progress import can_draw, format_duration

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

    from yfcc.mirror.plan import DownloadPlan
    from yfcc.mirror.totals import RunProgress

_PLAIN_EVERY_S: Final = 10.0
#: Rates are those of so many last seconds.
WINDOW_S: Final = 30.0


def format_bytes(n_bytes: float) -> str:
    """A size with the unit that fits.

    Examples
    --------
    >>> format_bytes(3_140_000_000)
    '3.1 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} TB"


class Pace:
    """How fast a run is: over the last seconds, and so independent of how it began."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def look(self, progress: RunProgress) -> None:
        """Take the latest counts."""
        n_new = progress.n_selected - progress.not_yet_tried - progress.n_known
        if not self._seen and progress.elapsed_s > 0:
            self._seen.append((0.0, 0, 0))
        self._seen.append((progress.elapsed_s, n_new, progress.n_bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= progress.elapsed_s - WINDOW_S:
            self._seen.popleft()

    @property
    def items_per_s(self) -> float:
        """Items that got an outcome from this run; those known before do not count."""
        return self._per_s(1)

    @property
    def bytes_per_s(self) -> float:
        """Bytes of media stored."""
        return self._per_s(2)

    def left_s(self, n_items: int) -> float | None:
        """Seconds that so many items take at this pace; None if nothing moves."""
        return n_items / self.items_per_s if self.items_per_s > 0 else None

    def _per_s(self, column: int) -> float:
        if not self._seen or self._seen[-1][0] <= self._seen[0][0]:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        return (last[column] - first[column]) / (last[0] - first[0])


def describe_counts(progress: RunProgress) -> str:
    """Items by outcome, ``39,000 stored, 2,200 gone``."""
    counted = ", ".join(f"{n:,} {outcome}" for outcome, n in progress.outcomes.items())
    return counted or "none yet"


def describe_pace(progress: RunProgress, pace: Pace) -> str:
    """Rates, bytes, shards and the time that is left, on one line."""
    told = [
        f"{pace.items_per_s:,.0f} items/s",
        f"{pace.bytes_per_s / 1e6:,.1f} MB/s",
        format_bytes(progress.n_bytes),
        f"{progress.n_shards_done:,} of {progress.n_shards:,} shards",
    ]
    left_s = pace.left_s(progress.not_yet_tried)
    if left_s is not None:
        told.append(f"{format_duration(left_s)} left")
    return ", ".join(told)


def describe_licenses(plan: DownloadPlan) -> str:
    """What is selected, by licence: ``5,000 items selected: 3,100 by-nc-sa, 1,900 by``."""
    counted = ", ".join(f"{n:,} {license_}" for license_, n in plan.count_licenses().items())
    return f"{plan.n_selected:,} items selected" + (f": {counted}" if counted else "")


def describe_hosts(progress: RunProgress) -> list[str]:
    """What holds requests back, a line a host."""
    return [safe_text(each.text) for each in progress.hosts]


def describe_run(progress: RunProgress, pace: Pace) -> str:
    """All of it on one line, for a log."""
    n_done = progress.n_selected - progress.not_yet_tried
    told = [
        f"{n_done:,} of {progress.n_selected:,} items: {describe_counts(progress)}",
        describe_pace(progress, pace),
        *describe_hosts(progress),
    ]
    return "; ".join(told)


def describe_end(progress: RunProgress) -> str:
    """How far a run came that an error stopped."""
    n_done = progress.n_selected - progress.not_yet_tried
    return (
        f"{n_done:,} of {progress.n_selected:,} items: {describe_counts(progress)}; "
        f"{progress.not_yet_tried:,} not yet tried"
    )


class DownloadDisplay:
    """Shows a download on standard error; use it as a context manager.

    Parameters
    ----------
    is_quiet : bool
        Show nothing.
    is_terminal : bool, optional
        Whether to draw; by default whether standard error is a terminal that can.
    write : callable, optional
        Takes a plain line.
    """

    def __init__(
        self,
        *,
        is_quiet: bool,
        is_terminal: bool | None = None,
        write: Callable[[str], object] | None = None,
    ) -> None:
        self._is_quiet = is_quiet
        self._is_terminal = can_draw() if is_terminal is None else is_terminal
        self._write = write or _write_line
        self._pace = Pace()
        self._progress: RunProgress | None = None
        self._live: Live | None = None
        self._last_s = 0.0

    def __enter__(self) -> Self:
        if self._is_terminal and not self._is_quiet:
            self._live = _open_live(self.draw)
            self._live.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif error is not None and self._progress is not None and not self._is_quiet:
            # No summary follows; what was drawn stays, and says it.
            self._write(describe_end(self._progress))

    def show(self, progress: RunProgress) -> None:
        """Take the latest counts."""
        self._pace.look(progress)
        self._progress = progress
        is_due = progress.elapsed_s - self._last_s >= _PLAIN_EVERY_S
        if is_due and not self._is_quiet and not self._is_terminal:
            self._last_s = progress.elapsed_s
            self._write(describe_run(progress, self._pace))

    def say(self, line: str) -> None:
        """Tell something once, above what is drawn."""
        if self._live is not None:
            from rich.text import Text  # noqa: PLC0415

            self._live.console.print(Text(line))
        elif not self._is_quiet:
            self._write(line)

    def draw(self) -> Group:
        """The live lines of this moment."""
        from rich.console import Group  # noqa: PLC0415 - 0.1 s that --help need not pay
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        progress = self._progress
        if progress is None:
            return Group(Text("reading the catalog"))
        n_done = progress.n_selected - progress.not_yet_tried
        n_selected = max(progress.n_selected, 1)
        # A bar ends no line by itself.
        first = Table.grid(padding=(0, 1))
        first.add_row(
            ProgressBar(total=n_selected, completed=n_done, width=60), f"{n_done / n_selected:.0%}"
        )
        # Text, not str: rich would read brackets as markup.
        return Group(
            first,
            Text(f"{n_done:,} of {progress.n_selected:,} items: {describe_counts(progress)}"),
            Text(describe_pace(progress, self._pace)),
            *(Text(line, style="yellow") for line in describe_hosts(progress)),
        )


def _write_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _open_live(draw: Callable[[], Group]) -> Live:
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    return Live(get_renderable=draw, console=Console(stderr=True), refresh_per_second=4)

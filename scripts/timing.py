"""Measuring whole commands: wall time, CPU time and peak memory of a process and its children."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command.

    Attributes
    ----------
    wall_s, cpu_s : float
        CPU of the process and of the children it waited for.
    peak_mb : float
        Largest resident size of one process.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: Sequence[str], environment: dict[str, str] | None = None) -> Measured:
    """Run a command to its end.

    Raises
    ------
    SystemExit
        It failed; a benchmark of a failing command says nothing.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | (environment or {}),
    )
    peak = _Peak(process.pid)
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{errors.decode()}")
    wall_s = time.perf_counter() - started
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, peak.finish())


class _Peak:
    """Looks at a process's peak memory until it is gone.

    The kernel's own sum, ``ru_maxrss``, counts what the parent held when it forked.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._peak_kb = 0
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._is_done.wait(0.02):
            with contextlib.suppress(OSError):
                for line in self._status.read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self._peak_kb = int(line.split()[1])

    def finish(self) -> float:
        """Peak in MB; 0 where there is no /proc."""
        self._is_done.set()
        self._thread.join()
        return self._peak_kb / 1024


def in_pairs(n_pairs: int, *runs: Callable[[], Measured]) -> list[list[Measured]]:
    """Run each once, then each again, ``n_pairs`` times: what disturbs one disturbs all."""
    rounds = [[run() for run in runs] for _ in range(n_pairs)]
    return [[each[column] for each in rounds] for column in range(len(runs))]


def median_wall(runs: list[Measured]) -> float:
    """Median wall time in seconds."""
    return statistics.median(run.wall_s for run in runs)


def median_cpu(runs: list[Measured]) -> float:
    """Median CPU time in seconds."""
    return statistics.median(run.cpu_s for run in runs)


def median_ratio(ours: list[Measured], theirs: list[Measured]) -> float:
    """Median of the pairs' ratios of wall time."""
    return statistics.median(a.wall_s / b.wall_s for a, b in zip(ours, theirs, strict=True))


def print_rows(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table in Markdown."""
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(_shown(value) for value in row) + " |")


def _shown(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)

"""Measuring whole commands: wall time, CPU time and peak memory of a process and its children."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sampling import Sampler


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command.

    Attributes
    ----------
    wall_s, cpu_s : float
        CPU of the process and of the children it waited for.
    peak_mb : float
        Largest resident size, of all its processes together.
    disk_mb : float
        Largest size of the directory that was watched, beyond what lay there before.
    resident_bytes : list of int
        Once a second, of all its processes together.
    thread_cpu_s : dict of tuple of int and str to float
        By the thread's id and name; of the process itself, not of its children.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    disk_mb: float = 0.0
    thread_cpu_s: dict[tuple[int, str], float] = field(default_factory=dict)
    resident_bytes: list[int] = field(default_factory=list)

    def scaled(self, factor: float) -> Measured:
        """The times of a run over so many times as many rows."""
        return replace(self, wall_s=self.wall_s * factor, cpu_s=self.cpu_s * factor)


def measure(
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    directory: Path | None = None,
) -> Measured:
    """Run a command to its end, and watch the size of a directory.

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
    sampler = Sampler(process.pid, directory)
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - started
    sampler.finish()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{errors.decode()}")
    return Measured(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        sampler.peak_bytes / 1e6,
        sampler.peak_disk_bytes / 1e6,
        sampler.cpu_s,
        sampler.resident_bytes,
    )


def count_cores() -> int:
    """Cores that this process and its children may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def make_once(directory: Path, make: Callable[[], object]) -> None:
    """Fill a directory, unless an earlier benchmark did."""
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make()
        (directory / "complete").touch()


def wall_pairs(ours: list[Measured], theirs: list[Measured]) -> str:
    """Wall times of every pair, ours first."""
    return ", ".join(f"{a.wall_s:.1f}/{b.wall_s:.1f}" for a, b in zip(ours, theirs, strict=True))


def print_rows(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table in Markdown."""
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(_shown(value) for value in row) + " |")


def _shown(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)

"""Building the catalog, against what else one might do with the same files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from damage import EVERY, damage_files
from timing import (
    Measured,
    count_cores,
    in_pairs,
    make_once,
    measure,
    median_cpu,
    median_ratio,
    median_wall,
    print_rows,
    wall_pairs,
)

from yfcc.demo.metadata_files import write_metadata

_SCRIPTS: Final = Path(__file__).parent
#: The plain script gets no more rows than this; its times are scaled.
_WALK_ROWS: Final = 250_000
_DECOMPRESS: Final = """
import bz2, sys
for name in sys.argv[1:]:
    file = bz2.open(name)
    while file.read(1 << 20):
        pass
"""
#: What the threads of a build do, by how their names begin.
_STAGES: Final = {
    "decompress": "decompress, in a pool",
    "read-": "read the source",
    "ahead-dataset": "cut into lines and parse: dataset",
    "ahead-autotags": "cut into lines and parse: autotags",
    "ahead-exif": "cut into lines and parse: exif",
    "ahead-places": "cut into lines and parse: places",
    "write": "append to DuckDB, commit, which is compression",
}
_MAIN: Final = "main thread: start, join, read back"
_OTHERS: Final = "threads of DuckDB and Arrow"


@dataclass(frozen=True, slots=True)
class _Case:
    """The files, and where the rivals write."""

    source: Path
    n_rows: int
    work: Path
    spoilt: Path

    def files(self) -> list[str]:
        return sorted(str(path) for path in self.source.glob("*.bz2"))

    def empty(self) -> Path:
        """The directory to write to, with nothing in it."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        return self.work

    def build(self, *start: str) -> Measured:
        """``yfcc metadata``, started as it is or through another script."""
        return self._build(self.source, *start)

    def build_spoilt(self) -> Measured:
        """The same from the files with spoilt lines."""
        return self._build(self.spoilt)

    def _build(self, source: Path, *start: str) -> Measured:
        catalog = str(self.empty() / "bench.duckdb")
        command = ["metadata", "--source", str(source), "--catalog", catalog, "--quiet"]
        command += ["--max-rejects", str(4 * self.n_rows)]
        start = start or ("-m", "yfcc.cli.main")
        return measure([sys.executable, *start, *command], directory=self.work)

    def unpack(self) -> Measured:
        """Everything unpacked, then ``read_csv``."""
        script = str(_SCRIPTS / "rival_unpack.py")
        command = [sys.executable, script, str(self.source), str(self.empty())]
        return measure(command, directory=self.work)

    def walk(self) -> Measured:
        """The plain script, over some of the rows."""
        n_rows = min(self.n_rows, _WALK_ROWS)
        target = str(self.empty() / "items.jsonl")
        script = str(_SCRIPTS / "rival_walk.py")
        command = [sys.executable, script, str(self.source), target, str(n_rows)]
        return measure(command, directory=self.work).scaled(self.n_rows / n_rows)

    def lbzip2(self) -> Measured:
        """All files decompressed on all cores."""
        return measure(["lbzip2", "-dc", "-n", str(count_cores()), *self.files()])

    def one_core(self) -> Measured:
        """All files decompressed on one core."""
        return measure([sys.executable, "-c", _DECOMPRESS, *self.files()])


def run(out: Path, n_rows: int, n_pairs: int, against: str = "") -> None:
    """Print the tables; of the other rows only those whose name has the word `against`."""
    source, spoilt = out / f"metadata-{n_rows}", out / f"metadata-{n_rows}-spoilt"
    make_once(source, lambda: write_metadata(source, n_rows, seed=1))
    make_once(spoilt, lambda: damage_files(source, spoilt))
    case = _Case(source, n_rows, out / "bench-metadata", spoilt)
    n_bytes = sum(Path(file).stat().st_size for file in case.files())
    print(f"## metadata: {n_rows:,} rows, {n_bytes / 1e6:,.1f} MB of bz2, {n_pairs} runs of each\n")
    rivals = _rivals(case)
    # What only the first build does, like compiling, belongs to no run.
    case.build()
    others = {f"yfcc metadata, one line in {EVERY} spoilt": case.build_spoilt, **rivals}
    others = {name: each for name, each in others.items() if against in name}
    ours, *theirs = in_pairs(n_pairs, case.build, *others.values())
    rows: list[list[object]] = [
        [
            name,
            median_wall(runs),
            median_cpu(runs),
            round(max(each.peak_mb for each in runs)),
            round(median(each.disk_mb for each in runs)),
            median_ratio(ours, runs),
            wall_pairs(ours, runs),
        ]
        for name, runs in zip(["yfcc metadata", *others], [ours, *theirs], strict=True)
    ]
    names = ["", "wall s", "CPU s", "peak MB", "disk MB", "yfcc's wall time is x this", "pairs"]
    print_rows(names, rows)
    _print_stages(case)
    shutil.rmtree(case.work)


def _rivals(case: _Case) -> dict[str, Callable[[], Measured]]:
    """Runs by what the table calls them."""
    rivals: dict[str, Callable[[], Measured]] = {}
    if shutil.which("lbzip2"):
        rivals["lbzip2 -dc, to nowhere"] = case.lbzip2
    else:
        print("lbzip2 is not installed: its row is left out.\n")
    rivals["bz2 of Python, to nowhere"] = case.one_core
    unpack = "bunzip2" if shutil.which("bunzip2") else "bz2 of Python (no bunzip2 here)"
    rivals[f"{unpack} to disk, DuckDB's read_csv and joins, nothing decoded"] = case.unpack
    walked = "" if case.n_rows <= _WALK_ROWS else f" (times scaled from {_WALK_ROWS:,} rows)"
    rivals[f"plain script: four files in step, JSON lines{walked}"] = case.walk
    return rivals


def _print_stages(case: _Case) -> None:
    """One more build, with the CPU time of its threads by what they do."""
    found = case.build(str(_SCRIPTS / "named_threads.py"))
    catalog = case.work / "bench.duckdb"
    print(f"\ncatalog: {catalog.stat().st_size / case.n_rows:,.0f} bytes a row\n")
    if not found.thread_cpu_s:
        return
    stages: dict[str, float] = {}
    first = min(thread for thread, _ in found.thread_cpu_s)
    for (thread, name), cpu_s in found.thread_cpu_s.items():
        known = [stage for start, stage in _STAGES.items() if name.startswith(start)]
        stage = _MAIN if thread == first else known[0] if known else _OTHERS
        stages[stage] = stages.get(stage, 0.0) + cpu_s
    print("### where the CPU time goes, in one more run\n")
    rows = sorted(stages.items(), key=lambda row: -row[1])
    seen = sum(stages.values())
    shown = [[name, cpu_s, f"{cpu_s / seen:.0%}"] for name, cpu_s in rows]
    print_rows(["stage", "CPU s", "share"], [*shown, ["all", seen, f"of {found.cpu_s:.2f} s"]])
    print()

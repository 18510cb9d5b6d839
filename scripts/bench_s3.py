"""Building the catalog from a bucket, against the same build from disk; memory over the build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from timing import (
    Measured,
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

_LATENCY_S: Final = 0.05
_BYTES_PER_S: Final = 100e6
_DIRECTORY: Final = "yfcc metadata, from a directory"
_BUCKET: Final = "yfcc metadata, from a bucket"
#: Moments of a build, as shares of its time, at which memory is told.
_MOMENTS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def run(out: Path, n_rows: int, n_pairs: int, against: str = "") -> None:
    """Print the tables, of the rows whose name has the word `against`."""
    source = out / f"metadata-{n_rows}"
    make_once(source, lambda: write_metadata(source, n_rows, seed=1))
    bucket = out / "buckets" / "bench"
    shutil.rmtree(bucket.parent, ignore_errors=True)
    bucket.mkdir(parents=True)
    for file in source.glob("*.bz2"):
        bucket.joinpath(file.name).hardlink_to(file.resolve())
    print(f"## metadata from a bucket: {n_rows:,} rows, {n_pairs} runs of each\n")
    work = out / "bench-s3"
    with (
        _serve(bucket.parent, 0, 0) as plain,
        _serve(bucket.parent, _LATENCY_S, _BYTES_PER_S) as far,
    ):
        slow = f"{_BUCKET}, {_LATENCY_S * 1e3:.0f} ms away, {_BYTES_PER_S / 1e6:.0f} MB/s"
        builds = {
            _DIRECTORY: lambda: _build(work, str(source)),
            _BUCKET: lambda: _build(work, "s3://bench", plain),
            slow: lambda: _build(work, "s3://bench", far),
        }
        # What only the first build does, like compiling, belongs to no run.
        make_once(out / "warm", builds[_DIRECTORY])
        builds = {name: each for name, each in builds.items() if against in name}
        found = in_pairs(n_pairs, *builds.values())
    first = found[0]
    rows = [
        [
            name,
            median_wall(runs),
            median_cpu(runs),
            round(max(each.peak_mb for each in runs)),
            median_ratio(runs, first),
            wall_pairs(runs, first),
        ]
        for name, runs in zip(builds, found, strict=True)
    ]
    print_rows(["", "wall s", "CPU s", "peak MB", "x the first row's time", "pairs"], rows)
    print("\n### resident MB in the course of the last build of each\n")
    moments = [f"{moment:.0%}" for moment in _MOMENTS]
    shown = [[name, *_memory(runs[-1])] for name, runs in zip(builds, found, strict=True)]
    print_rows(["", *moments], shown)
    print()
    shutil.rmtree(work)


def _memory(run_: Measured) -> Iterator[int]:
    for moment in _MOMENTS:
        place = max(0, round(moment * len(run_.resident_bytes)) - 1)
        yield round(run_.resident_bytes[place] / 1e6)


def _build(work: Path, source: str, endpoint: str = "") -> Measured:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = ["metadata", "--source", source, "--catalog", str(work / "bench.duckdb"), "--quiet"]
    command += ["--anonymous"] if endpoint else []
    return measure(
        [sys.executable, "-m", "yfcc.cli.main", *command],
        {"AWS_ENDPOINT_URL_S3": endpoint} if endpoint else None,
        work,
    )


@contextmanager
def _serve(root: Path, latency_s: float, bytes_per_s: float) -> Iterator[str]:
    """A server in a process of its own; its URL."""
    script = Path(__file__).with_name("serve_bucket.py")
    server = subprocess.Popen(
        [sys.executable, str(script), str(root), str(latency_s), str(bytes_per_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline()) if server.stdout else 0}"
    finally:
        server.kill()
        server.wait()

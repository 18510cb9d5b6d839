"""Benchmarks against other tools, side by side in one run: ``make bench BENCH=metadata``."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import bench_download
import bench_metadata


def main() -> None:
    """Parse the arguments and run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["all", "metadata", "download"], nargs="?", default="all")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of metadata")
    parser.add_argument("--items", type=int, default=1_000, help="items to download")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each")
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="folder for data")
    arguments = parser.parse_args()
    arguments.out.mkdir(exist_ok=True)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}\n")
    if arguments.which in ("all", "metadata"):
        bench_metadata.run(arguments.out, arguments.rows, arguments.pairs)
    if arguments.which in ("all", "download"):
        bench_download.run(arguments.out, arguments.items, arguments.pairs)


if __name__ == "__main__":
    main()

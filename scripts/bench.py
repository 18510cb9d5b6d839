"""Benchmarks against other tools, side by side in one run: ``make bench BENCH=metadata``."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import bench_download
import bench_export
import bench_metadata
import bench_queries
import bench_s3
import soak
from timing import count_cores


def main() -> None:
    """Parse the arguments and run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "which",
        choices=["all", "metadata", "s3", "queries", "download", "export", "soak"],
        nargs="?",
        default="all",
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows of metadata")
    parser.add_argument("--items", type=int, default=4_000, help="items to download")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each")
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="folder for data")
    parser.add_argument("--cores", type=int, help="use only so many cores, for all")
    parser.add_argument(
        "--against",
        default="",
        metavar="WORD",
        help="metadata, s3: only rows whose name has this word",
    )
    parser.add_argument(
        "--no-install",
        dest="install",
        action="store_false",
        help="leave out other tools that would have to be installed from PyPI",
    )
    arguments = parser.parse_args()
    if arguments.cores:
        # Children inherit it.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    arguments.out.mkdir(exist_ok=True)
    python = platform.python_version()
    print(f"{count_cores()} cores, Python {python}, {platform.system()}\n")
    if arguments.which in ("all", "metadata"):
        bench_metadata.run(arguments.out, arguments.rows, arguments.pairs, arguments.against)
    if arguments.which in ("all", "s3"):
        bench_s3.run(arguments.out, arguments.rows, arguments.pairs, arguments.against)
    if arguments.which in ("all", "queries"):
        bench_queries.run(arguments.out, arguments.rows, arguments.pairs)
    if arguments.which == "soak":
        soak.run(arguments.out, arguments.items)
    if arguments.which in ("all", "download"):
        bench_download.run(
            arguments.out, arguments.items, arguments.pairs, may_install=arguments.install
        )
    if arguments.which in ("all", "export"):
        bench_export.run(
            arguments.out, arguments.items, arguments.pairs, may_install=arguments.install
        )


if __name__ == "__main__":
    main()

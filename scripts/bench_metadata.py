"""Building the catalog, against decompressing the same files to nowhere."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from timing import Measured, in_pairs, measure, median_cpu, median_ratio, median_wall, print_rows

from yfcc.demo.metadata_files import write_metadata

_DECOMPRESS = """
import bz2, sys
for name in sys.argv[1:]:
    file = bz2.open(name)
    while file.read(1 << 20):
        pass
"""


def run(out: Path, n_rows: int, n_pairs: int) -> None:
    """Print the table."""
    source = out / f"metadata-{n_rows}"
    if not (source / "complete").exists():
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir(parents=True)
        write_metadata(source, n_rows, seed=1)
        (source / "complete").touch()
    files = sorted(str(path) for path in source.glob("*.bz2"))
    n_bytes = sum(Path(file).stat().st_size for file in files)
    catalog = out / "bench.duckdb"

    def build() -> Measured:
        command = ["--source", str(source), "--catalog", str(catalog), "--quiet"]
        return measure([sys.executable, "-m", "yfcc.cli.main", "metadata", *command])

    def lbzip2() -> Measured:
        return measure(["lbzip2", "-dc", "-n", str(os.cpu_count()), *files])

    def one_core() -> Measured:
        return measure([sys.executable, "-c", _DECOMPRESS, *files])

    print(f"## metadata: {n_rows:,} rows, {n_bytes / 1e6:,.1f} MB of bz2, {n_pairs} runs of each\n")
    rivals = {"bz2 of Python, to nowhere": one_core}
    if shutil.which("lbzip2"):
        rivals = {"lbzip2 -dc, to nowhere": lbzip2, **rivals}
    else:
        print("lbzip2 is not installed: its row is left out.\n")
    ours, *theirs = in_pairs(n_pairs, build, *rivals.values())
    rows: list[list[object]] = [
        [name, median_wall(runs), median_cpu(runs), runs[0].peak_mb, median_ratio(ours, runs)]
        for name, runs in zip(["yfcc metadata", *rivals], [ours, *theirs], strict=True)
    ]
    print_rows(["", "wall s", "CPU s", "peak MB", "yfcc's wall time is x this"], rows)
    print(f"\ncatalog: {catalog.stat().st_size / n_rows:,.0f} bytes a row\n")

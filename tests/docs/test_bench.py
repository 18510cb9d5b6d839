"""The benchmarks run, on little data; what they measure is no test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("which", ["metadata", "s3", "queries", "download", "export"])
def test_a_benchmark_prints_ours_beside_another(which: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "scripts" / "bench.py"), which, "--out", str(tmp_path)),
            *("--rows", "2000", "--items", "60", "--pairs", "1", "--no-install"),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(table) >= 3
    if which != "queries":
        assert "yfcc" in table[1]

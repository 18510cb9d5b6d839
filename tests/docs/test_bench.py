"""The benchmarks run, on little data; what they measure is no test's business."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The others take a minute and a half together.
WHICH = ["export", "queries"]
if os.environ.get("YFCC_BENCHES") == "all":
    WHICH += ["metadata", "s3", "download"]


@pytest.mark.parametrize("which", WHICH)
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

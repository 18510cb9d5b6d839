"""The soak runs, on little data: it checks its own counts, and ends with an error otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_soak_adds_up_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    bench = [sys.executable, str(ROOT / "scripts" / "bench.py"), "soak", "--out", str(tmp_path)]
    done = subprocess.run(
        [*bench, "--items", "150"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    again = next(line for line in done.stdout.splitlines() if "the same again" in line)
    assert again.split("|")[4].strip() == "0", "requests of a run that finds everything done"
    assert "The counts add up" in done.stdout
    assert list((tmp_path / "soak").glob("*")) == []

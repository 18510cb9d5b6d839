"""Write into ``tests/FAULTS.md`` how many faults its tests made.

Usage::

    rm -f counts.jsonl
    YFCC_FAULT_COUNTS=$PWD/counts.jsonl YFCC_KILLS=200 python -m pytest tests/flow
    python scripts/count_faults.py counts.jsonl

Every test of the page adds a line to that file when all it looked at was as it should be; several
runs may add to one file. Rows of tests that added none keep what they say, and the exit code is 1.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).parents[1] / "tests" / "FAULTS.md"
ROW = re.compile(r"(\|.*\|.*\| \[(\w+)\]\(([\w/.]+)\) )\|[^|]*\|[^|]*\|")


def count(lines: list[str]) -> Counter[str]:
    """Cases by test, of the lines that tests wrote; variants are added up."""
    cases: Counter[str] = Counter()
    for line in map(json.loads, lines):
        cases[line["test"].partition("::")[2].partition("[")[0]] += line["n_cases"]
    return cases


def main(counts: Path) -> int:
    """Rewrite the page; the exit code."""
    cases = count(counts.read_text().splitlines())
    lines = PAGE.read_text().splitlines()
    missing = []
    for at, line in enumerate(lines):
        match = ROW.fullmatch(line)
        if match and cases[match[2]]:
            lines[at] = f"{match[1]}| {cases[match[2]]:,} | 0 |"
        elif match:
            missing.append(match[2])
    PAGE.write_text("\n".join(lines) + "\n")
    for name in missing:
        print(f"{name}: not run")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

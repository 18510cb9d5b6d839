"""The page of faults names tests that exist, and figures that were counted."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
#: Figures, or none where they are still to be counted.
ROW = re.compile(r"\| .+ \| .+ \| \[(\w+)\]\(([\w/.]+)\) \| (?:([\d,]+) \| 0 )?(?:\| )?\|")


def test_every_row_names_a_test_and_has_its_figures() -> None:
    table = [line for line in (TESTS / "FAULTS.md").read_text().splitlines() if line[:1] == "|"][2:]
    assert len(table) > 20
    for line in table:
        row = ROW.fullmatch(line)
        assert row, f"expected a test, its cases and 0, got {line}"
        assert f"def {row[1]}(" in (TESTS / row[2]).read_text()
        assert row[3] != "0"


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"\[(test_\w+)\]\(([\w/.]+)\)", (TESTS / "FAULTS.md").read_text())
    assert len(named) > 70
    for test, path in named:
        assert f"def {test}(" in (TESTS / path).read_text(), test


def test_every_test_that_counts_faults_has_a_row() -> None:
    page = (TESTS / "FAULTS.md").read_text()
    for path in TESTS.glob("flow/test_*.py"):
        for body in path.read_text().split("\ndef ")[1:]:
            if "    count_cases(" in body:
                assert f"[{body.partition('(')[0]}]" in page

"""How many faults a test made: for the table in ``tests/FAULTS.md``."""

from __future__ import annotations

import json
import os
from pathlib import Path


def count_cases(n_cases: int) -> None:
    """Note that so many faults were made and nothing was lost; the last thing a test does.

    Written to the file that ``YFCC_FAULT_COUNTS`` names, for ``scripts/count_faults.py``.
    """
    path = os.environ.get("YFCC_FAULT_COUNTS")
    if path:
        test = os.environ["PYTEST_CURRENT_TEST"].partition(" ")[0]
        with Path(path).open("a") as file:
            file.write(json.dumps({"test": test, "n_cases": n_cases}) + "\n")

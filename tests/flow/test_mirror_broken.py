"""Every disk operation of every command that changes a mirror fails once, and kills it once.

``download``, ``forget`` and ``verify --repair`` are broken off in the n-th call of each operation.
What is recorded is there at any moment, and the same command run again ends in the same state as
one that nothing disturbed. ``YFCC_FAULTS`` says how many calls of each operation are tried; with
``all`` it is n = 1, 2, 3 … until the command succeeds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_commands import COMMANDS, state_of

REPOSITORY = Path(__file__).parents[2]
N_CASES = os.environ.get("YFCC_FAULTS", "1")


@pytest.mark.parametrize("action", ["KILL", "EIO"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_broken_off_anywhere_is_made_good_by_the_next(
    tmp_path: Path, name: str, action: str
) -> None:
    command = COMMANDS[name]
    whole = tmp_path / "whole"
    command.prepare(whole)
    folder = tmp_path / "broken"
    folder.mkdir()
    if whole.exists():
        command.prepare(folder / "before")
    command.finish(whole)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.mirror_broken", name, action, folder, N_CASES],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    expected = state_of(whole)
    for case in cases:
        root = folder / case["root"]
        assert "\n" not in case["message"], case
        command.check(root)
        command.finish(root)
        found = state_of(root)
        differs = {
            key: (found[part].get(key), expected[part].get(key))
            for part in expected
            for key in found[part].keys() | expected[part].keys()
            if found[part].get(key) != expected[part].get(key)
        }
        assert not differs, (case, differs)
    broken = Counter(case["root"].partition("-")[0] for case in cases if case["code"])
    assert set(broken) >= {"open", "write", "fsync", "rename", "unlink", "close"}
    count_cases(broken.total())

"""The n-th call to the system fails in an export: nothing claims to be whole, and the next goes on.

``YFCC_FAULTS`` says how many calls of each kind are tried; with ``all`` it is every one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import SampleAt
from tests.fakes.exporting import Mirrored, mirror_sample, read_tree
from tests.fakes.failing_calls import KILL, KINDS, find_compiler, run_driver
from tests.fakes.fault_counts import count_cases

N_CASES = os.environ.get("YFCC_FAULTS", "2")
#: Kinds of calls, by what becomes of them.
ACTIONS = {"ENOSPC+": ("write",), "EDQUOT+": ("create",), "EROFS+": ("rename",)}
if "YFCC_FAULTS" in os.environ:
    failing = ("write", "create", "mkdir", "fsync", "rename")
    ACTIONS = {"ENOSPC+": failing, "EDQUOT+": failing, "EROFS+": failing, "EIO": KINDS}
    ACTIONS |= {"kill": KINDS}
FORMS = ["webdataset", "imagefolder", "pictures"]
if "YFCC_FAULTS" in os.environ:
    FORMS += ["parquet", "tsv"]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


def content_of(out: Path) -> dict[str, bytes]:
    """All that does not name the day or the export; nor a lock that could not be removed."""
    found = read_tree(out).items()
    return {path: each for path, each in found if not path.startswith(("_", "yfcc-lock"))}


@pytest.mark.skipif(find_compiler() is None, reason="needs Linux and a C compiler")
@pytest.mark.parametrize("form", FORMS)
def test_an_export_that_fails_in_any_call_says_so_and_goes_on(
    mirrored: Mirrored, tmp_path: Path, form: str
) -> None:
    cases = run_driver(
        "tests.fakes.export_faults",
        *(mirrored.catalog, mirrored.mirror, tmp_path, form, N_CASES),
        *(f"{action}={','.join(kinds)}" for action, kinds in ACTIONS.items()),
        folder=tmp_path,
    )
    whole = content_of(tmp_path / "counted" / "out")
    assert len(whole) > 1
    for case in cases:
        told, again, names = case["told"], case["again"], case["found"]
        assert told["code"] in ({0, -9} if case["action"] == KILL else {0, 6}), case
        assert "\n" not in told["message"], case
        is_complete = {"yfcc-export.json", "_manifest.json"} & set(names) and (
            "yfcc-unfinished.json" not in names
        )
        # What fails after the last rename comes too late to take it back.
        assert again["code"] == (2 if is_complete else 0), case
        assert content_of(tmp_path / str(case["case"]) / "out") == whole, case
        if told["code"] == 0:
            assert is_complete, case
    assert any(case["told"]["code"] == 6 for case in cases)
    count_cases(len(cases))

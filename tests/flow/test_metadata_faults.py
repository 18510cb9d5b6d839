"""The n-th call to the system fails in a build of a catalog, or kills it: all or nothing.

All calls count that change something beside the catalog: Python's, Arrow's and DuckDB's own. The
catalog that was there before is there still, or the new one is, whole; and the next build ends with
the same rows as one that nothing disturbed. ``YFCC_FAULTS`` says how many calls of each kind are
tried; with ``all`` it is every one. Without it kills are left to :mod:`test_metadata_resume`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.failing_calls import KINDS, find_compiler, run_driver
from tests.fakes.fault_counts import count_cases
from tests.flow.test_metadata_resume import (
    build,
    check_same,
    lines_of,
    make_torn,
    tables_of,
    write_lines,
)
from yfcc.catalog.build import BuildSizes
from yfcc.demo.metadata_files import write_metadata

N_CASES = os.environ.get("YFCC_FAULTS", "1")
#: Kinds of calls, by what becomes of them.
ACTIONS = {"EIO": ("fsync", "rename", "write"), "ENOSPC+": ("write",)}
if "YFCC_FAULTS" in os.environ:
    ACTIONS = {"kill": KINDS, "EIO": KINDS, "ENOSPC+": ("write", "create", "truncate")}
    ACTIONS |= {"EDQUOT+": ("write", "create"), "EMFILE": ("create",)}
#: Two batches, and the join at the end.
SIZES = BuildSizes(batch_rows=450, window_rows=225, slack_rows=90, chunk_bytes=60_000)


@pytest.mark.skipif(find_compiler() is None, reason="needs Linux and a C compiler")
@pytest.mark.parametrize("action", ACTIONS)
def test_a_build_that_fails_in_any_call_publishes_all_or_nothing(
    tmp_path: Path, action: str
) -> None:
    for path in write_metadata(tmp_path / "aligned", 900, 11):
        write_lines(path, lines_of(path))
    source = tmp_path / "source"
    make_torn(source, tmp_path / "aligned")
    build(source, tmp_path / "whole.duckdb", sizes=SIZES)
    build(source, tmp_path / "old.duckdb", sizes=SIZES, limit=50)
    whole, old = tables_of(tmp_path / "whole.duckdb"), (tmp_path / "old.duckdb").read_bytes()
    numbers = (SIZES.batch_rows, SIZES.window_rows, SIZES.slack_rows, SIZES.chunk_bytes)
    cases = run_driver(
        "tests.fakes.metadata_faults",
        *(tmp_path, ",".join(map(str, numbers)), action, ",".join(ACTIONS[action]), N_CASES),
        folder=tmp_path,
    )
    for case in cases:
        told, again = case["told"], case["again"]
        # What the build gets over is no error: it could not tidy up, say.
        allowed = {0, -9} if action == "kill" else {0, 6}
        assert told["code"] in allowed, case
        assert "\n" not in told["message"], case
        folder = tmp_path / "out" / str(case["case"])
        if (folder / "found.duckdb").read_bytes() != old:
            assert tables_of(folder / "found.duckdb") == whole, case
        (folder / "found.duckdb").unlink()
        assert again["code"] == 0, case
        check_same(folder / "catalog.duckdb", whole)
    assert {case["kind"] for case in cases} == set(ACTIONS[action])
    count_cases(len(cases))

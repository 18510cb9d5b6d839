"""What lies in a journal after a kill is what belongs to the step that counts, and no more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yfcc.catalog.counts import FileCounts
from yfcc.catalog.journal import Journal
from yfcc.catalog.plan import BuildPlan, PlannedFile
from yfcc.catalog.steps import DatasetPlace, PackPlace, ReadPlace, Stage, Step
from yfcc.metadata.bzip2 import BlockPosition
from yfcc.metadata.layouts import Pack
from yfcc.metadata.lines import LinePlace

PLAN = BuildPlan("s3://bucket/v2", (PlannedFile("f.bz2", 10, "etag"),), None)
EXIF = Pack.EXIF


def step_at(number: int, n_items: int = 0) -> Step:
    started_at = datetime(2026, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001 - UTC, as the catalog keeps it
    return Step(number, Stage.READING, {"items": n_items}, {}, started_at, None, None, {})


def rows(*ids: int) -> pa.Table:
    return pa.table({"photo_id": pa.array(ids, pa.int64())})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal")
    journal.start(PLAN, step_at(0))
    return journal


def ids_in(journal: Journal, kind: str) -> list[int]:
    files = journal.files(kind, EXIF)
    return [i for path in files for i in pa.parquet.read_table(path)["photo_id"].to_pylist()]


def test_the_plan_comes_back(journal):
    assert Journal(journal.directory).read_plan() == PLAN
    journal.remove()
    assert Journal(journal.directory).read_plan() is None
    assert not journal.directory.exists()


places = st.builds(
    ReadPlace,
    st.builds(
        LinePlace,
        st.builds(BlockPosition, st.integers(0), st.integers(0, 9), st.integers(0), st.integers(0)),
        st.integers(0),
        st.integers(0),
    ),
    st.integers(0),
)
steps = st.builds(
    Step,
    number=st.integers(0),
    stage=st.sampled_from(Stage),
    n_rows=st.dictionaries(st.text(), st.integers()),
    counts=st.dictionaries(st.text(), st.builds(FileCounts, *[st.integers()] * 5)),
    started_at=st.datetimes(),
    columns=st.none() | st.lists(st.text(), min_size=1).map(tuple),
    dataset=st.none() | st.builds(DatasetPlace, st.text(), places),
    packs=st.dictionaries(
        st.sampled_from(Pack),
        st.builds(PackPlace, st.none() | places, st.integers(0), st.booleans()),
    ),
)


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(steps)
def test_a_step_comes_back(step):
    assert Step.from_document(step.as_document()) == step


def test_the_latest_step_whose_rows_are_in_the_tables_counts(journal):
    for number, n_items in ((1, 100), (2, 100), (3, 200)):
        journal.write_step(step_at(number, n_items))
    for n_items, number in ((0, 0), (100, 2), (200, 3)):
        assert journal.find_step({"items": n_items}).number == number
    assert journal.find_step({"items": 150}) is None


def test_a_torn_step_does_not_count(journal):
    journal.write_step(step_at(1))
    path = journal.directory / "step-000001.json"
    path.write_bytes(path.read_bytes()[:40])
    assert journal.find_step({"items": 0}).number == 0


def test_rows_of_a_step_that_does_not_count_are_gone(journal):
    journal.keep("late", EXIF, rows(1, 2))
    journal.write_step(step_at(1))
    journal.keep("late", EXIF, rows(3))
    journal.write_step(step_at(2))
    journal.keep("late", EXIF, rows(4))
    journal.abandon()
    later = Journal(journal.directory)
    later.go_on_from(step_at(1))
    assert ids_in(later, "late") == [1, 2]
    later.keep("late", EXIF, rows(5))
    assert ids_in(later, "late") == [1, 2], "rows of the step at work are not there yet"
    later.write_step(step_at(2))
    assert ids_in(later, "late") == [1, 2, 5]


def test_rows_that_a_step_replaces_are_gone_though_the_run_died_before_it_removed_them(journal):
    for number, kept in ((1, (1, 2)), (2, (2, 3))):
        journal.keep("passed", EXIF, rows(*kept))
        journal.write_step(step_at(number))
    later = Journal(journal.directory)
    later.go_on_from(step_at(2))
    assert ids_in(later, "passed") == [2, 3]
    later.write_step(step_at(3))  # nothing is passed over any more
    later = Journal(journal.directory)
    later.go_on_from(step_at(3))
    assert ids_in(later, "passed") == []


def test_a_journal_without_a_plan_is_none(journal):
    (journal.directory / "plan.json").write_text("{")
    assert Journal(journal.directory).read_plan() is None
    (journal.directory / "plan.json").unlink()
    assert Journal(journal.directory).read_plan() is None

"""Packs joined window by window: the same as joining by a dict, whatever the orders."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from yfcc.catalog.align import PackCursor
from yfcc.metadata.columns import Rows

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)


def pack_rows(photo_ids: list[int], part_rows: int) -> Iterator[Rows]:
    """Rows of a pack whose value tells their line; every fifth value is empty."""
    for start in range(0, len(photo_ids), part_rows):
        ids = photo_ids[start : start + part_rows]
        lines = np.arange(start, start + len(ids))
        values = [None if line % 5 == 4 else f"line {line}" for line in lines.tolist()]
        raw = pa.table(
            {
                "photo_id": pa.array([str(i).encode() for i in ids], pa.binary()),
                "value": pa.array([(v or "").encode() for v in values], pa.binary()),
            }
        )
        table = pa.table(
            {"photo_id": pa.array(ids, pa.int64()), "value": pa.array(values, pa.string())}
        )
        yield Rows("pack", table, lines, lines * 100, raw, lines % 7 == 0)


@dataclass
class Join:
    """What became of every row of the pack and of every id."""

    values: dict[int, str | None] = field(default_factory=dict)
    missed: list[int] = field(default_factory=list)
    late: list[tuple[int, int]] = field(default_factory=list)  # (line, id)

    def final(self) -> dict[int, str | None]:
        """Values once the late rows are joined too: the first row of an id wins."""
        found = dict(self.values)
        for line, photo_id in sorted(self.late):
            if photo_id in self.missed:
                found.setdefault(photo_id, None if line % 5 == 4 else f"line {line}")
        return found


def gone_on_from(
    cursor: PackCursor, pack: list[int], part_rows: int, late: list[tuple[int, int]]
) -> PackCursor:
    """Another cursor in the place of one; it knows what was held, and the late rows."""
    held = cursor.held()
    first = held.first_ahead
    if first is None:
        n_unread = sum(len(rows) for rows in cursor.rows)
        first = len(pack) - n_unread
    # The part that holds the first row ahead is read again, and cut.
    skipped = first // part_rows
    rows = (
        part.kept(part.line_numbers >= first)
        for n, part in enumerate(pack_rows(pack, part_rows))
        if n >= skipped
    )
    other = PackCursor(rows, cursor.kind, cursor.slack)
    given_up = BitMap64() if held.is_unordered else BitMap64([i for _, i in late])
    other.restore(replace(held, first_ahead=None), given_up)
    return other


def join(
    dataset: list[int],
    pack: list[int],
    *,
    window: int = 3,
    slack: int = 4,
    part_rows: int = 2,
    stops: Collection[int] = (),
) -> Join:
    """Join all of it; in the windows of ``stops`` another cursor goes on."""
    cursor = PackCursor(pack_rows(pack, part_rows), pa.string(), slack)
    result = Join()

    def keep(rows: Rows) -> None:
        ids = rows.table["photo_id"].to_pylist()
        result.late += zip(rows.line_numbers.tolist(), ids, strict=True)

    for n_windows, start in enumerate(range(0, len(dataset), window)):
        if n_windows in stops:
            cursor = gone_on_from(cursor, pack, part_rows, result.late)
        ids = dataset[start : start + window]
        aligned = cursor.align(np.array(ids, np.int64))
        assert len(aligned.values) == len(aligned.is_found) == len(ids)
        for photo_id, value, is_found in zip(
            ids, aligned.values.to_pylist(), aligned.is_found.tolist(), strict=True
        ):
            if is_found:
                result.values[photo_id] = value
            else:
                assert value is None
                result.missed.append(photo_id)
        for rows in aligned.late:
            keep(rows)
    for rows in cursor.drain():
        keep(rows)
    return result


ids = st.integers(1, 30)
datasets = st.lists(ids, unique=True, max_size=25)
sizes = st.integers(1, 8)


@st.composite
def packs_near(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """A dataset and a pack that is nearly in its order: gaps, orphans, duplicates, swaps."""
    dataset = draw(st.lists(st.integers(1, 60), unique=True, max_size=30))
    pack = [each for each in dataset if draw(st.integers(0, 5))]
    for _ in range(draw(st.integers(0, 3))):
        pack.insert(draw(st.integers(0, len(pack))), draw(st.integers(1, 80)))
    for _ in range(draw(st.integers(0, 2)) if len(pack) > 1 else 0):
        at = draw(st.integers(0, len(pack) - 2))
        pack[at], pack[at + 1] = pack[at + 1], pack[at]
    return dataset, pack


def check_adds_up(dataset: list[int], pack: list[int], got: Join) -> None:
    """Every row of the pack went to one place, every id of the dataset is found or missed."""
    assert sorted([*got.values, *got.missed]) == sorted(dataset)
    assert len(got.values) + len(got.late) == len(pack)
    lines = [line for line, _ in got.late]
    assert len(set(lines)) == len(lines)
    assert all(pack[line] == photo_id for line, photo_id in got.late)
    for photo_id, value in got.values.items():
        if value:
            line = int(value.removeprefix("line "))
            assert pack[line] == photo_id
            assert line not in lines
    assert got.final().keys() == set(dataset) & set(pack)


@quick
@given(datasets, st.lists(ids, max_size=25), sizes, st.integers(0, 8), sizes)
def test_any_order_gap_orphan_or_duplicate_joins_as_by_a_dict(dataset, pack, window, slack, part):
    got = join(dataset, pack, window=window, slack=slack, part_rows=part)
    check_adds_up(dataset, pack, got)


@quick
@given(packs_near(), sizes, st.integers(0, 8), sizes)
def test_a_pack_nearly_in_order_joins_as_by_a_dict(both, window, slack, part):
    dataset, pack = both
    got = join(dataset, pack, window=window, slack=slack, part_rows=part)
    check_adds_up(dataset, pack, got)


def check_first_wins(dataset: list[int], pack: list[int], got: Join) -> None:
    first = {photo_id: pack.index(photo_id) for photo_id in dataset if photo_id in pack}
    assert got.final() == {i: None if n % 5 == 4 else f"line {n}" for i, n in first.items()}


@quick
@given(packs_near(), sizes, sizes)
@example(([1, 2, 3, 4], [4, 1, 2, 3, 4]), 3, 8)
@example(([1, 2, 3, 4], [4, 1, 2, 3, 4]), 3, 1)
def test_the_first_row_of_an_id_wins(both, window, part):
    check_first_wins(*both, join(*both, window=window, slack=1000, part_rows=part))


@pytest.mark.parametrize("slack", [0, 1, 2])
def test_the_first_row_of_an_id_wins_though_it_was_given_up_as_late(slack):
    dataset, pack = [1, 2, 3, 46, 4], [1, 46, 1, 46]
    check_first_wins(dataset, pack, join(dataset, pack, window=1, slack=slack, part_rows=1))


@quick
@given(datasets, sizes, st.integers(0, 8), sizes)
def test_the_shared_order_leaves_no_row_late(dataset, window, slack, part):
    got = join(dataset, dataset, window=window, slack=slack, part_rows=part)
    assert (got.missed, got.late) == ([], [])
    assert list(got.values) == dataset


@quick
@given(packs_near(), sizes, sizes)
def test_with_enough_slack_nothing_of_the_dataset_is_late(both, window, part):
    dataset, pack = both
    got = join(dataset, pack, window=window, slack=1000, part_rows=part)
    for line, photo_id in got.late:
        assert photo_id not in dataset or photo_id in pack[:line] or photo_id in got.values


@quick
@given(packs_near(), sizes, st.integers(0, 8), sizes, st.sets(st.integers(0, 30)))
def test_a_cursor_that_goes_on_in_the_place_of_another_finds_the_same(
    both, window, slack, part, stops
):
    dataset, pack = both
    sizes = {"window": window, "slack": slack, "part_rows": part}
    assert join(dataset, pack, stops=stops, **sizes) == join(dataset, pack, **sizes)


def test_a_cursor_goes_on_in_a_pack_of_another_order():
    dataset, pack = list(range(1, 4001)), [*range(4000, 0, -1), 9999]
    sizes = {"window": 1000, "slack": 50, "part_rows": 700}
    assert join(dataset, pack, stops={1, 2, 3}, **sizes) == join(dataset, pack, **sizes)


def test_an_empty_value_is_found_a_missing_row_is_not():
    got = join([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5])
    assert got.values[5] is None
    assert got.missed == [6]


def test_a_pack_in_another_order_goes_to_the_late_join_whole():
    dataset = list(range(1, 6001))
    pack = [*range(6000, 0, -1), 9999]
    got = join(dataset, pack, window=1000, slack=50, part_rows=700)
    check_adds_up(dataset, pack, got)
    assert len(got.late) > 5000


def test_memory_is_bounded_by_the_slack():
    held = []

    def counted(rows: Iterator[Rows]) -> Iterator[Rows]:
        for n_read, each in enumerate(rows, 1):
            held.append(n_read * 10)
            yield each

    cursor = PackCursor(counted(pack_rows(list(range(1000, 2000)), 10)), pa.string(), 40)
    n_late = 0
    for start in range(0, 50, 5):
        aligned = cursor.align(np.arange(start, start + 5))
        n_late += sum(len(rows) for rows in aligned.late)
        assert held[-1] - n_late <= 5 + 2 * 40 + 10

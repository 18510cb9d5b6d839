"""Stored items that were asked for again, by a run whose records never arrived, in every place."""

from __future__ import annotations

import pytest

from tests.contract.test_mirror_stores import check, run
from tests.fakes.mirror_items import FakeAcquire, make_items
from tests.fakes.mirror_killed_again import LaterClock
from tests.fakes.mirror_places import MirrorPlace
from yfcc.mirror.opening import open_any
from yfcc.mirror.repair import repair_mirror


@pytest.mark.parametrize("n_bytes", [3_000, 4_000])
def test_what_is_newer_than_its_record_is_recorded_and_not_fetched(
    place: MirrorPlace, n_bytes: int
) -> None:
    items = make_items(3)
    run(place, items)
    records = {path: place.read(path) for path in place.list("ledger/") if path.endswith(".jsonl")}
    run(place, items, FakeAcquire(n_bytes=n_bytes), force=True, clock=LaterClock())
    for path in place.list("ledger/"):
        if path.endswith(".jsonl"):
            place.remove(path)
    for path, content in records.items():
        place.write(path, content)
    with open_any(place.address) as mirror:
        found = repair_mirror(mirror)
    assert (len(found.damages), found.n_recorded, found.n_repaired) == (3, 3, 0)
    check(place)
    summary = run(place, items, acquire := FakeAcquire())
    assert not acquire.asked
    assert summary.outcomes == {"already_stored": 3}
    assert {record["n_bytes"] for record in place.records().values()} == {n_bytes}

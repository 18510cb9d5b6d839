"""A run over what earlier runs have done: it counts, and looks at no item it need not look at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.mirror_checks import check_invariants
from tests.fakes.mirror_items import FINGERPRINT, FakeAcquire, ListSource, make_items
from yfcc.catalog.tombstones import Kind, Reason, make_tombstone
from yfcc.mirror.forget import forget
from yfcc.mirror.opening import create_any
from yfcc.mirror.plan import plan_download
from yfcc.mirror.root import open_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.totals import RunSummary
from yfcc.model import Item, Outcome


def run(
    root: Path, items: list[Item], acquire: FakeAcquire | None = None, **options: object
) -> tuple[RunSummary, set[int]]:
    """What came of a run, and the shards whose items it looked at."""
    source = ListSource(items)
    with create_any(root) as mirror:
        plan = plan_download(source.count_by_shard(), items_a_wave=40)
        job = DownloadJob(mirror, source, plan, acquire or FakeAcquire(), FINGERPRINT)
        summary = run_download(job, RunOptions(**{"n_workers": 4, **options}))
    return summary, {shard for wave in source.asked for shard in wave}


def test_what_is_all_done_is_counted_by_its_ids(tmp_path: Path) -> None:
    items = make_items(120)
    outcomes = [Outcome.STORED, Outcome.GONE, Outcome.REFUSED]
    fates = FakeAcquire(lambda photo_id: outcomes[photo_id % 3])
    first, looked_at = run(tmp_path, items, fates)
    assert looked_at == {item.shard for item in items}
    again, looked_at = run(tmp_path, items)
    assert looked_at == set()
    assert again.outcomes == {
        "already_stored": first.outcomes["stored"],
        "gone": first.outcomes["gone"],
        "refused": first.outcomes["refused"],
    }
    assert (again.not_yet_tried, again.exit_code, again.n_bytes) == (0, 0, 0)
    check_invariants(tmp_path)


def test_only_shards_with_something_to_do_are_looked_at(tmp_path: Path) -> None:
    items = make_items(120)
    failing = items[17]
    fates = {failing.photo_id: Outcome.FAILED}
    run(tmp_path, items, FakeAcquire(lambda each: fates.get(each, Outcome.STORED)))
    acquire = FakeAcquire()
    summary, looked_at = run(tmp_path, items, acquire)
    assert acquire.asked == {failing.photo_id: 1}
    assert looked_at == {failing.shard}
    assert summary.outcomes == {"already_stored": 119, "stored": 1}


def test_as_many_other_items_do_not_make_a_shard_done(tmp_path: Path) -> None:
    items = make_items(400, first_id=4_207_150_000, step=1)
    counts = Counter(item.shard for item in items)
    assert len(counts) == 1
    run(tmp_path, items[:250])
    acquire = FakeAcquire()
    summary, _ = run(tmp_path, items[200:], acquire)
    assert sorted(acquire.asked) == [item.photo_id for item in items[250:]]
    assert summary.outcomes == {"already_stored": 50, "stored": 150}


@pytest.mark.parametrize("mark", [Kind.ID, Kind.HASH])
def test_items_removed_for_good_are_counted_and_not_asked_for(tmp_path: Path, mark: Kind) -> None:
    items = make_items(60, first_id=4_207_150_000, step=1)
    run(tmp_path, items)
    named = {Kind.ID: str(items[5].photo_id), Kind.HASH: items[5].photo_hash}[mark]
    with open_mirror(tmp_path) as mirror:
        forget(mirror, [make_tombstone(mark, named, Reason.OWNER_REQUEST, "2026-11-21")])
    acquire = FakeAcquire()
    summary, looked_at = run(tmp_path, items, acquire)
    assert acquire.asked == {}
    assert summary.outcomes == {"already_stored": 59, "forgotten": 1}
    # Who else has that hash, only the items themselves tell.
    assert looked_at == ({items[0].shard} if mark is Kind.HASH else set())


def test_asked_for_by_force_everything_is_looked_at(tmp_path: Path) -> None:
    items = make_items(30)
    run(tmp_path, items)
    acquire = FakeAcquire()
    run(tmp_path, items, acquire, force=True)
    assert sorted(acquire.asked) == sorted(item.photo_id for item in items)


def test_a_ledger_that_lost_its_end_is_no_proof(tmp_path: Path) -> None:
    items = make_items(120)
    run(tmp_path, items)
    ledger = max(tmp_path.glob("ledger/*.jsonl"), key=lambda path: path.stat().st_size)
    content = ledger.read_bytes()
    # The last seal stays, and says that all is there.
    ledger.write_bytes(content.replace(b'"outcome":"stored"', b'"outcome":"failed"', 1))
    summary, looked_at = run(tmp_path, items)
    assert looked_at == {int(ledger.stem, 16)}
    assert summary.outcomes == {"already_stored": 120}


def test_items_that_failed_are_asked_for_though_more_are_done_than_selected(
    tmp_path: Path,
) -> None:
    items = make_items(60, first_id=4_207_150_000, step=1)
    run(tmp_path, items[:50])
    run(tmp_path, items[50:], FakeAcquire(lambda _: Outcome.FAILED))
    acquire = FakeAcquire()
    summary, _ = run(tmp_path, items[40:], acquire)
    assert sorted(acquire.asked) == [item.photo_id for item in items[50:]]
    assert summary.outcomes == {"already_stored": 10, "stored": 10}

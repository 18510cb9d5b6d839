"""What a run does with its items, and what the next run makes of it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.mirror_checks import (
    check_invariants,
    download,
    media_file,
    read_records,
    whole_on_disk,
)
from tests.fakes.mirror_items import (
    FINGERPRINT,
    FakeAcquire,
    ListSource,
    make_item,
    make_items,
    media_bytes,
)
from yfcc.errors import RateLimitedError, SourceChanged, SourceDamaged, YfccError
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.downloads import DOWNLOADS_SCHEMA
from yfcc.mirror.plan import plan_download
from yfcc.mirror.root import create_mirror, open_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.status import read_status
from yfcc.mirror.stop import StopRequest
from yfcc.mirror.totals import RunEnd
from yfcc.model import Item, Outcome

FINAL = [outcome for outcome in Outcome if outcome.is_final and outcome != "already_stored"]


def by_id(photo_id: int) -> Outcome:
    return [*FINAL, Outcome.FAILED][photo_id % (len(FINAL) + 1)]


def test_media_and_json_lie_where_the_contract_says(tmp_path: Path) -> None:
    summary = download(tmp_path, [make_item(4207153986)])
    assert (summary.outcomes, summary.exit_code, summary.n_bytes) == ({"stored": 1}, 0, 3_000)
    folder = tmp_path / "media/420/715"
    assert (folder / "4207153986.jpg").read_bytes() == media_bytes(4207153986)
    document = json.loads((folder / "4207153986.json").read_bytes())
    assert list(document) == [
        "photo_id",
        "media",
        "attribution",
        "metadata",
        "autotags",
        "exif",
        "places",
        "schema_version",
    ]
    assert list(document["media"]) == [
        "path",
        "n_bytes",
        "sha256",
        "content_type",
        "width",
        "height",
        "source",
        "url",
        "fetched_at",
        "rights",
    ]
    assert document["media"]["path"] == "media/420/715/4207153986.jpg"
    assert document["media"]["rights"] == {"Content-Usage": "train-ai=n", "X-Robots-Tag": "all"}
    assert document["attribution"]["changes"] == "none"
    assert document["metadata"]["longitude"] == -12.5


def test_files_are_readable_by_all_and_the_ledger_by_its_owner(tmp_path: Path) -> None:
    download(tmp_path, [make_item(4207153986)])
    modes = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    for path, mode in modes.items():
        private = path.is_file() and path.relative_to(tmp_path).parts[0] == "ledger"
        assert mode == (0o755 if path.is_dir() else 0o600 if private else 0o644), path


def test_every_outcome_is_counted_once_and_final_ones_are_asked_once(tmp_path: Path) -> None:
    items = make_items(90)
    expected = Counter(by_id(item.photo_id) for item in items)
    assert len(expected) == len(FINAL) + 1
    first = download(tmp_path, items, FakeAcquire(by_id))
    assert first.outcomes == dict(expected)
    assert (first.n_selected, first.not_yet_tried, first.exit_code) == (90, 0, 3)
    second = download(tmp_path, items, again := FakeAcquire(by_id))
    assert {by_id(photo_id) for photo_id in again.asked} == {Outcome.FAILED}
    assert second.outcomes == {
        **{outcome.value: n for outcome, n in expected.items() if outcome != "stored"},
        "already_stored": expected[Outcome.STORED],
    }
    assert second.n_bytes == 0
    check_invariants(tmp_path)


def test_503_for_a_whole_shard_is_planned_again(tmp_path: Path) -> None:
    items = [
        item for item in make_items(4_000, step=11) if item.shard == make_item(4207150000).shard
    ]
    assert len(items) > 100
    failed = download(tmp_path, items, FakeAcquire(lambda _: Outcome.FAILED))
    assert (failed.outcomes, failed.exit_code) == ({"failed": len(items)}, 3)
    assert whole_on_disk(tmp_path) == set()
    record = read_records(tmp_path)[items[0].photo_id]
    assert (record["http_status"], record["last_error"]) == (503, "503 Slow Down")
    again = download(tmp_path, items, acquire := FakeAcquire())
    assert set(acquire.asked) == {item.photo_id for item in items}
    assert (again.outcomes, again.exit_code) == ({"stored": len(items)}, 0)


def test_records_hold_the_columns_of_downloads_and_no_nulls(tmp_path: Path) -> None:
    download(tmp_path, make_items(1))
    (record,) = read_records(tmp_path).values()
    n_columns = len(DOWNLOADS_SCHEMA.names)
    assert list(record)[:n_columns] == DOWNLOADS_SCHEMA.names
    assert list(record)[n_columns:] == ["run_id", "rights", "document_crc32"]
    (ledger,) = tmp_path.glob("ledger/*.jsonl")
    assert b"null" not in ledger.read_bytes()
    assert record["outcome"] == "stored"


def test_an_item_on_disk_without_a_record_is_adopted(tmp_path: Path) -> None:
    items = make_items(10)
    download(tmp_path, items)
    before = read_records(tmp_path)
    for ledger in tmp_path.glob("ledger/*.jsonl"):
        ledger.unlink()
    summary = download(tmp_path, items, acquire := FakeAcquire())
    assert not acquire.asked
    assert (summary.outcomes, summary.n_adopted) == ({"already_stored": 10}, 10)
    for photo_id, record in read_records(tmp_path).items():
        assert record["attempts"] is None
        known = before[photo_id]
        for name in ("path", "sha256", "n_bytes", "url", "fetched_at", "rights", "x_robots_tag"):
            assert record[name] == known[name], name
    check_invariants(tmp_path)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "json", "json_gone"])
def test_leftovers_that_are_not_whole_are_fetched_anew(tmp_path: Path, damage: str) -> None:
    item = make_item(4207153986)
    download(tmp_path, [item])
    media = media_file(tmp_path, item.photo_id)
    content = media.read_bytes()
    if damage == "flip":
        media.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif damage == "cut":
        media.write_bytes(content[:-1])
    elif damage == "gone":
        media.unlink()
    elif damage == "json":
        media.with_suffix(".json").write_bytes(b'{"photo_id":69854')
    else:
        media.with_suffix(".json").unlink()
    for ledger in tmp_path.glob("ledger/*.jsonl"):
        ledger.unlink()
    summary = download(tmp_path, [item], acquire := FakeAcquire())
    assert acquire.asked == {item.photo_id: 1}
    assert summary.outcomes == {"stored": 1}
    check_invariants(tmp_path)


@pytest.mark.parametrize("outcome", [Outcome.STORED, Outcome.GONE])
def test_leftovers_that_no_record_names_are_removed(tmp_path: Path, outcome: Outcome) -> None:
    item = make_item(4207153986)
    download(tmp_path, [item], FakeAcquire(extension="png"))
    media_file(tmp_path, item.photo_id, "png").write_bytes(b"torn")
    for ledger in tmp_path.glob("ledger/*.jsonl"):
        ledger.unlink()
    download(tmp_path, [item], FakeAcquire(lambda _: outcome))
    left = {path.suffix for path in (tmp_path / "media/420/715").iterdir()}
    assert left == ({".jpg", ".json"} if outcome is Outcome.STORED else set())
    check_invariants(tmp_path)


@pytest.mark.parametrize("torn", [1, 100, -1])
def test_a_torn_end_of_a_ledger_is_ignored_and_cut_off(tmp_path: Path, torn: int) -> None:
    items = [item for item in make_items(600, step=11) if item.shard == make_item(4207150000).shard]
    download(tmp_path, items[:4])
    (ledger,) = tmp_path.glob("ledger/*.jsonl")
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + whole[:torn])
    with open_mirror(tmp_path) as mirror:
        assert read_status(mirror).outcomes == {"stored": 4}
    summary = download(tmp_path, items)
    assert summary.outcomes == {"already_stored": 4, "stored": len(items) - 4}
    assert set(read_records(tmp_path)) == {item.photo_id for item in items}
    check_invariants(tmp_path)


def test_force_asks_again_but_loses_nothing(tmp_path: Path) -> None:
    items = make_items(40)
    forgotten = {item.photo_id for item in items if by_id(item.photo_id) == "forgotten"}
    stored = {item.photo_id for item in items if by_id(item.photo_id) == "stored"}
    download(tmp_path, items, FakeAcquire(by_id))
    acquire = FakeAcquire(lambda _: Outcome.GONE)
    summary = download(tmp_path, items, acquire, force=True)
    assert set(acquire.asked) == {item.photo_id for item in items} - forgotten
    assert summary.outcomes == {
        "already_stored": len(stored),
        "forgotten": len(forgotten),
        "gone": 40 - len(stored) - len(forgotten),
    }
    assert whole_on_disk(tmp_path) == stored
    check_invariants(tmp_path)


def test_large_media_go_through_a_file_and_stay_whole(tmp_path: Path) -> None:
    items = make_items(6)
    summary = download(tmp_path, items, FakeAcquire(n_bytes=3_000_001))
    assert summary.outcomes == {"stored": 6}
    assert summary.n_bytes == 6 * 3_000_001
    check_invariants(tmp_path)
    assert not list(tmp_path.glob("tmp/*"))


@pytest.mark.parametrize("n_bytes", [1_048_576, 1_048_577])
def test_a_large_part_of_a_failed_item_is_removed(tmp_path: Path, n_bytes: int) -> None:
    def write_and_fail(item: Item, sink) -> None:
        sink.write(bytes(n_bytes))
        raise RateLimitedError("wait an hour")

    source = ListSource(make_items(1))
    with create_mirror(tmp_path) as mirror:
        plan = plan_download(source.count_by_shard())
        job = DownloadJob(mirror, source, plan, write_and_fail, FINGERPRINT)
        with pytest.raises(RateLimitedError):
            run_download(job, RunOptions(n_workers=1))
    assert not list(tmp_path.glob("tmp/*"))
    assert not list(tmp_path.glob("media/*"))


@pytest.mark.parametrize("error", [RateLimitedError("wait an hour"), OSError(5, "a bug")])
def test_an_error_of_the_fetcher_stops_the_run_and_keeps_what_was_fetched(
    tmp_path: Path, error: Exception
) -> None:
    items = make_items(30)

    def before(item: Item) -> None:
        if item == items[20]:
            raise error

    with pytest.raises(type(error), match=str(error).replace("[", r"\[").replace("]", r"\]")):
        download(tmp_path, items, FakeAcquire(before=before), n_workers=1)
    assert set(read_records(tmp_path)) == {item.photo_id for item in items[:20]}
    with open_mirror(tmp_path) as mirror:
        last = read_status(mirror).last_run
    assert last is not None
    last.check()
    assert (last.end, last.outcomes, last.not_yet_tried) == (RunEnd.STOPPED, {"stored": 20}, 10)
    assert last.exit_code == (7 if isinstance(error, RateLimitedError) else 1)
    assert last.error == str(error)
    assert download(tmp_path, items).outcomes == {"already_stored": 20, "stored": 10}


def test_the_fetcher_is_told_when_another_item_stops_the_run(tmp_path: Path) -> None:
    items = make_items(8)
    stop = StopRequest()

    def before(item: Item) -> None:
        if item == items[3]:
            raise RateLimitedError("wait an hour")
        assert stop.event.wait(20)

    with pytest.raises(RateLimitedError):
        download(tmp_path, items, FakeAcquire(before=before), stop=stop)
    check_invariants(tmp_path)


def test_a_stop_from_another_thread_ends_the_run_in_order(tmp_path: Path) -> None:
    items = make_items(200)
    stop = StopRequest()

    def before(item: Item) -> None:
        if item == items[50]:
            stop.event.set()

    summary = download(tmp_path, items, FakeAcquire(before=before), stop=stop)
    summary.check()
    assert (summary.end, summary.exit_code) == (RunEnd.INTERRUPTED, 130)
    assert summary.outcomes["stored"] == len(read_records(tmp_path))
    assert 50 < summary.outcomes["stored"] < 200
    assert summary.not_yet_tried == 200 - summary.outcomes["stored"]


def test_what_was_fetched_after_the_grace_is_not_stored(tmp_path: Path) -> None:
    items = make_items(1)
    stop, may_go_on = StopRequest(), threading.Event()

    def before(_: Item) -> None:
        stop.ask()
        assert may_go_on.wait(20)

    acquire, at_once = FakeAcquire(before=before), GroupLimits(n_records=1)
    summary = download(tmp_path, items, acquire, stop=stop, grace_s=0.2, limits=at_once)
    assert (summary.n_dropped, summary.not_yet_tried, summary.exit_code) == (1, 1, 130)
    may_go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("yfcc-download"):
            thread.join(10)
    assert whole_on_disk(tmp_path) == set()
    assert read_records(tmp_path) == {}
    assert download(tmp_path, items).outcomes == {"stored": 1}


def test_a_lone_item_is_durable_before_the_group_is_full(tmp_path: Path) -> None:
    items = make_items(2)
    stop = StopRequest()

    def before(item: Item) -> None:
        if item == items[1]:
            stop.event.wait(20)

    seen = []

    def report(progress) -> None:
        if progress.outcomes and not seen:
            seen.append(set(read_records(tmp_path)))
            stop.ask()

    source = ListSource(items)
    with create_mirror(tmp_path) as mirror:
        plan = plan_download(source.count_by_shard())
        job = DownloadJob(mirror, source, plan, FakeAcquire(before=before), FINGERPRINT)
        limits = GroupLimits(n_records=1_000, age_s=0.2)
        run_download(job, RunOptions(n_workers=1, limits=limits), stop, report)
    assert seen == [{items[0].photo_id}]


def test_progress_counts_what_is_durable_and_adds_up(tmp_path: Path) -> None:
    source = ListSource(make_items(300))
    reports = []

    def report(progress) -> None:
        n_durable = len(read_records(tmp_path))
        assert sum(progress.outcomes.values()) <= n_durable
        assert progress.n_selected == sum(progress.outcomes.values()) + progress.not_yet_tried
        reports.append(progress)

    with create_mirror(tmp_path) as mirror:
        plan = plan_download(source.count_by_shard(), items_a_wave=40)
        job = DownloadJob(mirror, source, plan, FakeAcquire(by_id), FINGERPRINT)
        run_download(job, RunOptions(n_workers=4), report=report)
    assert len(plan.waves) > 3
    assert source.asked == list(plan.waves)
    assert reports[-1].not_yet_tried == 0


@pytest.mark.parametrize("brought", [range(9), range(11), [*range(9), 9, 9]])
def test_a_source_that_brings_other_numbers_than_it_counted_is_refused(
    tmp_path: Path, brought: list[int]
) -> None:
    items = make_items(11)
    counted = ListSource(items[:10]).count_by_shard()
    source = ListSource([items[number] for number in brought])
    plan = plan_download(counted)
    source.iter_items = lambda shards: iter([list(source.items)])
    with create_mirror(tmp_path) as mirror:
        job = DownloadJob(mirror, source, plan, FakeAcquire(), FINGERPRINT)
        with pytest.raises(SourceChanged, match="run again"):
            run_download(job, RunOptions(n_workers=2))
    check_invariants(tmp_path)


def test_any_order_of_items_works(tmp_path: Path) -> None:
    items = sorted(make_items(60), key=lambda item: str(item.photo_id)[::-1])
    assert download(tmp_path, items).outcomes == {"stored": 60}
    check_invariants(tmp_path)


def test_a_broken_document_of_the_catalog_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged, match="4207153986"):
        download(tmp_path, [replace(make_item(4207153986), document='{"metadata": {}}')])
    assert whole_on_disk(tmp_path) == set()


@pytest.mark.parametrize("extension", ["../../etc", "JPG", "jpg\n", "", "exe"])
def test_an_extension_outside_the_fixed_set_is_refused(tmp_path: Path, extension: str) -> None:
    with pytest.raises(YfccError):
        download(tmp_path, make_items(1), FakeAcquire(extension=extension))
    assert not [path for path in tmp_path.glob("media/**/*") if path.is_file()]


def test_an_empty_selection_is_done_at_once(tmp_path: Path) -> None:
    summary = download(tmp_path, [])
    assert (summary.n_selected, summary.exit_code, summary.end) == (0, 0, RunEnd.FINISHED)


def test_only_the_chosen_shards_are_worked_on(tmp_path: Path) -> None:
    items = make_items(50)
    source = ListSource(items)
    half = frozenset(range(2048))
    with create_mirror(tmp_path) as mirror:
        plan = plan_download(source.count_by_shard(), half)
        job = DownloadJob(mirror, source, plan, FakeAcquire(), FINGERPRINT)
        summary = run_download(job)
    chosen = {item.photo_id for item in items if item.shard in half}
    assert summary.n_selected == len(chosen) == summary.outcomes["stored"]
    assert set(read_records(tmp_path)) == chosen

"""What is kept of a run: its counts, its errors, its pace, as table and as page."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.mirror_checks import check_invariants, download
from tests.fakes.mirror_items import FINGERPRINT, FakeAcquire, ListSource, make_item, make_items
from yfcc.errors import TargetError, UsageError
from yfcc.media.courtesy import HostNote
from yfcc.mirror.layout import ledger_name
from yfcc.mirror.ledger import read_last_seal
from yfcc.mirror.plan import plan_download
from yfcc.mirror.report import read_report, render_report, write_report
from yfcc.mirror.root import create_mirror, open_mirror
from yfcc.mirror.run import DownloadJob, run_download
from yfcc.mirror.run_file import read_last_run
from yfcc.mirror.runs import RUNS_SCHEMA, read_runs_table
from yfcc.mirror.samples import read_samples
from yfcc.mirror.totals import RunProgress
from yfcc.model import Item, Outcome

ITEMS = make_items(60)


def some_fail(photo_id: int) -> Outcome:
    return Outcome.FAILED if photo_id % 5 == 0 else Outcome.STORED


def test_each_run_is_a_row_that_adds_up(tmp_path: Path) -> None:
    first = download(tmp_path, ITEMS, FakeAcquire(some_fail))
    second = download(tmp_path, ITEMS)
    table = read_runs_table(tmp_path)
    assert table.schema == RUNS_SCHEMA
    rows = table.to_pylist()
    assert [row["run_id"] for row in rows] == [first.run_id, second.run_id]
    with open_mirror(tmp_path) as mirror:
        last = read_last_run(mirror)
    assert last == second
    n_failed = first.outcomes["failed"]
    assert n_failed > 0
    for row, summary in zip(rows, (first, second), strict=True):
        assert dict(row["outcomes"]) == summary.outcomes
        assert row["n_selected"] == sum(n for _, n in row["outcomes"]) + row["not_yet_tried"] == 60
        assert (row["state"], row["exit_code"]) == ("finished", summary.exit_code)
        assert row["ended"] >= row["started"]
        assert (row["selection_sql"], row["sources"]) == ("select 1", ["s3"])
    assert [dict(row["errors"]) for row in rows] == [{"503 Slow Down": n_failed}, {}]


def test_a_run_that_was_killed_has_no_end(tmp_path: Path) -> None:
    rows = []

    def look(_progress: RunProgress) -> None:
        rows.extend(read_runs_table(tmp_path).to_pylist())

    download(tmp_path, ITEMS, report=look)
    assert (rows[0]["state"], rows[0]["ended"], rows[0]["exit_code"]) == ("running", None, None)


def test_a_damaged_record_of_a_run_is_named(tmp_path: Path) -> None:
    summary = download(tmp_path, ITEMS)
    path = tmp_path / "ledger" / "runs" / f"{summary.run_id}.json"
    for content in (b"{}", b"[1]", b"\0" * 100, b'{"fingerprint":7}'):
        path.write_bytes(content)
        with pytest.raises(TargetError, match=f"{summary.run_id}.json is damaged"):
            read_runs_table(tmp_path)


def test_what_a_later_version_adds_to_a_run_is_left_out(tmp_path: Path) -> None:
    summary = download(tmp_path, ITEMS)
    path = tmp_path / "ledger" / "runs" / f"{summary.run_id}.json"
    path.write_bytes(path.read_bytes().replace(b"{", b'{"new":1,', 2))
    assert read_runs_table(tmp_path)["run_id"].to_pylist() == [summary.run_id]


def test_the_samples_of_a_run_end_with_its_summary(tmp_path: Path) -> None:
    download(tmp_path, ITEMS[:20])
    seen: list[RunProgress] = []
    summary = download(tmp_path, ITEMS, FakeAcquire(some_fail), report=seen.append)
    with open_mirror(tmp_path) as mirror:
        samples, _ = read_samples(mirror, summary.run_id)
    assert (samples[-1].outcomes, samples[-1].n_bytes) == (summary.outcomes, summary.n_bytes)
    n_known = 20
    assert (samples[-1].n_known, samples[-1].n_new) == (n_known, 60 - n_known)
    assert samples[-1].n_shards_done == len({item.shard for item in ITEMS})
    assert seen[-1].n_shards == seen[-1].n_shards_done == len({item.shard for item in ITEMS})


def test_a_shard_is_done_when_its_last_item_is(tmp_path: Path) -> None:
    sizes = Counter(item.shard for item in ITEMS)
    half = [item for item in ITEMS if item.photo_id % 2]
    done: list[tuple[int, int]] = []
    download(tmp_path, half)
    download(
        tmp_path,
        ITEMS,
        n_workers=1,
        report=lambda progress: done.append(
            (sum(progress.outcomes.values()), progress.n_shards_done)
        ),
    )
    # As many shards as are full at most, and all in the end.
    full = list(itertools.accumulate(sorted(sizes.values())))
    for n_items, n_shards in done:
        assert n_shards <= sum(each <= n_items for each in full)
    assert done[-1] == (60, len(sizes))


def test_stored_again_under_force_is_weighed_once(tmp_path: Path) -> None:
    item = make_item(4207153986)
    download(tmp_path, [item], FakeAcquire(n_bytes=3_000))
    for n_bytes in (5_000, 700):
        download(tmp_path, [item], FakeAcquire(n_bytes=n_bytes), force=True)
        with open_mirror(tmp_path) as mirror:
            seal = read_last_seal(mirror, item.shard)
        assert seal is not None
        assert (seal.counts, seal.n_bytes) == ({"stored": 1}, n_bytes)
    check_invariants(tmp_path)


def test_no_shard_is_read_but_those_of_the_run(tmp_path: Path) -> None:
    item = make_item(4207153986)
    create_mirror(tmp_path).close()
    for shard in range(4096):
        if shard != item.shard:  # to open a link is an error
            (tmp_path / "ledger" / ledger_name(shard)).symlink_to("/dev/null")
    assert download(tmp_path, [item]).outcomes == {"stored": 1}


def test_pauses_are_on_the_page(tmp_path: Path) -> None:
    source = ListSource(ITEMS)
    looks = itertools.count()
    is_looked_at = threading.Event()  # often enough: nothing is fetched before

    def describe() -> tuple[HostNote, ...]:
        look = next(looks)
        if look > 4:
            is_looked_at.set()
        is_paused = 1 <= look <= 3
        return (HostNote("flickr", True, "flickr: paused for 9 s, <asked>"),) * is_paused

    def wait(_item: Item) -> None:
        assert is_looked_at.wait(timeout=60.0)

    with create_mirror(tmp_path) as mirror:
        plan = plan_download(source.count_by_shard())
        job = DownloadJob(mirror, source, plan, FakeAcquire(before=wait), FINGERPRINT, describe)
        summary = run_download(job)
    report = read_report(tmp_path)
    assert report.run.run_id == summary.run_id
    assert [note.text for note in report.notes] == ["flickr: paused for 9 s, <asked>"]
    assert report.samples[-1].waits["flickr"] > 0
    page = render_report(report)
    assert "flickr: paused for 9 s, &lt;asked&gt;" in page
    assert page.count("<polyline") == 2


def test_a_page_that_cannot_be_written_leaves_the_older_one(tmp_path: Path) -> None:
    download(tmp_path / "mirror", ITEMS)
    report = read_report(tmp_path / "mirror")
    target = tmp_path / "page.html"
    write_report(report, target)
    assert target.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(TargetError, match="no-folder"):
        write_report(report, tmp_path / "no-folder" / "page.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="folder: expected a file"):
        write_report(report, tmp_path / "folder")
    assert {path.name for path in tmp_path.iterdir()} == {"mirror", "page.html", "folder"}


@pytest.mark.parametrize("run_id", ["20200101t000000z-000000", "../../mirror", ""])
def test_a_run_that_never_was(tmp_path: Path, run_id: str) -> None:
    create_mirror(tmp_path).close()
    with pytest.raises(UsageError, match="nothing was downloaded yet"):
        read_report(tmp_path)
    summary = download(tmp_path, ITEMS)
    with pytest.raises(UsageError, match=f"latest there are: {summary.run_id}"):
        read_report(tmp_path, run_id)

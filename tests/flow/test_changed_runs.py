"""Another selection, source, catalog or version on one mirror: every run's counts are its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.conftest import SampleAt
from tests.fakes.mirror_checks import check_invariants, download, read_records
from tests.fakes.mirror_items import FINGERPRINT, FakeAcquire, ListSource, make_items
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.demo.serve import EmbeddedServers
from yfcc.errors import InterruptedRun
from yfcc.media.politeness import parse_rate
from yfcc.media.settings import FetchSettings, parse_sources
from yfcc.metadata.source import open_source
from yfcc.mirror.download import DownloadRequest, download_selection
from yfcc.mirror.plan import plan_download
from yfcc.mirror.root import create_mirror, open_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.run_file import read_last_run, read_run
from yfcc.mirror.runs import read_runs_table
from yfcc.mirror.stop import StopRequest
from yfcc.mirror.totals import RunSummary
from yfcc.progress import SilentProgress

ITEMS = make_items(40)


def build(sample: SampleAt, path: Path, n_lines: int) -> Path:
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path, n_lines), SilentProgress())
    return path


def test_each_run_keeps_what_it_was_asked_and_its_own_counts(
    sample: SampleAt, tmp_path: Path
) -> None:
    first, second = (build(sample, tmp_path / f"{n}.duckdb", n) for n in (20, 30))
    mirror = tmp_path / "mirror"
    asked = [
        (first, Selection(lines="0-9"), "s3"),
        (first, Selection(lines="5-19"), "s3"),
        (first, Selection(lines="5-19"), "s3,flickr"),
        (second, Selection(), "s3,flickr"),
    ]
    told: list[RunSummary] = []
    with EmbeddedServers(sample.directory) as servers:
        for catalog, selection, sources in asked:
            settings = FetchSettings(
                sources=parse_sources(sources),
                s3_endpoint=servers.s3_endpoint,
                flickr_endpoint=servers.flickr_endpoint,
                flickr_rate=parse_rate("500/s"),
            )
            request = DownloadRequest(catalog, str(mirror), selection, settings, None, 4, "test")
            told.append(download_selection(request))
    rows = read_runs_table(mirror).to_pylist()
    assert [row["run_id"] for row in rows] == [each.run_id for each in told]
    n_stored = 0
    for row, (catalog, selection, sources) in zip(rows, asked, strict=True):
        with Catalog(catalog) as opened:
            assert row["catalog"] == opened.fingerprint()
            n_selected = sum(opened.count(selection).by_shard().values())
        assert row["selection_sql"] == selection.sql()
        assert row["sources"] == sources.split(",")
        outcomes = dict(row["outcomes"])
        assert row["n_selected"] == n_selected == sum(outcomes.values()) + row["not_yet_tried"]
        # What others stored before is not this run's.
        assert outcomes.get("already_stored", 0) <= n_stored
        n_stored += outcomes.get("stored", 0)
    assert len({row["catalog"] for row in rows}) == 2
    asked_for = {(row["catalog"], row["selection_sql"], tuple(row["sources"])) for row in rows}
    assert len(asked_for) == len(rows)
    records = read_records(mirror).values()
    assert n_stored == sum(record["outcome"] == "stored" for record in records) > 0
    assert sum(row["n_bytes"] for row in rows) == sum(each["n_bytes"] or 0 for each in records)


def test_what_a_run_left_untried_is_not_counted_by_one_that_was_asked_something_else(
    tmp_path: Path,
) -> None:
    stop = StopRequest()
    fetched = iter(range(40))

    def before(_item: object) -> None:
        if next(fetched) >= 7:
            stop.ask()
            stop.event.wait(60)
            raise InterruptedRun(2)

    cut = download(tmp_path, ITEMS, FakeAcquire(before=before), stop=stop, n_workers=1)
    assert cut.end == "interrupted"
    assert 0 < cut.not_yet_tried < 40
    with open_mirror(tmp_path) as mirror:
        kept = read_run(mirror, cut.run_id)
    few = ITEMS[10:20]
    job_source = ListSource(few)
    other = replace(FINGERPRINT, selection_sql="lines 10-19", sources=("flickr",), tool_version="9")
    with create_mirror(tmp_path) as mirror:
        plan = plan_download(job_source.count_by_shard())
        job = DownloadJob(mirror, job_source, plan, FakeAcquire(), other)
        after = run_download(job, RunOptions(n_workers=2))
        assert (after.n_selected, after.not_yet_tried) == (10, 0)
        assert after.fingerprint == other != cut.fingerprint
        assert read_last_run(mirror) == after
        assert read_run(mirror, cut.run_id) == kept == cut
    check_invariants(tmp_path)

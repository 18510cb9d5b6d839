"""A catalog that is being built: one builder at a time, and readers are told to wait."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_items import wait_until
from tests.flow.test_metadata_resume import tables_of
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.demo.metadata_files import write_metadata
from yfcc.errors import LockedError
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress

REPOSITORY = Path(__file__).parents[2]
QUERY = ("query", "SELECT count(*) AS n FROM items", "--format", "csv")


def source_of(sample: SampleAt) -> str:
    return str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2")


def build(source: str, catalog: Path, **settings: object) -> None:
    build_catalog(open_source(source), BuildSettings(catalog, **settings), SilentProgress())


class StalledBuild:
    """A build in a process of its own that waits in its middle."""

    def __init__(self, source: str, catalog: Path, go: Path, n_lines: int) -> None:
        self.go = go
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fakes.metadata_stalled"),
                *(source, catalog, go, str(n_lines)),
            ],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "stalled\n"

    def finish(self) -> tuple[int, str]:
        """Let it go on; its exit code, and what it said."""
        self.go.touch()
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def stalled_build(source: str, catalog: Path, n_lines: int = 150) -> Iterator[StalledBuild]:
    catalog.parent.mkdir(parents=True, exist_ok=True)
    build = StalledBuild(source, catalog, catalog.parent / "go", n_lines)
    try:
        yield build
    finally:
        build.process.kill()
        build.process.communicate()


def test_who_reads_a_catalog_under_construction_is_told_to_wait(
    sample: SampleAt, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    catalog = tmp_path / "out" / "catalog.duckdb"
    with stalled_build(source_of(sample), catalog) as stalled:
        told = f"is being built by process {stalled.process.pid}: wait until it is done"
        for command in (
            QUERY,
            ("download", "--mirror", "mirror"),
            ("export", "parquet", "--out", "parquet"),
        ):
            done = run_yfcc(*command, "--catalog", str(catalog))
            assert done.returncode == 5, done.stderr
            assert told in done.stderr
            assert done.stderr.count("\n") == 1
        assert not (tmp_path / "mirror" / "media").exists()
        assert stalled.finish() == (0, "")
    done = run_yfcc(*QUERY, "--catalog", str(catalog))
    assert (done.returncode, done.stdout.split()) == (0, ["n", "300"])
    # Nobody builds it, and nobody has: that is another message.
    catalog.unlink()
    assert run_yfcc(*QUERY, "--catalog", str(catalog)).returncode == 4
    count_cases(1)


def test_the_catalog_before_is_read_while_the_next_is_built(
    sample: SampleAt, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    catalog = tmp_path / "out" / "catalog.duckdb"
    build(source_of(sample), catalog, limit=20)
    with stalled_build(source_of(sample), catalog) as stalled:
        done = run_yfcc(*QUERY, "--catalog", str(catalog))
        assert (done.returncode, done.stdout.split()) == (0, ["n", "20"])
        assert stalled.finish() == (0, "")
    done = run_yfcc(*QUERY, "--catalog", str(catalog))
    assert (done.returncode, done.stdout.split()) == (0, ["n", "300"])


def test_a_second_build_is_refused_at_once_and_the_first_goes_on(
    sample: SampleAt, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    catalog, alone = tmp_path / "out" / "catalog.duckdb", tmp_path / "alone.duckdb"
    build(source_of(sample), alone)
    flags = ("metadata", "--source", source_of(sample), "--catalog", str(catalog))
    with stalled_build(source_of(sample), catalog) as stalled:
        for more in ((), ("--restart",)):
            done = run_yfcc(*flags, *more)
            assert done.returncode == 5, done.stderr
            assert f"process {stalled.process.pid} is at work there" in done.stderr
        assert stalled.finish() == (0, "")
    assert tables_of(catalog) == tables_of(alone)
    count_cases(1)


@pytest.mark.parametrize("n_lines", [1, 3000], ids=["before-a-batch", "after-one"])
def test_a_build_whose_lock_file_was_deleted_stops_and_touches_nothing_of_the_next(
    sample: SampleAt, tmp_path: Path, n_lines: int
) -> None:
    source = source_of(sample)
    if n_lines > 1:
        # Rows arrive by blocks of bzip2: of the second nothing has arrived when it stalls.
        source = str(tmp_path / "source")
        write_metadata(Path(source), 2 * n_lines, seed=1)
    catalog, alone = tmp_path / "out" / "catalog.duckdb", tmp_path / "alone.duckdb"
    build(source, alone)
    with stalled_build(source, catalog, n_lines) as first:
        if n_lines > 1:
            steps = catalog.with_name("catalog.duckdb.building.journal")
            wait_until(lambda: any(steps.glob("step-*[1-9].json")))
        catalog.with_name("catalog.duckdb.lock").unlink()
        if n_lines > 1:
            # DuckDB's own lock on the rows that are there keeps the second out.
            with pytest.raises(LockedError):
                build(source, catalog)
        else:
            build(source, catalog)
        code, said = first.finish()
    assert (code, "was deleted while this process held it" in said) == (5, True), said
    build(source, catalog)
    assert tables_of(catalog) == tables_of(alone)
    count_cases(1)

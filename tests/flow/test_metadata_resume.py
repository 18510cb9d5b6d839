"""A build that is killed goes on from its last batch, to the catalog that it would have been.

``YFCC_KILLS`` says how many kills each shape of the source gets, ``YFCC_KILL_SEED`` at which
moments.
"""

from __future__ import annotations

import bz2
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tests.fakes.fault_counts import count_cases
from yfcc.catalog.build import BuildSettings, BuildSizes, build_catalog
from yfcc.catalog.connection import Limits
from yfcc.catalog.readback import check_readable
from yfcc.catalog.schema import create_tables
from yfcc.demo.metadata_files import write_metadata
from yfcc.demo.rows import V1
from yfcc.errors import (
    InterruptedRun,
    SourceChanged,
    SourceUnreachable,
    TargetError,
    TooManyRejectsError,
    UsageError,
)
from yfcc.metadata.source import Source, SourceObject, open_source
from yfcc.progress import SilentProgress

REPOSITORY = Path(__file__).parents[2]
N_KILLS = int(os.environ.get("YFCC_KILLS", "2"))
SEED = int(os.environ.get("YFCC_KILL_SEED", "20261121"))
DATASET, AUTOTAGS = "yfcc100m_dataset.bz2", "yfcc100m_autotags.bz2"
EXIF, PLACES = "yfcc100m_exif.bz2", "yfcc100m_places.bz2"
N_ITEMS = 3_000
#: Batches of a few hundred rows, chunks of two small blocks.
SMALL = BuildSizes(batch_rows=400, window_rows=150, slack_rows=90, chunk_bytes=150_000)
#: Windows in which a pack of another order is told as one.
WIDE = BuildSizes(batch_rows=1_000, window_rows=1_000, slack_rows=300, chunk_bytes=150_000)
#: One batch, so that most acts are those of the end.
AT_ONCE = BuildSizes(N_ITEMS, 1_000, 300, 1 << 20)
INGESTS = "* EXCLUDE (started_at, finished_at)"
TABLES = {
    **dict.fromkeys(("items", "rejected_lines", "orphans", "originals"), "*"),
    "ingests": INGESTS,
}


def tables_of(catalog: Path) -> dict[str, pa.Table]:
    """Every table, row for row in the order in which they lie."""
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return {
            table: connection.sql(f"SELECT {columns} FROM {table}").to_arrow_table()
            for table, columns in TABLES.items()
        }


def check_same(catalog: Path, whole: dict[str, pa.Table]) -> None:
    for table, rows in tables_of(catalog).items():
        assert rows.num_rows == whole[table].num_rows, (catalog, table)
        assert rows.equals(whole[table]), (catalog, table)
    assert leftovers(catalog) == set()


def leftovers(catalog: Path) -> set[str]:
    there = {path.name.removeprefix(catalog.name) for path in catalog.parent.iterdir()}
    return there - {"", ".lock"}


def build(source: Source | Path, catalog: Path, **settings: Any) -> list[str]:
    """Build with small batches; returns what was said."""
    opened = open_source(str(source)) if isinstance(source, Path) else source
    said = Said()
    settings.setdefault("sizes", SMALL)
    build_catalog(opened, BuildSettings(catalog, **settings), said)
    return said.lines


class Said(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def lines_of(path: Path) -> list[bytes]:
    return bz2.decompress(path.read_bytes()).splitlines(keepends=True)


def write_lines(path: Path, lines: list[bytes]) -> None:
    """In blocks of 100 kB."""
    path.write_bytes(bz2.compress(b"".join(lines), 1))


def sprinkle(rng: random.Random, lines: list[bytes], more: list[bytes]) -> list[bytes]:
    """Some lines put between others, anywhere."""
    mixed = list(lines)
    for line in more:
        mixed.insert(rng.randrange(len(mixed) + 1), line)
    return mixed


def jumbled(rng: random.Random, lines: list[bytes], reach: float) -> list[bytes]:
    """Lines that left their places by up to ``reach``."""
    keys = [n + rng.uniform(0, reach) for n in range(len(lines))]
    return [line for _, line in sorted(zip(keys, lines, strict=True))]


def make_torn(directory: Path, aligned: Path) -> None:
    """Gaps, orphans, duplicates and rejects everywhere; one pack jumbled, one sorted by id."""
    rng = random.Random(7)
    directory.mkdir()
    dataset = lines_of(aligned / DATASET)
    again = [rng.choice(dataset[:1500]) for _ in range(25)]
    damaged = [line[: rng.randrange(5, 40)] + b"\n" for line in rng.sample(dataset, 25)]
    write_lines(directory / DATASET, dataset[:5] + sprinkle(rng, dataset[5:], again + damaged))
    for file, reach in ((AUTOTAGS, None), (EXIF, 200.0), (PLACES, 0.0)):
        lines = lines_of(aligned / file)
        doubled = rng.sample(lines, 20)
        orphans = [f"{10**17 + n}\t\n".encode() for n in range(150)]
        kept = [line for line in lines if rng.random() < 0.95]
        kept = sprinkle(rng, kept, doubled + orphans + [b"no id\tat all\n", b"one column\n"])
        by_id = sorted(kept, key=lambda line: line.split(b"\t")[0].rjust(30))
        write_lines(directory / file, by_id if reach is None else jumbled(rng, kept, reach))


@dataclass
class Shapes:
    """Sources of every shape, and the catalog that each becomes without any kill."""

    folder: Path
    whole: dict[tuple[str, BuildSizes], dict[str, pa.Table]] = field(default_factory=dict)

    def __getitem__(self, shape: str) -> Path:
        return self.folder / shape

    def tables(self, shape: str, sizes: BuildSizes) -> dict[str, pa.Table]:
        if (shape, sizes) not in self.whole:
            catalog = self.folder / f"{shape}-{len(self.whole)}.duckdb"
            build(self[shape], catalog, sizes=sizes)
            self.whole[shape, sizes] = tables_of(catalog)
        return self.whole[shape, sizes]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    folder = tmp_path_factory.mktemp("shapes")
    for name, options in (("aligned", {}), ("v1", {"options": V1})):
        for path in write_metadata(folder / name, N_ITEMS, 11, **options):
            write_lines(path, lines_of(path))
    make_torn(folder / "torn", folder / "aligned")
    return Shapes(folder)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "catalog.duckdb"


def run_killed(how: str, source: Path, folder: Path, sizes: BuildSizes, n: int) -> list[Any]:
    numbers = (sizes.batch_rows, sizes.window_rows, sizes.slack_rows, sizes.chunk_bytes)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fakes.metadata_killed", how, str(source), str(folder)),
            *(",".join(map(str, numbers)), str(n)),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [("aligned", SMALL), ("v1", SMALL), ("torn", SMALL), ("torn", WIDE)],
    ids=["aligned", "v1", "torn", "torn-wide"],
)
def test_a_build_killed_at_random_moments_becomes_the_same_catalog(
    shapes: Shapes, tmp_path: Path, shape: str, sizes: BuildSizes
) -> None:
    told = run_killed(f"moments:{SEED}", shapes[shape], tmp_path, sizes, N_KILLS)
    n_kills = sum(each["n_kills"] for each in told)
    assert n_kills >= N_KILLS
    for each in told:
        check_same(tmp_path / str(each["catalog"]) / "catalog.duckdb", shapes.tables(shape, sizes))
    count_cases(n_kills)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [("aligned", AT_ONCE), ("torn", AT_ONCE), ("torn", SMALL)],
    ids=["aligned", "torn", "torn-batches"],
)
def test_a_build_killed_in_any_act_becomes_the_same_catalog(
    shapes: Shapes, tmp_path: Path, shape: str, sizes: BuildSizes
) -> None:
    files = "writer,journal,late,publish,readback"
    told = run_killed(f"calls:{files}", shapes[shape], tmp_path, sizes, N_KILLS // 2)
    for each in told:
        check_same(tmp_path / str(each["catalog"]) / "catalog.duckdb", shapes.tables(shape, sizes))
    count_cases(len(told))


def test_the_command_killed_and_run_again_ends_with_the_same_catalog(
    shapes: Shapes, catalog: Path
) -> None:
    rng = random.Random(SEED)
    command = [
        *(sys.executable, "-m", "yfcc.cli.main", "metadata", "--quiet"),
        *("--source", str(shapes["torn"]), "--catalog", str(catalog)),
    ]
    for _ in range(3):
        process = subprocess.Popen(command, cwd=REPOSITORY)
        time.sleep(rng.uniform(0.5, 2))
        process.kill()
        assert process.wait() in {0, -signal.SIGKILL}
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0
    check_same(catalog, shapes.tables("torn", BuildSizes()))


class StopError(Exception):
    """Ends a build in the test process."""


@dataclass
class Stopping(Said):
    """Ends a build once so many lines of a file are read."""

    file: str
    n_lines: int
    error: BaseException = field(default_factory=StopError)

    def __post_init__(self) -> None:
        super().__init__()

    def advance_file(self, name: str, n_bytes: int, n_rows: int) -> None:
        if name == self.file and n_rows >= self.n_lines:
            raise self.error


def interrupt(
    source: Path,
    catalog: Path,
    error: BaseException | None = None,
    file: str = DATASET,
    **more: Any,
) -> None:
    """Build more than half of a catalog."""
    progress = Stopping(file, 2 * N_ITEMS // 3, error or StopError())
    settings = BuildSettings(catalog, **({"sizes": SMALL} | more))
    with pytest.raises(type(progress.error)):
        build_catalog(open_source(str(source)), settings, progress)
    assert leftovers(catalog) <= {".building", ".building.wal", ".building.journal"}
    assert leftovers(catalog)


@dataclass
class WatchedSource:
    """A source that tells what is read of it, and may look changed or fail."""

    source: Source
    first: dict[str, int] = field(default_factory=dict)  # byte read of every file
    lost: str = ""  # file that cannot be reached
    change: Callable[[SourceObject], SourceObject] = lambda each: each
    url: str = ""

    def __post_init__(self) -> None:
        self.url = self.url or self.source.url

    def list_objects(self) -> list[SourceObject]:
        return [self.change(each) for each in self.source.list_objects()]

    def read_range(self, source_object: SourceObject, start: int, n_bytes: int) -> Iterator[bytes]:
        name = source_object.name
        if name == self.lost:
            raise SourceUnreachable(f"{name}: the network is gone")
        # The first bytes of the dataset are looked at by themselves.
        if start or n_bytes == source_object.n_bytes:
            self.first[name] = min(self.first.get(name, start), start)
        real = next(each for each in self.source.list_objects() if each.name == name)
        yield from self.source.read_range(real, start, n_bytes)

    def local_path(self, source_object: SourceObject) -> Path | None:
        return self.source.local_path(source_object)

    def close(self) -> None:
        self.source.close()


def test_a_build_that_goes_on_reads_no_file_from_its_start(shapes, catalog):
    interrupt(shapes["aligned"], catalog)
    source = WatchedSource(open_source(str(shapes["aligned"])))
    said = build(source, catalog)
    sizes = {path.name: path.stat().st_size for path in shapes["aligned"].iterdir()}
    assert set(source.first) == {DATASET, AUTOTAGS, EXIF, PLACES}
    # The small packs are one chunk.
    for file in (DATASET, EXIF):
        assert source.first[file] > sizes[file] / 3, file
    assert any(re.search("items are kept, going on at line 1,[0-9]{3} of", s) for s in said), said
    check_same(catalog, shapes.tables("aligned", SMALL))


@pytest.mark.parametrize(
    "error", [InterruptedRun(signal.SIGINT), InterruptedRun(signal.SIGTERM), KeyboardInterrupt()]
)
def test_a_build_that_was_interrupted_goes_on(shapes, catalog, error):
    interrupt(shapes["torn"], catalog, error)
    assert any("items are kept" in line for line in build(shapes["torn"], catalog))
    check_same(catalog, shapes.tables("torn", SMALL))


def test_a_build_that_lost_the_network_goes_on(shapes, catalog):
    lost = "yfcc100m_dataset-7.bz2"
    source = WatchedSource(open_source(str(shapes["v1"])), lost=lost)
    with pytest.raises(SourceUnreachable):
        build(source, catalog)
    source = WatchedSource(open_source(str(shapes["v1"])))
    build(source, catalog)
    # The first file is looked at to tell how it is packed; those behind it are done.
    assert not {f"yfcc100m_dataset-{part}.bz2" for part in range(5)} & set(source.first)
    check_same(catalog, shapes.tables("v1", SMALL))


@pytest.mark.parametrize("suffix", [".gz", ".tsv"])
def test_a_build_from_another_packing_goes_on(shapes, catalog, tmp_path, suffix):
    source = tmp_path / "source"
    source.mkdir()
    for path in shapes["torn"].iterdir():
        data = b"".join(lines_of(path))
        packed = gzip.compress(data) if suffix == ".gz" else data
        (source / path.name.replace(".bz2", suffix)).write_bytes(packed)
    interrupt(source, catalog, file=f"yfcc100m_dataset{suffix}")
    assert any("items are kept, going on" in line for line in build(source, catalog))
    uninterrupted = catalog.with_name("other.duckdb")
    build(source, uninterrupted)
    assert tables_of(catalog) == tables_of(uninterrupted)


def changed(file: str, **changes: Any) -> Callable[[SourceObject], SourceObject]:
    return lambda each: replace(each, **changes) if each.name == file else each


@pytest.mark.parametrize("file", [DATASET, EXIF])
@pytest.mark.parametrize("changes", [{"etag": "another"}, {"n_bytes": 12345}])
def test_a_source_that_changed_in_between_is_refused(shapes, catalog, file, changes):
    interrupt(shapes["aligned"], catalog)
    before = leftovers(catalog)
    real = open_source(str(shapes["aligned"]))
    there = next(each for each in real.list_objects() if each.name == file)
    with pytest.raises(SourceChanged) as caught:
        build(WatchedSource(real, change=changed(file, **changes)), catalog)
    assert caught.value.exit_code == 4
    now = replace(there, **changes)
    for each in (there, now):
        assert f"{each.n_bytes:,} bytes with ETag {each.etag}" in str(caught.value)
    assert f"{file}: expected" in str(caught.value)
    assert "--restart" in str(caught.value)
    assert leftovers(catalog) == before
    build(shapes["aligned"], catalog)  # the old files are back
    check_same(catalog, shapes.tables("aligned", SMALL))


def test_a_file_replaced_on_disk_is_refused_and_restart_starts_over(shapes, catalog, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(shapes["aligned"], source)
    interrupt(source, catalog)
    write_lines(source / EXIF, lines_of(source / EXIF)[:-100])
    with pytest.raises(SourceChanged, match=EXIF):
        build(source, catalog)
    said = build(source, catalog, is_restart=True)
    assert not any("interrupted" in line for line in said)
    assert tables_of(catalog)["items"]["exif"].null_count >= 100
    assert leftovers(catalog) == set()


def test_a_pack_that_came_or_went_in_between_is_a_change(shapes, catalog, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(shapes["aligned"], source)
    places = (source / PLACES).read_bytes()
    interrupt(source, catalog)
    (source / PLACES).unlink()
    with pytest.raises(SourceChanged, match=f"{PLACES}: expected .* bytes .*, got no such file"):
        build(source, catalog)
    build(source, catalog, is_restart=True)
    interrupt(source, catalog)
    (source / PLACES).write_bytes(places)
    with pytest.raises(SourceChanged, match=f"{PLACES}: expected no such file"):
        build(source, catalog)


def test_another_limit_is_refused(shapes, catalog):
    interrupt(shapes["aligned"], catalog, limit=2_600)
    with pytest.raises(UsageError, match=r"with --limit 2600; now asked for no --limit.*--restart"):
        build(shapes["aligned"], catalog)
    build(shapes["aligned"], catalog, limit=2_600)
    uninterrupted = catalog.with_name("other.duckdb")
    build(shapes["aligned"], uninterrupted, limit=2_600)
    assert tables_of(catalog) == tables_of(uninterrupted)


def test_another_source_is_refused(shapes, catalog):
    interrupt(shapes["aligned"], catalog)
    with pytest.raises(UsageError) as caught:
        build(shapes["torn"], catalog)
    for place in (shapes["aligned"], shapes["torn"], "--restart"):
        assert str(place) in str(caught.value)
    build(shapes["aligned"], catalog)
    check_same(catalog, shapes.tables("aligned", SMALL))


def test_the_same_files_by_another_name_go_on(shapes, catalog, tmp_path):
    interrupt(shapes["aligned"], catalog)
    (tmp_path / "link").symlink_to(shapes["aligned"])
    assert any("items are kept" in line for line in build(tmp_path / "link", catalog))


@pytest.mark.parametrize("loss", ["building", "wal", "step", "torn"])
def test_what_cannot_be_gone_on_with_is_said_and_built_anew(shapes, catalog, loss):
    interrupt(shapes["aligned"], catalog)
    building = catalog.with_name(f"{catalog.name}.building")
    journal = catalog.with_name(f"{building.name}.journal")
    if loss == "building":
        building.unlink()
    elif loss == "torn":
        building.write_bytes(building.read_bytes()[:5000])
    elif loss == "wal":  # an older state of the tables, without any error
        with duckdb.connect(str(building)) as connection:
            connection.execute("DELETE FROM items WHERE line_number > 1000")
    else:
        for path in journal.glob("step-*"):
            path.write_bytes(path.read_bytes()[:50])
    said = build(shapes["aligned"], catalog)
    assert any("starting over" in line for line in said), said
    check_same(catalog, shapes.tables("aligned", SMALL))


def test_a_build_of_another_version_starts_over_and_says_so(shapes, catalog):
    interrupt(shapes["aligned"], catalog)
    plan = catalog.with_name(f"{catalog.name}.building.journal") / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"version": "0.0.old"}))
    assert any("0.0.old" in line for line in build(shapes["aligned"], catalog))
    check_same(catalog, shapes.tables("aligned", SMALL))


def test_too_many_rejects_are_gone_on_with_when_more_are_allowed(shapes, catalog):
    with pytest.raises(TooManyRejectsError):
        build(shapes["torn"], catalog, max_rejects=40)
    assert leftovers(catalog)
    assert any("items are kept" in line for line in build(shapes["torn"], catalog))
    check_same(catalog, shapes.tables("torn", SMALL))


def test_a_failure_before_the_first_batch_leaves_nothing(shapes, catalog):
    progress = Stopping(DATASET, 1)
    with pytest.raises(StopError):
        build_catalog(open_source(str(shapes["aligned"])), BuildSettings(catalog), progress)
    assert leftovers(catalog) == set()


def test_a_build_killed_before_its_first_batch_stands_in_nobodys_way(shapes, catalog):
    """It left files, and nothing is lost with them."""
    interrupt(shapes["aligned"], catalog)
    journal = catalog.with_name(f"{catalog.name}.building.journal")
    for path in journal.glob("step-*"):
        path.rename(journal / "step-000000.json")
    assert build(shapes["torn"], catalog) == []
    check_same(catalog, shapes.tables("torn", SMALL))


def test_a_catalog_that_reads_back_otherwise_is_not_published(tmp_path):
    path = tmp_path / "catalog.duckdb"
    with duckdb.connect(str(path)) as connection:
        create_tables(connection)
        connection.execute(
            "INSERT INTO orphans SELECT 'f', i, repeat('x', 999) FROM range(9999) t(i)"
        )
    check_readable(path, {"orphans": 9999, "items": 0}, Limits())
    with pytest.raises(TargetError, match="expected 10,000 rows of orphans, got 9,999"):
        check_readable(path, {"orphans": 10_000}, Limits())
    content = bytearray(path.read_bytes())
    for at in range(100_000, len(content), 50_000):
        content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(TargetError, match="reads back differently"):
        check_readable(path, {"orphans": 9999}, Limits())

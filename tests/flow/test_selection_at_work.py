"""A selection over a real catalog: lists of ids, samples, and items in the order a run wants."""

from __future__ import annotations

import bz2
import fcntl
import hashlib
import itertools
import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.answering_server import AnsweringServer, Reply
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.connection import Limits
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.selected_ids import iter_ids
from yfcc.catalog.tombstones import Kind, Reason, TombstoneSet, make_tombstone
from yfcc.errors import UsageError
from yfcc.metadata.source import open_source
from yfcc.mirror.plan import plan_download
from yfcc.mirror.selected import SelectedItems
from yfcc.model import Item
from yfcc.progress import SilentProgress


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path), SilentProgress())
    return path


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    with Catalog(path) as opened:
        yield opened
    assert not list(path.parent.glob("yfcc-scratch-*"))


def names(catalog: Catalog) -> list[tuple[int, str]]:
    return catalog.connection.execute("SELECT photo_id, photo_hash FROM items").fetchall()


def read(catalog: Catalog, selection: Selection, **how) -> list[Item]:
    """Every item of a selection, as a run asks for them."""
    counts = catalog.count(selection).by_shard()
    plan = plan_download(counts, items_a_wave=how.pop("items_a_wave", 10**6))
    source = SelectedItems(catalog, selection, plan, **how)
    try:
        return [item for wave in plan.waves for batch in source.iter_items(wave) for item in batch]
    finally:
        source.close()


def test_ids_and_hashes_select_their_items_and_those_lacking_are_counted(
    catalog: Catalog, tmp_path: Path
) -> None:
    known = names(catalog)
    ids = [photo_id for photo_id, _ in known[:40]]
    hashes = [photo_hash for _, photo_hash in known[40:60]]
    lines = [str(each) for each in [*ids, *ids[:5], 1, 2, 3]] + [*hashes, "f" * 32]
    random.Random(1).shuffle(lines)
    file = tmp_path / "mine.txt"
    file.write_text("\n".join(lines))
    selection = Selection(ids=str(file))
    found = catalog.listed(selection)
    assert found is not None
    assert (found.n_listed, found.n_found, found.n_missing) == (64, 60, 4)
    wanted = sorted({*ids, 1, 2, 3}) + sorted({*hashes, "f" * 32})
    text = "".join(f"{each}\n" for each in wanted)
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert found.sha256 in catalog.describe(selection)
    items = read(catalog, selection)
    assert {item.photo_id for item in items} == {photo_id for photo_id, _ in known[:60]}
    assert len(items) == 60


def test_a_list_is_one_flag_among_others(catalog: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("\n".join(str(photo_id) for photo_id, _ in names(catalog)[::2]))
    both = Selection(ids=str(file), commercial=True)
    counts = catalog.count(both)
    assert set(counts.by_license(range(4096))) <= {"by", "by-sa", "by-nd"}
    assert 0 < sum(counts.by_shard().values()) < len(names(catalog)) / 2
    drawn = read(catalog, Selection(ids=str(file), commercial=True, sample=5))
    assert len(drawn) == 5
    assert {item.photo_id for item in drawn} <= {item.photo_id for item in read(catalog, both)}


def test_clips_list_selects_by_its_second_column(catalog: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "yfcc100m_subset_data.tsv.bz2"
    rows = catalog.connection.execute(
        "SELECT line_number, photo_id, photo_hash FROM items WHERE line_number % 3 = 0"
    ).fetchall()
    file.write_bytes(bz2.compress("".join("{}\t{}\t{}\n".format(*row) for row in rows).encode()))
    items = read(catalog, Selection(ids=str(file)))
    assert sorted(item.photo_id for item in items) == sorted(row[1] for row in rows)


def test_a_catalog_in_a_folder_that_cannot_be_written_will_do(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    # Root may write anywhere but here.
    place = Path("/proc/self/fd")
    fd = os.open(path, os.O_RDONLY)
    try:
        with Catalog(place / str(fd)) as catalog:
            assert len(read(catalog, Selection(sample=7))) == 7
            assert len(list(elsewhere.iterdir())) == 1
    finally:
        os.close(fd)
    assert not list(elsewhere.iterdir())


def test_the_folder_of_a_killed_process_is_removed_and_of_a_living_one_is_not(path: Path) -> None:
    dead = path.parent / f"yfcc-scratch-{os.getuid()}-dead"
    alive = path.parent / f"yfcc-scratch-{os.getuid()}-alive"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "lock").touch()
        (folder / "listed-0.parquet").write_bytes(b"x")
    with ExitStack() as stack:
        held = stack.enter_context((alive / "lock").open())
        fcntl.flock(held, fcntl.LOCK_EX)
        catalog = stack.enter_context(Catalog(path))
        read(catalog, Selection(lines="0-9"))
        assert not dead.exists()
        assert alive.exists()
    shutil.rmtree(alive)


def test_a_sample_depends_on_neither_threads_nor_shards_nor_waves(path: Path) -> None:
    selection = Selection(sample=50, seed=11, media="photo")
    found = []
    for n_threads, wave in itertools.product((1, 4), (20, 10**6)):
        with Catalog(path, Limits(n_threads=n_threads)) as catalog:
            found.append([i.photo_id for i in read(catalog, selection, items_a_wave=wave)])
            photos = [
                row[0]
                for row in catalog.connection.execute("SELECT photo_id FROM photos").fetchall()
            ]
    by_hash = sorted(photos, key=lambda i: hashlib.md5(f"{i}:11".encode()).hexdigest())
    assert all(sorted(each) == sorted(by_hash[:50]) for each in found)


@pytest.mark.parametrize("slices", [(), (100, 200), (10**9,)])
@pytest.mark.parametrize("wave", [20, 10**6])
def test_every_selected_item_comes_once_wherever_waves_and_slices_end(
    catalog: Catalog, slices: tuple[int, ...], wave: int
) -> None:
    items = read(catalog, Selection(), first_slices=slices, items_a_wave=wave)
    assert sorted(item.photo_id for item in items) == sorted(row[0] for row in names(catalog))
    if not slices:
        order = [(item.shard, int(str(item.photo_id)[:6]), item.photo_id) for item in items]
        assert order == sorted(order)
    document = json.loads(items[0].document)
    assert document["metadata"]["photo_id"] == items[0].photo_id


def test_a_run_that_is_stopped_does_not_wait_for_a_long_query(path: Path) -> None:
    stop = threading.Event()
    slow = Selection(where="(SELECT count(*) FROM range(100000000000) t(i) WHERE i % 7 = 3) > 0")
    with Catalog(path) as catalog:
        plan = plan_download(catalog.count(Selection()).by_shard())
        source = SelectedItems(catalog, slow, plan, stop)
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(CancelledError):
            next(source.iter_items(plan.waves[0]))
        closing = threading.Thread(target=source.close)
        closing.start()
        closing.join(5)
        assert not closing.is_alive()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"country": "Frnace"}, "Did you mean France"),
        ({"place": "99999999"}, "no item of the catalog has it."),
        ({"autotag": ("outdor>0.5",)}, "Did you mean outdoor"),
        ({"user": "nobody"}, "--user nobody"),
    ],
)
def test_a_name_that_no_item_has_is_refused_with_the_nearest(
    flags: dict[str, object], says: str, catalog: Catalog
) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.count(Selection(**flags))  # type: ignore[arg-type]
    assert says in str(caught.value)


def test_names_that_exist_but_not_together_select_nothing(catalog: Catalog) -> None:
    assert catalog.count(Selection(autotag=("outdoor",), where="false")).by_shard() == {}


def test_the_command_says_how_many_ids_the_catalog_lacks(
    path: Path, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    with Catalog(path) as catalog:
        ids = [photo_id for photo_id, _ in names(catalog)[:8]]
    (tmp_path / "ids.txt").write_text("\n".join(map(str, [*ids, 1, 2])))
    with AnsweringServer(lambda _: Reply(404)) as server:
        flags = ("download", "--catalog", str(path), "--mirror", "mirror", "--ids", "ids.txt")
        done = run_yfcc(*flags, "--s3-endpoint", server.url)
        assert len(server.requests) == 8
        told = json.loads(run_yfcc(*flags, "--s3-endpoint", server.url, "--json").stdout)
    assert done.returncode == 0, done.stderr
    assert "10 different ids listed in ids.txt, 2 of them not in the catalog" in done.stderr
    assert (told["ids"]["n_listed"], told["ids"]["n_found"], told["n_selected"]) == (10, 8, 8)
    assert told["ids"]["sha256"] in told["fingerprint"]["selection_sql"]
    exported = run_yfcc(
        "export", "parquet", "--catalog", str(path), "--out", "out", "--ids", "ids.txt", "--json"
    )
    answer = json.loads(exported.stdout)
    assert answer["n_rows"] == 8
    manifest = json.loads((tmp_path / answer["manifest"]).read_bytes())
    assert manifest["selection"]["ids"]["sha256"] == told["ids"]["sha256"]
    (tmp_path / "ids.txt").write_text("12\njunk\n")
    bad = run_yfcc(*flags, "--s3-endpoint", server.url)
    assert bad.returncode == 2
    assert "ids.txt, line 2" in bad.stderr
    assert "got 'junk'" in bad.stderr


def test_ids_alone_are_those_of_the_items_less_what_is_removed_by_user_or_hash(
    catalog: Catalog,
) -> None:
    selection = Selection(where="line_number % 2 = 0")
    items = read(catalog, selection)
    shards = sorted({item.shard for item in items})[::2]
    by_shard: dict[int, set[int]] = {shard: set() for shard in shards}
    for item in items:
        if item.shard in by_shard:
            by_shard[item.shard].add(item.photo_id)
    found = list(iter_ids(catalog, selection, shards, TombstoneSet()))
    assert [shard for shard, _ in found] == shards
    assert {shard: set(ids) for shard, ids in found} == by_shard
    mine = [item for item in items if item.shard in by_shard]
    user = json.loads(mine[0].document)["metadata"]["user_nsid"]
    removed = TombstoneSet()
    removed.add(make_tombstone(Kind.USER, user, Reason.OWNER_REQUEST, "2026-11-21"))
    removed.add(make_tombstone(Kind.HASH, mine[-1].photo_hash, Reason.OTHER, "2026-11-21"))
    left = {each for _, ids in iter_ids(catalog, selection, shards, removed) for each in ids}
    assert left == {item.photo_id for item in mine if removed.reason_of(item) is None}
    assert {mine[0].photo_id, mine[-1].photo_id}.isdisjoint(left)
    assert list(iter_ids(catalog, Selection(where="false"), shards, removed)) == []

"""A catalog in a program's hands: opened twice, handed to other processes, closed, forgotten."""

from __future__ import annotations

import gc
import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import yfcc
from tests.conftest import RunYfcc
from tests.fakes.small_catalog import write_small_catalog
from yfcc.api.flags import make_selection
from yfcc.demo.run import DemoPlaces
from yfcc.errors import SourceChanged, UsageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small_catalog(tmp_path / "catalog.duckdb")


def scratch_folders(path: Path) -> list[Path]:
    return list(path.parent.glob("yfcc-scratch-*"))


def count_items(items: yfcc.CatalogItems | yfcc.MirrorItems) -> int:
    return len(items)


def test_what_is_saved_and_explained_is_what_the_commands_say(
    path: Path, run_yfcc: RunYfcc
) -> None:
    with yfcc.open_catalog(path) as catalog:
        photos = catalog.select(license="by,by-sa", autotag="cat>=0.55")
        kept = photos.save("cats")
        told = photos.explain()
        again = catalog.saved("cats")
        assert again.selection == photos.selection
        assert [each.name for each in catalog.list_saved()] == ["cats"]
    flags = ("--license", "by,by-sa", "--autotag", "cat>=0.55", "--catalog", str(path))
    said = json.loads(run_yfcc("query", "--explain", "--json", *flags).stdout)
    assert (told.n_items, told.n_selected, told.sql) == (
        said["n_items"],
        said["n_selected"],
        said["sql"],
    )
    assert [effect.n_left for effect in told.flags] == [each["n_left"] for each in said["flags"]]
    shown = run_yfcc("selections", "cats", "--json", "--catalog", str(path))
    assert json.loads(shown.stdout)["citation"] == kept.citation()


def test_a_saved_selection_that_changed_is_refused_unless_that_is_accepted(
    path: Path, tmp_path: Path
) -> None:
    with yfcc.open_catalog(path) as catalog:
        kept = catalog.select(license="by").save("free")
    other = write_small_catalog(tmp_path / "theirs" / "catalog.duckdb", without=(102,))
    with yfcc.open_catalog(other) as catalog:
        with pytest.raises(SourceChanged, match="expected 4 items"):
            catalog.saved(str(kept.path))
        assert len(catalog.saved(str(kept.path), accept_changed=True)) == 3
        with pytest.raises(UsageError, match="no selection is saved there"):
            catalog.saved("free")


def test_sql_reaches_the_mirrors_records_and_leaves_nothing_behind(
    doctest_demo: DemoPlaces,
) -> None:
    sql = "SELECT count(*) FROM selected JOIN downloads USING (photo_id)"
    with yfcc.open_mirror(doctest_demo.mirror, doctest_demo.catalog) as mirror:
        free = mirror.select(license="by")
        assert free.query(sql).item() == len(free) > 0
        assert mirror.query("SELECT count(*) FROM runs").item() == 1
        (scratch,) = scratch_folders(doctest_demo.catalog)
        assert not list(scratch.rglob("*.parquet"))
        with pytest.raises(UsageError, match="expected one SELECT"):
            free.query("DROP TABLE items")
    for ask in (free.query, mirror.query):
        with pytest.raises(UsageError, match="was closed"):
            ask(sql)
    with (
        yfcc.open_mirror(doctest_demo.mirror) as alone,
        pytest.raises(UsageError, match="made of the catalog"),
    ):
        alone.query(sql)


def test_a_look_at_the_first_items_is_the_head_of_the_table(path: Path) -> None:
    with yfcc.open_catalog(path) as catalog:
        photos = catalog.select(media="photo", ids=[101, 103, 104, 105, 107, 999])
        assert photos.head(3, ["photo_id"])["photo_id"].to_list() == [101, 103, 104]
        assert photos.head(9).equals(photos.polars())
        assert catalog.select(ids=[999]).head().shape[0] == 0
        for ask in (lambda: catalog.head(0), lambda: catalog.select(country="Atlantis").head()):
            with pytest.raises(UsageError):
                ask()


def test_items_found_by_words_come_ranked(path: Path) -> None:
    with yfcc.open_catalog(path) as catalog:
        sunsets = catalog.select(text="sunset")
        found = sunsets.ranked(2)
        assert (found.n_items, len(found.items)) == (len(sunsets), 2)
        with pytest.raises(UsageError, match="found by words"):
            catalog.ranked()
        with pytest.raises(UsageError, match="at least 1"):
            sunsets.ranked(0)


def test_a_catalog_can_be_opened_twice_and_each_closes_alone(path: Path) -> None:
    with yfcc.open_catalog(path) as first, yfcc.open_catalog(path, memory="1GB") as second:
        assert len(first.select(sample=3)) == len(second.select(sample=3, seed=2)) == 3
        first.close()
        assert len(second.select(sample=2)) == 2
        with pytest.raises(UsageError, match="was closed; open it again"):
            len(first.select(sample=2))
        assert len(scratch_folders(path)) == 1
    assert not scratch_folders(path)
    with yfcc.open_catalog(path) as third:
        assert len(third) == 8


def test_a_file_that_was_replaced_is_not_taken_for_the_one_that_is_open(path: Path) -> None:
    with yfcc.open_catalog(path) as catalog:
        other = write_small_catalog(path.with_name("other.duckdb"), without=(102,))
        shutil.move(other, path)
        with pytest.raises(UsageError, match="was replaced while"):
            yfcc.open_catalog(path)
        assert len(catalog) == 8
    with yfcc.open_catalog(path) as catalog:
        assert len(catalog) == 7


def test_a_catalog_that_nobody_refers_to_leaves_nothing_behind(path: Path) -> None:
    catalog = yfcc.open_catalog(path)
    assert len(catalog.select(sample=3)) == 3
    assert scratch_folders(path)
    del catalog
    gc.collect()
    assert not scratch_folders(path)


def test_items_go_to_other_processes(doctest_demo: DemoPlaces) -> None:
    with (
        yfcc.open_catalog(doctest_demo.catalog) as catalog,
        yfcc.open_mirror(doctest_demo.mirror, doctest_demo.catalog) as mirror,
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        mine: list[yfcc.CatalogItems | yfcc.MirrorItems] = [
            catalog,
            catalog.select(license="by"),
            mirror,
            mirror.select(license="by"),
        ]
        # A worker that hangs must not hang the tests.
        assert pool.map_async(count_items, mine).get(60) == [len(items) for items in mine]


FORK = """
import os, sys, warnings, yfcc
warnings.filterwarnings("ignore", category=DeprecationWarning)  # of forks beside threads
with yfcc.open_catalog(sys.argv[1]) as catalog:
    drawn = catalog.select(sample=3)
    assert len(drawn) == 3
    child = os.fork()
    if not child:
        catalog.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(drawn.polars(["photo_id"])) == 3
"""


def test_a_fork_that_closes_a_catalog_leaves_its_owner_what_it_needs(path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORK, str(path)], check=True, timeout=60)
    assert not scratch_folders(path)


def test_what_is_closed_says_so(doctest_demo: DemoPlaces) -> None:
    with yfcc.open_mirror(doctest_demo.mirror, doctest_demo.catalog) as mirror:
        pass
    for ask in (lambda: len(mirror), lambda: list(mirror), mirror.status):
        with pytest.raises(UsageError, match="this mirror was closed"):
            ask()


def test_items_tell_their_flags(path: Path) -> None:
    with yfcc.open_catalog(path) as catalog:
        assert repr(catalog) == f"OpenCatalog({str(path)!r})"
        chosen = catalog.select(license="by", ids="nowhere.txt")
        assert repr(chosen) == f"CatalogItems({str(path)!r}, license=['by'], ids='nowhere.txt')"
        assert pickle.loads(pickle.dumps(chosen)).selection == chosen.selection
        with pytest.raises(UsageError, match=r"as in \['photo_id'\]"):
            catalog.polars("photo_id")


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"bbox": (130, 30.5, np.float64(145), 45)}, {"bbox": "130,30.5,145.0,45"}),
        ({"country": 23424856}, {"country": "23424856"}),
        ({"place": np.int64(7)}, {"place": "7"}),
        ({"sample": np.int32(5), "seed": np.int64(2)}, {"sample": 5, "seed": 2}),
        ({"media": None, "sample": None, "license": None}, {}),
        ({"ids": Path("a/b.txt")}, {"ids": "a/b.txt"}),
        ({"license": ["by", "by-sa"]}, {"license": ["by", "by-sa"]}),
        ({"ids": np.array([7, 5])}, {"where": "(photo_id IN (5, 7))"}),
        ({"ids": ["7", "a" * 32]}, {"where": f"(photo_id IN (7) OR photo_hash IN ('{'a' * 32}'))"}),
        ({"ids": [7], "where": "x"}, {"where": "(photo_id IN (7)) AND (\nx\n)"}),
        ({"tag": []}, {}),
    ],
)
def test_values_may_be_of_pythons_own_kinds(flags: dict, wanted: dict) -> None:
    assert make_selection(flags).flags() == wanted


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"sample": "5"}, "--sample '5': expected a whole number, got str."),
        ({"sample": True}, "--sample True: expected a whole number, got bool."),
        ({"commercial": 1}, "--commercial 1: expected True or False, got int."),
        ({"ids": [1, 2.5]}, "--ids: 2.5: expected a photo id or a photo hash."),
        ({"ids": ["1' OR true"]}, '--ids: "1\' OR true": expected a photo id or a photo hash.'),
        ({"ids": []}, "--ids: expected a value, got none."),
        ({"ids": range(1, 10_002)}, "--ids: expected at most 10,000 ids here, got more."),
        ({"tag": [None]}, "--tag None: expected text, got NoneType."),
        ({"license": 5}, "--license 5: expected text, or several, got int."),
        ({"license": []}, "--license: expected a value, got none."),
        ({"license": " , "}, "--license: expected a value, got none."),
        ({"country": ""}, "--country: expected a value, got none."),
        ({"autotag": [""]}, "--autotag: expected a value, got none."),
        ({"user": "\udcff"}, "--user '\\udcff': expected text in UTF-8, got other bytes."),
        ({"tag": "x" * 3000}, f"--tag {'x' * 40}…: expected at most 2,000 characters, got 3,000."),
    ],
)
def test_values_of_another_kind_are_refused(flags: dict, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_selection(flags)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("ask", [len, list, lambda items: items.relation()])
def test_what_is_wrong_shows_where_it_is_asked_for(path: Path, ask: Callable) -> None:
    with yfcc.open_catalog(path) as catalog, pytest.raises(UsageError, match="other items each"):
        ask(catalog.select(where="random() < 0.5"))

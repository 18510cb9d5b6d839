"""Words looked up in a real catalog: what is found, in which order, and that it stays true."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.forgetting import tombstone
from tests.fakes.word_catalogs import Texts, write_catalog
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.forget import remove_rows
from yfcc.catalog.publish import exclusive_lock
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.text_index import ensure_words, words_path
from yfcc.catalog.text_query import separated
from yfcc.catalog.text_ranking import rank_items
from yfcc.catalog.text_tokens import is_dense
from yfcc.errors import SourceChanged, TargetError, UsageError
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress

ITEMS = [
    Texts("A cat in New York", "with a dog", ["pets"]),
    Texts("Street", "a cat, far away, behind many other things that are there", None),
    Texts("Cat", None, None),
    Texts(None, None, ["newyork", "night"]),
    Texts(None, "York is older than New", ["cats and dogs"]),
    Texts("東京タワーの夜", None, ["東京"]),
    Texts("京都", "東の京都府", None),
    Texts("Café de la Gare", None, None, ["geo:city=Orléans"]),
    Texts("猫", None, None),
    Texts("三毛猫と犬", None, None),
    Texts("photography", None, ["photo"]),
]


def quiet(_: str) -> None:
    pass


def found(catalog: Catalog, text: str) -> list[int]:
    """Places in ITEMS."""
    with catalog.selecting(Selection(text=text)) as (cursor, condition):
        query = f"SELECT photo_id FROM items WHERE {condition} ORDER BY 1"
        return [row[0] - 1001 for row in cursor.execute(query).fetchall()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_catalog(tmp_path / "catalog.duckdb", ITEMS)


def files(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if not each.name.endswith(".lock"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cat", [0, 1, 2]),
        ("CAT dog", [0]),
        ("cat -dog", [1, 2]),
        ("new york", [0, 3, 4]),
        ('"new york"', [0]),
        ('"york is older"', [4]),
        ('york -"new york"', [4]),
        ("newyork", [3]),
        ("cafe", [7]),
        ("orléans", [7]),
        ("東京", [5]),
        ("京都", [6]),
        ("東京都", []),
        ("東", [5, 6]),
        ("猫", [8, 9]),
        ("猫 -犬", [8]),
        ("東京タワー", [5]),
        ("photo*", [10]),
        ("cat*", [0, 1, 2, 4]),
        ("photo cat", []),
        ("cats & dogs!", [4]),
    ],
)
@pytest.mark.parametrize("segment_items", [500_000, 2])
def test_what_is_found(path: Path, text: str, wanted: list[int], segment_items: int) -> None:
    with Catalog(path) as catalog:
        ensure_words(catalog, quiet, segment_items=segment_items)
        assert found(catalog, text) == wanted


def test_the_best_come_first(path: Path) -> None:
    with Catalog(path) as catalog:
        ranking = rank_items(catalog, Selection(text="cat"), 10)
        assert [each.photo_id - 1001 for each in ranking.items] == [2, 0, 1]
        assert ranking.items[0].title == "Cat"
        scores = [each.score for each in ranking.items]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) == 3
        first = rank_items(catalog, Selection(text="cat"), 1)
        assert (first.n_items, first.items) == (3, ranking.items[:1])
        # "dog" is rarer: in a description it counts for more than "cat" in a title.
        assert rank_items(catalog, Selection(text="dog"), 9).items[0].score > scores[0]
        narrowed = rank_items(catalog, Selection(text="cat", license=("by",)), 10)
        assert [each.photo_id - 1001 for each in narrowed.items] == [1]
        assert narrowed.n_items == 1


def test_words_are_one_flag_among_others(path: Path) -> None:
    with Catalog(path) as catalog:
        both = Selection(text="cat", license=("by-nc",))
        assert sum(row[3] for row in catalog.count(both).rows) == 2
        drawn = Selection(text="cat", sample=2)
        assert sum(row[3] for row in catalog.count(drawn).rows) == 2
        other = catalog.describe(Selection(text="it's"))
        assert "'it''s'" in other
        assert other != catalog.describe(Selection(text="its"))


def test_a_word_that_is_nowhere_is_named_with_the_nearest(path: Path) -> None:
    with Catalog(path) as catalog:
        ranking = rank_items(catalog, Selection(text="photografy cat"), 10)
        assert (ranking.n_items, ranking.items) == (0, ())
        (lacking,) = ranking.lacking
        assert (lacking.word, lacking.near[0]) == ("photografy", "photography")
        with pytest.raises(UsageError, match="Did you mean photography"):
            catalog.count(Selection(text="photografy"))


def test_every_language_of_the_sample(tmp_path: Path, sample: SampleAt) -> None:
    """What the index finds is what a look at every text finds."""
    path = tmp_path / "catalog.duckdb"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path), SilentProgress())
    with Catalog(path) as catalog:
        rows = catalog.connection.execute(
            "SELECT photo_id, title, description, user_tags, machine_tags FROM items"
        ).fetchall()
        texts = {photo_id: Texts(*rest) for photo_id, *rest in rows}
        random_ = random.Random(5)
        for photo_id in random_.sample(sorted(texts), 60):
            token = random_.choice(sorted(texts[photo_id].tokens()) or ["a"])
            having = {each for each, item in texts.items() if token in item.tokens()}
            if len(token) == 1 and is_dense(token):
                having = {
                    each
                    for each, item in texts.items()
                    if any(found.startswith(token) for found in item.tokens())
                }
            got = {1001 + each for each in found(catalog, token)} if having else set()
            assert got == having, token
        n_phrases = 0
        for item in texts.values():
            words = separated(item.title or "").split()
            if len(words) < 3:
                continue
            n_phrases += 1
            phrase = " ".join(words[:3])
            having = {
                each
                for each, other in texts.items()
                for text in (other.title, other.description, *(other.user_tags or ()))
                if f" {phrase} " in f" {separated(text or '')} "
            }
            if n_phrases <= 15 and all(word.isascii() for word in words):
                assert {1001 + each for each in found(catalog, f'"{phrase}"')} == having, phrase
        assert n_phrases > 15


def test_an_index_is_kept_and_goes_with_a_copy_of_its_catalog(path: Path, tmp_path: Path) -> None:
    with Catalog(path) as catalog:
        first = ensure_words(catalog, quiet)
        assert (first.is_new, first.n_items) == (True, len(ITEMS))
        again = ensure_words(catalog, pytest.fail)
        assert not again.is_new
        assert (again.n_words, again.n_postings) == (first.n_words, first.n_postings)
    copy = tmp_path / "copy" / "other.duckdb"
    copy.parent.mkdir()
    shutil.copyfile(path, copy)
    shutil.copyfile(words_path(path), words_path(copy))
    with Catalog(copy) as catalog:
        assert not ensure_words(catalog, pytest.fail).is_new
    assert files(path) == ["catalog.duckdb", "catalog.duckdb.words", "copy"]


def test_another_catalog_of_the_same_name_has_its_own_index(path: Path) -> None:
    with Catalog(path) as catalog:
        assert found(catalog, "cat") == [0, 1, 2]
    path.unlink()
    write_catalog(path, [Texts("dog"), Texts("cat")])
    with Catalog(path) as catalog:
        assert found(catalog, "cat") == [1]


def test_lines_out_of_order_are_found_too(tmp_path: Path) -> None:
    texts = [Texts(f"word{number % 3} all") for number in range(12)]
    lines = [0, 1, 2, 7, 3, 4, 5, 6, 8, 9, 11, 10]
    path = write_catalog(tmp_path / "catalog.duckdb", texts, lines=lines)
    with Catalog(path) as catalog:
        ensure_words(catalog, quiet, segment_items=4)
        assert found(catalog, "word1") == [1, 4, 7, 10]
        assert found(catalog, "all") == list(range(12))


def test_a_catalog_without_items(tmp_path: Path) -> None:
    path = write_catalog(tmp_path / "catalog.duckdb", [])
    with Catalog(path) as catalog:
        assert rank_items(catalog, Selection(text="cat"), 5).lacking


def test_damage_is_noticed_and_mended(path: Path) -> None:
    with Catalog(path) as catalog:
        ensure_words(catalog, quiet)
    index = words_path(path)
    whole = index.read_bytes()
    random_ = random.Random(3)
    places = [0, 8, 4096, 8192, 12288, *random_.sample(range(12288, len(whole)), 12)]
    spoilt = [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in places]
    spoilt += [whole[: len(whole) // 2], whole[:100], b"", b"<html>" * 4000]
    for content in spoilt:
        index.write_bytes(content)
        with Catalog(path) as catalog:
            assert found(catalog, "cat -dog") == [1, 2]
            assert found(catalog, "東") == [5, 6]


def test_what_is_forgotten_leaves_the_index(path: Path) -> None:
    canary = "quetzalcoatlus"
    path.unlink()
    write_catalog(path, [*ITEMS, Texts(canary)])
    with Catalog(path) as catalog:
        assert found(catalog, canary) == [len(ITEMS)]
    left = words_path(path).with_name(f"{words_path(path).name}.building-1")
    left.write_bytes(words_path(path).read_bytes())
    assert remove_rows(path, [tombstone(1001 + len(ITEMS))]) == 1
    assert files(path) == ["catalog.duckdb", "catalog.duckdb.tombstones"]
    with Catalog(path) as catalog:
        assert rank_items(catalog, Selection(text=canary), 5).n_items == 0
        assert found(catalog, "cat") == [0, 1, 2]


def test_a_catalog_that_was_replaced_meanwhile_is_not_indexed(path: Path) -> None:
    with Catalog(path) as catalog:
        remove_rows(path, [tombstone(1001)])
        with pytest.raises(SourceChanged, match="Run again"):
            catalog.found("cat")
    assert not words_path(path).exists()


def test_an_index_that_cannot_be_written(path: Path) -> None:
    words_path(path).mkdir()
    with Catalog(path) as catalog, pytest.raises(TargetError, match="cannot be written"):
        catalog.found("cat")
    assert files(path) == ["catalog.duckdb", "catalog.duckdb.words"]


def yfcc(*arguments: str | Path, **how) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "yfcc.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"YFCC_CATALOG": ""},
        **how,
    )


def test_several_at_once_build_one_index(path: Path) -> None:
    running = [yfcc("search", "cat", "--json", "--catalog", path) for _ in range(3)]
    answers = [each.communicate(timeout=100) for each in running]
    assert [each.returncode for each in running] == [0, 0, 0], answers
    assert {json.loads(out)["n_items"] for out, _ in answers} == {3}
    assert files(path) == ["catalog.duckdb", "catalog.duckdb.words"]


def test_a_second_one_waits_for_the_first(path: Path) -> None:
    lock = words_path(path).with_name(f"{words_path(path).name}.lock")
    with exclusive_lock(lock):
        second = yfcc("index", "--catalog", path)
        assert second.stderr is not None
        assert "waiting for the index" in second.stderr.readline()
        assert not words_path(path).exists()
    _, told = second.communicate(timeout=60)
    assert second.returncode == 0, told
    assert words_path(path).exists()


def test_a_kill_leaves_nothing_under_the_name_and_the_next_one_sweeps(path: Path) -> None:
    killed = yfcc("index", "--catalog", path)
    deadline_s = time.monotonic() + 60
    while not (parts := list(path.parent.glob("*.words.building-*"))):
        assert killed.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    if not words_path(path).exists():  # else it was quicker than the kill
        assert any(part.exists() for part in parts)
    with Catalog(path) as catalog:
        assert found(catalog, "cat") == [0, 1, 2]
    assert [name for name in files(path) if "scratch" not in name] == [
        "catalog.duckdb",
        "catalog.duckdb.words",
    ]


def test_the_commands(path: Path, run_yfcc: RunYfcc) -> None:
    built = run_yfcc("index", "--catalog", str(path))
    assert built.returncode == 0
    assert "building the index of words" in built.stderr
    assert f"{len(ITEMS)} items" in built.stdout
    again = run_yfcc("index", "--catalog", str(path), "--json")
    assert json.loads(again.stdout)["is_new"] is False
    shown = run_yfcc("search", "cat", "--catalog", str(path), "--limit", "2")
    assert shown.stdout.splitlines()[0] == "photo_id\tscore\tlicense\ttitle"
    assert [line.split("\t")[3] for line in shown.stdout.splitlines()[1:]] == [
        "Cat",
        "A cat in New York",
    ]
    assert "3 items" in shown.stderr
    none = run_yfcc("search", "--catalog", str(path), "photografy", "--license", "by")
    assert (none.returncode, none.stdout) == (0, "")
    assert "Did you mean photography" in none.stderr
    refused = run_yfcc("search", "--catalog", str(path), "--json", "?!")
    assert refused.returncode == 2
    assert "expected words" in json.loads(refused.stdout)["error"]["message"]


def test_the_words_of_a_search_are_part_of_its_selection(
    path: Path, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    """A sample is of what has them; so is what --save keeps, and what --explain tells."""
    base = ("search", "cat", "--catalog", str(path), "--json", "--save")
    some = run_yfcc(*base, "some", "--sample", "2")
    ids = [each["photo_id"] for each in json.loads(some.stdout)["items"]]
    assert len(ids) == 2
    assert set(ids) < {1001, 1002, 1003}
    run_yfcc(*base, "all")
    again = run_yfcc("search", "dog", "--selection", "all", "--catalog", str(path), "--explain")
    assert again.stdout.startswith("flag\talone\t% alone\twith those above\t%\n--text dog cat\t")
    folder = path.parent / "selections"
    saved = [json.loads((folder / f"{name}.json").read_bytes()) for name in ("some", "all")]
    assert [each["flags"] for each in saved] == [{"text": "cat", "sample": 2}, {"text": "cat"}]
    assert [each["n_items"] for each in saved] == [2, 3]
    nothing = run_yfcc("search", "", "--save", "none", "--catalog", str(path))
    assert (nothing.returncode, len(list(folder.iterdir()))) == (2, 2)


def test_words_in_query_and_export(path: Path, run_yfcc: RunYfcc, tmp_path: Path) -> None:
    asked = run_yfcc(
        *("query", "--catalog", str(path), "--quiet", "--text", "東京", "--json"),
        "SELECT photo_id, score > 0 AS is_good FROM found JOIN selected USING (photo_id)",
    )
    assert json.loads(asked.stdout) == [{"photo_id": 1006, "is_good": True}], asked.stderr
    assert asked.stderr == ""
    out = tmp_path / "parquet"
    done = run_yfcc(
        *("export", "parquet", "--catalog", str(path), "--out", str(out), "--text", "cat -dog")
    )
    assert done.returncode == 0, done.stderr
    sql = f"SELECT photo_id FROM read_parquet('{out}/items/*/*.parquet') ORDER BY 1"
    assert duckdb.sql(sql).fetchall() == [(1002,), (1003,)]

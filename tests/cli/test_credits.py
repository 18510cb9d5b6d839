"""``yfcc credits`` over a mirror and over a catalog."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.conftest import RunYfcc
from tests.fakes.mirror_checks import download
from yfcc.catalog.credits import iter_attributions
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError
from yfcc.model import Item

N_STORED = 40


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return path


def items_of(catalog: Path, selection: Selection) -> list[Item]:
    with Catalog(catalog) as opened:
        counts = opened.count(selection).by_shard()
        with opened.spool_items(selection, counts, (0, None)) as spooled:
            return [item for batch in spooled.iter_items() for item in batch]


@pytest.fixture(scope="module")
def mirror(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog's first items, stored with bytes of no meaning."""
    root = tmp_path_factory.mktemp("stored") / "mirror"
    download(root, items_of(catalog, Selection(lines=f"0-{N_STORED - 1}")))
    return root


def rows_of(done: subprocess.CompletedProcess[str], path: Path) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_stored_item_is_credited_with_what_the_dataset_says(
    mirror: Path, catalog: Path, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    done = run_yfcc("credits", "--mirror", str(mirror), "--format", "csv", "--out", "credits.csv")
    rows = rows_of(done, tmp_path / "credits.csv")
    assert f"{N_STORED} credits in credits.csv" in done.stdout
    with Catalog(catalog) as opened:
        found = opened.connection.execute(
            "SELECT photo_id, user_nsid, coalesce(user_nickname, user_nsid), page_url, "
            f"license_url, license, title FROM items WHERE line_number < {N_STORED}"
        ).fetchall()
    known = {str(row[0]): row for row in found}
    assert {row["photo_id"] for row in rows} == set(known)
    for row in rows:
        _, nsid, author, page, url, license_, title = known[row["photo_id"]]
        assert row["author"].removeprefix("'") == author
        assert row["author_url"] == f"https://www.flickr.com/people/{nsid}/"
        assert (row["source_url"], row["license_url"], row["license"]) == (page, url, license_)
        assert bool(row["title"]) == bool(title)
        assert (mirror / row["path"]).is_file()
        assert row["changes"] == "none"


def test_the_catalogs_credits_are_those_of_the_stored_items(
    mirror: Path, catalog: Path, run_yfcc: RunYfcc
) -> None:
    stored = run_yfcc("credits", "--mirror", str(mirror), "--json")
    selected = run_yfcc(
        *("credits", "--from-catalog", "--catalog", str(catalog), "--json"),
        *("--lines", f"0-{N_STORED - 1}"),
    )
    assert stored.returncode == selected.returncode == 0, stored.stderr + selected.stderr

    def known(text: str) -> dict[int, dict[str, object]]:
        return {each.pop("photo_id"): each for each in json.loads(text) if each.pop("path") or True}

    assert known(stored.stdout) == known(selected.stdout)


def test_selection_flags_choose_among_the_stored_items(
    mirror: Path, catalog: Path, run_yfcc: RunYfcc
) -> None:
    stored = Counter(
        orjson.loads(path.read_bytes())["metadata"]["license"]
        for path in mirror.rglob("media/*/*/*.json")
    )
    asked = ("--mirror", str(mirror), "--catalog", str(catalog), "--license", "by,by-sa")
    done = run_yfcc("credits", *asked, "--json")
    assert done.returncode == 0, done.stderr
    found = Counter(each["license"] for each in json.loads(done.stdout))
    assert found == {name: stored[name] for name in ("by", "by-sa") if stored[name]}


def test_an_unknown_name_is_a_usage_error(catalog: Path, run_yfcc: RunYfcc) -> None:
    asked = ("--from-catalog", "--catalog", str(catalog), "--country", "Atlantis")
    done = run_yfcc("credits", *asked, "--out", "credits.txt")
    assert done.returncode == 2, done.stderr
    with Catalog(catalog) as opened, pytest.raises(UsageError, match="Atlantis"):
        list(iter_attributions(opened, Selection(country="Atlantis")))


def without_author(item: Item) -> Item:
    """An item whose author the catalog did not know."""
    document = orjson.loads(item.document)
    document["attribution"]["author"] = None
    return replace(item, document=orjson.dumps(document).decode())


@pytest.mark.parametrize("out", ["credits.html", "-"])
def test_a_list_with_a_gap_does_not_appear(
    out: str, catalog: Path, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    first, *others = items_of(catalog, Selection(lines="0-4"))
    download(tmp_path / "mirror", [without_author(first), *others])
    nobody = str(first.photo_id)
    (tmp_path / "credits.html").write_text("of yesterday")
    done = run_yfcc("credits", "--format", "html", "--out", out)
    assert done.returncode == 4
    assert f"1 of 5 items lack what a credit needs: item {nobody}: no author" in done.stderr
    assert done.stdout == ""
    assert (tmp_path / "credits.html").read_text() == "of yesterday"
    assert not list(tmp_path.glob("*.part"))
    skipped = run_yfcc("credits", "--format", "html", "--out", out, "--skip-incomplete")
    assert skipped.returncode == 0, skipped.stderr
    assert f"left out: item {nobody}: no author" in skipped.stderr
    page = skipped.stdout if out == "-" else (tmp_path / out).read_text()
    assert page.count("<p id=") == 4
    assert nobody not in page


def test_where_a_file_cannot_be_it_says_so(mirror: Path, tmp_path: Path, run_yfcc: RunYfcc) -> None:
    (tmp_path / "folder").mkdir()
    for out in ("folder", "nowhere/credits.txt"):
        done = run_yfcc("credits", "--mirror", str(mirror), "--out", out)
        assert done.returncode == 2
        assert done.stderr.startswith(f"yfcc: --out {out}: ")
    done = run_yfcc("credits", "--mirror", "no-mirror")
    assert done.returncode == 2
    assert "no mirror at no-mirror" in done.stderr


def test_the_summary_counts_by_licence(mirror: Path, tmp_path: Path, run_yfcc: RunYfcc) -> None:
    done = run_yfcc("credits", "--mirror", str(mirror), "--out", "c.txt", "--json")
    said = json.loads(done.stdout)
    assert said["n_written"] == N_STORED == sum(said["by_license"].values())
    assert (said["out"], said["format"], said["n_incomplete"]) == ("c.txt", "text", 0)
    lines = (tmp_path / "c.txt").read_text().splitlines()
    assert len(lines) == N_STORED + len(said["by_license"])
    quiet = run_yfcc("credits", "--mirror", str(mirror), "--out", "c.txt", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")

"""A run as a page and as SQL, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import RunYfcc
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.model import Outcome


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    fails = FakeAcquire(lambda photo_id: Outcome.FAILED if photo_id % 7 == 0 else Outcome.STORED)
    download(tmp_path / "mirror", make_items(40), fails)
    return tmp_path / "mirror"


def test_report_writes_one_page_and_says_where(
    mirror: Path, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    done = run_yfcc("report", "--mirror", "mirror")
    assert done.returncode == 0, done.stderr
    (page,) = tmp_path.glob("report-*.html")
    run_id = page.stem.removeprefix("report-")
    assert done.stdout == f"run {run_id}: {page.name}\n"
    text = page.read_text(encoding="utf-8")
    assert f"<h1>Run {run_id}</h1>" in text
    assert "= 40 selected." in text
    told = run_yfcc("report", "--mirror", "mirror", "--run", run_id, "--out", "x.html", "--json")
    assert json.loads(told.stdout) == {
        "mirror": "mirror",
        "run_id": run_id,
        "out": "x.html",
        "n_samples": text.count("<polyline") and json.loads(told.stdout)["n_samples"],
    }
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == text


def test_a_report_of_nothing_is_explained(mirror: Path, run_yfcc: RunYfcc) -> None:
    for arguments, says in (
        (("--mirror", "nowhere"), "no mirror at nowhere"),
        (("--mirror", "mirror", "--run", "x"), "no run x in mirror; the latest there are: 20"),
    ):
        done = run_yfcc("report", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
    full = run_yfcc("report", "--mirror", "mirror", "--out", "no/such/folder.html")
    assert (full.returncode, full.stderr.count("\n")) == (6, 1)


def test_a_directory_is_no_place_for_a_report(
    mirror: Path, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    for out in (".", "/", str(mirror)):
        done = run_yfcc("report", "--mirror", "mirror", "--out", out)
        assert done.returncode == 2
        assert done.stderr == f"yfcc: --out {out}: expected a file, there is a directory.\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["mirror"]

"""``yfcc export webdataset`` and ``imagefolder``: flags, output and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.exporting import Mirrored, mirror_sample


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


def test_json_is_one_document_whose_counts_add_up(mirrored: Mirrored, run_yfcc: RunYfcc) -> None:
    done = run_yfcc(
        *("export", "webdataset", "--catalog", str(mirrored.catalog), "--json", "--out", "out"),
        *("--mirror", str(mirrored.mirror), "--shard-items", "9", "--lines", "0-79"),
        *("--license", "by,by-nd", "--clean-captions", "--redistributable", "--size", "100"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["n_selected"] == (
        told["n_items"] + told["n_left_out"] + told["n_not_stored"] + told["n_forgotten"]
    )
    assert set(told["licenses"]) == {"by", "by-nd"}
    assert sum(told["licenses"].values()) == told["n_items"] > 0
    assert told["n_pieces"] == -(-told["n_items"] // 9)


def test_without_a_catalog_every_stored_item_is_exported(
    mirrored: Mirrored, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    asked = ("export", "imagefolder", "--mirror", str(mirrored.mirror), "--out", "out")
    done = run_yfcc(*asked, "--folder-items", "20")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "license\titems"
    n_items = (tmp_path / "out" / "train" / "metadata.jsonl").read_bytes().count(b"\n")
    assert lines[-1].startswith(f"{n_items} of {len(mirrored.documents())} selected items in ")
    again = run_yfcc(*asked)
    assert again.returncode == 2
    assert "an export is there already" in again.stderr
    replaced = run_yfcc(*asked, "--overwrite", "--quiet")
    assert (replaced.returncode, replaced.stdout, replaced.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--license", "by"), 4, "yfcc metadata"),
        (("--catalog", "nowhere.duckdb"), 4, "yfcc metadata"),
        (("--out", "ftp://host/x"), 2, "expected a directory or s3://bucket/prefix"),
        (("--out", "s3://No_Bucket/x"), 2, "expected a directory or s3://bucket/prefix"),
    ],
)
def test_a_wrong_flag_ends_with_what_is_right(
    flags: tuple[str, ...],
    code: int,
    says: str,
    mirrored: Mirrored,
    run_yfcc: RunYfcc,
    tmp_path: Path,
) -> None:
    usual = ("--mirror", str(mirrored.mirror), "--out", "out")
    done = run_yfcc("export", "webdataset", *usual, *flags)
    assert done.returncode == code
    assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_name_in_a_selection_is_exit_2(
    mirrored: Mirrored, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    places = ("--catalog", str(mirrored.catalog), "--mirror", str(mirrored.mirror), "--out", "out")
    done = run_yfcc("export", "webdataset", *places, "--country", "Atlantis")
    assert done.returncode == 2
    assert "Atlantis" in done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--images", "some"), "none, bytes, paths"),
        (("--redistributable",), "--images bytes or --images paths"),
    ],
)
def test_flags_of_tables_with_media_go_together(
    flags: tuple[str, ...], says: str, mirrored: Mirrored, run_yfcc: RunYfcc
) -> None:
    places = ("--catalog", str(mirrored.catalog), "--mirror", str(mirrored.mirror), "--out", "out")
    done = run_yfcc("export", "parquet", *places, *flags)
    assert done.returncode == 2
    assert says in done.stderr

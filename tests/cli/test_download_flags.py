"""What ``yfcc download`` refuses before it does anything, and how it says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import RunYfcc


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return str(path)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--mirror", ""), "--mirror: expected a directory or s3://bucket/prefix"),
        (("--mirror", "s3:/bucket/x"), "--mirror s3:/bucket/x: expected a directory or s3://"),
        (("--shards", ""), "shards are numbers from 0 to 4095"),
        (("--shard-of", ""), "expected I/N"),
        (("--from", ""), "--from: expected s3, flickr or both"),
        (("--s3-endpoint", "localhost:9000"), "s3 endpoint 'localhost:9000'"),
        (("--contact", "https://exämple.org/"), "--contact 'https://exämple.org/': expected"),
        (("--contact", "https://a.example/\r\nX: y"), "--contact 'https://a.example/\\r\\nX: y'"),
    ],
)
@pytest.mark.parametrize("dry", [("--dry-run",), ()])
def test_what_names_nothing_is_refused_before_anything_is_counted_or_made(
    flags: tuple[str, str],
    says: str,
    dry: tuple[str, ...],
    run_yfcc: RunYfcc,
    catalog: str,
    tmp_path: Path,
) -> None:
    # A variable of a job's script that is not set makes such a flag: all shards, everywhere.
    nobody = ("--s3-endpoint", "http://127.0.0.1:1")
    done = run_yfcc("download", "--catalog", catalog, "--lines", "0-3", *nobody, *flags, *dry)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert says in done.stderr
    assert list(tmp_path.glob("[!c]*")) == []  # but for the cache


def test_a_directory_is_no_catalog_whatever_its_name(run_yfcc: RunYfcc, tmp_path: Path) -> None:
    for name in ("", ".", "/", str(tmp_path)):
        done = run_yfcc("download", "--catalog", name, "--json")
        assert done.returncode == 4
        assert "no catalog there" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize("settings", ["json = true\n", "[download]\njson = true\n"])
def test_errors_are_json_where_the_settings_file_asks_for_json(
    settings: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    (tmp_path / "yfcc.toml").write_text(settings, encoding="utf-8")
    for flags in (("--from", "ftp"), ("--workers", "many"), ("--no-such-flag",)):
        done = run_yfcc("download", *flags)
        assert (done.returncode, done.stderr) == (2, "")
        assert json.loads(done.stdout)["error"]["code"] == 2


def test_debug_may_stand_where_people_put_it(run_yfcc: RunYfcc) -> None:
    for words in (("--debug", "download"), ("download", "--debug")):
        done = run_yfcc(*words, "--catalog", "nowhere")
        assert "yfcc.errors.SourceMissing: nowhere: no catalog there" in done.stderr
    said = run_yfcc("query", "--", "--debug").stderr  # what is asked for, here
    assert (said.count("\n"), "Traceback" in said) == (1, False)

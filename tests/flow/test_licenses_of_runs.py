"""Licences are told before anything is fetched, and kept in the run's record."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import RunYfcc
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.demo.serve import EmbeddedServers
from yfcc.mirror.root import open_mirror
from yfcc.mirror.run_file import decode_run, encode_run, iter_runs
from yfcc.mirror.runs import read_runs_table

SELECTED = ("--where", "line_number < 60 AND media_kind = 'photo'")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return path


def licenses_of(catalog: Path) -> dict[str, int]:
    with Catalog(catalog) as opened:
        counts = opened.count(Selection(where=SELECTED[1]))
    found = counts.by_license(counts.by_shard().keys())
    return {license_ or "unknown": n_items for license_, n_items in found.items()}


@pytest.mark.parametrize("n_processes", [1, 2])
def test_a_download_tells_the_licences_first_and_keeps_them(
    n_processes: int, catalog: Path, servers: EmbeddedServers, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    expected = licenses_of(catalog)
    assert len(expected) > 3
    done = run_yfcc(
        *("download", "--catalog", str(catalog), *SELECTED, "--processes", str(n_processes)),
        *("--s3-endpoint", servers.s3_endpoint),
    )
    assert done.returncode in (0, 3), done.stderr
    n_selected = sum(expected.values())
    first = done.stderr.splitlines()[0]
    assert first.startswith(f"{n_selected} items selected: ")
    told = {name: int(n) for n, name in re.findall(r"(\d+) (by[a-z-]*|unknown)", first)}
    assert told == expected
    with open_mirror(tmp_path / "mirror") as mirror:
        (run,) = iter_runs(mirror)  # what several processes did is one
    assert sum(run.licenses.values()) == run.n_selected
    assert run.licenses == expected
    (row,) = read_runs_table(tmp_path / "mirror").to_pylist()
    assert dict(row["licenses"]) == dict(run.licenses)


def test_nothing_is_told_where_quiet_is_asked_for(
    catalog: Path, servers: EmbeddedServers, run_yfcc: RunYfcc
) -> None:
    asked = ("--catalog", str(catalog), "--lines", "0-3", "--s3-endpoint", servers.s3_endpoint)
    done = run_yfcc("download", *asked, "--quiet")
    assert done.stderr == ""
    assert done.stdout == ""
    again = run_yfcc("download", *asked, "--json")
    assert again.stderr == ""
    assert sum(json.loads(again.stdout)["licenses"].values()) == 4


def test_a_record_of_an_older_version_has_no_licences(
    catalog: Path, servers: EmbeddedServers, tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    asked = ("--catalog", str(catalog), "--lines", "0-3", "--s3-endpoint", servers.s3_endpoint)
    run_yfcc("download", *asked)
    with open_mirror(tmp_path / "mirror") as mirror:
        (run,) = iter_runs(mirror)
    older = json.loads(encode_run(run))
    del older["licenses"]
    assert decode_run(json.dumps(older).encode()).licenses == {}

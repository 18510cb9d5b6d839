"""What a dry run tells, and the download that the disk cannot hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.answering_server import AnsweringServer, Reply
from tests.fakes.pictures import jpeg
from yfcc.mirror import forecast
from yfcc.mirror.forecast import BYTES_BESIDE_MEDIA, USUAL_BYTES


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return str(path)


def dry_run(run_yfcc: RunYfcc, catalog: str, *more: str) -> dict[str, Any]:
    done = run_yfcc(
        "download", "--catalog", catalog, "--mirror", "mirror", "--dry-run", "--json", *more
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    known = told["n_already_stored"] + told["n_otherwise_final"]
    assert told["n_selected"] == known + told["n_to_fetch"]
    assert told["n_selected"] == sum(told["by_license"].values()) == sum(told["by_media"].values())
    return told


def test_without_a_mirror_the_usual_sizes_count(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    told = dry_run(run_yfcc, catalog)
    assert told["n_to_fetch"] == sample.sample.n_items
    assert told["mean_from"] == {"photo": "usual", "video": "usual"}
    by_media = told["by_media"]
    assert told["expected_bytes"] == sum(USUAL_BYTES[kind] * n for kind, n in by_media.items())
    beside = sample.sample.n_items * BYTES_BESIDE_MEDIA
    assert told["needed_bytes"] == told["expected_bytes"] + beside
    assert told["rate_bytes_per_s"] is None
    assert told["expected_s"] is None
    assert not (tmp_path / "mirror").exists()


def test_a_mirror_tells_sizes_rate_and_what_is_there(run_yfcc: RunYfcc, catalog: str) -> None:
    picture = jpeg()

    def answer(path: str) -> Reply:
        return Reply(200, picture) if int(path[-6], 16) % 4 else Reply(404)

    half = ("--where", "line_number % 2 = 0", "--media", "photo")
    with AnsweringServer(answer) as server:
        done = run_yfcc(
            *("download", "--catalog", catalog, "--mirror", "mirror", "--json", *half),
            *("--s3-endpoint", server.url, "--allow-private-hosts"),
        )
        stored = json.loads(done.stdout)
        n_asked = sum(server.requests.values())
        told = dry_run(run_yfcc, catalog, "--s3-endpoint", server.url)
        again = dry_run(run_yfcc, catalog, "--s3-endpoint", server.url, *half)
        assert sum(server.requests.values()) == n_asked
    outcomes = stored["outcomes"]
    assert outcomes["stored"] > 50
    for each in (told, again):
        assert each["n_already_stored"] == outcomes["stored"]
        assert each["n_otherwise_final"] == outcomes["gone"]
        assert each["is_counted"] is True
    assert again["n_to_fetch"] == again["expected_bytes"] == 0
    assert told["rate_run_id"] == stored["run_id"]
    assert told["expected_s"] == pytest.approx(told["expected_bytes"] / told["rate_bytes_per_s"])
    if outcomes["stored"] >= forecast._N_TELLING:
        assert told["mean_bytes"]["photo"] == len(picture)
        assert told["mean_from"]["photo"] == "mirror"
    text = run_yfcc("download", "--catalog", catalog, "--mirror", "mirror", "--dry-run").stdout
    assert f"{outcomes['stored']:,} stored already" in text
    assert "at the latest run's" in text
    assert text.splitlines()[-1] == "nothing was asked for"


def test_what_the_disk_cannot_hold_is_refused_before_any_traffic(
    run_yfcc: RunYfcc, catalog: str, tmp_path: Path
) -> None:
    # A disk as large as this would hold some items, not three hundred.
    small = f"""
import collections, shutil, sys
from yfcc.cli.main import main
usage = collections.namedtuple("usage", "total used free")
shutil.disk_usage = lambda _: usage(10**9, 0, 10**7 + {10 * USUAL_BYTES["photo"]})
main()
"""
    (tmp_path / "small_disk.py").write_text(small)

    def run(*more: str) -> Any:
        import subprocess
        import sys

        command = [sys.executable, "small_disk.py", "download", "--catalog", catalog]
        command += ["--mirror", "mirror", "--s3-endpoint", server.url, *more]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )

    with AnsweringServer(lambda _: Reply(404)) as server:
        refused = run()
        assert refused.returncode == 6
        assert "cannot hold" in refused.stderr
        assert "--force" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not server.requests
        assert not (tmp_path / "mirror").exists()
        planned = run("--dry-run")
        assert planned.returncode == 0
        assert "the disk cannot hold it" in planned.stdout
        few = run("--lines", "0-4", "--media", "photo")
        assert few.returncode == 0, few.stderr
        n_asked = len(server.requests)
        assert n_asked > 0
        forced = run("--force")
        assert forced.returncode == 0
        assert len(server.requests) > 200
        # All are gone by now: there is nothing left that would need room.
        assert run().returncode == 0
        assert set(server.requests.values()) == {1}
        assert run("--ask-again", "--force").returncode == 0
        assert set(server.requests.values()) == {2}

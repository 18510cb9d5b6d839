"""A whole download through the command: what other tools get wrong, and coming back."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.answering_server import AnsweringServer, Reply
from yfcc.catalog.select import Selection
from yfcc.demo.serve import EmbeddedServers
from yfcc.media.settings import FetchSettings
from yfcc.mirror.download import DownloadRequest, download_selection
from yfcc.mirror.totals import RunSummary


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return str(path)


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Outcomes of a run, checked to add up."""
    assert done.stdout, done.stderr
    summary = json.loads(done.stdout)
    outcomes: dict[str, int] = summary["outcomes"]
    assert summary["n_selected"] == sum(outcomes.values()) + summary["not_yet_tried"]
    return outcomes | {"not_yet_tried": summary["not_yet_tried"]}


def download(run_yfcc: RunYfcc, catalog: str, s3: str, *more: str) -> dict[str, int]:
    done = run_yfcc(
        "download", "--catalog", catalog, "--mirror", "mirror", "--s3-endpoint", s3, "--json", *more
    )
    return counts(done) | {"exit_code": done.returncode}


def media_files(mirror: Path) -> list[Path]:
    files = (mirror / "media").rglob("*")
    return sorted(path for path in files if path.is_file() and path.suffix != ".json")


def check_mirror(mirror: Path) -> None:
    """Every media file is whole, has its JSON, and nothing else lies about."""
    for path in media_files(mirror):
        told = json.loads(path.with_suffix(".json").read_bytes())
        assert told["media"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert told["media"]["path"] == str(path.relative_to(mirror))
        digits = f"{told['photo_id']:06d}"
        assert path.relative_to(mirror).parts[:3] == ("media", digits[:3], digits[3:6])
        assert told["attribution"]["license_url"].startswith("http://creativecommons.org/")
        assert told["metadata"]["photo_id"] == told["photo_id"]
    for path in (mirror / "media").rglob("*.json"):
        assert any(path.with_suffix(f".{each}").exists() for each in ("jpg", "png", "gif", "mp4"))


def object_at(sample: SampleAt, path: str) -> Path:
    return sample.directory / "buckets" / path.lstrip("/")


def test_503_for_a_whole_shard_is_planned_again(
    catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    is_down = True

    def answer(path: str) -> Reply:
        if is_down:
            return Reply(503, b"<Error><Code>SlowDown</Code></Error>")
        file = object_at(sample, path)
        return Reply(200, file.read_bytes()) if file.exists() else Reply(404)

    def run(server: AnsweringServer) -> RunSummary:
        # As by default, but for pauses that a test can wait for.
        settings = FetchSettings(s3_endpoint=server.url, backoff_s=0.01, backoff_cap_s=0.02)
        selection = Selection(lines="0-19")
        request = DownloadRequest(
            Path(catalog), str(tmp_path / "mirror"), selection, settings, None, 4, "test"
        )
        return download_selection(request)

    with AnsweringServer(answer) as server:
        first = run(server)
        assert first.exit_code == 3
        assert first.outcomes == {"failed": 20}
        assert len(server.requests) == 20
        is_down = False
        asked = server.requests.copy()
        second = run(server)
        assert {path for path in asked if server.requests[path] > asked[path]} == set(asked)
    assert second.exit_code == 0
    assert second.not_yet_tried == 0
    assert second.outcomes["stored"] >= 15


def test_a_404_is_asked_once(run_yfcc: RunYfcc, catalog: str) -> None:
    with AnsweringServer(lambda _: Reply(404)) as server:
        first = download(run_yfcc, catalog, server.url, "--lines", "0-19")
        again = download(run_yfcc, catalog, server.url, "--lines", "0-19")
        assert set(server.requests.values()) == {1}
        assert len(server.requests) == 20
    assert first["gone"] == again["gone"] == 20
    assert first["exit_code"] == again["exit_code"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_failed_write_is_never_a_success(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        with EmbeddedServers(sample.directory) as servers:
            # Few workers: most of what fits is committed before the disk is full.
            arguments = ("download", "--catalog", catalog, "--mirror", str(disk / "mirror"))
            arguments += ("--workers", "2", "--force")
            full = run_yfcc(*arguments, "--s3-endpoint", servers.s3_endpoint, "--quiet")
            assert full.returncode == 6, full.stderr
            assert full.stderr.count("\n") == 1
            assert "Traceback" not in full.stderr
            check_mirror(disk / "mirror")
            status = json.loads(
                run_yfcc("status", "--mirror", str(disk / "mirror"), "--json").stdout
            )
            n_stored = status["outcomes"].get("stored", 0)
            assert 0 < n_stored <= len(media_files(disk / "mirror"))
            subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
            done = run_yfcc(*arguments, "--s3-endpoint", servers.s3_endpoint, "--json")
            after = counts(done)
        assert done.returncode == 0
        assert after["already_stored"] >= n_stored
        assert after["not_yet_tried"] == 0
        check_mirror(disk / "mirror")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_every_item_has_one_outcome_and_the_bytes_are_what_was_served(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    with EmbeddedServers(sample.directory) as servers:
        first = download(
            run_yfcc,
            catalog,
            servers.s3_endpoint,
            *("--from", "s3,flickr", "--flickr-endpoint", servers.flickr_endpoint),
            *("--flickr-rate", "500/s", "--placeholder", sample.sample.placeholder_sha256),
        )
        asked = sum(servers.photos.requests.values()) + servers.s3.n_requests
        again = download(
            run_yfcc,
            catalog,
            servers.s3_endpoint,
            *("--from", "s3,flickr", "--flickr-endpoint", servers.flickr_endpoint),
        )
        assert sum(servers.photos.requests.values()) + servers.s3.n_requests == asked
    assert first["exit_code"] == 0
    assert first["not_yet_tried"] == 0
    assert first["placeholder"] >= sample.sample.n_placeholders
    assert again["already_stored"] == first["stored"]
    assert len(media_files(tmp_path / "mirror")) == first["stored"]
    assert sample.sample.placeholder_sha256 not in {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in media_files(tmp_path / "mirror")
    }
    check_mirror(tmp_path / "mirror")


def start(catalog: str, mirror: Path, endpoint: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "yfcc.cli.main", "download", "--quiet", "--workers", "4"),
            *("--catalog", catalog, "--mirror", str(mirror), "--s3-endpoint", endpoint),
        ],
        stderr=subprocess.PIPE,
    )


def test_kill_9_at_any_moment_loses_and_tears_nothing(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    moments = random.Random(20261121)
    mirror = tmp_path / "mirror"
    with EmbeddedServers(sample.directory) as servers:
        for _ in range(5):
            process = start(catalog, mirror, servers.s3_endpoint)
            time.sleep(0.3 + moments.random() * 0.5)
            process.kill()
            process.communicate()
        done = download(run_yfcc, catalog, servers.s3_endpoint)
        n_asked = servers.s3.n_requests
    assert done["exit_code"] == 0
    assert done["not_yet_tried"] == 0
    check_mirror(mirror)
    assert not list(mirror.rglob("*.part"))
    # Killed five times with four workers: few are asked again, whatever was stored is not.
    assert n_asked <= sample.sample.n_items + 5 * (4 + 64)
    assert run_yfcc("verify", "--mirror", "mirror").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_soon_and_the_next_goes_on(
    number: signal.Signals, run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    with EmbeddedServers(sample.directory) as servers:
        process = start(catalog, mirror, servers.s3_endpoint)
        deadline = time.monotonic() + 20
        while not list(mirror.glob("ledger/*.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        started = time.monotonic()
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - started < 5
        assert process.returncode == 128 + number, errors
        assert b"Traceback" not in errors
        done = download(run_yfcc, catalog, servers.s3_endpoint)
    assert done["already_stored"] > 0
    assert done["not_yet_tried"] == 0
    check_mirror(mirror)


def test_a_dry_run_asks_for_nothing_and_counts_licences(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    with AnsweringServer(lambda _: Reply(500)) as server:
        done = run_yfcc(
            *("download", "--catalog", catalog, "--mirror", "mirror", "--dry-run", "--json"),
            *("--s3-endpoint", server.url),
        )
        assert not server.requests
    told = json.loads(done.stdout)
    assert told["n_selected"] == sum(told["by_license"].values()) == sample.sample.n_items
    assert not (tmp_path / "mirror").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--where", "license ="], "--where"),
        (["--where", "1); DROP TABLE items; --"], "--where"),
        (["--license", "by-cn"], "Did you mean by-n"),
        (["--bbox", "1,2,3"], "W,S,E,N"),
        (["--autotag", "cat>2"], "0 to 1"),
        (["--from", "ftp"], "s3, flickr"),
        (["--shards", "9-3"], "shards"),
        (["--shard-of", "8/8"], "0/N to N-1/N"),
        (["--shard-of", "8"], "0/8"),
        (["--flickr-rate", "fast"], "fast"),
        (["--mirror", "gs://bucket/mirror"], "directory"),
    ],
)
def test_a_flag_that_makes_no_sense_is_explained(
    flags: list[str], says: str, run_yfcc: RunYfcc, catalog: str
) -> None:
    done = run_yfcc("download", "--catalog", catalog, *flags)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_as_many_requests_as_workers_are_under_way_and_never_more(
    run_yfcc: RunYfcc, catalog: str
) -> None:
    n_now = n_most = 0
    lock = threading.Lock()
    all_are_there = threading.Event()

    def answer(_: str) -> Reply:
        nonlocal n_now, n_most
        with lock:
            n_now += 1
            n_most = max(n_most, n_now)
            if n_now >= 16:
                all_are_there.set()
        all_are_there.wait(20)
        time.sleep(0.1)  # for one more, if it may come
        with lock:
            n_now -= 1
        return Reply(404)

    with AnsweringServer(answer) as server:
        found = download(run_yfcc, catalog, server.url, "--workers", "16", "--lines", "0-59")
    assert found["exit_code"] == 0
    assert n_most == 16

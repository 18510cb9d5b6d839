"""A download in two processes: one sum, one way to stop it, nobody left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.answering_server import AnsweringServer, Reply
from tests.fakes.fault_counts import count_cases
from yfcc.catalog.tombstones import Kind, Reason, Tombstone
from yfcc.demo.serve import EmbeddedServers
from yfcc.media.settings import FetchSettings
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.root import create_mirror
from yfcc.mirror.tombstones import TombstoneFile, read_removals
from yfcc.model import N_SHARDS


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return str(path)


def flags(catalog: str, endpoint: str, mirror: Path) -> list[str]:
    where = ["--catalog", catalog, "--mirror", str(mirror), "--s3-endpoint", endpoint]
    return ["download", *where, "--processes", "2", "--json"]


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Outcomes of a run, checked to add up."""
    told = json.loads(done.stdout)
    outcomes: dict[str, int] = told["outcomes"]
    assert told["n_selected"] == sum(outcomes.values()) + told["not_yet_tried"]
    assert told["exit_code"] == done.returncode
    return outcomes | {"not_yet_tried": told["not_yet_tried"], "n_selected": told["n_selected"]}


def children_of(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_stored(mirror: Path, n_items: int) -> None:
    deadline = time.monotonic() + 20
    while len(list(mirror.glob("media/*/*/*.json"))) < n_items:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def slow_server(sample: SampleAt) -> Iterator[AnsweringServer]:
    """Lets a signal come in the middle of a run."""

    def answer(path: str) -> Reply:
        time.sleep(0.05)
        file = sample.directory / "buckets" / path.lstrip("/")
        return Reply(200, file.read_bytes()) if file.exists() else Reply(404)

    with AnsweringServer(answer) as server:
        yield server


def start(catalog: str, endpoint: str, mirror: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "yfcc.cli.main", *flags(catalog, endpoint, mirror)]
    return subprocess.Popen(
        [*command, "--workers", "4"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_two_processes_do_the_work_of_one_and_their_counts_add_up(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    with EmbeddedServers(sample.directory) as servers:
        done = counts(run_yfcc(*flags(catalog, servers.s3_endpoint, tmp_path / "mirror")))
        again = counts(run_yfcc(*flags(catalog, servers.s3_endpoint, tmp_path / "mirror")))
        where = ["--catalog", catalog, "--mirror", str(tmp_path / "single"), "--json"]
        alone = counts(run_yfcc("download", *where, "--s3-endpoint", servers.s3_endpoint))
    # A picture that stands for others is told by its coming twice to the same process.
    assert done["gone"] == alone["gone"]
    assert done["n_selected"] == alone["n_selected"] == sample.sample.n_items
    assert done["not_yet_tried"] == 0
    assert done["stored"] >= alone["stored"]
    assert again["already_stored"] == done["stored"]
    runs = [json.loads(run.read_bytes()) for run in tmp_path.glob("mirror/ledger/runs/*.json")]
    first = sorted(runs, key=lambda run: str(run["started"]))[:2]
    assert sum(run["n_selected"] for run in first) == done["n_selected"]
    assert all(run["outcomes"].get("stored", 0) for run in first), "one process did it all"
    assert run_yfcc("verify", "--mirror", "mirror").returncode == 0


def test_processes_are_one_run_to_who_looks_at_it_later(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    def ask(*words: str) -> dict[str, Any]:
        done = run_yfcc(*words, "--mirror", "mirror", "--json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    with EmbeddedServers(sample.directory) as servers:
        done = run_yfcc(*flags(catalog, servers.s3_endpoint, tmp_path / "mirror"))
    told = json.loads(done.stdout)
    same = ("run_id", "n_selected", "outcomes", "not_yet_tried", "n_bytes", "exit_code", "licenses")
    last = ask("status")["last_run"]
    assert {name: last[name] for name in same} == {name: told[name] for name in same}
    sql = "SELECT run_id, n_selected, not_yet_tried FROM runs"
    assert ask("query", sql, "--catalog", catalog) == [
        {name: told[name] for name in ("run_id", "n_selected", "not_yet_tried")}
    ]
    assert ask("report", "--out", "a.html")["run_id"] == told["run_id"]
    assert ask("report", "--out", "b.html", "--run", told["run_id"])["n_samples"] >= 2
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page == (tmp_path / "b.html").read_text(encoding="utf-8")
    assert f"= {sample.sample.n_items:,} selected." in page
    assert "<td>items got an outcome</td><td>300, " in page
    expected = ask("download", "--dry-run", "--catalog", catalog)
    assert expected["rate_run_id"] == told["run_id"]
    took = datetime.fromisoformat(told["ended"]) - datetime.fromisoformat(told["started"])
    assert expected["rate_bytes_per_s"] == told["n_bytes"] / took.total_seconds()


def test_flickr_gets_no_more_connections_from_many_processes(
    run_yfcc: RunYfcc, catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    with EmbeddedServers(sample.directory) as servers:
        asked = [*flags(catalog, servers.s3_endpoint, tmp_path / "mirror"), "--processes", "6"]
        asked += ["--from", "s3,flickr", "--flickr-endpoint", servers.flickr_endpoint]
        asked += ["--flickr-rate", "1000/s", "--where", "shard < 400"]
        done = counts(run_yfcc(*asked))
    assert done["not_yet_tried"] == 0
    n_runs = len(list(tmp_path.glob("mirror/ledger/runs/*.json")))
    assert n_runs == FetchSettings().flickr_connections


def test_processes_wait_for_a_removal_that_is_carried_out_when_they_start(
    catalog: str, sample: SampleAt, tmp_path: Path
) -> None:
    root, shards = tmp_path / "mirror", frozenset(range(N_SHARDS))
    with duckdb.connect(catalog, read_only=True) as connection:
        owner, n_owned = connection.execute(
            "SELECT user_nsid, count(*) FROM items GROUP BY ALL ORDER BY ALL LIMIT 1"
        ).fetchall()[0]
    with EmbeddedServers(sample.directory) as servers, create_mirror(root) as mirror:
        # As `yfcc forget --user` does while it looks for the owner's items.
        with TombstoneFile(mirror) as file:
            file.add([Tombstone(Kind.USER, owner, Reason.OWNER_REQUEST, "2026-11-21")])
            with claim_shards(mirror, shards, "forget-1", "2026-11-21T12:00:00.000Z"):
                process = start(catalog, servers.s3_endpoint, root)
                deadline = time.monotonic() + 20
                while len(children_of(process.pid)) < 2:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                time.sleep(1.5)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        told = json.loads(output)
        assert (told["outcomes"]["forgotten"], told["not_yet_tried"]) == (n_owned, 0)
        assert not read_removals(mirror).pending


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes_soon(
    number: signal.Signals, catalog: str, slow_server: AnsweringServer, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    process = start(catalog, slow_server.url, mirror)
    wait_until_stored(mirror, 5)
    children = children_of(process.pid)
    process.send_signal(number)
    started = time.monotonic()
    output, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert process.returncode == 128 + number, errors
    assert not errors
    told = json.loads(output)
    assert told["end"] == "interrupted"
    assert told["not_yet_tried"] > 0
    assert len(children) == 2
    assert not any(map(is_alive, children))


def test_kill_9_of_the_parent_leaves_no_child_and_the_next_run_goes_on(
    run_yfcc: RunYfcc, catalog: str, slow_server: AnsweringServer, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    process = start(catalog, slow_server.url, mirror)
    wait_until_stored(mirror, 5)
    children = children_of(process.pid)
    assert len(children) == 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 5
    while any(map(is_alive, children)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    done = counts(run_yfcc(*flags(catalog, slow_server.url, mirror)))
    assert done["already_stored"] >= 5
    assert done["not_yet_tried"] == 0
    assert run_yfcc("verify", "--mirror", "mirror").returncode == 0
    count_cases(1)


def test_a_killed_child_is_an_error_and_stops_the_other(
    catalog: str, slow_server: AnsweringServer, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    process = start(catalog, slow_server.url, mirror)
    wait_until_stored(mirror, 5)
    killed, other = children_of(process.pid)
    os.kill(killed, signal.SIGKILL)
    output, _ = process.communicate(timeout=20)
    told = json.loads(output)["error"]
    assert process.returncode == told["code"] == 1
    assert f"process {killed} of this run was killed by signal 9" in told["message"]
    assert not is_alive(other)

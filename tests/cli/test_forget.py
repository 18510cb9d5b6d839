"""``yfcc forget`` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.forgetting import (
    FIRST,
    OTHER,
    OWNER,
    SECOND,
    fill,
    has_tombstone,
    make_owned,
    owned_items,
    traces,
)
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire
from yfcc.demo.serve import EmbeddedServers

CATALOG_LEFT = (
    "the catalog still has the rows until `yfcc forget --catalog FILE` removes them; "
    "nothing is fetched for them"
)


def test_from_download_to_nothing_left_and_no_way_back(
    tmp_path: Path, run_yfcc: RunYfcc, sample: SampleAt, servers: EmbeddedServers
) -> None:
    source = str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2")
    build = ("metadata", "--source", source, "--catalog", "c.duckdb", "--quiet")
    fetch = ("download", "--catalog", "c.duckdb", "--s3-endpoint", servers.s3_endpoint, "--json")
    assert run_yfcc(*build).returncode == 0
    shutil.copyfile(tmp_path / "c.duckdb", tmp_path / "kept.duckdb")
    run_yfcc(*fetch)
    photo_id = min(int(path.stem) for path in tmp_path.glob("mirror/media/*/*/*.jpg"))
    with duckdb.connect(str(tmp_path / "c.duckdb"), read_only=True) as connection:
        row = f"SELECT user_nsid, download_url FROM items WHERE photo_id = {photo_id}"
        ((nsid, url),) = connection.execute(row).fetchall()
        owned = f"SELECT photo_id FROM items WHERE user_nsid = '{nsid}'"
        ids = {each for (each,) in connection.execute(owned).fetchall()}
    done = run_yfcc("forget", "--user", nsid, "--catalog", "c.duckdb", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == (8 if told["left"] else 0)
    assert not any("still" in line for line in told["left"])
    assert list(told["catalogs"].values()) == [len(ids)]
    assert not [path for each in ids for path in tmp_path.glob(f"mirror/media/*/*/{each}.*")]
    name = url.rpartition("/")[2].encode()
    assert not [path for path in tmp_path.rglob("mirror/**/*.json*") if name in path.read_bytes()]
    # Another catalog, which has the rows still, and another way of asking.
    shutil.copyfile(tmp_path / "kept.duckdb", tmp_path / "c.duckdb")
    n_before = servers.s3.n_requests
    told = json.loads(run_yfcc(*fetch, "--ask-again", "--user", nsid).stdout)
    assert told["outcomes"] == {"forgotten": len(ids)}
    assert servers.s3.n_requests == n_before
    # A rebuild under the same name obeys the list beside it.
    assert run_yfcc(*build).returncode == 0
    with duckdb.connect(str(tmp_path / "c.duckdb"), read_only=True) as connection:
        assert connection.execute(owned).fetchall() == []
    assert run_yfcc("verify").returncode == 0


def test_what_it_says_and_what_a_list_may_hold(tmp_path: Path, run_yfcc: RunYfcc) -> None:
    fill(tmp_path / "mirror")
    (tmp_path / "list").write_text(f"# asked for by mail\n{FIRST}\n\n{SECOND} # both\n")
    done = run_yfcc("forget", "--file", "list", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == (
        "2 items, 4 files would be removed from mirror; 2 new of 0 removals that last"
    )
    assert not has_tombstone(tmp_path / "mirror", FIRST)
    done = run_yfcc("forget", "--file", "list", "--id", "7", "--reason", "subject-request")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "item 7: nothing of it is here; it is kept away from now on",
        "2 items, 4 files removed from mirror; 3 new of 3 removals that last",
        CATALOG_LEFT,
    ]
    assert traces(tmp_path / "mirror", FIRST, SECOND) == []


def test_lists_go_from_mirror_to_mirror(tmp_path: Path, run_yfcc: RunYfcc) -> None:
    fill(tmp_path / "mirror")
    fill(tmp_path / "another")
    assert run_yfcc("forget", "--user", OWNER, "--export", "list").returncode == 0
    done = run_yfcc("forget", "--mirror", "another", "--file", "list")
    assert done.returncode == 0
    assert traces(tmp_path / "another", FIRST, SECOND) == []
    done = run_yfcc("forget", "--mirror", "another", "--export", "back", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    lines = tmp_path.joinpath("list").read_text().splitlines()
    assert sorted(lines) == sorted(tmp_path.joinpath("back").read_text().splitlines())
    assert {frozenset(json.loads(line)) - {"reason", "date"} for line in lines} == {
        frozenset({"user"}),
        frozenset({"id"}),
    }


def test_junk_in_a_list_removes_nothing(tmp_path: Path, run_yfcc: RunYfcc) -> None:
    fill(tmp_path / "mirror")
    (tmp_path / "list").write_text(f"{FIRST}\ncat\n")
    done = run_yfcc("forget", "--file", "list")
    assert done.returncode == 2
    assert done.stderr.startswith("yfcc: --file list line 2: 'cat'")
    assert not has_tombstone(tmp_path / "mirror", FIRST)


def test_what_is_wrong_is_said_before_anything_is_removed(
    tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    fill(tmp_path / "mirror")
    for arguments, code in (
        (("--id", "cat"), 2),
        (("--user", "Bob", "--hash", "xyz"), 2),
        (("--id", "1", "--reason", "because"), 2),
        (("--id", str(FIRST), "--mirror", "nowhere"), 2),
        (("--id", str(FIRST), "--catalog", "nowhere"), 4),
    ):
        done = run_yfcc("forget", *arguments)
        assert done.returncode == code, arguments
        assert done.stderr.startswith("yfcc: ")
    assert not has_tombstone(tmp_path / "mirror", FIRST)


def test_bytes_that_another_item_has_too_make_it_fail(tmp_path: Path, run_yfcc: RunYfcc) -> None:
    def same(item, sink):
        return FakeAcquire()(make_owned(1, "", ""), sink)

    download(tmp_path / "mirror", owned_items(), same)
    done = run_yfcc("forget", "--id", str(FIRST))
    assert done.returncode == 8
    assert f"item {OTHER} has the same bytes" in done.stdout
    assert "not all is gone" in done.stderr


def test_exports_lose_the_items_and_those_out_of_reach_are_named(
    tmp_path: Path, run_yfcc: RunYfcc, sample: SampleAt
) -> None:
    source = str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2")
    assert run_yfcc("metadata", "--source", source, "--catalog", "c.duckdb").returncode == 0
    for out, form in (("lines", "tsv"), ("disk/table", "parquet")):
        done = run_yfcc("export", form, "--catalog", "c.duckdb", "--out", out, "--lines", "0-99")
        assert done.returncode == 0
    fill(tmp_path / "mirror")
    lines = (tmp_path / "lines" / "yfcc100m_dataset").read_bytes().split(b"\n")[:-1]
    first, second = (line.split(b"\t")[1].decode() for line in lines[:2])
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    done = run_yfcc("forget", "--id", first, "--catalog", "c.duckdb")
    assert done.returncode == 8
    table = tmp_path / "disk" / "table"
    assert f"{table}: {table.parent} is not there: mount it" in done.stdout
    assert f"1 items removed from {tmp_path / 'lines'}" in done.stdout
    assert (tmp_path / "lines" / "yfcc100m_dataset").read_bytes().split(b"\n")[:-1] == lines[1:]
    (tmp_path / "unmounted").rename(tmp_path / "disk")
    done = run_yfcc("forget", "--id", second, "--dry-run", "--json")
    assert {each["state"] for each in json.loads(done.stdout)["exports"]} == {"pending"}
    told = json.loads(run_yfcc("forget", "--json").stdout)
    assert [(each["form"], each["n_items"]) for each in told["exports"]] == [("parquet", 1)]
    # Only told where it is: it was never heard of.
    (tmp_path / "lines").rename(tmp_path / "moved")
    done = run_yfcc("forget", "--id", second, "--exported", "moved", "--catalog", "c.duckdb")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"1 items removed from {tmp_path / 'moved'}" in done.stdout
    assert f"{tmp_path / 'lines'}: no export is there any more" in done.stdout
    done = run_yfcc("forget", "--exported", "nowhere")
    assert done.returncode == 2

"""``yfcc metadata``, as a user meets it: sources, messages, exit codes."""

from __future__ import annotations

import bz2
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from yfcc.demo.editions import EditionForm, write_edition
from yfcc.demo.serve import EmbeddedServers, ServerSettings


def test_a_catalog_comes_from_an_s3_bucket(
    run_yfcc: RunYfcc, servers: EmbeddedServers, sample: SampleAt, tmp_path: Path
) -> None:
    done = run_yfcc(
        *("metadata", "--source", "s3://yfcc100m-metadata/v2", "--json"),
        AWS_ENDPOINT_URL_S3=servers.s3_endpoint,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["n_items"] == sample.sample.n_items
    for counts in told["files"].values():
        n_told = counts["n_joined"] + counts["n_orphans"] + counts["n_rejected"]
        assert counts["n_lines"] == n_told
    assert (tmp_path / "catalog.duckdb").exists()


def test_without_a_source_the_command_says_which_there_are(run_yfcc: RunYfcc) -> None:
    done = run_yfcc("metadata")
    assert done.returncode == 2
    database = "s3://multimedia-commons/tools/etc/yfcc100m_dataset.sql"
    for word in ("demo", "s3://BUCKET", "--source s3://mmcommons", database, "DIRECTORY"):
        assert word in done.stderr
    assert "65 GB" in done.stderr
    assert "unpack" not in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 100


def test_the_help_says_that_a_source_may_be_one_file(run_yfcc: RunYfcc) -> None:
    assert "or one file" in " ".join(run_yfcc("metadata", "--help").stdout.split())


def test_packs_that_are_missing_are_said_with_what_becomes_of_their_columns(
    run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    source = tmp_path / "v1"
    write_edition(source, 30, 1, EditionForm("v1"))
    for pack in (*source.glob("*hash*"), *source.glob("*autotags*")):
        pack.unlink()
    done = run_yfcc("metadata", "--source", str(source))
    assert done.returncode == 0, done.stderr
    assert "no autotags file at the source: that column stays empty\n" in done.stdout
    told = "no hash file at the source: photo_hash is computed from the download URL\n"
    assert told in done.stdout
    query = "SELECT count(photo_hash) AS n_hashes, count(autotags) AS n_tags FROM items"
    answer = run_yfcc("query", query, "--json")
    assert json.loads(answer.stdout) == [{"n_hashes": 30, "n_tags": 0}]


def test_settings_come_from_flag_then_variable_then_file(
    run_yfcc: RunYfcc, sample: SampleAt, tmp_path: Path
) -> None:
    source = sample.directory / "buckets" / "yfcc100m-metadata" / "v2"
    (tmp_path / "yfcc.toml").write_text(f'source = "{source}"\ncatalog = "file.duckdb"\n')
    assert run_yfcc("metadata", "--quiet").returncode == 0
    assert run_yfcc("metadata", "--quiet", YFCC_CATALOG="variable.duckdb").returncode == 0
    assert run_yfcc("metadata", "--quiet", "--catalog", "flag.duckdb").returncode == 0
    found = {path.name for path in tmp_path.glob("*.duckdb")}
    assert found == {"file.duckdb", "variable.duckdb", "flag.duckdb"}


def test_settings_reach_the_commands_of_a_group(run_yfcc: RunYfcc, tmp_path: Path) -> None:
    text = """
    quiet = true
    metadata_only = true
    [demo]
    seed = 3
    items = 7
    [demo.data]
    items = 5
    """
    (tmp_path / "yfcc.toml").write_text(text)
    done = run_yfcc("demo", "data")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = json.loads(run_yfcc("demo", "data", "--json").stdout)
    assert (told["n_items"], told["seed"]) == (5, 3)


def test_the_demo_runs_on_its_own_servers_whatever_the_settings_name(
    run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    nobody = "http://127.0.0.1:9"
    (tmp_path / "yfcc.toml").write_text(f's3_endpoint = "{nobody}"')
    done = run_yfcc("demo", "run", "--items", "20", AWS_ENDPOINT_URL_S3=nobody)
    assert done.returncode == 0, done.stderr


def test_a_setting_where_a_command_stands_is_named(run_yfcc: RunYfcc, tmp_path: Path) -> None:
    for text in ('metadata = "x"', '[demo]\ndata = "x"'):
        (tmp_path / "yfcc.toml").write_text(text)
        done = run_yfcc("demo", "data")
        assert done.returncode == 2, done.stderr
        assert "yfcc.toml" in done.stderr
        assert "expected a table" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('mirorr = "x"', "yfcc.toml: mirorr: no flag has this name. Did you mean mirror?"),
        ("[downlod]\nworkers = 3", "[downlod]: no command has this name. Did you mean download?"),
        (
            "[download]\nwokers = 3",
            "[download] wokers: no flag has this name. Did you mean workers",
        ),
        ("[demo.data]\nitem = 5", "[demo.data] item: no flag has this name. Did you mean items?"),
        ('[download]\nfrom = "nowhere"', "nowhere"),
    ],
)
def test_a_setting_that_no_command_has_is_named_and_a_flag_called_from_is_one(
    text: str, said: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    (tmp_path / "yfcc.toml").write_text(text)
    done = run_yfcc("download", "--dry-run")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_a_settings_file_that_is_no_toml_is_named(run_yfcc: RunYfcc, tmp_path: Path) -> None:
    (tmp_path / "yfcc.toml").write_text("catalog = ")
    done = run_yfcc("metadata")
    assert done.returncode == 2
    assert "yfcc.toml" in done.stderr


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("s3://no-such-bucket/v2", "no such bucket"),
        ("s3://locked/v2", "permission denied"),
        ("s3://yfcc100m-metadata/v9", "yfcc100m_dataset.bz2"),
        ("/no/such/directory", "no such directory"),
    ],
)
def test_a_source_that_cannot_be_read_is_exit_4(
    source: str, says: str, run_yfcc: RunYfcc, sample: SampleAt, tmp_path: Path
) -> None:
    (sample.directory / "buckets" / "locked" / "v2").mkdir(parents=True, exist_ok=True)
    settings = ServerSettings(access_denied_buckets=frozenset({"locked"}))
    with EmbeddedServers(sample.directory, settings) as servers:
        done = run_yfcc("metadata", "--source", source, AWS_ENDPOINT_URL_S3=servers.s3_endpoint)
    assert done.returncode == 4
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "catalog.duckdb").exists()


def _halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _bit_flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_halved, "truncated"),
        (_bit_flipped, "damaged"),
        (lambda _: b"", "empty"),
        (lambda _: b"<html>not here</html>", "not bzip2"),
        (lambda data: data + b"rubbish", "follow the end"),
        (lambda _: bz2.compress(b"a\tb\tc\n" * 50), "25 columns"),
        (lambda _: bz2.compress(b""), "no lines"),
    ],
    ids=["half", "bit", "empty", "html", "trailing", "columns", "nothing"],
)
def test_a_damaged_file_is_exit_4_and_publishes_nothing(
    damage, says: str, run_yfcc: RunYfcc, sample: SampleAt, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(sample.directory / "buckets" / "yfcc100m-metadata" / "v2", source)
    file = source / "yfcc100m_dataset.bz2"
    file.write_bytes(damage(file.read_bytes()))
    (tmp_path / "catalog.duckdb").write_bytes(b"the old one")
    done = run_yfcc("metadata", "--source", str(source))
    assert done.returncode == 4, done.stderr
    assert says in done.stderr
    assert "yfcc100m_dataset.bz2" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "catalog.duckdb").read_bytes() == b"the old one"
    left = {path.name for path in tmp_path.iterdir()} - {"source"}
    assert left == {"catalog.duckdb", "catalog.duckdb.lock"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_build_soon_and_leaves_nothing(
    number: signal.Signals, sample: SampleAt, tmp_path: Path
) -> None:
    slow = ServerSettings(s3_latency_s=0.2, s3_bytes_per_s=4_000)
    catalog = tmp_path / "catalog.duckdb"
    with EmbeddedServers(sample.directory, slow) as servers:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "yfcc.cli.main", "metadata", "--quiet", "--anonymous"),
                *("--source", "s3://yfcc100m-metadata/v2", "--catalog", str(catalog)),
                *("--s3-endpoint", servers.s3_endpoint),
            ],
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while not (tmp_path / "catalog.duckdb.building").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        started = time.monotonic()
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - started < 10
    assert process.returncode == 128 + number, errors
    assert b"Traceback" not in errors
    assert {path.name for path in tmp_path.iterdir()} == {"catalog.duckdb.lock"}


def test_too_many_rejected_lines_are_exit_9(
    run_yfcc: RunYfcc, sample: SampleAt, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(sample.directory / "buckets" / "yfcc100m-metadata" / "v2", source)
    file = source / "yfcc100m_dataset.bz2"
    file.write_bytes(bz2.compress(bz2.decompress(file.read_bytes()) + b"bad\n" * 20))
    assert run_yfcc("metadata", "--source", str(source), "--max-rejects", "20").returncode == 0
    done = run_yfcc("metadata", "--source", str(source), "--max-rejects", "19")
    assert done.returncode == 9
    assert "yfcc100m_dataset.bz2, line " in done.stderr
    assert "--max-rejects" in done.stderr


def test_an_error_with_json_is_one_document(run_yfcc: RunYfcc) -> None:
    done = run_yfcc("metadata", "--json", "--source", "/no/such/directory")
    told = json.loads(done.stdout)
    assert told["error"]["code"] == done.returncode == 4
    assert set(told["error"]) == {"code", "kind", "message"}


def test_help_answers_quickly_and_lists_every_command(run_yfcc: RunYfcc) -> None:
    done = run_yfcc("--help")
    assert done.returncode == 0
    for command in ("metadata", "download", "status", "verify", "query", "demo"):
        assert f"\n  {command}" in done.stdout


def test_the_command_line_loads_nothing_heavy(run_yfcc: RunYfcc) -> None:
    code = "import sys, yfcc.cli.main; print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"duckdb", "pyarrow", "numpy", "polars", "boto3", "s3fs", "requests"} & set(loaded)

"""Standard streams whose other end goes away, is full, or is a file to append to."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import SampleAt
from tests.fakes.exporting import Mirrored, mirror_sample, read_samples
from yfcc.demo.serve import EmbeddedServers

#: More than a pipe holds.
MANY = "SELECT i, md5(i::VARCHAR) AS digest FROM range(100_000) AS numbers(i)"
FORMS = ("table", "csv", "json", "parquet")


@pytest.fixture(scope="module")
def catalog(sample_catalog: Path) -> str:
    return str(sample_catalog)


def start(*arguments: str, **streams: object) -> subprocess.Popen[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("YFCC_")}
    return subprocess.Popen(
        [sys.executable, "-m", "yfcc.cli.main", *arguments],
        env=clean | {"AWS_EC2_METADATA_DISABLED": "true"},
        **streams,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_reader_that_goes_away_ends_a_query_quietly(form: str, catalog: str) -> None:
    asked = ("query", MANY, "--catalog", catalog, "--format", form)
    with start(*asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stderr
        assert running.stdout.read(10)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(110) == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_query_appends_where_the_shell_says_so_and_else_replaces(
    form: str, catalog: str, tmp_path: Path
) -> None:
    asked = ("query", "SELECT 7 AS a", "--catalog", catalog, "--format", form)
    answer, added = tmp_path / "answer", tmp_path / "added"
    answer.write_bytes(b"an older, longer answer\n" * 100)
    with answer.open("wb") as stream:
        assert start(*asked, stdout=stream).wait(110) == 0
    added.write_bytes(b"kept\n")
    with added.open("ab") as stream:
        assert start(*asked, stdout=stream).wait(110) == 0
        stream.write(b"more\n")
    content = answer.read_bytes()
    assert added.read_bytes() == b"kept\n" + content + b"more\n"
    if form == "parquet":
        assert pl.read_parquet(io.BytesIO(content)).to_dicts() == [{"a": 7}]
    else:
        wanted = {"table": b"a\n7\n", "csv": b"a\n7\n"}
        assert content == wanted.get(form, content)
        assert form != "json" or json.loads(content) == [{"a": 7}]


@pytest.mark.parametrize(
    ("form", "sql"), [("table", "SELECT 7 AS a"), *((form, MANY) for form in FORMS)]
)
def test_output_that_cannot_be_written_is_exit_6_and_one_line(
    form: str, sql: str, catalog: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    asked = ("query", sql, "--catalog", catalog, "--format", form)
    with Path("/dev/full").open("wb") as full:
        running = start(*asked, stdout=full, stderr=subprocess.PIPE)
        _, said = running.communicate(timeout=110)
    assert running.returncode == 6
    assert said.count(b"\n") == 1
    assert b"No space left on device" in said


def test_a_table_goes_to_no_file(catalog: str, tmp_path: Path) -> None:
    asked = ("query", "SELECT 7 AS a", "--catalog", catalog, "--output", str(tmp_path / "a"))
    running = start(*asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answer, said = running.communicate(timeout=110)
    assert (running.returncode, answer) == (2, b"")
    assert b"--format csv, json or parquet" in said
    assert not (tmp_path / "a").exists()


def test_parquet_is_not_shown_on_a_terminal(catalog: str) -> None:
    outside, inside = os.openpty()
    try:
        asked = ("query", "SELECT 7 AS a", "--catalog", catalog, "--format", "parquet")
        running = start(*asked, stdout=inside, stderr=subprocess.PIPE)
        _, said = running.communicate(timeout=110)
    finally:
        os.close(inside)
        os.close(outside)
    assert running.returncode == 2
    assert b"Parquet is no text" in said


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


#: Says how far it is after every item, as if much time had gone by; its stderr is a closed pipe.
_TALKATIVE = """
import os, sys
import yfcc.progress
yfcc.progress._PLAIN_EVERY_S = 0.0
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 2)
os.close(writing)
from yfcc.cli.main import main
main()
"""


@pytest.mark.parametrize("is_left", [False, True], ids=["closed", "without a reader"])
@pytest.mark.parametrize("command", ["download", "export"])
def test_what_nobody_hears_changes_no_outcome(
    command: str, is_left: bool, mirrored: Mirrored, sample: SampleAt, tmp_path: Path
) -> None:
    with EmbeddedServers(sample.directory) as servers:
        asked = ["--catalog", str(mirrored.catalog), "--lines", "0-19"]
        if command == "download":
            asked += ["--mirror", str(tmp_path / "mirror"), "--s3-endpoint", servers.s3_endpoint]
            asked = ["download", *asked, "--force"]
        else:
            asked = ["export", "webdataset", *asked, "--mirror", str(mirrored.mirror)]
            asked += ["--out", str(tmp_path / "out")]
        script = _TALKATIVE if is_left else "from yfcc.cli.main import main; main()"
        running = subprocess.Popen(
            [sys.executable, "-c", script, *asked],
            stdout=subprocess.PIPE,
            preexec_fn=None if is_left else lambda: os.close(2),  # noqa: PLW1509
        )
        answer, _ = running.communicate(timeout=110)
    assert running.returncode == 0, answer
    if command == "download":
        n_lines = sum(
            each["metadata"]["line_number"] < 20 for each in mirrored.documents().values()
        )
        # Of a placeholder that is met once, nobody knows that it is one.
        assert len(list(tmp_path.glob("mirror/media/*/*/*.json"))) >= n_lines > 10
    else:
        assert len(read_samples(tmp_path / "out")) > 10
        assert b"selected items" in answer

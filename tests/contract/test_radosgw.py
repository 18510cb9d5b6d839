"""The real S3 server of the contracts: it starts, answers, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from tests.fakes.radosgw import HOW_TO_INSTALL, Radosgw, RadosgwError, missing_programs

pytestmark = pytest.mark.skipif(
    bool(missing_programs()),
    reason="the contracts are not checked against a real S3 server: radosgw is not installed. "
    f"On Debian, as root: {HOW_TO_INSTALL}; then `make test-s3`",
)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server puts its directory, and nothing else does."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # ended; nobody has asked how


def test_radosgw_knows_its_owner_and_leaves_nothing_behind(temporary):
    with Radosgw() as server:
        pids = server.pids
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=server.owner.access_key,
            aws_secret_access_key=server.owner.secret_key,
        )
        client.create_bucket(Bucket="bucket")
        assert [each["Name"] for each in client.list_buckets()["Buckets"]] == ["bucket"]
        client.close()
    assert len(pids) == 3
    assert not any(is_running(pid) for pid in pids)
    assert list(temporary.iterdir()) == []


def test_radosgw_that_fails_to_start_leaves_nothing_behind(temporary, monkeypatch):
    programs = temporary / "programs"
    programs.mkdir()
    failing = programs / "radosgw-admin"
    failing.write_text("#!/bin/sh\necho no users today >&2\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    server = Radosgw()
    with pytest.raises(RadosgwError, match="no users today"):
        server.__enter__()
    assert server.pids == []
    shutil.rmtree(programs)
    assert list(temporary.iterdir()) == []


def test_radosgw_dies_with_a_process_that_is_killed(tmp_path):
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    code = (
        "import time\n"
        "from tests.fakes.radosgw import Radosgw\n"
        "with Radosgw() as server:\n"
        "    print(*server.pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        process.send_signal(signal.SIGKILL)
    assert len(pids) == 3
    deadline = time.monotonic() + 5
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(is_running(pid) for pid in pids)

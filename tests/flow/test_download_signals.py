"""Ctrl-C and SIGTERM while a server stalls: over in seconds, with the right code, quietly."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.mirror_items import wait_until
from tests.fakes.stalled_server import StalledServer
from yfcc.mirror.root import open_mirror
from yfcc.mirror.status import read_status
from yfcc.mirror.totals import RunEnd

REPOSITORY = Path(__file__).parents[2]
N_WORKERS = 64


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return path


@pytest.fixture
def server() -> Iterator[StalledServer]:
    with StalledServer() as running:
        yield running


class Run:
    """A download of 64 workers that all wait for an answer, in a process group of its own."""

    def __init__(self, server: StalledServer, catalog: Path, folder: Path, manner: str) -> None:
        self.server = server
        self.mirror = folder / "mirror"
        self.errors = folder / "errors"
        more = ["--workers", str(N_WORKERS), "--s3-endpoint", server.url]
        flags = ["--catalog", str(catalog), "--mirror", str(self.mirror), *more]
        command = [sys.executable, "-m", "yfcc.cli.main", "download", *flags]
        if manner == "make":
            installed = f"{sys.prefix}/installed"
            command = ["make", "-C", str(REPOSITORY), "-o", installed, f"VENV={sys.prefix}"]
            command += ["download", f"CATALOG={catalog}", f"MIRROR={self.mirror}"]
            command += [f"ARGS={shlex.join(more)}"]
        elif manner == "closed":
            command = ["bash", "-c", f"exec {shlex.join(command)} >&- 2>&-"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("YFCC_")}
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                env=clean | {"AWS_EC2_METADATA_DISABLED": "true"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        if manner == "broken pipe":
            assert self.process.stdout
            self.process.stdout.close()

    def wait_until_stalled(self) -> None:
        def is_stalled() -> bool:
            return self.server.n_connections >= N_WORKERS or self.process.poll() is not None

        wait_until(is_stalled)
        assert self.process.poll() is None, self.errors.read_text()

    def send(self, number: signal.Signals) -> float:
        """Signal the whole group, as a terminal does; seconds until the end."""
        began_s = time.monotonic()
        os.killpg(self.process.pid, number)
        self.process.wait(20)
        return time.monotonic() - began_s

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.mark.parametrize(
    ("manner", "number"),
    [
        ("plain", signal.SIGINT),
        ("plain", signal.SIGTERM),
        ("make", signal.SIGINT),
        ("make", signal.SIGTERM),
        ("closed", signal.SIGINT),
        ("broken pipe", signal.SIGTERM),
    ],
)
def test_64_stalled_workers_end_soon_and_quietly(
    server: StalledServer, catalog: Path, tmp_path: Path, manner: str, number: signal.Signals
) -> None:
    run = Run(server, catalog, tmp_path, manner)
    try:
        run.wait_until_stalled()
        assert run.send(number) < 5
    finally:
        run.close()
    code = 128 + number
    said = run.errors.read_text()
    assert "Traceback" not in said, said
    if manner == "make":
        # make gives the signal on to itself, or tells the code of what it ran.
        assert run.process.returncode in (-number, 2)
    else:
        assert run.process.returncode == code, said
    with open_mirror(run.mirror) as mirror:
        last = read_status(mirror).last_run
    assert last is not None
    assert (last.end, last.exit_code) == (RunEnd.INTERRUPTED, code)
    assert last.not_yet_tried == last.n_selected
    count_cases(1)

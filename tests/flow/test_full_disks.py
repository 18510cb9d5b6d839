"""Targets that take no more: the command stops with exit code 6 and one line, and goes on later.

A file system of its own is mounted where that is allowed (root); limits of the process do the same
everywhere.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SampleAt
from tests.fakes.fault_counts import count_cases
from yfcc.demo.serve import EmbeddedServers
from yfcc.mirror.root import open_mirror
from yfcc.mirror.verify import verify_mirror

COMMANDS = ("metadata", "download", "export")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return path


class Commands:
    """The three commands that write much, all of them below one folder."""

    def __init__(self, sample: SampleAt, catalog: Path, endpoint: str, folder: Path) -> None:
        self.folder = folder
        source = sample.directory / "buckets" / "yfcc100m-metadata" / "v2"
        self.flags = {
            "metadata": ("--source", source, "--catalog", folder / "catalog.duckdb"),
            "download": (
                *("--catalog", catalog, "--mirror", folder / "mirror"),
                *("--s3-endpoint", endpoint, "--force"),
            ),
            "export": ("parquet", "--catalog", catalog, "--out", folder / "parquet"),
        }

    def run(self, name: str, **limits: int) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            for kind, value in limits.items():
                resource.setrlimit(getattr(resource, kind), (value, value))

        clean = {key: value for key, value in os.environ.items() if not key.startswith("YFCC_")}
        return subprocess.run(
            [sys.executable, "-m", "yfcc.cli.main", name, *map(str, self.flags[name])],
            env=clean | {"AWS_EC2_METADATA_DISABLED": "true"},
            preexec_fn=limit,
            capture_output=True,
            text=True,
            check=False,
        )

    def check_refused(self, name: str, done: subprocess.CompletedProcess[str], *told: str) -> None:
        """It stopped with 6 and one line, and what is there is whole."""
        assert done.returncode == 6, done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("yfcc: ")]
        assert len(lines) == 1, done.stderr
        assert any(each in lines[0] for each in told), lines[0]
        assert "Traceback" not in done.stderr
        self.check_whole(name)

    def check_whole(self, name: str) -> None:
        if name == "metadata":
            assert not (self.folder / "catalog.duckdb").exists()
        elif name == "export":
            assert not (self.folder / "parquet").exists()
        elif (self.folder / "mirror" / "mirror.json").exists():
            with open_mirror(self.folder / "mirror") as mirror:
                assert verify_mirror(mirror).damages == []

    def check_goes_on(self, name: str) -> None:
        done = self.run(name)
        assert done.returncode in (0, 3), done.stderr
        if name == "download":
            self.check_whole(name)
            assert list(self.folder.glob("mirror/media/*/*/*.json"))


@pytest.fixture
def commands(sample: SampleAt, catalog: Path, tmp_path: Path) -> Iterator[Commands]:
    with EmbeddedServers(sample.directory) as servers:
        yield Commands(sample, catalog, servers.s3_endpoint, tmp_path / "disk")


@pytest.fixture
def mounted(commands: Commands) -> Iterator[Path]:
    """A file system that a test may make smaller and larger."""
    place = commands.folder
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,ro", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_system_that_is_read_only_or_full_stops_a_command(
    commands: Commands, mounted: Path, name: str
) -> None:
    commands.check_refused(name, commands.run(name), "Read-only")
    assert not list(mounted.iterdir())
    remount(mounted, "rw,size=100k" if name == "export" else "rw,size=600k")
    commands.check_refused(name, commands.run(name), "full", "No space left", "have to stay free")
    remount(mounted, "size=64m")
    commands.check_goes_on(name)
    count_cases(1)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_limit_of_a_files_size_stops_a_command(commands: Commands, name: str) -> None:
    commands.folder.mkdir()
    size = 2_000 if name == "download" else 60_000
    done = commands.run(name, RLIMIT_FSIZE=size)
    commands.check_refused(name, done, "ulimit -f", "File too large")
    count_cases(1)


@pytest.mark.parametrize("name", ["metadata", "export"])
def test_a_build_and_an_export_need_few_open_files(commands: Commands, name: str) -> None:
    commands.folder.mkdir()
    done = commands.run(name, RLIMIT_NOFILE=64)
    assert done.returncode == 0, done.stderr
    count_cases(1)

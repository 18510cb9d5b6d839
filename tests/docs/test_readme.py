"""Every command of the README is run, in the README's order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SampleAt
from yfcc.demo.serve import EmbeddedServers

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: These run the tests themselves, or take long; that their targets exist is checked.
_RUN_BY_CI = {"make check", "make test", "make test-s3", "make bench"}
#: These change the shell that they are typed in; all commands find the same names without them.
_OF_A_SHELL = ("source ", "cd ")


def readme_commands() -> list[str]:
    """The lines of its shell blocks, and its blocks of Python, in the order of the text."""
    commands = []
    for kind, block in re.findall(r"^```(sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        if kind == "python":
            commands.append(f"python - <<'END'\n{block}END\n")
            continue
        lines = (re.sub(r"\s{2,}#.*", "", line).strip() for line in block.splitlines())
        commands += [line for line in lines if line and not line.startswith(_OF_A_SHELL)]
    return commands


@pytest.fixture(scope="module")
def clone(
    tmp_path_factory: pytest.TempPathFactory, sample: SampleAt
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder like a fresh clone after the first install, and a world to run in."""
    if not (ROOT / ".venv" / "installed").exists():
        pytest.skip("not installed by make: run `make test`")
    directory = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "sql", "yfcc", ".venv"):
        (directory / name).symlink_to(ROOT / name)
    mine = sample.directory / "buckets" / "my-bucket" / "yfcc100m"
    shutil.copytree(sample.directory / "buckets" / "yfcc100m-metadata" / "v2", mine)
    with EmbeddedServers(sample.directory) as servers:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "YFCC_", "MAKE"))}
        yield (
            directory,
            clean
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "AWS_ENDPOINT_URL_S3": servers.s3_endpoint,
                "AWS_EC2_METADATA_DISABLED": "true",
                "YFCC_FLICKR_ENDPOINT": servers.flickr_endpoint,
                "YFCC_FLICKR_RATE": "200/s",
                "YFCC_PLACEHOLDER": sample.sample.placeholder_sha256,
            },
        )
    shutil.rmtree(mine.parent)


def test_the_readme_has_commands() -> None:
    commands = readme_commands()
    assert "make demo" in commands
    assert len(commands) > 10


def test_the_commands_of_the_readme_work_one_after_the_other(
    clone: tuple[Path, dict[str, str]], sample: SampleAt
) -> None:
    directory, environment = clone
    here = str(sample.directory / "buckets" / "my-bucket" / "yfcc100m")
    failed = {}
    for command in readme_commands():
        line = command.replace("/data/yfcc100m", here)
        if command in _RUN_BY_CI:
            line += " --dry-run"
        if command == "make demo":
            line += " ARGS='--items 200'"
        done = subprocess.run(
            line,
            shell=True,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            failed[command] = done.stdout + done.stderr
    assert failed == {}

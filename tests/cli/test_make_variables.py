"""What ``make`` makes of its variables: the words that ``yfcc`` gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
#: A name as people give them.
ODD = 'Mum\'s "best" photos; $(HOME) `x` & \\ é'
FLAGS = {
    "SOURCE": "--source",
    "CATALOG": "--catalog",
    "MIRROR": "--mirror",
    "WHERE": "--where",
    "FROM": "--from",
}


def make(folder: Path, target: str, **variables: str) -> list[str]:
    """The words after ``yfcc`` that a target ends up with."""
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    (venv / "installed").touch()
    tells = f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"
    (venv / "bin" / "yfcc").write_text(tells, encoding="utf-8")
    (venv / "bin" / "yfcc").chmod(0o755)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("YFCC_", "MAKE"))}
    done = subprocess.run(
        [
            *("make", "-f", str(MAKEFILE), "-o", str(venv / "installed"), f"VENV={venv}", target),
            # A dollar sign is make's own, and doubled by who means it.
            *(f"{name}={value.replace('$', '$$')}" for name, value in variables.items()),
        ],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words: list[str] = json.loads(done.stdout)
    return words


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("metadata", ("SOURCE", "CATALOG")),
        ("download", ("CATALOG", "MIRROR", "WHERE", "FROM")),
        ("status", ("MIRROR",)),
        ("verify", ("MIRROR",)),
    ],
)
def test_variables_reach_the_command_as_they_are(
    target: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    assert make(tmp_path, target) == [target]
    words = [word for name in names for word in (FLAGS[name], f"{name} {ODD}")]
    variables = {name: f"{name} {ODD}" for name in names}
    assert make(tmp_path, target, **variables, ARGS="--json --quiet") == [
        *(target, *words, "--json", "--quiet")
    ]


def test_a_query_names_the_mirror_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "mirror" / "ledger").mkdir(parents=True)
    assert make(tmp_path, "query", Q=ODD) == ["query", ODD, "--mirror", "mirror"]
    # It lies elsewhere, has a name of two words, or is none yet: never another one instead.
    assert make(tmp_path, "query", Q="x", MIRROR="my mirror") == ["query", "x"]
    (tmp_path / ODD / "ledger").mkdir(parents=True)
    for mirror in (ODD, "s3://bucket/a b"):
        words = make(tmp_path, "query", FILE=ODD, CATALOG=ODD, MIRROR=mirror)
        assert words == ["query", "--file", ODD, "--catalog", ODD, "--mirror", mirror]

"""Unpack the four files with bunzip2, all at once, then load and join them with DuckDB.

What comes out is text as it stands in the files: nothing is decoded, nothing checked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

PACKS = ("autotags", "exif", "places")
_READ = "delim = '\t', quote = '', escape = '', header = false, all_varchar = true"


def main(source: Path, target: Path) -> None:
    """Make ``items.duckdb`` in a directory, with the unpacked files beside it."""
    names = ("dataset", *PACKS)
    for process in [_unpack(source / f"yfcc100m_{name}.bz2", target / name) for name in names]:
        if process.wait():
            raise SystemExit(f"bunzip2: exit {process.returncode}")
    connection = duckdb.connect(str(target / "items.duckdb"))
    for name in names:
        connection.execute(
            f"CREATE TABLE {name} AS FROM read_csv('{target / name}', {_READ}, "
            f"max_line_size = 8000000, auto_detect = false, columns = {_columns(name)})"
        )
    values = ", ".join(f"{pack}.value AS {pack}" for pack in PACKS)
    joins = " ".join(f"LEFT JOIN {pack} ON {pack}.photo_id = dataset.column01" for pack in PACKS)
    connection.execute(f"CREATE TABLE items AS SELECT dataset.*, {values} FROM dataset {joins}")
    for name in names:
        connection.execute(f"DROP TABLE {name}")
    connection.close()


def _unpack(source: Path, target: Path) -> subprocess.Popen[bytes]:
    command = ["bunzip2", "-k", "-c", str(source)]
    if not shutil.which("bunzip2"):
        code = (
            "import bz2, shutil, sys; shutil.copyfileobj(bz2.open(sys.argv[1]), sys.stdout.buffer)"
        )
        command = [sys.executable, "-c", code, str(source)]
    with target.open("wb") as out:
        return subprocess.Popen(command, stdout=out)


def _columns(name: str) -> dict[str, str]:
    if name == "dataset":
        return {f"column{number:02}": "VARCHAR" for number in range(25)}
    return {"photo_id": "VARCHAR", "value": "VARCHAR"}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

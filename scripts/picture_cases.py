"""Pictures to fetch: a catalog of them, their list, and a server that has them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from timing import measure

from yfcc.demo import draws
from yfcc.demo.identifiers import Integers
from yfcc.demo.metadata_files import write_metadata

_SCRIPTS: Final = Path(__file__).parent
YFCC: Final = (sys.executable, "-m", "yfcc.cli.main")
#: The dataset has about so many items in a directory of its ids' first six digits.
ITEMS_A_DIRECTORY: Final = 110
_FIRST_ID: Final = 4_200_000_000
_IDS_A_DIRECTORY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """A catalog and the list of its photos."""

    catalog: Path
    paths: list[str]
    list_file: Path

    def command(self, mirror: Path, *flags: str) -> list[str]:
        """Arguments of ``yfcc`` that mirror everything."""
        asked = ["download", "--catalog", str(self.catalog), "--mirror", str(mirror), "--quiet"]
        return [*asked, "--media", "photo", *flags]


def dense_ids(_seed: int, first: int, n_ids: int) -> Integers:
    """Ids that fill directories as those of the whole dataset do."""
    index = np.arange(first, first + n_ids, dtype=np.int64)
    return _FIRST_ID + index * (_IDS_A_DIRECTORY // ITEMS_A_DIRECTORY)


@contextlib.contextmanager
def _ids_drawn_by(draw: Callable[[int, int, int], Integers]) -> Iterator[None]:
    """The generator's own ids are spread over the whole range."""
    usual = draws.__dict__["draw_photo_ids"]
    setattr(draws, "draw_photo_ids", draw)  # noqa: B010 - mypy knows the name as another's
    try:
        yield
    finally:
        setattr(draws, "draw_photo_ids", usual)  # noqa: B010


def make_case(
    directory: Path,
    n_items: int,
    draw_ids: Callable[[int, int, int], Integers] | None = None,
) -> Case:
    """A new catalog, and the list of its photos."""
    directory.mkdir()
    with _ids_drawn_by(draw_ids) if draw_ids else contextlib.nullcontext():
        write_metadata(directory, n_items, seed=1)
    catalog = directory / "catalog.duckdb"
    source = ["--source", str(directory), "--catalog", str(catalog), "--quiet"]
    measure([*YFCC, "metadata", *source])
    query = ["query", "SELECT photo_hash FROM photos", "--format", "csv"]
    asked = [*YFCC, *query, "--catalog", str(catalog)]
    hashes = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[1:]
    paths = [f"/multimedia-commons/data/images/{h[:3]}/{h[3:6]}/{h}.jpg" for h in hashes]
    list_file = directory / "paths.txt"
    list_file.write_text("\n".join(paths) + "\n")
    return Case(catalog, paths, list_file)


@dataclass(frozen=True, slots=True)
class Served:
    """A server in a process of its own."""

    endpoint: str
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds that it has taken so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serve(list_file: Path, latency_ms: int = 0, *how: str) -> Iterator[Served]:
    """A server of the listed pictures."""
    script = str(_SCRIPTS / "picture_server.py")
    process = subprocess.Popen(
        [sys.executable, script, str(list_file), str(latency_ms), *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101
        port = process.stdout.readline().strip()
        if not port:
            raise SystemExit("the server of pictures did not start")
        yield Served(f"http://127.0.0.1:{port}", process.pid)
        process.stdin.close()

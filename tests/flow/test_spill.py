"""What a reader writes on the side: a folder of its own, gone with it or swept after it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.small_catalog import write_small_catalog
from yfcc.catalog.connection import Limits
from yfcc.catalog.reader import Catalog
from yfcc.catalog.scratch import Scratch

#: Does not fit into the memory of the connection.
_SORT = "SELECT i, md5(i::VARCHAR) FROM range(2000000) AS t(i) ORDER BY 2"
_READER = f"""
import sys
from pathlib import Path
from yfcc.catalog.connection import Limits
from yfcc.catalog.reader import Catalog

catalog = Catalog(Path(sys.argv[1]), Limits("60MB", 1))
answer = catalog.connection.execute("{_SORT}")
print(len(answer.fetchmany(1)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small_catalog(tmp_path / "c" / "catalog.duckdb")


def spilled(folder: Path) -> dict[str, int]:
    """Folders of readers, and the number of DuckDB's files in each."""
    return {
        each.name: len(list(each.glob("duckdb_temp_*")))
        for each in folder.iterdir()
        if each.is_dir()
    }


def test_every_process_spills_into_a_folder_of_its_own_which_is_swept_when_it_is_dead(
    path: Path,
) -> None:
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "1\n"
        both = spilled(path.parent)
        assert len(both) == 2
        assert all(both.values())
        with Catalog(path) as catalog:
            assert catalog.connection.execute("SELECT count(*) FROM items").fetchall() == [(8,)]
            assert len(spilled(path.parent)) == 3
        assert spilled(path.parent).keys() == both.keys()
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate(timeout=30)
    assert spilled(path.parent).keys() == both.keys()
    Catalog(path).close()
    assert spilled(path.parent) == {}


def test_what_needs_no_disk_needs_no_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere but here.
    monkeypatch.setattr("tempfile.tempdir", "/proc/self/fd")
    with path.open("rb") as stream:
        there = Path(f"/proc/self/fd/{stream.fileno()}")
        with Catalog(there, Limits("60MB", 1)) as catalog:
            assert catalog.connection.execute("SELECT count(*) FROM items").fetchall() == [(8,)]
            assert catalog.connection.execute(
                "SELECT current_setting('temp_directory')"
            ).fetchall() == [("",)]


def test_readers_that_come_and_go_at_a_time_leave_each_other_alone(tmp_path: Path) -> None:
    def come_and_go(_: int) -> None:
        for _ in range(30):
            scratch = Scratch(tmp_path / "catalog.duckdb")
            (scratch.path / "mine").touch()
            assert (scratch.path / "lock").exists()
            scratch.close()

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(come_and_go, range(8)))
    assert list(tmp_path.iterdir()) == []

"""Connections to DuckDB keep the standard output for answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import sys
from pathlib import Path
from yfcc.catalog.connection import Limits, connect_reader, connect_writer

path = Path(sys.argv[1])
query = "SELECT current_setting('enable_progress_bar')"
writer = connect_writer(path, Limits())
print(writer.execute(query).fetchall())
writer.execute("CREATE TABLE items (photo_id BIGINT)")
writer.close()
print(connect_reader(path, Limits()).execute(query).fetchall())
"""


def test_duckdb_draws_no_bar_where_it_would_of_its_own_accord(tmp_path: Path) -> None:
    # A program without a file is a notebook to DuckDB.
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "catalog.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[(False,)]", "[(False,)]"]

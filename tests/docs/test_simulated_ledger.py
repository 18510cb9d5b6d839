"""The simulated ledger is a ledger, and the bench of it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from yfcc.mirror.downloads import iter_download_tables
from yfcc.mirror.ledger import find_committed, list_shards, read_shard, seal_lines
from yfcc.mirror.root import open_mirror
from yfcc.mirror.status import read_status

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_simulated_ledger_is_read_as_a_true_one(tmp_path: Path) -> None:
    root = tmp_path / "mirror"
    script = str(SCRIPTS / "simulate_ledger.py")
    run(script, str(root), "--rows", "819200", "--shards", "0-9", "--processes", "1")
    with open_mirror(root) as mirror:
        status = read_status(mirror)
        assert list_shards(mirror) == list(range(10))
        for shard in range(10):
            found = find_committed(read_shard(mirror, shard))
            assert found.n_damaged_bytes == 0
            assert found.seal is not None
            whole = find_committed(seal_lines(b"".join(found.records))).seal
            assert whole is not None
            assert (found.seal.counts, found.seal.n_bytes) == (whole.counts, whole.n_bytes)
            # Some records supersede earlier ones.
            assert sum(found.seal.counts.values()) < sum(1 for _ in found.iter_lines())
    assert status.n_items == 2000 == sum(table.num_rows for table in iter_download_tables(root))
    assert {"stored", "gone", "placeholder", "refused", "failed"} == set(status.outcomes)
    said = run(str(SCRIPTS / "bench_ledger.py"), str(root), "status", "first-request", "downloads")
    lines = [line.split("\t") for line in said.splitlines()[1:]]
    assert [line[0] for line in lines] == ["status", "first-request", "downloads"]
    assert "2,000 items in 10 shards" in said
    assert "2,000 rows" in said

"""The ledger as a table, kept for the next query."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.fakes.mirror_checks import check_invariants, download
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.catalog.tombstones import Kind, Reason, make_tombstone
from yfcc.mirror.downloads import iter_download_tables
from yfcc.mirror.downloads_cache import open_downloads, plan_parts
from yfcc.mirror.forget import forget
from yfcc.mirror.root import open_mirror
from yfcc.mirror.tombstones import TombstoneFile
from yfcc.model import Outcome


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    root = tmp_path / "mirror"
    download(root, make_items(60))
    return root


def rows_of(files: list[Path]) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in files]).sort_by("photo_id")


def query(root: Path, **sizes: int) -> pa.Table:
    """The table as a query sees it: as the ledger has it, whatever is kept."""
    scratch = root.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    with open_downloads(root, scratch, **sizes) as files:
        found = rows_of(files)
    true = pa.concat_tables(iter_download_tables(root)).sort_by("photo_id")
    assert found.replace_schema_metadata().equals(true)
    return found


def kept(root: Path) -> dict[str, int]:
    """Inodes of the parts that are kept, by name."""
    return {path.name: path.stat().st_ino for path in (root / "ledger/cache").iterdir()}


def test_a_second_query_reads_what_the_first_one_kept(mirror: Path) -> None:
    query(mirror)
    before = kept(mirror)
    assert len(before) == 1
    query(mirror)
    assert kept(mirror) == before
    check_invariants(mirror)


def test_only_parts_whose_shards_changed_are_made_anew(mirror: Path) -> None:
    query(mirror, part_bytes=1)
    before = kept(mirror)
    assert len(before) > 10
    download(mirror, make_items(1, first_id=5_000_000_000))
    query(mirror, part_bytes=1)
    after = kept(mirror)
    assert len(before.items() - after.items()) <= 1
    assert len(after.items() - before.items()) == 1


def test_another_outcome_is_seen_though_the_kept_parts_have_the_first(mirror: Path) -> None:
    download(mirror, make_items(10, first_id=5_000_000_000), FakeAcquire(lambda _: Outcome.FAILED))
    assert query(mirror)["outcome"].to_pylist().count("failed") == 10
    download(mirror, make_items(10, first_id=5_000_000_000))
    assert set(query(mirror)["outcome"].to_pylist()) == {"stored"}


@pytest.mark.parametrize("n_bytes", [0, 100, -1])
def test_a_torn_part_is_made_anew(mirror: Path, n_bytes: int) -> None:
    query(mirror)
    (part,) = (mirror / "ledger/cache").iterdir()
    os.truncate(part, n_bytes if n_bytes >= 0 else part.stat().st_size - 1)
    query(mirror)
    assert pq.read_metadata(part).num_rows == 60


def test_a_ledger_of_the_same_size_and_date_is_another_one(mirror: Path) -> None:
    query(mirror)
    ledger = next(iter(sorted(mirror.glob("ledger/*.jsonl"))))
    content, before = ledger.read_bytes(), ledger.stat()
    ledger.unlink()
    ledger.write_bytes(content.replace(b'"commit"', b'"comnit"'))
    os.utime(ledger, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ledger.stat().st_size == before.st_size
    assert query(mirror).num_rows < 60


def test_what_is_forgotten_is_not_kept(mirror: Path) -> None:
    query(mirror)
    photo_id = make_items(1)[0].photo_id
    with open_mirror(mirror) as opened:
        forget(opened, [make_tombstone(Kind.ID, str(photo_id), Reason.OWNER_REQUEST, "2026-11-21")])
    assert kept(mirror) == {}
    row = query(mirror).filter(pc.field("photo_id") == photo_id).to_pylist()
    assert [each["url"] for each in row] == [None]


def test_what_is_forgotten_during_a_query_is_not_kept(mirror: Path) -> None:
    photo_id = make_items(1)[0].photo_id
    with open_downloads(mirror, mirror.parent) as files, open_mirror(mirror) as opened:
        assert rows_of(files).num_rows == 60
        held = [file.read_bytes() for file in files]
        forget(opened, [make_tombstone(Kind.ID, str(photo_id), Reason.OWNER_REQUEST, "2026-11-21")])
        # As if the query had put it there only now, from a ledger that it read before.
        files[0].write_bytes(held[0])
    assert kept(mirror) == {}


def test_nothing_is_kept_while_a_removal_is_under_way(mirror: Path) -> None:
    photo_id = make_items(1)[0].photo_id
    with open_mirror(mirror) as opened, TombstoneFile(opened) as file:
        file.add([make_tombstone(Kind.ID, str(photo_id), Reason.OWNER_REQUEST, "2026-11-21")])
        query(mirror)
        assert kept(mirror) == {}
        file.mark_mirror_done()
    query(mirror)
    assert len(kept(mirror)) == 1


def test_parts_that_another_query_reads_stay(mirror: Path) -> None:
    query(mirror)
    with open_downloads(mirror, mirror.parent) as files:
        download(mirror, make_items(1, first_id=5_000_000_000))
        query(mirror)
        assert rows_of(files).num_rows == 60
    download(mirror, make_items(1, first_id=6_000_000_000))
    query(mirror)
    assert len(kept(mirror)) == 1


def test_without_a_place_to_keep_it_the_table_is_made_for_the_query(mirror: Path) -> None:
    (mirror / "ledger/cache").write_bytes(b"a file where the folder would be")
    assert query(mirror).num_rows == 60
    assert (mirror.parent / "scratch/downloads.parquet").exists()


def test_an_empty_mirror_has_an_empty_table(tmp_path: Path) -> None:
    download(tmp_path / "mirror", [])
    with open_downloads(tmp_path / "mirror", tmp_path) as files:
        assert rows_of(files).num_rows == 0


def test_parts_grow_with_the_ledger_and_none_shares_a_shard() -> None:
    small = plan_parts({5: 100, 4000: 100}, {5: (1,), 4000: (2,)})
    assert [part.shards for part in small] == [(5, 4000)]
    sizes = dict.fromkeys(range(4096), 1 << 20)
    large = plan_parts(sizes, {shard: (shard,) for shard in sizes})
    assert len(large) == 256
    assert [shard for part in large for shard in part.shards] == list(range(4096))
    assert len({part.name for part in large}) == 256

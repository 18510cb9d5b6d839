"""Removed items leave the catalog as well, and a rebuild does not bring them back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.fault_counts import count_cases
from tests.fakes.forgetting import DATE, fill, has_tombstone, tombstone
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.forget import (
    FORGOTTEN_REASON,
    add_tombstones,
    read_tombstones,
    remove_rows,
)
from yfcc.catalog.publish import exclusive_lock
from yfcc.catalog.tombstones import Kind, Reason, Tombstone
from yfcc.errors import LockedError, SourceMissing, TargetError
from yfcc.metadata.source import open_source
from yfcc.mirror.forget import forget
from yfcc.mirror.root import open_mirror
from yfcc.mirror.tombstones import read_removals
from yfcc.progress import SilentProgress

REPOSITORY = Path(__file__).parents[2]
ACCOUNTING = (
    "SELECT file FROM ingests WHERE n_lines != n_joined + n_orphans + n_rejected "
    "OR n_rejected != (SELECT count(*) FROM rejected_lines AS r WHERE r.file = ingests.file) "
    "OR n_orphans != (SELECT count(*) FROM orphans AS o WHERE o.file = ingests.file)"
)


def build(sample: SampleAt, path: Path) -> None:
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path), SilentProgress())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    build(sample, path)
    return path


@pytest.fixture
def catalog(tmp_path: Path, built: Path) -> Path:
    folder = tmp_path / "catalog"
    folder.mkdir()
    return Path(shutil.copyfile(built, folder / "catalog.duckdb"))


def ask(catalog: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def one_with_much(catalog: Path) -> tuple[int, str, str, str]:
    """An item with every pack, and texts of its own."""
    sql = (
        "SELECT photo_id, user_nsid, secret, photo_hash FROM items WHERE autotags IS NOT NULL "
        "AND exif IS NOT NULL AND places IS NOT NULL AND length(secret) >= 8 "
        "ORDER BY line_number LIMIT 1"
    )
    return ask(catalog, sql)[0]


def test_the_rows_go_and_all_others_stay_as_they_were(catalog: Path, built: Path) -> None:
    photo_id, _, secret, _ = one_with_much(catalog)
    rest = f"SELECT * FROM items WHERE photo_id != {photo_id}"
    assert remove_rows(catalog, [tombstone(photo_id)]) == 1
    assert ask(catalog, "SELECT * FROM items") == ask(built, rest)
    assert ask(catalog, ACCOUNTING) == []
    (line,) = ask(built, f"SELECT line_number FROM items WHERE photo_id = {photo_id}")
    lost = f"SELECT line_number, raw FROM rejected_lines WHERE reason = '{FORGOTTEN_REASON}'"
    assert (line[0], b"") in ask(catalog, lost)
    views = ask(built, "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY 1")
    assert views == ask(
        catalog, "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    )
    assert secret.encode() not in catalog.read_bytes()
    assert sorted(path.name for path in catalog.parent.iterdir()) == [
        "catalog.duckdb",
        "catalog.duckdb.lock",
        "catalog.duckdb.tombstones",
    ]


def test_no_byte_of_a_title_is_left_in_the_file(tmp_path: Path, sample: SampleAt) -> None:
    """Titles are compressed in the file: a text that stands there plainly shows what is left."""
    path = tmp_path / "plain.duckdb"
    build(sample, path)
    photo_id, *_ = one_with_much(path)
    canary = "canary-of-a-person-" * 40
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "INSERT INTO rejected_lines VALUES ('yfcc100m_dataset.bz2', 1, 1, 'odd', ?)",
            [f"7\t{photo_id}\t{canary}".encode()],
        )
        connection.execute("INSERT INTO orphans VALUES ('x', ?, ?)", [photo_id, canary.encode()])
        connection.execute(
            "INSERT INTO originals SELECT 'exif', line_number, photo_id, ?::BLOB FROM items "
            "WHERE photo_id = ? UNION ALL SELECT 'exif', 1, 7, 'stays'::BLOB",
            [canary.encode(), photo_id],
        )
    assert canary.encode() in path.read_bytes()
    remove_rows(path, [tombstone(photo_id)])
    assert canary.encode() not in path.read_bytes()
    kept = ask(path, "SELECT photo_id, raw FROM originals WHERE pack = 'exif'")
    assert (7, b"stays") in kept
    assert photo_id not in {row[0] for row in kept}
    assert ask(path, f"SELECT 1 FROM orphans WHERE photo_id = {photo_id}") == []


def test_a_catalog_without_originals_does_not_get_an_empty_table_of_them(catalog: Path) -> None:
    with duckdb.connect(str(catalog)) as connection:
        connection.execute("DROP TABLE originals")
    photo_id, *_ = one_with_much(catalog)
    assert remove_rows(catalog, [tombstone(photo_id)]) == 1
    assert ask(catalog, "SELECT 1 FROM duckdb_tables() WHERE table_name = 'originals'") == []


def test_by_owner_and_by_hash(catalog: Path) -> None:
    _, nsid, _, photo_hash = one_with_much(catalog)
    sql = f"SELECT count(*) FROM items WHERE user_nsid = '{nsid}'"
    n_owned = ask(catalog, sql)[0][0]
    found = [Tombstone(Kind.USER, nsid, Reason.LEGAL, DATE)]
    assert remove_rows(catalog, found) == n_owned
    assert ask(catalog, sql) == [(0,)]
    assert ask(catalog, ACCOUNTING) == []
    (other,) = ask(catalog, "SELECT photo_hash FROM items WHERE photo_hash IS NOT NULL LIMIT 1")
    assert remove_rows(catalog, [tombstone(other[0], Kind.HASH)]) >= 1
    assert remove_rows(catalog, [tombstone(photo_hash, Kind.HASH)]) == 0


def test_a_rebuild_does_not_bring_an_item_back(catalog: Path, sample: SampleAt) -> None:
    photo_id, *_ = one_with_much(catalog)
    remove_rows(catalog, [tombstone(photo_id)])
    kept = ask(catalog, "SELECT * FROM items")
    catalog.unlink()
    build(sample, catalog)
    assert ask(catalog, "SELECT * FROM items") == kept
    assert ask(catalog, ACCOUNTING) == []
    assert not list(catalog.parent.glob("*.forgetting"))
    assert not list(catalog.parent.glob("*.building"))


def test_a_list_is_obeyed_by_the_first_build(tmp_path: Path, built: Path, sample: SampleAt) -> None:
    photo_id, *_ = one_with_much(built)
    path = tmp_path / "new.duckdb"
    add_tombstones(path, [tombstone(photo_id)])
    build(sample, path)
    n_items = "SELECT count(*) FROM items"
    assert ask(path, n_items)[0][0] == ask(built, n_items)[0][0] - 1


def test_refusals(catalog: Path) -> None:
    with pytest.raises(SourceMissing):
        remove_rows(catalog.with_name("none.duckdb"), [tombstone(1)])
    with exclusive_lock(catalog.with_name("catalog.duckdb.lock")), pytest.raises(LockedError):
        remove_rows(catalog, [tombstone(1)])
    catalog.with_name("catalog.duckdb.tombstones").write_bytes(b"{")
    with pytest.raises(TargetError, match="line 1"):
        remove_rows(catalog, [tombstone(1)])


def test_a_kill_at_any_call_leaves_a_catalog_that_the_next_run_finishes(
    tmp_path: Path, catalog: Path
) -> None:
    photo_id, *_ = one_with_much(catalog)
    filled, folder = tmp_path / "filled", tmp_path / "killed"
    fill(filled)
    folder.mkdir()
    subprocess.run(
        [
            *(sys.executable, "-m", "tests.fakes.forget_killed"),
            *(folder, filled, str(photo_id), catalog),
        ],
        cwd=REPOSITORY,
        check=True,
    )
    places = sorted(folder.iterdir())
    assert len(places) > 5
    gone = f"SELECT count(*) FROM items WHERE photo_id = {photo_id}"
    n_there = 0
    for place in places:
        copy = place / "catalog" / catalog.name
        n_there += ask(copy, gone)[0][0]
        assert has_tombstone(place / "mirror", photo_id)
        with open_mirror(place / "mirror") as mirror:
            forget(mirror, [])
            assert not read_removals(mirror).catalogs
        assert ask(copy, gone) == [(0,)]
        assert ask(copy, ACCOUNTING) == []
        assert not list(copy.parent.glob("*.forgetting*"))
    assert 3 < n_there < len(places)
    count_cases(len(places))


def test_a_list_of_removals_keeps_items_out_of_a_new_catalog_and_every_line_is_accounted_for(
    tmp_path: Path, sample: SampleAt, built: Path, run_yfcc: RunYfcc
) -> None:
    photo_id, owner, secret, _ = one_with_much(built)
    (n_of_owner,) = ask(built, f"SELECT count(*) FROM items WHERE user_nsid = '{owner}'")[0]
    (n_all,) = ask(built, "SELECT count(*) FROM items")[0]
    (tmp_path / "removals.jsonl").write_text(f"{photo_id}  # asked for\n{owner}\n{'0' * 64}\n")
    source = str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2")
    arguments = ("metadata", "--source", source, "--catalog", "new/catalog.duckdb")
    done = run_yfcc(*arguments, "--forgotten", "removals.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    catalog = tmp_path / "new/catalog.duckdb"
    assert n_of_owner >= 1
    assert told["n_forgotten"] == n_of_owner
    assert told["n_items"] == n_all - n_of_owner == ask(catalog, "SELECT count(*) FROM items")[0][0]
    assert ask(catalog, f"SELECT 1 FROM items WHERE user_nsid = '{owner}'") == []
    assert secret.encode() not in catalog.read_bytes()
    for file, counts in told["files"].items():
        told_of = counts["n_joined"] + counts["n_orphans"] + counts["n_rejected"]
        assert counts["n_lines"] == told_of, file
        row = f"SELECT n_joined, n_orphans, n_rejected FROM ingests WHERE file = '{file}'"
        assert ask(catalog, row) == [
            tuple(counts[name] for name in ("n_joined", "n_orphans", "n_rejected"))
        ]
    # The list lies beside the catalog by now: whoever builds it again need not name it.
    assert {each.value for each in read_tombstones(catalog)} == {str(photo_id), owner, "0" * 64}
    query = (REPOSITORY / "sql/queries/metadata_accounting.sql").read_text()
    for _, n_lines, n_joined, n_orphans, n_rejected, n_forgotten, n_lost in ask(catalog, query):
        assert n_lost == n_lines - n_joined - n_orphans - n_rejected == 0
        assert n_of_owner <= n_forgotten <= n_rejected


def test_a_list_that_cannot_be_read_builds_nothing(
    tmp_path: Path, sample: SampleAt, run_yfcc: RunYfcc
) -> None:
    source = str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2")
    (tmp_path / "junk").write_text("4207153986\n../../etc\n")
    for name, says in (("junk", "line 2: '../../etc'"), ("nowhere", "cannot be read")):
        done = run_yfcc("metadata", "--source", source, "--forgotten", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
    assert not list(tmp_path.glob("catalog.duckdb*"))

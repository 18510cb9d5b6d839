"""From bz2 files to a published catalog: every line accounted for, or nothing published."""

from __future__ import annotations

import bz2
import contextlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.fakes.range_server import RangeServer
from tests.fakes.rows import (
    autotags,
    edition_v2,
    exif,
    hash_of,
    joined,
    line_v1,
    line_v2,
    lines_v2,
    pack_line,
    places,
    write_files,
)
from yfcc.catalog.build import BuildSettings, BuildSummary, build_catalog
from yfcc.catalog.publish import exclusive_lock
from yfcc.errors import (
    LockedError,
    SourceDamaged,
    SourceError,
    SourceMissing,
    TargetError,
    TooManyRejectsError,
    YfccError,
)
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress

IDS = [7000000001, 12, 6900000001, 345678, 99, 8000000008, 3, 5000000005, 610, 42]
DATASET, AUTOTAGS = "yfcc100m_dataset.bz2", "yfcc100m_autotags.bz2"
EXIF, PLACES, HASH = "yfcc100m_exif.bz2", "yfcc100m_places.bz2", "yfcc100m_hash.bz2"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a file system")


def build(source: Path | str, catalog: Path, **settings: Any) -> BuildSummary:
    opened = open_source(str(source))
    try:
        return build_catalog(opened, BuildSettings(catalog, **settings), SilentProgress())
    finally:
        opened.close()


def ask(catalog: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return connection.execute(query).fetchall()


def column(catalog: Path, query: str) -> list[Any]:
    return [row[0] for row in ask(catalog, query)]


def ingests(catalog: Path) -> dict[str, tuple[int, int, int, int]]:
    """Lines, joined, orphans, rejected, by file."""
    rows = ask(catalog, "SELECT file, n_lines, n_joined, n_orphans, n_rejected FROM ingests")
    return {file: tuple(counts) for file, *counts in rows}


def check_adds_up(catalog: Path) -> None:
    """The counts of ``ingests`` are those of the tables, and add up."""
    n_items = ask(catalog, "SELECT count(*), count(DISTINCT photo_id) FROM items")
    assert n_items[0][0] == n_items[0][1]
    n_dataset = 0
    for file, pack, n_lines, n_joined, n_orphans, n_rejected in ask(
        catalog, "SELECT file, pack, n_lines, n_joined, n_orphans, n_rejected FROM ingests"
    ):
        assert n_lines == n_joined + n_orphans + n_rejected, file
        for table, n_rows in (("orphans", n_orphans), ("rejected_lines", n_rejected)):
            found = ask(catalog, f"SELECT count(*) FROM {table} WHERE file = '{file}'")
            assert found == [(n_rows,)], (file, table)
        n_dataset += n_joined if pack == "dataset" else 0
    assert n_dataset == n_items[0][0]
    lines = column(catalog, "SELECT line_number FROM items")
    assert lines == sorted(lines)


def packs_of(catalog: Path) -> dict[int, tuple[Any, ...]]:
    """What the packs said of every item: the ids told by their values."""
    rows = ask(
        catalog,
        """SELECT photo_id, map_keys(autotags)[2], exif['Exif IFD0.Model'], places[1].woeid
        FROM items ORDER BY line_number""",
    )
    return {photo_id: tuple(values) for photo_id, *values in rows}


def told(photo_id: int) -> tuple[str, str, int]:
    return (f"the {photo_id}", f"Number {photo_id}", photo_id)


def whole(**changes: Any) -> dict[str, Any]:
    """An edition in which everything is in its place."""
    packs = {"autotags": autotags(IDS), "exif": exif(IDS), "places": places(IDS)}
    return edition_v2(**({"dataset": lines_v2(IDS)} | packs | changes))


def leftovers(catalog: Path) -> list[str]:
    return sorted(
        path.name
        for path in catalog.parent.iterdir()
        if path not in (catalog, catalog.with_name(f"{catalog.name}.lock"))
        and path.name.startswith(catalog.name)
    )


def check_resumable(catalog: Path) -> None:
    """What lies beside the catalog is for the next run, and nothing else."""
    names = {"building", "building.wal", "building.journal"}
    assert set(leftovers(catalog)) <= {f"{catalog.name}.{name}" for name in names}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "out" / "catalog.duckdb"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


ITEM_TYPES = {
    "line_number": "BIGINT",
    "photo_id": "BIGINT",
    "photo_hash": "VARCHAR",
    "user_nsid": "VARCHAR",
    "user_nickname": "VARCHAR",
    "date_taken": "TIMESTAMP",
    "date_uploaded": "TIMESTAMP",
    "capture_device": "VARCHAR",
    "title": "VARCHAR",
    "description": "VARCHAR",
    "user_tags": "VARCHAR[]",
    "machine_tags": "VARCHAR[]",
    "longitude": "DOUBLE",
    "latitude": "DOUBLE",
    "accuracy": "SMALLINT",
    "page_url": "VARCHAR",
    "download_url": "VARCHAR",
    "license_name": "VARCHAR",
    "license_url": "VARCHAR",
    "license": "VARCHAR",
    "server_id": "INTEGER",
    "farm_id": "INTEGER",
    "secret": "VARCHAR",
    "secret_original": "VARCHAR",
    "extension": "VARCHAR",
    "media_kind": "VARCHAR",
    "autotags": "MAP(VARCHAR, FLOAT)",
    "exif": "MAP(VARCHAR, VARCHAR)",
    "places": 'STRUCT(woeid BIGINT, "name" VARCHAR, "type" VARCHAR)[]',
    "shard": "SMALLINT",
}
OTHER_COLUMNS = {
    "rejected_lines": ["file", "line_number", "byte_offset", "reason", "raw"],
    "orphans": ["file", "photo_id", "raw"],
    "originals": ["pack", "line_number", "photo_id", "raw"],
    "photos": list(ITEM_TYPES),
    "videos": list(ITEM_TYPES),
    "item_autotags": ["photo_id", "concept", "score"],
    "item_exif": ["photo_id", "category", "tag", "value"],
    "item_places": ["photo_id", "woeid", "name", "type"],
    "countries": ["woeid", "name", "n_items", "n_photos", "n_videos"],
}


def test_every_table_view_column_and_type_of_the_contract_is_there(source, catalog):
    build(write_files(source, whole()), catalog)
    described = {row[0]: row[1] for row in ask(catalog, "DESCRIBE items")}
    assert list(described.items()) == list(ITEM_TYPES.items())
    for table, columns in OTHER_COLUMNS.items():
        assert column(catalog, f"DESCRIBE {table}") == columns
    raw = {row[0]: row[1] for row in ask(catalog, "DESCRIBE rejected_lines")}["raw"]
    assert raw == "BLOB"
    assert len(ask(catalog, "SELECT * FROM item_documents")) == len(IDS)
    assert column(catalog, "SELECT shard = shard_of(photo_id) FROM items") == [True] * len(IDS)


def test_an_aligned_edition_becomes_a_catalog(source, catalog):
    summary = build(write_files(source, whole()), catalog)
    assert (summary.edition, summary.missing, summary.n_items) == ("v2", (), len(IDS))
    assert packs_of(catalog) == {photo_id: told(photo_id) for photo_id in IDS}
    assert column(catalog, "SELECT photo_id FROM items") == IDS
    assert column(catalog, "SELECT line_number FROM items") == list(range(len(IDS)))
    assert ingests(catalog) == {
        file: (len(IDS), len(IDS), 0, 0) for file in (DATASET, AUTOTAGS, EXIF, PLACES)
    }
    check_adds_up(catalog)
    assert leftovers(catalog) == []


def test_values_of_an_item_are_decoded(source, catalog):
    video = line_v2(
        5,
        1,
        marker="1",
        title="",
        date_taken="null",
        user_tags="",
        longitude="",
        latitude="",
        accuracy="",
        license_url="http://example.org/",
    )
    build(write_files(source, edition_v2([line_v2(4, 0), video])), catalog)
    photo, video = ask(
        catalog,
        """SELECT title, date_taken, date_uploaded, user_tags, longitude, license, media_kind,
        autotags, places, photo_hash FROM items ORDER BY line_number""",
    )
    assert photo == (
        "A title & more",
        datetime(2011, 3, 4, 5, 6, 7),  # noqa: DTZ001
        datetime(2011, 3, 13, 7, 6, 40),  # noqa: DTZ001
        ["one tag", "b,c"],
        8.5,
        "by-nc",
        "photo",
        None,
        None,
        hash_of("http://farm1.staticflickr.com/2/4_0123456789.jpg"),
    )
    assert video[:2] == (None, None)
    assert video[3:7] == (None, None, None, "video")
    assert column(catalog, "SELECT photo_id FROM videos") == [5]
    assert column(catalog, "SELECT photo_id FROM photos") == [4]


def test_ingests_tell_where_every_byte_came_from(source, catalog):
    build(write_files(source, whole()), catalog)
    rows = ask(
        catalog,
        "SELECT file, pack, edition, source, etag, n_bytes, n_raw_bytes, row_limit, n_shards, "
        "started_at <= finished_at FROM ingests",
    )
    assert {row[:3] for row in rows} == {
        (DATASET, "dataset", "v2"),
        (AUTOTAGS, "autotags", "v2"),
        (EXIF, "exif", "v2"),
        (PLACES, "places", "v2"),
    }
    for file, _, _, url, etag, n_bytes, n_raw_bytes, limit, n_shards, is_ordered in rows:
        content = (source / file).read_bytes()
        assert url == str(source / file)
        assert etag
        assert (n_bytes, n_raw_bytes) == (len(content), len(bz2.decompress(content)))
        assert (limit, n_shards, is_ordered) == (None, 4096, True)


def test_views_unfold_what_the_packs_say(source, catalog):
    build(write_files(source, whole()), catalog)
    assert ask(catalog, "SELECT * FROM item_autotags WHERE photo_id = 12 ORDER BY concept") == [
        (12, "cat", 0.5),
        (12, "the 12", 0.75),
    ]
    assert ask(catalog, "SELECT * FROM item_exif WHERE photo_id = 12") == [
        (12, "Exif IFD0", "Model", "Number 12")
    ]
    assert ask(catalog, "SELECT * FROM item_places WHERE photo_id = 12") == [
        (12, 12, "Bern, Town", "Town"),
        (12, 23424957, "Switzerland", "Country"),
    ]
    assert ask(catalog, "SELECT * FROM countries") == [
        (23424957, "Switzerland", len(IDS), len(IDS), 0)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_packs_are_joined_by_id(source, catalog, seed):
    rng = random.Random(seed)
    orders = [rng.sample(IDS, len(IDS)) for _ in range(3)]
    files = whole(autotags=autotags(orders[0]), exif=exif(orders[1]), places=places(orders[2]))
    build(write_files(source, files), catalog)
    assert packs_of(catalog) == {photo_id: told(photo_id) for photo_id in IDS}
    check_adds_up(catalog)


def test_a_pack_sorted_by_id_without_its_empty_rows_is_joined(source, catalog):
    there = sorted(IDS)[::2]
    summary = build(write_files(source, whole(autotags=autotags(there))), catalog)
    found = {photo_id: values[0] for photo_id, values in packs_of(catalog).items()}
    assert found == {i: f"the {i}" if i in there else None for i in IDS}
    assert summary.counts[AUTOTAGS].n_joined == len(there)
    check_adds_up(catalog)


def test_missing_rows_of_a_pack_shift_nothing(source, catalog):
    there = [photo_id for photo_id in IDS if photo_id not in (IDS[0], IDS[4], IDS[9])]
    build(write_files(source, whole(exif=exif(there))), catalog)
    found = {photo_id: values[1] for photo_id, values in packs_of(catalog).items()}
    assert found == {i: f"Number {i}" if i in there else None for i in IDS}
    assert ingests(catalog)[EXIF] == (7, 7, 0, 0)
    check_adds_up(catalog)


def test_an_empty_value_is_a_row_that_was_joined(source, catalog):
    lines = [pack_line(i, "") for i in IDS[:5]] + autotags(IDS[5:])
    build(write_files(source, whole(autotags=lines)), catalog)
    assert ingests(catalog)[AUTOTAGS] == (10, 10, 0, 0)
    assert column(catalog, "SELECT count(*) FROM items WHERE autotags IS NULL") == [5]


def test_orphans_are_kept_as_they_were(source, catalog):
    extra = [pack_line(77, "dog:0.5"), pack_line(78, ""), pack_line(77, "cow:0.5")]
    lines = autotags(IDS)
    build(write_files(source, whole(autotags=[extra[0], *lines, *extra[1:]])), catalog)
    assert ask(catalog, "SELECT file, photo_id, raw FROM orphans ORDER BY raw") == [
        (AUTOTAGS, 77, extra[2]),
        (AUTOTAGS, 77, extra[0]),
        (AUTOTAGS, 78, extra[1]),
    ]
    assert ingests(catalog)[AUTOTAGS] == (13, 10, 3, 0)
    assert packs_of(catalog) == {photo_id: told(photo_id) for photo_id in IDS}
    check_adds_up(catalog)


def test_of_a_duplicate_in_the_dataset_the_first_line_wins(source, catalog):
    again = line_v2(IDS[1], 10, title="again")
    build(write_files(source, whole(dataset=[*lines_v2(IDS), again])), catalog)
    assert column(catalog, f"SELECT title FROM items WHERE photo_id = {IDS[1]}") == [
        "A title & more"
    ]
    ((file, number, offset, reason, raw),) = ask(catalog, "SELECT * FROM rejected_lines")
    assert (file, number, raw) == (DATASET, 10, again)
    assert offset == len(joined(lines_v2(IDS)))
    assert "duplicate photo id" in reason
    assert ingests(catalog)[DATASET] == (11, 10, 0, 1)
    check_adds_up(catalog)


def test_of_duplicates_side_by_side_the_first_line_wins(source, catalog):
    lines = [line_v2(5, n, title=f"line+{n}") for n in range(4)]
    build(write_files(source, edition_v2(lines)), catalog)
    assert column(catalog, "SELECT title FROM items") == ["line 0"]
    assert column(catalog, "SELECT line_number FROM rejected_lines ORDER BY 1") == [1, 2, 3]
    check_adds_up(catalog)


@pytest.mark.parametrize("order", ["in order", "reversed"])
def test_of_a_duplicate_in_a_pack_the_first_line_wins(source, catalog, order):
    lines = autotags(IDS if order == "in order" else IDS[::-1])
    again = pack_line(IDS[2], "dog:0.5")
    build(write_files(source, whole(autotags=[*lines, again])), catalog)
    assert packs_of(catalog) == {photo_id: told(photo_id) for photo_id in IDS}
    assert ask(catalog, "SELECT file, line_number, raw FROM rejected_lines") == [
        (AUTOTAGS, 10, again)
    ]
    assert column(catalog, "SELECT byte_offset FROM rejected_lines") == [len(joined(lines))]
    check_adds_up(catalog)


def test_missing_packs_are_said_and_their_columns_empty(source, catalog):
    summary = build(write_files(source, edition_v2(lines_v2(IDS), exif=exif(IDS))), catalog)
    assert summary.missing == ("autotags", "places")
    assert column(catalog, "SELECT count(*) FROM items WHERE autotags IS NULL") == [len(IDS)]
    assert column(catalog, "SELECT count(exif) FROM items") == [len(IDS)]
    assert set(ingests(catalog)) == {DATASET, EXIF}


def test_a_hash_pack_beside_the_dataset_of_v2_takes_no_hash_away(source, catalog):
    files = whole(hash=[pack_line(i, "0123456789abcdef") for i in IDS[:3]])
    build(write_files(source, files), catalog)
    assert column(catalog, "SELECT count(photo_hash) FROM items") == [len(IDS)]
    check_adds_up(catalog)


V1 = [f"yfcc100m_dataset-{part}.bz2" for part in range(10)]


def edition_v1(lines: list[list[bytes]], hashes: list[bytes]) -> dict[str, Any]:
    return dict(zip(V1, lines, strict=True)) | {HASH: hashes}


def test_the_edition_of_ten_files_is_one_dataset_with_hashes(source, catalog):
    photo_ids = list(range(1000, 1025))
    parts = [[line_v1(i) for i in photo_ids[part::10]] for part in range(10)]
    in_order = [i for part in range(10) for i in photo_ids[part::10]]
    hashes = [pack_line(i, hash_of(f"url {i}")) for i in in_order]
    summary = build(write_files(source, edition_v1(parts, hashes)), catalog)
    assert (summary.edition, summary.missing) == ("v1", ("autotags",))
    rows = ask(catalog, "SELECT line_number, photo_id, photo_hash FROM items ORDER BY line_number")
    assert rows == [(n, i, hash_of(f"url {i}")) for n, i in enumerate(in_order)]
    check_adds_up(catalog)


def test_an_edition_without_hashes_gets_them_computed(source, catalog):
    parts = [[line_v1(10 * part), line_v1(10 * part + 1, download_url="")] for part in range(1, 11)]
    build(write_files(source, dict(zip(V1, parts, strict=True))), catalog)
    for url, photo_hash in ask(catalog, "SELECT download_url, photo_hash FROM items"):
        assert photo_hash == (None if url is None else hash_of(url))
    check_adds_up(catalog)


def test_line_numbers_of_the_ten_files_count_rejects_too(source, catalog):
    parts = [[line_v1(10 * part), b"wrong", line_v1(10 * part + 1)] for part in range(1, 11)]
    build(write_files(source, edition_v1(parts, [])), catalog)
    numbers = column(catalog, "SELECT line_number FROM items ORDER BY photo_id")
    assert numbers == [n for n in range(30) if n % 3 != 1]
    assert column(catalog, "SELECT DISTINCT line_number FROM rejected_lines") == [1]
    check_adds_up(catalog)


def test_duplicates_across_the_ten_files_are_counted_where_they_lie(source, catalog):
    parts = [[line_v1(1000 + part)] for part in range(10)]
    parts[4].append(line_v1(1000))
    parts[7] += [line_v1(1001), line_v1(1002)]
    build(write_files(source, edition_v1(parts, [])), catalog)
    assert ask(catalog, "SELECT file, line_number FROM rejected_lines ORDER BY ALL") == [
        (V1[4], 1),
        (V1[7], 1),
        (V1[7], 2),
    ]
    check_adds_up(catalog)


def test_one_of_the_ten_files_missing_is_said_by_name(source, catalog):
    files = edition_v1([[line_v1(1 + part)] for part in range(10)], [])
    del files[V1[3]]
    with pytest.raises(SourceMissing, match=V1[3]):
        build(write_files(source, files), catalog)


def test_a_mix_of_layouts_is_refused(source, catalog):
    parts = [[line_v1(1000 + part)] for part in range(10)]
    parts[5] = [line_v2(5000, 0)]
    with pytest.raises(SourceError):
        build(write_files(source, edition_v1(parts, [])), catalog)


def test_lines_that_are_no_rows_are_kept_with_their_place(source, catalog):
    lines = [
        line_v2(5, 0),
        b"short",
        line_v2("x", 2),
        b"\xff",
        b"",
        line_v2(6, 5, marker="3"),
        b"a\rb",
    ]
    lines.append(line_v2(7, 7))
    build(write_files(source, edition_v2(lines)), catalog)
    rows = ask(
        catalog, "SELECT line_number, byte_offset, raw FROM rejected_lines ORDER BY line_number"
    )
    wanted = [n for n in range(8) if n not in (0, 7)]
    assert rows == [(n, len(joined(lines[:n])), lines[n]) for n in wanted]
    assert column(catalog, "SELECT photo_id FROM items") == [5, 7]
    check_adds_up(catalog)


@pytest.mark.parametrize("where", [0, 5, 10])
def test_a_line_of_5_mb_is_kept_as_a_reject(source, catalog, where):
    lines = lines_v2(IDS)
    lines.insert(where, line_v2(5, 99, description="x" * 5_000_000))
    build(write_files(source, whole(dataset=lines)), catalog)
    ((number, offset, raw, reason),) = ask(
        catalog, "SELECT line_number, byte_offset, raw, reason FROM rejected_lines"
    )
    assert (number, offset) == (where, len(joined(lines[:where])))
    assert raw == lines[where][: 64 << 10]
    assert f"{len(lines[where]):,} bytes" in reason
    assert packs_of(catalog) == {photo_id: told(photo_id) for photo_id in IDS}
    check_adds_up(catalog)


def test_a_line_of_5_mb_in_a_pack_is_kept_as_a_reject(source, catalog):
    lines = autotags(IDS)
    lines.insert(3, pack_line(5, "x" * 5_000_000))
    build(write_files(source, whole(autotags=lines)), catalog)
    assert ingests(catalog)[AUTOTAGS] == (11, 10, 0, 1)
    check_adds_up(catalog)


@pytest.mark.parametrize(
    "field", ["date_uploaded", "longitude", "latitude", "accuracy", "server_id", "farm_id"]
)
@pytest.mark.parametrize(
    "text", ["999999999999999999", "-999999999999999999", "9223372036854775807", "0x7f", "1e30", ""]
)
def test_a_number_of_any_size_stops_no_build(source, catalog, field, text):
    build(write_files(source, edition_v2([line_v2(5, 0, **{field: text}), line_v2(6, 1)])), catalog)
    assert 6 in column(catalog, "SELECT photo_id FROM items")
    check_adds_up(catalog)


def test_a_row_without_a_line_number_stops_no_build(source, catalog):
    lines = [line_v2(5, 0, line_number=""), line_v2(6, 1)]
    build(write_files(source, edition_v2(lines)), catalog)
    assert 6 in column(catalog, "SELECT photo_id FROM items")
    check_adds_up(catalog)


def test_a_dataset_of_rejects_alone_still_adds_up(source, catalog):
    build(write_files(source, whole(dataset=[line_v2("x"), line_v2(1, marker="9")])), catalog)
    assert column(catalog, "SELECT count(*) FROM items") == [0]
    assert column(catalog, "SELECT count(*) FROM orphans") == [3 * len(IDS)]
    check_adds_up(catalog)


def test_the_last_line_needs_no_newline(source, catalog):
    files = whole(dataset=bz2.compress(joined(lines_v2(IDS))[:-1]))
    build(write_files(source, files), catalog)
    assert column(catalog, "SELECT count(*) FROM items") == [len(IDS)]


def test_files_of_many_streams_are_read_to_their_end(source, catalog):
    data = b"".join(bz2.compress(line + b"\n") for line in lines_v2(IDS)) + bz2.compress(b"")
    build(write_files(source, whole(dataset=data)), catalog)
    assert column(catalog, "SELECT photo_id FROM items") == IDS


def test_a_rebuild_replaces_the_catalog_at_once(source, catalog, tmp_path):
    build(write_files(source, whole()), catalog)
    held = tmp_path / "held"
    held.hardlink_to(catalog)
    before = held.stat().st_ino
    build(write_files(source, edition_v2(lines_v2(IDS[:3]))), catalog)
    assert catalog.stat().st_ino != before
    assert column(held, "SELECT count(*) FROM items") == [len(IDS)]
    assert column(catalog, "SELECT count(*) FROM items") == [3]
    assert leftovers(catalog) == []


def test_a_reader_of_the_old_catalog_is_not_disturbed(source, catalog):
    build(write_files(source, whole()), catalog)
    with duckdb.connect(str(catalog), read_only=True) as reader:
        build(write_files(source, edition_v2(lines_v2(IDS[:3]))), catalog)
        assert reader.execute("SELECT count(*) FROM items").fetchall() == [(len(IDS),)]


def broken(name: str, data: bytes) -> dict[str, Any]:
    return whole() | {name: data}


GOOD = bz2.compress(joined(lines_v2(range(1, 2000))), 1)
FAULTS = {
    "dataset truncated": broken(DATASET, GOOD[: len(GOOD) // 2]),
    "dataset without its last bytes": broken(DATASET, GOOD[:-3]),
    "dataset with one damaged block": broken(
        DATASET, GOOD[: len(GOOD) // 2] + b"\0\0" + GOOD[len(GOOD) // 2 + 2 :]
    ),
    "dataset not bz2": broken(DATASET, joined(lines_v2(IDS))),
    "dataset HTML": broken(DATASET, b"<html>Not found</html>"),
    "dataset empty": broken(DATASET, b""),
    "dataset without lines": broken(DATASET, bz2.compress(b"")),
    "dataset of other columns": broken(DATASET, bz2.compress(joined(autotags(IDS)))),
    "dataset with garbage behind": broken(DATASET, GOOD + b"garbage"),
    "pack truncated": broken(EXIF, bz2.compress(joined(exif(IDS)))[:-5]),
    "pack not bz2": broken(AUTOTAGS, b"nonsense" * 10),
    "pack empty": broken(PLACES, b""),
}


@pytest.mark.parametrize("has_old", [False, True], ids=["new", "over an old one"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_build_publishes_nothing_and_leaves_the_old_catalog(
    source, catalog, fault, has_old
):
    if has_old:
        build(write_files(source, edition_v2(lines_v2(IDS[:2]))), catalog)
        before = (catalog.read_bytes(), catalog.stat().st_ino)
    with pytest.raises(SourceDamaged) as caught:
        build(write_files(source, FAULTS[fault]), catalog)
    assert caught.value.exit_code == 4
    named = {"dataset": DATASET, "pack": "yfcc100m_"}[fault.split()[0]]
    assert named in str(caught.value)
    assert leftovers(catalog) == []
    if has_old:
        assert (catalog.read_bytes(), catalog.stat().st_ino) == before
    else:
        assert not catalog.exists()


def test_a_failed_build_leaves_no_thread_behind(source, catalog):
    before = set(threading.enumerate())
    with pytest.raises(SourceDamaged):
        build(write_files(source, FAULTS["dataset truncated"]), catalog)
    assert set(threading.enumerate()) <= before


def test_a_place_without_a_dataset_is_missing(source, catalog, tmp_path):
    with pytest.raises(SourceMissing, match="no such directory"):
        build(tmp_path / "nowhere", catalog)
    with pytest.raises(SourceMissing, match=DATASET):
        build(write_files(source, {EXIF: exif(IDS)}), catalog)
    assert not catalog.parent.exists()


def test_a_file_that_vanishes_while_it_is_read_publishes_nothing(catalog):
    with RangeServer() as server:
        for name, lines in whole().items():
            server.put(f"v2/{name}", bz2.compress(joined(lines)))
        source = open_source(f"http://127.0.0.1:{server.port}/v2/")
        listed = source.list_objects()
        server.put(f"v2/{EXIF}", b"another")

        class Listed:
            url, read_range, close = source.url, source.read_range, source.close
            list_objects = staticmethod(lambda: listed)

        with pytest.raises(SourceError, match=EXIF):
            build_catalog(Listed(), BuildSettings(catalog), SilentProgress())
        source.close()
    assert not catalog.exists()


def test_too_many_rejects_stop_the_build_and_say_where(source, catalog):
    lines = lines_v2(IDS)
    lines[3:3] = [b"one", b"two", b"three"]
    files = whole(dataset=lines)
    with pytest.raises(TooManyRejectsError) as caught:
        build(write_files(source, files), catalog, max_rejects=2)
    message = str(caught.value)
    assert caught.value.exit_code == 9
    assert DATASET in message
    assert "line 5 " in message
    assert f"byte {len(joined(lines[:5])):,}" in message
    assert "--max-rejects" in message
    assert not catalog.exists()
    build(source, catalog, max_rejects=3)
    assert column(catalog, "SELECT count(*) FROM rejected_lines") == [3]


@pytest.mark.parametrize("pack", [AUTOTAGS, EXIF, PLACES])
def test_rejects_of_packs_count_too(source, catalog, pack):
    name = pack.removeprefix("yfcc100m_").removesuffix(".bz2")
    files = whole(**{name: [b"one", *whole()[pack]]})
    with pytest.raises(TooManyRejectsError, match=f"{pack}, line 0"):
        build(write_files(source, files), catalog, max_rejects=0)


def test_duplicates_count_as_rejects(source, catalog):
    with pytest.raises(TooManyRejectsError, match="duplicate"):
        build(write_files(source, whole(dataset=lines_v2([*IDS, 12]))), catalog, max_rejects=0)


def test_duplicates_in_a_pack_count_as_rejects(source, catalog):
    with pytest.raises(TooManyRejectsError, match="duplicate"):
        build(write_files(source, whole(exif=exif([*IDS, 12]))), catalog, max_rejects=0)


def test_without_a_budget_a_thousand_rejects_are_allowed(source, catalog):
    lines = [b"wrong"] * 1000 + lines_v2(IDS)
    with pytest.raises(SourceDamaged):  # the first lines tell no layout
        build(write_files(source, whole(dataset=lines)), catalog)
    lines = lines_v2(IDS) + [b"wrong"] * 1000
    build(write_files(source, whole(dataset=lines)), catalog)
    with pytest.raises(TooManyRejectsError, match=r"1,001 of 1,\d+ lines rejected"):
        build(write_files(source, whole(dataset=[*lines, b"wrong"])), catalog)
    assert column(catalog, "SELECT count(*) FROM rejected_lines") == [1000]


@pytest.mark.parametrize("limit", [1, 4, 10, 99])
def test_a_limit_is_in_lines_of_the_dataset(source, catalog, limit):
    build(write_files(source, whole()), catalog, limit=limit)
    wanted = IDS[:limit]
    assert packs_of(catalog) == {photo_id: told(photo_id) for photo_id in wanted}
    assert ingests(catalog)[DATASET] == (len(wanted), len(wanted), 0, 0)
    assert column(catalog, "SELECT DISTINCT row_limit FROM ingests") == [limit]
    check_adds_up(catalog)


def test_with_a_limit_no_item_beyond_it_makes_an_orphan(source, catalog):
    build(write_files(source, whole(exif=exif(IDS[::-1]))), catalog, limit=3)
    assert column(catalog, "SELECT photo_id FROM orphans") == []
    assert {i: values[1] for i, values in packs_of(catalog).items()} == {
        i: f"Number {i}" for i in IDS[:3]
    }
    check_adds_up(catalog)


def test_a_limit_may_fall_into_the_second_of_ten_files(source, catalog):
    parts = [[line_v1(10 * part + n) for n in range(1, 4)] for part in range(1, 11)]
    build(write_files(source, edition_v1(parts, [])), catalog, limit=5)
    assert column(catalog, "SELECT photo_id FROM items") == [11, 12, 13, 21, 22]
    check_adds_up(catalog)


def test_a_second_build_is_refused_and_told_who_is_at_work(source, catalog):
    write_files(source, whole())
    catalog.parent.mkdir(parents=True)
    lock = catalog.with_name(f"{catalog.name}.lock")
    with exclusive_lock(lock):
        with pytest.raises(LockedError, match=f"process {os.getpid()} is at work") as caught:
            build(source, catalog)
        assert caught.value.exit_code == 5
        assert not catalog.exists()
    build(source, catalog)
    assert lock.exists()


def test_a_process_that_was_killed_holds_no_lock(source, catalog):
    write_files(source, whole())
    catalog.parent.mkdir(parents=True)
    lock = catalog.with_name(f"{catalog.name}.lock")
    code = (
        "import sys, time; from pathlib import Path\n"
        "from yfcc.catalog.publish import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=f"process {other.pid} "):
            build(source, catalog)
        other.kill()
    build(source, catalog)


def test_a_lock_that_is_a_link_is_not_followed(source, catalog, tmp_path):
    write_files(source, whole())
    catalog.parent.mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    catalog.with_name(f"{catalog.name}.lock").symlink_to(tmp_path / "precious")
    with pytest.raises((OSError, YfccError)):
        build(source, catalog)
    assert (tmp_path / "precious").read_text() == "precious"


def test_what_a_killed_build_left_is_swept(source, catalog):
    write_files(source, whole())
    catalog.parent.mkdir(parents=True)
    for suffix in ("building", "building.wal", "building.maps", "building.2", "building.2.wal"):
        catalog.with_name(f"{catalog.name}.{suffix}").write_bytes(b"half")
    for suffix in ("building.spill", "building.2.spill", "building.journal"):
        folder = catalog.with_name(f"{catalog.name}.{suffix}")
        folder.mkdir()
        (folder / "duckdb_temp_storage-0.tmp").write_bytes(b"half")
    build(source, catalog)
    assert leftovers(catalog) == []
    check_adds_up(catalog)


def test_files_of_the_user_beside_the_catalog_stay(source, catalog):
    write_files(source, whole())
    catalog.parent.mkdir(parents=True)
    names = [f"{catalog.name}.late-night-notes", f"{catalog.name}.buildings.csv"]
    for name in names:
        (catalog.parent / name).write_text("mine")
    build(source, catalog)
    assert [(catalog.parent / name).exists() for name in names] == [True, True]


@pytest.mark.parametrize("name", ["a [1].duckdb", "it's.duckdb", "noending", "ü *.duckdb", "a;b"])
def test_a_catalog_may_have_any_name(source, tmp_path, name):
    catalog = tmp_path / "out" / name
    catalog.parent.mkdir()
    catalog.with_name(f"{name}.building").write_bytes(b"half")
    shuffled = IDS[5:] + IDS[:5]
    build(write_files(source, whole(exif=exif(shuffled[::-1]))), catalog)
    assert leftovers(catalog) == []
    check_adds_up(catalog)


def test_a_target_that_is_a_directory_is_refused_before_anything_is_read(source, catalog):
    write_files(source, whole())
    catalog.mkdir(parents=True)
    with pytest.raises(YfccError) as caught:
        build(source, catalog)
    assert caught.value.exit_code in (2, 6)
    assert str(catalog) in str(caught.value)


def test_a_target_below_a_file_is_refused(source, tmp_path):
    write_files(source, whole())
    (tmp_path / "file").write_text("")
    with pytest.raises(YfccError) as caught:
        build(source, tmp_path / "file" / "catalog.duckdb")
    assert caught.value.exit_code in (2, 6)


@contextlib.contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[None]:
    """A mount for a while; skips the test where this kernel or container allows none."""
    done = subprocess.run(["mount", *arguments, str(at)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mount {' '.join(arguments)}: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@ROOT_ONLY
@pytest.mark.parametrize("size_kb", [0, 16, 300, 700, 1400])
def test_a_full_disk_is_a_target_error_and_publishes_no_half(source, tmp_path, size_kb):
    texts = random.Random(5)
    lines = [
        line_v2(i, n, description=texts.randbytes(400).hex()) for n, i in enumerate(range(1, 4001))
    ]
    write_files(source, edition_v2(lines, exif=exif(range(4000, 0, -1))))
    disk = tmp_path / "disk"
    disk.mkdir()
    blocks = max(size_kb // 4, 1)
    with mounted("-t", "tmpfs", "-o", f"nr_blocks={blocks}", "tmpfs", at=disk):
        catalog = disk / "catalog.duckdb"
        with pytest.raises(TargetError) as caught:
            build(source, catalog)
        assert caught.value.exit_code == 6
        assert str(catalog) in str(caught.value)
        assert not catalog.exists()
        check_resumable(catalog)
        subprocess.run(
            ["mount", "-o", "remount,nr_blocks=20000", str(disk)], check=True, capture_output=True
        )
        build(source, catalog)  # once there is space, the same command works
        assert leftovers(catalog) == []
        assert column(catalog, "SELECT count(exif) FROM items") == [4000]


@ROOT_ONLY
def test_a_full_disk_leaves_the_old_catalog(source, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=6m", "tmpfs", at=disk):
        catalog = disk / "catalog.duckdb"
        build(write_files(source, whole()), catalog)
        before = catalog.read_bytes()
        (disk / "ballast").write_bytes(bytes(4 << 20))
        rng = random.Random(1)
        lines = [line_v2(i, i, title=rng.randbytes(900).hex()) for i in range(1, 3000)]
        write_files(source, edition_v2(lines))
        with pytest.raises(TargetError):
            build(source, catalog)
        assert catalog.read_bytes() == before
        check_resumable(catalog)


@ROOT_ONLY
def test_a_read_only_target_is_a_target_error(source, tmp_path):
    write_files(source, whole())
    target = tmp_path / "target"
    target.mkdir()
    with mounted("--bind", str(target), at=target):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(target)], check=True)
        for catalog in (target / "catalog.duckdb", target / "deeper" / "catalog.duckdb"):
            with pytest.raises(TargetError, match="Read-only") as caught:
                build(source, catalog)
            assert caught.value.exit_code == 6
    assert list(target.iterdir()) == []


def test_a_large_edition_in_several_windows_adds_up(source, catalog):
    """More rows than a window, with packs out of order further than the slack."""
    n_items = 130_000
    photo_ids = list(range(10**9, 10**9 + n_items))
    lines = [line_v2(i, n) for n, i in enumerate(photo_ids)]
    far = photo_ids[-500:] + photo_ids[:-500]
    packs = {
        "exif": [pack_line(i, f"A.B:{i}") for i in far],
        "autotags": [pack_line(i, "cat:0.5") for i in sorted(photo_ids, reverse=True)],
    }
    build(write_files(source, edition_v2(lines, **packs)), catalog)
    assert column(catalog, "SELECT count(*) FROM items WHERE exif['A.B'] = photo_id::VARCHAR") == [
        n_items
    ]
    assert column(catalog, "SELECT count(autotags) FROM items") == [n_items]
    check_adds_up(catalog)


def test_hashes_that_are_not_those_of_their_url_are_kept_and_counted(source, catalog):
    lines = lines_v2(IDS)
    lines[3] = line_v2(IDS[3], 3, photo_hash="0123456789abcdef")
    lines[5] = line_v2(IDS[5], 5, download_url="http://farm1.staticflickr.com/2/other.jpg")
    lines[7] = line_v2(IDS[7], 7, photo_hash="")
    build(write_files(source, edition_v2(lines)), catalog)
    query = "SELECT n_hash_mismatches FROM ingests WHERE pack = 'dataset'"
    assert column(catalog, query) == [2]
    hashes = column(catalog, "SELECT photo_hash FROM items ORDER BY line_number")
    assert hashes[3] == "0123456789abcdef"
    assert hashes[7] == hash_of(f"http://farm1.staticflickr.com/2/{IDS[7]}_0123456789.jpg")


def test_a_hash_pack_is_checked_too(source, catalog):
    parts = [[line_v1(photo_id)] for photo_id in IDS]
    right = [
        pack_line(i, hash_of(f"http://farm1.staticflickr.com/2/{i}_0123456789.jpg")) for i in IDS
    ]
    wrong = [pack_line(IDS[0], "0123456789abcdef"), *right[1:-1]]
    build(write_files(source, edition_v1(parts, wrong)), catalog)
    query = "SELECT pack, n_hash_mismatches FROM ingests WHERE n_hash_mismatches > 0"
    assert ask(catalog, query) == [("hash", 1)]
    hashes = column(catalog, "SELECT photo_hash FROM items ORDER BY line_number")
    assert hashes[0] == "0123456789abcdef"
    assert hashes[-1] == right[-1].split(b"\t")[1].decode()  # the pack lacks it: computed

"""Every edition of the same rows, in every packing, becomes the same catalog."""

from __future__ import annotations

import bz2
import gzip
import io
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tests.fakes.range_server import RangeServer
from tests.fakes.rows import hash_of, line_v1, line_v2, lines_v2
from yfcc.catalog.build import BuildSettings, BuildSizes, BuildSummary, build_catalog
from yfcc.demo.editions import EditionForm, write_database, write_edition
from yfcc.demo.metadata_files import write_metadata
from yfcc.demo.sample import write_sample
from yfcc.demo.serve import EmbeddedServers
from yfcc.errors import SourceDamaged, SourceError, SourceMissing
from yfcc.metadata.source import open_source
from yfcc.metadata.source.bucket import BucketAccess
from yfcc.metadata.unpack.database import TABLE
from yfcc.progress import SilentProgress

N_ITEMS, SEED = 700, 11
PACKS = {"autotags", "exif", "places"}
DATASET = "yfcc100m_dataset"


@dataclass
class Told(SilentProgress):
    """Remembers what a build said and which files it read."""

    said: list[str] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)

    def say(self, text: str) -> None:
        self.said.append(text)

    def start_file(self, name: str, n_bytes: int) -> None:
        self.files[name] = n_bytes


def build(
    source: Path | str, catalog: Path, told: Told | None = None, access: BucketAccess | None = None
) -> BuildSummary:
    opened = open_source(str(source), access)
    try:
        return build_catalog(opened, BuildSettings(catalog), told or Told())
    finally:
        opened.close()


def ask(catalog: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return connection.execute(query).fetchall()


@dataclass(frozen=True)
class Reference:
    """The catalog of v2 as bz2, and its rows."""

    source: Path
    catalog: Path
    columns: list[str]

    def rows(self, catalog: Path, without: set[str]) -> list[tuple[Any, ...]]:
        names = ", ".join(f'"{name}"' for name in self.columns if name not in without)
        return ask(catalog, f"SELECT {names} FROM items")


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Reference:
    directory = tmp_path_factory.mktemp("reference")
    write_metadata(directory / "v2", N_ITEMS, SEED)
    catalog = directory / "catalog.duckdb"
    build(directory / "v2", catalog)
    return Reference(directory / "v2", catalog, [row[0] for row in ask(catalog, "DESCRIBE items")])


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    return write_database(tmp_path_factory.mktemp("database") / f"{DATASET}.sql", N_ITEMS, SEED)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "out" / "catalog.duckdb"


def check_same(reference: Reference, catalog: Path, summary: BuildSummary, lacks: set[str]) -> None:
    """Same items in the same order, but for packs that are not there; nothing rejected."""
    assert summary.n_items == N_ITEMS
    assert reference.rows(catalog, lacks) == reference.rows(reference.catalog, lacks)
    for pack in lacks:
        assert ask(catalog, f"SELECT count({pack}) FROM items") == [(0,)]
    assert ask(catalog, "SELECT count(*) FROM rejected_lines") == [(0,)]
    assert ask(catalog, "SELECT count(*) FROM orphans") == [(0,)]
    assert ask(catalog, "SELECT DISTINCT edition FROM ingests") == [(summary.edition,)]
    lines = ask(catalog, "SELECT n_lines, n_joined FROM ingests")
    assert all(n_lines == n_joined for n_lines, n_joined in lines)
    left = {path.name for path in catalog.parent.iterdir()}
    assert left == {catalog.name, f"{catalog.name}.lock"}


LACKS = {"v2": set(), "v1": {"exif", "places"}, "mmcommons": {"places"}}
N_FILES = {"v2": 4, "v1": 12, "mmcommons": 5}


FORMS = [
    *(("v2", packing) for packing in ("bz2", "gz", "zst", "tgz", "plain")),
    *(("v1", packing) for packing in ("bz2", "gz", "plain")),
    *(("mmcommons", packing) for packing in ("tgz", "zst")),
]


@pytest.mark.parametrize(("layout", "packing"), FORMS)
def test_an_edition_in_any_packing_is_the_same_catalog(
    reference, catalog, tmp_path, layout, packing
):
    files = write_edition(tmp_path / "source", N_ITEMS, SEED, EditionForm(layout, packing))
    assert len(files) == N_FILES[layout]
    told = Told()
    summary = build(tmp_path / "source", catalog, told)
    assert (summary.edition, summary.missing) == (layout, ())
    check_same(reference, catalog, summary, LACKS[layout])
    said = [text for text in told.said if "not read" in text]
    assert len(said) == (layout == "mmcommons")  # the lines pack


def test_the_database_is_the_same_catalog_without_packs(reference, catalog, database):
    summary = build(database, catalog)
    assert (summary.edition, summary.missing) == ("sqlite", ("autotags", "exif", "places"))
    check_same(reference, catalog, summary, PACKS)
    ((file, source, n_bytes),) = ask(catalog, "SELECT file, source, n_bytes FROM ingests")
    assert (file, source, n_bytes) == (database.name, str(database), database.stat().st_size)


@pytest.mark.parametrize("name", ["copy.bin", "yfcc100m_dataset.bz2", "a b#.sqlite3"])
def test_a_database_is_known_by_its_bytes_under_any_name(catalog, tmp_path, database, name):
    shutil.copy(database, tmp_path / name)
    assert build(tmp_path / name, catalog).edition == "sqlite"


def test_a_database_beside_packs_is_joined_with_them(reference, catalog, tmp_path, database):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(database, source)
    shutil.copy(reference.source / "yfcc100m_exif.bz2", source)
    summary = build(source, catalog)
    assert (summary.edition, summary.missing) == ("sqlite", ("autotags", "places"))
    check_same(reference, catalog, summary, {"autotags", "places"})


def test_a_set_may_mix_packings(reference, catalog, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    content = {path.name: bz2.decompress(path.read_bytes()) for path in reference.source.iterdir()}
    dataset, autotags, exif, places = (
        content[f"yfcc100m_{each}.bz2"] for each in ("dataset", "autotags", "exif", "places")
    )
    middle = dataset.index(b"\n", len(dataset) // 2) + 1
    (source / f"{DATASET}.csv.gz").write_bytes(
        gzip.compress(dataset[:middle]) + gzip.compress(dataset[middle:])
    )
    (source / "yfcc100m_autotags").write_bytes(autotags[:-1])
    (source / "yfcc100m_exif.bz2").write_bytes(gzip.compress(exif))  # the name lies
    with pa.CompressedOutputStream(str(source / "yfcc100m_places.zst"), "zstd") as stream:
        stream.write(places)
    (source / "yfcc100m_places.txt").write_bytes(b"another copy")
    told = Told()
    summary = build(source, catalog, told)
    assert (summary.edition, summary.missing) == ("v2", ())
    check_same(reference, catalog, summary, set())
    assert told.said[0] == "yfcc100m_places.txt: not read, yfcc100m_places.zst is preferred"


@pytest.mark.parametrize("packing", ["bz2", "zst", "tgz"])
def test_one_file_is_a_source(reference, catalog, tmp_path, packing):
    dataset, *_ = write_edition(tmp_path / "source", N_ITEMS, SEED, EditionForm("v2", packing))
    summary = build(dataset, catalog)
    assert (summary.edition, set(summary.missing)) == ("v2", PACKS)
    check_same(reference, catalog, summary, PACKS)


def test_one_file_of_23_columns_is_v1_and_says_what_it_lacks(catalog, tmp_path):
    path = tmp_path / "rows"
    path.write_bytes(b"".join(line_v1(n) + b"\n" for n in (5, 6)))
    summary = build(path, catalog)
    assert (summary.edition, summary.missing) == ("v1", ("autotags", "hash"))
    urls = ask(catalog, "SELECT download_url, photo_hash FROM items")
    assert [photo_hash for _, photo_hash in urls] == [hash_of(url) for url, _ in urls]


@pytest.fixture
def web() -> Iterator[RangeServer]:
    with RangeServer() as server:
        yield server


def serve(web: RangeServer, source: Path, folder: str) -> str:
    for path in source.iterdir():
        web.put(f"{folder}/{path.name}", path.read_bytes())
    return f"http://127.0.0.1:{web.port}/{folder}"


@pytest.mark.parametrize(
    ("layout", "packing"),
    [("v2", "bz2"), ("v2", "plain"), ("v1", "bz2"), ("mmcommons", "tgz")],
)
def test_an_edition_is_found_on_a_web_server_that_lists_nothing(
    reference, catalog, tmp_path, web, layout, packing
):
    write_edition(tmp_path / "source", N_ITEMS, SEED, EditionForm(layout, packing))
    summary = build(serve(web, tmp_path / "source", "folder"), catalog)
    assert (summary.edition, summary.missing) == (layout, ())
    check_same(reference, catalog, summary, LACKS[layout])


@pytest.mark.parametrize("name", [f"{DATASET}.bz2", "rows.tsv.gz"])
def test_one_file_on_a_web_server_is_a_source(reference, catalog, web, name):
    web.put(f"folder/{name}", (reference.source / f"{DATASET}.bz2").read_bytes())
    url = f"http://127.0.0.1:{web.port}/folder/{name}"
    check_same(reference, catalog, build(url, catalog), PACKS)
    with pytest.raises(SourceMissing, match="no such file"):
        build(url.replace("/folder", "/nowhere"), catalog)


def test_a_database_on_a_web_server_lands_beside_the_catalog_and_goes_when_it_is_published(
    reference, catalog, database, web
):
    web.put(f"folder/{DATASET}.sql", database.read_bytes())
    told = Told()
    summary = build(f"http://127.0.0.1:{web.port}/folder/{DATASET}.sql", catalog, told)
    check_same(reference, catalog, summary, PACKS)
    assert told.files == dict.fromkeys(
        (f"{DATASET}.sql", f"{DATASET}.sql (fetching)"), database.stat().st_size
    )


def test_a_landed_database_is_kept_until_a_catalog_is_published(reference, catalog, database, web):
    pack = "yfcc100m_exif.bz2"
    web.put(f"folder/{DATASET}.sql", database.read_bytes())
    web.put(f"folder/{pack}", b"nonsense")
    url = f"http://127.0.0.1:{web.port}/folder"
    with pytest.raises(SourceDamaged, match="exif"):
        build(url, catalog)
    landing = catalog.with_name(f"{catalog.name}.source")
    assert [path.suffix for path in landing.iterdir()] == [".sqlite"]
    web.put(f"folder/{pack}", (reference.source / pack).read_bytes())
    told = Told()
    summary = build(url, catalog, told)
    check_same(reference, catalog, summary, {"autotags", "places"})
    assert set(told.files) == {f"{DATASET}.sql", pack}  # not fetched again


def test_keys_of_a_bucket_are_sources_like_prefixes(reference, tmp_path, database):
    write_sample(tmp_path / "sample", 10, SEED, metadata_only=True)
    bucket = tmp_path / "sample" / "buckets" / "public"
    (bucket / "tools" / "etc").mkdir(parents=True)
    shutil.copy(database, bucket / "tools" / "etc")
    shutil.copy(reference.source / f"{DATASET}.bz2", bucket / "alone")
    write_edition(bucket / "mm", N_ITEMS, SEED, EditionForm("mmcommons", "tgz"))
    with EmbeddedServers(tmp_path / "sample") as servers:
        access = BucketAccess(servers.s3_endpoint, is_signed=False)
        for url, edition, lacks in (
            (f"s3://public/tools/etc/{DATASET}.sql", "sqlite", PACKS),
            ("s3://public/tools/etc", "sqlite", PACKS),
            ("s3://public/alone", "v2", PACKS),
            ("s3://public/mm/", "mmcommons", {"places"}),
        ):
            catalog = tmp_path / f"{edition}-{len(url)}" / "catalog.duckdb"
            summary = build(url, catalog, access=access)
            assert summary.edition == edition
            check_same(reference, catalog, summary, lacks)
            stored = {source for (source,) in ask(catalog, "SELECT source FROM ingests")}
            assert all(source.startswith("s3://public/") for source in stored)
        with pytest.raises(SourceMissing, match="s3://public/nothing"):
            build("s3://public/nothing", tmp_path / "c.duckdb", access=access)


GOOD = b"".join(line + b"\n" for line in lines_v2(range(1, 3000)))


def archive(content: bytes, name: str = DATASET) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as opened:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        opened.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :]


GZIP, ZSTD, TGZ = gzip.compress(GOOD), zstd(GOOD), gzip.compress(archive(GOOD))
DAMAGED = {
    "gz truncated": (".gz", GZIP[: len(GZIP) // 2], "truncated"),
    "gz without its last byte": (".gz", GZIP[:-1], "truncated"),
    "gz flipped": (".gz", flipped(GZIP), "damaged at compressed offset"),
    "gz with garbage behind": (".gz", GZIP + b"garbage", "follow the end"),
    "gz with a second member cut": (".gz", GZIP + GZIP[:100], "truncated"),
    "zst truncated": (".zst", ZSTD[: len(ZSTD) // 2], "truncated"),
    "zst with garbage behind": (".zst", ZSTD + b"garbage", "damaged at compressed offset"),
    "zst with a second frame cut": (".zst", ZSTD + ZSTD[:100], "truncated"),
    "tgz truncated": (".tgz", TGZ[: len(TGZ) // 2], "truncated"),
    "tgz cut inside a member": (".tgz", gzip.compress(archive(GOOD)[:9999]), "inside a member"),
    "tgz without its end": (
        ".tgz",
        gzip.compress(archive(GOOD)[: 512 + -(-len(GOOD) // 512) * 512]),
        "before the end mark",
    ),
    "tgz flipped": (".tgz", flipped(TGZ), "damaged at compressed offset"),
    "tgz without data": (".tgz", gzip.compress(archive(b"a readme\n")), "lines with tabs"),
    "web page": (".tsv", b"<!DOCTYPE html><html>Not found</html>", "web page"),
    "web page in gz": (".gz", gzip.compress(b"<html>Not found</html>"), "web page"),
    "empty": ("", b"", "file is empty"),
    "empty gz": (".gz", gzip.compress(b""), "no lines"),
    "plain under a packed name": (".zst", GOOD, "not zstd"),
    "commas": (".csv", GOOD.replace(b"\t", b","), "got commas"),
    "no database": (".sql", b"CREATE TABLE cats;\n", "not SQLite"),
    "archive of an archive": (".tgz", gzip.compress(archive(TGZ + b"\t")), "packed twice"),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_file_in_any_packing_publishes_nothing(catalog, tmp_path, fault):
    suffix, content, says = DAMAGED[fault]
    source = tmp_path / "source"
    source.mkdir()
    (source / f"{DATASET}{suffix}").write_bytes(content)
    with pytest.raises(SourceDamaged, match=says) as caught:
        build(source, catalog)
    assert caught.value.exit_code == 4
    assert f"{DATASET}{suffix}" in str(caught.value)
    assert not catalog.exists()


@pytest.mark.parametrize("kept", [0.3, 0.9, 1.0])
def test_a_damaged_database_publishes_nothing(catalog, tmp_path, database, kept):
    content = bytearray(database.read_bytes())
    path = tmp_path / "x.sql"
    if kept == 1.0:
        content[8192 : 8192 + 300] = b"\xa5" * 300
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SourceDamaged, match=r"x\.sql: (truncated|SQLite cannot read it)"):
        build(path, catalog)
    assert not catalog.exists()


def test_rows_of_a_database_that_are_no_lines_are_rejected_one_by_one(catalog, tmp_path, database):
    path = tmp_path / "x.sql"
    shutil.copy(database, path)
    with closing(sqlite3.connect(path)) as connection:
        for rowid, title in ((2, "a\tb"), (5, "a\nb"), (N_ITEMS, "a\nb\tc\n")):
            connection.execute(f"UPDATE {TABLE} SET title = ? WHERE rowid = ?", (title, rowid))
        connection.execute(f"UPDATE {TABLE} SET photoid = 'x' WHERE rowid = 9")
        connection.commit()
    summary = build(path, catalog)
    assert summary.n_items == N_ITEMS - 4
    rows = ask(
        catalog, "SELECT line_number, reason, raw::BLOB FROM rejected_lines ORDER BY line_number"
    )
    assert [row[0] for row in rows] == [1, 4, 8, N_ITEMS - 1]
    assert "expected 23 columns" in rows[0][1]
    assert rows[1][2].endswith(b"\tSQLite row 5: a tab or a newline inside title")
    numbers = [row[0] for row in ask(catalog, "SELECT line_number FROM items")]
    assert numbers == [n for n in range(N_ITEMS) if n not in (1, 4, 8, N_ITEMS - 1)]


def test_members_of_an_archive_without_last_newlines_stay_apart(catalog, tmp_path):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as opened:
        for part in range(3):
            content = b"\n".join(line_v2(10 * part + n + 1, 3 * part + n) for n in range(3))
            for name, data in ((f"d/._{DATASET}-{part}", b"\0\5\26\7\t"), (f"d/{part}", content)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                opened.addfile(info, io.BytesIO(data))
    path = tmp_path / f"{DATASET}.tgz"
    path.write_bytes(sink.getvalue())
    build(path, catalog)
    assert [row[0] for row in ask(catalog, "SELECT photo_id FROM items")] == [
        *(1, 2, 3, 11, 12, 13, 21, 22, 23)
    ]


@pytest.mark.parametrize("packing", ["gz", "zst", "tgz", "tar.zst"])
def test_a_bomb_of_zeros_is_one_long_line_in_flat_memory(tmp_path, packing):
    """400 MB of zeros in some kB: the process that reads them grows by less than 64 MB."""
    zeros = bytes(400 << 20)
    parts = [b"\t" + bytes(511), zeros]  # the tab makes it data
    if packing in ("tgz", "tar.zst"):
        member = tarfile.TarInfo("d")
        member.size = sum(map(len, parts))
        parts = [member.tobuf(), *parts, bytes(1024)]
    path = tmp_path / f"{DATASET}.{packing}"
    if "zst" in packing:
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            for part in parts:
                stream.write(part)
    else:
        with gzip.open(path, "wb", 1) as file:
            for part in parts:
                file.write(part)
    del zeros, parts
    code = f"""
import resource
from concurrent.futures import ThreadPoolExecutor
from yfcc.metadata.lines import iter_line_chunks
from yfcc.metadata.source import open_source
from yfcc.metadata.unpack import iter_unpacked
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_source({str(path)!r})
with ThreadPoolExecutor(2) as pool:
    blocks = iter_unpacked(source, source.list_objects()[0], pool, ahead=4)
    chunks = list(iter_line_chunks(blocks, "x"))
print(chunks[0].long_line.reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    reason, grown_mb = done.stdout.splitlines()
    assert reason.startswith(f"line of {(400 << 20) + 512:,} bytes")
    assert int(grown_mb) < 64


N_KILLED = 4_000
KILLED = """
import os, signal, sys
from pathlib import Path
from yfcc.catalog.build import BuildSettings, BuildSizes, build_catalog
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress

class Killing(SilentProgress):
    def advance_file(self, name, n_bytes, n_rows):
        if "dataset" in name and n_rows > {rows}:
            os.kill(os.getpid(), signal.SIGKILL)

sizes = BuildSizes(batch_rows=1000, window_rows=200, chunk_bytes=1 << 18)
settings = BuildSettings(Path({catalog!r}), sizes=sizes)
build_catalog(open_source({source!r}), settings, Killing())
"""


@pytest.fixture(scope="module")
def longer(tmp_path_factory) -> tuple[Path, list[tuple[Any, ...]]]:
    """A directory for more rows, and their catalog's items."""
    directory = tmp_path_factory.mktemp("longer")
    write_metadata(directory / "bz2", N_KILLED, SEED)
    build(directory / "bz2", directory / "catalog.duckdb")
    return directory, ask(
        directory / "catalog.duckdb", "SELECT * EXCLUDE (exif, places) FROM items"
    )


@pytest.mark.parametrize("packing", ["plain", "gz", "tgz", "sqlite"])
def test_a_killed_build_goes_on_in_the_middle_of_any_packing(longer, catalog, packing):
    directory, wanted = longer
    source = directory / packing
    if packing == "sqlite":
        source = write_database(directory / f"{DATASET}.sql", N_KILLED, SEED)
    else:
        write_edition(source, N_KILLED, SEED, EditionForm("v2", packing))
    catalog.parent.mkdir()
    code = KILLED.format(rows=N_KILLED * 3 // 4, catalog=str(catalog), source=str(source))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert not catalog.exists()
    told = Told()
    opened = open_source(str(source))
    sizes = BuildSizes(batch_rows=1000, window_rows=200, chunk_bytes=1 << 18)
    settings = BuildSettings(catalog, sizes=sizes)
    build_catalog(opened, settings, told)
    (kept,) = [text for text in told.said if "interrupted build" in text]
    assert " 0 items are kept" not in kept
    found = ask(catalog, "SELECT * EXCLUDE (exif, places) FROM items")
    at = [row[0] for row in ask(catalog, "DESCRIBE items")].index("autotags")
    if packing == "sqlite":
        found, wanted = ([row[:at] + row[at + 1 :] for row in rows] for rows in (found, wanted))
    assert found == wanted


def test_a_source_that_changes_is_said_in_every_packing(catalog, tmp_path, web):
    web.put(f"f/{DATASET}.gz", GZIP)
    source = open_source(f"http://127.0.0.1:{web.port}/f")
    listed = source.list_objects()
    web.put(f"f/{DATASET}.gz", GZIP[:-1] + b"x")

    class Listed:
        url, read_range, close, local_path = (
            *(source.url, source.read_range),
            *(source.close, source.local_path),
        )
        list_objects = staticmethod(lambda: listed)

    with pytest.raises(SourceError, match="replaced"):
        build_catalog(Listed(), BuildSettings(catalog), SilentProgress())
    source.close()
    assert not catalog.exists()

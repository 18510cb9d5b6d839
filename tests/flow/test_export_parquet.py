"""The catalog as partitioned Parquet, read back with other engines, value for value."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import boto3
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import RunYfcc
from yfcc.catalog.schema import create_tables, create_views
from yfcc.catalog.select import Selection
from yfcc.errors import LockedError, SourceMissing, TargetError, UsageError, VerifyError
from yfcc.share.parquet import (
    ParquetRequest,
    ParquetSummary,
    export_parquet,
    parse_partition_columns,
)
from yfcc.share.target import DirectoryTarget, open_target

N_ROWS = 3_000
_ROWS = """
INSERT INTO items BY NAME
SELECT
    i AS line_number,
    1000000000 + i * 7 AS photo_id,
    md5(i::VARCHAR) AS photo_hash,
    (i % 40)::VARCHAR || '@N00' AS user_nsid,
    CASE WHEN i % 5 > 0 THEN 'Zoë ☃ ' || i END AS user_nickname,
    CASE WHEN i % 3 > 0 THEN TIMESTAMP '1969-12-31 23:59:59' + to_seconds(i * 400000) END
        AS date_taken,
    TIMESTAMP '2004-03-28 01:30:00' + to_seconds(i * 90000) AS date_uploaded,
    CASE i % 4 WHEN 0 THEN 'Canon' WHEN 1 THEN '' END AS capture_device,
    CASE i % 6 WHEN 0 THEN 'nul ' || chr(0) || ' in it' WHEN 1 THEN 'bad ' || chr(65533)
        WHEN 2 THEN '日本語 🦄' || chr(8238) WHEN 3 THEN NULL ELSE 'title ' || i END AS title,
    CASE WHEN i % 7 = 0 THEN repeat('long text, ', 500) WHEN i % 7 < 4 THEN 'two' || chr(10) || i
        END AS description,
    CASE i % 4 WHEN 0 THEN [] WHEN 1 THEN ['a', 'b,c', 'é'] WHEN 2 THEN ['x' || i] END
        AS user_tags,
    CASE WHEN i % 9 = 0 THEN ['ns:pred=value', NULL] END AS machine_tags,
    CASE WHEN i % 2 = 0 THEN (i % 360) - 180 + 0.123456789 END AS longitude,
    CASE WHEN i % 2 = 0 THEN (i % 180) - 90.0 END AS latitude,
    CASE WHEN i % 2 = 0 THEN i % 16 + 1 END AS accuracy,
    'http://example.org/' || i AS download_url,
    ['by', 'by-nc-nd', 'by-sa', NULL, 'by-nc'][i % 5 + 1] AS license,
    i % 9 AS server_id,
    ['jpg', 'png', 'a/b', 'x=1%', NULL][(i // 7) % 5 + 1] AS extension,
    CASE WHEN i % 50 = 0 THEN 'video' ELSE 'photo' END AS media_kind,
    CASE i % 3 WHEN 0 THEN MAP {} WHEN 1 THEN MAP {'cat': 0.9::FLOAT, 'dog ' || i: 0.1::FLOAT}
        END::MAP(VARCHAR, FLOAT) AS autotags,
    CASE i % 4 WHEN 0 THEN MAP {'Exif.Model': 'K' || chr(10) || i, 'Exif.Empty': NULL,
        chr(0) || 'odd': ''} END AS exif,
    CASE i % 3 WHEN 0 THEN [{'woeid': i, 'name': 'Bern, Stadt', 'type': 'Town'},
        {'woeid': NULL, 'name': NULL, 'type': 'Country'}] WHEN 1 THEN [] END AS places,
    i % 4096 AS shard
FROM range({n_rows}) AS numbers(i) ORDER BY i
"""
_INGEST = """
INSERT INTO ingests VALUES ('yfcc100m_dataset.bz2', 'dataset', 'v2', '/somewhere/private', 'etag',
1, 1, {n}, {n}, 0, 0, 0, NULL, 4096, TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-01', '0')
"""
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def make_catalog(path: Path, n_rows: int) -> Path:
    connection = duckdb.connect(str(path))
    create_tables(connection)
    create_views(connection)
    connection.execute(_ROWS.replace("{n_rows}", str(n_rows)))
    connection.execute(_INGEST.replace("{n}", str(n_rows)))
    connection.close()
    return path


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_catalog(tmp_path_factory.mktemp("catalog") / "catalog.duckdb", N_ROWS)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_catalog(tmp_path_factory.mktemp("large") / "catalog.duckdb", 200_000)


def export(catalog: Path, out: Path | str, **changes: Any) -> ParquetSummary:
    selection = changes.pop("selection", Selection())
    return export_parquet(ParquetRequest(catalog, str(out), selection, **changes))


def truth(catalog: Path, condition: str = "true") -> list[dict[str, Any]]:
    """What DuckDB says, maps as lists of pairs, moments with their zone."""
    connection = duckdb.connect(str(catalog), read_only=True)
    query = f"SELECT * FROM items WHERE {condition} ORDER BY line_number"
    table = connection.sql(query).to_arrow_table()
    connection.close()
    rows = table.to_pylist()
    for row in rows:
        row["date_uploaded"] = row["date_uploaded"].replace(tzinfo=UTC)
    return rows


def by_line(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["line_number"])


def pairs(value: Any) -> Any:
    """Maps of any engine as lists of pairs."""
    if isinstance(value, dict):
        return list(value.items())
    if value and isinstance(value[0], dict):
        return [(entry["key"], entry["value"]) for entry in value]
    return value


def test_pyarrow_reads_every_value_back(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "out")
    for root in (tmp_path / "out", tmp_path / "out" / "items"):
        table = ds.dataset(root, partitioning="hive").to_table()
        assert by_line(table.to_pylist()) == truth(catalog)


def test_polars_reads_every_value_back(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "out", partition_by=("license", "media_kind"))
    frame = pl.scan_parquet(tmp_path / "out" / "items", hive_partitioning=True)
    rows = frame.sort("line_number").collect().to_dicts()
    expected = truth(catalog)
    for row in (*rows, *expected):
        row["autotags"], row["exif"] = pairs(row["autotags"]), pairs(row["exif"])
    assert rows == expected
    again = pl.scan_parquet(f"{tmp_path}/out/**/*.parquet", hive_partitioning=True)
    assert again.select(pl.len()).collect().item() == N_ROWS


def test_duckdb_reads_every_value_back(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "out")
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{catalog}' AS source (READ_ONLY)")
    connection.execute("SET TimeZone = 'UTC'")
    files = f"read_parquet('{tmp_path}/out/items/*/*.parquet', hive_partitioning = true)"
    columns = [row[0] for row in connection.execute("DESCRIBE source.items").fetchall()]
    mine = ", ".join(columns).replace("date_uploaded", "date_uploaded AT TIME ZONE 'UTC'")
    for first, second in (
        (f"SELECT {mine} FROM {files}", "SELECT * FROM source.items"),
        ("SELECT * FROM source.items", f"SELECT {mine} FROM {files}"),
    ):
        # NULL keys of a hive partition are NULL again, so the whole rows compare.
        assert connection.execute(f"{first} EXCEPT ALL {second}").fetchall() == []


def test_types_are_those_that_every_engine_reads(catalog: Path, tmp_path: Path) -> None:
    summary = export(catalog, tmp_path / "out", file_rows=200)
    schemas = {str(pq.ParquetFile(tmp_path / "out" / file.path).schema) for file in summary.files}
    assert len({text.split("\n", 1)[1] for text in schemas}) == 1
    leaves = {}
    parquet = pq.ParquetFile(tmp_path / "out" / summary.files[0].path)
    for number in range(len(parquet.schema)):
        column = parquet.schema.column(number)
        leaves[column.path] = (column.physical_type, str(column.logical_type))
    micros = "timeUnit=microseconds"
    uploaded, taken = leaves["date_uploaded"], leaves["date_taken"]
    assert uploaded[0] == taken[0] == "INT64"
    assert "isAdjustedToUTC=true" in uploaded[1]
    assert micros in uploaded[1]
    assert "isAdjustedToUTC=false" in taken[1]
    assert micros in taken[1]
    assert leaves["user_tags.list.element"] == ("BYTE_ARRAY", "String")
    assert leaves["autotags.key_value.key"] == ("BYTE_ARRAY", "String")
    assert leaves["autotags.key_value.value"][0] == "FLOAT"
    assert leaves["places.list.element.woeid"][0] == "INT64"
    assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
    # The partition's columns are in the file too.
    assert {"license", "media_kind"} <= leaves.keys()


def test_rows_of_a_file_are_in_the_datasets_order_and_bounded(
    catalog: Path, tmp_path: Path
) -> None:
    summary = export(catalog, tmp_path / "out", file_rows=250)
    last: dict[str | None, int] = {}
    for file in summary.files:
        license_ = file.partition["license"]
        lines = pq.read_table(tmp_path / "out" / file.path, columns=["line_number"])[0].to_pylist()
        assert lines == sorted(set(lines))
        assert len(lines) == file.n_rows <= 250
        assert lines[0] > last.get(license_, -1)
        last[license_] = lines[-1]
    assert len(summary.files) == 15
    assert sum(file.n_rows for file in summary.files) == N_ROWS


def test_partitions_are_named_as_hive_names_them(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "out", partition_by=("media_kind", "extension"))
    items = tmp_path / "out" / "items"
    names = {path.name for path in (items / "media_kind=photo").iterdir()}
    assert names == {
        *("extension=jpg", "extension=png", "extension=a%2Fb", "extension=x%3D1%25"),
        "extension=__HIVE_DEFAULT_PARTITION__",
    }
    found = ds.dataset(items, partitioning="hive").to_table(columns=["extension"])
    assert set(found["extension"].to_pylist()) == {"jpg", "png", "a/b", "x=1%", None}
    frame = pl.scan_parquet(items, hive_partitioning=True)
    assert set(frame.collect()["extension"]) == {"jpg", "png", "a/b", "x=1%", None}


def test_a_filter_on_the_partition_opens_only_its_files(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "out")
    items = tmp_path / "out" / "items"
    for path in items.rglob("*.parquet"):
        if path.parent.name != "license=by-sa":
            # Whoever opened one of these would fail.
            path.write_bytes(b"PAR1 is not all it takes PAR1")
    by_sa = "license = 'by-sa'"
    frame = pl.scan_parquet(
        items,
        hive_partitioning=True,
        schema=pl.read_parquet_schema(items / "license=by-sa" / "part-00000.parquet"),
    ).filter(pl.col("license") == "by-sa")
    assert frame.collect().height == len(truth(catalog, by_sa))
    schema = pq.read_schema(items / "license=by-sa" / "part-00000.parquet")
    dataset = ds.dataset(items, partitioning="hive", schema=schema)
    assert dataset.count_rows(filter=ds.field("license") == "by-sa") == frame.collect().height


def test_only_the_selection_is_exported(catalog: Path, tmp_path: Path) -> None:
    selection = Selection(
        where="server_id < 5 -- a comment", license=("by", "by-sa"), autotag=("cat>0.5",)
    )
    summary = export(catalog, tmp_path / "out", selection=selection)
    table = ds.dataset(tmp_path / "out", partitioning="hive").to_table()
    expected = truth(catalog, selection.sql())
    assert by_line(table.to_pylist()) == expected
    assert 0 < len(expected) == summary.n_rows < N_ROWS


def test_an_empty_selection_has_the_columns_and_no_rows(catalog: Path, tmp_path: Path) -> None:
    summary = export(catalog, tmp_path / "out", selection=Selection(where="false"))
    assert (summary.n_rows, len(summary.files)) == (0, 1)
    whole = export(catalog, tmp_path / "whole")
    expected = pl.scan_parquet(tmp_path / "whole" / "items").collect_schema()
    frame = pl.scan_parquet(tmp_path / "out" / "items")
    assert frame.collect_schema() == expected
    assert frame.filter(pl.col("license") == "by").collect().height == 0
    assert ds.dataset(tmp_path / "out", partitioning="hive").count_rows() == 0
    assert whole.n_rows == N_ROWS


def test_without_partitions_there_is_one_directory(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "out", partition_by=())
    assert [path.name for path in (tmp_path / "out" / "items").iterdir()] == ["part-00000.parquet"]
    rows = pq.read_table(tmp_path / "out" / "items" / "part-00000.parquet").to_pylist()
    assert rows == truth(catalog)


def test_the_manifest_tells_every_file_and_where_it_comes_from(
    catalog: Path, tmp_path: Path
) -> None:
    from yfcc.catalog.reader import Catalog

    selection = Selection(media="photo")
    export(catalog, tmp_path / "out", selection=selection)
    text = (tmp_path / "out" / "_manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    with Catalog(catalog) as opened:
        assert manifest["catalog"]["fingerprint"] == opened.fingerprint()
    assert manifest["selection"] == {
        "sql": "(media_kind = 'photo')",
        "flags": {"--media": "media_kind = 'photo'"},
    }
    assert "/somewhere/private" not in text
    assert str(tmp_path) not in text
    assert manifest["partition_by"] == ["license"]
    assert list(manifest["columns"])[:2] == ["line_number", "photo_id"]
    assert manifest["started_at"] <= manifest["finished_at"]
    paths = {file["path"] for file in manifest["files"]}
    assert paths == {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*.parquet")
    }
    for file in manifest["files"]:
        content = (tmp_path / "out" / file["path"]).read_bytes()
        assert len(content) == file["n_bytes"]
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert manifest["n_rows"] == sum(file["n_rows"] for file in manifest["files"])


def test_two_exports_of_a_catalog_have_the_same_bytes(catalog: Path, tmp_path: Path) -> None:
    first, second = export(catalog, tmp_path / "1"), export(catalog, tmp_path / "2")
    assert first.files == second.files


def test_nothing_else_is_left_beside_the_export(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "new" / "out")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == {
        *("_manifest.json", "items", "_README.md", "_croissant.json", "_SHA256SUMS"),
    }


def test_an_export_that_is_there_is_replaced_only_on_request(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(catalog, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="--overwrite"):
        export(catalog, out)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    export(catalog, out, selection=Selection(license=("by",)), is_overwriting=True)
    assert [path.name for path in (out / "items").iterdir()] == ["license=by"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("inner", ["", "nothing/in/it"])
def test_an_empty_directory_may_be_filled(catalog: Path, tmp_path: Path, inner: str) -> None:
    (tmp_path / "out" / inner).mkdir(parents=True)
    assert export(catalog, tmp_path / "out").n_rows == N_ROWS


@pytest.mark.parametrize("with_manifest", [False, True])
def test_files_of_others_are_never_replaced(
    catalog: Path, tmp_path: Path, with_manifest: bool
) -> None:
    out = tmp_path / "out"
    if with_manifest:
        export(catalog, out)
    out.mkdir(exist_ok=True)
    (out / "diary.txt").write_text("dear diary")
    with pytest.raises(UsageError, match=r"diary\.txt"):
        export(catalog, out, is_overwriting=True)
    assert (out / "diary.txt").read_text() == "dear diary"


def test_a_file_that_came_meanwhile_is_not_replaced(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def put(_: object) -> None:
        out.mkdir(exist_ok=True)
        (out / "diary.txt").write_text("dear diary")

    with pytest.raises(UsageError, match=r"diary\.txt"):
        export_parquet(ParquetRequest(catalog, str(out), Selection()), put)
    assert [path.name for path in out.iterdir()] == ["diary.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_targets_place_is_refused(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="there is a file"):
        export(catalog, tmp_path / "out", is_overwriting=True)


def test_of_a_link_the_directory_behind_it_is_written(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    export(catalog, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "_manifest.json").exists()


def test_a_second_export_to_the_same_place_waits_for_no_one(catalog: Path, tmp_path: Path) -> None:
    with open_target(str(tmp_path / "out"), "0" * 12, is_overwriting=False):
        with pytest.raises(LockedError):
            export(catalog, tmp_path / "out")
        assert (tmp_path / "out.part-yfcc").exists()
    assert not (tmp_path / "out.part-yfcc").exists()
    assert export(catalog, tmp_path / "out").n_rows == N_ROWS


def test_an_overwriting_killed_between_its_renames_is_undone(catalog: Path, tmp_path: Path) -> None:
    export(catalog, tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "out.old-yfcc")
    with pytest.raises(UsageError, match="--overwrite"):
        export(catalog, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_error_leaves_nothing(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(target: DirectoryTarget, path: str) -> Any:
        table = pa.table({"photo_id": [1]})
        pq.write_table(table, tmp_path / "short.parquet")
        return (tmp_path / "short.parquet").open("rb")

    monkeypatch.setattr(DirectoryTarget, "open_source", short)
    with pytest.raises(VerifyError, match="expected 600 rows"):
        export(catalog, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["short.parquet"]


def test_without_a_catalog_it_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="yfcc metadata"):
        export(tmp_path / "nothing.duckdb", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["nothing = 1", "1; DROP TABLE items", "error('x')"])
def test_a_condition_that_cannot_be_computed_is_a_usage_error(
    catalog: Path, tmp_path: Path, where: str
) -> None:
    with pytest.raises(UsageError):
        export(catalog, tmp_path / "out", selection=Selection(where=where))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["title", "license,licence", "license,license", "", "none,license"]
)
def test_columns_that_cannot_be_partitioned_by_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="license, media_kind, extension"):
        parse_partition_columns(text)


def test_too_many_partitions_are_refused(tmp_path: Path) -> None:
    path = make_catalog(tmp_path / "catalog.duckdb", 300)
    connection = duckdb.connect(str(path))
    connection.execute("UPDATE items SET extension = line_number::VARCHAR")
    connection.close()
    with pytest.raises(UsageError, match="300 partitions"):
        export(path, tmp_path / "out", partition_by=("extension",))
    assert not (tmp_path / "out").exists()


def start(catalog: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = ["export", "parquet", "--catalog", str(catalog), "--out", str(out), "--quiet"]
    return subprocess.Popen([sys.executable, "-m", "yfcc.cli.main", *command, *more])


def test_killed_it_leaves_no_export_and_the_next_run_clears_up(large: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(large, out)
    part = tmp_path / "out.part-yfcc"
    deadline = time.monotonic() + 30
    while not list(part.glob("scratch-*/*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    assert part.exists()
    assert start(large, out).wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert ds.dataset(out, partitioning="hive").count_rows() == 200_000


def test_ctrl_c_leaves_nothing(large: Path, tmp_path: Path) -> None:
    process = start(large, tmp_path / "out")
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*.part-yfcc/scratch-*/*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_rows(large: Path, tmp_path: Path) -> None:
    """200,000 rows of 2 KB would be 400 MB and more if they were held."""
    code = (
        "import sys, pathlib\n"
        "from yfcc.share.parquet import *\n"
        "from yfcc.catalog.select import Selection\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "for lines, out in (('0-99999', 'a'), ('0-', 'b')):\n"
        "    chosen = Selection(lines=lines)\n"
        "    export_parquet(ParquetRequest(pathlib.Path(sys.argv[1]), out, chosen))\n"
        "    print(peak() // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(large)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    half, whole = map(int, done.stdout.split())
    assert whole < 700
    assert whole < half + 150


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root and tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_exit_6(
    large: Path, small_disk: Path, run_yfcc: RunYfcc
) -> None:
    done = run_yfcc(
        *("export", "parquet", "--catalog", str(large), "--out", str(small_disk / "out"))
    )
    assert done.returncode == 6, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "No space left" in done.stderr
    assert list(small_disk.iterdir()) == []


def test_a_mount_point_is_refused_before_anything_is_written(
    catalog: Path, small_disk: Path
) -> None:
    with pytest.raises(UsageError, match="file system of its own"):
        export(catalog, small_disk)


def test_a_folder_that_cannot_be_made_is_a_target_error(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError):
        export(catalog, tmp_path / "file" / "out")


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store)
    s3 = boto3.client("s3", endpoint_url=store, region_name="us-east-1")
    s3.create_bucket(Bucket="shared")
    yield s3
    for key in keys(s3):
        s3.delete_object(Bucket="shared", Key=key)
    s3.delete_bucket(Bucket="shared")
    s3.close()


def keys(s3: Any) -> set[str]:
    return {found["Key"] for found in s3.list_objects_v2(Bucket="shared").get("Contents", [])}


def read_bucket(s3: Any, store: str) -> list[dict[str, Any]]:
    filesystem = pa.fs.S3FileSystem(
        access_key="key", secret_key="secret", endpoint_override=store, region="us-east-1"
    )
    table = ds.dataset("shared/a/b", filesystem=filesystem, partitioning="hive").to_table()
    return by_line(table.to_pylist())


def test_into_a_bucket(catalog: Path, bucket: Any, store: str, run_yfcc: RunYfcc) -> None:
    command = [
        "export",
        "parquet",
        "--catalog",
        str(catalog),
        "--out",
        "s3://shared/a/b/",
        "--json",
    ]
    environment = {"AWS_ENDPOINT_URL_S3": store, **KEYS}
    done = run_yfcc(*command, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["manifest"] == "s3://shared/a/b/_manifest.json"
    assert read_bucket(bucket, store) == truth(catalog)
    assert "a/b/_manifest.json" in keys(bucket)
    assert "a/b/_unfinished.json" not in keys(bucket)
    again = run_yfcc(*command, **environment)
    assert again.returncode == 2
    assert "--overwrite" in again.stdout


def test_overwriting_in_a_bucket_removes_the_earlier_files_last(
    catalog: Path, bucket: Any, store: str
) -> None:
    export(catalog, "s3://shared/a/b")
    before = keys(bucket)
    export(catalog, "s3://shared/a/b", selection=Selection(license=("by",)), is_overwriting=True)
    after = keys(bucket)
    documents = ("_manifest.json", "_README.md", "_croissant.json", "_SHA256SUMS")
    assert before & after == {f"a/b/{name}" for name in documents}
    assert read_bucket(bucket, store) == truth(catalog, "license = 'by'")


def test_an_export_to_a_bucket_that_broke_off_is_cleared_up(
    catalog: Path, bucket: Any, store: str
) -> None:
    part = f"a/b/items/license=by/part-00000-{'ab' * 6}.parquet"
    with open_target("s3://shared/a/b", "ab" * 6, is_overwriting=False) as target:
        _, sink = target.open_sink("items/license=by", 0, "parquet")
        sink.write(b"half")
        sink.close()
        mark = bucket.get_object(Bucket="shared", Key="a/b/_unfinished.json")["Body"].read()
        assert keys(bucket) == {"a/b/_unfinished.json", part}
    assert keys(bucket) == set()
    # As a kill leaves it.
    bucket.put_object(Bucket="shared", Key="a/b/_unfinished.json", Body=mark)
    bucket.put_object(Bucket="shared", Key=part, Body=b"half")
    export(catalog, "s3://shared/a/b")
    assert read_bucket(bucket, store) == truth(catalog)


def test_objects_of_others_in_a_bucket_are_left_alone(catalog: Path, bucket: Any) -> None:
    bucket.put_object(Bucket="shared", Key="a/b/items/part-00000-abcdefabcdef.parquet", Body=b"x")
    with pytest.raises(UsageError, match="no export"):
        export(catalog, "s3://shared/a/b", is_overwriting=True)
    assert len(keys(bucket)) == 1


def test_a_bucket_that_is_not_there_is_a_target_error(catalog: Path, bucket: Any) -> None:
    with pytest.raises(TargetError, match="s3://nowhere/x"):
        export(catalog, "s3://nowhere/x")

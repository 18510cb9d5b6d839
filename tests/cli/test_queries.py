"""SQL on a catalog and a mirror, through the command."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import RunYfcc, SampleAt
from yfcc.catalog.query import prepare_query
from yfcc.catalog.reader import Catalog
from yfcc.demo.serve import EmbeddedServers

QUERIES = sorted((Path(__file__).parents[2] / "sql" / "queries").glob("*.sql"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> tuple[str, str]:
    """A catalog and a mirror with every kind of outcome."""
    from yfcc.catalog.build import BuildSettings, build_catalog
    from yfcc.catalog.select import Selection
    from yfcc.media.politeness import parse_rate
    from yfcc.media.settings import FetchSettings, parse_sources
    from yfcc.metadata.source import open_source
    from yfcc.mirror.download import DownloadRequest, download_selection
    from yfcc.progress import SilentProgress

    place = tmp_path_factory.mktemp("built")
    catalog, mirror = place / "catalog.duckdb", place / "mirror"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(catalog), SilentProgress())
    with EmbeddedServers(sample.directory) as servers:
        settings = FetchSettings(
            sources=parse_sources("s3,flickr"),
            s3_endpoint=servers.s3_endpoint,
            flickr_endpoint=servers.flickr_endpoint,
            flickr_rate=parse_rate("500/s"),
        )
        request = DownloadRequest(catalog, str(mirror), Selection(), settings, None, 8, "test")
        download_selection(request)
    return str(catalog), str(mirror)


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_an_example_query_answers(path: Path, built: tuple[str, str], run_yfcc: RunYfcc) -> None:
    catalog, mirror = built
    done = run_yfcc(
        "query", "--file", str(path), "--catalog", catalog, "--mirror", mirror, "--json"
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    # Few items: no twin pictures need be among them, and concepts may lack.
    assert rows or path.stem in ("same_bytes", "balanced_sample")
    header = path.read_text(encoding="utf-8").split("-- out:")[1].split("-- rows:")[0]
    for name in rows[0] if rows else ():
        assert name in header, f"{path.name} does not announce its column {name}"


def test_there_are_at_least_ten_example_queries() -> None:
    assert len(QUERIES) >= 10


def test_csv_json_and_parquet_say_the_same(
    built: tuple[str, str], run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    sql = "SELECT photo_id, title FROM items ORDER BY line_number LIMIT 20"
    base = ("query", sql, "--catalog", built[0])
    as_json = json.loads(run_yfcc(*base, "--format", "json").stdout)
    text = run_yfcc(*base, "--format", "csv").stdout
    as_csv = list(csv.DictReader(io.StringIO(text)))
    assert run_yfcc(*base, "--format", "parquet", "--output", "out.parquet").returncode == 0
    as_parquet = pl.read_parquet(tmp_path / "out.parquet").to_dicts()
    assert as_json == as_parquet
    assert [str(row["photo_id"]) for row in as_json] == [row["photo_id"] for row in as_csv]


def test_a_query_without_a_mirror_finds_downloads_empty(
    built: tuple[str, str], run_yfcc: RunYfcc
) -> None:
    done = run_yfcc("query", "SELECT count(*) AS n FROM downloads", "--catalog", built[0])
    assert done.stdout.split() == ["n", "0"]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DROP TABLE items", "expected one SELECT, got DROP"),
        ("SELECT 1; SELECT 2", "got 2 statements"),
        ("COPY items TO 'x.csv'", "got COPY: --format and --output write the answer to a file."),
        ("PRAGMA table_info('items')", "got PRAGMA: --tables and --describe TABLE tell what there"),
        ("PIVOT items ON license USING count(*)", "write SELECT * FROM (PIVOT"),
        ("", "got 0 statements"),
        ("SELEC 1", "cannot be read"),
        ("SELECT nothing FROM items", "cannot be run"),
        ("SELECT * FROM item", "Tables and views: "),
    ],
)
def test_sql_that_is_not_one_select_is_refused(
    sql: str, says: str, built: tuple[str, str], run_yfcc: RunYfcc
) -> None:
    done = run_yfcc("query", sql, "--catalog", built[0])
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_query_is_refused(
    built: tuple[str, str], run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    (tmp_path / "noise.sql").write_bytes(b"SELECT 1\n\xff")
    for name, says in (
        ("licences.sql", "--file licences.sql: no such SQL file. Did you mean licenses.sql?"),
        ("zzz.sql", "--file zzz.sql: no such SQL file. yfcc has balanced_sample.sql, "),
        ("noise.sql", "--file noise.sql, line 2: expected text in UTF-8."),
    ):
        done = run_yfcc("query", "--file", name, "--catalog", built[0])
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"yfcc: {says}")


def test_types_that_python_lacks_are_printed_as_text(
    built: tuple[str, str], run_yfcc: RunYfcc
) -> None:
    sql = (
        "SELECT INTERVAL '1 month 2 days' AS i, [INTERVAL '3 days'] AS l, 'infinity'::DATE AS d, "
        "TIMESTAMP '1864-07-04 12:00:00' AS t, MAP {'a': 1.5} AS m, [1, NULL] AS n, 2 AS a, 3 AS a "
        "-- all"
    )
    done = run_yfcc("query", sql, "--catalog", built[0])
    assert done.stdout == (
        "i\tl\td\tt\tm\tn\ta\ta_1\n"
        "1 month 2 days\t[3 days]\tinfinity\t1864-07-04 12:00:00\t{a=1.5}\t[1, None]\t2\t3\n"
    )
    with Catalog(Path(built[0])) as catalog:
        table = prepare_query(catalog.connection, "SELECT INTERVAL '1 month' AS i, 1 AS n").table()
    assert table.rows() == [("1 month", 1)]


def test_numbers_that_json_lacks_are_null(built: tuple[str, str], run_yfcc: RunYfcc) -> None:
    sql = "SELECT 'nan'::DOUBLE AS a, 1e0 / 0 AS b, 0.5::FLOAT AS c, NULL::DOUBLE AS d"
    done = run_yfcc("query", sql, "--catalog", built[0], "--json")
    assert done.stdout.split() == ["[", '{"a":null,"b":null,"c":0.5,"d":null}', "]"]


def test_a_query_prints_untrusted_text_harmlessly(
    built: tuple[str, str], run_yfcc: RunYfcc
) -> None:
    sql = "SELECT chr(27) || '[31m[/nope]' || chr(10) || chr(8238) AS title"
    done = run_yfcc("query", sql, "--catalog", built[0])
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "[/nope]" in done.stdout


def test_a_selection_is_joined_with_what_became_of_it(
    built: tuple[str, str], run_yfcc: RunYfcc
) -> None:
    sql = (
        "SELECT outcome, count(*) AS n FROM {table} JOIN downloads USING (photo_id) "
        "{where} GROUP BY ALL ORDER BY ALL"
    )
    catalog, mirror = built
    places = ("--catalog", catalog, "--mirror", mirror, "--format", "csv")
    flags = ("--license", "by,by-sa,by-nd", "--sample", "60", "--per", "license", "--seed", "4")
    drawn = run_yfcc("query", sql.format(table="selected", where=""), *places, *flags)
    told = run_yfcc("query", "--explain", "--json", "--catalog", catalog, *flags)
    where = json.loads(told.stdout)["sql"].partition("\n")[2]
    same = run_yfcc("query", sql.format(table="items", where=where), *places)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout == same.stdout
    assert sum(int(row["n"]) for row in csv.DictReader(io.StringIO(drawn.stdout))) == 60


def test_a_missing_catalog_says_how_to_build_one(run_yfcc: RunYfcc) -> None:
    done = run_yfcc("query", "SELECT 1", "--catalog", "nowhere.duckdb")
    assert done.returncode == 4
    assert "yfcc metadata" in done.stderr

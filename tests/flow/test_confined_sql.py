"""SQL of the user reads the catalog, and neither reads nor writes any other file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from yfcc.catalog.connection import Limits, connect_writer
from yfcc.catalog.query import files_of, open_records, prepare_query
from yfcc.catalog.reader import Catalog
from yfcc.catalog.schema import create_tables, create_views
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError

SECRET = "the-canary-in-a-file"

#: Conditions that would reach a file, by what is used for it.
REACHES = {
    "read_text": "(SELECT max(content) FROM read_text('{file}')) = 'x'",
    "read_blob": "(SELECT count(*) FROM read_blob('{file}')) >= 0",
    "read_csv": "(SELECT count(*) FROM read_csv('{file}', header = false)) >= 0",
    "read_csv_auto": "(SELECT count(*) FROM read_csv_auto('{file}')) >= 0",
    "read_json": "(SELECT count(*) FROM read_json_auto('{file}')) >= 0",
    "read_parquet": "(SELECT count(*) FROM read_parquet('{file}')) >= 0",
    "parquet_metadata": "(SELECT count(*) FROM parquet_metadata('{file}')) >= 0",
    "sniff_csv": "(SELECT count(*) FROM sniff_csv('{file}')) >= 0",
    "glob": "(SELECT count(*) FROM glob('{folder}/*')) >= 0",
    "a file's name": "(SELECT count(*) FROM '{file}') >= 0",
    "query": "(SELECT count(*) FROM query('SELECT * FROM read_text(''{file}'')')) >= 0",
    "query_table": "(SELECT count(*) FROM query_table('{file}')) >= 0",
    "read_duckdb": "(SELECT count(*) FROM read_duckdb('{file}')) >= 0",
    "a web address": "(SELECT count(*) FROM read_csv('http://127.0.0.1:9/x.csv')) >= 0",
    "secrets": "(SELECT count(*) FROM duckdb_secrets()) >= 0",
    "a variable": "getenv('YFCC_CANARY') = 'x'",
    "a way round": "(SELECT count(*) FROM read_text('{scratch}/../elsewhere/secret.csv')) >= 0",
}

STATEMENTS = [
    "COPY (SELECT 1) TO '{file}'",
    "ATTACH '{file}' AS other",
    "EXPORT DATABASE '{folder}'",
    "SET enable_external_access = true",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SELECT 1; COPY (SELECT 1) TO '{file}'",
    "DROP TABLE items",
    "CREATE TABLE t AS SELECT 1",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "PRAGMA database_list",
    "CALL enable_logging()",
    "",
]

CONDITIONS = [
    "true); DROP TABLE items; --",
    "true) UNION SELECT 1 FROM items WHERE (true",
    "true; SELECT 2",
    "false) OR (true",
    "1) LIMIT 1; COPY (SELECT 1) TO '{file}'; SELECT (1",
    "",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    catalog = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    connection = connect_writer(catalog, Limits())
    create_tables(connection)
    create_views(connection)
    connection.close()
    secret = catalog.parent / "elsewhere" / "secret.csv"
    secret.parent.mkdir()
    secret.write_text(f"a\n{SECRET}\n")
    return catalog


def fill_in(text: str, path: Path) -> str:
    folder = path.parent / "elsewhere"
    scratch = next(path.parent.glob("*scratch*"), path.parent / "none")
    return text.format(file=folder / "secret.csv", folder=folder, scratch=scratch)


def run(path: Path, sql: str) -> None:
    none: dict[str, list[Path]] = {"downloads": [], "runs": []}
    with Catalog(path) as catalog, open_records(catalog, Selection(), none) as connection:
        prepare_query(connection, fill_in(sql, path)).table()


@pytest.mark.parametrize("how", REACHES)
def test_a_query_reaches_no_file(how: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YFCC_CANARY", SECRET)
    with pytest.raises(UsageError) as found:
        run(path, f"SELECT {REACHES[how]}")
    assert SECRET not in str(found.value)


@pytest.mark.parametrize("how", REACHES)
def test_a_condition_reaches_no_file(how: str, path: Path) -> None:
    with Catalog(path) as catalog, pytest.raises(UsageError) as found:
        catalog.count(Selection(where=fill_in(REACHES[how], path)))
    assert SECRET not in str(found.value)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_nothing_but_one_select_is_run(sql: str, path: Path) -> None:
    with pytest.raises(UsageError):
        run(path, sql)
    assert [each.name for each in (path.parent / "elsewhere").iterdir()] == ["secret.csv"]
    assert SECRET in (path.parent / "elsewhere" / "secret.csv").read_text()


@pytest.mark.parametrize("where", CONDITIONS)
def test_a_condition_is_one_condition(where: str, path: Path) -> None:
    with Catalog(path) as catalog:
        if not where:
            assert catalog.count(Selection(where=where)).rows == ()
            return
        with pytest.raises(UsageError, match="--where"):
            catalog.count(Selection(where=fill_in(where, path)))
        assert catalog.count(Selection()).rows == ()


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
@pytest.mark.parametrize("is_relative", [False, True])
def test_an_answer_goes_where_it_was_asked_for_and_nowhere_else(
    kind: str, path: Path, tmp_path: Path, is_relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "o'k").mkdir()
    full = tmp_path / "o'k" / f"answer.{kind}"
    target = os.path.relpath(full) if is_relative else str(full)
    with Catalog(path, files=files_of(target)) as catalog:
        for number in (1, 2):  # the second takes the first one's place
            prepare_query(catalog.connection, f"SELECT {number} AS a").write(kind, target)
        other = prepare_query(catalog.connection, "SELECT 3 AS a")
        with pytest.raises(UsageError, match="file system operations are disabled"):
            other.write(kind, str(tmp_path / "other"))
    assert [each.name for each in full.parent.iterdir()] == [full.name]
    if kind == "json":
        assert json.loads(full.read_text()) == [{"a": 2}]


def test_what_does_not_fit_in_memory_is_spilled_all_the_same(path: Path) -> None:
    with Catalog(path, Limits("60MB", 1)) as catalog:
        sql = "SELECT count(DISTINCT md5(range::VARCHAR)) AS n FROM range(1500000)"
        assert prepare_query(catalog.connection, sql).table()["n"].to_list() == [1_500_000]

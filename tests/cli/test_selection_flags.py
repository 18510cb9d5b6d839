"""The selection flags on the command line: explained, refused, and in `yfcc query`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import RunYfcc
from tests.fakes.small_catalog import write_small_catalog


@pytest.fixture
def catalog(tmp_path: Path) -> str:
    return str(write_small_catalog(tmp_path / "catalog.duckdb"))


FLAGS = ("--license", "by,by-sa", "--media", "photo", "--autotag", "cat>=0.55")
EXPLAINED = """\
flag	alone	% alone	with those above	%
--license by,by-sa	6	75.00	6	75.00
--media photo	7	87.50	5	62.50
--autotag cat>=0.55	7	87.50	4	50.00
--autotag !outdoor>0.95	8	100.00	4	50.00
selected			4	50.00
4 of 8 items selected
SELECT * FROM items
WHERE (license IN ('by', 'by-sa'))
  AND (media_kind = 'photo')
  AND (coalesce(autotags['cat'] >= CAST(0.55 AS FLOAT), false) AND NOT \
(coalesce(autotags['outdoor'] > CAST(0.95 AS FLOAT), false)))
"""


@pytest.mark.parametrize(
    "command",
    [
        ("query",),
        ("download", "--mirror", "new/mirror"),
        ("export", "parquet", "--out", "new/export"),
    ],
)
def test_explain_says_what_each_flag_selects_and_does_no_more(
    command: tuple[str, ...], catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    flags = (*FLAGS, "--autotag", "!outdoor>0.95", "--explain")
    done = run_yfcc(*command, "--catalog", catalog, *flags)
    assert (done.returncode, done.stdout, done.stderr) == (0, EXPLAINED, "")
    assert not (tmp_path / "new").exists()
    assert [each.name for each in tmp_path.glob("*.*")] == ["catalog.duckdb"]


def test_an_explained_sample_tells_its_strata(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text("".join(f"{photo_id}\n" for photo_id in range(90, 107)))
    flags = ("--ids", "ids.txt", "--sample", "5", "--per", "license")
    told = json.loads(run_yfcc("query", "--explain", "--json", *flags, "--catalog", catalog).stdout)
    numbers = [(e["flag"], e["value"], e["n_alone"], e["n_left"]) for e in told["flags"]]
    assert numbers == [("--ids", "ids.txt", 7, 7), ("--sample", "5 --per license", 5, 5)]
    assert (told["n_items"], told["n_selected"], told["share"]) == (8, 5, 0.625)
    assert told["strata"] == [
        {"value": "by", "n_items": 4, "n_least": 2, "n_most": 2},
        {"value": "by-sa", "n_items": 2, "n_least": 2, "n_most": 2},
        {"value": "by-nc", "n_items": 1, "n_least": 1, "n_most": 1},
    ]
    assert (told["ids"]["n_listed"], told["ids"]["n_found"]) == (17, 7)


def test_the_sql_of_an_explained_sample_selects_it(catalog: str, run_yfcc: RunYfcc) -> None:
    flags = ("--sample", "5", "--per", "license", "--media", "photo", "--catalog", catalog)
    done = run_yfcc("query", "--explain", *flags)
    told, sql = done.stdout.split("SELECT * FROM items")
    assert told.splitlines()[4:] == [
        "license\titems\tdrawn",
        "by\t4\t2",
        "by-nc\t1\t1",
        "by-sa\t1\t1",
        "\t1\t1",
        "5 of 8 items selected",
    ]
    chosen = run_yfcc("query", "SELECT photo_id FROM selected ORDER BY ALL", *flags)
    again = run_yfcc("query", f"SELECT photo_id FROM items {sql} ORDER BY ALL", *flags[-2:])
    assert len(chosen.stdout.splitlines()) == 6
    assert chosen.stdout == again.stdout


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ("--country", "Japn"),
            "--country Japn: no item of the catalog has it. Did you mean Japan?",
        ),
        (
            ("--country", "Atlantis"),
            (
                "--country Atlantis: no item of the catalog has it. The nearest there are: Japan, "
                'France. `yfcc query "SELECT name, woeid FROM countries"` lists those there are.'
            ),
        ),
        (
            ("--country", "tokyo"),
            (
                "--country tokyo: no item of the catalog has it. It is a place of another kind: "
                "--place tokyo."
            ),
        ),
        (
            ("--user", "ann"),
            "--user ann: no item of the catalog has it. Expected an NSID, like 12345678@N00.",
        ),
        (
            ("--country", "Japan", "--country", "Fiji"),
            (
                "--country: expected one value, got 2: Japan, Fiji. Flags are joined with AND; "
                "--where takes OR."
            ),
        ),
        (
            ("--where", "date_taken < now()"),
            (
                "--where date_taken < now(): now gives other items another day. Write the time, "
                "like TIMESTAMP '2012-02-16 09:56:37'."
            ),
        ),
        (
            ("--autotag", "!outdor"),
            "--autotag outdor: no item of the catalog has it. Did you mean outdoor?",
        ),
        (
            ("--bbox", "0,10,1,5"),
            (
                "--bbox 0,10,1,5: expected longitudes from -180 to 180 and latitudes from -90 to "
                "90, south before north. The order is W,S,E,N. Did you mean 0,5,1,10?"
            ),
        ),
        (
            ("--ids", "ids.txt"),
            (
                "--ids ids.txt, line 2: expected a photo id (digits) or a photo hash (16 to 32 hex "
                "digits), got 'junk'."
            ),
        ),
        (
            ("--country", ""),
            (
                "--country: expected a value, got none. Leave the flag out to select whatever "
                "its value."
            ),
        ),
        (
            ("--license", ","),
            (
                "--license: expected a value, got none. Leave the flag out to select whatever "
                "its value."
            ),
        ),
        (
            ("--place", os.fsdecode(b"T\xffkyo")),
            "--place 'T\\udcffkyo': expected text in UTF-8, got other bytes.",
        ),
        (
            ("--where", os.fsdecode(b"title = '\xff'")),
            "--where \"title = '\\udcff'\": expected text in UTF-8, got other bytes.",
        ),
        (
            ("--tag", "x" * 90_000),
            f"--tag {'x' * 40}…: expected at most 2,000 characters, got 90,000.",
        ),
        (
            ("--where", "accuracy > random()"),
            (
                "--where accuracy > random(): random gives other items each time. `--sample N "
                "--seed S` draws by chance, and the same again."
            ),
        ),
        (("--lines", "8-"), "--lines 8-: the lines of the catalog end at 7."),
        (
            ("--device", "Cannon"),
            "--device Cannon: no item of the catalog has it. Did you mean Canon EOS 5D?",
        ),
        (
            ("--ids", "x" * 5000),
            (
                f"--ids {'x' * 40}…: File name too long; expected a file with a photo id or hash "
                "a line."
            ),
        ),
        (
            ("--ids", "/dev/null"),
            (
                "--ids /dev/null: neither file nor directory; expected a file with a photo id or "
                "hash a line."
            ),
        ),
        (
            ("--media", "photo"),
            (
                "--media: the selection flags choose what `selected` holds, and the SQL does not "
                "read it. Write FROM selected, or leave the flags out."
            ),
        ),
    ],
)
def test_a_wrong_selection_is_refused_with_what_would_be_right(
    flags: tuple[str, ...], says: str, catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text("101\njunk\n")
    table = "items" if flags[0] == "--media" else "selected"
    done = run_yfcc("query", f"SELECT count(*) FROM {table}", "--catalog", catalog, *flags)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"yfcc: {says}\n")


@pytest.mark.parametrize(
    ("where", "near"),
    [("accuracy =", "="), ("license = by", "by"), ("true) OR (true", ")")],
)
def test_a_condition_that_is_none_is_shown_where_it_goes_wrong(
    where: str, near: str, catalog: str, run_yfcc: RunYfcc
) -> None:
    done = run_yfcc("query", "SELECT 1 FROM selected", "--where", where, "--catalog", catalog)
    assert done.returncode == 2
    first, *_ = done.stderr.splitlines()
    assert first == (
        f"yfcc: --where {where}: not a condition over the columns of items: Parser Error: syntax "
        f'error at or near "{near}"'
    )


CAST = "capture_device::INT > 0"


@pytest.mark.parametrize(
    "command",
    [
        ("query", "SELECT count(*) FROM selected"),
        ("query", "SELECT photo_id FROM selected", "--format", "csv"),
        ("query", "--explain", "--sample", "3"),
        ("credits", "--from-catalog"),
    ],
)
def test_a_condition_that_fails_at_an_item_is_named(
    command: tuple[str, ...], catalog: str, run_yfcc: RunYfcc
) -> None:
    done = run_yfcc(*command, "--where", CAST, "--catalog", catalog)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"yfcc: --where {CAST}: cannot be computed for every item; TRY_CAST(… AS …) gives NULL "
        "where a cast fails: Conversion Error: Could not convert string 'Canon EOS 5D'"
    )


def test_a_query_that_fails_beside_a_good_condition_is_to_blame(
    catalog: str, run_yfcc: RunYfcc
) -> None:
    sql = "SELECT capture_device::INT FROM selected"
    done = run_yfcc("query", sql, "--where", "accuracy IS NULL", "--catalog", catalog)
    assert done.returncode == 2
    assert done.stderr.startswith("yfcc: the SQL cannot be run: Conversion Error")


def test_settings_and_several_flags_mean_what_they_say(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    (tmp_path / "yfcc.toml").write_text('tag = "sea"\nsample = 3\n[query]\nlicense = "by-sa"\n')
    sql = "SELECT count(*) AS n, min(photo_id) AS first FROM selected"
    one = run_yfcc("query", sql, "--catalog", catalog)
    assert (one.stdout, one.stderr) == ("n\tfirst\n1\t104\n", "")
    either = run_yfcc("query", sql, "--license", "by", "--license", "by-sa", "--catalog", catalog)
    assert (either.stdout, either.stderr) == ("n\tfirst\n3\t100\n", "")


def test_ids_that_a_catalog_lacks_are_said(catalog: str, run_yfcc: RunYfcc, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("101\n999\n")
    flags = ("--ids", "ids.txt", "--catalog", catalog)
    said = "2 different ids listed in ids.txt, 1 of them not in the catalog\n"
    done = run_yfcc("query", "SELECT photo_id FROM selected", *flags)
    assert (done.stdout, done.stderr) == ("photo_id\n101\n", said)
    quiet = run_yfcc("query", "SELECT photo_id FROM selected", *flags, "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("photo_id\n101\n", "")


def test_words_in_texts_and_comments_are_left_to_no_chance(catalog: str, run_yfcc: RunYfcc) -> None:
    where = "coalesce(title, 'random()') <> 'it''s' -- random() or uuid()"
    sql = "SELECT count(*) AS n FROM selected"
    done = run_yfcc("query", sql, "--where", where, "--catalog", catalog)
    assert (done.stdout, done.stderr) == ("n\n8\n", "")


def test_a_query_reads_the_selection_and_the_mirrors_records(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    # Settings are for every command: a query that does not read the selection leaves them alone.
    (tmp_path / "yfcc.toml").write_text('license = "by-sa"\n')
    sql = (
        "SELECT count(*) AS n, (SELECT count(*) FROM items) AS n_all, count(outcome) AS n_tried "
        "FROM selected LEFT JOIN downloads USING (photo_id)"
    )
    done = run_yfcc("query", sql, "--catalog", catalog, "--media", "photo", "--format", "csv")
    said = "downloads: empty, as no mirror is named; --mirror names one.\n"
    assert (done.stdout, done.stderr) == ("n,n_all,n_tried\n1,8,0\n", said)
    plain = run_yfcc("query", "SELECT count(*) AS n FROM photos", "--catalog", catalog)
    assert (plain.stdout, plain.stderr) == ("n\n7\n", "")


def test_tables_and_columns_are_told(catalog: str, run_yfcc: RunYfcc) -> None:
    told = json.loads(run_yfcc("query", "--tables", "--json", "--catalog", catalog).stdout)
    tables = {each["name"]: each for each in told}
    assert {"items", "downloads", "runs", "selected", "countries", "item_exif"} <= set(tables)
    assert (tables["items"]["kind"], tables["items"]["n_rows"]) == ("table", 8)
    assert (tables["selected"]["kind"], tables["selected"]["n_rows"]) == ("view", None)
    for table in told:
        assert table["about"].endswith("."), table["name"]
        assert table["rows"], table["name"]
        assert table["columns"], table["name"]
    assert all(column["about"] for column in tables["items"]["columns"])
    done = run_yfcc("query", "--describe", "Item_Places", "--catalog", catalog)
    assert done.stdout == (
        "item_places (view): The places of every geotagged item, fine to coarse.\n"
        "made of: items\n"
        "makes: item_places(photo_id, woeid, name, type)\n"
        "rows: one an item and place\n"
        "column\ttype\tabout\n"
        "photo_id\tBIGINT\tof photos and videos\n"
        "woeid\tBIGINT\t\n"
        "name\tVARCHAR\t\n"
        "type\tVARCHAR\t\n"
    )
    wrong = run_yfcc("query", "--describe", "itms", "--catalog", catalog)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("yfcc: --describe itms: expected one of countries, downloads, ")
    assert wrong.stderr.endswith(" Did you mean items?\n")

"""What a catalog's rows come to as credits, and what the JSON of an item says of them."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.fakes.rows import edition_v2, line_v2, write_files
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress
from yfcc.share.credit_lists import credits_of_selected
from yfcc.share.credits import Credit, missing_parts, read_credit

LINES = [
    line_v2(1001, 0, user_nickname="Ada+%26+Bob"),
    line_v2(1002, 1, user_nickname="++"),
    line_v2(1003, 2, user_nickname=""),
    line_v2(1004, 3, title=""),
    line_v2(1005, 4, license_name="", license_url=""),
    line_v2(1006, 5, page_url=""),
]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    source = open_source(str(write_files(tmp_path / "source", edition_v2(LINES))))
    build_catalog(source, BuildSettings(tmp_path / "catalog.duckdb"), SilentProgress())
    return tmp_path / "catalog.duckdb"


def read(catalog: Path) -> list[Credit]:
    with Catalog(catalog) as opened:
        return list(credits_of_selected(opened, Selection()))


def test_the_author_is_the_nickname_or_else_the_nsid(catalog: Path) -> None:
    found = read(catalog)
    assert [credit.photo_id for credit in found] == [1001, 1002, 1003, 1004, 1005, 1006]
    nsid = "10000001@N00"
    assert [credit.author for credit in found[:3]] == ["Ada & Bob", nsid, nsid]
    assert {credit.author_url for credit in found} == {f"https://www.flickr.com/people/{nsid}/"}


def test_a_title_that_is_not_there_is_no_gap_a_licence_or_page_is(catalog: Path) -> None:
    found = read(catalog)
    assert found[3].title is None
    assert [missing_parts(credit) for credit in found] == [
        *((),) * 4,
        ("licence",),
        ("source",),
    ]


def test_the_json_of_an_item_says_the_same(catalog: Path) -> None:
    with Catalog(catalog) as opened:
        rows = opened.connection.execute("SELECT photo_id, document FROM item_documents").fetchall()
    documents = [{"photo_id": photo_id, **json.loads(document)} for photo_id, document in rows]
    assert [read_credit(document) for document in documents] == read(catalog)
    for document in documents:
        assert document["attribution"].keys() == {
            *("title", "author", "author_url", "source_url", "license_name", "license_url")
        }


def test_a_catalog_of_an_older_version_has_credits_too(catalog: Path) -> None:
    expected = read(catalog)
    with duckdb.connect(str(catalog)) as connection:
        connection.execute("DROP VIEW item_documents")
        connection.execute("DROP VIEW item_credits")
    assert read(catalog) == expected

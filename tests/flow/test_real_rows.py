"""True rows, read where they lie: every value of the catalog against a plain Python parse.

Set ``YFCC_REAL_ROWS`` to a folder with the plain-text files ``yfcc100m_dataset``,
``yfcc100m_dataset-v1``, ``yfcc100m_autotags``, ``yfcc100m_exif`` and ``yfcc100m_hash``. They name
real people and are no part of the project.
"""

from __future__ import annotations

import bz2
import os
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import duckdb
import pytest

from tests.fakes.rows import hash_of
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress

FOLDER = os.environ.get("YFCC_REAL_ROWS")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="YFCC_REAL_ROWS names no folder with true rows of the dataset"
)

NAMES_V1 = [
    *("photo_id", "user_nsid", "user_nickname", "date_taken", "date_uploaded", "capture_device"),
    *("title", "description", "user_tags", "machine_tags", "longitude", "latitude", "accuracy"),
    *("page_url", "download_url", "license_name", "license_url", "server_id", "farm_id"),
    *("secret", "secret_original", "extension", "marker"),
]
NAMES_V2 = ["line_number", "photo_id", "photo_hash", *NAMES_V1[1:]]


def lines_of(name: str) -> list[str]:
    text = (Path(FOLDER or "") / name).read_bytes().decode("ascii")
    return text.removesuffix("\n").split("\n")


def pack_of(name: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in lines_of(name):
        photo_id, value = line.split("\t")
        found.setdefault(int(photo_id), value)
    return found


def moment(text: str) -> datetime | None:
    if text in ("", "null"):
        return None
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - local time


def uploaded(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC).replace(tzinfo=None) if text else None


def text_list(text: str) -> list[str] | None:
    return [unquote_plus(tag) for tag in text.split(",")] if text else None


def float32(text: str) -> float:
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def autotags_map(text: str | None) -> dict[str, float] | None:
    if not text:
        return None
    pairs = [pair.rpartition(":") for pair in text.split(",")]
    return {concept: float32(score) for concept, _, score in pairs}


def exif_map(text: str | None) -> dict[str, str] | None:
    if not text:
        return None
    found: dict[str, list[str]] = {}
    for pair in text.split(","):
        tag, _, value = pair.partition(":")
        found.setdefault(unquote_plus(tag), []).append(unquote_plus(value))
    return {tag: "\n".join(values) for tag, values in found.items()}


PARSERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("user_nickname", "capture_device", "title", "description"), unquote_plus),
    **dict.fromkeys(("user_tags", "machine_tags"), text_list),
    **dict.fromkeys(("longitude", "latitude"), float),
    **dict.fromkeys(("line_number", "photo_id", "accuracy", "server_id", "farm_id"), int),
    "date_taken": moment,
    "date_uploaded": uploaded,
}


def wanted_item(names: list[str], line: str) -> dict[str, Any]:
    """The row of ``items`` that a line stands for, parsed field by field."""
    row = dict(zip(names, line.split("\t"), strict=True))
    marker = row.pop("marker")
    item = {n: PARSERS.get(n, str)(text) if text else None for n, text in row.items()}
    license_of = re.search(r"/licenses/([a-z-]+)/", row["license_url"])
    item["license"] = license_of[1] if license_of else None
    item["media_kind"] = {"0": "photo", "1": "video"}[marker]
    first_six = int(row["photo_id"].zfill(6)[:6])
    item["shard"] = (first_six * 2654435761 % 2**32) >> 20
    return item


def compress(directory: Path, files: dict[str, list[str]]) -> Path:
    directory.mkdir()
    for name, lines in files.items():
        content = "".join(line + "\n" for line in lines).encode()
        (directory / name).write_bytes(bz2.compress(content))
    return directory


def built(directory: Path, catalog: Path) -> list[dict[str, Any]]:
    source = open_source(str(directory))
    build_catalog(source, BuildSettings(catalog), SilentProgress())
    with duckdb.connect(str(catalog), read_only=True) as connection:
        answer = connection.execute("SELECT * FROM items ORDER BY line_number")
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def check_equal(items: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Compare field by field; a difference names the line and the field, not the person."""
    assert len(items) == len(wanted)
    for number, (got, want) in enumerate(zip(items, wanted, strict=True)):
        differing = [name for name in got if got[name] != want[name]]
        assert (number, differing) == (number, [])
        assert got.keys() == want.keys()


def count(catalog: Path, table: str) -> int:
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]


def test_true_rows_of_25_columns_become_what_a_plain_parse_says(tmp_path):
    lines = lines_of("yfcc100m_dataset")
    autotags, exif = pack_of("yfcc100m_autotags"), pack_of("yfcc100m_exif")
    files = {
        f"yfcc100m_{n}.bz2": lines_of(f"yfcc100m_{n}") for n in ("dataset", "autotags", "exif")
    }
    catalog = tmp_path / "catalog.duckdb"
    items = built(compress(tmp_path / "v2", files), catalog)
    wanted = []
    for line in lines:
        item = wanted_item(NAMES_V2, line)
        item["autotags"] = autotags_map(autotags.get(item["photo_id"]))
        item["exif"] = exif_map(exif.get(item["photo_id"]))
        item["places"] = None
        wanted.append(item)
    check_equal(items, sorted(wanted, key=lambda item: item["line_number"]))
    assert count(catalog, "rejected_lines") == 0
    ids = {item["photo_id"] for item in wanted}
    n_orphans = len(autotags.keys() - ids) + len(exif.keys() - ids)
    assert count(catalog, "orphans") == n_orphans


def test_true_values_of_packs_are_all_parsed_whether_their_item_is_there_or_not(tmp_path):
    autotags, exif = pack_of("yfcc100m_autotags"), pack_of("yfcc100m_exif")
    ids = list(dict.fromkeys([*autotags, *exif]))
    model = lines_of("yfcc100m_dataset")[0].split("\t")
    files = {
        "yfcc100m_dataset.bz2": [
            "\t".join([str(n), str(i), *model[2:]]) for n, i in enumerate(ids)
        ],
        "yfcc100m_autotags.bz2": lines_of("yfcc100m_autotags"),
        "yfcc100m_exif.bz2": lines_of("yfcc100m_exif"),
    }
    catalog = tmp_path / "catalog.duckdb"
    items = built(compress(tmp_path / "v2", files), catalog)
    assert [item["photo_id"] for item in items] == ids
    for number, item in enumerate(items):
        photo_id = item["photo_id"]
        assert (number, item["autotags"] == autotags_map(autotags.get(photo_id))) == (number, True)
        assert (number, item["exif"] == exif_map(exif.get(photo_id))) == (number, True)
    assert count(catalog, "rejected_lines") == count(catalog, "orphans") == 0


def test_true_rows_of_23_columns_become_what_a_plain_parse_says(tmp_path):
    lines, hashes = lines_of("yfcc100m_dataset-v1"), pack_of("yfcc100m_hash")
    size = -(-len(lines) // 10)
    files = {
        f"yfcc100m_dataset-{part}.bz2": lines[part * size : (part + 1) * size] for part in range(10)
    }
    catalog = tmp_path / "catalog.duckdb"
    files["yfcc100m_hash.bz2"] = lines_of("yfcc100m_hash")
    items = built(compress(tmp_path / "v1", files), catalog)
    wanted = []
    for number, line in enumerate(lines):
        item = wanted_item(NAMES_V1, line)
        nothing = dict.fromkeys(("autotags", "exif", "places"))
        photo_hash = hashes.get(item["photo_id"]) or hash_of(item["download_url"])
        wanted.append(item | nothing | {"line_number": number, "photo_hash": photo_hash})
    check_equal(items, wanted)
    assert count(catalog, "rejected_lines") == 0


def test_the_hash_is_that_of_the_download_url_wherever_both_are_known():
    hashes = pack_of("yfcc100m_hash")
    n_checked = 0
    for names, name in ((NAMES_V2, "yfcc100m_dataset"), (NAMES_V1, "yfcc100m_dataset-v1")):
        for number, line in enumerate(lines_of(name)):
            item = wanted_item(names, line)
            known = item.get("photo_hash") or hashes.get(item["photo_id"])
            if known:
                is_equal = hash_of(item["download_url"]) == known
                assert (name, number, is_equal) == (name, number, True)
                n_checked += 1
    assert n_checked > 0

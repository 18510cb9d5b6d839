"""``yfcc export tsv``: what went into a catalog comes out of it byte for byte."""

from __future__ import annotations

import bz2
import hashlib
import json
import os
from pathlib import Path

import duckdb
import pytest

from tests.conftest import RunYfcc
from tests.fakes.rows import edition_v2, hash_of, joined, line_v1, line_v2, pack_line, write_files
from yfcc.catalog.build import BuildSettings, BuildSizes, build_catalog
from yfcc.catalog.select import Selection
from yfcc.errors import SourceDamaged, UsageError
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress
from yfcc.share.tsv import TsvRequest, export_tsv

REAL_ROWS = os.environ.get("YFCC_REAL_ROWS")
DATASET = "yfcc100m_dataset"
IDS = [7_000_000_000 - 13 * n for n in range(60)]
#: Windows of few rows, so that packs of another order have late ones.
SMALL = BuildSizes(batch_rows=20, window_rows=8, slack_rows=6, chunk_bytes=2_000)


def build(folder: Path, catalog: Path, sizes: BuildSizes | None = None) -> Path:
    settings = BuildSettings(catalog, sizes=sizes) if sizes else BuildSettings(catalog)
    build_catalog(open_source(str(folder)), settings, SilentProgress())
    return catalog


def export(catalog: Path, out: Path, selection: Selection | None = None, **more: str) -> Path:
    export_tsv(TsvRequest(catalog, str(out), selection or Selection(), **more))
    return out


def read(folder: Path, stem: str) -> list[bytes]:
    return (folder / stem).read_bytes().removesuffix(b"\n").split(b"\n")


def items_of(catalog: Path) -> list[tuple]:
    with duckdb.connect(str(catalog), read_only=True) as connection:
        return connection.execute("SELECT * FROM items").fetchall()


def count_originals(catalog: Path, condition: str = "true") -> int:
    with duckdb.connect(str(catalog), read_only=True) as connection:
        query = f"SELECT count(*) FROM originals WHERE {condition}"
        return connection.execute(query).fetchall()[0][0]


def odd_dataset() -> list[bytes]:
    """Every third line is written as nobody else writes it."""
    odd = [
        {"title": "%c3%a9", "longitude": "8.500000"},
        {"date_taken": "", "user_tags": "a b,%2c"},
        {"photo_hash": "", "date_uploaded": "01300000000"},
        {"description": "%FF~", "longitude": "-1.2E-5"},
    ]
    return [
        line_v2(photo_id, n, **(odd[n // 3 % len(odd)] if n % 3 == 0 else {}))
        for n, photo_id in enumerate(IDS)
    ]


def odd_packs() -> dict[str, list[bytes]]:
    autotags = ["cat:0.5", "", "cat:0.5000,the dog:0.9510", "cat:0.6000,cat:0.7000"]
    exif = ["a.b:1,a.b:2", "Exif+IFD0.Make:A%0AB", "", "a.b:x:y"]
    places = ["028:Bern:Town", "28:Z%C3%BCrich:Town,1:a:Special Region", ""]
    return {
        "autotags": [pack_line(i, autotags[n % 4]) for n, i in enumerate(IDS)],
        "exif": [pack_line(i, exif[n % 4]) for n, i in enumerate(IDS)],
        "places": [pack_line(i, places[n % 3]) for n, i in enumerate(IDS)],
    }


def check_whole(folder: Path, files: dict[str, list[bytes]]) -> None:
    for name, lines in files.items():
        assert (folder / name.removesuffix(".bz2")).read_bytes() == joined(lines), name


def test_every_line_comes_out_as_it_went_in_however_it_was_written(tmp_path):
    files = edition_v2(odd_dataset(), **odd_packs())
    catalog = build(write_files(tmp_path / "source", files), tmp_path / "c.duckdb", SMALL)
    check_whole(export(catalog, tmp_path / "out"), files)
    again = build(tmp_path / "out", tmp_path / "again.duckdb")
    assert items_of(again) == items_of(catalog)


def test_packs_of_another_order_come_out_in_the_datasets_with_no_line_more_or_less(tmp_path):
    packs = {name: lines[:20] + lines[25:] for name, lines in odd_packs().items()}
    packs["hash"] = [pack_line(i, "0123456789abcdef" if n % 5 else "") for n, i in enumerate(IDS)]
    turned = {name: lines[::-1] for name, lines in packs.items()}
    files = write_files(tmp_path / "source", edition_v2(odd_dataset(), **turned))
    catalog = build(files, tmp_path / "c.duckdb", SMALL)
    check_whole(export(catalog, tmp_path / "out"), edition_v2(odd_dataset(), **packs))


def test_a_selection_has_the_lines_of_its_items(tmp_path):
    packs = odd_packs()
    files = edition_v2(odd_dataset(), **packs)
    catalog = build(write_files(tmp_path / "source", files), tmp_path / "c.duckdb")
    out = export(catalog, tmp_path / "out", Selection(where="line_number % 7 = 2"))
    wanted = [n for n in range(len(IDS)) if n % 7 == 2]
    check_whole(
        out,
        edition_v2(
            [odd_dataset()[n] for n in wanted],
            **{name: [lines[n] for n in wanted] for name, lines in packs.items()},
        ),
    )
    manifest = json.loads((out / "_manifest.json").read_bytes())
    for file in manifest["files"]:
        content = (out / file["path"]).read_bytes()
        assert (file["n_bytes"], file["n_lines"]) == (len(content), content.count(b"\n"))
        assert file["sha256"] == hashlib.sha256(content).hexdigest()


def v1_files() -> dict[str, list[bytes]]:
    files = {
        f"{DATASET}-{part}.bz2": [line_v1(i, title="%c3" if i % 2 else "x") for i in IDS[part::10]]
        for part in range(10)
    }
    urls = {i: f"http://farm1.staticflickr.com/2/{i}_0123456789.jpg" for i in IDS}
    ids = [i for part in range(10) for i in IDS[part::10]]
    hashes = [("", "0123456789abcdef", hash_of(urls[i]))[n % 3] for n, i in enumerate(ids)]
    files["yfcc100m_hash.bz2"] = [pack_line(i, h) for i, h in zip(ids, hashes, strict=True)]
    files["yfcc100m_autotags-v1.bz2"] = [pack_line(i, "cat:0.5000") for i in ids if i % 3]
    return files


def test_the_ten_files_of_v1_come_out_as_ten(tmp_path):
    files = v1_files()
    catalog = build(write_files(tmp_path / "source", files), tmp_path / "c.duckdb", SMALL)
    check_whole(export(catalog, tmp_path / "out"), files)
    again = build(tmp_path / "out", tmp_path / "again.duckdb")
    assert items_of(again) == items_of(catalog)


def test_a_selection_from_few_files_of_v1_is_one_file_that_can_be_read_again(tmp_path):
    catalog = build(write_files(tmp_path / "source", v1_files()), tmp_path / "c.duckdb")
    out = export(catalog, tmp_path / "out", Selection(lines="4-8"))
    names = {path.name for path in out.glob("yfcc100m_*")}
    assert names == {"yfcc100m_autotags-v1", DATASET, "yfcc100m_hash"}
    again = items_of(build(out, tmp_path / "again.duckdb"))
    assert [row[1:] for row in again] == [row[1:] for row in items_of(catalog)[4:9]]


@pytest.mark.parametrize("packing", ["bz2", "gz", "zst"])
def test_packed_files_hold_the_same_and_can_be_read_again(packing, tmp_path):
    files = edition_v2(odd_dataset(), **odd_packs())
    catalog = build(write_files(tmp_path / "source", files), tmp_path / "c.duckdb")
    out = export(catalog, tmp_path / "out", packing=packing)
    assert items_of(build(out, tmp_path / "again.duckdb")) == items_of(catalog)
    if packing == "bz2":
        content = bz2.decompress((out / f"{DATASET}.bz2").read_bytes())
        assert content == joined(odd_dataset())


def test_a_pack_without_a_line_is_no_file_and_an_empty_selection_says_so(tmp_path):
    files = edition_v2(odd_dataset()[:3], exif=[pack_line(IDS[0], "a.b:c")])
    catalog = build(write_files(tmp_path / "source", files), tmp_path / "c.duckdb")
    out = export(catalog, tmp_path / "out", Selection(lines="1-2"))
    assert not (out / "yfcc100m_exif").exists()
    empty = export(catalog, tmp_path / "empty", Selection(where="false"))
    assert (empty / DATASET).read_bytes() == b""


def test_what_cannot_be_exported_is_refused_and_nothing_is_left(tmp_path):
    files = edition_v2(odd_dataset()[:3])
    catalog = build(write_files(tmp_path / "source", files), tmp_path / "c.duckdb")
    export(catalog, tmp_path / "out")
    with pytest.raises(UsageError, match="--overwrite"):
        export(catalog, tmp_path / "out")
    with pytest.raises(UsageError, match="none, bz2, gz, zst"):
        export(catalog, tmp_path / "other", packing="rar")
    with pytest.raises(UsageError, match="expected a directory or s3://"):
        export_tsv(TsvRequest(catalog, "gs://bucket/x", Selection()))
    with duckdb.connect(str(catalog)) as connection:
        connection.execute("DROP TABLE originals")
    with pytest.raises(SourceDamaged, match="Build it again"):
        export(catalog, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_command_says_what_it_wrote(run_yfcc: RunYfcc, tmp_path: Path) -> None:
    files = edition_v2(odd_dataset(), **odd_packs())
    build(write_files(tmp_path / "source", files), tmp_path / "catalog.duckdb")
    done = run_yfcc("export", "tsv", "--out", "out", "--json", "--lines", "0-9")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["n_rows"], answer["edition"]) == (10, "v2")
    assert [file["n_lines"] for file in answer["files"]] == [10, 10, 10, 10]
    again = run_yfcc("export", "tsv", "--out", "out", "--overwrite")
    assert again.stdout.splitlines()[-1].startswith("60 items in 4 files, ")


def true_lines(name: str) -> list[bytes]:
    return read(Path(REAL_ROWS or ""), f"yfcc100m_{name}")


@pytest.mark.skipif(not REAL_ROWS, reason="YFCC_REAL_ROWS names no folder with true rows")
@pytest.mark.parametrize("name", ["dataset", "dataset-v1"])
def test_true_rows_come_out_byte_for_byte(name, tmp_path):
    lines = true_lines(name)
    folder = write_files(tmp_path / "source", {f"{DATASET}.bz2": lines})
    catalog = build(folder, tmp_path / "c.duckdb")
    assert (export(catalog, tmp_path / "out") / DATASET).read_bytes() == joined(lines)
    assert count_originals(catalog) == 0


@pytest.mark.skipif(not REAL_ROWS, reason="YFCC_REAL_ROWS names no folder with true rows")
def test_true_lines_of_packs_come_out_byte_for_byte(tmp_path):
    packs: dict[str, dict[int, bytes]] = {}
    for name in ("autotags", "exif", "hash"):
        packs[name] = {int(line.partition(b"\t")[0]): line for line in true_lines(name)}
    ids = list(dict.fromkeys(photo_id for lines in packs.values() for photo_id in lines))
    in_order = {name: [lines[i] for i in ids if i in lines] for name, lines in packs.items()}
    files = edition_v2([line_v2(i, n) for n, i in enumerate(ids)], **in_order)
    catalog = build(write_files(tmp_path / "source", files), tmp_path / "c.duckdb")
    check_whole(export(catalog, tmp_path / "out"), files)
    # Made-up items have other hashes than the true ones, and no pack has all of them.
    assert count_originals(catalog, "pack != 'hash' AND raw IS NOT NULL") == 0

"""Removal that lasts reaches exports that were made before."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import SampleAt
from tests.fakes.exporting import Mirrored, mirror_sample, read_samples, request_for
from tests.fakes.fault_counts import count_cases
from tests.fakes.removal_killed import remove as remove_there
from yfcc.catalog.publish import exclusive_lock
from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import Kind, Reason, make_tombstone
from yfcc.mirror.forget import forget
from yfcc.mirror.opening import open_any
from yfcc.share.copies import CopyRules
from yfcc.share.exporting import export_media
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.parquet import ParquetRequest, export_parquet
from yfcc.share.parquet_media import Images, MediaSource
from yfcc.share.removal import ExportRemoval, ExportState, list_exports, remove_from_exports
from yfcc.share.tsv import TsvRequest, export_tsv
from yfcc.share.webdataset import WebDataset

REPOSITORY = Path(__file__).parents[2]
#: Every so many calls are tried to be the last one; each try takes a while.
KILL_STEP = 1 if "YFCC_KILLS" in os.environ else 6
SMALL = Selection(lines="0-14")
FORMS = {"webdataset": WebDataset, "imagefolder": ImageFolder}


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    """Only read: every test has a copy."""
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


@pytest.fixture
def own(mirrored: Mirrored, tmp_path: Path) -> Mirrored:
    mirror = shutil.copytree(mirrored.mirror, tmp_path / "mirror")
    catalog = Path(shutil.copy(mirrored.catalog, tmp_path / "catalog.duckdb"))
    return Mirrored(catalog, mirror)


def some_photos(own: Mirrored, n: int = 2) -> list[int]:
    """Stored photos of different owners, so that no other item is meant by an owner."""
    documents = own.documents()
    owners = Counter(each["metadata"]["user_nsid"] for each in documents.values())
    found = [
        photo_id
        for photo_id, each in sorted(documents.items())
        if each["media"]["content_type"] == "image/jpeg"
        and owners[each["metadata"]["user_nsid"]] == 1
    ]
    return found[:n]


def remove(
    own: Mirrored, *named: object, kind: Kind = Kind.ID, catalog: Path | None = None
) -> list[ExportRemoval]:
    """What ``yfcc forget`` does."""
    asked = [make_tombstone(kind, str(each), Reason.LEGAL, "2026-11-21") for each in named]
    with open_any(own.mirror) as mirror:
        forget(mirror, asked, catalog)
        return remove_from_exports(mirror)


def check_sums(out: Path) -> None:
    """The checksums are those of all files but their list and the manifest."""
    lines = (out / "SHA256SUMS").read_text().splitlines()
    told = {line[66:]: line[:64] for line in lines}
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    # A lock may be left by who was killed when all was done.
    for name in ("SHA256SUMS", "yfcc-export.json", "_manifest.json", "yfcc-lock", "_lock"):
        files.pop(name, None)
    digest = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert told == digest


def check_without(own: Mirrored, out: Path, documents: dict[int, dict], *gone: int) -> None:
    """An export of pieces is whole, has no trace of some items, and all of the others."""
    manifest = json.loads((out / "yfcc-export.json").read_bytes())
    names = ("n_items", "n_left_out", "n_not_stored", "n_forgotten")
    assert manifest["n_selected"] == sum(manifest[name] for name in names)
    assert manifest["n_forgotten"] >= len(gone)
    assert sum(manifest["licenses"].values()) == manifest["n_items"]
    check_sums(out)
    assert not (out / "yfcc-unfinished.json").exists()
    assert not list(out.glob("part-yfcc/*"))
    for path in out.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for photo_id in gone:
            assert str(photo_id).encode() not in path.name.encode() + content, path
    kept = documents.keys() - set(gone)
    if manifest["form"] == "webdataset":
        samples = read_samples(out)
        found = {
            int(key): value[Path(own.media(documents[int(key)])).suffix[1:]]
            for key, value in samples.items()
        }
    else:
        kept = {
            each for each in kept if documents[each]["media"]["content_type"].startswith("image/")
        }
        found = {int(path.stem): path.read_bytes() for path in out.glob("train/*/*")}
        lines = (out / "train/metadata.jsonl").read_bytes().split(b"\n")[:-1]
        assert {json.loads(line)["photo_id"] for line in lines} == kept
    assert found == {each: own.media(documents[each]).read_bytes() for each in kept}
    rows = [
        json.loads(line)
        for path in sorted(out.glob("index/*"))
        for line in path.read_bytes().split(b"\n")[1:-1]
    ]
    assert {row["photo_id"] for row in rows} == kept
    assert len(rows) == manifest["n_items"]


@pytest.mark.parametrize("form", FORMS)
def test_items_go_from_an_export_of_media(own: Mirrored, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    export_media(request_for(FORMS[form](), own.mirror, out, 7))
    documents = own.documents()
    gone = some_photos(own)
    untouched = {path: path.stat().st_ino for path in out.glob("shards/*")}
    with open_any(own.mirror) as mirror:
        assert [each.address for each in list_exports(mirror)] == [str(out)]
    told = remove(own, *gone)
    assert told == [ExportRemoval(str(out), form, ExportState.CLEAN, 2)]
    check_without(own, out, documents, *gone)
    kept = [path for path, inode in untouched.items() if path.stat().st_ino == inode]
    assert len(kept) >= len(untouched) - 2
    # It is known to be clean until something else is removed.
    assert remove(own) == []
    (again,) = remove(own, *gone)
    assert (again.state, again.n_items) == (ExportState.CLEAN, 0)


def test_by_owner_hash_and_digest_also_what_the_mirror_has_no_more(
    own: Mirrored, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export_media(request_for(WebDataset(), own.mirror, out, 10))
    documents = own.documents()
    first, second, third = some_photos(own, 3)
    for path in own.mirror.glob("ledger/???.jsonl"):
        path.unlink()
    shutil.rmtree(own.mirror / "media")
    (own.mirror / "media").mkdir()
    (told,) = remove(own, documents[first]["metadata"]["user_nsid"], kind=Kind.USER)
    assert (told.state, told.n_items) == (ExportState.CLEAN, 1)
    (told,) = remove(own, documents[second]["metadata"]["photo_hash"], kind=Kind.HASH)
    assert told.n_items == 1
    (told,) = remove(own, documents[third]["media"]["sha256"], kind=Kind.SHA256)
    assert told.n_items == 1
    assert not {str(first), str(second), str(third)} & read_samples(out).keys()
    check_sums(out)


def test_a_piece_of_which_nothing_is_left_goes(own: Mirrored, tmp_path: Path) -> None:
    for form, make in FORMS.items():
        export_media(request_for(make(), own.mirror, tmp_path / form, 1))
    documents = own.documents()
    gone = some_photos(own)
    assert {each.n_items for each in remove(own, *gone)} == {2}
    for form in FORMS:
        check_without(own, tmp_path / form, documents, *gone)


@pytest.mark.parametrize("form", [*FORMS, "parquet"])
def test_a_kill_in_any_step_is_made_good(own: Mirrored, tmp_path: Path, form: str) -> None:
    out, root = tmp_path / "out", tmp_path / "killed"
    if form == "parquet":
        export_table(own, out, "paths", selection=SMALL, file_rows=5)
        documents = {each: own.documents()[each] for each in read_rows(out)}
    else:
        some = {"catalog": own.catalog, "selection": SMALL}
        export_media(request_for(FORMS[form](), own.mirror, out, 5, **some))
        names = out.glob("index/*")
        rows = [json.loads(line) for path in names for line in path.read_bytes().splitlines()[1:]]
        documents = {each: own.documents()[each] for each in [row["photo_id"] for row in rows]}
    gone = [each for each in some_photos(own, 60) if each in documents][:2]
    with open_any(own.mirror) as mirror:
        asked = [make_tombstone(Kind.ID, str(each), Reason.LEGAL, "2026-11-21") for each in gone]
        forget(mirror, asked)
    command = [sys.executable, "-m", "tests.fakes.removal_killed", own.mirror, out, root]
    subprocess.run([*command, str(KILL_STEP)], cwd=REPOSITORY, check=True, timeout=300)
    places = list(root.iterdir())
    assert len(places) * KILL_STEP > 15
    for place in places:
        remove_there(place / "mirror", place / "out")
        if form != "parquet":
            check_without(own, place / "out", documents, *gone)
            continue
        assert read_rows(place / "out").keys() == documents.keys() - set(gone)
        check_sums(place / "out")
        assert {path.name for path in place.iterdir()} == {"mirror", "out"}
    count_cases(len(places))


def test_an_export_that_was_cut_short_loses_what_it_has_and_goes_on_without(
    own: Mirrored, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    request = request_for(WebDataset(), own.mirror, out, 7)
    export_media(request)
    documents = own.documents()
    gone = some_photos(own)
    # As a kill leaves it: all pieces and documents are there, and the last mark is not gone.
    manifest = json.loads((out / "yfcc-export.json").read_bytes())
    with pytest.raises(KeyError):
        export_media(request_for(Broken(), own.mirror, tmp_path / "cut", 7))
    begun = json.loads((tmp_path / "cut/yfcc-unfinished.json").read_bytes())
    (out / "yfcc-unfinished.json").write_text(json.dumps(begun))
    (out / "yfcc-export.json").unlink()
    (out / "index/000001.jsonl").unlink()
    told = {each.address: each for each in remove(own, *gone)}
    assert {each.state for each in told.values()} == {ExportState.CLEAN}
    for place in (out, tmp_path / "cut"):
        for path in filter(Path.is_file, place.rglob("*")):
            assert not any(str(each).encode() in path.read_bytes() for each in gone), path
    assert not (out / "shards/000001.tar").exists()
    assert export_media(request).n_items == manifest["n_items"] - 2
    check_sums(out)
    assert read_samples(out).keys() == {str(each) for each in documents.keys() - set(gone)}


class Broken(WebDataset):
    """Comes to its end with an error."""

    def finish(self, place, n_pieces):
        raise KeyError


def export_table(own: Mirrored, out: Path, images: str, **more: object) -> None:
    media = None
    if images != "none":
        rules = CopyRules(now_utc=datetime(2026, 11, 21, tzinfo=UTC))
        media = MediaSource(str(own.mirror), Images(images), rules)
    wanted = {"selection": Selection(), **more}
    export_parquet(ParquetRequest(own.catalog, str(out), media=media, **wanted))  # type: ignore[arg-type]


def read_rows(out: Path) -> dict[int, dict]:
    files = pl.read_parquet(out / "items" / "**" / "*.parquet")
    return {row["photo_id"]: row for row in files.to_dicts()}


@pytest.mark.parametrize("images", ["none", "bytes", "paths"])
def test_rows_go_from_tables(own: Mirrored, tmp_path: Path, images: str) -> None:
    out = tmp_path / "out"
    export_table(own, out, images, file_rows=20)
    before = read_rows(out)
    manifest = json.loads((out / "_manifest.json").read_bytes())
    kept = {path: path.stat().st_ino for path in out.rglob("*.parquet")}
    gone = some_photos(own)
    (told,) = remove(own, *gone, catalog=own.catalog)
    assert told == ExportRemoval(str(out), "parquet", ExportState.CLEAN, 2)
    assert read_rows(out) == {key: row for key, row in before.items() if key not in gone}
    after = json.loads((out / "_manifest.json").read_bytes())
    assert (
        after["n_rows"] == manifest["n_rows"] - 2 == sum(each["n_rows"] for each in after["files"])
    )
    assert {each["path"] for each in after["files"]} == {
        path.relative_to(out).as_posix() for path in out.rglob("*.parquet")
    }
    assert sum(path.stat().st_ino == inode for path, inode in kept.items()) >= len(kept) - 2
    if images != "none":
        check_sums(out)
        stored = after["stored"]
        names = ("n_given", "n_not_stored", "n_forgotten")
        assert stored["n_selected"] == sum(stored[name] for name in names)
    for path in filter(Path.is_file, out.glob("*")):
        assert not any(str(each).encode() in path.read_bytes() for each in gone), path
    assert not list(tmp_path.glob("out.*"))
    (again,) = remove(own, *gone)
    assert (again.state, again.n_items) == (ExportState.CLEAN, 0)


def test_a_table_of_which_nothing_is_left_still_tells_its_columns(
    own: Mirrored, tmp_path: Path
) -> None:
    export_table(own, tmp_path / "out", "paths")
    before = read_rows(tmp_path / "out")
    (told,) = remove(own, *before)
    assert told.n_items == len(before)
    rows = pl.read_parquet(tmp_path / "out" / "items" / "**" / "*.parquet", hive_partitioning=False)
    assert (len(rows), rows.columns) == (0, list(next(iter(before.values()))))


@pytest.mark.parametrize("packing", ["none", "bz2"])
def test_lines_go_from_files_in_the_datasets_form(
    own: Mirrored, tmp_path: Path, packing: str
) -> None:
    documents = own.documents()
    first, second = some_photos(own)
    asked = (own.catalog, str(tmp_path / "out"), Selection(), packing)
    export_tsv(TsvRequest(*asked))
    nsid = documents[second]["metadata"]["user_nsid"]
    remove(own, first)
    (told,) = remove(own, nsid, kind=Kind.USER, catalog=own.catalog)
    assert (told.form, told.state) == ("tsv", ExportState.CLEAN)
    assert told.n_items >= 2
    # The same as a new export of the catalog, which has lost the rows as well.
    export_tsv(TsvRequest(own.catalog, str(tmp_path / "new"), Selection(), packing))
    one, two = (
        json.loads((tmp_path / each / "_manifest.json").read_bytes()) for each in ("out", "new")
    )
    assert one["files"] == two["files"]
    for file in one["files"]:
        content = (tmp_path / "out" / file["path"]).read_bytes()
        assert content == (tmp_path / "new" / file["path"]).read_bytes()


def test_an_export_that_is_gone_is_named_once_and_found_where_it_was_moved(
    own: Mirrored, tmp_path: Path
) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved"
    export_media(request_for(WebDataset(), own.mirror, out, 10))
    documents = own.documents()
    out.rename(moved)
    gone = some_photos(own)
    (told,) = remove(own, gone[0])
    assert told.state is ExportState.GONE
    assert "--exported" in (told.why or "")
    assert remove(own) == []
    with open_any(own.mirror) as mirror:
        (told,) = remove_from_exports(mirror, [str(moved)])
    assert told == ExportRemoval(str(moved), "webdataset", ExportState.CLEAN, 1)
    (told,) = remove(own, gone[1])
    assert told.n_items == 1
    check_without(own, moved, documents, *gone)


def test_what_cannot_be_cleaned_is_told_and_tried_again(own: Mirrored, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    for name in ("one", "two", "three"):
        export_media(request_for(WebDataset(), own.mirror, disk / name, 10))
    disk.rename(tmp_path / "unmounted")
    (first,) = some_photos(own, 1)
    assert {(each.state, "mount it" in (each.why or "")) for each in remove(own, first)} == {
        (ExportState.LEFT, True)
    }
    (tmp_path / "unmounted").rename(disk)
    (disk / "two" / "notes.txt").write_text("mine")
    with exclusive_lock(disk / "one" / "yfcc-lock"):
        told = {Path(each.address).name: each for each in remove(own)}
    assert told["one"].state is told["two"].state is ExportState.LEFT
    assert "notes.txt" in (told["two"].why or "")
    assert told["three"].state is ExportState.CLEAN
    (disk / "two" / "notes.txt").unlink()
    assert {each.n_items for each in remove(own)} == {1}
    assert remove(own) == []

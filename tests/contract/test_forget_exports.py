"""Removal that lasts reaches exports in directories and in buckets."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import SampleAt
from tests.contract.test_export_places import check_whole, read_all
from tests.fakes.exporting import Mirrored, mirror_sample, request_for
from tests.fakes.mirror_places import BucketPrefix, MirrorPlace
from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import Kind, Reason, make_tombstone
from yfcc.mirror.forget import forget
from yfcc.mirror.opening import open_any
from yfcc.share.copies import CopyRules
from yfcc.share.exporting import export_media
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.parquet import ParquetRequest, export_parquet
from yfcc.share.parquet_media import Images, MediaSource
from yfcc.share.removal import ExportRemoval, ExportState, remove_from_exports
from yfcc.share.webdataset import WebDataset


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    """Only read: every test has a copy."""
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


@pytest.fixture
def own(mirrored: Mirrored, tmp_path: Path) -> Mirrored:
    return Mirrored(mirrored.catalog, shutil.copytree(mirrored.mirror, tmp_path / "mirror"))


def some_photos(own: Mirrored) -> list[int]:
    documents = own.documents()
    found = [
        photo_id
        for photo_id, each in sorted(documents.items())
        if each["media"]["content_type"] == "image/jpeg"
    ]
    return found[:2]


def remove(own: Mirrored, photo_ids: list[int]) -> list[ExportRemoval]:
    asked = [make_tombstone(Kind.ID, str(each), Reason.LEGAL, "2026-11-21") for each in photo_ids]
    with open_any(own.mirror) as mirror:
        forget(mirror, asked)
        return remove_from_exports(mirror)


def nothing_of(place: MirrorPlace, photo_ids: list[int]) -> None:
    for path, content in read_all(place).items():
        for photo_id in photo_ids:
            assert str(photo_id).encode() not in path.encode() + content, path


@pytest.mark.parametrize("form", [WebDataset, ImageFolder])
def test_items_go_from_an_export_of_media(own: Mirrored, place: MirrorPlace, form: type) -> None:
    export_media(request_for(form(), own.mirror, place.address, 9))
    before = json.loads(place.read("yfcc-export.json"))
    gone = some_photos(own)
    (told,) = remove(own, gone)
    assert (told.address, told.state, told.n_items) == (place.address, ExportState.CLEAN, 2)
    check_whole(place)
    nothing_of(place, gone)
    after = json.loads(place.read("yfcc-export.json"))
    assert after["n_items"] == before["n_items"] - 2
    assert after["n_forgotten"] == before["n_forgotten"] + 2
    (again,) = remove(own, gone)
    assert (again.state, again.n_items) == (ExportState.CLEAN, 0)


def test_a_removal_that_was_cut_short_goes_on(own: Mirrored, place: MirrorPlace) -> None:
    export_media(request_for(WebDataset(), own.mirror, place.address, 9))
    gone = some_photos(own)
    index = "index/000000.jsonl"
    content = place.read(index)
    remove(own, gone)
    # As a kill leaves it after the first archive: the mark is there, the index is as it was.
    manifest = json.loads(place.read("yfcc-export.json"))
    place.remove("yfcc-export.json")
    mark = {"identity": {"removing": manifest}, "started_at": manifest["started_at"]}
    place.write("yfcc-unfinished.json", json.dumps(mark).encode())
    place.write(index, content)
    (told,) = remove(own, gone)
    assert told.state is ExportState.CLEAN
    check_whole(place)
    nothing_of(place, gone)


@pytest.mark.parametrize("images", [Images.BYTES, Images.PATHS])
def test_rows_go_from_tables(own: Mirrored, place: MirrorPlace, images: Images) -> None:
    rules = CopyRules(now_utc=datetime(2026, 11, 21, tzinfo=UTC))
    source = MediaSource(str(own.mirror), images, rules)
    request = ParquetRequest(
        own.catalog, place.address, Selection(lines="0-59"), file_rows=10, media=source
    )
    export_parquet(request)
    before = read_rows(place)
    gone = some_photos(own)
    (told,) = remove(own, gone)
    assert (told.address, told.state, told.n_items) == (place.address, ExportState.CLEAN, 2)
    assert read_rows(place) == {key: row for key, row in before.items() if key not in gone}
    manifest = json.loads(place.read("_manifest.json"))
    listed = {each["path"] for each in (*manifest["files"], *manifest["documents"])}
    assert set(place.list()) == listed | {"_manifest.json"}
    documents = [path for path in place.list() if not path.endswith(".parquet")]
    for path in documents:
        assert not any(str(each).encode() in place.read(path) for each in gone), path


def read_rows(place: MirrorPlace) -> dict[int, dict]:
    tables = [pl.read_parquet(place.read(each)) for each in place.list("items/")]
    return {row["photo_id"]: row for table in tables for row in table.to_dicts()}


def test_a_prefix_where_no_export_is_any_more_is_named_once(
    own: Mirrored, place: MirrorPlace
) -> None:
    export_media(request_for(WebDataset(), own.mirror, place.address, 9))
    for path in place.list():
        place.remove(path)
    (told,) = remove(own, some_photos(own))
    assert told.state is ExportState.GONE
    assert remove(own, []) == []


def test_old_versions_in_a_bucket_go_as_well(own: Mirrored, bucket: BucketPrefix) -> None:
    enabled = {"Status": "Enabled"}
    client, name = bucket.store.client, bucket.bucket
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled)
    export_media(request_for(ImageFolder(), own.mirror, bucket.address, 9))
    gone = some_photos(own)
    (told,) = remove(own, gone)
    assert told.state is ExportState.CLEAN
    nothing_of(bucket, gone)
    page = client.list_object_versions(Bucket=name)
    assert "DeleteMarkers" not in page
    assert {each["Key"] for each in page["Versions"] if not each["IsLatest"]} == set()
    assert len(page["Versions"]) == len(bucket.list())

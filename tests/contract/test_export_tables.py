"""Exports of tables into a bucket: whole or not at all, and of two the later."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.fakes.meddling_proxy import Meddling, MeddlingProxy
from tests.fakes.mirror_places import BucketPrefix, DirectoryMirror, MirrorPlace
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import Kind, Reason, gather, make_tombstone
from yfcc.errors import LockedError, TargetError, UsageError
from yfcc.metadata.source import open_source
from yfcc.mirror.bucket.upload import PART_BYTES
from yfcc.progress import SilentProgress
from yfcc.share.parquet import ParquetRequest, export_parquet
from yfcc.share.removal_look import NoExport
from yfcc.share.removal_tables import remove_from_tables
from yfcc.share.target import open_target
from yfcc.share.tsv import TsvRequest, export_tsv

SOME = Selection(lines="0-39")
MANIFEST = "_manifest.json"
#: Exports that are cut short, each at another request.
N_CUTS = 3


@pytest.fixture
def catalog(sample_catalog: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sample_catalog, tmp_path / "catalog.duckdb"))


@pytest.fixture
def proxy(bucket: BucketPrefix, monkeypatch: pytest.MonkeyPatch) -> Iterator[MeddlingProxy]:
    """Before the bucket's server."""
    with MeddlingProxy(bucket.store.address) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{running.port}")
        yield running


def export(catalog: Path, out: str, selection: Selection = SOME, **more: object) -> None:
    export_tsv(TsvRequest(catalog, out, selection, **more))  # type: ignore[arg-type]


def check_whole(place: MirrorPlace) -> dict[str, bytes]:
    """Every file is as manifest and checksums say, and there is no other; those with lines."""
    manifest = json.loads(place.read(MANIFEST))
    listed = {each["path"]: each for each in (*manifest["files"], *manifest["documents"])}
    assert set(place.list()) == {*listed, MANIFEST}
    for path, told in listed.items():
        content = place.read(path)
        assert told["sha256"] == hashlib.sha256(content).hexdigest(), path
        assert told["n_bytes"] == len(content)
    sums = place.read("SHA256SUMS").decode().splitlines()
    assert {line[66:]: line[:64] for line in sums} == {
        path: told["sha256"] for path, told in listed.items() if path != "SHA256SUMS"
    }
    return {path: place.read(path) for path in listed if path.startswith(("yfcc100m_", "ATTR"))}


def test_lines_are_the_same_in_every_place_and_can_be_read_again(
    catalog: Path, place: MirrorPlace, tmp_path: Path
) -> None:
    beside = DirectoryMirror(tmp_path / "beside")
    export(catalog, beside.address, packing="gz")
    export(catalog, f"{place.address}/", packing="gz")
    files = check_whole(place)
    assert files == check_whole(beside)
    assert len(files) == 6
    build_catalog(
        open_source(place.address), BuildSettings(tmp_path / "again.duckdb"), SilentProgress()
    )
    with duckdb.connect(str(tmp_path / "again.duckdb")) as connection:
        connection.execute(f"ATTACH '{catalog}' AS first (READ_ONLY)")
        query = "SELECT count(*) FROM (FROM items EXCEPT FROM first.items)"
        assert connection.execute(query).fetchall() == [(0,)]
    with pytest.raises(UsageError, match="--overwrite"):
        export(catalog, place.address)
    few = Selection(lines="3-5")
    export(catalog, place.address, few, is_overwriting=True, has_credits=False)
    export(catalog, beside.address, few, is_overwriting=True, has_credits=False)
    assert check_whole(place) == check_whole(beside)
    place.write("yfcc100m_exif.bz2", b"mine")
    with pytest.raises(UsageError, match=r"yfcc100m_exif\.bz2 was written by no export"):
        export(catalog, place.address, is_overwriting=True)


def test_lines_of_removed_items_go_from_every_place(
    catalog: Path, place: MirrorPlace, tmp_path: Path
) -> None:
    beside = DirectoryMirror(tmp_path / "beside")
    export(catalog, place.address, packing="bz2")
    with duckdb.connect(str(catalog)) as connection:
        query = "SELECT photo_id FROM items WHERE line_number IN (7, 30)"
        ids = [row[0] for row in connection.execute(query).fetchall()]
    asked = [make_tombstone(Kind.ID, str(each), Reason.LEGAL, "2026-11-21") for each in ids]
    removed = remove_from_tables(place.address, gather(asked))
    assert (removed.n_items, removed.is_done) == (2, True)
    lines = Selection(where="line_number < 40 AND line_number NOT IN (7, 30)")
    export(catalog, beside.address, lines, packing="bz2")
    assert check_whole(place) == check_whole(beside)
    manifests = [json.loads(each.read(MANIFEST)) for each in (place, beside)]
    for name in ("n_rows", "licenses", "notes", "files"):
        assert manifests[0][name] == manifests[1][name]
    assert place.read("LICENSES.txt") == beside.read("LICENSES.txt")
    assert remove_from_tables(place.address, gather(asked)).n_items == 0


def test_refused_at_any_request_nothing_claims_to_be_whole_and_the_next_is(
    catalog: Path, bucket: BucketPrefix, proxy: MeddlingProxy, tmp_path: Path
) -> None:
    beside = DirectoryMirror(tmp_path / "beside")
    few = Selection(lines="0-4")
    export(catalog, beside.address, few)
    expected = check_whole(beside)
    export(catalog, bucket.address)
    before, n_requests = len(proxy.requests), 0
    for number in range(N_CUTS + 1):
        # The first is not disturbed, and tells how many requests there are.
        n_passing = number * n_requests // (N_CUTS + 1)
        proxy.meddling = Meddling(all_statuses=[0] * n_passing + [403] * 10_000 * bool(number))
        if not number:
            export(catalog, bucket.address, few, is_overwriting=True)
            n_requests = len(proxy.requests) - before
            assert check_whole(bucket) == expected
            continue
        with pytest.raises(TargetError, match="permission denied"):
            export(catalog, bucket.address, few, is_overwriting=True)
        if MANIFEST in bucket.list():
            assert json.loads(bucket.read(MANIFEST))["n_rows"] in {5, 40}
        proxy.meddling = Meddling()
        export(catalog, bucket.address, few, is_overwriting=True)
        assert check_whole(bucket) == expected
        left = bucket.store.client.list_multipart_uploads(Bucket=bucket.bucket)
        assert not left.get("Uploads")


def test_of_two_exports_the_later_goes_on_and_what_the_other_wrote_is_gone(
    catalog: Path, bucket: BucketPrefix
) -> None:
    export_parquet(ParquetRequest(catalog, bucket.address, SOME))

    def be_overtaken() -> None:
        with open_target(bucket.address, "a" * 12, is_overwriting=True) as first:
            path, sink = first.open_sink("items", 0, "parquet")
            sink.write(b"early")
            sink.close()
            lines = first.open_file("yfcc100m_dataset")
            lines.write(bytes(PART_BYTES))
            lines.close()
            assert "yfcc100m_dataset" not in bucket.list(), "kept back until it is published"
            export(catalog, bucket.address, is_overwriting=True)
            first.publish({"files": [{"path": path}, {"path": "yfcc100m_dataset"}]})

    with pytest.raises(LockedError, match="began later"):
        be_overtaken()
    check_whole(bucket)
    left = bucket.store.client.list_multipart_uploads(Bucket=bucket.bucket)
    assert not left.get("Uploads")


def test_what_a_killed_export_left_is_removed_by_the_next_and_by_no_other(
    catalog: Path, bucket: BucketPrefix
) -> None:
    # As a kill leaves it among the last requests, when the manifest is gone.
    mark = {"export_id": "b" * 12, "files": ["yfcc100m_dataset", "yfcc100m_places.bz2"]}
    part = f"items/part-00000-{'b' * 12}.parquet"
    bucket.write("yfcc100m_dataset", b"half")
    bucket.write(part, b"half")
    bucket.write("README.md", b"half")
    with pytest.raises(NoExport):
        remove_from_tables(bucket.address, gather([]))
    with pytest.raises(UsageError, match="was written by no export"):
        export(catalog, bucket.address)
    bucket.write("_unfinished.json", json.dumps(mark).encode())
    assert remove_from_tables(bucket.address, gather([])).is_done is False
    bucket.write("notes.txt", b"mine")
    with pytest.raises(UsageError, match=r"notes\.txt was written by no export"):
        export(catalog, bucket.address)
    assert len(bucket.list()) == 5
    bucket.remove("notes.txt")
    upload = bucket.store.client.create_multipart_upload(
        Bucket=bucket.bucket, Key=f"a/mirror/{part}"
    )
    assert upload["UploadId"]
    export(catalog, bucket.address)
    check_whole(bucket)
    left = bucket.store.client.list_multipart_uploads(Bucket=bucket.bucket)
    assert not left.get("Uploads")

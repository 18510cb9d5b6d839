"""Exports of a mirror in a bucket: the same bytes as of one in a directory, many on their way."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.exporting import Mirrored, mirror_sample, read_tree, request_for, without_heads
from tests.fakes.meddling_proxy import MeddlingProxy
from tests.fakes.mirror_places import BucketPrefix
from tests.fakes.object_stores import WRITABLE
from tests.fakes.places import credentials
from yfcc.catalog.select import Selection
from yfcc.errors import VerifyError
from yfcc.share.copies import CopyRules
from yfcc.share.exporting import export_media
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.parquet import ParquetRequest, export_parquet
from yfcc.share.parquet_media import Images, MediaSource
from yfcc.share.webdataset import WebDataset

FORMS = ("webdataset", "imagefolder", "parquet")
#: Media that have to be asked for before any of them is answered.
N_TOGETHER = 4


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


@pytest.fixture(params=WRITABLE)
def bucket(request, make_bucket, mirrored) -> BucketPrefix:
    """The same mirror in a bucket."""
    place = make_bucket(request.param)
    for path in mirrored.mirror.rglob("*"):
        if path.is_file():
            place.write(path.relative_to(mirrored.mirror).as_posix(), path.read_bytes())
    return place


def export(form: str, mirrored: Mirrored, mirror: Path | str, out: Path) -> None:
    if form == "parquet":
        rules = CopyRules(now_utc=datetime(2026, 11, 21, tzinfo=UTC))
        media = MediaSource(str(mirror), Images.BYTES, rules)
        export_parquet(ParquetRequest(mirrored.catalog, str(out), Selection(), media=media))
    else:
        made = WebDataset() if form == "webdataset" else ImageFolder()
        # One piece at a time: what goes side by side is within it.
        export_media(request_for(made, mirror, out, 25, n_workers=1))


def content_of(out: Path) -> dict[str, bytes]:
    """All that does not name the day or the mirror."""
    dated = {"README.md", "_manifest.json"}
    files = without_heads(read_tree(out))
    return {path: content for path, content in files.items() if path not in dated}


@pytest.mark.parametrize("form", FORMS)
def test_what_comes_out_of_a_bucket_is_what_comes_out_of_a_directory(
    form: str, mirrored: Mirrored, bucket: BucketPrefix, tmp_path: Path
) -> None:
    export(form, mirrored, mirrored.mirror, tmp_path / "directory")
    export(form, mirrored, bucket.address, tmp_path / "bucket")
    found = content_of(tmp_path / "bucket")
    assert found == content_of(tmp_path / "directory")
    assert sum(map(len, found.values())) > 1_000_000


@pytest.mark.parametrize(
    ("form", "is_missing"), [("webdataset", False), ("imagefolder", True), ("parquet", False)]
)
def test_an_object_that_is_not_as_recorded_ends_an_export(
    form: str, is_missing: bool, mirrored: Mirrored, bucket: BucketPrefix, tmp_path: Path
) -> None:
    photo_id, document = next(
        (i, each)
        for i, each in sorted(mirrored.documents().items())
        if each["media"]["content_type"] == "image/jpeg"
    )
    path = document["media"]["path"]
    content = bytearray(bucket.read(path))
    content[len(content) // 2] ^= 1
    bucket.remove(path)
    if not is_missing:
        bucket.write(path, bytes(content))
    with pytest.raises(VerifyError) as told:
        export(form, mirrored, bucket.address, tmp_path / "out")
    got = "no file" if is_missing else hashlib.sha256(content).hexdigest()
    for word in (f"item {photo_id}", f"{bucket.address}/{path}", document["media"]["sha256"], got):
        assert word in str(told.value)
    assert not (tmp_path / "out" / "yfcc-export.json").exists()
    assert not (tmp_path / "out" / "_manifest.json").exists()


class HoldingProxy(MeddlingProxy):
    """Answers the first requests for media only when several of them wait."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(upstream)
        self.together = threading.Barrier(N_TOGETHER)
        self._n_held = 0
        self._lock = threading.Lock()

    def _ask(self, head: bytes, content: bytes) -> bytes:
        line = head.partition(b"\r\n")[0]
        if b"/media/" in line and b".json" not in line:
            with self._lock:
                self._n_held += 1
                is_held = self._n_held <= N_TOGETHER
            if is_held:
                self.together.wait(30)
        return super()._ask(head, content)


@pytest.fixture
def holding(bucket: BucketPrefix, monkeypatch) -> Iterator[HoldingProxy]:
    with HoldingProxy(bucket.store.address) as proxy:
        monkeypatch.setenv("YFCC_MIRROR_ENDPOINT", f"http://127.0.0.1:{proxy.port}")
        yield proxy


@pytest.mark.parametrize("form", FORMS)
def test_several_media_are_on_their_way_at_a_time(
    form: str, mirrored: Mirrored, bucket: BucketPrefix, holding: HoldingProxy, tmp_path: Path
) -> None:
    export(form, mirrored, bucket.address, tmp_path / "out")
    assert not holding.together.broken, "one was waited for before the next was asked for"


def test_the_commands_take_and_make_exports_in_buckets(
    mirrored: Mirrored, bucket: BucketPrefix, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    settings = {"AWS_ENDPOINT_URL_S3": bucket.store.endpoint, "AWS_REGION": "us-east-1"}
    settings |= credentials(bucket.store.owner)
    asked = ("export", "webdataset", "--mirror", bucket.address, "--quiet")
    out = f"s3://{bucket.bucket}/an/export"
    done = run_yfcc(*asked, "--out", f"{out}/", **settings)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    listed = bucket.store.client.list_objects_v2(Bucket=bucket.bucket, Prefix="an/export/")
    keys = {each["Key"].removeprefix("an/export/") for each in listed["Contents"]}
    assert {"shards/000000.tar", "yfcc-export.json"} < keys
    assert "yfcc-unfinished.json" not in keys
    again = run_yfcc(*asked, "--out", out, **settings)
    assert again.returncode == 2
    assert "an export is there already" in again.stderr
    nowhere = run_yfcc(*asked, "--out", "s3://no-such-bucket/x", **settings)
    assert nowhere.returncode == 6
    assert nowhere.stderr.count("\n") == 1
    assert "no such bucket" in nowhere.stderr
    media = next(path for path in bucket.list("media/") if path.endswith(".jpg"))
    bucket.write(media, b"changed")
    damaged = run_yfcc(*asked, "--out", str(tmp_path / "damaged"), **settings)
    assert damaged.returncode == 8
    assert damaged.stderr.count("\n") == 1
    assert "yfcc verify --repair" in damaged.stderr

"""Exports of media into a directory and into a bucket: one contract for both."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.conftest import SampleAt
from tests.fakes.exporting import Mirrored, mirror_sample, request_for, without_heads
from tests.fakes.meddling_proxy import Meddling, MeddlingProxy
from tests.fakes.mirror_places import BucketPrefix, DirectoryMirror, MirrorPlace
from yfcc.api.samples import ExportPieces
from yfcc.catalog.select import Selection
from yfcc.errors import (
    LockedError,
    SourceDamaged,
    SourceMissing,
    TargetError,
    UsageError,
    VerifyError,
)
from yfcc.mirror.bucket.objects import LARGE_BYTES, Objects
from yfcc.mirror.bucket.upload import PART_BYTES, Upload
from yfcc.share.export_folder import ExportFolder
from yfcc.share.export_place import ExportPlace
from yfcc.share.export_prefix import ExportPrefix
from yfcc.share.exporting import export_media
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.webdataset import WebDataset

#: Exports that are cut short, each at another request.
N_CUTS = 3
FORMS = (WebDataset(), ImageFolder())
#: What names the day, and so differs from one export to the next.
DATED = {"yfcc-export.json", "croissant.json", "SHA256SUMS", "README.md"}


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> Mirrored:
    """Only read: whoever changes the mirror copies it first."""
    return mirror_sample(sample, tmp_path_factory.mktemp("mirrored"))


@pytest.fixture
def own(mirrored: Mirrored, tmp_path: Path) -> Mirrored:
    """A mirror of the test's own."""
    return Mirrored(mirrored.catalog, shutil.copytree(mirrored.mirror, tmp_path / "mirror"))


@pytest.fixture
def proxy(bucket: BucketPrefix, monkeypatch) -> Iterator[MeddlingProxy]:
    """Before the bucket's server."""
    with MeddlingProxy(bucket.store.address) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{running.port}")
        yield running


def read_all(place: MirrorPlace) -> dict[str, bytes]:
    """Every file of an export; of an index its rows."""
    return without_heads({path: place.read(path) for path in place.list()})


def undated(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if path not in DATED}


def check_whole(place: MirrorPlace) -> dict[str, bytes]:
    """The manifest is there, and every file as it and the checksums say."""
    manifest = json.loads(place.read("yfcc-export.json"))
    lines = place.read("SHA256SUMS").decode().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    for listed in manifest["files"]:
        content = place.read(listed["path"])
        assert listed["n_bytes"] == len(content)
        assert listed["sha256"] == hashlib.sha256(content).hexdigest()
    for path, sha256 in sums.items():
        assert hashlib.sha256(place.read(path)).hexdigest() == sha256
    files = place.list()
    assert set(files) - sums.keys() == {"SHA256SUMS", "yfcc-export.json"}
    return read_all(place)


def export(mirrored: Mirrored, place: MirrorPlace, form=FORMS[0], n_items: int = 10, **options):
    return export_media(
        request_for(form, mirrored.mirror, place.address, n_items, **options)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.form)
def test_an_export_is_the_same_in_every_place(
    mirrored: Mirrored, place: MirrorPlace, tmp_path: Path, form
) -> None:
    beside = DirectoryMirror(tmp_path / "beside")
    expected = export(mirrored, beside, form)
    summary = export(mirrored, place, form)
    assert (summary.n_items, summary.n_bytes) == (expected.n_items, expected.n_bytes)
    assert summary.n_items > 40
    assert summary.manifest == f"{place.address}/yfcc-export.json"
    files = check_whole(place)
    assert undated(files) == undated(check_whole(beside))
    assert {*DATED, "ATTRIBUTION.txt", "ATTRIBUTION.csv", "LICENSES.txt"} < files.keys()
    pieces = [ExportPieces(each.address) for each in (place, beside)]
    samples, same = (list(each.iter_samples(range(len(each)))) for each in pieces)
    assert samples == same
    assert len(samples) == summary.n_items


def test_a_piece_of_an_export_that_is_lacking_or_torn_says_so(
    mirrored: Mirrored, place: MirrorPlace
) -> None:
    with pytest.raises(SourceMissing, match="no finished export there"):
        ExportPieces(place.address)
    for form, folder in zip(FORMS, ("shards", "train"), strict=True):
        export(mirrored, place, form, is_overwriting=True)
        path = place.list(f"{folder}/")[-1 if form is FORMS[0] else 0]
        content = place.read(path)
        pieces = ExportPieces(place.address)
        if form is FORMS[0]:
            place.write(path, content[: len(content) // 2])
        else:
            place.remove(path)
        with pytest.raises(SourceDamaged, match="not as the export wrote it"):
            list(pieces.iter_samples(range(len(pieces))))


def test_what_is_there_is_replaced_only_on_request_and_whole(
    mirrored: Mirrored, place: MirrorPlace, tmp_path: Path
) -> None:
    beside = DirectoryMirror(tmp_path / "beside")
    export(mirrored, place, FORMS[1], 5)
    before = read_all(place)
    with pytest.raises(UsageError, match="an export is there already"):
        export(mirrored, place)
    assert read_all(place) == before
    export(mirrored, place, n_items=30, is_overwriting=True)
    export(mirrored, beside, n_items=30)
    assert undated(check_whole(place)) == undated(check_whole(beside))


@pytest.mark.parametrize("name", ["notes.txt", "shards/notes.txt", "mine/000000.tar"])
def test_where_something_else_lies_nothing_is_written(
    mirrored: Mirrored, place: MirrorPlace, name: str
) -> None:
    place.write(name, b"mine")
    for is_overwriting in (False, True):
        with pytest.raises(UsageError, match="was written by no export"):
            export(mirrored, place, is_overwriting=is_overwriting)
    assert read_all(place) == {name: b"mine"}


def test_an_export_that_was_cut_short_goes_on_where_it_was(
    own: Mirrored, place: MirrorPlace, tmp_path: Path
) -> None:
    beside = DirectoryMirror(tmp_path / "beside")
    n_pieces = export(own, beside, n_items=5).n_pieces
    last = json.loads(beside.read(f"index/{n_pieces - 1:06}.jsonl").splitlines()[-1])
    path = own.media(own.documents()[last["photo_id"]])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(VerifyError):
        export(own, place, n_items=5, n_workers=1)
    path.write_bytes(whole)
    names = place.list()
    assert "yfcc-unfinished.json" in names
    assert not {"yfcc-export.json", "SHA256SUMS"} & set(names)
    with pytest.raises(UsageError, match="size: None, now 64"):
        export(own, place, n_items=5, size=64)
    spoiled = place.read("shards/000000.tar")
    place.write("shards/000000.tar", spoiled[:600] + b"!" + spoiled[601:])
    assert export(own, place, n_items=5).n_pieces_kept == n_pieces - 2
    assert undated(check_whole(place)) == undated(check_whole(beside))


def test_of_a_folder_that_was_changed_the_pictures_are_written_again(
    own: Mirrored, place: MirrorPlace, tmp_path: Path
) -> None:
    beside = DirectoryMirror(tmp_path / "beside")
    options = {"form": FORMS[1], "n_items": 20}
    export(own, beside, **options)
    export(own, place, **options)
    pictures = [path for path in place.list("train/") if not path.endswith("metadata.jsonl")]
    place.write(pictures[0], b"changed")
    place.remove(next(path for path in pictures if path.startswith("train/000001/")))
    place.write("train/000002/1.jpg", b"one more")
    summary = export(own, place, **options, is_overwriting=True)
    assert summary.n_pieces_kept == summary.n_pieces - 3
    assert undated(check_whole(place)) == undated(check_whole(beside))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.form)
def test_refused_at_any_request_it_says_so_and_goes_on_to_the_same_bytes(
    mirrored: Mirrored, bucket: BucketPrefix, proxy: MeddlingProxy, tmp_path: Path, form
) -> None:
    few = {"catalog": mirrored.catalog, "selection": Selection(lines="0-15"), "form": form}
    beside = DirectoryMirror(tmp_path / "beside")
    export(mirrored, beside, n_items=8, **few)
    expected = undated(read_all(beside))
    export(mirrored, bucket, n_items=8, **few)
    n_requests = len(proxy.requests)
    assert n_requests > 20
    for number in range(N_CUTS):
        n_passing = number * (n_requests - 1) // N_CUTS
        for key in bucket.list():
            bucket.remove(key)
        proxy.meddling = Meddling(all_statuses=[0] * n_passing + [403] * 10_000)
        with pytest.raises(TargetError, match="permission denied") as refused:
            export(mirrored, bucket, n_items=8, **few)
        assert refused.value.exit_code == 6
        assert "yfcc-export.json" not in bucket.list()
        proxy.meddling = Meddling()
        export(mirrored, bucket, n_items=8, **few)
        assert undated(check_whole(bucket)) == expected
        left = bucket.store.client.list_multipart_uploads(Bucket=bucket.bucket)
        assert not left.get("Uploads")


def test_of_two_exports_to_a_place_the_other_ends(place: MirrorPlace) -> None:
    def begin(moment: str) -> ExportPlace:
        if isinstance(place, DirectoryMirror):
            return ExportFolder(place.root, {"size": 1}, False, moment)
        return ExportPrefix(place.address, {"size": 1}, False, moment)

    with begin("early") as first:
        first.write_whole("index/000000.jsonl", b"{}\n")
        if not place.is_bucket:
            with pytest.raises(LockedError), begin("late"):
                pass
            return
        with begin("late") as second:
            assert second.started_at == "early"
            refused: list[Callable[[], object]] = [
                lambda: first.write_whole("index/000001.jsonl", b"{}\n"),
                lambda: first.finish({}),
                first.begin_file("shards/000001.tar").finish,
                first.begin_folder("train/000001").finish,
            ]
            for each in refused:
                with pytest.raises(LockedError, match="began later"):
                    each()
            second.finish({"by": "second"})
            with pytest.raises(LockedError):
                first.finish({"by": "first"})
    assert place.list() == ["index/000000.jsonl", "yfcc-export.json"]
    assert json.loads(place.read("yfcc-export.json")) == {"by": "second"}


def test_a_manifest_that_another_export_wrote_is_not_replaced(bucket: BucketPrefix) -> None:
    with ExportPrefix(bucket.address, {}, False, "now") as export_:
        bucket.write("yfcc-export.json", b"{}")
        with pytest.raises(LockedError):
            export_.finish({"by": "this one"})
    assert bucket.read("yfcc-export.json") == b"{}"


@pytest.mark.parametrize("n_bytes", [0, 5, PART_BYTES, 3 * PART_BYTES + 7])
def test_a_stream_arrives_whole_in_one_request_or_in_parts(
    bucket: BucketPrefix, n_bytes: int
) -> None:
    content = random.Random(n_bytes).randbytes(n_bytes)
    with closing(Objects(bucket.address)) as objects, ThreadPoolExecutor(4) as executor:
        upload = Upload(objects, "a.tar", executor.submit)
        for start in range(0, n_bytes, 5_000_000):
            upload.write(content[start : start + 5_000_000])
            assert bucket.list() == []
        upload.close()
        (entry,) = objects.iter_entries("")
    assert bucket.read("a.tar") == content
    assert upload.etag == entry.etag
    assert ("-" in upload.etag) == (n_bytes >= PART_BYTES)


def test_a_stream_that_is_given_up_leaves_nothing(bucket: BucketPrefix) -> None:
    with closing(Objects(bucket.address)) as objects, ThreadPoolExecutor(4) as executor:
        upload = Upload(objects, "a.tar", executor.submit)
        upload.write(bytes(2 * PART_BYTES + 1))
        upload.abort()
        upload.abort()
    assert bucket.list() == []
    assert not bucket.store.client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads")


class AskedTwice(Objects):
    """A store that ends uploads, loses the answer, and does not know them any more."""

    is_ended = True

    def ask(self, operation: str, **arguments):
        if operation == "complete_multipart_upload":
            if self.is_ended:
                super().ask(operation, **arguments)
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, operation)
        return super().ask(operation, **arguments)


@pytest.mark.parametrize("is_ended", [True, False])
def test_an_answer_to_the_last_request_may_be_lost(bucket: BucketPrefix, is_ended: bool) -> None:
    content = random.Random(1).randbytes(PART_BYTES + 1)
    bucket.write("a.tar", b"an older one")
    with closing(AskedTwice(bucket.address)) as objects, ThreadPoolExecutor(4) as executor:
        objects.is_ended = is_ended
        upload = Upload(objects, "a.tar", executor.submit)
        upload.write(content)
        if is_ended:
            upload.close()
        else:
            with pytest.raises(TargetError, match="NoSuchUpload"):
                upload.close()
            upload.abort()
    assert bucket.read("a.tar") == (content if is_ended else b"an older one")


@pytest.mark.parametrize("is_ended", [True, False])
def test_so_may_that_of_a_large_item(bucket: BucketPrefix, is_ended: bool) -> None:
    content = random.Random(1).randbytes(LARGE_BYTES + 1)
    bucket.write("a.mp4", b"an older one")
    with closing(AskedTwice(bucket.address)) as objects:
        objects.is_ended = is_ended
        if is_ended:
            objects.put_large("a.mp4", memoryview(content))
        else:
            with pytest.raises(TargetError, match="NoSuchUpload"):
                objects.put_large("a.mp4", memoryview(content))
    assert bucket.read("a.mp4") == (content if is_ended else b"an older one")
    assert not bucket.store.client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads")

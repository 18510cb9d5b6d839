"""One suite over every kind of source: a directory, a bucket and a web server."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.fakes.meddling_proxy import Meddling, MeddlingProxy
from tests.fakes.range_server import RangeServer
from yfcc.errors import (
    SourceChanged,
    SourceError,
    SourceForbidden,
    SourceMissing,
    SourceUnreachable,
    UsageError,
)
from yfcc.metadata.source import Source, SourceObject, iter_object, open_source
from yfcc.metadata.source.bucket import BucketAccess
from yfcc.metadata.source.reading import ReadAhead

DATASET, EXIF = "yfcc100m_dataset.bz2", "yfcc100m_exif.bz2"
CONTENT = random.Random(3).randbytes(50_000)
OTHER = random.Random(4).randbytes(50_000)
#: Small ranges, so that a file takes many; pauses that nobody notices.
TINY = ReadAhead(range_bytes=7_000, n_in_flight=3, n_attempts=3, first_pause_s=0.001)
ONE_BY_ONE = ReadAhead(range_bytes=7_000, n_in_flight=1, n_attempts=3, first_pause_s=0.001)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def object_store() -> Iterator[tuple[str, int]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@dataclass
class DirectoryPlace:
    path: Path

    def put(self, name: str, content: bytes) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(content)

    def remove(self, name: str) -> None:
        (self.path / name).unlink()

    def open(self) -> Source:
        return open_source(str(self.path))

    def open_missing(self) -> Source:
        return open_source(str(self.path / "nowhere"))

    @contextmanager
    def forbidden(self) -> Iterator[None]:
        if os.geteuid() != 0:
            self.path.chmod(0)
            yield
            self.path.chmod(0o700)
            return
        self.path.chmod(0o700)
        os.seteuid(65534)  # root may read everything; nobody may not
        try:
            yield
        finally:
            os.seteuid(0)


class ServedPlace:
    """A place behind a proxy that passes on, until it is told to meddle."""

    proxy: MeddlingProxy

    @contextmanager
    def forbidden(self) -> Iterator[None]:
        self.proxy.meddling = Meddling(all_statuses=[403] * 100)
        yield
        self.proxy.meddling = Meddling()


class WebPlace(ServedPlace):
    def __init__(self, server: RangeServer, proxy: MeddlingProxy) -> None:
        self.server, self.proxy = server, proxy

    def put(self, name: str, content: bytes) -> None:
        self.server.put(f"folder/{name}", content)

    def remove(self, name: str) -> None:
        del self.server.files[f"folder/{name}"]

    def open(self) -> Source:
        return open_source(f"http://127.0.0.1:{self.proxy.port}/folder")

    def open_missing(self) -> Source:
        return open_source(f"http://127.0.0.1:{self.proxy.port}/nowhere/")

    def open_unreachable(self, port: int) -> Source:
        return open_source(f"http://127.0.0.1:{port}/folder/")


class BucketPlace(ServedPlace):
    def __init__(self, address: tuple[str, int], bucket: str, proxy: MeddlingProxy) -> None:
        self.proxy, self.bucket = proxy, bucket
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://{address[0]}:{address[1]}",
            region_name="us-west-2",
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up",
        )
        self.client.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )

    def put(self, name: str, content: bytes) -> None:
        # The bucket is read without credentials, as the public ones are.
        self.client.put_object(
            Bucket=self.bucket, Key=f"a/folder/{name}", Body=content, ACL="public-read"
        )

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"a/folder/{name}")

    def _open(self, url: str, port: int | None = None) -> Source:
        return open_source(url, BucketAccess(f"http://127.0.0.1:{port or self.proxy.port}", False))

    def open(self) -> Source:
        return self._open(f"s3://{self.bucket}/a/folder")

    def open_missing(self) -> Source:
        return self._open("s3://no-such-bucket-anywhere/a/folder")

    def open_unreachable(self, port: int) -> Source:
        return self._open(f"s3://{self.bucket}/a/folder", port)


@contextmanager
def web_place(*, has_etags: bool = True) -> Iterator[WebPlace]:
    with (
        RangeServer(has_etags=has_etags) as server,
        MeddlingProxy(("127.0.0.1", server.port)) as proxy,
    ):
        yield WebPlace(server, proxy)


@contextmanager
def bucket_place(object_store: tuple[str, int], name: str) -> Iterator[BucketPlace]:
    bucket = f"bucket-{abs(hash(name)):x}"
    with MeddlingProxy(object_store) as proxy:
        place = BucketPlace(object_store, bucket, proxy)
        yield place
        place.client.close()


def make_place(kind: str, request: pytest.FixtureRequest, stack: ExitStack) -> Any:
    if kind == "directory":
        return DirectoryPlace(request.getfixturevalue("tmp_path"))
    if kind == "bucket":
        store = request.getfixturevalue("object_store")
        return stack.enter_context(bucket_place(store, request.node.nodeid))
    return stack.enter_context(web_place(has_etags=kind == "web"))


@pytest.fixture(params=["directory", "bucket", "web", "web without etags"])
def place(request):
    """Every kind of source, empty."""
    with ExitStack() as stack:
        yield make_place(request.param, request, stack)


@pytest.fixture(params=["bucket", "web"])
def served(request):
    """Every kind of source with a network before it, with one file."""
    with ExitStack() as stack:
        made = make_place(request.param, request, stack)
        made.put(DATASET, CONTENT)
        yield made


@contextmanager
def opened(place: Any) -> Iterator[tuple[Source, SourceObject]]:
    source = place.open()
    try:
        yield source, source.list_objects()[0]
    finally:
        source.close()


@dataclass
class Received:
    """Bytes that came before an error."""

    content: bytes = b""

    def take(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self.content += piece


def read(source: Source, found: SourceObject, ahead: ReadAhead = TINY, start: int = 0) -> bytes:
    return b"".join(iter_object(source, found, start=start, ahead=ahead))


def test_files_are_listed_by_name_with_their_sizes(place):
    place.put(EXIF, b"123")
    place.put(DATASET, CONTENT)
    place.put("deeper/" + DATASET, b"not listed")
    source = place.open()
    found = source.list_objects()
    source.close()
    assert [(each.name, each.n_bytes) for each in found] == [(DATASET, len(CONTENT)), (EXIF, 3)]
    assert all(each.etag for each in found)
    assert all(each.url.endswith("/" + each.name) for each in found)


@pytest.mark.parametrize("range_bytes", [1_000, 7_000, 49_999, 50_000, 50_001])
def test_a_file_comes_whole_in_ranges_of_any_size(place, range_bytes):
    place.put(DATASET, CONTENT)
    ahead = ReadAhead(range_bytes, n_in_flight=4, first_pause_s=0.001)
    with opened(place) as (source, found):
        assert read(source, found, ahead) == CONTENT


@pytest.mark.parametrize("start", [1, 6_999, 7_000, 7_001, 49_999, 50_000])
def test_a_file_is_read_from_the_middle(place, start):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        assert read(source, found, start=start) == CONTENT[start:]


def test_an_empty_file_has_no_bytes(place):
    place.put(DATASET, b"")
    with opened(place) as (source, found):
        assert found.n_bytes == 0
        assert read(source, found) == b""


def test_one_range_is_what_was_asked_for(place):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        assert b"".join(source.read_range(found, 1_000, 10)) == CONTENT[1_000:1_010]


def test_a_reader_that_stops_early_leaves_nothing_behind(place):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        pieces = iter_object(source, found, ahead=TINY)
        assert next(pieces) == CONTENT[:7_000]
        pieces.close()
        assert read(source, found) == CONTENT


@pytest.mark.parametrize("other", [OTHER, OTHER[:100], OTHER * 2, b""])
def test_a_file_replaced_since_it_was_listed_is_refused(place, other):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        place.put(DATASET, other)
        with pytest.raises(SourceError, match=DATASET) as caught:
            read(source, found)
    if len(other) >= len(CONTENT):
        assert isinstance(caught.value, SourceChanged)
    assert caught.value.exit_code == 4


def test_a_file_replaced_while_it_is_read_is_never_spliced(place):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        pieces = iter_object(source, found, ahead=ONE_BY_ONE)
        received = next(pieces)
        place.put(DATASET, OTHER)
        rest = Received()
        with pytest.raises(SourceChanged, match=DATASET):
            rest.take(pieces)
    assert CONTENT.startswith(received + rest.content)


def test_a_place_that_is_not_there_is_missing(place):
    source = place.open_missing()
    with pytest.raises(SourceMissing) as caught:
        source.list_objects()
    source.close()
    assert caught.value.exit_code == 4


def test_a_file_that_is_gone_since_it_was_listed_is_missing(place):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        place.remove(DATASET)
        with pytest.raises(SourceMissing, match=DATASET):
            read(source, found)


def test_a_place_that_may_not_be_read_is_forbidden(place):
    place.put(DATASET, CONTENT)
    source = place.open()
    with place.forbidden(), pytest.raises(SourceForbidden) as caught:
        source.list_objects()
    source.close()
    assert caught.value.exit_code == 4


def test_a_file_that_may_not_be_read_any_more_is_forbidden(place):
    place.put(DATASET, CONTENT)
    with (
        opened(place) as (source, found),
        place.forbidden(),
        pytest.raises(SourceForbidden, match=DATASET),
    ):
        read(source, found)


@pytest.mark.parametrize("is_closed_not_reset", [True, False])
@pytest.mark.parametrize("cut_after", [3_000, 1])
def test_a_cut_connection_is_resumed_byte_for_byte(served, cut_after, is_closed_not_reset):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(
            cut_after=cut_after, n_cuts=6, is_closed_not_reset=is_closed_not_reset
        )
        assert read(source, found, ReadAhead(7_000, 2, 8, 0.001)) == CONTENT
    assert served.proxy.meddling.n_cuts == 0


def test_connections_that_are_all_cut_still_make_progress(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(cut_after=3_000, is_closed_not_reset=True)
        assert read(source, found) == CONTENT
    starts = [int(each.split()[1].split("-")[0]) for each in served.proxy.requests if "-" in each]
    assert 3_000 in starts  # asked again from the byte that was missing


def test_connections_that_bring_no_byte_are_given_up_after_some_attempts(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(cut_after=0, is_closed_not_reset=True)
        with pytest.raises(SourceUnreachable, match="offset 0 in 3 attempts") as caught:
            read(source, found, ONE_BY_ONE)
    assert DATASET in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_server_that_ignores_ranges_is_refused(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(ignores_range=True)
        received = Received()
        with pytest.raises(SourceError, match="status 200") as caught:
            received.take(iter_object(source, found, start=7_000, ahead=ONE_BY_ONE))
        assert received.content == b""
    assert "range" in str(caught.value)


def test_a_server_that_sends_another_range_is_refused(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(is_shifted=True)
        with pytest.raises(SourceError, match="bytes 0-6999/50000"):
            read(source, found)


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 0-6999/60000",
        "bytes 0-6999/*",
        "bytes 1-7000/50000",
        "bytes 0-6998/50000",
        "bytes */50000",
        "nonsense",
        "",
    ],
)
def test_a_wrong_content_range_is_an_error_never_a_splice(served, content_range):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(content_range=content_range)
        with pytest.raises(SourceError) as caught:
            read(source, found)
    assert caught.value.exit_code == 4


def test_more_bytes_than_asked_for_are_never_spliced_in(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(sends_more=True)
        received = Received()
        with pytest.raises(SourceError):
            received.take(iter_object(source, found, ahead=ONE_BY_ONE))
        assert len(served.proxy.requests) < 30
    assert CONTENT.startswith(received.content)


def test_fewer_bytes_than_the_header_says_are_asked_for_again(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(cut_after=6_999, n_cuts=3, is_closed_not_reset=True)
        assert read(source, found) == CONTENT


def test_a_reply_of_another_version_is_refused_though_its_range_fits(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(
            replacement=(rb"(?i)\r\netag: [^\r]*", b'\r\nETag: "another"')
        )
        with pytest.raises(SourceChanged):
            read(source, found)


@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_busy_server_is_asked_again(served, status):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(statuses=[status])
        assert read(source, found) == CONTENT


def test_a_busy_server_is_asked_again_for_its_list(served):
    source = served.open()
    served.proxy.meddling = Meddling(all_statuses=[503])
    assert [each.name for each in source.list_objects()] == [DATASET]
    source.close()


def test_a_server_that_stays_busy_is_out_of_reach(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(statuses=[503] * 100)
        with pytest.raises(SourceUnreachable, match=DATASET):
            read(source, found, ReadAhead(1 << 20, 1, 2, 0.001))


def test_a_place_that_does_not_answer_is_out_of_reach(served):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    source = served.open_unreachable(port)
    with pytest.raises(SourceUnreachable) as caught:
        source.list_objects()
    source.close()
    assert caught.value.exit_code == 4


def test_a_bucket_with_other_prefixes_lists_only_its_own(object_store):
    with bucket_place(object_store, "prefixes") as place:
        place.put(DATASET, b"1")
        place.client.put_object(Bucket=place.bucket, Key=f"a/folder-old/{EXIF}", Body=b"2")
        place.client.put_object(Bucket=place.bucket, Key=EXIF, Body=b"3")
        place.client.put_object(Bucket=place.bucket, Key="a/folder/", Body=b"")
        with opened(place) as (source, _):
            assert [each.name for each in source.list_objects()] == [DATASET]
        root = place._open(f"s3://{place.bucket}")
        assert [each.name for each in root.list_objects()] == [EXIF]
        root.close()


def test_an_object_that_is_not_public_is_forbidden_to_anonymous_readers(object_store):
    with bucket_place(object_store, "private") as place:
        place.client.put_object(Bucket=place.bucket, Key=f"a/folder/{DATASET}", Body=b"private")
        with opened(place) as (source, found), pytest.raises(SourceForbidden, match="--signed"):
            read(source, found)


def test_credentials_that_are_found_are_used(object_store, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    with bucket_place(object_store, "signed") as place:
        place.client.put_object(Bucket=place.bucket, Key=DATASET, Body=CONTENT)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{place.proxy.port}")
        source = open_source(f"s3://{place.bucket}", BucketAccess())
        assert read(source, source.list_objects()[0]) == CONTENT
        source.close()


def test_a_file_as_a_directory_is_missing(tmp_path):
    (tmp_path / DATASET).write_bytes(b"x")
    with pytest.raises(SourceMissing, match="expected a directory"):
        open_source(str(tmp_path / DATASET)).list_objects()


def test_an_address_of_a_directory_may_be_a_file_url(tmp_path):
    folder = tmp_path / "with blank"
    folder.mkdir()
    (folder / DATASET).write_bytes(b"x")
    found = open_source((folder).as_uri()).list_objects()
    assert [each.name for each in found] == [DATASET]


@pytest.mark.parametrize("url", ["ftp://host/folder", "s3://", "s3:///prefix", "gs://bucket/x"])
def test_an_address_of_no_known_kind_is_a_usage_error(url):
    with pytest.raises(UsageError) as caught:
        open_source(url)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("bucket", ["Not_A_Bucket!", "a b"])
def test_a_name_that_no_bucket_can_have_is_a_usage_error(bucket):
    source = open_source(f"s3://{bucket}/x", BucketAccess("http://127.0.0.1:9", False))
    with pytest.raises(UsageError):
        source.list_objects()
    source.close()

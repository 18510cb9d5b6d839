"""One suite over every kind of source: directories, buckets and web servers.

Buckets are those of moto and of the embedded server, and in `make test-s3` those of Ceph's
radosgw: a real object store, that checks signatures, policies and conditions.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.certificates import write_certificate
from tests.fakes.meddling_proxy import Meddling
from tests.fakes.object_stores import WRITABLE
from tests.fakes.places import (
    DirectoryPlace,
    Place,
    WebPlace,
    credentials,
    embedded_place,
    stored_place,
    web_place,
)
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

BUCKETS = [f"{store} {access}" for store in WRITABLE for access in ("anonymous", "signed")]
SERVED = [*BUCKETS, "embedded", "web", "https"]

pytestmark = pytest.mark.usefixtures("no_aws_settings")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority that no system knows."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def make_place(kind: str, request: pytest.FixtureRequest, stack: ExitStack) -> Place:
    """An empty place of a kind."""
    if kind == "directory":
        return DirectoryPlace(request.getfixturevalue("tmp_path"))
    if kind == "embedded":
        return stack.enter_context(embedded_place(*request.getfixturevalue("embedded")))
    if kind in ("web", "web without etags"):
        return stack.enter_context(web_place(has_etags=kind == "web"))
    if kind == "https":
        certificate = request.getfixturevalue("certificate")
        request.getfixturevalue("monkeypatch").setenv("SSL_CERT_FILE", str(certificate))
        return stack.enter_context(web_place(certificate=certificate))
    name, access = kind.split()
    store = request.getfixturevalue("find_store")(name)
    if access == "signed":
        environment = request.getfixturevalue("monkeypatch")
        for variable, value in credentials(store.owner).items():
            environment.setenv(variable, value)
    return stack.enter_context(stored_place(store, is_signed=access == "signed"))


@pytest.fixture(params=["directory", *SERVED, "web without etags"])
def place(request):
    """Every kind of source, empty."""
    with ExitStack() as stack:
        yield make_place(request.param, request, stack)


@pytest.fixture(params=SERVED)
def served(request):
    """Every kind of source with a network before it, with one file."""
    with ExitStack() as stack:
        made = make_place(request.param, request, stack)
        made.put(DATASET, CONTENT)
        yield made


@pytest.fixture(params=["moto signed", "web", "https"])
def silent(request):
    """One of each client, for answers that are the proxy's alone."""
    with ExitStack() as stack:
        made = make_place(request.param, request, stack)
        made.put(DATASET, CONTENT)
        yield made


@contextmanager
def opened(place: Place) -> Iterator[tuple[Source, SourceObject]]:
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


def test_a_file_comes_whole_in_ranges_of_any_size(place):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        for range_bytes in (3_000, 7_000, 49_999, 50_000, 50_001):
            ahead = ReadAhead(range_bytes, n_in_flight=4, first_pause_s=0.001)
            assert read(source, found, ahead) == CONTENT, range_bytes


def test_a_file_is_read_from_the_middle(place):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        for start in (1, 6_999, 7_000, 7_001, 49_999, 50_000):
            assert read(source, found, start=start) == CONTENT[start:], start


def test_a_single_file_is_a_source(place):
    place.put(DATASET, CONTENT)
    place.put(EXIF, b"another")
    source = place.open(f"{place.url}/{DATASET}")
    (found,) = source.list_objects()
    assert (found.name, found.n_bytes, source.url) == (DATASET, len(CONTENT), found.url)
    assert read(source, found) == CONTENT
    source.close()


def test_an_empty_file_has_no_bytes(place):
    place.put(DATASET, b"")
    with opened(place) as (source, found):
        assert found.n_bytes == 0
        assert read(source, found) == b""


def test_one_range_is_what_was_asked_for(place):
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        for start, n_bytes in ((0, 1), (1_000, 10), (49_999, 1), (0, 50_000)):
            piece = b"".join(source.read_range(found, start, n_bytes))
            assert piece == CONTENT[start : start + n_bytes], (start, n_bytes)


@pytest.mark.parametrize(
    "folder", ["with blank", "ü/日本 1", "a+b&c=d;e,f", "100%", "per%20cent", "what?#not"]
)
def test_a_folder_may_have_any_name(place, folder):
    if folder in ("per%20cent", "what?#not") and isinstance(place, WebPlace):
        pytest.skip("in the address of a web page these letters have a meaning of their own")
    place.folder = folder
    place.put(DATASET, CONTENT)
    with opened(place) as (source, found):
        assert [each.name for each in source.list_objects()] == [DATASET]
        assert read(source, found) == CONTENT


def test_an_address_may_end_with_a_slash(place):
    place.put(DATASET, CONTENT)
    place.folder += "/"
    with opened(place) as (_, found):
        assert found.name == DATASET


def test_a_file_is_not_a_folder_of_the_same_name(place):
    place.put(f"{DATASET}/{EXIF}", b"1")
    place.put(EXIF, b"2")
    source = place.open()
    assert [each.name for each in source.list_objects()] == [EXIF]
    source.close()


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
    assert isinstance(caught.value, SourceChanged)
    assert caught.value.exit_code == 4


def test_a_file_that_ends_before_what_was_asked_for_has_changed(silent):
    with opened(silent) as (source, found):
        silent.proxy.meddling = Meddling(statuses=[416] * 100)
        with pytest.raises(SourceChanged, match="shorter"):
            read(source, found)


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
        served.proxy.meddling = Meddling(whole=CONTENT)
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


def test_a_wrong_content_range_is_an_error_never_a_splice(served):
    with opened(served) as (source, found):
        for content_range in (
            "bytes 0-6999/60000",
            "bytes 0-6999/*",
            "bytes 1-7000/50000",
            "bytes 0-6998/50000",
            "bytes */50000",
            "nonsense",
            "",
        ):
            served.proxy.meddling = Meddling(content_range=content_range)
            with pytest.raises(SourceError) as caught:
                read(source, found)
            assert caught.value.exit_code == 4, content_range


def test_more_bytes_than_asked_for_are_never_spliced_in(served):
    with opened(served) as (source, found):
        served.proxy.meddling = Meddling(sends_more=True)
        served.proxy.requests.clear()
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
def test_a_busy_server_is_asked_again(silent, status):
    with opened(silent) as (source, found):
        silent.proxy.meddling = Meddling(statuses=[status])
        assert read(source, found) == CONTENT


def test_a_busy_server_is_asked_again_for_its_list(silent):
    source = silent.open()
    silent.proxy.meddling = Meddling(all_statuses=[503])
    assert [each.name for each in source.list_objects()] == [DATASET]
    source.close()


def test_a_server_that_stays_busy_is_out_of_reach(silent):
    with opened(silent) as (source, found):
        silent.proxy.meddling = Meddling(statuses=[503] * 100)
        with pytest.raises(SourceUnreachable, match=DATASET):
            read(source, found, ReadAhead(1 << 20, 1, 2, 0.001))


def test_a_place_that_does_not_answer_is_out_of_reach(silent):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    source = silent.open_unreachable(port)
    with pytest.raises(SourceUnreachable) as caught:
        source.list_objects()
    source.close()
    assert caught.value.exit_code == 4


@pytest.fixture
def private_https(certificate: Path) -> Iterator[WebPlace]:
    """A web server with a certificate of its own, and nothing in the environment about it."""
    with web_place(certificate=certificate) as place:
        place.put(DATASET, CONTENT)
        yield place


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(private_https):
    source = private_https.open()
    with pytest.raises(SourceUnreachable, match="SSL_CERT_FILE") as caught:
        source.list_objects()
    source.close()
    assert caught.value.exit_code == 4
    assert private_https.proxy.requests == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_that_the_environment_names_is_trusted(
    private_https, certificate, monkeypatch, name
):
    monkeypatch.setenv(name, str(certificate))
    with opened(private_https) as (source, found):
        assert read(source, found) == CONTENT


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_of_authorities_that_holds_none_is_a_usage_error(
    private_https, tmp_path, monkeypatch, content
):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(UsageError, match="SSL_CERT_FILE=") as caught:
        private_https.open()
    assert caught.value.exit_code == 2


def test_neither_proxy_nor_netrc_comes_from_the_environment(
    private_https, certificate, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with opened(private_https) as (source, found):
        assert read(source, found) == CONTENT


def test_what_is_neither_directory_nor_file_is_missing():
    with pytest.raises(SourceMissing, match="expected a directory"):
        open_source("/dev/null").list_objects()


def test_an_address_of_a_directory_may_be_a_file_url(tmp_path):
    folder = tmp_path / "with blank"
    folder.mkdir()
    (folder / DATASET).write_bytes(b"x")
    found = open_source((folder).as_uri()).list_objects()
    assert [each.name for each in found] == [DATASET]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/folder",
        "s3://",
        "s3:///prefix",
        "s3:bucket",
        "gs://bucket/x",
        "s3://[bucket/x",
        "http://[host/",
    ],
)
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

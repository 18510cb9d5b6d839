"""What only buckets have: keys, pages, access and parts."""

from __future__ import annotations

import random
from contextlib import ExitStack, closing

import pytest

from tests.fakes.meddling_proxy import Meddling
from tests.fakes.object_stores import WRITABLE
from tests.fakes.places import StoredPlace, credentials, embedded_place, stored_place
from tests.fakes.radosgw import User
from yfcc.errors import SourceForbidden, SourceMissing, SourceUnreachable
from yfcc.metadata.source import Source, iter_object, open_source
from yfcc.metadata.source.bucket import BucketAccess

DATASET, EXIF = "yfcc100m_dataset.bz2", "yfcc100m_exif.bz2"
CONTENT = random.Random(5).randbytes(20_000)
PART_BYTES = 5 << 20  # the least that S3 takes

pytestmark = pytest.mark.usefixtures("no_aws_settings")


@pytest.fixture(params=WRITABLE)
def store(request, find_store):
    """Every object store that can be written to."""
    return find_store(request.param)


@pytest.fixture
def checking_store(store):
    """Those that say no to whom they should."""
    if not store.checks_access:
        pytest.skip(f"{store.name} checks neither signatures nor policies; `make test-s3` does")
    return store


@pytest.fixture
def public(store):
    """A bucket that everybody may list and read."""
    with stored_place(store, is_signed=False) as place:
        yield place


@pytest.fixture
def private(store, monkeypatch):
    """A bucket for its owner alone, whose keys are where boto3 looks."""
    sign(monkeypatch, store.owner)
    with stored_place(store, is_signed=True) as place:
        yield place


@pytest.fixture
def guarded(checking_store, private):
    """The same, where it means something."""
    private.put(DATASET, CONTENT)
    return private


@pytest.fixture(params=[*WRITABLE, "embedded"])
def listed(request):
    """Every server that lists."""
    with ExitStack() as stack:
        if request.param == "embedded":
            found = embedded_place(*request.getfixturevalue("embedded"))
        else:
            found = stored_place(
                request.getfixturevalue("find_store")(request.param), is_signed=False
            )
        yield stack.enter_context(found)


def sign(monkeypatch: pytest.MonkeyPatch, user: User) -> None:
    for variable, value in credentials(user).items():
        monkeypatch.setenv(variable, value)


def open_as(place: StoredPlace, *, is_signed: bool | None) -> Source:
    return open_source(place.url, BucketAccess(place.store.endpoint, is_signed))


def read(source: Source) -> bytes:
    """The first file of a source that is then closed."""
    with closing(source):
        return b"".join(iter_object(source, source.list_objects()[0]))


def names(source: Source) -> list[str]:
    with closing(source):
        return [each.name for each in source.list_objects()]


def test_a_list_of_several_pages_is_read_to_its_end(listed):
    every = [f"{number:03}.bz2" for number in range(502)]
    for name in every:
        listed.put(name, b"1")
        listed.put(f"{name}-deeper/{EXIF}", b"2")
    assert names(listed.open()) == every


def test_a_page_full_of_folders_ends_no_list(listed):
    if isinstance(listed, StoredPlace) and listed.store.name == "moto":
        pytest.skip("5 s for moto, and its pages are those of the test before")
    for number in range(1_001):
        listed.put(f"{number:04}/{EXIF}", b"1")
    listed.put(DATASET, CONTENT)
    assert names(listed.open()) == [DATASET]


def test_a_prefix_is_a_folder_not_the_beginning_of_a_name(public):
    public.put(DATASET, b"1")
    public.put_key(f"a/folder-old/{EXIF}", b"2")
    public.put_key("a/folder.txt", b"3")
    public.put_key(EXIF, b"4")
    assert names(public.open()) == [DATASET]
    assert names(public.open(f"s3://{public.bucket}/a/folder/")) == [DATASET]
    assert names(public.open(f"s3://{public.bucket}")) == [EXIF]
    assert names(public.open(f"s3://{public.bucket}/")) == [EXIF]


def test_the_marker_of_a_folder_is_no_file(public):
    public.put(DATASET, b"1")
    public.put_key("a/folder/", b"")
    public.put_key("a/folder/deeper/", b"")
    assert names(public.open()) == [DATASET]


def test_a_prefix_with_nothing_below_it_has_no_files(public):
    public.put(DATASET, b"1")
    assert names(public.open(f"s3://{public.bucket}/a/fold")) == []


def test_an_object_of_several_parts_is_read_whole(private):
    content = random.Random(6).randbytes(PART_BYTES + 1_234_567)
    where = {"Bucket": private.bucket, "Key": f"{private.folder}/{DATASET}"}
    client = private.store.client
    upload = client.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, first in enumerate(range(0, len(content), PART_BYTES), start=1):
        sent = client.upload_part(
            **where, UploadId=upload, PartNumber=number, Body=content[first : first + PART_BYTES]
        )
        parts.append({"ETag": sent["ETag"], "PartNumber": number})
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    with closing(private.open()) as source:
        (found,) = source.list_objects()
        assert found.etag.endswith('-2"')
        assert b"".join(iter_object(source, found)) == content


def test_credentials_that_are_found_are_used(private, monkeypatch):
    private.put(DATASET, CONTENT)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", private.store.endpoint)
    assert read(open_source(private.url)) == CONTENT


def test_a_public_bucket_is_read_without_credentials(public):
    public.put(DATASET, CONTENT)
    assert read(open_as(public, is_signed=None)) == CONTENT


def test_an_object_that_is_not_public_is_forbidden_to_anonymous_readers(public):
    key = f"{public.folder}/{DATASET}"
    public.store.client.put_object(Bucket=public.bucket, Key=key, Body=CONTENT, ACL="private")
    with pytest.raises(SourceForbidden, match="--signed"):
        read(public.open())


def test_a_bucket_that_is_not_public_is_forbidden_to_anonymous_readers(guarded):
    with pytest.raises(SourceForbidden, match="--signed"):
        read(open_as(guarded, is_signed=False))


def test_a_bucket_of_somebody_else_is_forbidden(guarded, monkeypatch):
    sign(monkeypatch, guarded.store.stranger)
    with pytest.raises(SourceForbidden, match="permission denied"):
        read(guarded.open())


@pytest.mark.parametrize(
    ("user", "code"),
    [
        (lambda owner: User(owner.access_key, "wrong"), "SignatureDoesNotMatch"),
        (lambda owner: User("nobody", owner.secret_key), "InvalidAccessKeyId"),
    ],
    ids=["secret", "key"],
)
def test_wrong_credentials_are_refused_by_name(guarded, monkeypatch, user, code):
    sign(monkeypatch, user(guarded.store.owner))
    with pytest.raises(SourceForbidden, match=code):
        read(guarded.open())


def test_a_policy_may_let_everybody_read(guarded):
    guarded.set_policy("Allow", "ListBucket", "GetObject")
    assert read(open_as(guarded, is_signed=False)) == CONTENT


def test_a_policy_may_let_everybody_list_and_not_read(guarded):
    guarded.set_policy("Allow", "ListBucket")
    with closing(open_as(guarded, is_signed=False)) as source:
        (found,) = source.list_objects()
        with pytest.raises(SourceForbidden, match=DATASET):
            list(iter_object(source, found))


def test_who_may_read_and_not_list_names_the_file(guarded):
    guarded.set_policy("Allow", "GetObject")
    with pytest.raises(SourceForbidden):
        read(open_as(guarded, is_signed=False))
    access = BucketAccess(guarded.store.endpoint, False)
    assert read(open_source(f"{guarded.url}/{DATASET}", access)) == CONTENT


def test_a_clock_that_is_wrong_is_named(public):
    public.put(DATASET, CONTENT)
    public.proxy.meddling = Meddling(all_statuses=[403] * 100, code="RequestTimeTooSkewed")
    with pytest.raises(SourceForbidden, match="Check this machine's clock"):
        read(public.open())


def test_a_network_that_fails_is_no_empty_bucket(public):
    public.put(DATASET, CONTENT)
    public.proxy.meddling = Meddling(unanswered="HEAD")
    with pytest.raises(SourceUnreachable, match=DATASET):
        read(public.open(f"{public.url}/{DATASET}"))


def test_a_bucket_that_is_not_there_is_missing_whoever_asks(private):
    for is_signed in (True, False):
        access = BucketAccess(private.store.endpoint, is_signed)
        with pytest.raises(SourceMissing, match="no such bucket"):
            read(open_source("s3://no-such-bucket-anywhere/a/folder", access))

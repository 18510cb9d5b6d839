"""The embedded S3 server, as boto3, s3fs and plain HTTP see it."""

from __future__ import annotations

import hashlib
import os
import threading
import time

import boto3
import pytest
import requests
import s3fs
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from yfcc.demo.sample import write_sample
from yfcc.demo.serve import EmbeddedServers, ServerSettings
from yfcc.errors import UsageError

METADATA = "yfcc100m-metadata"
DATASET = "v2/yfcc100m_dataset.bz2"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("s3")
    write_sample(path, 60, 1)
    odd = path / "buckets" / "odd"
    for key in (
        "a b/c+d.txt",
        "a b/e&f<g>.txt",
        "a b/ü/日本.txt",
        "a.txt",
        "a/1",
        "a/2",
        "b/3",
        "empty",
    ):
        (odd / key).parent.mkdir(parents=True, exist_ok=True)
        (odd / key).write_bytes(key.encode() if key != "empty" else b"")
    return path


@pytest.fixture(scope="module")
def endpoint(directory):
    settings = ServerSettings(access_denied_buckets=frozenset({"multimedia-commons"}))
    with EmbeddedServers(directory, settings) as servers:
        yield servers.s3_endpoint


@pytest.fixture(params=["anonymous", "signed"])
def client(request, endpoint):
    anonymous = request.param == "anonymous"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-west-2",
        aws_access_key_id=None if anonymous else "demo",
        aws_secret_access_key=None if anonymous else "secret",
        config=Config(
            signature_version=UNSIGNED if anonymous else "s3v4",
            s3={"addressing_style": "path"},
            retries={"max_attempts": 0},
        ),
    )
    yield client
    client.close()


@pytest.fixture
def filesystem(endpoint):
    found = s3fs.S3FileSystem(
        anon=True, endpoint_url=endpoint, skip_instance_cache=True, use_listings_cache=False
    )
    found.connect()
    yield found
    found.close_session(found.loop, found.s3)


def content(directory, key=DATASET, bucket=METADATA):
    return (directory / "buckets" / bucket / key).read_bytes()


def test_boto3_reads_an_object_with_its_md5_as_etag(client, directory):
    found = client.get_object(Bucket=METADATA, Key=DATASET)
    body = found["Body"].read()
    assert body == content(directory)
    assert found["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert found["ContentLength"] == len(body)
    assert found["AcceptRanges"] == "bytes"
    assert found["ResponseMetadata"]["RequestId"]
    head = client.head_object(Bucket=METADATA, Key=DATASET)
    assert (head["ETag"], head["ContentLength"]) == (found["ETag"], len(body))
    assert head["LastModified"] == found["LastModified"]


@pytest.mark.parametrize(
    ("header", "part", "content_range"),
    [
        ("bytes=10-19", slice(10, 20), "bytes 10-19/{}"),
        ("bytes=100-", slice(100, None), "bytes 100-{last}/{}"),
        ("bytes=-7", slice(-7, None), "bytes {minus7}-{last}/{}"),
    ],
)
def test_boto3_reads_a_range(client, directory, header, part, content_range):
    whole = content(directory)
    found = client.get_object(Bucket=METADATA, Key=DATASET, Range=header)
    assert found["Body"].read() == whole[part]
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert found["ContentRange"] == content_range.format(
        len(whole), last=len(whole) - 1, minus7=len(whole) - 7
    )


def test_a_range_behind_the_end_is_416(client, directory):
    with pytest.raises(ClientError) as failure:
        client.get_object(Bucket=METADATA, Key=DATASET, Range="bytes=999999999-")
    assert failure.value.response["Error"]["Code"] == "InvalidRange"
    headers = failure.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-range"] == f"bytes */{len(content(directory))}"


def test_if_match_and_if_none_match_are_obeyed(client):
    etag = client.head_object(Bucket=METADATA, Key=DATASET)["ETag"]
    client.get_object(Bucket=METADATA, Key=DATASET, IfMatch=etag)["Body"].read()
    with pytest.raises(ClientError) as changed:
        client.get_object(Bucket=METADATA, Key=DATASET, IfMatch='"0123"', Range="bytes=0-1")
    assert changed.value.response["Error"]["Code"] == "PreconditionFailed"
    assert changed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    with pytest.raises(ClientError) as same:
        client.get_object(Bucket=METADATA, Key=DATASET, IfNoneMatch=etag)
    assert same.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304


def test_what_does_not_exist_is_404_and_the_forbidden_403(client):
    def code(call, **arguments):
        with pytest.raises(ClientError) as failure:
            call(**arguments)
        answer = failure.value.response
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]

    assert code(client.get_object, Bucket=METADATA, Key="v2/none") == (404, "NoSuchKey")
    assert code(client.get_object, Bucket=METADATA, Key="v2/") == (404, "NoSuchKey")
    assert code(client.get_object, Bucket=METADATA, Key="../../sample.json") == (404, "NoSuchKey")
    assert code(client.head_object, Bucket=METADATA, Key="v2/none") == (404, "404")
    assert code(client.get_object, Bucket="no-such", Key="x") == (404, "NoSuchBucket")
    assert code(client.list_objects_v2, Bucket="no-such") == (404, "NoSuchBucket")
    assert code(client.head_bucket, Bucket="no-such") == (404, "404")
    for bucket in ("multimedia-commons",):
        assert code(client.get_object, Bucket=bucket, Key="x") == (403, "AccessDenied")
        assert code(client.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
        assert code(client.head_bucket, Bucket=bucket) == (403, "403")
    assert code(client.put_object, Bucket=METADATA, Key="x", Body=b"") == (405, "MethodNotAllowed")
    assert code(client.delete_object, Bucket=METADATA, Key=DATASET) == (405, "MethodNotAllowed")


def test_buckets_and_their_region_are_told(client):
    names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    assert names == ["multimedia-commons", "odd", METADATA]
    assert client.get_bucket_location(Bucket=METADATA)["LocationConstraint"] == "us-west-2"
    head = client.head_bucket(Bucket=METADATA)
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-west-2"


def test_keys_are_listed_in_byte_order_page_by_page(client):
    every = [
        "a b/c+d.txt",
        "a b/e&f<g>.txt",
        "a b/ü/日本.txt",
        "a.txt",
        "a/1",
        "a/2",
        "b/3",
        "empty",
    ]
    for max_keys in (1, 3, 8, 1000):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket="odd", PaginationConfig={"PageSize": max_keys}
        )
        assert [entry["Key"] for page in pages for entry in page["Contents"]] == every
    page = client.list_objects_v2(Bucket="odd", StartAfter="a.txt", MaxKeys=2)
    assert [entry["Key"] for entry in page["Contents"]] == ["a/1", "a/2"]
    assert page["IsTruncated"]
    assert page["KeyCount"] == 2
    entry = client.list_objects_v2(Bucket="odd", Prefix="a/1")["Contents"][0]
    assert (entry["Size"], entry["ETag"]) == (3, f'"{hashlib.md5(b"a/1").hexdigest()}"')
    assert "Contents" not in client.list_objects_v2(Bucket="odd", Prefix="zzz")
    assert "Contents" not in client.list_objects_v2(Bucket="odd", Prefix="../")


def test_a_delimiter_groups_keys(client):
    def listed(**query):
        names = []
        for page in client.get_paginator("list_objects_v2").paginate(
            Bucket="odd", PaginationConfig={"PageSize": 2}, **query
        ):
            names += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            names += [entry["Key"] for entry in page.get("Contents", [])]
        return names

    assert sorted(listed(Delimiter="/")) == ["a b/", "a.txt", "a/", "b/", "empty"]
    assert listed(Delimiter="/", Prefix="a b/") == ["a b/c+d.txt", "a b/e&f<g>.txt", "a b/ü/"]
    assert sorted(listed(Delimiter="/", Prefix="a")) == ["a b/", "a.txt", "a/"]
    assert listed(Delimiter=".t", Prefix="a b/c") == ["a b/c+d.t"]


def test_boto3_reads_odd_keys_and_an_empty_object(client):
    for key in ("a b/c+d.txt", "a b/e&f<g>.txt", "a b/ü/日本.txt"):
        assert client.get_object(Bucket="odd", Key=key)["Body"].read() == key.encode()
    assert client.get_object(Bucket="odd", Key="empty")["Body"].read() == b""


def test_s3fs_lists_reads_and_seeks(filesystem, directory):
    assert filesystem.ls(f"{METADATA}/v2") == sorted(
        f"{METADATA}/v2/yfcc100m_{name}.bz2" for name in ("dataset", "autotags", "exif", "places")
    )
    assert len(filesystem.find(METADATA)) == 4
    assert sorted(filesystem.ls("odd")) == ["odd/a", "odd/a b", "odd/a.txt", "odd/b", "odd/empty"]
    whole = content(directory)
    info = filesystem.info(f"{METADATA}/{DATASET}")
    assert info["size"] == len(whole)
    with filesystem.open(f"{METADATA}/{DATASET}", "rb", block_size=1000) as file:
        file.seek(5_000)
        assert file.read(10) == whole[5_000:5_010]
        file.seek(0)
        assert file.read() == whole
    assert filesystem.cat_file(f"{METADATA}/{DATASET}", start=3, end=8) == whole[3:8]
    assert not filesystem.exists(f"{METADATA}/v2/none")
    with pytest.raises(FileNotFoundError):
        filesystem.cat_file(f"{METADATA}/none")
    with pytest.raises(PermissionError):
        filesystem.cat_file("multimedia-commons/x")


def test_a_replaced_object_has_another_etag(client, directory):
    path = directory / "buckets" / "odd" / "b" / "3"
    before = client.head_object(Bucket="odd", Key="b/3")["ETag"]
    path.write_bytes(b"other content")
    try:
        assert client.head_object(Bucket="odd", Key="b/3")["ETag"] != before
    finally:
        path.write_bytes(b"b/3")


def test_the_cap_holds_over_all_connections_and_latency_for_each(directory):
    size = len(content(directory))
    settings = ServerSettings(s3_latency_s=0.05, s3_bytes_per_s=size * 10)
    with EmbeddedServers(directory, settings) as servers:
        url = f"{servers.s3_endpoint}/{METADATA}/{DATASET}"
        started = time.monotonic()
        threads = [
            threading.Thread(target=lambda: requests.get(url, timeout=10).close()) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started > 0.4
        assert servers.s3.n_requests == 4


def test_servers_stop_with_clients_connected_and_leave_no_thread(directory):
    before = threading.active_count()
    with requests.Session() as session:
        with EmbeddedServers(directory) as servers:
            assert session.get(servers.s3_endpoint, timeout=5).status_code == 200
            assert session.get(f"{servers.flickr_endpoint}/robots.txt", timeout=5).ok
            started = time.monotonic()
        assert time.monotonic() - started < 1
    assert threading.active_count() == before


def test_a_port_in_use_and_a_missing_sample_are_told(directory, tmp_path):
    with EmbeddedServers(directory) as servers:
        port = int(servers.s3_endpoint.rpartition(":")[2])
        with pytest.raises(UsageError, match="cannot serve"):
            EmbeddedServers(directory, ServerSettings(flickr_port=port)).__enter__()
    with pytest.raises(UsageError, match="no sample"):
        EmbeddedServers(tmp_path)

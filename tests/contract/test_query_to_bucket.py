"""Answers written to a bucket, and read back from it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.meddling_proxy import Meddling
from tests.fakes.object_stores import WRITABLE, ObjectStore
from tests.fakes.places import StoredPlace, credentials, stored_place
from tests.fakes.radosgw import User
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress


@pytest.fixture(params=WRITABLE)
def store(request, find_store) -> ObjectStore:
    return find_store(request.param)


@pytest.fixture
def private(store: ObjectStore) -> Iterator[StoredPlace]:
    """A bucket that its owner alone may write to."""
    with stored_place(store, is_signed=True) as place:
        yield place


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path, limit=50), SilentProgress())
    return str(path)


def settings(store: ObjectStore, user: User | None = None) -> dict[str, str]:
    """What the command finds in its environment."""
    keys = credentials(user or store.owner)
    return {"AWS_ENDPOINT_URL_S3": store.endpoint, "AWS_REGION": "us-east-1"} | keys


def keys_of(place: StoredPlace) -> list[str]:
    listed = place.store.client.list_objects_v2(Bucket=place.bucket)
    return [entry["Key"] for entry in listed.get("Contents", [])]


def fetch(place: StoredPlace, key: str) -> bytes:
    with place.store.client.get_object(Bucket=place.bucket, Key=key)["Body"] as body:
        return body.read()


def test_a_query_writes_parquet_to_a_bucket(
    private: StoredPlace, catalog: str, run_yfcc: RunYfcc
) -> None:
    sql = "SELECT photo_id, license, autotags FROM items ORDER BY line_number"
    done = run_yfcc(
        *("query", sql, "--catalog", catalog, "--format", "parquet"),
        *("--output", f"s3://{private.bucket}/folder/items.parquet"),
        **settings(private.store),
    )
    assert done.returncode == 0, done.stderr
    assert keys_of(private) == ["folder/items.parquet"]
    answer = pl.read_parquet(io.BytesIO(fetch(private, "folder/items.parquet")))
    assert answer.height == 50
    assert answer.columns == ["photo_id", "license", "autotags"]


def test_a_large_answer_goes_in_parts_and_replaces_the_old_one(
    private: StoredPlace, catalog: str, run_yfcc: RunYfcc
) -> None:
    private.put_key("answer.csv", b"an older answer")
    done = run_yfcc(
        *("query", "SELECT i, md5(i::VARCHAR) FROM range(2_500_000) AS r(i)"),
        *("--catalog", catalog, "--format", "csv"),
        *("--output", f"s3://{private.bucket}/answer.csv"),
        **settings(private.store),
    )
    assert done.returncode == 0, done.stderr
    head = private.store.client.head_object(Bucket=private.bucket, Key="answer.csv")
    assert "-" in head["ETag"]
    lines = fetch(private, "answer.csv").splitlines()
    assert len(lines) == 2_500_001
    assert lines[-1].startswith(b"2499999,")


def test_a_bucket_that_is_not_there_is_exit_6(
    store: ObjectStore, catalog: str, run_yfcc: RunYfcc
) -> None:
    done = run_yfcc(
        *("query", "SELECT 1", "--catalog", catalog, "--format", "csv"),
        *("--output", "s3://nowhere/answer.csv"),
        **settings(store),
    )
    assert done.returncode == 6
    assert (
        "s3://nowhere/answer.csv: cannot be written: no such bucket (NoSuchBucket)" in done.stderr
    )
    assert "AWS_ENDPOINT_URL_S3" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "AccessDenied", "permission denied (AccessDenied). Check the bucket's policy"),
        (403, "RequestTimeTooSkewed", "Check this machine's clock"),
        (403, "InvalidAccessKeyId", "refused (InvalidAccessKeyId). Check your credentials"),
        (400, "InvalidRequest", "the object store answered InvalidRequest"),
    ],
)
def test_a_refused_write_says_the_stores_code_and_what_to_do(
    private: StoredPlace, catalog: str, run_yfcc: RunYfcc, status: int, code: str, says: str
) -> None:
    private.proxy.meddling = Meddling(all_statuses=[status] * 100, code=code)
    done = run_yfcc(
        *("query", "SELECT 1", "--catalog", catalog, "--format", "csv"),
        *("--output", f"s3://{private.bucket}/answer.csv"),
        **(settings(private.store) | {"AWS_ENDPOINT_URL_S3": private.access().endpoint_url}),
    )
    assert done.returncode == 6, done.stderr
    assert f"s3://{private.bucket}/answer.csv: cannot be written: " in done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("bucket", "environment", "says"),
    [
        ("some-bucket", {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "Check the network"),
        ("some-bucket", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
        ("No_Bucket!", {}, "not a valid bucket name"),
    ],
)
def test_what_never_reaches_a_bucket_is_exit_6_and_says_why(
    store: ObjectStore,
    catalog: str,
    run_yfcc: RunYfcc,
    bucket: str,
    environment: dict[str, str],
    says: str,
) -> None:
    done = run_yfcc(
        *("query", "SELECT 1", "--catalog", catalog, "--format", "csv"),
        *("--output", f"s3://{bucket}/answer.csv"),
        **(settings(store) | {"AWS_MAX_ATTEMPTS": "1", "HOME": "/nowhere"} | environment),
    )
    assert done.returncode == 6, done.stderr
    assert f"s3://{bucket}/answer.csv: cannot be written: " in done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("who", ["stranger", "wrong secret"])
def test_a_bucket_that_may_not_be_written_is_exit_6(
    private: StoredPlace, catalog: str, run_yfcc: RunYfcc, who: str
) -> None:
    store = private.store
    if not store.checks_access:
        pytest.skip(f"{store.name} checks neither signatures nor policies; `make test-s3` does")
    wrong = User(store.owner.access_key, "wrong")
    done = run_yfcc(
        *("query", "SELECT 1", "--catalog", catalog, "--format", "csv"),
        *("--output", f"s3://{private.bucket}/answer.csv"),
        **settings(store, store.stranger if who == "stranger" else wrong),
    )
    assert done.returncode == 6, done.stderr
    assert f"s3://{private.bucket}/answer.csv" in done.stderr
    assert ("AccessDenied" if who == "stranger" else "SignatureDoesNotMatch") in done.stderr
    assert "Traceback" not in done.stderr
    assert keys_of(private) == []


def test_a_folder_that_is_not_there_is_exit_6(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    target = tmp_path / "nowhere" / "answer.csv"
    done = run_yfcc(
        *("query", "SELECT 1", "--catalog", catalog, "--format", "csv", "--output", str(target))
    )
    assert done.returncode == 6
    assert "nowhere" in done.stderr

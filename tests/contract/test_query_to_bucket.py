"""Answers written to a bucket, and read back from it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import RunYfcc, SampleAt
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path, limit=50), SilentProgress())
    return str(path)


def client(store: str):
    return boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


def test_a_query_writes_parquet_to_a_bucket(store: str, catalog: str, run_yfcc: RunYfcc) -> None:
    bucket = client(store)
    bucket.create_bucket(Bucket="answers")
    sql = "SELECT photo_id, license, autotags FROM items ORDER BY line_number"
    done = run_yfcc(
        *("query", sql, "--catalog", catalog, "--format", "parquet"),
        *("--output", "s3://answers/folder/items.parquet"),
        AWS_ENDPOINT_URL_S3=store,
        **KEYS,
    )
    assert done.returncode == 0, done.stderr
    body = bucket.get_object(Bucket="answers", Key="folder/items.parquet")["Body"]
    with body:
        answer = pl.read_parquet(io.BytesIO(body.read()))
    assert answer.height == 50
    assert answer.columns == ["photo_id", "license", "autotags"]


def test_a_bucket_that_is_not_there_is_exit_6(store: str, catalog: str, run_yfcc: RunYfcc) -> None:
    done = run_yfcc(
        *("query", "SELECT 1", "--catalog", catalog, "--format", "csv"),
        *("--output", "s3://nowhere/answer.csv"),
        AWS_ENDPOINT_URL_S3=store,
        **KEYS,
    )
    assert done.returncode == 6
    assert "s3://nowhere/answer.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_not_there_is_exit_6(
    catalog: str, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    target = tmp_path / "nowhere" / "answer.csv"
    done = run_yfcc(
        *("query", "SELECT 1", "--catalog", catalog, "--format", "csv", "--output", str(target))
    )
    assert done.returncode == 6
    assert "nowhere" in done.stderr

"""The object stores that the contracts are checked against, each started once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import boto3
import pytest

from tests.fakes.mirror_places import BucketPrefix, DirectoryMirror, MirrorPlace
from tests.fakes.object_stores import WRITABLE, ObjectStore, running_store
from tests.fakes.places import credentials
from tests.fakes.radosgw import HOW_TO_INSTALL, IS_REQUIRED, missing_programs
from yfcc.demo.sample import write_sample
from yfcc.demo.serve import EmbeddedServers

FindStore = Callable[[str], ObjectStore]
MakeBucket = Callable[[str], BucketPrefix]
Embedded = tuple[Path, tuple[str, int]]


def pytest_configure() -> None:
    """A run that was asked to try a real S3 server never passes without one."""
    if IS_REQUIRED and (missing := missing_programs()):
        raise pytest.UsageError(
            f"a real S3 server is to be tested, and {', '.join(missing)} are not installed. "
            f"On Debian, as root: {HOW_TO_INSTALL}"
        )


@pytest.fixture(scope="session")
def find_store() -> Iterator[FindStore]:
    """A running object store by its name, started when it is first asked for."""
    running: dict[str, ObjectStore] = {}
    with ExitStack() as stack:

        def find(name: str) -> ObjectStore:
            if name not in running:
                running[name] = stack.enter_context(running_store(name))
            return running[name]

        yield find


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Where the embedded server's buckets lie, and its address."""
    directory = tmp_path_factory.mktemp("embedded")
    write_sample(directory, 10, seed=1)
    with EmbeddedServers(directory) as servers:
        host, _, port = servers.s3_endpoint.removeprefix("http://").partition(":")
        yield directory / "buckets", (host, int(port))


@pytest.fixture
def no_aws_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither credentials, proxies nor authorities of the machine that runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "SSL_CERT_")) or name.upper().endswith(
            ("_PROXY", "_CA_BUNDLE")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@cache
def session_of(access_key: str, secret_key: str) -> boto3.Session:
    """One for all clients of an owner: each reads boto3's description of S3, for 0.1 s."""
    return boto3.Session(access_key, secret_key, region_name="us-east-1")


@pytest.fixture
def make_bucket(
    find_store: FindStore, no_aws_settings: None, monkeypatch: pytest.MonkeyPatch
) -> MakeBucket:
    """A new bucket in a store of that name, which the settings lead to."""

    def make(name: str) -> BucketPrefix:
        store = find_store(name)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.endpoint)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        for variable, value in credentials(store.owner).items():
            monkeypatch.setenv(variable, value)
        session = session_of(store.owner.access_key, store.owner.secret_key)
        monkeypatch.setattr(boto3, "Session", lambda: session)
        return BucketPrefix(store)

    return make


@pytest.fixture(params=["directory", *WRITABLE])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> MirrorPlace:
    """An empty place for a mirror or an export, of each kind."""
    if request.param == "directory":
        return DirectoryMirror(tmp_path / "place")
    make_bucket: MakeBucket = request.getfixturevalue("make_bucket")
    return make_bucket(request.param)


@pytest.fixture(params=WRITABLE)
def bucket(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> BucketPrefix:
    """An empty bucket in each kind of store that is written to."""
    return make_bucket(request.param)

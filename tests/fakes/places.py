"""Every kind of place that metadata files can lie at, with what a test has to do to it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.meddling_proxy import Meddling, MeddlingProxy
from tests.fakes.object_stores import ObjectStore
from tests.fakes.radosgw import User
from tests.fakes.range_server import RangeServer
from yfcc.metadata.source import Source, open_source
from yfcc.metadata.source.bucket import BucketAccess

FOLDER = "a/folder"
_numbers = itertools.count()


@dataclass
class DirectoryPlace:
    """A directory below `path`."""

    path: Path
    folder: str = FOLDER

    @property
    def url(self) -> str:
        return str(self.path / self.folder)

    def put(self, name: str, content: bytes) -> None:
        path = self.path / self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def remove(self, name: str) -> None:
        (self.path / self.folder / name).unlink()

    def open(self, url: str | None = None) -> Source:
        return open_source(url or self.url)

    def open_missing(self) -> Source:
        return self.open(str(self.path / "nowhere"))

    @contextmanager
    def forbidden(self) -> Iterator[None]:
        folder = self.path / self.folder
        if os.geteuid() != 0:
            folder.chmod(0)
            yield
            folder.chmod(0o700)
            return
        folder.chmod(0o700)
        os.seteuid(65534)  # root may read everything; nobody may not
        try:
            yield
        finally:
            os.seteuid(0)


@dataclass
class ServedPlace:
    """A place behind a proxy that passes on, until it is told to meddle."""

    proxy: MeddlingProxy
    folder: str = field(default=FOLDER, kw_only=True)

    @contextmanager
    def forbidden(self) -> Iterator[None]:
        self.proxy.meddling = Meddling(all_statuses=[403] * 1000)
        yield
        self.proxy.meddling = Meddling()


@dataclass
class WebPlace(ServedPlace):
    """A folder of a web server."""

    server: RangeServer
    scheme: str = field(default="http", kw_only=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.proxy.port}/{self.folder}"

    def put(self, name: str, content: bytes) -> None:
        self.server.put(f"{self.folder}/{name}", content)

    def remove(self, name: str) -> None:
        del self.server.files[f"{self.folder}/{name}"]

    def open(self, url: str | None = None) -> Source:
        return open_source(url or self.url)

    def open_missing(self) -> Source:
        return self.open(f"{self.scheme}://127.0.0.1:{self.proxy.port}/nowhere/")

    def open_unreachable(self, port: int) -> Source:
        return self.open(f"{self.scheme}://127.0.0.1:{port}/{self.folder}/")


@dataclass
class BucketPlace(ServedPlace):
    """A prefix of a bucket; what is common to servers that are written to and that are not."""

    bucket: str
    is_signed: bool

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.folder}"

    def access(self, port: int | None = None) -> BucketAccess:
        return BucketAccess(f"http://127.0.0.1:{port or self.proxy.port}", self.is_signed)

    def open(self, url: str | None = None) -> Source:
        return open_source(url or self.url, self.access())

    def open_missing(self) -> Source:
        return self.open("s3://no-such-bucket-anywhere/a/folder")

    def open_unreachable(self, port: int) -> Source:
        return open_source(self.url, self.access(port))


@dataclass
class StoredPlace(BucketPlace):
    """A bucket of its own on a server that is written to.

    Anonymous: readable for everybody, as the public buckets are. Signed: for its owner alone.
    """

    store: ObjectStore

    def __post_init__(self) -> None:
        self.store.client.create_bucket(Bucket=self.bucket, ACL=self.acl)

    @property
    def acl(self) -> str:
        return "private" if self.is_signed else "public-read"

    def put(self, name: str, content: bytes) -> None:
        self.put_key(f"{self.folder}/{name}", content)

    def put_key(self, key: str, content: bytes) -> None:
        self.store.client.put_object(Bucket=self.bucket, Key=key, Body=content, ACL=self.acl)

    def remove(self, name: str) -> None:
        self.store.client.delete_object(Bucket=self.bucket, Key=f"{self.folder}/{name}")

    def set_policy(self, effect: str, *actions: str) -> None:
        """Allow or deny everybody these actions on the bucket and its objects."""
        statement = {
            "Effect": effect,
            "Principal": "*",
            "Action": [f"s3:{action}" for action in actions],
            "Resource": [f"arn:aws:s3:::{self.bucket}", f"arn:aws:s3:::{self.bucket}/*"],
        }
        self.store.client.put_bucket_policy(
            Bucket=self.bucket,
            Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )

    @contextmanager
    def forbidden(self) -> Iterator[None]:
        if not self.store.checks_access:
            with super().forbidden():
                yield
            return
        self.set_policy("Deny", "ListBucket", "GetObject")
        yield
        self.store.client.delete_bucket_policy(Bucket=self.bucket)


@dataclass
class EmbeddedPlace(BucketPlace):
    """A directory that the demo's read-only server shows as a bucket."""

    path: Path

    def put(self, name: str, content: bytes) -> None:
        path = self.path / self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def remove(self, name: str) -> None:
        (self.path / self.folder / name).unlink()


@contextmanager
def web_place(*, has_etags: bool = True, certificate: Path | None = None) -> Iterator[WebPlace]:
    """An empty folder of a web server; with a certificate behind TLS."""
    with (
        RangeServer(has_etags=has_etags) as server,
        MeddlingProxy(("127.0.0.1", server.port), certificate) as proxy,
    ):
        yield WebPlace(proxy, server, scheme="https" if certificate else "http")


@contextmanager
def stored_place(store: ObjectStore, *, is_signed: bool) -> Iterator[StoredPlace]:
    """An empty bucket."""
    with MeddlingProxy(store.address) as proxy:
        yield StoredPlace(proxy, f"bucket-{next(_numbers)}", is_signed, store)


@contextmanager
def embedded_place(buckets: Path, address: tuple[str, int]) -> Iterator[EmbeddedPlace]:
    """An empty bucket of the embedded server, whose buckets are the directories of a path."""
    path = buckets / f"bucket-{next(_numbers)}"
    path.mkdir()
    with MeddlingProxy(address) as proxy:
        yield EmbeddedPlace(proxy, path.name, False, path)
    shutil.rmtree(path)


def credentials(user: User) -> dict[str, str]:
    """Variables that boto3 and s3fs find them in."""
    return {"AWS_ACCESS_KEY_ID": user.access_key, "AWS_SECRET_ACCESS_KEY": user.secret_key}


Place = Any

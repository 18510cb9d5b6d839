"""S3 servers on loopback that a source is read from: moto, the embedded one, Ceph's radosgw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.fakes.radosgw import IS_REQUIRED, Radosgw, User

#: Servers that can be written to; the real one in `make test-s3` alone, for it takes a minute.
WRITABLE = ["moto", "radosgw"] if IS_REQUIRED else ["moto"]


@dataclass(frozen=True)
class ObjectStore:
    """A running server that buckets can be made in.

    Attributes
    ----------
    name : str
    address : tuple of str and int
    owner, stranger : User
        What the one makes, the other may not read.
    checks_access : bool
        Signatures, policies and the ACL of a bucket mean something.
    """

    name: str
    address: tuple[str, int]
    owner: User = field(default_factory=lambda: User("made-up", "made-up"))
    stranger: User = field(default_factory=lambda: User("stranger", "made-up"))
    checks_access: bool = False

    @property
    def endpoint(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    @cached_property
    def client(self) -> Any:
        """The owner's; closed with the server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.owner.access_key,
            aws_secret_access_key=self.owner.secret_key,
            config=Config(s3={"addressing_style": "path"}),
        )


@contextmanager
def running_store(name: str) -> Iterator[ObjectStore]:
    """One of `WRITABLE`."""
    with _running_radosgw() if name == "radosgw" else _running_moto() as store:
        try:
            yield store
        finally:
            store.client.close()


@contextmanager
def _running_radosgw() -> Iterator[ObjectStore]:
    with Radosgw() as server:
        yield ObjectStore(
            "radosgw", ("127.0.0.1", server.port), server.owner, server.stranger, True
        )


@contextmanager
def _running_moto() -> Iterator[ObjectStore]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield ObjectStore("moto", server.get_host_and_port())
    finally:
        server.stop()

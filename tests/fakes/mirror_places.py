"""Every kind of place that a mirror can lie in, looked at and meddled with from outside."""

from __future__ import annotations

import itertools
import json
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.mirror_items import media_bytes
from tests.fakes.object_stores import ObjectStore
from yfcc.model import id_prefix

_numbers = itertools.count()
_NO_RECORDS = ("ledger/verify", "ledger/recheck", "ledger/tombstones.jsonl")


class MirrorPlace(ABC):
    """A place for one mirror; paths are those below its root."""

    #: As the user names it.
    address: str
    is_bucket: bool

    @abstractmethod
    def list(self, folder: str = "") -> list[str]:
        """Paths of all files below a folder, in order."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """A file."""

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """A file, in place of the one before."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """No file any more."""

    def records(self) -> dict[int, dict]:
        """Latest committed record of every item, read the slow way."""
        latest = {}
        # In order of names, what was put together comes before the single commits.
        for path in self.list("ledger/"):
            is_run = path.startswith(("ledger/runs/", "ledger/locks/"))
            if is_run or not path.endswith(".jsonl") or path.startswith(_NO_RECORDS):
                continue
            waiting: list[bytes] = []
            for line in self.read(path).splitlines(keepends=True):
                if not line.startswith(b'{"commit":'):
                    waiting.append(line)
                    continue
                seal = json.loads(line)["commit"]
                assert seal["n"] == len(waiting)
                assert seal["crc32"] == zlib.crc32(b"".join(waiting))
                for each in map(json.loads, waiting):
                    latest[each["photo_id"]] = each
                waiting = []
            assert not waiting
        return latest

    def whole(self) -> set[int]:
        """Items with media and JSON; whatever has a final name has to be whole."""
        media, documents = set(), set()
        for path in self.list("media/"):
            folder, _, name = path.rpartition("/")
            photo_id, _, extension = name.partition(".")
            assert folder == "media/" + "/".join(id_prefix(int(photo_id)))
            content = self.read(path)
            if extension == "json":
                assert json.loads(content)["photo_id"] == int(photo_id)
                documents.add(int(photo_id))
            else:
                assert content == media_bytes(int(photo_id), len(content)), "a torn file"
                media.add(int(photo_id))
        assert media <= documents, "bytes that no JSON names"
        return media & documents


@dataclass
class DirectoryMirror(MirrorPlace):
    root: Path
    is_bucket = False

    @property
    def address(self) -> str:  # type: ignore[override]
        return str(self.root)

    def list(self, folder: str = "") -> list[str]:
        found = (path for path in (self.root / folder).rglob("*") if path.is_file())
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def remove(self, path: str) -> None:
        (self.root / path).unlink()


@dataclass
class BucketPrefix(MirrorPlace):
    """A prefix of a new bucket."""

    store: ObjectStore
    is_bucket = True

    def __post_init__(self) -> None:
        self.bucket = f"mirror-{next(_numbers)}"
        self.address = f"s3://{self.bucket}/a/mirror"
        self.store.client.create_bucket(Bucket=self.bucket)

    def list(self, folder: str = "") -> list[str]:
        pages = self.store.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"a/mirror/{folder}"
        )
        return [
            each["Key"][len("a/mirror/") :] for page in pages for each in page.get("Contents", [])
        ]

    def read(self, path: str) -> bytes:
        with self.store.client.get_object(Bucket=self.bucket, Key=f"a/mirror/{path}")[
            "Body"
        ] as body:
            return body.read()

    def write(self, path: str, content: bytes) -> None:
        self.store.client.put_object(Bucket=self.bucket, Key=f"a/mirror/{path}", Body=content)

    def remove(self, path: str) -> None:
        self.store.client.delete_object(Bucket=self.bucket, Key=f"a/mirror/{path}")

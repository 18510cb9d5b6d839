"""A mirror with items of people, and what of them must not be found again."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, make_item, media_bytes
from yfcc.catalog.tombstones import Kind, Reason, Tombstone
from yfcc.mirror.root import open_mirror
from yfcc.mirror.tombstones import read_removals
from yfcc.model import Item

DATE = "2026-11-21"
#: Two of one owner, in two directories; one of another.
FIRST, SECOND, OTHER = 4_207_150_001, 6_985_418_911, 4_207_150_002
OWNER = "39089491@N00"
CANARY = b"canary-of-a-person"


def make_owned(photo_id: int, owner: str, text: str) -> Item:
    item = make_item(photo_id)
    document = orjson.loads(item.document)
    document["attribution"] |= {"title": text, "author": text}
    document["metadata"] |= {
        "title": text,
        "user_nickname": text,
        "user_nsid": owner,
        "photo_hash": item.photo_hash,
        "page_url": f"http://www.flickr.com/photos/{owner}/{photo_id}/",
    }
    return Item(
        **{
            name: getattr(item, name)
            for name in ("photo_id", "photo_hash", "media_kind", "download_url", "shard")
        },
        document=orjson.dumps(document).decode(),
    )


def owned_items() -> list[Item]:
    items = [
        make_owned(FIRST, OWNER, CANARY.decode()),
        make_owned(SECOND, OWNER, CANARY.decode()),
        make_owned(OTHER, "11111111@N01", "Somebody else"),
    ]
    return sorted(items, key=lambda item: (item.shard, item.photo_id))


def tombstone(value: object, kind: Kind = Kind.ID, reason: Reason = Reason.LEGAL) -> Tombstone:
    return Tombstone(kind, str(value), reason, DATE)


def find_bytes(root: Path, wanted: bytes) -> list[Path]:
    """Files below a folder that hold some bytes."""
    return [
        path for path in sorted(root.rglob("*")) if path.is_file() and wanted in path.read_bytes()
    ]


def traces(root: Path, *photo_ids: int) -> list[Path]:
    """Files that hold the bytes of items' media, or are named after them."""
    named = [path for path in root.rglob("*") if path.name.partition(".")[0].isdigit()]
    ids = {str(photo_id) for photo_id in photo_ids}
    found = [path for path in named if path.name.partition(".")[0] in ids]
    for photo_id in photo_ids:
        found += find_bytes(root, media_bytes(photo_id, 500))
    return found


def has_tombstone(root: Path, value: object) -> bool:
    with open_mirror(root) as mirror:
        return any(key[1] == str(value) for key in read_removals(mirror).known)


def fill(root: Path, items: list[Item] | None = None) -> FakeAcquire:
    acquire = FakeAcquire()
    download(root, owned_items() if items is None else items, acquire)
    return acquire

"""What tests of fetching share: items, quick settings, a client against a scripted server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import Event
from typing import Any

from tests.fakes.scripted_server import Script, ScriptedServer
from yfcc.media.acquire import MediaClient
from yfcc.media.politeness import Rate
from yfcc.media.settings import FetchSettings, Source
from yfcc.media.settle import Acquired
from yfcc.media.sink import BytesSink
from yfcc.model import Item, MediaKind

PHOTO_HASH = "16e6d6d2b9f8d1d9b3c4e5f6a7b8c9d"
S3_TARGET = f"/multimedia-commons/data/images/16e/6d6/{PHOTO_HASH}.jpg"
FLICKR_TARGET = "/7301/4207153986_0123456789.jpg"

#: What every Flickr host is asked first, once.
ROBOTS, TDMREP = "/robots.txt", "/.well-known/tdmrep.json"

BOTH = (Source.S3, Source.FLICKR)

#: Pauses as short as the rules allow them to be.
QUICK: dict[str, Any] = {
    "backoff_s": 0.01,
    "backoff_cap_s": 0.05,
    "connect_timeout_s": 2.0,
    "read_timeout_s": 2.0,
    "flickr_rate": Rate(1000.0),
}


def photo(photo_id: int = 4207153986, **changes: Any) -> Item:
    """A synthetic photo."""
    fields: dict[str, Any] = {
        "photo_id": photo_id,
        "photo_hash": PHOTO_HASH,
        "media_kind": MediaKind.PHOTO,
        "download_url": f"http://farm8.staticflickr.com{FLICKR_TARGET}",
        "shard": 0,
        "document": "{}",
    }
    return Item(**fields | changes)


def video(photo_id: int = 8306915274) -> Item:
    """A synthetic video."""
    url = f"http://www.flickr.com/videos/12345678@N00/{photo_id}/play/orig/0123456789"
    return photo(photo_id, media_kind=MediaKind.VIDEO, download_url=url)


@contextlib.contextmanager
def client_of(
    server: ScriptedServer, stop: Event | None = None, **changes: Any
) -> Iterator[MediaClient]:
    """A client whose sources are both that server."""
    settings = FetchSettings(
        **{"s3_endpoint": server.url, "flickr_endpoint": server.url} | QUICK | changes
    )
    client = MediaClient(settings, stop_event=stop)
    try:
        yield client
    finally:
        client.close()


def acquire_from(script: Script, item: Item | None = None, **changes: Any) -> Fetched:
    """Fetch one item from a server with that script."""
    sink = BytesSink()
    with ScriptedServer(script) as server, client_of(server, **changes) as client:
        acquired = client.acquire(item or photo(), sink)
    return Fetched(acquired, bytes(sink.view()), server)


class Fetched:
    """One item's result, the bytes in its sink, and what the server saw."""

    def __init__(self, acquired: Acquired, content: bytes, server: ScriptedServer) -> None:
        self.acquired = acquired
        self.outcome = acquired.outcome
        self.error = acquired.last_error or ""
        self.content = content
        self.n_requests = len(server.requests)
        self.targets = server.targets
        self.server = server

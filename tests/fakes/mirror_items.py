"""Made-up items, and a fetcher whose bytes follow from the id."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from yfcc.catalog.tombstones import TombstoneSet
from yfcc.mirror.acquire import Sink
from yfcc.mirror.plan import DownloadPlan
from yfcc.mirror.totals import Fingerprint
from yfcc.model import Item, MediaKind, Outcome, shard_of

FINGERPRINT = Fingerprint("catalog-1", "select 1", ("s3",), "0.0.test")


def make_item(photo_id: int) -> Item:
    document = {
        "attribution": {"title": f"Title {photo_id}", "author": "Ann", "license_name": "BY"},
        "metadata": {"photo_id": photo_id, "title": f"Title {photo_id}", "longitude": -12.5},
        "autotags": {"cat": 0.75},
        "exif": {"Camera.Make": "Acme"},
        "places": [],
    }
    return Item(
        photo_id=photo_id,
        photo_hash=f"{photo_id:032x}",
        media_kind=MediaKind.PHOTO,
        download_url=f"http://farm1.staticflickr.com/1/{photo_id}_0.jpg",
        shard=shard_of(photo_id),
        document=orjson.dumps(document).decode(),
    )


def make_items(n_items: int, first_id: int = 4_207_150_000, step: int = 9_973) -> list[Item]:
    """Items in several directories and shards, in the order a source brings them."""
    items = [make_item(first_id + step * number) for number in range(n_items)]
    return sorted(items, key=lambda item: (item.shard, item.photo_id))


@dataclass
class ListSource:
    """A selection that is a list."""

    items: Sequence[Item]
    n_a_batch: int = 100
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def count_by_shard(self) -> Mapping[int, int]:
        return Counter(item.shard for item in self.items)

    def follow(self, _plan: DownloadPlan) -> None:
        """Whatever the plan, a list has its items at hand."""

    def iter_ids(
        self, shards: Collection[int], removed: TombstoneSet
    ) -> Iterator[tuple[int, list[int]]]:
        by_shard: dict[int, list[int]] = {}
        otherwise_named = replace(removed, ids={})
        for item in self.items:
            if item.shard in shards and otherwise_named.reason_of(item) is None:
                by_shard.setdefault(item.shard, []).append(item.photo_id)
        yield from by_shard.items()

    def iter_items(self, shards: Sequence[int]) -> Iterator[list[Item]]:
        self.asked.append(tuple(shards))
        chosen = set(shards)
        items = [item for item in self.items if item.shard in chosen]
        for start in range(0, len(items), self.n_a_batch):
            yield items[start : start + self.n_a_batch]


@dataclass(frozen=True)
class FakeAcquired:
    outcome: Outcome
    source: str | None = "s3"
    url: str | None = "https://bucket.example/data/1.jpg"
    http_status: int | None = 200
    attempts: int = 1
    first_error: str | None = None
    last_error: str | None = None
    content_type: str | None = None
    extension: str | None = None
    width: int | None = None
    height: int | None = None
    n_bytes: int | None = None
    sha256: str | None = None
    rights: Mapping[str, str] = field(default_factory=dict)
    x_robots_tag: str | None = None
    n_trailing_bytes: int | None = None
    has_zero_run: bool = False
    evidence: bytes | None = None


def media_bytes(photo_id: int, n_bytes: int = 3_000) -> bytes:
    """The bytes of an item: they follow from its id."""
    seed = hashlib.sha256(str(photo_id).encode()).digest()
    return (seed * (n_bytes // len(seed) + 1))[:n_bytes]


@dataclass
class FakeAcquire:
    """Fetches nothing: outcome and bytes follow from the id.

    Parameters
    ----------
    outcome_of : callable
        Outcome of an id.
    n_bytes : int
        Size of every stored item.
    log : Path, optional
        Gets a line for every id asked for, by whatever process.
    before : callable, optional
        Called with every item first: may wait or raise.
    extension : str
    n_trailing_bytes, has_zero_run
        Told of every stored item.
    """

    outcome_of: Callable[[int], Outcome] = lambda _: Outcome.STORED
    n_bytes: int = 3_000
    log: Path | None = None
    before: Callable[[Item], None] = lambda _: None
    extension: str = "jpg"
    n_trailing_bytes: int | None = None
    has_zero_run: bool = False
    asked: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, item: Item, sink: Sink) -> FakeAcquired:
        with self.lock:
            self.asked[item.photo_id] += 1
        if self.log is not None:
            with self.log.open("a") as log:
                log.write(f"{item.photo_id}\n")
        self.before(item)
        outcome = self.outcome_of(item.photo_id)
        if outcome is not Outcome.STORED:
            error = "503 Slow Down" if outcome is Outcome.FAILED else None
            status = {Outcome.GONE: 404, Outcome.FAILED: 503}.get(outcome)
            return FakeAcquired(outcome, http_status=status, first_error=error, last_error=error)
        content = media_bytes(item.photo_id, self.n_bytes)
        half = len(content) // 2
        sink.write(b"an attempt that is cut short")
        sink.reset()
        sink.write(content[:half])
        sink.write(content[half:])
        view = sink.view()
        return FakeAcquired(
            outcome,
            content_type="image/jpeg",
            extension=self.extension,
            width=500,
            height=375,
            n_bytes=len(view),
            sha256=hashlib.sha256(view).hexdigest(),
            rights={"Content-Usage": "train-ai=n", "X-Robots-Tag": "all"},
            x_robots_tag="all",
            n_trailing_bytes=self.n_trailing_bytes,
            has_zero_run=self.has_zero_run,
        )


def wait_until(is_true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for another thread or process to get somewhere."""
    end = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.01)

#!/usr/bin/env python3
"""What a large ledger costs: status, claim, opening for resume, ``downloads``.

    .venv/bin/python scripts/simulate_ledger.py /tmp/big --rows 20000000
    .venv/bin/python scripts/bench_ledger.py /tmp/big

Each step runs in a process of its own, and says its wall time, its CPU time and its peak memory.
With ``--drop-caches`` (root only) the ledger is read from the disk and not from the system's
memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import pyarrow.parquet as pq

from yfcc.catalog.tombstones import TombstoneSet
from yfcc.errors import InterruptedRun
from yfcc.media.sink import Sink
from yfcc.mirror.acquire import Acquired
from yfcc.mirror.appending import FileLedger
from yfcc.mirror.cache_folder import drop_cache
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.downloads_cache import open_downloads
from yfcc.mirror.ledger import find_committed, list_shards, read_last_seal, read_shard
from yfcc.mirror.plan import DownloadPlan, plan_download
from yfcc.mirror.root import open_mirror
from yfcc.mirror.run import DownloadJob, run_download
from yfcc.mirror.status import read_status
from yfcc.mirror.stop import StopRequest
from yfcc.mirror.totals import Fingerprint
from yfcc.model import Item, MediaKind, shard_of

_PAGES: Final = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step cost.

    Attributes
    ----------
    wall_s, cpu_s : float
    peak_bytes : int
        Largest resident size of the process, its libraries included.
    said : str
        What came out.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    said: str


def status(root: Path) -> str:
    """As ``yfcc status`` does."""
    with open_mirror(root) as mirror:
        found = read_status(mirror)
    return f"{found.n_items:,} items in {found.n_shards:,} shards"


def claim_all(root: Path) -> str:
    """Hold every shard, and let go."""
    with open_mirror(root) as mirror:
        everything = frozenset(range(4096))
        with claim_shards(mirror, everything, "bench-claim", "now") as claim:
            return f"{len(claim.shards):,} shards"


def open_one(root: Path) -> str:
    """Read one shard for resume."""
    with open_mirror(root) as mirror:
        began_s = time.monotonic()
        ledger = FileLedger(mirror, list_shards(mirror)[0], _always)
        took_s = time.monotonic() - began_s
        seal = read_last_seal(mirror, ledger.shard)
    return f"{took_s * 1e3:.0f} ms for {sum(seal.counts.values()) if seal else 0:,} items"


def open_all(root: Path) -> str:
    """Read every shard for resume, one after the other, as a run does that finds all done."""
    n_items = 0
    with open_mirror(root) as mirror:
        for shard in list_shards(mirror):
            seal = read_last_seal(mirror, shard)
            FileLedger(mirror, shard, _always)
            n_items += sum(seal.counts.values()) if seal else 0
    return f"{n_items:,} items"


def downloads(root: Path) -> str:
    """Make the table that ``yfcc query --mirror`` reads."""
    with open_mirror(root) as mirror:
        drop_cache(mirror)
    return downloads_again(root)


def downloads_again(root: Path) -> str:
    """The same table, of which nothing has changed since."""
    with (
        tempfile.TemporaryDirectory(dir=root.parent) as place,
        open_downloads(root, Path(place)) as files,
    ):
        n_rows = sum(pq.read_metadata(file).num_rows for file in files)
        n_bytes = sum(file.stat().st_size for file in files)
        return f"{n_rows:,} rows, {n_bytes:,} bytes of Parquet in {len(files)} files"


class _OneShard:
    """A selection of all items of a shard, and one that is new and comes last."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._items = [_item(photo_id) for photo_id in ids]

    def count_by_shard(self) -> Mapping[int, int]:
        return {self._items[0].shard: len(self._items)}

    def follow(self, _plan: DownloadPlan) -> None:
        """There is one shard, whatever the plan."""

    def iter_ids(
        self, _shards: Collection[int], _removed: TombstoneSet
    ) -> Iterator[tuple[int, list[int]]]:
        yield self._items[0].shard, [item.photo_id for item in self._items]

    def iter_items(self, _shards: Sequence[int]) -> Iterator[list[Item]]:
        for start in range(0, len(self._items), 1000):
            yield self._items[start : start + 1000]


def first_request(root: Path) -> str:
    """Begin a run on a shard that is done but for one item, up to the request for that item."""
    with open_mirror(root) as mirror:
        shard = list_shards(mirror)[-1]
        lines = find_committed(read_shard(mirror, shard)).iter_lines()
        known = {
            found["photo_id"] for found in map(orjson.loads, lines) if found["outcome"] != "failed"
        }
        new = next(each for each in range(max(known) + 1, 10**12) if shard_of(each) == shard)
        source = _OneShard([*sorted(known), new])
        plan = plan_download(source.count_by_shard())
        asked_s: list[float] = []

        def acquire(_item: Item, _sink: Sink) -> Acquired:
            asked_s.append(time.monotonic())
            raise InterruptedRun(2)

        fingerprint = Fingerprint("bench", "TRUE", ("s3",), "0")
        began_s = time.monotonic()
        job = DownloadJob(mirror, source, plan, acquire, fingerprint)
        with suppress(InterruptedRun):
            run_download(job, stop=StopRequest())
    return f"{asked_s[0] - began_s:.3f} s to the first request, {len(known):,} items known"


def _item(photo_id: int) -> Item:
    return Item(photo_id, f"{photo_id:032x}", MediaKind.PHOTO, "", shard_of(photo_id), "{}")


def _always() -> None:
    """The shard is ours: nobody else runs."""


STEPS: Final[dict[str, Callable[[Path], str]]] = {
    "status": status,
    "claim": claim_all,
    "open-one": open_one,
    "first-request": first_request,
    "open-all": open_all,
    "downloads": downloads,
    "downloads-again": downloads_again,
}


def _carry_out(step: str, root: Path, answers: multiprocessing.Queue[Cost]) -> None:
    began_s = time.monotonic()
    said = STEPS[step](root)
    wall_s = time.monotonic() - began_s
    used = resource.getrusage(resource.RUSAGE_SELF)
    answers.put(Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, said))


def measure(step: str, root: Path) -> Cost:
    """Carry out a step in a new process."""
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[Cost] = context.Queue()
    child = context.Process(target=_carry_out, args=(step, root, answers))
    child.start()
    cost = answers.get()
    child.join()
    return cost


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("steps", nargs="*", help=f"some of {' '.join(STEPS)}; all by default")
    parser.add_argument("--drop-caches", action="store_true")
    asked = parser.parse_args()
    print("step\twall s\tCPU s\tpeak MB\t")
    for step in asked.steps or STEPS:
        if asked.drop_caches:
            os.sync()
            _PAGES.write_text("3")
        cost = measure(step, asked.mirror)
        costs = f"{cost.wall_s:.2f}\t{cost.cpu_s:.2f}\t{cost.peak_bytes / 1e6:.0f}"
        print(f"{step}\t{costs}\t{cost.said}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Write the ledger of a large mirror, as many runs would have left it, without the media.

    .venv/bin/python scripts/simulate_ledger.py /tmp/big --rows 20000000

Every shard gets its share of the items, in commits of the size that a run makes. A part of them
has two records: ``failed``, and in a later commit what became of it in the end. What is random
follows from the seed. The lines are put together as text; the first of each kind in each shard
is compared with what :func:`yfcc.mirror.record.encode_record` writes.
"""

from __future__ import annotations

import argparse
import random
import time
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from yfcc.mirror.layout import LEDGER, RUNS, ledger_name, media_path
from yfcc.mirror.ledger import Seal, encode_seal
from yfcc.mirror.record import Record, encode_record
from yfcc.mirror.root import create_mirror
from yfcc.mirror.run_file import encode_run
from yfcc.mirror.shards import format_shards, parse_shards
from yfcc.mirror.totals import Fingerprint, RunEnd, RunSummary
from yfcc.model import N_SHARDS, SHARD_MULTIPLIER, SHARD_SHIFT, Outcome, shard_of

#: Items of a commit, as :class:`yfcc.mirror.committer.GroupLimits` has it.
COMMIT_ITEMS: Final = 32
#: Every so manieth item failed first.
FAILED_FIRST: Final = 50
#: The ids of most of the dataset have ten digits: six name the directory, four are free.
_FIRST_PREFIX: Final = 200_000
_IDS_A_PREFIX: Final = 10_000
_RUN_ID: Final = "20261121t082745z-5f3a9c"
_MOMENT: Final = "2026-11-21T08:27:45.123Z"
_FINAL: Final = (Outcome.GONE, Outcome.PLACEHOLDER, Outcome.REFUSED, Outcome.FAILED)


def prefixes_of_shards() -> list[list[int]]:
    """Six-digit prefixes of ids, by shard."""
    prefixes: list[list[int]] = [[] for _ in range(N_SHARDS)]
    for prefix in range(_FIRST_PREFIX, 1_000_000):
        prefixes[(prefix * SHARD_MULTIPLIER % 2**32) >> SHARD_SHIFT].append(prefix)
    return prefixes


def ids_of_shard(prefixes: list[int], n_items: int) -> list[int]:
    """Ids of a shard, ascending; all distinct."""
    each = -(-n_items // len(prefixes))
    step = max(1, _IDS_A_PREFIX // each)
    ids = [prefix * _IDS_A_PREFIX + step * k for prefix in prefixes for k in range(each)]
    return ids[:n_items]


def _url(photo_hash: str) -> str:
    return (
        "https://multimedia-commons.s3.us-west-2.amazonaws.com/data/images/"
        f"{photo_hash[:3]}/{photo_hash[3:6]}/{photo_hash}.jpg"
    )


def _record(photo_id: int, photo_hash: str, outcome: Outcome) -> Record:
    is_failed = outcome is Outcome.FAILED
    status = {Outcome.GONE: 404, Outcome.FAILED: 503}.get(outcome, 200)
    return Record(
        photo_id=photo_id,
        outcome=outcome,
        source="s3",
        url=_url(photo_hash),
        path=None,
        n_bytes=None,
        sha256=None,
        content_type=None,
        width=None,
        height=None,
        http_status=status,
        attempts=3 if is_failed else 1,
        first_error="503 Slow Down" if is_failed else None,
        fetched_at=_MOMENT,
        x_robots_tag=None,
        shard=shard_of(photo_id),
        run_id=_RUN_ID,
        last_error="503 Slow Down" if is_failed else None,
    )


def _stored_line(photo_id: int, photo_hash: str, digest: str, n_bytes: int) -> bytes:
    return (
        f'{{"photo_id":{photo_id},"outcome":"stored","source":"s3","url":"{_url(photo_hash)}",'
        f'"n_bytes":{n_bytes},"sha256":"{digest}","content_type":"image/jpeg","width":500,'
        f'"height":375,"http_status":200,"attempts":1,"fetched_at":"{_MOMENT}",'
        f'"run_id":"{_RUN_ID}","extension":"jpg"}}\n'
    ).encode()


def _check_line(line: bytes, photo_id: int, photo_hash: str, digest: str, n_bytes: int) -> None:
    record = replace(
        _record(photo_id, photo_hash, Outcome.STORED),
        path=media_path(photo_id, "jpg"),
        n_bytes=n_bytes,
        sha256=digest,
        content_type="image/jpeg",
        width=500,
        height=375,
    )
    if encode_record(record) != line:
        raise SystemExit(f"the true format has changed:\n{encode_record(record)!r}\n{line!r}")


class _ShardWriter:
    """Commits of one shard, as bytes."""

    def __init__(self) -> None:
        self.content: list[bytes] = []
        self._lines: list[bytes] = []
        self._known: dict[int, tuple[Outcome, int]] = {}
        self._counts: Counter[str] = Counter()
        self._n_bytes = 0

    def add(self, line: bytes, photo_id: int, outcome: Outcome, n_bytes: int = 0) -> None:
        """One record more; the commit it fills is sealed."""
        before = self._known.get(photo_id)
        if before is not None:
            self._counts[before[0].value] -= 1
            self._n_bytes -= before[1]
        self._known[photo_id] = (outcome, n_bytes)
        self._counts[outcome.value] += 1
        self._n_bytes += n_bytes
        self._lines.append(line)
        if len(self._lines) == COMMIT_ITEMS:
            self.seal()

    def seal(self) -> None:
        """End the commit at hand."""
        if self._lines:
            lines = b"".join(self._lines)
            seal = Seal(len(self._lines), zlib.crc32(lines), +self._counts, self._n_bytes)
            self.content += (lines, encode_seal(seal))
            self._lines.clear()


def write_shard(
    job: tuple[int, list[int], int], ledger: Path, seed: int
) -> tuple[Counter[str], int]:
    """Write a shard's file; its counts by outcome, and its size."""
    shard, prefixes, n_items = job
    chance = random.Random(seed * N_SHARDS + shard)  # noqa: S311 - no secret
    writer = _ShardWriter()
    counts: Counter[str] = Counter()
    ids = ids_of_shard(prefixes, n_items)
    for photo_id in ids[::FAILED_FIRST]:
        record = _record(photo_id, f"{chance.getrandbits(128):032x}", Outcome.FAILED)
        writer.add(encode_record(record), photo_id, Outcome.FAILED)
    writer.seal()
    is_checked = False
    for number, photo_id in enumerate(ids):
        photo_hash = f"{chance.getrandbits(128):032x}"
        if number % 16 == 15:
            outcome = _FINAL[number // 16 % len(_FINAL)]
            writer.add(encode_record(_record(photo_id, photo_hash, outcome)), photo_id, outcome)
        else:
            outcome, digest = Outcome.STORED, f"{chance.getrandbits(256):064x}"
            n_bytes = 30_000 + chance.getrandbits(17)
            line = _stored_line(photo_id, photo_hash, digest, n_bytes)
            if not is_checked:
                _check_line(line, photo_id, photo_hash, digest, n_bytes)
                is_checked = True
            writer.add(line, photo_id, outcome, n_bytes)
        counts[outcome.value] += 1
    writer.seal()
    content = b"".join(writer.content)
    (ledger / ledger_name(shard)).write_bytes(content)
    return counts, len(content)


def simulate(
    root: Path, n_rows: int, shards: frozenset[int], seed: int, n_processes: int
) -> tuple[Counter[str], int]:
    """Write the ledger of a mirror of so many items; counts by outcome, and bytes of ledger."""
    create_mirror(root).close()
    prefixes = prefixes_of_shards()
    jobs = [
        (shard, prefixes[shard], n_rows * (shard + 1) // N_SHARDS - n_rows * shard // N_SHARDS)
        for shard in sorted(shards)
    ]
    counts: Counter[str] = Counter()
    n_bytes = 0
    write = partial(write_shard, ledger=root / LEDGER, seed=seed)
    with ProcessPoolExecutor(n_processes) as executor:
        for found, size in executor.map(write, jobs, chunksize=16):
            counts.update(found)
            n_bytes += size
    _write_run(root, counts, shards)
    return counts, n_bytes


def _write_run(root: Path, counts: Counter[str], shards: frozenset[int]) -> None:
    summary = RunSummary(
        run_id=_RUN_ID,
        fingerprint=Fingerprint("simulated", "TRUE", ("s3",), "0", command="simulate_ledger.py"),
        shards=format_shards(shards),
        started=_MOMENT,
        ended=_MOMENT,
        end=RunEnd.FINISHED,
        n_selected=counts.total(),
        outcomes=dict(sorted(counts.items())),
        exit_code=3 if counts[Outcome.FAILED.value] else 0,
    )
    (root / LEDGER / RUNS / f"{_RUN_ID}.json").write_bytes(encode_run(summary))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mirror", type=Path, help="a directory")
    parser.add_argument("--rows", type=int, default=20_000_000, help="of all shards together")
    parser.add_argument("--shards", type=parse_shards, default=parse_shards("0-4095"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    began_s = time.monotonic()
    counts, n_bytes = simulate(asked.mirror, asked.rows, asked.shards, asked.seed, asked.processes)
    took_s = time.monotonic() - began_s
    print(f"{counts.total():,} items in {took_s:,.0f} s: {dict(counts)}")
    print(f"{n_bytes:,} bytes of ledger, {n_bytes / max(counts.total(), 1):.0f} an item")


if __name__ == "__main__":
    main()

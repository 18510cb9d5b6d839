"""Bytes that many items share: a picture that stands for missing ones, stored as a photo.

The ledger knows the SHA-256 of all that is stored. Memory does not grow with it: a first pass
counts in a table of small counters, several digests to one, and a second counts exactly those
digests that may be frequent.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from yfcc.mirror.ledger import find_committed, iter_shards, list_shards
from yfcc.mirror.record import decode_record
from yfcc.mirror.root import AnyMirror
from yfcc.model import Outcome

#: Items with one picture that make it worth a look; a run says so at as many.
ALARM_AT: Final = 20
#: Of the most frequent, so many are told.
_N_TOLD: Final = 20
#: Counters, one byte each: with 100 million items three share one, and 20 are seldom reached.
_MAX_COUNTERS: Final = 1 << 25
_DIGEST: Final = re.compile(rb'"sha256":"([0-9a-f]{16})[0-9a-f]{48}"')
#: Digests counted exactly.
_N_CANDIDATES: Final = 100_000


@dataclass(frozen=True, slots=True)
class SharedBytes:
    """Bytes that several stored items have.

    Attributes
    ----------
    sha256 : str
    n_items : int
    n_bytes : int
        Size of one.
    photo_id : int
        The smallest id of those items, to look at.
    """

    sha256: str
    n_items: int
    n_bytes: int
    photo_id: int


def find_shared_bytes(
    mirror: AnyMirror, n_items: int, alarm_at: int = ALARM_AT
) -> list[SharedBytes]:
    """Bytes that at least so many stored items have, the most frequent first.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    n_items : int
        How many items are stored, about.
    alarm_at : int
        2 to 255.

    Returns
    -------
    list of SharedBytes
        At most 20.

    Raises
    ------
    TargetError
        The ledger cannot be read.
    """
    counters = np.zeros(min(_MAX_COUNTERS, 1 << (4 * n_items + 1_000).bit_length()), np.uint8)
    for content in iter_shards(mirror, list_shards(mirror)):
        slots, counts = np.unique(_slots(content, len(counters)), return_counts=True)
        counters[slots] = np.minimum(counters[slots].astype(np.int64) + counts, 255)
    is_frequent = counters >= alarm_at
    if not is_frequent.any():
        return []
    found = _Counted(is_frequent)
    for content in iter_shards(mirror, list_shards(mirror)):
        if is_frequent[_slots(content, len(counters))].any():
            found.add(content)
    return found.tell(alarm_at)


def _slots(content: bytes, n_counters: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Counters of the digests in a shard's ledger, in their order; their number a power of two."""
    heads = b"".join(_DIGEST.findall(content))
    values = np.frombuffer(bytes.fromhex(heads.decode("ascii")), ">u8")
    return (values & (n_counters - 1)).astype(np.int64)


class _Counted:
    """Exact numbers of the digests that may be frequent."""

    def __init__(self, is_frequent: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        self._is_frequent = is_frequent
        self._counts: Counter[str] = Counter()
        self._first: dict[str, tuple[int, int]] = {}

    def add(self, content: bytes) -> None:
        """Count the stored items of a shard; of each only its latest record."""
        mask = len(self._is_frequent) - 1
        records = map(decode_record, find_committed(content).iter_lines())
        for record in {record.photo_id: record for record in records}.values():
            digest = record.sha256
            if record.outcome is not Outcome.STORED or not digest:
                continue
            is_candidate = self._is_frequent[int(digest[:16], 16) & mask]
            if is_candidate and (digest in self._counts or len(self._counts) < _N_CANDIDATES):
                self._counts[digest] += 1
                seen = (record.photo_id, record.n_bytes or 0)
                self._first[digest] = min(self._first.get(digest, seen), seen)

    def tell(self, alarm_at: int) -> list[SharedBytes]:
        """Those that are frequent indeed, the most frequent first."""
        often = [(digest, n) for digest, n in self._counts.items() if n >= alarm_at]
        often.sort(key=lambda each: (-each[1], each[0]))
        return [
            SharedBytes(digest, n, self._first[digest][1], self._first[digest][0])
            for digest, n in often[:_N_TOLD]
        ]

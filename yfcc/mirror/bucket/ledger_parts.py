"""Writing the ledger in a bucket: one object a commit, put together now and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from yfcc.errors import LockedError
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.bucket.segments import (
    ShardContent,
    ShardObjects,
    add_through,
    find_through,
    list_ledger,
    list_shard,
    part_key,
    read_shard_objects,
    whole_key,
)
from yfcc.mirror.ledger import Committed, find_committed, seal_lines
from yfcc.mirror.record import Record
from yfcc.mirror.shard_ledger import ShardLedger

#: Commits of a shard that wait to be put together while a run is under way.
N_PARTS: Final = 64
#: At a run's end, fewer of them are left alone if they are small beside what is together already.
_N_LEFT: Final = 16
_FRACTION_LEFT: Final = 8
#: How often records are rewritten that were put together meanwhile.
_N_TRIES: Final = 5
#: Longer than any line that ends a commit.
_TAIL_BYTES: Final = 2048


class PartsLedger(ShardLedger):
    """The ledger of one shard in a bucket.

    The caller holds the shard. Should that lock have been defeated, the store refuses the second
    commit of a number, and nothing is added.

    Parameters
    ----------
    mirror : BucketMirror
    shard : int
        0 to 4095.
    check_claim : callable
        Raises LockedError when the shard is no longer held; called before every commit.
    """

    def __init__(self, mirror: BucketMirror, shard: int, check_claim: Callable[[], None]) -> None:
        self._mirror = mirror
        self._shard = shard
        self._number: int | None = None
        super().__init__(shard, check_claim)

    @property
    def name(self) -> str:
        """Address of the shard's ledger, for messages."""
        return self._mirror.name(whole_key(self._shard))

    def read(self) -> bytes:
        """All that the ledger holds."""
        read = self._mirror.read_ledger(self._shard)
        if self._number is None:
            self._number = read.through
        return read.content

    @classmethod
    def append_all(cls, commits: Sequence[tuple[ShardLedger, Sequence[Record]]]) -> None:
        """Add a commit to each of several ledgers of one mirror, side by side."""
        own = [(ledger, records) for ledger, records in commits if isinstance(ledger, cls)]
        own[0][0].run_all([partial(ledger.add, records) for ledger, records in own])

    def run_all(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Do things side by side."""
        self._mirror.run_all(tasks)

    def add(self, records: Sequence[Record]) -> None:
        """Add one commit; the lock is held."""
        sealed = self.seal(records)
        number = (self._number or 0) + 1
        key = part_key(self._shard, number)
        if self._mirror.objects.create(key, sealed.content) is None:
            raise LockedError(
                f"{self._mirror.name(key)} is there already: another process writes to the "
                "mirror; stop one of the two and run again"
            )
        self._number = number
        self.take_in(sealed)


def put_together(mirror: BucketMirror, shards: frozenset[int], *, is_last: bool) -> int:
    """Put the commits of each shard into one object where that pays; how many shards.

    The caller holds the shards. Others may read meanwhile, and the holder may add.

    Parameters
    ----------
    mirror : BucketMirror
    shards : frozenset of int
    is_last : bool
        Whether the run is at its end, and no more commits will come.
    """
    due = [
        found
        for shard, found in list_ledger(mirror.objects).items()
        if shard in shards and _is_due(found, is_last=is_last)
    ]
    # One request removes a thousand objects: first all shards are written, then all are rid of
    # their commits.
    done = mirror.map_ahead(partial(_put_shard_together, mirror.objects), due)
    mirror.objects.delete(key for keys in done for key in keys)
    return len(due)


def _is_due(found: ShardObjects, *, is_last: bool) -> bool:
    if not found.parts or not is_last:
        return len(found.parts) >= N_PARTS
    n_whole = found.whole.n_bytes if found.whole else 0
    n_bytes = found.n_bytes - n_whole
    return len(found.parts) >= _N_LEFT or n_bytes * _FRACTION_LEFT >= n_whole


def _put_shard_together(objects: Objects, found: ShardObjects) -> list[str]:
    """Write a shard's commits into one object; keys of those that may be removed now."""
    read = read_shard_objects(objects, found.shard, found)
    committed = find_committed(read.content)
    if committed.n_damaged_bytes or committed.end != len(read.content):
        return []  # evidence for `verify`, which says so
    return _write_together(objects, read, committed)


def keep_sealed_commits(mirror: BucketMirror, shard: int) -> None:
    """Put all commits of a shard together, without the bytes that no seal covers.

    The caller holds the shard, and nobody adds to it.
    """
    read = read_shard_objects(mirror.objects, shard)
    mirror.objects.delete(_write_together(mirror.objects, read, find_committed(read.content)))


def rewrite_records(mirror: BucketMirror, shard: int, change: Callable[[bytes], bytes]) -> None:
    """Put a shard's commits together, changed; those that are passed over then are still there.

    The caller holds the shard, and adds nothing to it.

    Parameters
    ----------
    mirror : BucketMirror
    shard : int
    change : callable
        The new content, with its seal, for the old one; it may be called again.

    Raises
    ------
    LockedError
        Another process writes to the shard.
    """
    for _ in range(_N_TRIES):
        read = read_shard_objects(mirror.objects, shard)
        # Commits in a row have one seal each; of no records at all there is one too.
        content = change(read.content) or seal_lines(b"")
        if _replace_whole(mirror.objects, read, content) is not None:
            return
    raise LockedError(f"{mirror.name(whole_key(shard))}: another process writes to it; run again")


def remove_passed_over(mirror: BucketMirror, shard: int) -> None:
    """Remove commits of a shard that have been put together; the caller holds it."""
    found = list_shard(mirror.objects, shard)
    if found.whole is not None and found.parts:
        through = find_through(mirror.objects.get_end(found.whole.key, _TAIL_BYTES) or b"")
        numbers = [number for number in found.parts if number <= through]
        mirror.objects.delete(part_key(shard, number) for number in numbers)


def _write_together(objects: Objects, read: ShardContent, committed: Committed) -> list[str]:
    content = seal_lines(b"".join(committed.records))
    etag = _replace_whole(objects, read, content)
    return [] if etag is None else [part.key for part in read.found.parts.values()]


def _replace_whole(objects: Objects, read: ShardContent, content: bytes) -> str | None:
    """Write what stands for all commits that were read; None if another was faster."""
    key, whole = whole_key(read.found.shard), read.found.whole
    content = add_through(content, read.through)
    if whole is None:
        return objects.create(key, content)
    return objects.replace(key, content, whole.etag)

"""A directory or a bucket: the address decides, here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from yfcc.errors import UsageError
from yfcc.mirror.appending import FileLedger
from yfcc.mirror.clock import Clock, SystemClock
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.disk import Disk
from yfcc.mirror.layout import MIRROR_FILE
from yfcc.mirror.root import (
    AnyMirror,
    Mirror,
    check_format,
    create_mirror,
    describe_mirror,
    open_mirror,
)
from yfcc.mirror.shard_ledger import ShardLedger
from yfcc.mirror.store import LocalStore, Store

if TYPE_CHECKING:
    from yfcc.mirror.bucket.root import BucketMirror

_BUCKET_SCHEME: Final = "s3://"

#: A commit to a bucket is a round trip and an object: groups are larger than on a disk, where
#: they are a sync.
BUCKET_LIMITS = GroupLimits(n_records=256, n_bytes=32 << 20, age_s=5.0)


def is_in_bucket(address: str | Path) -> bool:
    """Whether an address names a place in a bucket.

    Raises
    ------
    UsageError
        It is neither that nor a directory.
    """
    if str(address).startswith(_BUCKET_SCHEME):
        return True
    # Neither is s3:/bucket, a slip, a directory that anybody wants.
    if not str(address) or "://" in str(address) or str(address).startswith("s3:"):
        named = f"--mirror {address}".rstrip()
        raise UsageError(f"{named}: expected a directory or s3://bucket/prefix.")
    return False


def open_any(address: str | Path, disk: Disk | None = None) -> AnyMirror:
    """Open a mirror that exists, in a directory or a bucket; nothing is written.

    Raises
    ------
    UsageError
        No mirror is there, or one of another format.
    TargetError
        It cannot be read.
    """
    if not is_in_bucket(address):
        return open_mirror(Path(address), disk)
    with ExitStack() as on_error:
        mirror = _bucket_mirror(address)
        on_error.callback(mirror.close)
        content = mirror.read(MIRROR_FILE)
        if content is None:
            raise UsageError(f"no mirror at {mirror.root}: make one with `yfcc download`")
        check_format(mirror.root, mirror.name(MIRROR_FILE), content)
        on_error.pop_all()
    return mirror


def create_any(
    address: str | Path, clock: Clock | None = None, disk: Disk | None = None
) -> AnyMirror:
    """Open a mirror in a directory or a bucket; make it first if none is there.

    Raises
    ------
    UsageError
        A mirror of another format is there.
    TargetError
        The place cannot be written, or there is no such bucket.
    """
    if not is_in_bucket(address):
        return create_mirror(Path(address), disk, clock)
    with ExitStack() as on_error:
        mirror = _bucket_mirror(address)
        on_error.callback(mirror.close)
        content = mirror.read(MIRROR_FILE)
        if content is None:
            mirror.objects.create(MIRROR_FILE, describe_mirror(clock or SystemClock()))
            content = mirror.read(MIRROR_FILE) or b""
        check_format(mirror.root, mirror.name(MIRROR_FILE), content)
        on_error.pop_all()
    return mirror


def has_mirror(address: str | Path) -> bool:
    """Whether a mirror is there.

    Raises
    ------
    TargetError
        The bucket cannot be read.
    """
    if not is_in_bucket(address):
        return Path(address, MIRROR_FILE).exists()
    with _bucket_mirror(address) as mirror:
        return mirror.read(MIRROR_FILE) is not None


def _bucket_mirror(address: str | Path) -> BucketMirror:
    from yfcc.mirror.bucket.objects import Objects  # noqa: PLC0415 - 25 ms
    from yfcc.mirror.bucket.root import BucketMirror  # noqa: PLC0415

    return BucketMirror(Objects(str(address)))


def open_store(mirror: AnyMirror, run_id: str) -> Store:
    """Where a run keeps media and JSON."""
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket.store import BucketStore  # noqa: PLC0415

        return BucketStore(mirror, run_id)
    return LocalStore(mirror, run_id)


def open_ledger(mirror: AnyMirror, shard: int, check_claim: Callable[[], None]) -> ShardLedger:
    """The ledger of a shard that the caller holds.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    shard : int
        0 to 4095.
    check_claim : callable
        Raises LockedError when the shard is no longer held; called before every commit.
    """
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket.ledger_parts import PartsLedger  # noqa: PLC0415

        return PartsLedger(mirror, shard, check_claim)
    return FileLedger(mirror, shard, check_claim)


def group_limits(address: str | Path) -> GroupLimits:
    """How much a run to an address makes durable at a time."""
    return BUCKET_LIMITS if is_in_bucket(address) else GroupLimits()

"""The table ``downloads`` kept as Parquet beside the ledger, so that a second query need not wait.

::

    ledger/cache/040-1f-9c0f….parquet   part 0x1f of 0x40, and which ledger files it was made of

A part holds the rows of a fixed range of shards. It is bound to size, times and inode of each of
its ledger files: once one of them changed, that part is made anew, and no other. Parts are never
written twice under one name. The folder can be deleted at any time, and ``forget`` does so.

The ledger is the truth: where the cache cannot be kept (a mirror in a bucket, one that may not be
written, a disk that is nearly full), the table goes to the caller's own folder.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from yfcc.errors import TargetError
from yfcc.mirror.cache_folder import drop_cache
from yfcc.mirror.disk import target_errors
from yfcc.mirror.downloads import DOWNLOADS_SCHEMA, FEW_VALUES, iter_tables, write_downloads_parquet
from yfcc.mirror.layout import CACHE, LEDGER, PART_SUFFIX, ledger_name
from yfcc.mirror.ledger import list_shards
from yfcc.mirror.opening import open_any
from yfcc.mirror.root import Mirror
from yfcc.mirror.space import decide_floor
from yfcc.mirror.tombstones import Removals, read_removals
from yfcc.mirror.tree import NEW_FILE, PRIVATE_FILE_MODE, list_names
from yfcc.model import N_SHARDS

#: Parts are made until each has about so much of the ledger, which takes half a second to read.
PART_BYTES: Final = 16 << 20
_MOST_PARTS: Final = 256
#: Parts that are made at a time; each takes a few times 16 MiB of memory, or a few shards.
_N_AT_ONCE: Final = 2
#: Bytes of Parquet for a byte of ledger, at most.
_SHARE: Final = 0.25
#: In the Parquet file's own metadata.
_KEY: Final = b"yfcc.ledger"
#: To be raised whenever a part is made otherwise than before.
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the table.

    Attributes
    ----------
    shards : tuple of int
        Those with a ledger, ascending.
    key : str
        Hex digest of what its ledger files are.
    name : str
        Of its file.
    """

    shards: tuple[int, ...]
    key: str
    name: str


@contextmanager
def open_downloads(
    root: Path | str, scratch: Path, part_bytes: int = PART_BYTES
) -> Iterator[list[Path]]:
    """The table ``downloads`` as Parquet files, one or more, that stay until the block ends.

    Also while a run is writing to the mirror: each part is what was committed when it was read.

    Parameters
    ----------
    root : Path or str
        The mirror.
    scratch : Path
        A folder for a table that cannot be kept.
    part_bytes : int
        Bytes of ledger to a part, unless that makes too many.

    Yields
    ------
    list of Path
        Together one row an item, with the columns of ``DOWNLOADS_SCHEMA``.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        The ledger cannot be read, or there is no room for the table.
    """
    with open_any(root) as mirror, ExitStack() as held:
        files = _keep(mirror, held, part_bytes) if isinstance(mirror, Mirror) else None
        if not files:
            files = [scratch / "downloads.parquet"]
            write_downloads_parquet(root, files[0])
        yield files


def _keep(mirror: Mirror, held: ExitStack, part_bytes: int) -> list[Path] | None:
    """Files with all parts, those that are missing made; None if they cannot be kept here."""
    sizes, stamps = _look_at(mirror)
    free, total = mirror.disk.measure_space(mirror.fd)
    if not sizes or free < decide_floor(total) + _SHARE * sum(sizes.values()):
        return None
    parts = plan_parts(sizes, stamps, part_bytes)
    try:
        with target_errors(f"open {mirror.name(LEDGER, CACHE)}"):
            cache_fd = mirror.open_directory(LEDGER, CACHE, create=True)
            held.callback(os.close, cache_fd)
        fcntl.flock(cache_fd, fcntl.LOCK_SH)  # nobody removes what is read
        # What is removed for good meanwhile may have been read already.
        held.callback(_drop_if_removed, mirror, read_removals(mirror))
        missing = [part for part in parts if not _is_whole(mirror, cache_fd, part)]
        with ThreadPoolExecutor(_N_AT_ONCE) as executor:
            list(executor.map(lambda part: _make(mirror, cache_fd, part), missing))
        if missing:
            _remove_others(mirror, cache_fd, {part.name for part in parts})
    except (TargetError, OSError):
        return None  # said again, if it is the ledger that cannot be read
    return [Path(mirror.name(LEDGER, CACHE, part.name)).absolute() for part in parts]


def _look_at(mirror: Mirror) -> tuple[dict[int, int], dict[int, tuple[int, ...]]]:
    """Bytes of each ledger file, and what tells it from any other."""
    sizes: dict[int, int] = {}
    stamps: dict[int, tuple[int, ...]] = {}
    with target_errors(f"read {mirror.name(LEDGER)}"):
        ledger_fd = mirror.open_directory(LEDGER)
        try:
            for shard in list_shards(mirror):
                try:
                    found = os.stat(ledger_name(shard), dir_fd=ledger_fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                sizes[shard] = found.st_size
                times = found.st_mtime_ns, found.st_ctime_ns
                stamps[shard] = (found.st_size, *times, found.st_ino)
        finally:
            os.close(ledger_fd)
    return sizes, stamps


def plan_parts(
    sizes: Mapping[int, int],
    stamps: Mapping[int, tuple[int, ...]],
    part_bytes: int = PART_BYTES,
) -> list[_Part]:
    """Which shards go together, and what each part is bound to.

    Parameters
    ----------
    sizes : mapping of int to int
        Bytes of ledger by shard.
    stamps : mapping of int to tuple of int
        What changes whenever a shard's ledger does.
    part_bytes : int
        As for :func:`open_downloads`.
    """
    n_parts = 1
    while n_parts < _MOST_PARTS and sum(sizes.values()) > n_parts * part_bytes:
        n_parts *= 2
    members: list[list[int]] = [[] for _ in range(n_parts)]
    for shard in sorted(sizes):
        members[shard * n_parts // N_SHARDS].append(shard)
    parts = []
    for number, shards in enumerate(members):
        if shards:
            bound_to = [(shard, *stamps[shard]) for shard in shards]
            made_as = (_VERSION, str(DOWNLOADS_SCHEMA), bound_to)
            key = hashlib.sha256(repr(made_as).encode()).hexdigest()
            name = f"{n_parts:03x}-{number:02x}-{key[:24]}.parquet"
            parts.append(_Part(tuple(shards), key, name))
    return parts


def _is_whole(mirror: Mirror, cache_fd: int, part: _Part) -> bool:
    """Whether a part is there; what was torn has no footer, or another's."""
    try:
        fd = mirror.disk.open(part.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=cache_fd)
        with os.fdopen(fd, "rb") as file:
            metadata = pq.read_metadata(file)
    except (OSError, pa.ArrowInvalid):
        return False
    return (metadata.metadata or {}).get(_KEY) == part.key.encode()


def _make(mirror: Mirror, cache_fd: int, part: _Part) -> None:
    """Write a part; it appears whole or not at all."""
    disk = mirror.disk
    unfinished = f"{part.name}.{secrets.token_hex(4)}{PART_SUFFIX}"
    schema = DOWNLOADS_SCHEMA.with_metadata({_KEY: part.key})
    with target_errors(f"write {mirror.name(LEDGER, CACHE, part.name)}"), ExitStack() as on_error:
        fd = disk.open(unfinished, NEW_FILE, PRIVATE_FILE_MODE, dir_fd=cache_fd)
        on_error.callback(_unlink, mirror, cache_fd, unfinished)
        with os.fdopen(fd, "wb") as file:
            with pq.ParquetWriter(
                file, schema, compression="zstd", use_dictionary=FEW_VALUES
            ) as writer:
                for table in iter_tables(mirror, part.shards):
                    writer.write_table(table.replace_schema_metadata(schema.metadata))
            file.flush()
            disk.fsync(fd)
        disk.rename(unfinished, part.name, from_fd=cache_fd, to_fd=cache_fd)
        on_error.pop_all()


def _unlink(mirror: Mirror, cache_fd: int, name: str) -> None:
    with suppress(OSError):  # the error that counts is on its way
        mirror.disk.unlink(name, dir_fd=cache_fd)


def _remove_others(mirror: Mirror, cache_fd: int, names: set[str]) -> None:
    """Remove what no query wants any more, unless one is at work."""
    try:
        fcntl.flock(cache_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EBADF}:  # EBADF: NFS
            raise
        return
    try:
        for name in set(list_names(cache_fd)) - names:
            mirror.disk.unlink(name, dir_fd=cache_fd)
    finally:
        fcntl.flock(cache_fd, fcntl.LOCK_SH)


def _drop_if_removed(mirror: Mirror, before: Removals) -> None:
    """Keep nothing if a removal was under way, or began, while the ledger was read."""
    if before.pending or len(read_removals(mirror).known) != len(before.known):
        drop_cache(mirror)

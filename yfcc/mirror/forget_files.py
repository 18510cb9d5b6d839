"""Taking items out of one shard of a mirror: their records' contents, then their files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from yfcc.catalog.tombstones import Reason
from yfcc.mirror.claim import AnyClaim
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER, directory_parts, ledger_name
from yfcc.mirror.ledger import find_committed, read_shard, seal_lines
from yfcc.mirror.record import Record, encode_record
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.tree import list_names
from yfcc.model import Outcome, shard_of

_ID: Final = re.compile(rb'"photo_id":([0-9]+)')

#: All that a record of a removed item has.
_BARE: Final = frozenset({"photo_id", "outcome", "first_error", "fetched_at", "run_id"})


def describe_reason(reason: Reason) -> str:
    """What the record of a removed item says."""
    return f"forgotten: {reason}"


def forgotten_record(photo_id: int, reason: Reason, now: str, run_id: str) -> Record:
    """The record of a removed item: its id, and the reason's code."""
    return Record(
        photo_id=photo_id,
        outcome=Outcome.FORGOTTEN,
        source=None,
        url=None,
        path=None,
        n_bytes=None,
        sha256=None,
        content_type=None,
        width=None,
        height=None,
        http_status=None,
        attempts=None,
        first_error=describe_reason(reason),
        fetched_at=now,
        x_robots_tag=None,
        shard=shard_of(photo_id),
        run_id=run_id,
    )


@dataclass(slots=True)
class Holding:
    """What a shard has of some items.

    Attributes
    ----------
    recorded : set of int
        Items with a record that says more than that they are removed.
    known : set of int
        Items with any record.
    digests : set of str
        SHA-256 of bytes they are recorded with.
    files : dict of int to list of str
        Names of their files, the JSON last.
    is_torn : bool
        Lines that do not count name one of them.
    """

    recorded: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    files: dict[int, list[str]] = field(default_factory=dict)
    is_torn: bool = False

    @property
    def n_files(self) -> int:
        """Files of all of them."""
        return sum(map(len, self.files.values()))


def look_up(mirror: AnyMirror, shard: int, ids: Collection[int]) -> Holding:
    """What a shard has of some items; nothing is changed.

    Raises
    ------
    TargetError
        It cannot be read.
    """
    holding = Holding()
    content = read_shard(mirror, shard)
    committed = find_committed(content)
    n_lines = 0
    for line in committed.iter_lines():
        match = _ID.search(line)
        if match is None or int(match[1]) not in ids:
            continue
        n_lines += 1
        found = orjson.loads(line)
        photo_id = found["photo_id"]
        if not found.keys() <= _BARE or found["outcome"] != Outcome.FORGOTTEN:
            holding.recorded.add(photo_id)
        holding.known.add(photo_id)
        if found.get("sha256"):
            holding.digests.add(found["sha256"])
    if committed.n_damaged_bytes or committed.end < len(content):
        n_named = sum(int(each) in ids for each in _ID.findall(content))
        holding.is_torn = n_named > n_lines
    for parts, leaf_ids in _by_leaf(ids).items():
        for name in sorted(_list_leaf(mirror, parts), key=lambda each: (_is_json(each), each)):
            stem = name.partition(".")[0]
            is_id = stem.isascii() and stem.isdigit() and len(stem) < 20
            if is_id and int(stem) in leaf_ids:
                holding.files.setdefault(int(stem), []).append(name)
    return holding


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _by_leaf(ids: Iterable[int]) -> dict[tuple[str, ...], set[int]]:
    leaves: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for photo_id in ids:
        leaves[directory_parts(photo_id)].add(photo_id)
    return leaves


def _list_leaf(mirror: AnyMirror, parts: tuple[str, ...]) -> list[str]:
    if not isinstance(mirror, Mirror):
        return mirror.list_names(*parts)
    with target_errors(f"list {mirror.name(*parts)}"):
        try:
            leaf_fd = mirror.open_directory(*parts)
        except FileNotFoundError:
            return []
        try:
            return list_names(leaf_fd)
        finally:
            os.close(leaf_fd)


def remove_items(
    mirror: AnyMirror, claim: AnyClaim, shard: int, ids: Mapping[int, Reason], now: str
) -> Holding:
    """Take items out of a shard; durable on return.

    The ledger is written first: no moment has a record ``stored`` without its file. A file that
    is left after a kill belongs to a removal that is pending still.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    claim : Claim or BucketClaim
        Holds the shard.
    shard : int
    ids : mapping of int to Reason
        Items of the shard.
    now : str
        For the records.

    Returns
    -------
    Holding
        What was there of them.

    Raises
    ------
    TargetError
        The mirror cannot be read or written.
    LockedError
        The shard is not held any more.
    """
    holding = look_up(mirror, shard, ids)
    if holding.recorded or holding.is_torn:
        _rewrite_ledger(mirror, claim, shard, {each: ids[each] for each in holding.known}, now)
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket.ledger_parts import remove_passed_over  # noqa: PLC0415

        remove_passed_over(mirror, shard)  # also those of a removal that was cut short
    files_by_leaf: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for photo_id, names in holding.files.items():
        files_by_leaf[directory_parts(photo_id)] += names
    for parts, names in files_by_leaf.items():
        claim.check()
        if not isinstance(mirror, Mirror):
            # A JSON is there as long as the media it names.
            for is_json in (False, True):
                some = [name for name in names if _is_json(name) is is_json]
                mirror.objects.delete("/".join((*parts, name)) for name in some)
            continue
        with target_errors(f"remove files from {mirror.name(*parts)}"):
            leaf_fd = mirror.open_directory(*parts)
            try:
                for name in names:
                    mirror.disk.unlink(name, dir_fd=leaf_fd)
                mirror.disk.fsync(leaf_fd)
            finally:
                os.close(leaf_fd)
    return holding


def _rewrite_ledger(
    mirror: AnyMirror, claim: AnyClaim, shard: int, ids: Mapping[int, Reason], now: str
) -> None:
    """Write a shard's file anew: of removed items nothing stays but one bare record."""

    def without(content: bytes) -> bytes:
        kept: list[bytes] = []
        for line in find_committed(content).iter_lines():
            match = _ID.search(line)
            if match is None or int(match[1]) not in ids:
                kept.append(line + b"\n")
        for photo_id, reason in sorted(ids.items()):
            kept.append(encode_record(forgotten_record(photo_id, reason, now, claim.run_id)))
        return seal_lines(b"".join(kept)) if kept else b""

    claim.check()
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket.ledger_parts import rewrite_records  # noqa: PLC0415

        rewrite_records(mirror, shard, without)
        return
    mirror.replace(claim.run_id, without(read_shard(mirror, shard)), LEDGER, ledger_name(shard))

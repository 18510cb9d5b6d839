"""Finding what a removal means in a mirror: items by owner, by hash, and by the bytes they have."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from yfcc.catalog.tombstones import Reason, TombstoneSet
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import MEDIA, directory_parts, document_name
from yfcc.mirror.ledger import find_committed, list_shards, read_shard
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.tree import list_names, read_file
from yfcc.model import shard_of

_CHUNK: Final = 500_000
_STEP: Final = re.compile(r"[0-9]{3}")
_KEY: Final = re.compile(rf"{MEDIA}/[0-9]{{3}}/[0-9]{{3}}/([1-9][0-9]{{0,18}})\.[a-z0-9]{{2,4}}")
_FILE: Final = re.compile(r"([1-9][0-9]{0,18})\.[a-z0-9]{2,4}")

# In JSON no quote of a text stands without a backslash: these match no text, only members.
_NSID: Final = re.compile(rb'"user_nsid":"([^"]*)"')
_HASH: Final = re.compile(rb'"photo_hash":"([^"]*)"')
_ID: Final = re.compile(rb'"photo_id":([0-9]+),')
_OUTCOME: Final = re.compile(rb'"outcome":"([a-z_]+)"')
_SHA256: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')
#: The persistent copy's addresses end with the hash.
_HASH_IN_URL: Final = re.compile(rb'/([0-9a-f]{16,32})\.[a-z0-9]{2,4}"')


def find_matches(
    mirror: AnyMirror,
    named: TombstoneSet,
    catalog: Path | None = None,
    unnamed: list[int] | None = None,
) -> dict[int, Reason]:
    """Items that are named, with the reasons: by their ids, and by what is known of them.

    Owners and hashes are looked for in the catalog, if there is one, and in the JSON of all
    items that it does not know. Digests, and hashes once more, are looked for in the ledger; for
    shards whose ledger is lost or damaged, digests are looked for in the JSON too, and where that
    is damaged, in the bytes. (In a shard that is whole, what has no record is no part of the
    mirror yet: a run adopts it, and never with these bytes.) Memory: the records of one shard,
    and the ids found.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    named : TombstoneSet
    catalog : Path, optional
        Knows the items' owners and hashes.
    unnamed : list of int, optional
        Gets the items of which nobody can say whose they are: their JSON is damaged or missing.

    Raises
    ------
    TargetError
        The mirror cannot be read.
    SourceError, LockedError
        The catalog cannot be read.
    """
    found = dict(named.ids)
    if named.digests or named.hashes:
        for photo_id, reason in _search_ledger(mirror, named):
            found.setdefault(photo_id, reason)
    if named.users or named.hashes:
        ids: Iterable[int] = iter_item_ids(mirror)
        if catalog is not None:
            # The catalog's owners and hashes are the JSON's too: only strangers are read.
            from yfcc.catalog.known_items import KnownItems, find_items  # noqa: PLC0415 - DuckDB

            reason = next(iter([*named.users.values(), *named.hashes.values()]))
            for photo_id in find_items(catalog, named):
                found.setdefault(photo_id, reason)
            with KnownItems(catalog) as known:
                ids = [each for chunk in _chunks(ids) for each in known.unknown(chunk)]
        for photo_id, reason in _search_documents(mirror, named, ids, unnamed):
            found.setdefault(photo_id, reason)
    return found


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def iter_item_ids(mirror: AnyMirror) -> Iterator[int]:
    """Items that have files in the mirror, recorded or not: every directory is listed."""
    if not isinstance(mirror, Mirror):
        last = 0
        for entry in mirror.objects.iter_entries(f"{MEDIA}/"):
            match = _KEY.fullmatch(entry.key)
            if match and int(match[1]) != last:  # the two of an item follow each other
                last = int(match[1])
                yield last
        return
    for leaf in _iter_leaves(mirror):
        found = map(_FILE.fullmatch, _list(mirror, leaf))
        yield from dict.fromkeys(int(match[1]) for match in found if match)


def _iter_leaves(mirror: AnyMirror) -> Iterator[tuple[str, str, str]]:
    """The directories that items lie in."""
    tops = filter(_STEP.fullmatch, _list(mirror, (MEDIA,)))

    def find(top: str) -> list[tuple[str, str, str]]:
        names = _list(mirror, (MEDIA, top))
        return [(MEDIA, top, name) for name in names if _STEP.fullmatch(name)]

    mapped = map(find, tops) if isinstance(mirror, Mirror) else mirror.map_ahead(find, tops)
    for leaves in mapped:
        yield from leaves


def _list(mirror: AnyMirror, parts: tuple[str, ...]) -> list[str]:
    if not isinstance(mirror, Mirror):
        names, folders = mirror.objects.list_folder("/".join((*parts, "")))
        return sorted(names + folders)
    with target_errors(f"list {mirror.name(*parts)}"):
        try:
            fd = mirror.open_directory(*parts)
        except (FileNotFoundError, NotADirectoryError):
            return []  # a stray file, which verify names
        try:
            return sorted(list_names(fd))
        finally:
            os.close(fd)


def read_document(mirror: AnyMirror, photo_id: int) -> bytes | None:
    """An item's JSON; None if it has none."""
    name = document_name(photo_id)
    if not isinstance(mirror, Mirror):
        return mirror.read(*directory_parts(photo_id), name)
    with target_errors(f"read {mirror.name(*directory_parts(photo_id), name)}"):
        try:
            leaf_fd = mirror.open_directory(*directory_parts(photo_id))
        except FileNotFoundError:
            return None
        try:
            return read_file(mirror.disk, leaf_fd, name)
        except FileNotFoundError:
            return None
        finally:
            os.close(leaf_fd)


def _iter_documents(mirror: AnyMirror, ids: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """The JSON of items, empty where there is none; in a bucket many are read at a time."""

    def read(photo_id: int) -> tuple[int, bytes]:
        return photo_id, read_document(mirror, photo_id) or b""

    return map(read, ids) if isinstance(mirror, Mirror) else mirror.map_ahead(read, ids)


def _search_documents(
    mirror: AnyMirror, named: TombstoneSet, ids: Iterable[int], unnamed: list[int] | None
) -> Iterator[tuple[int, Reason]]:
    """Items whose JSON, damaged or not, says that they are named."""
    users = {nsid.encode(): reason for nsid, reason in named.users.items()}
    hashes = {each.encode(): reason for each, reason in named.hashes.items()}
    for photo_id, content in _iter_documents(mirror, ids):
        owners, marks = _NSID.findall(content), _HASH.findall(content)
        reason = next(filter(None, [*map(users.get, owners), *map(hashes.get, marks)]), None)
        if reason is not None:
            yield photo_id, reason
        elif unnamed is not None and ((users and not owners) or (hashes and not marks)):
            unnamed.append(photo_id)


def _search_ledger(mirror: AnyMirror, named: TombstoneSet) -> Iterator[tuple[int, Reason]]:
    hashes = {each.encode(): reason for each, reason in named.hashes.items()}
    if hashes:
        yield from _search_lines(mirror, _HASH_IN_URL, hashes)
    if named.digests:
        whole: set[int] = set()
        yield from iter_stored_with(mirror, named.digests, whole)
        yield from _search_unrecorded(mirror, named.digests, whole)


def _search_unrecorded(
    mirror: AnyMirror, digests: Mapping[str, Reason], whole: Collection[int]
) -> Iterator[tuple[int, Reason]]:
    """Items with files in directories of other shards than those whose ledger is whole."""
    wanted = {each.encode(): reason for each, reason in digests.items()}
    leaves = [leaf for leaf in _iter_leaves(mirror) if _shard_of_leaf(leaf) not in whole]
    for leaf in leaves:
        names: dict[int, list[str]] = {}
        for name in _list(mirror, leaf):
            if match := _FILE.fullmatch(name):
                names.setdefault(int(match[1]), []).append(name)
        for photo_id, content in _iter_documents(mirror, names):
            found = set(_SHA256.findall(content))
            if not found:
                media = (name for name in names[photo_id] if not name.endswith(".json"))
                found = {_hash(mirror, (*leaf, name)) for name in media}
            reason = next(filter(None, map(wanted.get, found)), None)
            if reason is not None:
                yield photo_id, reason


def _shard_of_leaf(leaf: tuple[str, ...]) -> int:
    return shard_of(int("".join(leaf[1:])))


def _hash(mirror: AnyMirror, path: tuple[str, ...]) -> bytes:
    if not isinstance(mirror, Mirror):
        measured = mirror.objects.measure("/".join(path))
        return measured[1].encode() if measured else b""
    return hashlib.sha256(mirror.read(*path) or b"").hexdigest().encode()


def _search_lines(
    mirror: AnyMirror, pattern: re.Pattern[bytes], wanted: Mapping[bytes, Reason]
) -> Iterator[tuple[int, Reason]]:
    """Items any of whose records has a wanted value, and what the value is mapped to."""
    for shard in list_shards(mirror):
        content = read_shard(mirror, shard)
        if wanted.keys().isdisjoint(pattern.findall(content)):
            continue
        for line in find_committed(content).iter_lines():
            reason = next(filter(None, map(wanted.get, pattern.findall(line))), None)
            match = _ID.search(line)
            if reason is not None and match is not None:
                yield int(match[1]), reason


def iter_stored_with(
    mirror: AnyMirror, digests: Mapping[str, Reason], whole: set[int] | None = None
) -> Iterator[tuple[int, Reason]]:
    """Items whose stored bytes, by their latest records, have one of some SHA-256.

    ``whole`` gets the shards that have a ledger without damage.
    """
    wanted = {each.encode(): reason for each, reason in digests.items()}
    for shard in list_shards(mirror):
        content = read_shard(mirror, shard)
        committed = None
        if whole is not None:
            committed = find_committed(content)
            if committed.end == len(content) > 0 and not committed.n_damaged_bytes:
                whole.add(shard)
        if wanted.keys().isdisjoint(_SHA256.findall(content)):
            continue
        latest: dict[int, bytes] = {}
        for line in (committed or find_committed(content)).iter_lines():
            match = _ID.search(line)
            if match is not None:
                latest[int(match[1])] = line
        for photo_id, line in latest.items():
            outcome, digest = _OUTCOME.search(line), _SHA256.search(line)
            if outcome and outcome[1] == b"stored" and digest and digest[1] in wanted:
                yield photo_id, wanted[digest[1]]


def find_same_bytes(mirror: AnyMirror, digests: Collection[str], but: Collection[int]) -> list[int]:
    """Other stored items with the same bytes; ascending."""
    if not digests:
        return []
    wanted = dict.fromkeys(digests, Reason.OTHER)
    return sorted({found for found, _ in iter_stored_with(mirror, wanted)} - set(but))

"""The items of a mirror that a selection picks, as everything that leaves the mirror wants them.

They come in the order of shards, within a shard by media directory (the first six digits of the
id), and there by id: the order in which a mirror is written and read best. It is the same for the
same mirror and selection, on any machine.

Memory is that of one shard's ledger, whatever the size of mirror and catalog.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from yfcc.catalog.ids_by_shard import open_ids_by_shard
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import TombstoneSet, gather
from yfcc.errors import VerifyError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import (
    LEDGER,
    directory_parts,
    document_name,
    extension_in,
    ledger_name,
    media_name,
    media_path,
)
from yfcc.mirror.ledger import find_committed, iter_shards, list_shards
from yfcc.mirror.record import Record, decode_record
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.tombstones import read_removals
from yfcc.mirror.tree import read_file
from yfcc.mirror.verdicts import check_document, say_bytes
from yfcc.model import Outcome, id_prefix

_REPAIR: Final = "Run `yfcc verify --repair`, then `yfcc download`, then this again."
_STORED: Final = Outcome.STORED.value
_FORGOTTEN: Final = Outcome.FORGOTTEN.value


@dataclass(slots=True)
class StoredCounts:
    """How many items were asked for, and what became of them: the other numbers add up to it.

    Attributes
    ----------
    n_selected : int
    n_given : int
        Stored, and given out.
    n_not_stored : int
        Not in the mirror.
    n_forgotten : int
        Removed for good.
    """

    n_selected: int = 0
    n_given: int = 0
    n_not_stored: int = 0
    n_forgotten: int = 0


@dataclass(slots=True)
class StoredItem:
    """One stored item.

    Attributes
    ----------
    record : Record
        Its latest in the ledger.
    mirror : Mirror or BucketMirror
        Where it lies; open as long as it is read.
    """

    record: Record
    mirror: AnyMirror
    _document: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def photo_id(self) -> int:
        """The item's id."""
        return self.record.photo_id

    @property
    def extension(self) -> str:
        """What the bytes are, ``jpg``."""
        return (self.record.path or "").rpartition(".")[2]

    @property
    def document(self) -> dict[str, Any]:
        """The JSON beside the item; read once.

        Raises
        ------
        VerifyError
            It is missing, or says something else than the record.
        TargetError
            The mirror cannot be read.
        """
        if self._document is None:
            content = self._read(document_name(self.photo_id))
            damage = check_document(content, self.record, "no file")
            if damage is not None or content is None:
                said = f"expected {damage.expected}, got {damage.got}" if damage else "missing"
                path = self.mirror.name(media_path(self.photo_id, "json"))
                raise VerifyError(f"item {self.photo_id}, {path}: {said}. {_REPAIR}")
            self._document = orjson.loads(content)
        return self._document

    def release(self) -> None:
        """Forget the JSON: thousands of items wait for each other, with a record each."""
        self._document = None

    def read_media(self) -> bytes:
        """The media file, with size and digest as recorded.

        Raises
        ------
        VerifyError
            It is missing, torn or changed.
        TargetError
            The mirror cannot be read.
        """
        record = self.record
        extension = extension_in(record.path or "", record.photo_id)
        if extension is None:
            raise self._damaged("no path that an item can have")
        content = self._read(media_name(record.photo_id, extension))
        if content is None:
            raise self._damaged("no file")
        sha256 = hashlib.sha256(content).hexdigest()
        if (len(content), sha256) != (record.n_bytes, record.sha256):
            raise self._damaged(say_bytes(len(content), sha256))
        return content

    def _damaged(self, got: str) -> VerifyError:
        expected = say_bytes(self.record.n_bytes, self.record.sha256)
        path = self.mirror.name(self.record.path or "")
        return VerifyError(
            f"item {self.photo_id}, {path}: expected {expected}, got {got}. {_REPAIR}"
        )

    def _read(self, name: str) -> bytes | None:
        """Content of one of the item's files; None if there is none, or no regular file."""
        parts = directory_parts(self.photo_id)
        if not isinstance(self.mirror, Mirror):
            return self.mirror.read(*parts, name)
        with target_errors(f"read {self.mirror.name(*parts, name)}"):
            try:
                leaf_fd = self.mirror.open_directory(*parts)
                try:
                    return read_file(self.mirror.disk, leaf_fd, name)
                finally:
                    os.close(leaf_fd)
            except FileNotFoundError:
                return None


def iter_stored(
    mirror: AnyMirror,
    catalog: Catalog | None = None,
    selection: Selection | None = None,
    counts: StoredCounts | None = None,
    *,
    with_documents: bool = True,
) -> Iterator[StoredItem]:
    """The stored items that a selection picks: by shard, media directory and id.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
        Open until the last item is read; also while a run is writing to it.
    catalog : Catalog, optional
        None: all stored items of the mirror.
    selection : Selection, optional
        None: all items of the catalog.
    counts : StoredCounts, optional
        Counts the items that are asked for, given out and lacking, shard by shard.
    with_documents : bool
        Whether the JSON of every item will be wanted: from a bucket many are read ahead.

    Yields
    ------
    StoredItem
        Each once; none that was forgotten.

    Raises
    ------
    UsageError
        The selection cannot be computed, or names what the catalog does not know.
    TargetError
        The mirror cannot be read, or there is no room to put the selected ids in order.
    """
    removals = _Removals(mirror)
    counts = StoredCounts() if counts is None else counts
    items = _iter_selected(mirror, catalog, selection or Selection(), removals, counts)
    if with_documents and not isinstance(mirror, Mirror):
        return mirror.map_ahead(_with_document, items)
    return items


def iter_stored_shards(
    mirror: AnyMirror, wanted: Mapping[int, Iterable[int] | None]
) -> Iterator[StoredItem]:
    """The stored items of some shards, in the order of the mapping.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
        Open until the last item is read.
    wanted : mapping of int to iterable of int or None
        Shards, and which items of each are wanted; None: all.

    Yields
    ------
    StoredItem
        As :func:`iter_stored`.

    Raises
    ------
    TargetError
        The mirror cannot be read.
    """
    removals, counts = _Removals(mirror), StoredCounts()
    for (shard, ids), content in zip(wanted.items(), iter_shards(mirror, wanted), strict=True):
        lines = _latest_lines(mirror, shard, content)
        chosen = _stored_ids(lines) if ids is None else map(int, ids)
        yield from _iter_shard(mirror, lines, chosen, removals, counts)


def _with_document(item: StoredItem) -> StoredItem:
    _ = item.document
    return item


class _Removals:
    """What must not be given, though a record may say that it is stored."""

    def __init__(self, mirror: AnyMirror) -> None:
        found = read_removals(mirror)
        self._known = gather(found.known.values())
        # Of those carried out nothing is stored any more; the others may name an author.
        self._pending: TombstoneSet = gather(found.pending.values())

    def has(self, item: StoredItem) -> bool:
        record = item.record
        if record.photo_id in self._known.ids or record.sha256 in self._known.digests:
            return True
        if not self._pending.users and not self._pending.hashes:
            return False
        metadata = item.document["metadata"]
        is_user = metadata.get("user_nsid") in self._pending.users
        return is_user or metadata.get("photo_hash") in self._pending.hashes


def _iter_selected(
    mirror: AnyMirror,
    catalog: Catalog | None,
    selection: Selection,
    removals: _Removals,
    counts: StoredCounts,
) -> Iterator[StoredItem]:
    if catalog is None:
        shards = list_shards(mirror)
        for shard, content in zip(shards, iter_shards(mirror, shards), strict=True):
            lines = _latest_lines(mirror, shard, content)
            yield from _iter_shard(mirror, lines, _stored_ids(lines), removals, counts)
        return
    with open_ids_by_shard(catalog, selection) as selected:
        shards = sorted(selected.counts)
        contents = iter_shards(mirror, shards)
        for (shard, ids), content in zip(selected.iter_shards(), contents, strict=True):
            lines = _latest_lines(mirror, shard, content)
            yield from _iter_shard(mirror, lines, ids.tolist(), removals, counts)


def _stored_ids(lines: Mapping[int, tuple[str, bytes]]) -> list[int]:
    """The stored items of a shard, by media directory and id."""
    stored = [photo_id for photo_id, (outcome, _) in lines.items() if outcome == _STORED]
    return sorted(stored, key=_place)


def _place(photo_id: int) -> tuple[tuple[str, str], int]:
    return id_prefix(photo_id), photo_id


def _latest_lines(mirror: AnyMirror, shard: int, content: bytes) -> dict[int, tuple[str, bytes]]:
    """The latest outcome of each item of a shard, and the record's line."""
    committed = find_committed(content)
    if committed.n_damaged_bytes:  # items that are stored would be passed over without a word
        raise VerifyError(
            f"{mirror.name(LEDGER, ledger_name(shard))}: expected sealed commits, got "
            f"{committed.n_damaged_bytes:,} bytes without a seal: what they recorded is lost. "
            f"{_REPAIR}"
        )
    latest = {}
    for line in committed.iter_lines():
        found = orjson.loads(line)
        latest[found["photo_id"]] = found["outcome"], line
    return latest


def _iter_shard(
    mirror: AnyMirror,
    lines: Mapping[int, tuple[str, bytes]],
    ids: Iterable[int],
    removals: _Removals,
    counts: StoredCounts,
) -> Iterator[StoredItem]:
    for photo_id in ids:
        counts.n_selected += 1
        outcome, line = lines.get(photo_id, ("", b""))
        if outcome != _STORED:
            is_forgotten = outcome == _FORGOTTEN
            counts.n_forgotten += is_forgotten
            counts.n_not_stored += not is_forgotten
            continue
        item = StoredItem(decode_record(line), mirror)
        if removals.has(item):
            counts.n_forgotten += 1
            continue
        counts.n_given += 1
        yield item

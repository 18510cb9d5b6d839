"""Removing items from an export that is made of pieces: a webdataset or an imagefolder.

A complete export becomes an unfinished one, whose mark keeps the manifest; the pieces that have
the items are made without them, each whole or as it was, then their indexes; in the end come the
documents and a new manifest. Who is killed in between leaves the mark, by which it is gone on with.

Of an export that was cut short the pieces concerned are removed: it makes them anew anyway.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

import orjson

from yfcc.catalog.select import Selection
from yfcc.catalog.tombstones import TombstoneSet
from yfcc.errors import VerifyError
from yfcc.share.credits import UNCHANGED
from yfcc.share.export_documents import Origin, write_documents
from yfcc.share.export_folder import ExportFolder
from yfcc.share.export_place import (
    INDEX,
    MANIFEST,
    SHARDS,
    TOP_NAMES,
    TRAIN,
    UNFINISHED,
    ExportPlace,
    decode_document,
    index_name,
    is_ours,
)
from yfcc.share.export_prefix import ExportPrefix
from yfcc.share.export_request import ExportRequest, Form
from yfcc.share.exporting import MediaExportSummary
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.pieces import PieceHead, PieceLimits, decode_head, encode_index
from yfcc.share.removal_look import (
    ExportDirectory,
    ExportObjects,
    Look,
    NoExport,
    Removed,
    look_at,
)
from yfcc.share.sink import MANIFEST_NAME
from yfcc.share.ustar import BLOCK_BYTES, END
from yfcc.share.webdataset import WebDataset

#: In the identity of an unfinished export: the manifest of the complete one that it was.
_REMOVING: Final = "removing"
_INDEX: Final = re.compile(rf"{INDEX}/([0-9]{{6,}})\.jsonl")
_ID: Final = re.compile(rb'^\{"photo_id":([0-9]+),', re.MULTILINE)
_SHA256: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_NSID: Final = re.compile(rb"([0-9]{1,20}@N[0-9]{2})")
_HASH: Final = re.compile(rb'"photo_hash":"([0-9a-f]{16,32})"')
_COPY_BYTES: Final = 1 << 20


def remove_from_pieces(address: str, wanted: TombstoneSet) -> Removed:
    """Remove items from a webdataset or an imagefolder.

    Parameters
    ----------
    address : str
        A directory or ``s3://bucket/prefix``.
    wanted : TombstoneSet

    Raises
    ------
    NoExport
        There is none.
    UsageError
        Files lie there that no export wrote.
    LockedError
        An export to the same place is at work.
    TargetError
        The place cannot be read or written.
    VerifyError
        A piece is damaged.
    """
    with ExitStack() as stack:
        look = look_at(address)
        stack.callback(look.close)
        begun = decode_document(look.read(UNFINISHED))
        manifest = decode_document(look.read(MANIFEST))
        if begun is None and manifest is None:
            raise NoExport
        if begun is not None and _REMOVING not in (begun.get("identity") or {}):
            return _remove_unfinished(address, look, begun, wanted)
        concerned = [n for n in _list_numbers(look) if _has(look, n, wanted)]
        if begun is None:
            if not concerned:
                return Removed(0)
            identity: dict[str, Any] = {_REMOVING: manifest}
        else:
            identity = begun["identity"]
        told: dict[str, Any] = identity[_REMOVING]
        place = _open(address, identity, str(told["started_at"]), is_overwriting=begun is None)
        with place, place.writing():
            n_items = sum(_rewrite(place, look, number, wanted) for number in concerned)
            _finish(place, look, address, told)
        return Removed(n_items)


def read_form(address: str) -> str | None:
    """The form of the export that lies somewhere; None if none does."""
    look = look_at(address)
    try:
        for name in (MANIFEST, MANIFEST_NAME):
            manifest = decode_document(look.read(name))
            if manifest is not None and "form" in manifest:
                return str(manifest["form"])
        begun = decode_document(look.read(UNFINISHED)) or {}
    finally:
        look.close()
    identity = begun.get("identity") or {}
    form = identity.get(_REMOVING, identity).get("form")
    return None if form is None else str(form)


def _open(
    address: str, identity: Mapping[str, Any], started_at: str, *, is_overwriting: bool
) -> ExportPlace:
    if "://" in address:
        return ExportPrefix(address, identity, is_overwriting, started_at)
    return ExportFolder(Path(address), identity, is_overwriting, started_at)


def _list_numbers(look: Look) -> list[int]:
    found = map(_INDEX.fullmatch, look.names(INDEX))
    return sorted(int(match[1]) for match in found if match)


def _has(look: Look, number: int, wanted: TombstoneSet) -> bool:
    """Whether a piece may have an item: its index is looked through without being parsed."""
    content = look.read(index_name(number)) or b""
    return (
        not wanted.ids.keys().isdisjoint(map(int, _ID.findall(content)))
        or any(each.decode() in wanted.digests for each in _SHA256.findall(content))
        or any(each.decode() in wanted.hashes for each in _HASH.findall(content))
        or (
            bool(wanted.users)
            and any(each.decode() in wanted.users for each in _NSID.findall(content))
        )
    )


def _is_named(row: Mapping[str, Any], wanted: TombstoneSet) -> bool:
    """Whether the row of an index is one of an item that is to go."""
    attribution = row.get("attribution") or {}
    owners = _NSID.findall(
        f"{attribution.get('author_url')} {attribution.get('source_url')}".encode()
    )
    return (
        row["photo_id"] in wanted.ids
        or row.get("sha256") in wanted.digests
        or row.get("photo_hash") in wanted.hashes
        or row.get("user_nsid") in wanted.users
        or any(each.decode() in wanted.users for each in owners)
    )


def _remove_unfinished(
    address: str, look: Look, begun: Mapping[str, Any], wanted: TombstoneSet
) -> Removed:
    numbers = _list_numbers(look)
    concerned = [number for number in numbers if _has(look, number, wanted)]
    kept = [number for number in numbers if number not in concerned]
    names = [index_name(number) for number in kept]
    heads = [decode_head(look.read(name) or b"") for name in names]
    names += [head.path for head in heads if head is not None]
    beyond = {*look.names(SHARDS), *look.names(TRAIN), *look.names(INDEX)} - set(names)
    if isinstance(look, ExportObjects) and not beyond:
        # Entered, it would be taken from the run that writes it, if one does.
        return Removed(0, is_done=False)
    n_items = 0
    place = _open(address, begun["identity"], str(begun["started_at"]), is_overwriting=False)
    with place, place.writing():
        for number in concerned:
            lines = (look.read(index_name(number)) or b"").split(b"\n")[1:-1]
            n_items += sum(_is_named(row, wanted) for row in map(orjson.loads, lines))
        look.delete([name for name in TOP_NAMES if name != UNFINISHED])
        place.remove_beyond(names)
    # In a directory its lock says that nobody writes; in a bucket somebody may.
    return Removed(n_items, is_done=isinstance(look, ExportDirectory))


def _rewrite(place: ExportPlace, look: Look, number: int, wanted: TombstoneSet) -> int:
    """Make a piece without some items; how many it had."""
    content = look.read(index_name(number)) or b""
    head = decode_head(content)
    if head is None:
        raise VerifyError(f"{index_name(number)} is damaged")
    kept: list[bytes] = []
    removed: list[dict[str, Any]] = []
    for line in content.split(b"\n")[1:-1]:
        row = orjson.loads(line)
        if _is_named(row, wanted):
            removed.append(row)
        else:
            kept.append(line + b"\n")
    if not removed:
        return 0
    ids = {row["photo_id"] for row in removed}
    if head.path.startswith(f"{TRAIN}/"):
        names = [row["path"] for row in removed]
        if not all(map(is_ours, names)):
            raise VerifyError(f"{index_name(number)} is damaged: it names other files than its own")
        look.delete(names)
        n_bytes = head.n_bytes - sum(row["n_bytes"] for row in removed)
        head = replace(head, n_bytes=n_bytes, etag=None)
    elif kept:
        with look.open(head.path) as old, place.begin_file(head.path) as new:
            for block in _iter_kept(old, ids, head.path):
                new.write([block])
            new.write([END])
            done = new.finish()
        head = replace(head, n_bytes=done.n_bytes, sha256=done.sha256, etag=done.etag)
    if not kept:
        head = replace(head, n_bytes=0, sha256=None, etag=None)
    place.write_whole(index_name(number), encode_index(_count(head, len(kept), removed), kept))
    return len(removed)


def _count(head: PieceHead, n_items: int, removed: list[dict[str, Any]]) -> PieceHead:
    """The head without what it counted of removed items."""
    licenses = Counter(head.licenses)
    notes = Counter(head.notes)
    for row in removed:
        licenses[row["license"] or ""] -= 1
        notes["made smaller"] -= row["changes"] != UNCHANGED
        notes["without a caption"] -= not row["caption"]
    return replace(head, n_items=n_items, licenses=dict(+licenses), notes=dict(+notes))


def _iter_kept(archive: IO[bytes], ids: set[int], name: str) -> Iterator[bytes]:
    """What an archive has of other items, block by block.

    Raises
    ------
    VerifyError
        It is damaged, or none that an export wrote.
    """
    while True:
        header = archive.read(BLOCK_BYTES)
        if len(header) == BLOCK_BYTES and not any(header):
            return
        stem = header[:100].partition(b".")[0]
        try:
            photo_id, n_left = int(stem), int(header[124:135], 8)
        except ValueError as error:
            raise VerifyError(
                f"{name} is damaged near byte {archive.tell():,}: remove the export, or make it "
                "anew with `yfcc export --overwrite`"
            ) from error
        n_left += -n_left % BLOCK_BYTES
        is_kept = photo_id not in ids
        if is_kept:
            yield header
        while n_left:
            block = archive.read(min(n_left, _COPY_BYTES))
            if not block:
                raise VerifyError(f"{name} is damaged: it ends within item {photo_id}")
            n_left -= len(block)
            if is_kept:
                yield block


def _finish(place: ExportPlace, look: Look, address: str, told: Mapping[str, Any]) -> None:
    """Write the documents and the manifest anew."""
    heads: list[PieceHead] = []
    for number in _list_numbers(look):
        head = decode_head(look.read(index_name(number)) or b"")
        if head is None or number != len(heads):
            raise VerifyError(
                f"{address}: {index_name(len(heads))} is missing or damaged: make the export "
                "anew with `yfcc export --overwrite`"
            )
        heads.append(head)
    notes, licenses = Counter[str](), Counter[str]()
    for head in heads:
        notes.update(head.notes)
        licenses.update(head.licenses)
    notes["left out: no picture"] = told["notes"].get("left out: no picture", 0)
    n_items = sum(head.n_items for head in heads)
    summary = MediaExportSummary(
        out=address,
        manifest=f"{address}/{MANIFEST}",
        n_selected=told["n_selected"],
        n_items=n_items,
        n_left_out=told["n_left_out"],
        n_not_stored=told["n_not_stored"],
        n_forgotten=told["n_forgotten"] + told["n_items"] - n_items,
        n_bytes=sum(head.n_bytes for head in heads),
        n_pieces=sum(bool(head.n_items) for head in heads),
        n_pieces_kept=0,
        notes=dict(+notes),
        licenses=dict(licenses.most_common()),
    )
    origin = Origin(
        mirror="",
        fingerprint=told["catalog"]["fingerprint"],
        ingests=told["catalog"]["ingests"],
        sql=told["selection"]["sql"],
        flags=told["selection"]["flags"],
    )
    rules = told["rules"]
    form: Form = WebDataset() if told["form"] == WebDataset.form else ImageFolder()
    request = ExportRequest(
        form=form,
        mirror="",
        catalog=None,
        out=address,
        selection=Selection(),
        limits=PieceLimits(**rules["limits"]),
        size=rules["size"],
        is_redistributable=rules["redistributable"],
        has_clean_captions=rules["clean_captions"],
    )
    write_documents(place, request, heads, summary, origin)

"""Items that are on disk without a record: published by a run that was killed before it wrote one.

Whatever lies in the mirror was named by a JSON before it appeared, so one look for the JSON of
an item tells everything: if media and JSON agree, the item is taken as it is; if not, its files
are leftovers, which the next record of the item replaces or removes. The same look rebuilds a
ledger that was lost, and finds what is newer than its record: got by a run that asked again for
stored items.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from yfcc.mirror.document import parse_media
from yfcc.mirror.layout import document_name, extension_in, media_name
from yfcc.mirror.record import Record
from yfcc.mirror.store import Store, StoredFile
from yfcc.model import Item, Outcome


@dataclass(frozen=True, slots=True)
class Found:
    """What lies on disk of an item without a record.

    Attributes
    ----------
    record : Record or None
        Says that the item is stored; None if what lies there is not whole.
    names : tuple of str
        Its files, by their names in the item's directory.
    """

    record: Record | None
    names: tuple[str, ...]


def find_on_disk(store: Store, item: Item, run_id: str) -> Found | None:
    """What lies on disk of an item; None if nothing.

    The media's bytes are read and compared with what the JSON says of them.

    Raises
    ------
    TargetError
        The disk cannot be read.
    """
    document = store.read_document(item.photo_id)
    if document is None:
        return None
    name = document_name(item.photo_id)
    media = parse_media(document, item.photo_id)
    extension = extension_in(media["path"], item.photo_id) if media else None
    if media is None or extension is None:
        return Found(None, (name,))
    names = (media_name(item.photo_id, extension), name)
    is_whole = store.measure_media(item.photo_id, extension) == StoredFile(
        media.get("n_bytes", -1), media.get("sha256", "")
    )
    if not is_whole:
        return Found(None, names)
    record = record_from(item, media, run_id)
    return Found(replace(record, document_crc32=zlib.crc32(document)), names)


def find_newer(store: Store, record: Record, run_id: str) -> Record | None:
    """What the JSON of a stored item says, if that is newer than its record; else None.

    Nothing but the JSON is looked at: whether the media are what it says has to be checked.

    Raises
    ------
    TargetError
        The disk cannot be read.
    """
    document = store.read_document(record.photo_id)
    media = None if document is None else parse_media(document, record.photo_id)
    if document is None or media is None or extension_in(media["path"], record.photo_id) is None:
        return None
    if (media.get("fetched_at") or "") <= record.fetched_at:
        return None
    newer = record_from(record, media, run_id)
    return replace(newer, document_crc32=zlib.crc32(document))


def record_from(item: Item | Record, media: Mapping[str, Any], run_id: str) -> Record:
    """The record of an item that was found whole, from the ``media`` member of its JSON."""
    rights = media.get("rights") or {}
    return Record(
        photo_id=item.photo_id,
        outcome=Outcome.STORED,
        source=media.get("source"),
        url=media.get("url"),
        path=media["path"],
        n_bytes=media["n_bytes"],
        sha256=media["sha256"],
        content_type=media.get("content_type"),
        width=media.get("width"),
        height=media.get("height"),
        http_status=None,
        attempts=None,
        first_error=None,
        fetched_at=media.get("fetched_at") or "",
        x_robots_tag=_header(rights, "x-robots-tag"),
        shard=item.shard,
        run_id=run_id,
        rights=rights,
        n_trailing_bytes=media.get("n_trailing_bytes"),
        has_zero_run=media.get("has_zero_run"),
    )


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)

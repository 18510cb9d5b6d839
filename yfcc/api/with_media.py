"""Stored items together with their bytes, read before they are wanted where that takes long."""

from __future__ import annotations

from collections.abc import Iterator

from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.share.ahead import map_within
from yfcc.share.stored import StoredItem


def iter_with_media(
    mirror: AnyMirror, items: Iterator[StoredItem]
) -> Iterator[tuple[StoredItem, bytes]]:
    """Items and their bytes, in order; from a bucket those of the next are fetched meanwhile."""
    if isinstance(mirror, Mirror):
        return map(_read, items)
    return map_within(mirror.submit, _read_both, items, lambda item: item.record.n_bytes or 0)


def _read(item: StoredItem) -> tuple[StoredItem, bytes]:
    return item, item.read_media()


def _read_both(item: StoredItem) -> tuple[StoredItem, bytes]:
    _ = item.document  # a round trip of its own, unless it is there already
    return _read(item)

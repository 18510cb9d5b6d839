"""An export cut into pieces, each made whole or not at all.

A piece is a tar archive, or a folder of pictures: so many items in their order, cut by what the
ledger says of them. Each has an *index*, a file of JSON lines that is written once the piece is
durable. The first line says what the piece was made of and what it is::

    {"digest":"…","path":"shards/000000.tar","n_bytes":…,"sha256":"…","n_items":…,"notes":{…}}

and every other line one item: its id, where it lies, its digest, its caption and its credit. The
same items and rules have the same digest: a piece that is there already, with the bytes that its
index names, need not be made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from yfcc.share.copies import Copy
from yfcc.share.credits import UNCHANGED
from yfcc.share.stored import StoredItem

_FIRST_LINE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PieceLimits:
    """How large a piece may be.

    Attributes
    ----------
    n_items : int
    n_bytes : int
        Of media as they are stored; one item may have more.
    """

    n_items: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Some items that are exported together.

    Attributes
    ----------
    number : int
        From 0.
    items : list of StoredItem
    digest : str
        Of the rules and of what the ledger says of the items.
    """

    number: int
    items: list[StoredItem]
    digest: str

    @property
    def name(self) -> str:
        """Its number, with as many digits as sort well."""
        return f"{self.number:06}"


@dataclass(slots=True)
class PieceHead:
    """What became of a piece; the first line of its index.

    Attributes
    ----------
    digest : str
        As of :class:`Piece`.
    path : str
        Of the piece, below the export's directory.
    n_items, n_bytes : int
        Items in it; bytes of its file, or of all its files.
    sha256 : str or None
        Of its file, if it is one.
    notes : dict of str to int
        What is worth knowing, counted.
    licenses : dict of str to int
        Items by the licence's code; ``""`` for one that is unknown.
    etag : str or None
        In a bucket: what the store says of its object, or of all its objects.
    """

    digest: str
    path: str
    n_items: int = 0
    n_bytes: int = 0
    sha256: str | None = None
    notes: dict[str, int] = field(default_factory=dict)
    licenses: dict[str, int] = field(default_factory=dict)
    etag: str | None = None


def iter_pieces(
    items: Iterable[StoredItem], limits: PieceLimits, rules: Mapping[str, Any]
) -> Iterator[Piece]:
    """Cut items into pieces; memory is that of the records of one piece.

    Parameters
    ----------
    items : iterable of StoredItem
    limits : PieceLimits
    rules : mapping
        All that decides about bytes beside the items themselves.
    """
    lead = orjson.dumps(rules, option=orjson.OPT_SORT_KEYS)
    taken: list[StoredItem] = []
    number = n_bytes = 0
    for item in items:
        n_more = item.record.n_bytes or 0
        if taken and (len(taken) == limits.n_items or n_bytes + n_more > limits.n_bytes):
            yield Piece(number, taken, _digest(lead, taken))
            taken, n_bytes, number = [], 0, number + 1
        taken.append(item)
        n_bytes += n_more
    if taken:
        yield Piece(number, taken, _digest(lead, taken))


def _digest(lead: bytes, items: list[StoredItem]) -> str:
    digest = hashlib.sha256(lead)
    for item in items:
        record = item.record
        said = (record.photo_id, record.sha256, record.document_crc32, record.fetched_at)
        digest.update(f"{said}\n".encode())
    return digest.hexdigest()


def describe_row(copy: Copy) -> dict[str, Any]:
    """What an index says of an item: enough for credits, checksums and cards."""
    media, metadata = copy.document["media"], copy.document["metadata"]
    return {
        "photo_id": copy.photo_id,
        "photo_hash": metadata.get("photo_hash"),
        "user_nsid": metadata.get("user_nsid"),
        "path": media["path"],
        "n_bytes": media["n_bytes"],
        "sha256": media["sha256"],
        "content_type": media["content_type"],
        "width": media["width"],
        "height": media["height"],
        "caption": copy.caption,
        "caption_raw": copy.document["caption_raw"],
        "license": copy.document["license"],
        "duties": copy.document["duties"],
        "changes": copy.changes,
        "attribution": copy.document["attribution"],
        "title": metadata.get("title"),
        "date_taken": metadata.get("date_taken"),
        "longitude": metadata.get("longitude"),
        "latitude": metadata.get("latitude"),
        "user_tags": metadata.get("user_tags"),
    }


def credit_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an item's JSON that its credit is made of, from its row."""
    return {
        "photo_id": row["photo_id"],
        "attribution": {**row["attribution"], "changes": row["changes"] or UNCHANGED},
        "metadata": {"title": row["title"], "license": row["license"]},
    }


def encode_index(head: PieceHead, rows: Iterable[bytes]) -> bytes:
    """An index: the head's line, then the rows' lines, which end in newlines."""
    return orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE) + b"".join(rows)


def decode_head(content: bytes) -> PieceHead | None:
    """The head of an index; None if it is none."""
    line = content[:_FIRST_LINE_BYTES].partition(b"\n")[0]
    try:
        return PieceHead(**orjson.loads(line))
    except (orjson.JSONDecodeError, TypeError):
        return None

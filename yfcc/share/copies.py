"""A stored item made ready to be handed on: bytes, JSON, caption, credit and duties."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from yfcc.errors import SourceDamaged
from yfcc.media.resize import RESIZABLE, Resizers
from yfcc.mirror.layout import media_name
from yfcc.mirror.record import Record
from yfcc.share.captions import build_caption, build_clean_caption
from yfcc.share.credit_lists import describe_gap
from yfcc.share.credits import UNCHANGED, missing_parts, read_credit, terms_of
from yfcc.share.rights import redistribution_refusal
from yfcc.share.stored import StoredItem

#: Version of the members of an export's JSON.
_SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRules:
    """How copies are made; the same rules and the same item make the same bytes.

    Attributes
    ----------
    size : int or None
        Pixels of the shorter side of photos that have more; None: all stay as they are.
    is_redistributable : bool
        Whether items are left out that may not be handed on.
    has_clean_captions : bool
        Whether captions are without markup, addresses and names of files.
    now_utc : datetime
        To judge an opt-out that begins or ends by.
    """

    size: int | None = None
    is_redistributable: bool = False
    has_clean_captions: bool = False
    now_utc: datetime


@dataclass(frozen=True, slots=True)
class Copy:
    """What is handed on of an item.

    Attributes
    ----------
    photo_id : int
    extension : str
        What the bytes are.
    media : bytes
    document : mapping
        The item's JSON with ``caption``, ``caption_raw``, ``license`` and ``duties``; ``media``
        and ``attribution`` are those of the copy.
    caption : str
    changes : str
        What was done to the bytes; ``none`` if nothing was.
    """

    photo_id: int
    extension: str
    media: bytes
    document: Mapping[str, Any]
    caption: str
    changes: str = UNCHANGED


@dataclass(frozen=True, slots=True)
class _Bytes:
    """An item's bytes, as they are handed on."""

    content: bytes
    facts: Mapping[str, Any]
    changes: str = UNCHANGED


class Copyist:
    """Makes copies, in many threads at a time.

    Parameters
    ----------
    rules : CopyRules
    resizers : Resizers
        Started only if pictures are to be made smaller.
    """

    def __init__(self, rules: CopyRules, resizers: Resizers) -> None:
        self._rules = rules
        self._resizers = resizers

    def copy(self, item: StoredItem, folder: str, notes: Counter[str]) -> Copy | None:
        """The copy of an item; None if it may not be handed on.

        Parameters
        ----------
        item : StoredItem
        folder : str
            Of the copy, below the export's directory; an archive counts as one.
        notes : Counter of str
            Counts what is worth knowing: why items were left out, or not made smaller.

        Raises
        ------
        VerifyError
            The mirror's bytes or JSON are not as recorded.
        SourceDamaged
            The item lacks an author, a source or a licence, and none is to be left out.
        """
        document = item.document
        if self._rules.is_redistributable:
            refusal = redistribution_refusal(document, self._rules.now_utc)
            if refusal is not None:
                notes[f"left out: {refusal.partition(':')[0]}"] += 1
                return None
        _check_credit(document)
        terms = terms_of(document)
        made = self._make_bytes(item, may_change=bool(terms and terms.allows_changes), notes=notes)
        raw = build_caption(document["metadata"])
        is_clean = self._rules.has_clean_captions
        told = build_clean_caption(document["metadata"]) if is_clean else raw
        notes["without a caption"] += not told
        path = f"{folder}/{media_name(item.photo_id, item.extension)}"
        said = _document(document, made, path, told, raw)
        said["license"] = terms.license if terms else None
        said["duties"] = list(terms.marks) if terms else None
        return Copy(item.photo_id, item.extension, made.content, said, told, made.changes)

    def _make_bytes(self, item: StoredItem, *, may_change: bool, notes: Counter[str]) -> _Bytes:
        content, record = item.read_media(), item.record
        facts = {
            "n_bytes": record.n_bytes,
            "sha256": record.sha256,
            "content_type": record.content_type,
            "width": record.width,
            "height": record.height,
        }
        unchanged = _Bytes(content, facts)
        size = self._rules.size
        if size is None or _is_small(record, size):
            return unchanged
        if record.content_type not in RESIZABLE:
            notes["kept as it is: no JPEG or PNG"] += 1
            return unchanged
        if not may_change:
            notes["kept as it is: no derivatives"] += 1
            return unchanged
        resized = self._resizers.resize(content, size)
        if resized.content is None:
            notes["kept as it is: cannot be decoded"] += bool(resized.reason)
            return unchanged
        notes["made smaller"] += 1
        facts |= {
            "n_bytes": len(resized.content),
            "sha256": hashlib.sha256(resized.content).hexdigest(),
            "width": resized.width,
            "height": resized.height,
        }
        changes = f"resized to {resized.width} x {resized.height} pixels"
        return _Bytes(resized.content, facts, changes)


def _is_small(record: Record, size: int) -> bool:
    shorter = min(record.width or 0, record.height or 0)
    return 0 < shorter <= size


def _check_credit(document: Mapping[str, Any]) -> None:
    credit = read_credit(document)
    missing = missing_parts(credit)
    if missing:
        raise SourceDamaged(
            f"{describe_gap(credit, missing)}. An export credits every item: leave it out with "
            "--redistributable, or by the selection."
        )


def _document(
    document: Mapping[str, Any], made: _Bytes, path: str, told: str, raw: str
) -> dict[str, Any]:
    """The JSON of a copy."""
    media = {**document["media"], "path": path, **made.facts}
    if made.changes != UNCHANGED:
        original = document["media"]
        media["original"] = {name: original.get(name) for name in made.facts}
    return {
        **document,
        "caption": told,
        "caption_raw": raw,
        "media": media,
        "attribution": {**document["attribution"], "changes": made.changes},
        "export_schema_version": _SCHEMA_VERSION,
    }

"""An item's JSON: what is stored, put together with what the catalog knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from yfcc.errors import SourceDamaged
from yfcc.mirror.record import Record
from yfcc.model import Item

#: Version of the JSON's members; a reader of version 1 finds all it knows in later ones.
SCHEMA_VERSION: Final = 1

#: What the catalog's part has to bring.
CATALOG_MEMBERS: Final = ("attribution", "metadata", "autotags", "exif", "places")


#: Members of ``media`` that are texts.
_TEXTS: Final = ("content_type", "source", "url", "fetched_at")
#: Those that only some items have, and their types.
_ODDITIES: Final = {"n_trailing_bytes": int, "has_zero_run": bool}


def build_document(item: Item, record: Record) -> bytes:
    """The JSON of a stored item: one object, UTF-8, ending in a newline.

    Parameters
    ----------
    item : Item
        Brings attribution, metadata, autotags, exif and places.
    record : Record
        Says what is stored, where, and whence.

    Raises
    ------
    SourceDamaged
        The catalog's part is no JSON object with these members.
    """
    known = _parse_catalog_part(item)
    # The licences ask that changes be named: a mirror makes none.
    known["attribution"]["changes"] = "none"
    media = {
        "path": record.path,
        "n_bytes": record.n_bytes,
        "sha256": record.sha256,
        "content_type": record.content_type,
        "width": record.width,
        "height": record.height,
        "source": record.source,
        "url": record.url,
        "fetched_at": record.fetched_at,
        "rights": record.rights,
    }
    # What is odd about the bytes, where something is.
    media |= {name: value for name in _ODDITIES if (value := getattr(record, name)) is not None}
    return orjson.dumps(
        {"photo_id": item.photo_id, "media": media, **known, "schema_version": SCHEMA_VERSION},
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _parse_catalog_part(item: Item) -> dict[str, Any]:
    try:
        known = orjson.loads(item.document)
        members = {name: known[name] for name in CATALOG_MEMBERS}
        members["attribution"] = dict(members["attribution"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise SourceDamaged(
            f"the catalog's document of item {item.photo_id} is no JSON object with "
            f"{', '.join(CATALOG_MEMBERS)} ({error}): build the catalog again with `yfcc metadata`"
        ) from error
    return members


def parse_media(document: bytes, photo_id: int) -> Mapping[str, Any] | None:
    """The ``media`` member of an item's JSON; None if it is not such an item's JSON."""
    try:
        found = orjson.loads(document)
        media = found["media"]
        is_ours = found["photo_id"] == photo_id and isinstance(media["path"], str)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return media if is_ours and _is_as_written(media) else None


def _is_as_written(media: Mapping[str, Any]) -> bool:
    """Whether size and digest are there, and no member is of another type than it was."""
    rights = media.get("rights")
    return (
        isinstance(media.get("n_bytes"), int)
        and isinstance(media.get("sha256"), str)
        and all(isinstance(media.get(name), str | None) for name in _TEXTS)
        and all(isinstance(media.get(name), int | None) for name in ("width", "height"))
        and all(isinstance(media.get(name), kind | None) for name, kind in _ODDITIES.items())
        and isinstance(rights, dict | None)
        and all(isinstance(value, str) for value in (rights or {}).values())
    )

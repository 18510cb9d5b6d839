"""One line of the ledger: what became of an item, and when, and by which run.

A hundred million lines are to be kept and read: what is unknown, empty or follows from the id is
left out of them. The shard follows from the id, and of the path only the extension does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import orjson

from yfcc.mirror.layout import extension_in, media_path
from yfcc.model import Outcome, shard_of


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of one item; the fields up to ``shard`` are the columns of ``downloads``.

    Attributes
    ----------
    photo_id : int
        The item.
    outcome : Outcome
        Never ``already_stored``, which says something of a run, not of an item.
    source : str or None
        ``s3`` or ``flickr``.
    url : str or None
        Address of the last answer.
    path : str or None
        Media file below the mirror's root; None unless stored.
    n_bytes : int or None
        Its size; None unless stored.
    sha256 : str or None
        Of its bytes, lower-case hex; None unless stored.
    content_type : str or None
        What the bytes are.
    width, height : int or None
        Pixels.
    http_status : int or None
        Of the last answer.
    attempts : int or None
        Requests sent; None if the run that sent them did not live to say.
    first_error, last_error : str or None
        The errors on the way.
    fetched_at : str
        When, UTC, ISO 8601 with milliseconds and ``Z``.
    x_robots_tag : str or None
        As received.
    shard : int
        0 to 4095.
    run_id : str
        The run that made the record.
    rights : mapping of str to str
        Rights headers as received.
    document_crc32 : int or None
        Of the item's JSON, every byte of it; None unless stored, and in records of earlier
        versions.
    n_trailing_bytes : int or None
        Bytes after the end of what is stored, which belong to nothing; None for none.
    has_zero_run : bool or None
        True if a stretch of the picture is nothing but zeros; else None.
    evidence : str or None
        How the bytes began that were no media, a character a byte (Latin-1).
    """

    photo_id: int
    outcome: Outcome
    source: str | None
    url: str | None
    path: str | None
    n_bytes: int | None
    sha256: str | None
    content_type: str | None
    width: int | None
    height: int | None
    http_status: int | None
    attempts: int | None
    first_error: str | None
    fetched_at: str
    x_robots_tag: str | None
    shard: int
    run_id: str
    last_error: str | None = None
    rights: Mapping[str, str] = field(default_factory=dict)
    document_crc32: int | None = None
    n_trailing_bytes: int | None = None
    has_zero_run: bool | None = None
    evidence: str | None = None


def as_not_stored(record: Record, why: str) -> Record:
    """The record of an item whose files are not to be trusted: the next run looks for it anew."""
    return replace(
        record,
        outcome=Outcome.FAILED,
        path=None,
        n_bytes=None,
        sha256=None,
        document_crc32=None,
        n_trailing_bytes=None,
        has_zero_run=None,
        last_error=why,
    )


_FIELDS: Final = tuple(each.name for each in fields(Record))
_OPTIONAL: Final = _FIELDS[2:]


def encode_record(record: Record) -> bytes:
    """The record as one line of JSON, with its newline; nulls are left out."""
    line: dict[str, Any] = {"photo_id": record.photo_id, "outcome": record.outcome}
    for name in _OPTIONAL:
        value = getattr(record, name)
        if value is not None:
            line[name] = value
    if record.path is not None:
        extension = extension_in(record.path, record.photo_id)
        if extension is not None:
            line["extension"] = extension
            del line["path"]
    if not record.rights:
        del line["rights"]
    if record.shard == shard_of(record.photo_id):
        del line["shard"]
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def decode_record(line: bytes) -> Record:
    """The record of a line; fields that a later version may have added are left out.

    Raises
    ------
    ValueError
        The line is no such record.
    """
    found = orjson.loads(line)
    if not isinstance(found, dict):
        raise ValueError(f"a record is a JSON object, got {line[:40]!r}")  # noqa: TRY004
    values: dict[str, Any] = {name: found.get(name) for name in _FIELDS}
    try:
        values["outcome"] = Outcome(found["outcome"])
        photo_id = found["photo_id"]
        if "shard" not in found:
            values["shard"] = shard_of(photo_id)
        if "extension" in found:
            values["path"] = media_path(photo_id, found["extension"])
        values["rights"] = found.get("rights", {})
        values["fetched_at"] = found["fetched_at"]
        values["run_id"] = found["run_id"]
        return Record(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a whole record: {error}") from error

"""One line of the ledger: what became of an item, and when, and by which run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

import orjson

from yfcc.model import Outcome


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


_FIELDS: Final = frozenset(each.name for each in fields(Record))


def encode_record(record: Record) -> bytes:
    """The record as one line of JSON, with its newline."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


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
    values = {name: value for name, value in found.items() if name in _FIELDS}
    try:
        values["outcome"] = Outcome(values["outcome"])
        return Record(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a whole record: {error}") from error

"""Tombstones: what was removed for good, as lines that mirrors can exchange.

::

    {"id":4207153986,"reason":"owner-request","date":"2026-11-21"}
    {"user":"39089491@N00","reason":"owner-request","date":"2026-11-21"}
    {"hash":"8d7e5f…","reason":"legal","date":"2026-11-21"}
    {"sha256":"9f86d0…","reason":"subject-request","date":"2026-11-21"}

A line names one thing, by an identifier alone, and why by a code: no text about a person is ever
in it. Pure rules; the files are :mod:`yfcc.mirror.tombstones` and :mod:`yfcc.catalog.forget`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from yfcc.errors import UsageError
from yfcc.model import Item

_ID: Final = re.compile(r"[1-9][0-9]{0,18}")
_HASH: Final = re.compile(r"[0-9a-f]{16,32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NSID: Final = re.compile(r"[0-9]{1,20}@N[0-9]{2}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MAX_ID: Final = 2**63 - 1
#: From so many decimal digits on, a bare number may be an id as well as a hash.
_SHORTEST_HASH: Final = 16

_DOCUMENT_NSID: Final = re.compile(r'"user_nsid":"([^"]*)"')


class Kind(StrEnum):
    """What a tombstone names; the values are the members of its line."""

    ID = "id"
    USER = "user"
    HASH = "hash"
    SHA256 = "sha256"


class Reason(StrEnum):
    """Why something was removed: codes, so that no text of a person gets in."""

    OWNER_REQUEST = "owner-request"
    SUBJECT_REQUEST = "subject-request"
    LEGAL = "legal"
    NO_LONGER_PUBLIC = "no-longer-public"
    UNWANTED = "unwanted"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One removal that lasts.

    Attributes
    ----------
    kind : Kind
        What is named.
    value : str
        A photo id in decimal digits; an owner's NSID, ``39089491@N00``; a ``photo_hash``; the
        SHA-256 of stored bytes in lower-case hex.
    reason : Reason
    date : str
        When it was first asked for, ``2026-11-21``.
    """

    kind: Kind
    value: str
    reason: Reason
    date: str


def make_tombstone(kind: Kind, value: str, reason: Reason, date: str) -> Tombstone:
    """A tombstone whose value has the form of its kind.

    Raises
    ------
    UsageError
        It has not.
    """
    text = value.strip()
    match kind:
        case Kind.ID:
            is_right = _ID.fullmatch(text) is not None and int(text) <= _MAX_ID
            form = "a photo id, 1 to 19 decimal digits"
        case Kind.USER:
            text = text.replace("%40", "@").upper()
            is_right = _NSID.fullmatch(text) is not None
            form = "an owner's NSID such as 39089491@N00"
        case Kind.HASH:
            text = text.lower()
            is_right = _HASH.fullmatch(text) is not None
            form = "a photo hash, 16 to 32 hex digits"
        case Kind.SHA256:
            text = text.lower()
            is_right = _SHA256.fullmatch(text) is not None
            form = "a SHA-256, 64 hex digits"
    if not is_right:
        raise UsageError(f"{value[:80]!r}: expected {form}")
    return Tombstone(kind, text, reason, date)


def parse_reason(text: str) -> Reason:
    """The reason with a code.

    Raises
    ------
    UsageError
        There is no such code.
    """
    try:
        return Reason(text)
    except ValueError as error:
        raise UsageError(
            f"reason {text[:80]!r}: expected one of {', '.join(Reason)}: a code and no text, as "
            "lists of removals are passed on"
        ) from error


def encode_tombstone(tombstone: Tombstone) -> bytes:
    """A tombstone as a line of a list, with its newline."""
    value = int(tombstone.value) if tombstone.kind is Kind.ID else tombstone.value
    line = {tombstone.kind.value: value, "reason": tombstone.reason, "date": tombstone.date}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def decode_tombstone(found: dict[str, Any]) -> Tombstone:
    """The tombstone that a line's JSON object is.

    Raises
    ------
    UsageError
        It is none.
    """
    kinds = [kind for kind in Kind if kind in found]
    if len(kinds) != 1:
        raise UsageError(f"expected one of {', '.join(Kind)}, got {sorted(found)!r}"[:200])
    date = found.get("date")
    if not isinstance(date, str) or _DATE.fullmatch(date) is None:
        raise UsageError(f"date {str(date)[:40]!r}: expected a day such as 2026-11-21")
    reason = parse_reason(str(found.get("reason")))
    return make_tombstone(kinds[0], str(found[kinds[0]]), reason, date)


def parse_list(content: bytes, reason: Reason, date: str) -> list[Tombstone]:
    """The tombstones of a list: exported lines, or plain identifiers, one a line.

    Blank lines and what follows a ``#`` are skipped. Exported lines keep their own reason and
    date.

    Parameters
    ----------
    content : bytes
        Of the file.
    reason, date : Reason, str
        For plain identifiers.

    Raises
    ------
    UsageError
        A line is neither; the message has its number, from 1.
    """
    found = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            line = raw.decode("ascii").strip()
            if not line.startswith("{"):
                line = line.partition("#")[0].strip()
            if line:
                found.append(_parse_line(line, reason, date))
        except UnicodeDecodeError as error:
            raise UsageError(f"line {number}: {raw[:40]!r} is no identifier") from error
        except UsageError as error:
            raise UsageError(f"line {number}: {error}") from error
    return found


def _parse_line(line: str, reason: Reason, date: str) -> Tombstone:
    if line.startswith("{"):
        try:
            return decode_tombstone(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{line[:80]!r} is cut short or no JSON") from error
    if "@" in line or "%40" in line:
        return make_tombstone(Kind.USER, line, reason, date)
    if len(line) == 64:
        return make_tombstone(Kind.SHA256, line, reason, date)
    if _ID.fullmatch(line):
        if len(line) >= _SHORTEST_HASH:
            raise UsageError(
                f'{line}: may be an id or a hash; write {{"id":{line},"reason":"{reason}",'
                f'"date":"{date}"}}, or "hash" for "id"'
            )
        return make_tombstone(Kind.ID, line, reason, date)
    if _HASH.fullmatch(line.lower()):
        return make_tombstone(Kind.HASH, line, reason, date)
    raise UsageError(f"{line[:80]!r}: expected a photo id, an NSID, a photo hash or a SHA-256")


@dataclass(frozen=True, slots=True)
class TombstoneSet:
    """Tombstones to look things up in: reasons by what they name.

    Attributes
    ----------
    ids : dict of int to Reason
    users, hashes, digests : dict of str to Reason
    """

    ids: dict[int, Reason] = field(default_factory=dict)
    users: dict[str, Reason] = field(default_factory=dict)
    hashes: dict[str, Reason] = field(default_factory=dict)
    digests: dict[str, Reason] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is named."""
        return bool(self.ids or self.users or self.hashes or self.digests)

    @property
    def needs_search(self) -> bool:
        """Whether something is named by another mark than its id."""
        return bool(self.users or self.hashes or self.digests)

    def add(self, tombstone: Tombstone) -> None:
        """Take one in; the reason that came first stays."""
        match tombstone.kind:
            case Kind.ID:
                self.ids.setdefault(int(tombstone.value), tombstone.reason)
            case Kind.USER:
                self.users.setdefault(tombstone.value, tombstone.reason)
            case Kind.HASH:
                self.hashes.setdefault(tombstone.value, tombstone.reason)
            case Kind.SHA256:
                self.digests.setdefault(tombstone.value, tombstone.reason)

    def reason_of(self, item: Item) -> Reason | None:
        """Why an item must not be stored; None if it may be."""
        reason = self.ids.get(item.photo_id)
        if reason is None and self.hashes:
            reason = self.hashes.get(item.photo_hash)
        if reason is None and self.users:
            # No text of a JSON holds a quote without a backslash: this matches members only.
            match = _DOCUMENT_NSID.search(item.document)
            reason = self.users.get(match[1]) if match else None
        return reason


def gather(tombstones: Iterable[Tombstone]) -> TombstoneSet:
    """Tombstones to look things up in."""
    found = TombstoneSet()
    for tombstone in tombstones:
        found.add(tombstone)
    return found

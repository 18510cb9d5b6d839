"""Walking a Windows Media file object by object (Microsoft, Advanced Systems Format 01.20.06)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated


def _id(text: str) -> bytes:
    return UUID(text).bytes_le


HEADER: Final = _id("75B22630-668E-11CF-A6D9-00AA0062CE6C")
DATA: Final = _id("75B22636-668E-11CF-A6D9-00AA0062CE6C")
FILE: Final = _id("8CABDCA1-A947-11CF-8EE4-00C00C205365")
STREAM: Final = _id("B7DC0791-A9B7-11CF-8EE6-00C00C205365")
VIDEO: Final = _id("BC19EFC0-5B4D-11CF-A8FD-00805F5C442B")

#: What may stand behind the data: indexes, simple, general, of media, of time codes.
INDEXES: Final = frozenset(
    (
        _id("33000890-E5B1-11CF-89F4-00A0C90349CB"),
        _id("D6E229D3-35DA-11D1-9034-00A0C90349BE"),
        _id("FEB103F8-12AD-4C64-840F-2A1D2F7AD48C"),
        _id("3CB73FD0-0C4A-4803-953D-EDF7B6228F0C"),
    )
)

_OBJECT: Final = struct.Struct("<16sQ")
#: The header's own fields: number of objects in it, and two bytes that never change.
_HEADER_BYTES: Final = _OBJECT.size + 6
#: Those of the data: file, number of packets, and two bytes that never change.
_DATA_BYTES: Final = _OBJECT.size + 26
#: File, its size, date, packets, three times, flags, least and most bytes of a packet.
_FILE: Final = struct.Struct("<16sQQQQQQIII")
#: Kind, error correction, time, two lengths, flags, reserved; of a film: width and height.
_STREAM: Final = struct.Struct("<16s16sQIIHIII")
_MAX_OBJECTS: Final = 100_000


@dataclass(slots=True)
class _Said:
    """What the header says of the rest; 0 is unknown."""

    n_bytes: int = 0
    packet_bytes: int = 0
    width: int | None = None
    height: int | None = None


def inspect_asf(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a Windows Media file, or what is wrong with it; ``view`` begins with its header.

    The objects have to add up to the file, which is as long as its header says. What was
    written while it was sent has no lengths: its packets have to be whole.
    """
    n_bytes = len(view)
    if n_bytes < _HEADER_BYTES:
        return truncated("header", _HEADER_BYTES, n_bytes)
    start = int(_OBJECT.unpack_from(view, 0)[1])
    if start + _DATA_BYTES > n_bytes:
        return truncated("data", start + _DATA_BYTES, n_bytes)
    said = _read_header(view, start)
    if isinstance(said, FlawedMedia):
        return said
    end = _end_of_data(view, start, said)
    if not isinstance(end, FlawedMedia):
        end = _skip_indexes(view, end)
    if isinstance(end, FlawedMedia):
        return end
    if said.n_bytes > n_bytes:
        return truncated("end of file", said.n_bytes, n_bytes)
    return MediaFacts(
        "wmv", "video/x-ms-wmv", said.width, said.height, n_trailing_bytes=n_bytes - end
    )


def _read_header(view: memoryview, end: int) -> _Said | FlawedMedia:
    """What the objects inside the header say; they have to add up to it."""
    said = _Said()
    at = _HEADER_BYTES
    for _ in range(_MAX_OBJECTS):
        if at + _OBJECT.size > end:
            break
        kind, length = _OBJECT.unpack_from(view, at)
        content = at + _OBJECT.size
        if length < _OBJECT.size or at + length > end:
            return damaged(f"an object of {length} bytes at byte {at} of a header of {end}")
        at += length
        if kind == FILE and content + _FILE.size <= at:
            fields = _FILE.unpack_from(view, content)
            is_sent = bool(fields[7] & 1)  # while it is made: other numbers mean nothing
            said.n_bytes = 0 if is_sent else fields[1]
            said.packet_bytes = fields[8] if fields[8] == fields[9] else 0
        elif kind == STREAM and content + _STREAM.size <= at:
            fields = _STREAM.unpack_from(view, content)
            if fields[0] == VIDEO and said.width is None:
                said.width, said.height = fields[7] or None, fields[8] or None
    if at != end:
        return damaged(f"the header's objects end at byte {at}, the header at {end}")
    return said


def _end_of_data(view: memoryview, start: int, said: _Said) -> int | FlawedMedia:
    n_bytes = len(view)
    kind, length = _OBJECT.unpack_from(view, start)
    if kind != DATA:
        return damaged(f"no data behind the header, at byte {start}")
    end = start + length
    if length <= _DATA_BYTES:
        end = _end_of_packets(view, start + _DATA_BYTES, said.packet_bytes)
    return truncated("end of data", end, n_bytes) if end > n_bytes else end


def _end_of_packets(view: memoryview, start: int, packet_bytes: int) -> int:
    """Where packets end whose number is unknown: they all begin with the same flags."""
    n_bytes = len(view)
    if start == n_bytes:
        return start + max(1, packet_bytes)
    if packet_bytes == 0:
        return n_bytes
    flags = bytes(view[start::packet_bytes])
    return start + (len(flags) - len(flags.lstrip(flags[:1]))) * packet_bytes


def _skip_indexes(view: memoryview, at: int) -> int | FlawedMedia:
    """The end of the objects behind the data, as far as they are some."""
    n_bytes = len(view)
    for _ in range(_MAX_OBJECTS):
        kind = bytes(view[at : at + len(DATA)])
        if not kind or not any(known.startswith(kind) for known in INDEXES):
            break
        if at + _OBJECT.size > n_bytes:
            return truncated("index", at + _OBJECT.size, n_bytes)
        length = int(_OBJECT.unpack_from(view, at)[1])
        if length < _OBJECT.size:
            break
        if at + length > n_bytes:
            return truncated("end of index", at + length, n_bytes)
        at += length
    return at

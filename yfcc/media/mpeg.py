"""Walking an MPEG program stream packet by packet (ISO/IEC 11172-1 and 13818-1)."""

from __future__ import annotations

import struct
from typing import Final

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated
from yfcc.media.find import find_bytes

_START: Final = b"\x00\x00\x01"
PACK: Final = _START + b"\xba"
SEQUENCE: Final = _START + b"\xb3"
_PACK_CODE, _END_CODE = 0xBA, 0xB9
_VIDEO: Final = range(0xE0, 0xF0)
_LENGTH: Final = struct.Struct(">H")

#: Of a pack's header: in MPEG-1, and in MPEG-2 before its stuffing.
_PACK_BYTES_1: Final = 12
_PACK_BYTES_2: Final = 14

#: A gigabyte has a million.
_MAX_PACKETS: Final = 4_000_000

_ZEROS: Final = bytes(4096)

#: The first picture's header lies in the first packets.
_SIZE_WITHIN: Final = 1 << 16


def inspect_mpeg(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a program stream, or what is wrong with it; a stream of video alone is taken as is.

    Few writers add the end code, and so bytes that are cut between two packets are not noticed.
    """
    n_bytes = at = len(view)
    if view[3] == _PACK_CODE:
        end = _walk(view)
        if isinstance(end, FlawedMedia):
            return end
        at = end
        if find_bytes(view, PACK, at) >= 0:
            return damaged(f"no packet at byte {at}, and more of them later")
    return MediaFacts("mpg", "video/mpeg", *_picture_size(view), n_trailing_bytes=n_bytes - at)


def _walk(view: memoryview) -> int | FlawedMedia:
    """Where the packets end, one of a film among them."""
    n_bytes = len(view)
    at = 0
    has_film = False
    for _ in range(_MAX_PACKETS):
        start = _next_start(view, at)
        end = None if start is None else _end_of_packet(view, start)
        if start is None or end is None:
            return at if has_film else truncated("packet of a film", at, n_bytes)
        if isinstance(end, FlawedMedia):
            return end
        has_film |= view[start + 3] in _VIDEO
        at = end
    return damaged(f"more than {_MAX_PACKETS} packets")


def _next_start(view: memoryview, at: int) -> int | None:
    """Where the next start code is, behind zeros; None if something else is there, or nothing."""
    if bytes(view[at : at + len(_START)]) == _START:
        return at
    n_bytes = len(view)
    one = at
    # Sectors of discs are filled up with zeros.
    while one < n_bytes:
        piece = bytes(view[one : one + len(_ZEROS)])
        if piece != _ZEROS:
            one += len(piece) - len(piece.lstrip(b"\x00"))
            break
        one += len(_ZEROS)
    is_start = one < n_bytes and view[one] == 1 and one - at >= len(_START) - 1
    return one - len(_START) + 1 if is_start else None


def _end_of_packet(view: memoryview, start: int) -> int | FlawedMedia | None:
    """Where what begins with a start code ends; None if it is no part of a program stream."""
    n_bytes = len(view)
    if start + 4 > n_bytes:
        return truncated("start code", start + 4, n_bytes)
    code = view[start + 3]
    if code <= _END_CODE:
        return start + 4 if code == _END_CODE else None
    if code == _PACK_CODE:
        return _end_of_pack(view, start)
    if start + 6 > n_bytes:
        return truncated("length of packet", start + 6, n_bytes)
    end = start + 6 + int(_LENGTH.unpack_from(view, start + 4)[0])
    return end if end <= n_bytes else truncated("end of packet", end, n_bytes)


def _end_of_pack(view: memoryview, start: int) -> int | FlawedMedia:
    n_bytes = len(view)
    if start + 5 > n_bytes:
        return truncated("pack header", start + _PACK_BYTES_1, n_bytes)
    if view[start + 4] >> 6 == 0b01:
        end = start + _PACK_BYTES_2
        if end <= n_bytes:
            end += view[end - 1] & 7
    elif view[start + 4] >> 4 == 0b0010:
        end = start + _PACK_BYTES_1
    else:
        return damaged(f"the pack at byte {start} is neither of MPEG-1 nor of MPEG-2")
    return end if end <= n_bytes else truncated("pack header", end, n_bytes)


def _picture_size(view: memoryview) -> tuple[int | None, int | None]:
    """Pixels, as the first header of a sequence of pictures has them."""
    at = find_bytes(view, SEQUENCE, 0, _SIZE_WITHIN)
    if at < 0 or at + 7 > len(view):
        return None, None
    numbers = int.from_bytes(view[at + 4 : at + 7], "big")
    return (numbers >> 12 or None), (numbers & 0xFFF or None)

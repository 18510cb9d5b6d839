"""Walking RIFF files: AVI (Microsoft, OpenDML 1.02) and WebP (RFC 9649)."""

from __future__ import annotations

import struct
from typing import Final

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated

_CHUNK: Final = struct.Struct("<4sI4s")
_SIZE: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<4sI")
_HEADER_BYTES: Final = 12

#: Where an AVI's main header has the picture's size: RIFF, LIST hdrl, avih, 32 bytes in.
_AVI_SIZE_AT: Final = 64

#: Kinds of a WebP's picture, and where each has its signature; a frame of an animation is any.
_VP8_KEY_FRAME: Final = b"\x9d\x01\x2a"
_VP8L_SIGNATURE: Final = 0x2F
_WEBP_PICTURES: Final = frozenset((b"VP8 ", b"VP8L", b"ANMF"))


def inspect_avi(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of an AVI, or what is wrong with it; large ones are several RIFF chunks in a row.

    A length of 0 is left by recorders that were switched off: nothing can be checked then.
    """
    n_bytes = len(view)
    if n_bytes < _AVI_SIZE_AT + 8:
        return truncated("main header", _AVI_SIZE_AT + 8, n_bytes)
    if bytes(view[12:16]) != b"LIST" or bytes(view[20:28]) != b"hdrlavih":
        return damaged(f"{bytes(view[12:28])!r} at byte 12, expected LIST hdrl avih")
    at = 0
    while at < n_bytes:
        if at + _HEADER_BYTES > n_bytes:
            if b"RIFF".startswith(view[at : at + 4]):
                return truncated("head of RIFF chunk", at + _HEADER_BYTES, n_bytes)
            break
        riff, length, kind = _CHUNK.unpack_from(view, at)
        if riff != b"RIFF" or kind not in {b"AVI ", b"AVIX"}:
            break
        if length == 0:
            at = n_bytes
            break
        if at + 8 + length > n_bytes:
            return truncated("end of RIFF chunk", at + 8 + length, n_bytes)
        at = min(n_bytes, at + 8 + length + length % 2)
    width, height = _SIZE.unpack_from(view, _AVI_SIZE_AT)
    return MediaFacts(
        "avi", "video/x-msvideo", width or None, height or None, n_trailing_bytes=n_bytes - at
    )


def inspect_webp(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a WebP, or what is wrong with it."""
    n_bytes = len(view)
    _, length, _ = _CHUNK.unpack_from(view, 0)
    end = 8 + length
    if end > n_bytes:
        return truncated("end of RIFF chunk", end, n_bytes)
    if end < 30:
        return damaged(f"RIFF chunk of {length} bytes has no picture")
    at, has_picture = _HEADER_BYTES, False
    while at + _HEAD.size <= end:
        kind, length = _HEAD.unpack_from(view, at)
        has_picture = has_picture or kind in _WEBP_PICTURES
        at += _HEAD.size + length + length % 2
    if at - end not in {0, 1}:  # some leave the last chunk's padding out
        return damaged(f"chunks end at byte {at}, the RIFF chunk at {end}")
    width, height = _webp_size(view)
    if not has_picture or not width or not height:
        return damaged("RIFF chunk without a picture")
    return MediaFacts("webp", "image/webp", width, height, n_trailing_bytes=n_bytes - end)


def _webp_size(view: memoryview) -> tuple[int | None, int | None]:
    match bytes(view[12:16]):
        case b"VP8X":
            return (
                int.from_bytes(view[24:27], "little") + 1,
                int.from_bytes(view[27:30], "little") + 1,
            )
        case b"VP8L" if view[20] == _VP8L_SIGNATURE:
            bits = int.from_bytes(view[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if bytes(view[23:26]) == _VP8_KEY_FRAME:
            return (
                int.from_bytes(view[26:28], "little") & 0x3FFF,
                int.from_bytes(view[28:30], "little") & 0x3FFF,
            )
        case _:
            return None, None

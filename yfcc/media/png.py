"""Walking a PNG chunk by chunk (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_CHUNK: Final = struct.Struct(">I4s")
_SIZE: Final = struct.Struct(">II")
_CRC: Final = struct.Struct(">I")
_MAX_LENGTH: Final = 2**31 - 1


def inspect_png(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a PNG, or what is wrong with it; ``view`` begins with the signature."""
    at = len(SIGNATURE)
    kind, end = b"", at
    size: tuple[int, int] | None = None
    has_pixels = False
    while kind != b"IEND":
        at = end
        chunk = _read_chunk(view, at)
        if isinstance(chunk, FlawedMedia):
            return chunk
        kind, end = chunk
        if size is None:
            if kind != b"IHDR" or end - at != 25:
                return damaged(f"chunk {kind!r} at byte {at}, expected IHDR")
            size = _SIZE.unpack_from(view, at + 8)
            if 0 in size:
                return damaged(f"a picture of {size[0]} x {size[1]} pixels")
        has_pixels = has_pixels or kind == b"IDAT"
    if size is None or not has_pixels:
        return damaged(f"IEND at byte {at} before any IDAT")
    return MediaFacts("png", "image/png", size[0], size[1], n_trailing_bytes=len(view) - end)


def _read_chunk(view: memoryview, at: int) -> tuple[bytes, int] | FlawedMedia:
    """Kind and end of the chunk at a byte, its CRC checked."""
    n_bytes = len(view)
    if at + 8 > n_bytes:
        return truncated("chunk", at, n_bytes)
    length, kind = _CHUNK.unpack_from(view, at)
    end = at + 12 + length
    if length > _MAX_LENGTH:
        return damaged(f"chunk at byte {at} has length {length}")
    if end > n_bytes:
        return truncated(f"end of chunk {kind!r}", end, n_bytes)
    if zlib.crc32(view[at + 4 : end - 4]) != _CRC.unpack_from(view, end - 4)[0]:
        return damaged(f"chunk {kind!r} at byte {at} has a wrong CRC")
    return kind, end

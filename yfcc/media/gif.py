"""Walking a GIF block by block (CompuServe, GIF89a)."""

from __future__ import annotations

from typing import Final

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_HEADER_BYTES: Final = 13
_IMAGE_BYTES: Final = 10


def inspect_gif(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a GIF, or what is wrong with it; ``view`` begins with GIF87a or GIF89a."""
    n_bytes = len(view)
    if n_bytes < _HEADER_BYTES:
        return truncated("screen descriptor", _HEADER_BYTES, n_bytes)
    width, height = view[6] | view[7] << 8, view[8] | view[9] << 8
    at = _HEADER_BYTES + _color_table_bytes(view[10])
    n_images = 0
    while at < n_bytes:
        block = view[at]
        if block == _TRAILER:
            if n_images == 0:
                return damaged(f"trailer at byte {at} before any picture")
            return MediaFacts(
                "gif", "image/gif", width or None, height or None, n_trailing_bytes=n_bytes - at - 1
            )
        if block == _EXTENSION:
            at += 2
        elif block == _IMAGE:
            if at + _IMAGE_BYTES > n_bytes:
                return truncated("image descriptor", at + _IMAGE_BYTES, n_bytes)
            n_images += 1
            at += _IMAGE_BYTES + _color_table_bytes(view[at + 9]) + 1
        else:
            return damaged(f"block {block:02X} at byte {at}, expected 21, 2C or 3B")
        at = _after_sub_blocks(view, at, n_bytes)
    return truncated("trailer", at, n_bytes)


def _color_table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(view: memoryview, at: int, n_bytes: int) -> int:
    while at < n_bytes:
        length = view[at]
        at += length + 1
        if length == 0:
            return at
    # Even if the last block fits to the byte, its terminator is missing.
    return max(at, n_bytes)

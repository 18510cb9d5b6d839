"""Walking an Ogg file page by page (RFC 3533), each with its checksum."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts, damaged, truncated
from yfcc.media.find import find_bytes

SIGNATURE: Final = b"OggS\x00"

#: Signature, flags, position, stream, number, checksum, number of lacing values.
_PAGE: Final = struct.Struct("<5sBqIIIB")
_CHECKSUM_AT: Final = 22
_BEGINS, _ENDS = 0x02, 0x04
_MAX_PAGES: Final = 4_000_000

_SOUNDS: Final = (b"\x01vorbis", b"OpusHead", b"Speex   ", b"\x7fFLAC", b"fishead\x00")
_THEORA: Final = b"\x80theora"
_THEORA_BYTES: Final = 20

_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def inspect_ogg(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of an Ogg film, or what is wrong with it; ``view`` begins with its signature.

    Every stream in it has to come to the page that says it is the last.
    """
    n_bytes = len(view)
    at = 0
    open_streams: set[int] = set()
    has_film = False
    size: tuple[int | None, int | None] = (None, None)
    for _ in range(_MAX_PAGES):
        if at == n_bytes or (at and not _begins_page(view, at)):
            break
        page = _read_page(view, at)
        if isinstance(page, FlawedMedia):
            return page
        flags, stream, content, end = page
        if flags & _BEGINS:
            head = bytes(view[content : min(end, content + _THEORA_BYTES)])
            has_film |= not head.startswith(_SOUNDS)
            if head.startswith(_THEORA) and len(head) == _THEORA_BYTES:
                size = int.from_bytes(head[14:17], "big"), int.from_bytes(head[17:20], "big")
            open_streams.add(stream)
        if flags & _ENDS:
            open_streams.discard(stream)
        at = end
    else:
        return damaged(f"more than {_MAX_PAGES} pages")
    if at < n_bytes and find_bytes(view, SIGNATURE, at) >= 0:
        return damaged(f"no page at byte {at}, and more of them later")
    if open_streams:
        return truncated("last page of a stream", at, n_bytes)
    if not has_film:
        return FlawedMedia(Flaw.NOT_MEDIA, "Ogg with sound only")
    return MediaFacts("ogv", "video/ogg", *size, n_trailing_bytes=n_bytes - at)


def _begins_page(view: memoryview, at: int) -> bool:
    head = bytes(view[at : at + len(SIGNATURE)])
    return SIGNATURE.startswith(head)


def _read_page(view: memoryview, at: int) -> tuple[int, int, int, int] | FlawedMedia:
    """Flags, stream, start of the content and end of the page at a byte."""
    n_bytes = len(view)
    if at + _PAGE.size > n_bytes:
        return truncated("page", at + _PAGE.size, n_bytes)
    _, flags, _, stream, _, checksum, n_lacing = _PAGE.unpack_from(view, at)
    content = at + _PAGE.size + n_lacing
    if content > n_bytes:
        return truncated("page", content, n_bytes)
    end = content + sum(view[at + _PAGE.size : content])
    if end > n_bytes:
        return truncated("end of page", end, n_bytes)
    if _checksum(view[at:end]) != checksum:
        return damaged(f"the page at byte {at} has another checksum than it says")
    return flags, stream, content, end


def _checksum(page: memoryview) -> int:
    """Of a page, its own field taken as zeros.

    The polynomial is zlib's, but bits go the other way round, and none are inverted.
    """
    content = bytearray(page)
    content[_CHECKSUM_AT : _CHECKSUM_AT + 4] = bytes(4)
    mirrored = zlib.crc32(content.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")

"""Walking MP4, MOV and their relatives box by box (ISO/IEC 14496-12, QuickTime)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts, damaged, truncated

_BOX: Final = struct.Struct(">I4s")
_LARGE: Final = struct.Struct(">Q")
_TKHD_SIZE: Final = struct.Struct(">II")

#: Boxes a file may begin with; QuickTime before 2004 has no ``ftyp``.
FIRST_BOXES: Final = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
)

_MP4: Final = ("mp4", "video/mp4")
_MOV: Final = ("mov", "video/quicktime")
_M4V: Final = ("m4v", "video/x-m4v")
_3GP: Final = ("3gp", "video/3gpp")
_3G2: Final = ("3g2", "video/3gpp2")

#: Major brands that are pictures, not films.
_PICTURES: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif"))

#: Letters, digits and little else; QuickTime begins the names of texts with a copyright sign.
_KIND: Final = re.compile(rb"[A-Za-z0-9 _.\xa9-]{4}")
_LETTERS: Final = re.compile(rb"[A-Za-z0-9 _.\xa9-]{1,4}")

#: More boxes than this are an attack: even fragmented films have a few thousand.
_MAX_BOXES: Final = 200_000


def _type_of(brand: bytes) -> tuple[str, str]:
    if brand == b"qt  ":
        return _MOV
    if brand[:3] == b"M4V":
        return _M4V
    if brand[:3] == b"3g2":
        return _3G2
    if brand[:3] in {b"3gp", b"3gr", b"3gs", b"3ge", b"3gg"}:
        return _3GP
    return _MP4


def inspect_boxes(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a film, or what is wrong with it; ``view`` begins with one of the first boxes.

    The boxes have to add up to the file, and both the index (``moov``) and the film (``mdat``)
    have to be there.
    """
    n_bytes = len(view)
    extension, content_type = _MOV
    seen: dict[bytes, tuple[int, int]] = {}
    at = 0
    kind = b""
    for _ in range(_MAX_BOXES):
        if at == n_bytes:
            break
        box = _read_box(view, at, n_bytes)
        if isinstance(box, FlawedMedia):
            if _is_complete(seen) and not _LETTERS.fullmatch(view[at + 4 : at + 8]):
                break  # what follows a whole film belongs to nothing
            return box
        kind, content, end = box
        if kind == b"ftyp" and at == 0:
            brand = bytes(view[content : content + 4])
            if brand in _PICTURES:
                return FlawedMedia(Flaw.NOT_MEDIA, f"picture format {brand!r} is not known here")
            extension, content_type = _type_of(brand)
        seen.setdefault(kind, (content, end))
        at = end
    else:
        return damaged(f"more than {_MAX_BOXES} boxes")
    if not _is_complete(seen) or kind == b"moof":  # a fragment's index comes before its film
        missing = "mdat" if b"moov" in seen else "moov"
        return truncated(f"box {missing}", n_bytes, n_bytes)
    width, height = _picture_size(view, *seen[b"moov"])
    return MediaFacts(extension, content_type, width, height, n_trailing_bytes=n_bytes - at)


def _is_complete(seen: dict[bytes, tuple[int, int]]) -> bool:
    return b"moov" in seen and b"mdat" in seen


def _looks_like_box(kind: bytes | memoryview) -> bool:
    return _KIND.fullmatch(kind) is not None


def _read_box(view: memoryview, at: int, end: int) -> tuple[bytes, int, int] | FlawedMedia:
    """Kind, start of the content and end of the box at a byte, inside what ends at ``end``."""
    if at + 8 > end:
        return truncated("box", at + 8, end)
    length, kind = _BOX.unpack_from(view, at)
    content = at + 8
    if length == 1:
        content = at + 16
        if content > end:
            return truncated(f"length of box {kind!r}", content, end)
        length = _LARGE.unpack_from(view, at + 8)[0]
    elif length == 0:  # as far as there is
        length = end - at
    if not _looks_like_box(kind) or at + length < content:
        return damaged(f"{kind!r} with length {length} at byte {at} is no box")
    if at + length > end:
        return truncated(f"end of box {kind!r}", at + length, end)
    return kind, content, at + length


def _children(view: memoryview, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes inside a box, as far as they make sense: kind, start of the content, end."""
    while start < end:
        box = _read_box(view, start, end)
        if isinstance(box, FlawedMedia):
            return
        yield box
        start = box[2]


def _picture_size(view: memoryview, start: int, end: int) -> tuple[int | None, int | None]:
    """Pixels of the first track that has any; ``tkhd`` ends with them, as 16.16 numbers."""
    for kind, track_start, track_end in _children(view, start, end):
        if kind != b"trak":
            continue
        for inner, content, inner_end in _children(view, track_start, track_end):
            if inner == b"tkhd" and inner_end - content >= 84:
                width, height = _TKHD_SIZE.unpack_from(view, inner_end - 8)
                if width >> 16 and height >> 16:
                    return width >> 16, height >> 16
    return None, None

"""What bytes are, from the bytes alone: headers and names are not asked."""

from __future__ import annotations

from enum import Enum
from typing import Final

from yfcc.media.boxes import FIRST_BOXES
from yfcc.media.png import SIGNATURE

#: So many bytes are enough to tell every format known here.
N_SNIFF_BYTES: Final = 4 * 192 + 8

#: Fewer bytes than this may be the beginning of anything.
N_LEAST_BYTES: Final = 12

_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_SYNC: Final = 0x47  # of an MPEG transport stream packet


class Format(Enum):
    """Formats of the dataset's media, and the types of what else they are served as."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    BOXES = "boxes"
    AVI = "avi"
    MPEG = "mpeg"
    ASF = "asf"
    TS = "ts"
    M2TS = "m2ts"


_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", Format.JPEG),
    (SIGNATURE, Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"\x00\x00\x01\xba", Format.MPEG),
    (b"\x00\x00\x01\xb3", Format.MPEG),
    (_ASF, Format.ASF),
)
_RIFF_KINDS: Final = {b"AVI ": Format.AVI, b"WEBP": Format.WEBP}


def sniff(view: memoryview) -> Format | None:
    """The format of some media; None if they are none, or none that is known here.

    Parameters
    ----------
    view : memoryview
        The first bytes, :data:`N_SNIFF_BYTES` if there are so many.
    """
    head = bytes(view[:16])
    for beginning, found in _BEGINNINGS:
        if head.startswith(beginning):
            return found
    if head.startswith(b"RIFF"):
        return _RIFF_KINDS.get(head[8:12])
    if head[4:8] in FIRST_BOXES:
        return Format.BOXES
    if _has_sync(view, 0, 188):
        return Format.TS
    return Format.M2TS if _has_sync(view, 4, 192) else None


def _has_sync(view: memoryview, start: int, stride: int) -> bool:
    """Whether four packets of a transport stream follow each other."""
    places = range(start, start + 4 * stride, stride)
    return len(view) > places[-1] and all(view[at] == _SYNC for at in places)

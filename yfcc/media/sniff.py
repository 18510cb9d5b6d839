"""What bytes are, from the bytes alone: headers and names are not asked."""

from __future__ import annotations

from enum import Enum
from typing import Final

from yfcc.media import asf, flv, matroska, mpeg, ogg, png, transport
from yfcc.media.boxes import FIRST_BOXES

#: So many bytes are enough to tell every format known here.
N_SNIFF_BYTES: Final = transport.N_SURE * transport.TIMED_PACKET_BYTES + 8

#: Fewer bytes than this may be the beginning of anything.
N_LEAST_BYTES: Final = 12


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
    FLV = "flv"
    MATROSKA = "matroska"
    OGG = "ogg"
    TS = "ts"
    M2TS = "m2ts"


_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", Format.JPEG),
    (png.SIGNATURE, Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (mpeg.PACK, Format.MPEG),
    (mpeg.SEQUENCE, Format.MPEG),
    (asf.HEADER, Format.ASF),
    (flv.SIGNATURE, Format.FLV),
    (matroska.SIGNATURE, Format.MATROSKA),
    (ogg.SIGNATURE, Format.OGG),
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
    if transport.has_packets(view, 0, transport.PACKET_BYTES):
        return Format.TS
    is_timed = transport.has_packets(view, transport.TIME_BYTES, transport.TIMED_PACKET_BYTES)
    return Format.M2TS if is_timed else None

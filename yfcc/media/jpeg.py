"""Walking a JPEG from its first marker to its last (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from typing import Final

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated

_CONTENT_TYPE: Final = "image/jpeg"

_EOI, _SOS, _DNL, _SOI, _TEM = 0xD9, 0xDA, 0xDC, 0xD8, 0x01
_RESTARTS: Final = range(0xD0, 0xD8)
#: Start of frame: all of C0 to CF but DHT, JPG and DAC.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

#: The next marker in entropy-coded data, where FF 00 is a data byte and restarts are expected.
_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_STRIDE: Final = 4096
_PROBE: Final = bytes(64)
_HOLE: Final = bytes(_STRIDE - 64)


def inspect_jpeg(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a JPEG, or what is wrong with it; ``view`` begins with FF D8."""
    n_bytes = len(view)
    size: tuple[int, int] | None = None
    has_scan = False
    at = 2
    while True:
        found = _NEXT_MARKER.search(view, at)
        if found is None:
            return truncated("end of image", n_bytes, n_bytes)
        at = found.start() + 2
        marker = view[at - 1]
        if marker == _EOI:
            break
        if marker == _TEM:
            continue
        length = _read_length(view, at)
        if isinstance(length, FlawedMedia):
            return length
        if marker in _FRAMES and length >= 8:
            size = (view[at + 5] << 8 | view[at + 6], view[at + 3] << 8 | view[at + 4])
        elif marker == _DNL and size is not None and length == 4:
            size = (size[0], view[at + 2] << 8 | view[at + 3])
        elif marker == _SOS:
            has_scan = True
        at += length
    if size is None or 0 in size or not has_scan:
        said = f", {size[0]} x {size[1]} pixels" if size else ""
        return damaged(f"end of image at byte {at - 2} before any picture{said}")
    return MediaFacts(
        "jpg",
        _CONTENT_TYPE,
        width=size[0],
        height=size[1],
        n_trailing_bytes=n_bytes - at,
        has_zero_run=_has_zero_run(view[:at]),
    )


def _read_length(view: memoryview, at: int) -> int | FlawedMedia:
    """Bytes of the segment whose marker ends at a byte, all of which have to be there."""
    n_bytes, marker = len(view), view[at - 1]
    if marker == _SOI:  # half a picture and a whole one behind it, as no decoder takes them
        return damaged(f"the picture begins again at byte {at - 2}")
    if at + 2 > n_bytes:
        return truncated(f"length of segment {marker:02X}", at, n_bytes)
    length = view[at] << 8 | view[at + 1]
    if length < 2:
        return damaged(f"segment {marker:02X} at byte {at - 2} has length {length}")
    if at + length > n_bytes:
        return truncated(f"end of segment {marker:02X}", at + length, n_bytes)
    return length


def _has_zero_run(view: memoryview) -> bool:
    # A run of 8 KiB covers one whole stride wherever it lies, so a look at each stride's first
    # bytes is enough: 25 looks for 100 KB.
    for at in range(0, len(view) - _STRIDE, _STRIDE):
        if view[at : at + 64] == _PROBE and view[at + 64 : at + _STRIDE] == _HOLE:
            return True
    return False

"""Walking a Flash video tag by tag (Adobe, Video File Format Specification 10.1, annex E)."""

from __future__ import annotations

import struct
from typing import Final

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated

SIGNATURE: Final = b"FLV\x01"

_AUDIO, _VIDEO, _SCRIPT = 8, 9, 18
_LEAST_HEADER_BYTES: Final = 9
_TAG_BYTES: Final = 11
_BACK: Final = struct.Struct(">I")
_NUMBER: Final = struct.Struct(">d")

#: An hour of film has some 300,000.
_MAX_TAGS: Final = 4_000_000

#: ``onMetaData`` has the picture's size in its first bytes; a list of key frames may follow.
_METADATA_BYTES: Final = 4096
_MAX_PIXELS: Final = 1 << 16


def inspect_flv(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a Flash video, or what is wrong with it; ``view`` begins with its signature.

    Each tag says how long it is, and once more behind it. There is no end marker: bytes that are
    cut between two tags are not noticed.
    """
    n_bytes = len(view)
    if n_bytes < _LEAST_HEADER_BYTES:
        return truncated("header", _LEAST_HEADER_BYTES, n_bytes)
    at = max(_BACK.unpack_from(view, 5)[0], _LEAST_HEADER_BYTES) + _BACK.size
    if at > n_bytes:
        return truncated("end of header", at, n_bytes)
    has_film = False
    width: int | None = None
    height: int | None = None
    for _ in range(_MAX_TAGS):
        if at == n_bytes:
            break
        end = _end_of_tag(view, at)
        if isinstance(end, FlawedMedia):
            return end
        if end is None:
            break
        kind = view[at] & 0x1F
        has_film |= kind == _VIDEO
        if kind == _SCRIPT and width is None:
            width, height = _picture_size(bytes(view[at + _TAG_BYTES : end][:_METADATA_BYTES]))
        at = end
    else:
        return damaged(f"more than {_MAX_TAGS} tags")
    if not has_film:
        return truncated("tag of a film", at, n_bytes)
    return MediaFacts("flv", "video/x-flv", width, height, n_trailing_bytes=n_bytes - at)


def _end_of_tag(view: memoryview, at: int) -> int | FlawedMedia | None:
    """Where the next tag begins; None if there is none at this byte."""
    n_bytes = len(view)
    is_tag = view[at] & 0xDF in {_AUDIO, _VIDEO, _SCRIPT}  # one bit says that it is encrypted
    if at + _TAG_BYTES > n_bytes:
        return truncated("tag", at + _TAG_BYTES, n_bytes) if is_tag else None
    length = view[at + 1] << 16 | view[at + 2] << 8 | view[at + 3]
    end = at + _TAG_BYTES + length + _BACK.size
    if end > n_bytes:
        return truncated("end of tag", end, n_bytes) if is_tag else None
    (back,) = _BACK.unpack_from(view, end - _BACK.size)
    agrees = back == _TAG_BYTES + length
    if is_tag and not agrees and back not in {0, length, length + _TAG_BYTES - 1}:
        # Some writers leave the number out, or count the tag's own bytes in another way.
        return damaged(f"tag of {length} bytes at byte {at}, and behind it {back} is said")
    if not is_tag:
        return damaged(f"tag of kind {view[at]} at byte {at}") if agrees else None
    return end


def _picture_size(script: bytes) -> tuple[int | None, int | None]:
    """Pixels, as ``onMetaData`` has them."""
    width, height = _number_named(script, b"width"), _number_named(script, b"height")
    return (width, height) if width and height else (None, None)


def _number_named(script: bytes, name: bytes) -> int | None:
    """A whole number of AMF0, by its name; None if there is none, or an absurd one."""
    key = len(name).to_bytes(2, "big") + name + b"\x00"
    at = script.find(key)
    if at < 0 or at + len(key) + _NUMBER.size > len(script):
        return None
    (number,) = _NUMBER.unpack_from(script, at + len(key))
    return int(number) if 0 < number < _MAX_PIXELS else None

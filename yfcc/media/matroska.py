"""Walking Matroska and WebM element by element (RFC 8794, RFC 9559)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts, damaged, truncated
from yfcc.media.find import find_bytes

SIGNATURE: Final = b"\x1a\x45\xdf\xa3"

_EBML, _DOC_TYPE, _SEGMENT = 0x1A45DFA3, 0x4282, 0x18538067
_TRACKS, _CLUSTER, _VOID, _CRC32 = 0x1654AE6B, 0x1F43B675, 0xEC, 0xBF
_TRACK, _VIDEO, _WIDTH, _HEIGHT = 0xAE, 0xE0, 0xB0, 0xBA
#: Inside a segment: search, information, tracks, clusters, cues, attachments, chapters, tags.
_OF_SEGMENT: Final = frozenset(
    (
        *(0x114D9B74, 0x1549A966, _TRACKS, _CLUSTER, 0x1C53BB6B),
        *(0x1941A469, 0x1043A770, 0x1254C367, _VOID, _CRC32),
    )
)
_ANYWHERE: Final = frozenset((_VOID, _CRC32))
#: Inside a cluster: time, silent tracks, position, size before, blocks of three kinds.
_OF_CLUSTER: Final = frozenset((0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, _VOID, _CRC32))

_TYPES: Final = {b"matroska": ("mkv", "video/x-matroska"), b"webm": ("webm", "video/webm")}

_MAX_ELEMENTS: Final = 4_000_000
_MAX_ID_BYTES: Final = 4
_MAX_SIZE_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class _Element:
    """An element's id, where its content begins, and where it ends; None if it does not say."""

    kind: int
    content: int
    end: int | None


def inspect_matroska(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a Matroska or WebM, or what is wrong with it; ``view`` begins with its signature.

    The elements have to add up to the segment, and that to the file. What was written while it
    was sent has segments and clusters of unknown length: bytes that are cut between two elements
    of such a one are not noticed.
    """
    n_bytes = len(view)
    header = _read_element(view, 0, n_bytes)
    if isinstance(header, FlawedMedia):
        return header
    if header is None or header.end is None:
        return damaged("an EBML header without a length")
    types = [
        bytes(view[each.content : each.end]).rstrip(b"\x00")
        for each in _children(view, header.content, header.end)
        if each.kind == _DOC_TYPE
    ]
    if not types or types[0] not in _TYPES:
        return FlawedMedia(Flaw.NOT_MEDIA, f"EBML of type {types[:1]} is not known here")
    segment = _find_segment(view, header.end)
    if isinstance(segment, FlawedMedia):
        return segment
    return _walk_segment(view, segment, *_TYPES[types[0]])


def _find_segment(view: memoryview, at: int) -> _Element | FlawedMedia:
    """The first element behind the header that does not just fill space."""
    n_bytes = len(view)
    while True:
        found = _read_element(view, at, n_bytes)
        if isinstance(found, FlawedMedia):
            return found
        if found is not None and found.kind == _SEGMENT:
            return found
        if found is None or found.end is None or found.kind not in _ANYWHERE:
            return damaged(f"no segment behind the header, at byte {at}")
        at = found.end


def _walk_segment(
    view: memoryview, segment: _Element, extension: str, content_type: str
) -> MediaFacts | FlawedMedia:
    n_bytes = len(view)
    end = n_bytes if segment.end is None else segment.end
    at, seen = segment.content, set[int]()
    is_open = False  # whether a cluster of unknown length goes on
    size: tuple[int | None, int | None] = (None, None)
    for _ in range(_MAX_ELEMENTS):
        if at == end:
            break
        found = _read_element(view, at, end)
        if isinstance(found, FlawedMedia):
            return found if segment.end is None else damaged(found.reason)
        is_known = found is not None and (
            found.kind in _OF_SEGMENT or (is_open and found.kind in _OF_CLUSTER)
        )
        if segment.end is None and not is_known:
            break  # what follows belongs to nothing
        if found is None or (found.end is None and found.kind != _CLUSTER):
            return damaged(f"no element of any length at byte {at}")
        if found.kind in _OF_SEGMENT - _ANYWHERE:
            seen.add(found.kind)
            is_open = found.end is None
        if found.kind == _TRACKS and found.end is not None:
            size = _picture_size(view, found.content, found.end)
        at = found.content if found.end is None else found.end
    else:
        return damaged(f"more than {_MAX_ELEMENTS} elements")
    if segment.end is None and find_bytes(view, _CLUSTER.to_bytes(4, "big"), at) >= 0:
        return damaged(f"no element at byte {at}, and more of them later")
    for kind, name in ((_TRACKS, "tracks"), (_CLUSTER, "cluster")):
        if kind not in seen:
            return truncated(name, at, n_bytes)
    return MediaFacts(extension, content_type, *size, n_trailing_bytes=n_bytes - at)


def _read_element(view: memoryview, at: int, end: int) -> _Element | FlawedMedia | None:
    """The element at a byte, inside what ends at ``end``; None if there is none."""
    first = view[at] if at < end else 0x80
    n_id = 9 - first.bit_length()
    if n_id > _MAX_ID_BYTES:
        return None
    size_at = at + n_id
    n_size = 9 - view[size_at].bit_length() if size_at < end else 1
    content = size_at + n_size
    if content > end:
        return truncated("element", content, end)
    if n_size > _MAX_SIZE_BYTES:
        return None
    kind = int.from_bytes(view[at:size_at], "big")
    mask = (1 << 7 * n_size) - 1
    length = int.from_bytes(view[size_at:content], "big") & mask
    if length == mask:
        return _Element(kind, content, None)
    if content + length > end:
        is_known = kind in _OF_SEGMENT | _OF_CLUSTER | {_EBML, _SEGMENT}
        return truncated(f"end of element {kind:X}", content + length, end) if is_known else None
    return _Element(kind, content, content + length)


def _children(view: memoryview, at: int, end: int) -> Iterator[_Element]:
    """The elements inside an element, as far as they make sense and have a length."""
    while at < end:
        found = _read_element(view, at, end)
        if found is None or isinstance(found, FlawedMedia) or found.end is None:
            return
        yield found
        at = found.end


def _picture_size(view: memoryview, start: int, end: int) -> tuple[int | None, int | None]:
    """Pixels of the first track that has any."""
    for track in _children(view, start, end):
        if track.kind != _TRACK or track.end is None:
            continue
        for video in _children(view, track.content, track.end):
            if video.kind == _VIDEO and video.end is not None:
                found = {
                    each.kind: int.from_bytes(view[each.content : each.end], "big")
                    for each in _children(view, video.content, video.end)
                    if each.kind in {_WIDTH, _HEIGHT}
                    and each.end is not None
                    and each.end - each.content <= _MAX_SIZE_BYTES
                }
                return found.get(_WIDTH) or None, found.get(_HEIGHT) or None
    return None, None

"""Walking an MPEG transport stream packet by packet (ISO/IEC 13818-1), and that of BDAV."""

from __future__ import annotations

from typing import Final

from yfcc.media.facts import FlawedMedia, MediaFacts, damaged, truncated

#: The first byte of a packet.
_SYNC: Final = b"\x47"

PACKET_BYTES: Final = 188
#: BDAV puts four bytes of time before each packet.
TIMED_PACKET_BYTES: Final = 192
TIME_BYTES: Final = TIMED_PACKET_BYTES - PACKET_BYTES

#: Where packets go on after damage.
_NEAR_BYTES: Final = 1 << 20

#: So many packets in a row are a stream.
N_SURE: Final = 4


def has_packets(view: memoryview, start: int, stride: int) -> bool:
    """Whether as many packets as make a stream follow each other from a sync byte on."""
    return bytes(view[start : start + (N_SURE - 1) * stride + 1 : stride]) == N_SURE * _SYNC


def inspect_ts(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a transport stream, or what is wrong with it; ``view`` begins with packets."""
    return _inspect(view, "mts", 0, PACKET_BYTES)


def inspect_m2ts(view: memoryview) -> MediaFacts | FlawedMedia:
    """Facts of a BDAV transport stream, or what is wrong with it."""
    return _inspect(view, "m2ts", TIME_BYTES, TIMED_PACKET_BYTES)


def _inspect(
    view: memoryview, extension: str, sync_at: int, stride: int
) -> MediaFacts | FlawedMedia:
    """All packets have their sync byte, and the last one is whole.

    There is no end marker: bytes that are cut between two packets are not noticed.
    """
    n_bytes = len(view)
    syncs = bytes(view[sync_at::stride])
    n_packets = len(syncs) - len(syncs.lstrip(_SYNC))
    end = n_packets * stride
    n_left = n_bytes - end
    if end > n_bytes or 0 < n_left <= sync_at:
        at = end if end > n_bytes else end + stride
        return truncated("end of packet", at, n_bytes)
    if n_left and _goes_on(view[end + sync_at :], stride):
        return damaged(f"no packet at byte {end}, and more of them later")
    return MediaFacts(extension, "video/mp2t", n_trailing_bytes=n_left)


def _goes_on(view: memoryview, stride: int) -> bool:
    """Whether there are packets again: where one would be, or soon, at any byte."""
    near = view[:_NEAR_BYTES]
    ways = [view[::stride], *(near[phase::stride] for phase in range(stride))]
    return any(N_SURE * _SYNC in bytes(way) for way in ways)

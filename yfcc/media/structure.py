"""From bytes to facts: what they are, and whether they are whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from yfcc.media.asf import inspect_asf
from yfcc.media.boxes import inspect_boxes
from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts
from yfcc.media.flv import inspect_flv
from yfcc.media.gif import inspect_gif
from yfcc.media.jpeg import inspect_jpeg
from yfcc.media.matroska import inspect_matroska
from yfcc.media.mpeg import inspect_mpeg
from yfcc.media.ogg import inspect_ogg
from yfcc.media.png import inspect_png
from yfcc.media.riff import inspect_avi, inspect_webp
from yfcc.media.sniff import N_LEAST_BYTES, N_SNIFF_BYTES, Format, sniff
from yfcc.media.transport import inspect_m2ts, inspect_ts

_WALKS: Final[dict[Format, Callable[[memoryview], MediaFacts | FlawedMedia]]] = {
    Format.JPEG: inspect_jpeg,
    Format.PNG: inspect_png,
    Format.GIF: inspect_gif,
    Format.WEBP: inspect_webp,
    Format.BOXES: inspect_boxes,
    Format.AVI: inspect_avi,
    Format.MPEG: inspect_mpeg,
    Format.ASF: inspect_asf,
    Format.FLV: inspect_flv,
    Format.MATROSKA: inspect_matroska,
    Format.OGG: inspect_ogg,
    Format.TS: inspect_ts,
    Format.M2TS: inspect_m2ts,
}


def inspect_media(view: memoryview) -> MediaFacts | FlawedMedia:
    """What some bytes are, from the first to the last.

    Parameters
    ----------
    view : memoryview
        All bytes of an item.
    """
    found = sniff(view[:N_SNIFF_BYTES])
    if found is None:
        return FlawedMedia(Flaw.NOT_MEDIA, describe_junk(view))
    return _WALKS[found](view)


_JUNK: Final = (
    ((b"<!doctype html", b"<html", b"<head", b"<body", b"<script"), "an HTML page"),
    ((b"<?xml", b"<error"), "an XML document"),
    ((b"{", b"["), "a JSON document"),
)


def describe_junk(view: memoryview) -> str:
    """What bytes look like that are no media, for the record."""
    head = bytes(view[:256]).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginnings, name in _JUNK:
        if head.startswith(beginnings):
            return name
    if not view:
        return "nothing at all"
    if len(view) < N_LEAST_BYTES:
        return f"{len(view)} bytes"
    return "bytes of no known format" if head.strip(b"\x00") else "zeros"

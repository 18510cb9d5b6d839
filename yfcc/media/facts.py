"""What the bytes of an item turn out to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """A picture or film that is whole, as far as its structure tells.

    Attributes
    ----------
    extension : str
        Lower case, without a dot.
    content_type : str
    width, height : int or None
        Pixels; None if the format is only recognised.
    n_trailing_bytes : int
        Bytes after the end of the media, which belong to nothing.
    has_zero_run : bool
        Whether 4 KiB of a JPEG are nothing but zeros: a hole, most likely.
    """

    extension: str
    content_type: str
    width: int | None = None
    height: int | None = None
    n_trailing_bytes: int = 0
    has_zero_run: bool = False


class Flaw(Enum):
    """Why bytes are not stored."""

    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    NOT_MEDIA = "not media"


@dataclass(frozen=True, slots=True)
class FlawedMedia:
    """Bytes that are not stored, and why; ``reason`` names the byte."""

    flaw: Flaw
    reason: str


def truncated(what: str, at: int, n_bytes: int) -> FlawedMedia:
    """Media that end too early: what was expected at which byte, and where the bytes end."""
    return FlawedMedia(Flaw.TRUNCATED, f"{what} expected at byte {at}, the bytes end at {n_bytes}")


def damaged(reason: str) -> FlawedMedia:
    """Media whose structure contradicts itself."""
    return FlawedMedia(Flaw.DAMAGED, reason)

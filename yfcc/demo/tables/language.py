"""The shape of one language's vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: What a picture shows; nouns, concepts and painters keep this order.
THEMES: Final = (
    "sunset",
    "beach",
    "mountain",
    "forest",
    "city",
    "night",
    "flower",
    "snow",
    "food",
    "animal",
    "concert",
    "road",
)


@dataclass(frozen=True)
class Language:
    """Invented captions of one language.

    Attributes
    ----------
    code : str
        ISO 639-1.
    nouns : tuple of tuple of str
        One row for each of `THEMES`.
    tails : tuple of str
        What a noun is completed with.
    openings, middles, endings : tuple of str
        A sentence is one of each.
    syllables : tuple of str
        What nicknames are made of.
    title_form : str
        How noun and tail meet, with the fields ``noun`` and ``tail``.
    blank : str
        What stands between the three parts of a sentence.
    """

    code: str
    nouns: tuple[tuple[str, ...], ...]
    tails: tuple[str, ...]
    openings: tuple[str, ...]
    middles: tuple[str, ...]
    endings: tuple[str, ...]
    syllables: tuple[str, ...]
    title_form: str = "{noun} {tail}"
    blank: str = " "


def split_row(text: str) -> tuple[str, ...]:
    """The phrases of one row, which a bar parts."""
    return tuple(text.split("|"))


def split_rows(text: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a table, which a semicolon parts."""
    return tuple(split_row(row) for row in text.split(";"))

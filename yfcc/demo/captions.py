"""Pools of form-encoded titles, sentences and tags, built once a process.

An encoded text joined to an encoded text is the encoding of both joined, so that a row is put
together from encoded pieces without encoding anything again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.demo.encoding import form_encode
from yfcc.demo.people import LANGUAGES
from yfcc.demo.tables.cameras import CAMERAS
from yfcc.demo.tables.concepts import GENERAL_CONCEPTS
from yfcc.demo.tables.gazetteer import CITIES, SUBURB_HEADS, SUBURB_TAILS
from yfcc.demo.tables.language import THEMES, Language

Integers = npt.NDArray[np.int64]

_ELLIPSIS: Final = "%2C+"
_PARAGRAPH: Final = "%0A%0A"


@dataclass(frozen=True)
class Pool:
    """Encoded texts in groups.

    Attributes
    ----------
    texts : list of str
    first, size : integers
        Where each group starts in `texts` and how many it has.
    """

    texts: list[str]
    first: Integers
    size: Integers

    def draw(self, rng: np.random.Generator, group: Integers) -> Integers:
        """One index into `texts` for each entry of `group`."""
        return self.first[group] + (rng.random(len(group)) * self.size[group]).astype(np.int64)


def _pool(groups: list[list[str]]) -> Pool:
    sizes = np.array([len(group) for group in groups], dtype=np.int64)
    return Pool([text for group in groups for text in group], np.cumsum(sizes) - sizes, sizes)


@cache
def titles() -> Pool:
    """Titles; group ``language * len(THEMES) + theme``."""
    return _pool(
        [
            [form_encode(noun) for noun in language.nouns[theme]]
            + [
                form_encode(language.title_form.format(noun=noun, tail=tail)).replace("+%2C", "%2C")
                for noun in language.nouns[theme]
                for tail in language.tails
            ]
            for language in LANGUAGES
            for theme in range(len(THEMES))
        ]
    )


@cache
def title_tails() -> Pool:
    """What follows a title; groups: nothing, a number, a number in brackets, a city, a suburb."""
    numbers = [f"+{number}" for number in range(1, 400)]
    brackets = [f"+%28{number}%29" for number in range(1, 60)] + [f"+%23{n}" for n in range(1, 30)]
    cities = [f"{joint}{form_encode(city.name)}" for city in CITIES for joint in ("+-+", "%2C+")]
    names = invented_names()
    suburbs = [f"{joint}{name}" for name in names for joint in ("%2C+", "+%40+", "+")]
    return _pool([[""], numbers, brackets, cities, suburbs])


@cache
def file_names() -> Pool:
    """Camera file names without the last four digits; group: the camera, last: no camera."""
    groups = [[camera.file_prefix] for camera in CAMERAS]
    return _pool([*groups, ["image", "DSC0", "IMG_", "PICT", "Photo+", "100_", "scan"]])


@cache
def invented_names() -> list[str]:
    """Some thousand invented place names."""
    return [
        f"{head}{tail}" if index % 4 else f"{head}+{tail.capitalize()}"
        for index, (head, tail) in enumerate(product(SUBURB_HEADS, SUBURB_TAILS))
    ]


@cache
def sentences() -> Pool:
    """Sentences, links and line breaks, each with what parts it from the next.

    Group: the language.
    """
    return _pool([_sentences(language) for language in LANGUAGES])


def _sentences(language: Language) -> list[str]:
    blank = form_encode(language.blank)
    encoded = [
        [form_encode(text) for text in column]
        for column in (language.openings, language.middles, language.endings)
    ]
    plain = [f"{blank.join(parts)}+" for parts in product(*encoded)]
    # The dataset's descriptions hold HTML as their writers typed it.
    marked = [f"%3Cb%3E{text}%3C%2Fb%3E%0A" for text in plain[::9]]
    broken = [f"{text.removesuffix('+')}{_PARAGRAPH}" for text in plain[::4]]
    named = [
        f"{encoded[0][index % len(encoded[0])]}{_ELLIPSIS}{name}+{index % 89}.%0A"
        for index, name in enumerate(invented_names()[:: 1 if language.code == "en" else 9])
    ]
    return plain + marked + broken + named + _links()


def _links() -> list[str]:
    """Invented links on the host that RFC 2606 keeps for examples."""
    names = invented_names()[::97]
    return [
        form_encode(f'<a href="http://www.example.org/{name.lower()}/{index}" rel="nofollow">')
        + f"{name}%3C%2Fa%3E%0A"
        for index, name in enumerate(name.replace("+", "-") for name in names)
    ]


@cache
def theme_tags() -> Pool:
    """Tags that fit a picture; group ``language * len(THEMES) + theme``."""
    return _pool(
        [
            [_encode_tag(noun) for noun in language.nouns[theme]] + [_encode_tag(THEMES[theme])]
            for language in LANGUAGES
            for theme in range(len(THEMES))
        ]
    )


@cache
def other_tags() -> Pool:
    """Tags of anything: concepts, years, invented names, one with a comma; a single group."""
    years = [str(year) for year in range(1998, 2015)]
    months = ("jan", "feb", "mar", "apr", "may", "june", "july", "sept", "oct", "nov", "dec")
    dated = [f"{month}+{year}" for month in months for year in years[5:]]
    odd = ["paris%2C+texas", "rock+%2B+roll", "c%2B%2B", "50%25", "r%26b", "null", "%231", "a%3Db"]
    names = [name.lower() for name in invented_names()]
    joined = [name.replace("+", "") for name in names]
    concepts = [_encode_tag(concept) for concept in GENERAL_CONCEPTS]
    frequent = (concepts[::2] + years) * 3
    return _pool([concepts + frequent + dated + names + joined[::2] + odd * 3])


@cache
def city_tags() -> Pool:
    """Tags of place; group: the city, its names first and its country last."""
    return _pool([[_encode_tag(city.name), _encode_tag(city.country)] for city in CITIES])


@cache
def machine_tags() -> Pool:
    """Machine tags, ``namespace:predicate=value``; a single group."""
    uploaded = [form_encode(f"uploaded:by={name}") for name in ("instagram", "flickrmobile")]
    filters = [
        form_encode(f"flickriosapp:filter={name}") for name in ("NoFilter", "Mammoth", "Orangutan")
    ]
    events = [form_encode(f"upcoming:event={number}") for number in range(100_003, 999_999, 9_001)]
    venues = [form_encode(f"foursquare:venue={n * 7919:024x}") for n in range(10**6, 10**6 + 60)]
    commas = [form_encode("geo:place=Springfield, Anywhere"), form_encode("film:iso=100+")]
    return _pool([uploaded * 40 + filters * 10 + events + venues + commas])


def _encode_tag(text: str) -> str:
    """A tag as Flickr keeps it: lower case, form-encoded."""
    return form_encode(text.lower())

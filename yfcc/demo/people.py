"""The invented people who take the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.demo.encoding import form_encode
from yfcc.demo.tables.cameras import CAMERAS
from yfcc.demo.tables.gazetteer import CITIES
from yfcc.demo.tables.languages_latin import LATIN_LANGUAGES
from yfcc.demo.tables.languages_other import OTHER_LANGUAGES

Integers = npt.NDArray[np.int64]

LANGUAGES: Final = LATIN_LANGUAGES + OTHER_LANGUAGES
_ENGLISH: Final = 0
_EMOJI: Final = len(LANGUAGES) - 1

_N_PEOPLE: Final = 20_000
#: People do not depend on the seed of a sample: the same crowd takes other pictures.
_CROWD_SEED: Final = 100
#: Flickr hands out ``@N00`` to ``@N08``; an id of ours is nobody's.
_NSID_TAIL: Final = "@N09"


@dataclass(frozen=True)
class People:
    """A table of people, one entry each.

    Attributes
    ----------
    nsid, nickname : list of str
        As the dataset has them: the nickname form-encoded.
    language, home_city, camera : integers
        Indices into `LANGUAGES`, the gazetteer's cities and the cameras.
    """

    nsid: list[str]
    nickname: list[str]
    language: Integers
    home_city: Integers
    camera: Integers

    def __len__(self) -> int:
        return len(self.nsid)


@cache
def people() -> People:
    """The crowd, the same in every process."""
    rng = np.random.Generator(np.random.PCG64(_CROWD_SEED))
    home_city = (rng.random(_N_PEOPLE) ** 1.6 * len(CITIES)).astype(np.int64)
    by_code = {language.code: index for index, language in enumerate(LANGUAGES)}
    city_language = np.array([by_code[city.language] for city in CITIES], dtype=np.int64)
    language = city_language[home_city]
    kind = rng.random(_N_PEOPLE)
    language = np.where(kind < 0.22, _ENGLISH, np.where(kind > 0.985, _EMOJI, language))
    # Odd multiplier: every number of eight digits at most once.
    numbers = (np.arange(_N_PEOPLE) * 48_271 + 10_000_019) % 90_000_000 + 7_000_000
    return People(
        nsid=[f"{number}{_NSID_TAIL}" for number in numbers.tolist()],
        nickname=_draw_nicknames(rng, language),
        language=language,
        home_city=home_city,
        camera=(rng.random(_N_PEOPLE) ** 1.2 * len(CAMERAS)).astype(np.int64),
    )


def _draw_nicknames(rng: np.random.Generator, language: Integers) -> list[str]:
    """One nickname a person, of the language's syllables, form-encoded."""
    syllables = [[form_encode(syllable) for syllable in entry.syllables] for entry in LANGUAGES]
    picks = rng.integers(0, 2**30, (_N_PEOPLE, 6)).tolist()
    return [
        _nickname(syllables[index], pick)
        for index, pick in zip(language.tolist(), picks, strict=True)
    ]


def _nickname(syllables: list[str], pick: list[int]) -> str:
    n_syllables = len(syllables)
    first = syllables[pick[0] % n_syllables] + syllables[pick[1] % n_syllables]
    second = syllables[pick[2] % n_syllables] + syllables[pick[3] % n_syllables]
    form = pick[4] % 10
    if form < 3:
        return first + second
    if form < 6:
        # str.capitalize would make %D0 lower case.
        return f"{first[0].upper()}{first[1:]}+{second[0].upper()}{second[1:]}"
    if form < 8:
        return f"{first}{second}{pick[5] % 100}"
    return f"{first}_{pick[5] % 2_000}" if form == 8 else f"%22{second}%22+{first}*"

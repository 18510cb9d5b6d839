"""Suburbs of the gazetteer's cities: where a geotagged item lies and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.demo.encoding import form_encode
from yfcc.demo.tables.gazetteer import CITIES, COUNTRIES, SUBURB_HEADS, SUBURB_TAILS, City

Integers = npt.NDArray[np.int64]

#: A city is a grid of so many suburbs.
_GRID: Final = 32
N_CELLS: Final = _GRID * _GRID

_FIRST_SUBURB_WOEID: Final = 20_100_000
_FIRST_LANDMARK_WOEID: Final = 55_900_000
_FIRST_ZIP_WOEID: Final = 12_700_000
_FIRST_TOWN_WOEID: Final = 2_600_000
_FIRST_COUNTY_WOEID: Final = 12_500_000
_FIRST_STATE_WOEID: Final = 2_340_000
_FIRST_ZONE_WOEID: Final = 28_350_800
#: Coprime with the number of names, so that neighbours are called differently.
_NAME_STEP: Final = 1_999


@dataclass(frozen=True)
class Localities:
    """All suburbs, those of one city side by side (`N_CELLS` each).

    Attributes
    ----------
    west, south, width, height : integers
        Microdegrees.
    suburb : list of str
        Ready for the file: suburb and zip code, ``woeid:Name:Suburb,woeid:Code:Zip``.
    chain : list of str
        From the city to its time zone, fine to coarse, ready for the file.
    city : list of City
        One an entry of `chain`.
    """

    west: Integers
    south: Integers
    width: Integers
    height: Integers
    suburb: list[str]
    chain: list[str]
    city: list[City]

    def __len__(self) -> int:
        return len(self.suburb)


@cache
def localities() -> Localities:
    """The suburbs of all cities, the same in every process."""
    corners = np.array([(city.west, city.south, city.width, city.height) for city in CITIES])
    corners = np.round(corners * 1_000_000).astype(np.int64)
    west, south, width, height = (np.repeat(column, N_CELLS) for column in corners.T)
    cell = np.tile(np.arange(N_CELLS), len(CITIES))
    width, height = width // _GRID, height // _GRID
    return Localities(
        west=west + cell % _GRID * width,
        south=south + cell // _GRID * height,
        width=width,
        height=height,
        suburb=_suburbs(),
        chain=[_chain(index, city) for index, city in enumerate(CITIES)],
        city=list(CITIES),
    )


def _suburbs() -> list[str]:
    """Suburb and zip code of every cell of every city."""
    names = [
        f"{head}{tail}" if index % 5 else f"{head}+{tail.capitalize()}"
        for index, (head, tail) in enumerate(product(SUBURB_HEADS, SUBURB_TAILS))
    ]
    suburbs = []
    for index in range(len(CITIES) * N_CELLS):
        # Odd multipliers: every suburb and zip code has a number of its own, in no order.
        suburb_woeid = _FIRST_SUBURB_WOEID + index * 7_368_787 % 34_999_999
        zip_woeid = _FIRST_ZIP_WOEID + index * 6_700_417 % 9_999_991
        name, code = names[index * _NAME_STEP % len(names)], 10_000 + index * 911 % 89_989
        suburbs.append(f"{suburb_woeid}:{name}:Suburb,{zip_woeid}:{code}:Zip")
    return suburbs


@cache
def landmarks() -> list[str]:
    """What is finer than a suburb, ready for the file: ``woeid:Name:Type``."""
    kinds = ("Point of Interest", "Point of Interest", "Estate", "Land Feature")
    names = product(SUBURB_HEADS, ("Park", "Garden", "Tower", "House", "Pond"), SUBURB_TAILS)
    return [
        f"{_FIRST_LANDMARK_WOEID + index * 3_999_971 % 19_999_999}"
        f":{head}{tail}+{kind}:{kinds[index % len(kinds)]}"
        for index, (head, kind, tail) in enumerate(names)
    ]


def _chain(index: int, city: City) -> str:
    """City, county, state, country and time zone of a city, as the file has them."""
    country_woeid, country_type = COUNTRIES[city.country]
    zones = sorted({other.timezone for other in CITIES})
    states = sorted({(other.country, other.state) for other in CITIES})
    links = [f"{_FIRST_TOWN_WOEID + index * 311}:{form_encode(city.name)}:Town"]
    if city.county:
        links.append(f"{_FIRST_COUNTY_WOEID + index * 97}:{form_encode(city.county)}:County")
    if city.state:
        woeid = _FIRST_STATE_WOEID + states.index((city.country, city.state)) * 13
        links.append(f"{woeid}:{form_encode(city.state)}:State")
    links.append(f"{country_woeid}:{form_encode(city.country)}:{country_type}")
    zone_woeid = _FIRST_ZONE_WOEID + zones.index(city.timezone)
    links.append(f"{zone_woeid}:{form_encode(city.timezone)}:Timezone")
    return ",".join(links)

"""What every line of an item has to agree on, drawn for a whole chunk at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.demo.identifiers import draw_photo_ids, upload_times
from yfcc.demo.localities import N_CELLS, localities
from yfcc.demo.people import people
from yfcc.demo.tables.cameras import CAMERAS
from yfcc.demo.tables.gazetteer import CITIES
from yfcc.demo.tables.language import THEMES
from yfcc.demo.traps import trapped_rows

Integers = npt.NDArray[np.int64]

#: Rows of a chunk. Row i depends on the seed and ``i // CHUNK_ROWS``.
CHUNK_ROWS: Final = 2_000

#: (share) of all rows, from the dataset's readme.
_VIDEO_SHARE: Final = 0.00793436
_GEOTAGGED_SHARE: Final = 0.483
_NO_DEVICE_SHARE: Final = 0.13
#: Photos by licence, in the order of ``dataset_lines.LICENCES``.
_LICENCE_COUNTS: Final = (17_210_144, 9_408_154, 4_910_766, 12_674_885, 28_776_835, 26_225_780)
_EXTENSION_SHARES: Final = (0.978, 0.016, 0.006)
EXTENSIONS: Final = ("jpg", "png", "gif")

#: Rows of every chunk with a cat in Japan, so that the README's example finds some; no traps.
CAT_ROWS: Final = slice(60, CHUNK_ROWS, 180)
_CAT_THEME: Final = THEMES.index("animal")
_CAT_COUNTRY: Final = "Japan"
#: In turn, of ``dataset_lines.LICENCES``: by, by-sa, by-nc.
_CAT_LICENCES: Final = (0, 1, 3)

_DAY_S: Final = 86_400


class Stream(IntEnum):
    """Independent random streams of a chunk: a change to one file leaves the others alone."""

    SHARED = 0
    DATASET = 1
    AUTOTAGS = 2
    EXIF = 3
    PLACES = 4
    SHAPE = 5


@dataclass(frozen=True)
class ChunkDraws:
    """The shared facts of the `CHUNK_ROWS` items of a chunk; arrays have one entry an item.

    Attributes
    ----------
    seed, chunk_index : int
    photo_id : integers
        Unique.
    is_video : bools
    person, language, theme, camera : integers
        Indices into the tables; camera is -1 where no device is known.
    locality : integers
        Index into the localities, -1 where the item has no geotag.
    longitude, latitude : integers
        Microdegrees; 0 without a geotag.
    taken, uploaded : integers
        Seconds since 1970; taken in the clock of the place.
    licence, extension, server : integers
    """

    seed: int
    chunk_index: int
    photo_id: Integers
    is_video: npt.NDArray[np.bool_]
    person: Integers
    language: Integers
    theme: Integers
    camera: Integers
    locality: Integers
    longitude: Integers
    latitude: Integers
    taken: Integers
    uploaded: Integers
    licence: Integers
    extension: Integers
    server: Integers

    def stream(self, stream: Stream) -> np.random.Generator:
        """A fresh generator for one file of this chunk."""
        return open_stream(self.seed, self.chunk_index, stream)


def open_stream(seed: int, chunk_index: int, stream: Stream) -> np.random.Generator:
    """The generator of one stream of one chunk."""
    return np.random.Generator(np.random.PCG64([seed, chunk_index, int(stream)]))


def draw_chunk(seed: int, chunk_index: int) -> ChunkDraws:
    """Draw the shared facts of one chunk, always for `CHUNK_ROWS` items."""
    rng = open_stream(seed, chunk_index, Stream.SHARED)
    photo_id = draw_photo_ids(seed, chunk_index * CHUNK_ROWS, CHUNK_ROWS)
    crowd = people()
    # The square prefers the head of the table: some people upload much more than others.
    person = (rng.random(CHUNK_ROWS) ** 2 * len(crowd)).astype(np.int64)
    is_video = rng.random(CHUNK_ROWS) < _VIDEO_SHARE
    is_video[CAT_ROWS] = False
    uploaded = upload_times(photo_id) + rng.integers(-_DAY_S, _DAY_S, CHUNK_ROWS)
    locality = _draw_localities(rng, crowd.home_city[person])
    locality[CAT_ROWS] = _localities_of_cats(locality[CAT_ROWS])
    camera = _draw_cameras(rng, crowd.camera[person], is_video)
    # A trap's position lies at sea and its device on no list: places and EXIF say nothing.
    locality[trapped_rows(chunk_index, "longitude")] = -1
    camera[trapped_rows(chunk_index, "device")] = -1
    longitude, latitude = _draw_positions(rng, locality)
    draws = ChunkDraws(
        seed=seed,
        chunk_index=chunk_index,
        photo_id=photo_id,
        is_video=is_video,
        person=person,
        language=crowd.language[person],
        theme=rng.integers(0, len(THEMES), CHUNK_ROWS),
        camera=camera,
        locality=locality,
        longitude=longitude,
        latitude=latitude,
        taken=uploaded - _draw_delays(rng),
        uploaded=uploaded,
        licence=_draw_shares(rng, _LICENCE_COUNTS),
        extension=np.where(is_video, 0, _draw_shares(rng, _EXTENSION_SHARES)),
        server=np.where(
            rng.random(CHUNK_ROWS) < 0.1,
            rng.integers(1, 250, CHUNK_ROWS),
            rng.integers(1_001, 8_700, CHUNK_ROWS),
        ),
    )
    draws.theme[CAT_ROWS] = _CAT_THEME
    draws.licence[CAT_ROWS] = np.resize(_CAT_LICENCES, len(draws.licence[CAT_ROWS]))
    return draws


def _localities_of_cats(drawn: Integers) -> Integers:
    """Of each one in the country of the cats."""
    cities = [index for index, city in enumerate(CITIES) if city.country == _CAT_COUNTRY]
    return np.resize(cities, len(drawn)) * N_CELLS + drawn % N_CELLS


def _draw_shares(rng: np.random.Generator, shares: tuple[float, ...]) -> Integers:
    """Indices in proportion to `shares`."""
    bounds = np.cumsum(shares) / sum(shares)
    return np.searchsorted(bounds[:-1], rng.random(CHUNK_ROWS), side="right").astype(np.int64)


def _draw_localities(rng: np.random.Generator, home_city: Integers) -> Integers:
    """Mostly at home, else anywhere; -1 for the items without a geotag."""
    n_cities = len(localities()) // N_CELLS
    away = (rng.random(CHUNK_ROWS) ** 1.5 * n_cities).astype(np.int64)
    city = np.where(rng.random(CHUNK_ROWS) < 0.45, home_city, away)
    cell = (rng.random(CHUNK_ROWS) * N_CELLS).astype(np.int64)
    tagged = rng.random(CHUNK_ROWS) < _GEOTAGGED_SHARE
    return np.where(tagged, city * N_CELLS + cell, -1)


def _draw_positions(rng: np.random.Generator, locality: Integers) -> tuple[Integers, Integers]:
    """Longitude and latitude within the locality's cell, microdegrees."""
    table = localities()
    across, up = rng.random((2, CHUNK_ROWS))
    longitude = table.west[locality] + (across * table.width[locality]).astype(np.int64)
    latitude = table.south[locality] + (up * table.height[locality]).astype(np.int64)
    tagged = locality >= 0
    return np.where(tagged, longitude, 0), np.where(tagged, latitude, 0)


def _draw_cameras(
    rng: np.random.Generator, own_camera: Integers, is_video: npt.NDArray[np.bool_]
) -> Integers:
    """Mostly one's own; videos and some photos tell no device."""
    other = rng.integers(0, len(CAMERAS), CHUNK_ROWS)
    camera = np.where(rng.random(CHUNK_ROWS) < 0.7, own_camera, other)
    unknown = is_video | (rng.random(CHUNK_ROWS) < _NO_DEVICE_SHARE)
    return np.where(unknown, -1, camera)


def _draw_delays(rng: np.random.Generator) -> Integers:
    """Seconds between the picture and its upload: hours for most, years for some."""
    kind = rng.random(CHUNK_ROWS)
    scale = np.select([kind < 0.55, kind < 0.85], [1.0, 25.0], 500.0)
    return (rng.exponential(scale) * _DAY_S).astype(np.int64)

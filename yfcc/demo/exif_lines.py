"""Lines of the exif file."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.demo.captions import sentences
from yfcc.demo.draws import ChunkDraws, Stream
from yfcc.demo.encoding import form_encode
from yfcc.demo.tables.cameras import CAMERAS
from yfcc.demo.tables.exif_tags import POOLED_TAGS, Detail

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: (shares) of the levels of detail.
_DETAIL_SHARES: Final = (0.34, 0.3, 0.2, 0.16)
#: (share) of the items of a known camera, and of no known one, that have EXIF.
_KNOWN_CAMERA_SHARE: Final = 0.66
_UNKNOWN_CAMERA_SHARE: Final = 0.25
_GPS_SHARE: Final = 0.06
_DESCRIPTION_SHARE: Final = 0.24
_UNIQUE_ID_SHARE: Final = 0.5
#: Maker's notes: share of the rows that tell how it was shot, and digits of the longest.
_NOTE_SHARE: Final = 0.6
_LONGEST_NOTE: Final = 700
_DAY_S: Final = 86_400
_N_FOCALS: Final = 60


def exif_values(draws: ChunkDraws, n_rows: int) -> list[str]:
    """``Category.Tag:Value,…``, one raw colon an item; empty where nothing is known.

    Items are sorted as text, as in the true file.
    """
    rng = draws.stream(Stream.EXIF)
    n_draws = len(draws.photo_id)
    known = draws.camera >= 0
    share = np.where(known, _KNOWN_CAMERA_SHARE, _UNKNOWN_CAMERA_SHARE)
    present = (rng.random(n_draws) < share) & ~draws.is_video
    detail = rng.choice(len(Detail), n_draws, p=_DETAIL_SHARES)
    # Only a camera writes how it shot; what is known of no camera comes from an editor.
    detail = np.where(known, detail, Detail.BARE)
    columns = [*_draw_pooled(rng, detail), *_draw_special(rng, draws, detail)]
    columns.sort(key=lambda column: column[0])
    rows = zip(*(texts for _, texts in columns), strict=True)
    return [
        ",".join(filter(None, row)) if full else ""
        for row, full in zip(rows, present[:n_rows].tolist(), strict=False)
    ]


def encode_key(key: str) -> str:
    """``Category.Tag`` with both parts encoded, and the colon that ends it."""
    category, tag = key.split(".", 1)
    return f"{form_encode(category)}.{form_encode(tag)}:"


@cache
def _pools() -> list[list[str]]:
    """Finished items of each tag of `POOLED_TAGS`, the absent item last."""
    return [
        [encode_key(tag.key) + form_encode(value) for value in tag.values] + [""]
        for tag in POOLED_TAGS
    ]


def _draw_pooled(rng: np.random.Generator, detail: Integers) -> list[tuple[str, list[str]]]:
    """Sort key and column of items of each tag of `POOLED_TAGS`."""
    columns = []
    for tag, pool in zip(POOLED_TAGS, _pools(), strict=True):
        wanted = rng.random(len(detail)) < np.array(tag.shares)[detail]
        picks = np.where(wanted, rng.integers(0, len(pool) - 1, len(detail)), -1)
        columns.append((encode_key(tag.key), [pool[pick] for pick in picks.tolist()]))
    return columns


def _draw_special(
    rng: np.random.Generator, draws: ChunkDraws, detail: Integers
) -> list[tuple[str, list[str]]]:
    """Columns that agree with the camera, the time or the place of the item."""
    n_draws = len(detail)
    shot = (detail <= Detail.SHORT) & (rng.random(n_draws) < 0.97)
    whole = rng.random(n_draws) < np.array([0.97, 0.9, 0.1, 0.8])[detail]
    edited = draws.taken + (rng.exponential(3.0, n_draws) * _DAY_S).astype(np.int64)
    modified = np.where(detail == Detail.FULL, draws.taken, edited)
    digitized = shot & (detail != Detail.SHORT)
    half = np.where(rng.random(n_draws) < 0.6, 1, rng.integers(2, 7, n_draws))
    focal = draws.camera * _N_FOCALS + rng.integers(0, _N_FOCALS, n_draws)
    columns = {
        "Exif IFD0.Date/Time": _keep(_format_times(modified), whole),
        "Exif IFD0.Make": _of_camera("make", draws.camera, detail),
        "Exif IFD0.Model": _of_camera("model", draws.camera, detail),
        "Exif SubIFD.Date/Time Original": _keep(_format_times(draws.taken), shot),
        "Exif SubIFD.Date/Time Digitized": _keep(_format_times(draws.taken), digitized),
        "Exif SubIFD.Exif Image Width": _keep(_format_sizes(draws.camera, half, "width"), whole),
        "Exif SubIFD.Exif Image Height": _keep(_format_sizes(draws.camera, half, "height"), whole),
        "Exif SubIFD.Focal Length": _keep([_focal_lengths()[index] for index in focal], shot),
        "Exif SubIFD.Unique Image ID": _draw_unique_ids(rng, shot),
        "Exif IFD0.Image Description": _draw_descriptions(rng, draws),
        "Exif SubIFD.Makernote": _draw_notes(rng, digitized),
    }
    finished = [
        (key, [f"{key}{text}" if text is not None else "" for text in texts])
        for key, texts in ((encode_key(name), texts) for name, texts in columns.items())
    ]
    return [*finished, ("GPS.", _draw_gps(rng, draws))]


def _keep(texts: list[str], wanted: Bools) -> list[str | None]:
    return [text if keep else None for text, keep in zip(texts, wanted.tolist(), strict=True)]


def _of_camera(name: str, camera: Integers, detail: Integers) -> list[str | None]:
    """Make or model, wherever the camera is known and the row more than bare."""
    texts = [form_encode(getattr(entry, name)) for entry in CAMERAS] + [None]
    return [texts[index] for index in np.where(detail == Detail.BARE, -1, camera).tolist()]


def _format_times(seconds: Integers) -> list[str]:
    """``2012:02:16 09:56:37``, form-encoded."""
    return [
        f"{text[:4]}%3A{text[5:7]}%3A{text[8:10]}+{text[11:13]}%3A{text[14:16]}%3A{text[17:]}"
        for text in np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()
    ]


@cache
def _focal_lengths() -> list[str]:
    """`_N_FOCALS` lengths for each camera, within its range; zero for no camera."""
    return [
        f"{round(low + (high - low) * step / (_N_FOCALS - 1), 1)!r}+mm"
        for low, high in [(c.shortest_mm, c.longest_mm) for c in CAMERAS] + [(0.0, 0.0)]
        for step in range(_N_FOCALS)
    ]


def _format_sizes(camera: Integers, divisor: Integers, dimension: str) -> list[str]:
    """Pixels of the camera's picture, whole or scaled down."""
    sizes = np.array([getattr(entry, dimension) for entry in CAMERAS] + [1024])
    return [f"{size}+pixels" for size in (sizes[camera] // divisor).tolist()]


def _draw_unique_ids(rng: np.random.Generator, shot: Bools) -> list[str | None]:
    """32 hex digits for some."""
    digits = rng.bytes(16 * len(shot)).hex()
    wanted = shot & (rng.random(len(shot)) < _UNIQUE_ID_SHARE)
    return _keep([digits[start : start + 32] for start in range(0, len(digits), 32)], wanted)


def _draw_notes(rng: np.random.Generator, shot: Bools) -> list[str | None]:
    """What only the maker's software can read: hex digits, some hundred."""
    lengths = rng.integers(20, _LONGEST_NOTE, len(shot))
    lengths[~shot | (rng.random(len(shot)) >= _NOTE_SHARE)] = 0
    ends = np.cumsum(lengths)
    digits = rng.bytes(int(ends[-1]) // 2 + 1).hex()
    return [
        digits[end - length : end] if length else None
        for length, end in zip(lengths.tolist(), ends.tolist(), strict=True)
    ]


def _draw_descriptions(rng: np.random.Generator, draws: ChunkDraws) -> list[str | None]:
    """A sentence of the person's language, or what the camera puts there, or empty text."""
    n_draws = len(draws.photo_id)
    pool = sentences()
    kind = rng.random(n_draws) / _DESCRIPTION_SHARE
    picks = pool.draw(rng, draws.language).tolist()
    return [
        None
        if share >= 1
        else ""
        if share < 0.08
        else "DIGITAL+CAMERA+++++++++"
        if share < 0.25
        else pool.texts[pick]
        for share, pick in zip(kind.tolist(), picks, strict=True)
    ]


def _draw_gps(rng: np.random.Generator, draws: ChunkDraws) -> list[str]:
    """The GPS items of the geotagged items of phones, and of some others."""
    phones = np.array([camera.kind == "phone" for camera in CAMERAS] + [False])
    share = np.where(phones[draws.camera], 1.0, _GPS_SHARE)
    chosen = (draws.locality >= 0) & (rng.random(len(share)) < share)
    altitude = rng.integers(0, 2_500, len(share))
    texts = [""] * len(share)
    for row in np.flatnonzero(chosen).tolist():
        longitude, latitude = int(draws.longitude[row]), int(draws.latitude[row])
        texts[row] = (
            f"GPS.GPS+Altitude+Ref:Sea+level,GPS.GPS+Altitude:{altitude[row]}+metres"
            f",GPS.GPS+Latitude+Ref:{'NS'[latitude < 0]},GPS.GPS+Latitude:{_degrees(latitude)}"
            f",GPS.GPS+Longitude+Ref:{'EW'[longitude < 0]},GPS.GPS+Longitude:{_degrees(longitude)}"
            ",GPS.GPS+Map+Datum:WGS-84"
        )
    return texts


def _degrees(microdegrees: int) -> str:
    """Degrees, minutes and seconds, form-encoded; the sign is in the reference."""
    degrees, rest = divmod(abs(microdegrees), 1_000_000)
    minutes, rest = divmod(rest * 60, 1_000_000)
    return f"{degrees}%C2%B0+{minutes}%27+{rest * 60 / 1_000_000:.2f}%22"

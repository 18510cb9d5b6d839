"""Lines of the dataset file, v2 (25 columns) and v1 (23), and of the hash pack."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.demo.captions import (
    city_tags,
    file_names,
    machine_tags,
    other_tags,
    sentences,
    theme_tags,
    title_tails,
    titles,
)
from yfcc.demo.draws import EXTENSIONS, ChunkDraws, Stream
from yfcc.demo.encoding import form_encode, format_degrees
from yfcc.demo.identifiers import photo_hash
from yfcc.demo.localities import N_CELLS
from yfcc.demo.people import people
from yfcc.demo.tables.cameras import CAMERAS
from yfcc.demo.tables.language import THEMES
from yfcc.demo.traps import iter_traps

Integers = npt.NDArray[np.int64]

#: Name and path of each licence, in the order of the dataset's readme.
LICENCES: Final = (
    ("Attribution License", "by"),
    ("Attribution-ShareAlike License", "by-sa"),
    ("Attribution-NoDerivs License", "by-nd"),
    ("Attribution-NonCommercial License", "by-nc"),
    ("Attribution-NonCommercial-ShareAlike License", "by-nc-sa"),
    ("Attribution-NonCommercial-NoDerivs License", "by-nc-nd"),
)
_LICENCE_COLUMNS: Final = tuple(
    f"{name}\thttp://creativecommons.org/licenses/{path}/2.0/" for name, path in LICENCES
)

_NULL_DATE_SHARE: Final = 0.004
_EQUAL_SECRETS_SHARE: Final = 0.07
_NO_TAGS_SHARE: Final = 0.31
_MACHINE_TAGS_SHARE: Final = 0.02
_DESCRIPTION_SHARE: Final = 0.48


@dataclass(frozen=True)
class DatasetColumns:
    """The texts of a chunk's dataset rows, column by column, as the file has them."""

    nickname: list[str]
    taken: list[str]
    uploaded: list[str]
    device: list[str]
    title: list[str]
    description: list[str]
    tags: list[str]
    machine_tags: list[str]
    longitude: list[str]
    latitude: list[str]
    accuracy: list[str]
    server: list[str]
    secret: list[str]
    secret_original: list[str]


@dataclass(frozen=True)
class DatasetRow:
    """One dataset row in pieces.

    Attributes
    ----------
    photo_id : int
    photo_hash, download_url : str
    head : str
        NSID to accuracy, 12 columns.
    tail : str
        Page URL to marker, 10 columns.
    """

    photo_id: int
    photo_hash: str
    download_url: str
    head: str
    tail: str


def draw_dataset_rows(draws: ChunkDraws, n_rows: int) -> list[DatasetRow]:
    """The first `n_rows` rows of a chunk."""
    columns = _draw_columns(draws)
    for trap in iter_traps(draws.chunk_index):
        for name, text in trap.fields.items():
            getattr(columns, name)[trap.row] = text
    crowd = people()
    facts = zip(
        draws.photo_id.tolist(),
        map(crowd.nsid.__getitem__, draws.person.tolist()),
        _join_heads(columns),
        columns.server,
        columns.secret,
        columns.secret_original,
        map(_LICENCE_COLUMNS.__getitem__, draws.licence.tolist()),
        map(EXTENSIONS.__getitem__, draws.extension.tolist()),
        draws.is_video.tolist(),
        strict=True,
    )
    rows = []
    for photo_id, nsid, head, server, secret, original, licence, extension, is_video in islice(
        facts, n_rows
    ):
        farm = int(server) // 1000 + 1
        if is_video:
            page_url = f"http://www.flickr.com/videos/{nsid}/{photo_id}/"
            download_url = f"{page_url}play/orig/{original}"
        else:
            page_url = f"http://www.flickr.com/photos/{nsid}/{photo_id}/"
            download_url = f"http://farm{farm}.staticflickr.com/{server}/{photo_id}_{secret}.jpg"
        tail = (
            f"{page_url}\t{download_url}\t{licence}\t{server}\t{farm}"
            f"\t{secret}\t{original}\t{extension}\t{is_video:d}"
        )
        rows.append(
            DatasetRow(photo_id, photo_hash(download_url), download_url, f"{nsid}\t{head}", tail)
        )
    return rows


def dataset_lines(rows: list[DatasetRow], first_line: int) -> bytes:
    """Lines of v2: line number, id, hash, and 22 columns of v1."""
    return "".join(
        [
            f"{number}\t{row.photo_id}\t{row.photo_hash}\t{row.head}\t{row.tail}\n"
            for number, row in enumerate(rows, first_line)
        ]
    ).encode("ascii")


def dataset_lines_v1(rows: list[DatasetRow]) -> bytes:
    """Lines of v1: no line number and no hash."""
    lines = [f"{row.photo_id}\t{row.head}\t{row.tail}\n" for row in rows]
    return "".join(lines).encode("ascii")


def hash_lines(rows: list[DatasetRow]) -> bytes:
    """Lines of the hash pack of v1."""
    return "".join([f"{row.photo_id}\t{row.photo_hash}\n" for row in rows]).encode("ascii")


def _join_heads(columns: DatasetColumns) -> list[str]:
    """Nickname to accuracy, 11 columns."""
    return [
        "\t".join(fields)
        for fields in zip(
            columns.nickname,
            columns.taken,
            columns.uploaded,
            columns.device,
            columns.title,
            columns.description,
            columns.tags,
            columns.machine_tags,
            columns.longitude,
            columns.latitude,
            columns.accuracy,
            strict=True,
        )
    ]


def _draw_columns(draws: ChunkDraws) -> DatasetColumns:
    rng = draws.stream(Stream.DATASET)
    secret, secret_original = _draw_secrets(rng, len(draws.photo_id))
    nicknames = people().nickname
    devices = [form_encode(camera.device) for camera in CAMERAS] + [""]
    return DatasetColumns(
        nickname=[nicknames[index] for index in draws.person.tolist()],
        taken=_draw_dates(rng, draws.taken),
        uploaded=list(map(str, draws.uploaded.tolist())),
        device=[devices[index] for index in draws.camera.tolist()],
        title=_draw_titles(rng, draws),
        description=_draw_descriptions(rng, draws.language),
        tags=_draw_tags(rng, draws),
        machine_tags=_draw_machine_tags(rng, len(draws.photo_id)),
        longitude=_format_position(draws.longitude, draws.locality),
        latitude=_format_position(draws.latitude, draws.locality),
        accuracy=_draw_accuracies(rng, draws.locality),
        server=list(map(str, draws.server.tolist())),
        secret=secret,
        secret_original=secret_original,
    )


def _draw_secrets(rng: np.random.Generator, n_rows: int) -> tuple[list[str], list[str]]:
    """10 hex digits each; now and then the two are equal."""
    digits = rng.bytes(n_rows * 10).hex()
    secrets = [digits[start : start + 10] for start in range(0, len(digits), 10)]
    equal = (rng.random(n_rows) < _EQUAL_SECRETS_SHARE).tolist()
    return secrets[:n_rows], [
        first if same else second
        for first, second, same in zip(secrets[:n_rows], secrets[n_rows:], equal, strict=True)
    ]


def _draw_dates(rng: np.random.Generator, taken: Integers) -> list[str]:
    """``2012-02-16 09:56:37.0``; some are ``null``."""
    texts = np.datetime_as_string(taken.astype("datetime64[s]")).tolist()
    for row in np.flatnonzero(rng.random(len(taken)) < _NULL_DATE_SHARE).tolist():
        texts[row] = None
    return ["null" if text is None else f"{text[:10]} {text[11:]}.0" for text in texts]


def _draw_titles(rng: np.random.Generator, draws: ChunkDraws) -> list[str]:
    """Camera file names, captions with and without a number or a place, nothing."""
    n_rows = len(draws.photo_id)
    kind = rng.random(n_rows)
    numbers = rng.integers(0, 10_000, n_rows).tolist()
    files = file_names()
    prefixes = files.draw(rng, draws.camera % len(files.size)).tolist()
    heads = titles().draw(rng, draws.language * len(THEMES) + draws.theme).tolist()
    tails = title_tails().draw(rng, rng.choice(5, n_rows, p=[0.28, 0.25, 0.07, 0.1, 0.3])).tolist()
    head_texts, tail_texts = titles().texts, title_tails().texts
    return [
        ""
        if share < 0.05
        else f"{files.texts[prefix]}{number:04d}"
        if share < 0.34
        else head_texts[head] + tail_texts[tail]
        for share, prefix, number, head, tail in zip(
            kind.tolist(), prefixes, numbers, heads, tails, strict=True
        )
    ]


def _draw_descriptions(rng: np.random.Generator, language: Integers) -> list[str]:
    """Some sentences of the person's language for a third of the items."""
    n_rows = len(language)
    described = rng.random(n_rows) < _DESCRIPTION_SHARE
    counts = np.where(described, np.minimum(rng.geometric(0.42, n_rows), 40), 0)
    pool = sentences()
    picks = pool.draw(rng, np.repeat(language, counts)).tolist()
    texts, ends = pool.texts, np.cumsum(counts).tolist()
    return [
        "".join([texts[pick] for pick in picks[end - count : end]]).removesuffix("+")
        if count
        else ""
        for count, end in zip(counts.tolist(), ends, strict=True)
    ]


def _draw_tags(rng: np.random.Generator, draws: ChunkDraws) -> list[str]:
    """Sorted tags: of the picture, of the place and of anything else."""
    n_rows = len(draws.photo_id)
    tagged = rng.random(n_rows) >= _NO_TAGS_SHARE
    counts = np.where(tagged, np.minimum(rng.geometric(0.18, n_rows), 72), 0)
    other = other_tags()
    texts, ends = other.texts, np.cumsum(counts).tolist()
    picks = other.draw(rng, np.zeros(int(counts.sum()), dtype=np.int64)).tolist()
    of_theme = theme_tags()
    theme_picks = of_theme.draw(rng, draws.language * len(THEMES) + draws.theme).tolist()
    of_city = city_tags().texts
    cities = (draws.locality // N_CELLS).tolist()
    rows = []
    for count, end, theme_pick, city in zip(
        counts.tolist(), ends, theme_picks, cities, strict=True
    ):
        tags = {texts[pick] for pick in picks[end - count : end]}
        if count > 1:
            tags.add(of_theme.texts[theme_pick])
            if city >= 0:
                tags.update(of_city[2 * city : 2 * city + 2])
        rows.append(",".join(sorted(tags)))
    return rows


def _draw_machine_tags(rng: np.random.Generator, n_rows: int) -> list[str]:
    texts = [""] * n_rows
    rows = np.flatnonzero(rng.random(n_rows) < _MACHINE_TAGS_SHARE)
    pool = machine_tags()
    picks = pool.draw(rng, np.zeros(2 * len(rows), dtype=np.int64)).tolist()
    single = (rng.random(len(rows)) < 0.7).tolist()
    for position, row in enumerate(rows.tolist()):
        pair = sorted({pool.texts[pick] for pick in picks[2 * position : 2 * position + 2]})
        texts[row] = pair[0] if single[position] else ",".join(pair)
    return texts


def _format_position(microdegrees: Integers, locality: Integers) -> list[str]:
    return [
        format_degrees(value) if place >= 0 else ""
        for value, place in zip(microdegrees.tolist(), locality.tolist(), strict=True)
    ]


def _draw_accuracies(rng: np.random.Generator, locality: Integers) -> list[str]:
    """Mostly 16 (street); no geotag, no accuracy."""
    texts = ("16", "15", "14", "13", "12", "11", "10", "9", "6", "3", "1", "")
    shares = (0.6, 0.12, 0.08, 0.06, 0.05, 0.04, 0.02, 0.01, 0.01, 0.005, 0.005)
    picks = rng.choice(len(shares), len(locality), p=np.array(shares) / sum(shares))
    return [texts[pick] for pick in np.where(locality >= 0, picks, -1).tolist()]

"""Which files an edition has, and which columns its dataset.

Source: the readme of the dataset, and true rows of both layouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from yfcc.errors import SourceDamaged, SourceMissing


class Pack(StrEnum):
    """Files of ``id<TAB>value`` lines beside the dataset."""

    AUTOTAGS = "autotags"
    EXIF = "exif"
    PLACES = "places"
    HASH = "hash"


#: Columns of the 25-column layout (v2), in the file's order.
COLUMNS_V2: Final = (
    "line_number",
    "photo_id",
    "photo_hash",
    "user_nsid",
    "user_nickname",
    "date_taken",
    "date_uploaded",
    "capture_device",
    "title",
    "description",
    "user_tags",
    "machine_tags",
    "longitude",
    "latitude",
    "accuracy",
    "page_url",
    "download_url",
    "license_name",
    "license_url",
    "server_id",
    "farm_id",
    "secret",
    "secret_original",
    "extension",
    "marker",
)
#: Columns of the 23-column layout (v1): no line number, and the hash in a pack of its own.
COLUMNS_V1: Final = tuple(c for c in COLUMNS_V2 if c not in ("line_number", "photo_hash"))

_V2_DATASET: Final = "yfcc100m_dataset.bz2"
_V2_PACKS: Final = {
    Pack.AUTOTAGS: "yfcc100m_autotags.bz2",
    Pack.EXIF: "yfcc100m_exif.bz2",
    Pack.PLACES: "yfcc100m_places.bz2",
    Pack.HASH: "yfcc100m_hash.bz2",
}
_V1_DATASETS: Final = tuple(f"yfcc100m_dataset-{part}.bz2" for part in range(10))
_V1_PACKS: Final = {
    Pack.AUTOTAGS: "yfcc100m_autotags-v1.bz2",
    Pack.HASH: "yfcc100m_hash.bz2",
}


@dataclass(frozen=True, slots=True)
class Edition:
    """The files found at a source.

    Attributes
    ----------
    name : str
        ``v2`` or ``v1``.
    datasets : tuple of str
        File names; read one after the other they are the dataset.
    packs : mapping of Pack to str
        File names of the packs that are there.
    missing : tuple of str
        Packs that the edition has and the source lacks.
    """

    name: str
    datasets: tuple[str, ...]
    packs: Mapping[Pack, str]
    missing: tuple[str, ...]


def all_file_names() -> list[str]:
    """Every file name of every edition, for sources that cannot be listed."""
    return sorted({_V2_DATASET, *_V2_PACKS.values(), *_V1_DATASETS, *_V1_PACKS.values()})


def find_edition(names: Iterable[str], url: str) -> Edition:
    """The edition whose files lie at a source.

    Raises
    ------
    SourceMissing
        No dataset file, or a part of one is missing.
    """
    there = set(names)
    if _V2_DATASET in there:
        return _edition("v2", (_V2_DATASET,), _V2_PACKS, there)
    if there.intersection(_V1_DATASETS):
        lacking = [name for name in _V1_DATASETS if name not in there]
        if lacking:
            raise SourceMissing(
                f"{url}: of the ten dataset files of v1, {', '.join(lacking)} not found."
            )
        return _edition("v1", _V1_DATASETS, _V1_PACKS, there)
    listed = ", ".join(sorted(there)[:5]) or "nothing"
    raise SourceMissing(
        f"{url}: expected {_V2_DATASET} (or {_V1_DATASETS[0]} to -9), found {listed}. "
        "Check --source: it names the folder or prefix that holds the files."
    )


def _edition(
    name: str, datasets: tuple[str, ...], packs: Mapping[Pack, str], there: set[str]
) -> Edition:
    found = {pack: file for pack, file in packs.items() if file in there}
    # v2 carries the hash in the dataset: a pack of it is welcome, not missed.
    expected = (pack for pack in packs if not (name == "v2" and pack is Pack.HASH))
    return Edition(name, datasets, found, tuple(p.value for p in expected if p not in found))


def columns_of(first_lines: list[bytes], file: str) -> tuple[str, ...]:
    """The dataset's columns, told by the tabs in its first lines.

    A single damaged first line does not decide.

    Raises
    ------
    SourceDamaged
        No line has 22 or 24 tabs.
    """
    n_lines = {
        columns: sum(line.count(b"\t") == len(columns) - 1 for line in first_lines)
        for columns in (COLUMNS_V2, COLUMNS_V1)
    }
    columns = max(n_lines, key=lambda each: n_lines[each])
    if n_lines[columns]:
        return columns
    got = sorted({line.count(b"\t") + 1 for line in first_lines})
    raise SourceDamaged(
        f"{file}: expected lines of 25 columns (v2) or 23 (v1) with tabs between them, "
        f"got {got} columns in the first {len(first_lines)} lines. Is it the dataset file?"
    )

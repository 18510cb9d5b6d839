"""Which files an edition has, and which columns its dataset.

Source: the readme of the dataset, and true rows of both layouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
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

_DATASET: Final = "yfcc100m_dataset"
_PARTS: Final = tuple(f"{_DATASET}-{part}" for part in range(10))
#: Names of the packs without their suffix, those of v2 first.
_PACK_STEMS: Final = {
    Pack.AUTOTAGS: ("yfcc100m_autotags", "yfcc100m_autotags-v1"),
    Pack.EXIF: ("yfcc100m_exif",),
    Pack.PLACES: ("yfcc100m_places",),
    Pack.HASH: ("yfcc100m_hash",),
}
#: Line numbers of ids, of mmcommons alone: known, and not read (lines are counted).
_LINES: Final = "yfcc100m_lines"
_SQLITE_SUFFIXES: Final = (".sql", ".sqlite", ".sqlite3", ".db")
#: How a file may end. Of a file in several packings the first of these is read: bz2 as it was
#: published, then other packings, then plain text, then the database.
_SUFFIXES: Final = (
    ".bz2",
    ".tgz",
    ".tar.gz",
    ".gz",
    ".tsv.gz",
    ".csv.gz",
    ".txt.gz",
    ".zst",
    ".tsv.zst",
    ".csv.zst",
    ".txt.zst",
    ".tsv.bz2",
    ".tar.bz2",
    ".tar.zst",
    ".tar",
    "",
    ".tsv",
    ".txt",
    ".csv",
    *_SQLITE_SUFFIXES,
)
#: More commas than any line of a pack's first column or of prose: columns between commas.
_MANY_COMMAS: Final = 20
#: Packs that belong to each edition. One that is not there is said.
_PACKS_OF: Final = {
    "v2": (Pack.AUTOTAGS, Pack.EXIF, Pack.PLACES),
    "v1": (Pack.AUTOTAGS, Pack.HASH),
    "mmcommons": (Pack.AUTOTAGS, Pack.EXIF, Pack.HASH),
    "sqlite": (Pack.AUTOTAGS, Pack.EXIF, Pack.PLACES),
}


@dataclass(frozen=True, slots=True)
class Edition:
    """The files found at a source.

    Attributes
    ----------
    name : str
        ``v2``, ``v1``, ``mmcommons`` or ``sqlite``.
    datasets : tuple of str
        File names; read one after the other they are the dataset.
    packs : mapping of Pack to str
        File names of the packs that are there.
    missing : tuple of str
        Packs that the edition has and the source lacks.
    unused : tuple of str
        Files of the dataset that are there and not read: another packing or edition of one that
        is, or the lines pack.
    """

    name: str
    datasets: tuple[str, ...]
    packs: Mapping[Pack, str]
    missing: tuple[str, ...]
    unused: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to tell of files that are there and not read."""
        return tuple(
            f"{file}: not read, lines are counted instead"
            if file.startswith(_LINES)
            else f"{file}: not read, {' and '.join(self._instead_of(file))} is preferred"
            for file in self.unused
        )

    def _instead_of(self, file: str) -> list[str]:
        kind = file.removeprefix("yfcc100m_").split(".")[0].split("-")[0]
        files = (self.datasets[0], *self.packs.values())
        return [each for each in files if each.startswith(f"yfcc100m_{kind}")]

    def as_packed(self, *, is_database: bool) -> Edition:
        """The edition, once the dataset's first bytes are known: names can lie."""
        name = "sqlite" if is_database else "v2" if self.name == "sqlite" else self.name
        return replace(self, name=name, missing=_missing(name, self.packs))

    def as_read(self, columns: tuple[str, ...] | None) -> Edition:
        """The edition, once the dataset's columns are known: names alone do not tell them.

        Parameters
        ----------
        columns : tuple of str, optional
            Of the dataset; None where not a line was read.
        """
        name = self.name
        if columns == COLUMNS_V2:
            name = "v2"
        elif columns == COLUMNS_V1 and name == "v2":
            name = "v1"
        return replace(self, name=name, missing=_missing(name, self.packs))


def names_to_try() -> tuple[tuple[str, ...], ...]:
    """File names worth asking for at a source that cannot be listed.

    Returns
    -------
    tuple of tuples of str
        Those of every published edition; then those of v2 as plain text, gzip or zstd, to be
        asked for only if none of the first is there: every name is a request.
    """
    v2 = [_DATASET, *(stems[0] for stems in _PACK_STEMS.values())]
    published = (
        *(f"{stem}.bz2" for stem in (*v2, *_PARTS, "yfcc100m_autotags-v1")),
        *(f"{stem}.tgz" for stem in (_DATASET, "yfcc100m_autotags-v1")),
        *(f"{_PACK_STEMS[pack][0]}.tgz" for pack in (Pack.HASH, Pack.EXIF)),
        f"{_DATASET}.sql",
    )
    return published, tuple(f"{stem}{end}" for stem in v2 for end in ("", ".tsv", ".gz", ".zst"))


def is_file_name(name: str) -> bool:
    """Whether a last path component is a metadata file's rather than a folder's."""
    return name.startswith("yfcc100m_") or (
        # The suffix "" fits everything.
        any(suffix and name.endswith(suffix) for suffix in _SUFFIXES)
    )


def find_edition(names: Iterable[str], url: str) -> Edition:
    """The edition whose files lie at a source.

    Parameters
    ----------
    names : iterable of str
        Of the files there.
    url : str
        The source. If it names the one file itself, that file is the dataset, whatever its name.

    Raises
    ------
    SourceMissing
        No dataset file, or a part of one is missing.
    """
    there = set(names)
    only = next(iter(there), "")
    if len(there) == 1 and f"/{url}".endswith(f"/{only}"):
        return _edition((only,), {})
    whole = _best(_DATASET, there)
    datasets = (whole,) if whole else _parts(there, url)
    packs: dict[Pack, str] = {}
    for pack, pack_stems in _PACK_STEMS.items():
        # The ten files of v1 have autotags of their own; those of v2 may lie beside them.
        in_order = pack_stems if whole else pack_stems[::-1]
        files = [name for stem in in_order if (name := _best(stem, there))]
        if files:
            packs[pack] = files[0]
    unused = _known(there).difference(datasets, packs.values())
    return _edition(datasets, packs, tuple(sorted(unused)))


def _parts(there: set[str], url: str) -> tuple[str, ...]:
    """The ten files of v1."""
    found = {stem: name for stem in _PARTS if (name := _best(stem, there))}
    lacking = [stem for stem in _PARTS if stem not in found]
    if len(lacking) == len(_PARTS):
        listed = ", ".join(sorted(there)[:5]) or "nothing"
        raise SourceMissing(
            f"{url}: expected {_DATASET}.bz2 (or {_PARTS[0]}.bz2 to -9, or one of them as .tgz, "
            f".gz, .zst, .tsv, .csv or .sql), found {listed}. "
            "Check --source: it names the folder or prefix that holds the files, or one file."
        )
    if lacking:
        suffix = next(name[len(stem) :] for stem, name in found.items())
        raise SourceMissing(
            f"{url}: of the ten dataset files of v1, "
            f"{', '.join(stem + suffix for stem in lacking)} not found."
        )
    return tuple(found.values())


def _best(stem: str, there: set[str]) -> str | None:
    """The file of a stem in the packing that is preferred, if there is one."""
    return next((stem + suffix for suffix in _SUFFIXES if stem + suffix in there), None)


def _known(there: set[str]) -> set[str]:
    """Files whose names are the dataset's, in any packing and edition."""
    stems = (_DATASET, *_PARTS, _LINES, *chain.from_iterable(_PACK_STEMS.values()))
    return {stem + suffix for stem in stems for suffix in _SUFFIXES} & there


def _edition(
    datasets: tuple[str, ...], packs: Mapping[Pack, str], unused: tuple[str, ...] = ()
) -> Edition:
    """Name an edition by its files' names, as far as they tell it."""
    if len(datasets) > 1:
        name = "v1"
    elif datasets[0].endswith(_SQLITE_SUFFIXES):
        name = "sqlite"
    elif datasets[0].endswith((".tgz", ".tar.gz")) or any(
        file.startswith(_LINES) for file in unused
    ):
        name = "mmcommons"
    else:
        name = "v2"
    return Edition(name, datasets, packs, _missing(name, packs), unused)


def _missing(name: str, packs: Mapping[Pack, str]) -> tuple[str, ...]:
    return tuple(pack.value for pack in _PACKS_OF[name] if pack not in packs)


def stem_of(file: str, pack: Pack | None) -> str:
    """The name without a packing under which a file was published; v2's if it has another name.

    Parameters
    ----------
    file : str
    pack : Pack, optional
        None: it is the dataset, or a part of it.

    Examples
    --------
    >>> stem_of("yfcc100m_autotags-v1.tgz", Pack.AUTOTAGS), stem_of("mine.csv", None)
    ('yfcc100m_autotags-v1', 'yfcc100m_dataset')
    """
    stems = (_DATASET, *_PARTS) if pack is None else _PACK_STEMS[pack]
    return next((stem for stem in stems if file.removeprefix(stem) in _SUFFIXES), stems[0])


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
    lines = [line for line in first_lines if line]
    if lines and all(b"\t" not in each and each.count(b",") > _MANY_COMMAS for each in lines):
        raise SourceDamaged(
            f"{file}: expected tabs between the columns, as the dataset has them whatever the "
            "file's suffix, got commas. Convert the file: commas are data inside its columns."
        )
    got = sorted({line.count(b"\t") + 1 for line in first_lines})
    raise SourceDamaged(
        f"{file}: expected lines of 25 columns (v2) or 23 (v1) with tabs between them, "
        f"got {got} columns in the first {len(first_lines)} lines. Is it the dataset file?"
    )

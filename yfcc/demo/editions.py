"""The same rows as every edition of the metadata files, in every packing yfcc reads."""

from __future__ import annotations

import bz2
import gzip
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final, Literal

import pyarrow as pa

from yfcc.demo.metadata_files import split_chunk
from yfcc.demo.rows import V1, RowChunk, SampleShape, iter_row_chunks
from yfcc.metadata.unpack.database import TABLE, TABLE_COLUMNS

Packing = Literal["bz2", "gz", "zst", "tgz", "plain"]
_SUFFIX: Final[dict[Packing, str]] = {
    "bz2": ".bz2",
    "gz": ".tsv.gz",
    "zst": ".tsv.zst",
    "tgz": ".tgz",
    "plain": ".tsv",
}
_MMCOMMONS_STEMS: Final = {
    "dataset": "yfcc100m_dataset",
    "hashes": "yfcc100m_hash",
    "autotags": "yfcc100m_autotags-v1",
    "exif": "yfcc100m_exif",
}
_LINES_STEM: Final = "yfcc100m_lines"
_INTEGERS: Final = {"photoid", "dateuploaded", "accuracy", "serverid", "farmid", "marker"}
_REALS: Final = {"longitude", "latitude"}


@dataclass(frozen=True)
class EditionForm:
    """An edition and its packing.

    Attributes
    ----------
    layout : {"v2", "v1", "mmcommons"}
        Four files of 25 columns; ten of 23 with hashes and autotags; or the five of
        ``s3://mmcommons``.
    packing : {"bz2", "gz", "zst", "tgz", "plain"}
    """

    layout: Literal["v2", "v1", "mmcommons"] = "v2"
    packing: Packing = "bz2"


def write_edition(directory: Path, n_items: int, seed: int, form: EditionForm) -> tuple[Path, ...]:
    """Write the metadata files of a sample as an edition.

    Parameters
    ----------
    directory : Path
        Is made where it does not exist.
    n_items, seed : int
        The rows are those of :func:`yfcc.demo.metadata_files.write_metadata`.
    form : EditionForm

    Returns
    -------
    tuple of Path
        4, 12 or 5 files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    writers: dict[str, _Writer] = {}
    with ExitStack() as stack:
        for stem, text in _iter_texts(n_items, seed, form.layout):
            if stem not in writers:
                path = directory / f"{stem}{_SUFFIX[form.packing]}"
                writers[stem] = stack.enter_context(closing(_Writer(path, form.packing)))
            writers[stem].write(text)
    return tuple(writer.path for writer in writers.values())


def write_database(path: Path, n_items: int, seed: int) -> Path:
    """Write the dataset of a sample as SQLite, in the form of ``s3://multimedia-commons``."""
    kinds = dict.fromkeys(_INTEGERS, "INTEGER") | dict.fromkeys(_REALS, "REAL")
    columns = ", ".join(f"{name} {kinds.get(name, 'TEXT')}" for name in TABLE_COLUMNS)
    places = ", ".join("?" for _ in TABLE_COLUMNS)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {TABLE} ({columns})")
        for chunk in iter_row_chunks(n_items, seed, V1):
            rows = (line.split(b"\t") for line in chunk.dataset.splitlines())
            connection.executemany(
                f"INSERT INTO {TABLE} VALUES ({places})",
                (_as_values(row) for row in rows),
            )
        connection.commit()
    return path


def _as_values(row: list[bytes]) -> list[str | float | None]:
    """Fields of a line for the table; SQLite itself would round degrees in the last digit."""
    texts = [field.decode("ascii") or None for field in row]
    return [
        float(text) if text and name in _REALS else text
        for name, text in zip(TABLE_COLUMNS, texts, strict=True)
    ]


def _iter_texts(
    n_items: int, seed: int, layout: Literal["v2", "v1", "mmcommons"]
) -> Iterator[tuple[str, bytes]]:
    """Parts of files, each with the file's stem."""
    shape = SampleShape() if layout == "v2" else V1
    first_row = 0
    for chunk in iter_row_chunks(n_items, seed, shape):
        if layout == "mmcommons":
            yield from _split_mmcommons(chunk, first_row)
        else:
            for name, text in split_chunk(chunk, first_row, n_items, shape):
                yield name.removesuffix(".bz2"), text
        first_row += chunk.n_rows


def _split_mmcommons(chunk: RowChunk, first_row: int) -> Iterator[tuple[str, bytes]]:
    for field, stem in _MMCOMMONS_STEMS.items():
        yield stem, getattr(chunk, field)
    ids = [line.split(b"\t", 1)[0] for line in chunk.dataset.splitlines()]
    lines = [b"%d\t%s\n" % (number, photo_id) for number, photo_id in enumerate(ids, first_row)]
    yield _LINES_STEM, b"".join(lines)


class _Writer:
    """Text into one packed file."""

    def __init__(self, path: Path, packing: Packing) -> None:
        self.path = path
        self._packing = packing
        self._file: Any = _open_packed(path, packing)

    def write(self, text: bytes) -> None:
        self._file.write(text)

    def close(self) -> None:
        if self._packing == "tgz":
            _write_archive(self.path, self._file)
        self._file.close()


def _open_packed(path: Path, packing: Packing) -> Any:
    if packing == "bz2":
        return bz2.open(path, "wb")
    if packing == "gz":
        return gzip.GzipFile(path, "wb", mtime=0)
    if packing == "zst":
        return pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd")
    # A header of tar has the size of what follows, so that is written first.
    return TemporaryFile() if packing == "tgz" else path.open("wb")


def _write_archive(path: Path, content: IO[bytes]) -> None:
    """A directory with the one file in it."""
    stem = path.name.removesuffix(_SUFFIX["tgz"])
    folder = tarfile.TarInfo(stem)
    folder.type = tarfile.DIRTYPE
    member = tarfile.TarInfo(f"{stem}/{stem}")
    member.size = content.tell()
    content.seek(0)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(folder)
        archive.addfile(member, content)

"""Exports that were made, so that what is removed for good can be removed from them too.

Each is a small file in a register: ``CATALOG.exports/`` beside a catalog for exports of its rows,
``ledger/exports/`` of a mirror (:mod:`yfcc.mirror.exported`) for those with its media. It is
written before the first byte of the export: what a killed one left is known as well.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from yfcc.catalog.connection import target_errors
from yfcc.catalog.publish import fsync_directory, write_durably
from yfcc.errors import SourceChanged

_SUFFIX: Final = ".json"

#: Of somebody who may read only: exports are made all the same.
MAY_NOT_WRITE: Final = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


@dataclass(frozen=True, slots=True)
class Exported:
    """An export, as a register knows it.

    Attributes
    ----------
    address : str
        An absolute path, or ``s3://bucket/prefix``.
    form : str
        ``webdataset``, ``imagefolder``, ``parquet`` or ``tsv``.
    """

    address: str
    form: str

    @property
    def name(self) -> str:
        """Of its file in a register: the same for the same address."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:32] + _SUFFIX


def make_exported(out: str, form: str) -> Exported:
    """An export to what a user named.

    Examples
    --------
    >>> make_exported("s3://bucket/cats/", "parquet").address
    's3://bucket/cats'
    """
    return Exported(out.rstrip("/") if "://" in out else str(Path(out).resolve()), form)


def encode_exported(exported: Exported) -> bytes:
    """The content of an export's file in a register."""
    return orjson.dumps(exported, option=orjson.OPT_APPEND_NEWLINE)


def decode_exported(contents: Iterable[bytes | None]) -> list[Exported]:
    """The exports of a register, by address; what is no export's file is passed over."""
    found = []
    for content in contents:
        with suppress(orjson.JSONDecodeError, TypeError, KeyError):
            told = orjson.loads(content or b"")
            found.append(Exported(str(told["address"]), str(told["form"])))
    return sorted(found, key=lambda each: each.address)


def is_register_name(name: str) -> bool:
    """Whether a file of a register is an export's."""
    return name.endswith(_SUFFIX)


def _register(catalog: Path) -> Path:
    return catalog.with_name(f"{catalog.name}.exports")


def identify_catalog(catalog: Path) -> tuple[int, int] | None:
    """What tells a catalog from one that is published in its place; None if there is none."""
    try:
        there = catalog.stat()
    except OSError:
        return None
    return there.st_ino, there.st_mtime_ns


def note_beside(catalog: Path, exported: Exported, opened: tuple[int, int] | None) -> bool:
    """Note an export of a catalog's rows, durably.

    Parameters
    ----------
    catalog : Path
    exported : Exported
    opened : tuple of int
        What identified the catalog before it was opened. Who removes rows replaces the catalog
        first, and looks for exports then.

    Returns
    -------
    bool
        False: nothing may be written there, so ``yfcc forget`` will not know of it.

    Raises
    ------
    TargetError
        The disk is full or fails.
    SourceChanged
        The catalog was replaced since it was opened.
    """
    register = _register(catalog)
    with target_errors(register):
        try:
            register.mkdir(exist_ok=True)
            fsync_directory(register.parent)
            write_durably(register / exported.name, encode_exported(exported))
        except OSError as error:
            if error.errno in MAY_NOT_WRITE:
                return False
            raise
    if identify_catalog(catalog) != opened:
        raise SourceChanged(f"{catalog}: was replaced while it was read; run again.")
    return True


def read_beside(catalog: Path) -> list[Exported]:
    """Exports of a catalog's rows.

    Raises
    ------
    OSError
        The register cannot be read.
    """
    register = _register(catalog)
    if not register.is_dir():
        return []
    paths = [path for path in register.iterdir() if is_register_name(path.name)]
    return decode_exported(path.read_bytes() for path in paths)


def drop_beside(catalog: Path, exported: Exported) -> None:
    """Forget about an export."""
    with suppress(OSError):
        (_register(catalog) / exported.name).unlink(missing_ok=True)

"""The register of a mirror's exports: ``ledger/exports/``, a file for each."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import Final

from yfcc.catalog.exported import (
    MAY_NOT_WRITE,
    Exported,
    decode_exported,
    encode_exported,
    is_register_name,
)
from yfcc.errors import TargetError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.tree import list_names, replace_file

EXPORTS: Final = "exports"


def note_export(mirror: AnyMirror, exported: Exported) -> bool:
    """Note an export of a mirror's media, durably.

    Returns
    -------
    bool
        False: the mirror may not be written, so ``yfcc forget`` will not know of the export.

    Raises
    ------
    TargetError
        Its disk is full or fails.
    """
    content = encode_exported(exported)
    if not isinstance(mirror, Mirror):
        try:
            mirror.objects.put(f"{LEDGER}/{EXPORTS}/{exported.name}", content)
        except TargetError:  # a bucket is never full: it may only be read
            return False
        return True
    with target_errors(f"write {mirror.name(LEDGER, EXPORTS)}"):
        try:
            fd = mirror.open_directory(LEDGER, EXPORTS, create=True)
            try:
                replace_file(mirror.disk, fd, fd, exported.name, content)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in MAY_NOT_WRITE:
                return False
            raise
    return True


def read_exports(mirror: AnyMirror) -> list[Exported]:
    """Exports of a mirror, by address.

    Raises
    ------
    TargetError
        The mirror cannot be read.
    """
    names = filter(is_register_name, _list(mirror))
    read = partial(mirror.read, LEDGER, EXPORTS)
    if isinstance(mirror, Mirror):
        return decode_exported(map(read, names))
    return decode_exported(mirror.map_ahead(read, names))


def _list(mirror: AnyMirror) -> list[str]:
    if not isinstance(mirror, Mirror):
        return mirror.list_names(LEDGER, EXPORTS)
    with target_errors(f"read {mirror.name(LEDGER, EXPORTS)}"):
        try:
            fd = mirror.open_directory(LEDGER, EXPORTS)
        except FileNotFoundError:
            return []
        try:
            return list_names(fd)
        finally:
            os.close(fd)


def drop_export(mirror: AnyMirror, exported: Exported) -> None:
    """Forget about an export.

    Raises
    ------
    TargetError
        The mirror cannot be written.
    """
    if not isinstance(mirror, Mirror):
        mirror.objects.delete([f"{LEDGER}/{EXPORTS}/{exported.name}"])
        return
    with target_errors(f"write {mirror.name(LEDGER, EXPORTS)}"), suppress(FileNotFoundError):
        fd = mirror.open_directory(LEDGER, EXPORTS)
        try:
            mirror.disk.unlink(exported.name, dir_fd=fd)
        finally:
            os.close(fd)

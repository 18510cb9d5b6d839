"""The catalogs that this process has open to read: each once, for all who ask for it.

DuckDB gives all who connect to a file in one process the same instance, and what that may reach is
settled for good when it is first opened. So the second to open a catalog shares the first one's
instance, its memory and its folder for temporary files.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from yfcc.catalog.connection import Limits, confine, connect_reader, quoted
from yfcc.catalog.scratch import Scratch
from yfcc.errors import TargetError, UsageError

FileNumber = tuple[int, int]


@dataclass(slots=True)
class OpenFile:
    """A catalog's file, open and confined.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        To be copied by who uses it.
    number : tuple of int and int, optional
        Tells the file from others that had, or will have, its name.
    scratch : Scratch or TargetError
        Folder for what is written on the side, DuckDB's spill too; or why there is none.
    owner : int
        The process that opened it.
    """

    connection: duckdb.DuckDBPyConnection
    number: FileNumber | None
    scratch: Scratch | TargetError
    n_users: int = 1
    owner: int = field(default_factory=os.getpid)


#: What a fork has of its parent's; never closed there.
_inherited: list[OpenFile] = []
_open: dict[Path, OpenFile] = {}
_lock = threading.RLock()


def borrow(path: Path, limits: Limits, folders: Sequence[str], files: Sequence[str]) -> OpenFile:
    """Open a catalog's file, or share it with who has it open.

    Parameters
    ----------
    path : Path
    limits : Limits
        Of who opens it first.
    folders, files : sequence of str
        What its SQL may reach; only the first to open it can ask for any.

    Raises
    ------
    SourceError
        It is missing, or no catalog.
    LockedError
        A writer has it open.
    UsageError
        The file was replaced since it was opened by somebody who still has it open.
    """
    with _lock:
        found = _open.get(path.absolute())
        if found is None:
            found = _open[path.absolute()] = _first(path, limits, folders, files)
            return found
        if found.number != file_number(path):
            raise UsageError(
                f"{path}: the file was replaced while this program has the earlier one open: "
                "close that first."
            )
        if folders or files:
            raise UsageError(f"{path}: this program has it open already: close it first.")
        found.n_users += 1
        return found


def give_back(path: Path, file: OpenFile) -> None:
    """Use a file no longer; with its last user it is closed."""
    if file.owner != os.getpid():
        # DuckDB would wait for threads that a fork has not.
        _inherited.append(file)
        return
    with _lock:
        file.n_users -= 1
        if file.n_users:
            return
        _open.pop(path.absolute(), None)
        file.connection.close()
        if isinstance(file.scratch, Scratch):
            file.scratch.close()


def file_number(path: Path) -> FileNumber | None:
    """Which file has a name at present; None: none has."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _first(path: Path, limits: Limits, folders: Sequence[str], files: Sequence[str]) -> OpenFile:
    number = file_number(path)
    connection = connect_reader(path, limits)
    scratch = _make_scratch(path)
    allowed = list(folders)
    if isinstance(scratch, Scratch):
        allowed.append(str(scratch.path))
        connection.execute(f"SET temp_directory = '{quoted(scratch.path)}'")
    confine(connection, allowed, files)
    return OpenFile(connection, number, scratch)


def _make_scratch(path: Path) -> Scratch | TargetError:
    """Most of what is asked needs no disk: then a place without any will do."""
    try:
        return Scratch(path)
    except TargetError as error:
        return error

"""Connections to DuckDB, and its errors in the user's words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from yfcc.errors import LockedError, SourceDamaged, SourceMissing, TargetError, UsageError

#: Texts of the system's errors as they stand in DuckDB's messages.
_TARGET_TEXTS: Final = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Permission denied",
    "Input/output error",
    "File too large",
    "Too many open files",
)
_TARGET_ERRNOS: Final = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
}


#: Two thirds of DuckDB's own: less waits in memory to be compressed, and it is done in smaller
#: portions, between which the other cores do not run out of work. Less makes larger files.
ROW_GROUP_ROWS: Final = 81_920
_LEAST_BYTES: Final = 900 * 10**6
#: In a notebook DuckDB draws a bar of its own, on the standard output.
_NO_BAR: Final = "SET enable_progress_bar = false"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may use.

    Attributes
    ----------
    memory : str
        DuckDB's own memory, ``'800MB'``.
    n_threads : int, optional
        None: one a core.
    """

    memory: str = "800MB"
    n_threads: int | None = None


def _config(path: Path, limits: Limits) -> dict[str, Any]:
    config: dict[str, Any] = {
        "memory_limit": limits.memory,
        "temp_directory": f"{path}.spill",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if limits.n_threads:
        config["threads"] = limits.n_threads
    return config


def connect_writer(path: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    """A connection that builds a file; it spills beside the file, never elsewhere."""
    connection = duckdb.connect(config=_config(path, limits))
    connection.execute(_NO_BAR)
    # Each of the few files that a build reads back is read once.
    connection.execute("SET enable_external_file_cache = false")
    connection.execute(f"ATTACH '{quoted(path)}' AS catalog (ROW_GROUP_SIZE {ROW_GROUP_ROWS})")
    connection.execute("USE catalog")
    return connection


def quoted(value: Path | str) -> str:
    """Text as it stands between SQL's single quotes."""
    return str(value).replace("'", "''")


def connect_reader(path: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    """A connection that only reads a published catalog.

    Raises
    ------
    SourceMissing
        No such file.
    SourceDamaged
        The file is no catalog.
    LockedError
        A writer has it open.
    """
    if not path.is_file():
        raise SourceMissing(
            f"{path}: no catalog there. Build one with `yfcc metadata --catalog {path}`, "
            "or name another with --catalog."
        )
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_config(path, limits))
        connection.execute(_NO_BAR)
        connection.execute("SELECT photo_id FROM items LIMIT 0")
    except duckdb.Error as error:
        text = str(error)
        if "lock" in text and "PID" in text:
            raise LockedError(f"{path}: another program has the catalog open: {text}") from error
        raise SourceDamaged(
            f"{path}: expected a catalog of yfcc, but it cannot be opened as one: "
            f"{text.splitlines()[0]}. Build it again with `yfcc metadata`."
        ) from error
    return connection


@contextmanager
def target_errors(path: Path) -> Iterator[None]:
    """Turn what a full, read-only or failing disk raises into a :class:`TargetError`."""
    try:
        yield
    except duckdb.Error as error:
        if any(text in str(error) for text in _TARGET_TEXTS):
            raise _target_error(path, str(error).splitlines()[0]) from error
        raise
    except OSError as error:
        if error.errno in _TARGET_ERRNOS:
            raise _target_error(path, error.strerror or str(error)) from error
        raise


def _target_error(path: Path, what: str) -> TargetError:
    return TargetError(
        f"{path}: cannot be written: {what}. Nothing was published. "
        "Free space there or name another place, then run again."
    )


def parse_memory(text: str) -> int:
    """Bytes of ``2GB``, ``900MB`` or ``1.5GiB``.

    Raises
    ------
    UsageError
        Not a size of at least 900 MB: with the libraries and the room for decompression a build
        of a million rows took 886 MB.

    Examples
    --------
    >>> parse_memory("2GB")
    2000000000
    """
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    units |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
    upper = text.strip().upper()
    for unit, factor in sorted(units.items(), key=lambda pair: -len(pair[0])):
        if upper.endswith(unit):
            try:
                n_bytes = int(float(upper.removesuffix(unit)) * factor)
            except (ValueError, OverflowError):
                break
            if n_bytes < _LEAST_BYTES:
                raise UsageError(f"--memory-limit {text}: expected at least 900MB.")
            return n_bytes
    raise UsageError(f"--memory-limit {text}: expected a size like 900MB, 2GB or 1.5GiB.")

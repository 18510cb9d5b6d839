"""Connections to DuckDB, and its errors in the user's words."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from yfcc.catalog.publish import find_holder
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
    "fsync failed",  # DuckDB's own words for EIO
)
#: Those that no free space mends.
_FAILING_TEXTS: Final = ("Input/output error", "fsync failed")
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


def _config(limits: Limits, spill: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "memory_limit": limits.memory,
        "temp_directory": spill,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if limits.n_threads:
        config["threads"] = limits.n_threads
    return config


def connect_writer(path: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    """A connection that builds a file; it spills beside the file, never elsewhere."""
    connection = duckdb.connect(config=_config(limits, f"{path}.spill"))
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

    It spills nowhere, as other processes may read the same file: spill files have fixed names.
    Who needs it sets ``temp_directory`` to a folder of its own.

    Raises
    ------
    SourceMissing
        No such file.
    SourceDamaged
        The file is no catalog.
    LockedError
        It is being built, or a writer has it open.
    """
    if not path.is_file():
        holder = find_holder(path.with_name(f"{path.name}.lock")) if path.name else None
        if holder:
            raise LockedError(
                f"{path} is being built by process {holder}: wait until it is done. A catalog "
                "appears whole or not at all."
            )
        raise SourceMissing(
            f"{path}: no catalog there. Build one with `yfcc metadata --catalog {path}`, "
            "or name another with --catalog."
        )
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_config(limits, ""))
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


def confine(
    connection: duckdb.DuckDBPyConnection, folders: Iterable[str], files: Iterable[str]
) -> None:
    """From now on, and for good, SQL reaches no files but the database's own and these.

    Without it any ``SELECT`` may read ``/etc/passwd`` or write what it found elsewhere, as
    ``read_text`` and ``glob`` are functions like others.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        All connections to its file in this process are meant.
    folders : iterable of str
        With all that is below them.
    files : iterable of str
        Also ``s3://bucket/key``.
    """
    settings = {"allowed_directories": folders, "allowed_paths": files}
    for name, places in settings.items():
        allowed = ", ".join(f"'{quoted(place)}'" for place in places)
        connection.execute(f"SET {name} = [{allowed}]")
    connection.execute("SET allow_community_extensions = false")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")


def output_files(target: str) -> list[str]:
    """What DuckDB writes to on the way to an output file: a ``tmp_`` beside it, then the file."""
    folder, slash, name = target.rpartition("/")
    return [target, f"{folder}{slash}tmp_{name}"]


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
    is_failing = any(text in what for text in _FAILING_TEXTS)
    advice = (
        "Look at the system's log before you trust that disk again, and run again, or name another "
        "place."
        if is_failing
        else "Free space there or name another place, then run again."
    )
    return TargetError(f"{path}: cannot be written: {what}. Nothing was published. {advice}")


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

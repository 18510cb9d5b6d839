"""The dataset as a table of SQLite, as lines of the 23-column layout.

The file of ``s3://multimedia-commons/tools/etc``: one table, columns named otherwise than here,
no line number, no hash, no packs. We take its text for form-encoded, as in every other edition.
NULL becomes an empty field, numbers become digits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from yfcc.errors import SourceChanged, SourceDamaged
from yfcc.metadata.bzip2 import BlockPosition, RawBlock
from yfcc.metadata.layouts import COLUMNS_V1
from yfcc.metadata.unpack.pieces import NO_BLOCK

TABLE: Final = "yfcc100m_dataset"
#: The table's names for the columns of the 23-column layout, in its order.
TABLE_COLUMNS: Final = (
    "photoid",
    "uid",
    "unickname",
    "datetaken",
    "dateuploaded",
    "capturedevice",
    "title",
    "description",
    "usertags",
    "machinetags",
    "longitude",
    "latitude",
    "accuracy",
    "pageurl",
    "downloadurl",
    "licensename",
    "licenseurl",
    "serverid",
    "farmid",
    "secret",
    "secretoriginal",
    "ext",
    "marker",
)
_HEADER_BYTES: Final = 100
#: Rows asked for at a time, and bytes of lines that make a block.
_FETCH_ROWS: Final = 500
_BLOCK_BYTES: Final = 1 << 20
#: Longest row SQLite may hand out; beyond 4 MiB a line is rejected anyway.
_MAX_ROW_BYTES: Final = 64 << 20


def iter_database(path: Path, url: str, start: BlockPosition | None) -> Iterator[RawBlock]:
    r"""Rows of the dataset's table in the order of their rowids, a line each.

    A row with a tab or a newline inside a value cannot be a line: it becomes one with a column
    too many, which says so and is rejected. Its newlines are written ``\n``.

    Parameters
    ----------
    path : Path
    url : str
        For messages.
    start : BlockPosition, optional
        Reading goes on at the row that ``bit`` stands for.

    Raises
    ------
    SourceDamaged
        Truncated or damaged, or without the expected table and columns.
    SourceChanged
        The file changes while it is read, or something still writes to it.
    """
    _check_whole(path, url)
    version = _version(path)
    try:
        with closing(_connect(path)) as connection:
            _check_table(connection, url)
            places = _Places.of(connection, path.stat().st_size)
            first_row = places.row_at(start.bit) if start else None
            raw_offset = start.raw_offset if start else 0
            for rowid, next_row, raw in _iter_lines(connection, first_row):
                if _version(path) != version:
                    raise SourceChanged(f"{url}: the file changed while it was read. Run again.")
                before = places.position(rowid, raw_offset)
                raw_offset += len(raw)
                yield RawBlock(before, places.position(next_row, raw_offset), raw)
    except sqlite3.Error as error:
        raise SourceDamaged(
            f"{url}: SQLite cannot read it: {error}. The copy is damaged; fetch the file again."
        ) from error


@dataclass(frozen=True, slots=True)
class _Places:
    """Rowids as places in the file, so that a place tells both the row and how far it is.

    Attributes
    ----------
    first_row : int
    bits_per_row : int
        Of the file; a whole number, so that the row comes back exactly.
    """

    first_row: int
    bits_per_row: int

    @classmethod
    def of(cls, connection: sqlite3.Connection, n_bytes: int) -> _Places:
        first, last = connection.execute(f"SELECT min(rowid), max(rowid) FROM {TABLE}").fetchone()
        if first is None:
            return cls(0, 1)
        return cls(first, max(1, n_bytes * 8 // (last - first + 1)))

    def position(self, rowid: int, raw_offset: int) -> BlockPosition:
        bit = (rowid - self.first_row) * self.bits_per_row
        return BlockPosition(bit, NO_BLOCK, 0, raw_offset)

    def row_at(self, bit: int) -> int:
        return bit // self.bits_per_row + self.first_row


def _connect(path: Path) -> sqlite3.Connection:
    # Immutable: no lock, no look at a journal. That nothing writes is checked beforehand.
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    # Read in the thread that asks for blocks, which need not be the one that opened it.
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW_BYTES)
    # A database from anywhere: its schema may call no functions of its own.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _check_whole(path: Path, url: str) -> None:
    """Compare the file's size with what its header says (SQLite, "Database File Format", 1.3)."""
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists() and beside.stat().st_size:
            raise SourceChanged(
                f"{url}: {beside.name} lies beside it: something writes to the database, or was "
                "stopped while it did. Open and close it with sqlite3, then run again."
            )
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    n_pages = int.from_bytes(header[28:32], "big")
    # Writers older than 3.7 leave the count as it was; then the change counters differ.
    is_counted = n_pages and header[24:28] == header[92:96]
    if len(header) < _HEADER_BYTES or (is_counted and n_bytes < n_pages * page_bytes):
        raise SourceDamaged(
            f"{url}: truncated: expected {n_pages * page_bytes:,} bytes as its header says, got "
            f"{n_bytes:,}. Fetch the file again."
        )


def _check_table(connection: sqlite3.Connection, url: str) -> None:
    found = [row[1].decode().lower() for row in connection.execute(f"PRAGMA table_info({TABLE})")]
    if not found:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = ", ".join(name.decode() for (name,) in tables.fetchmany(5))
        raise SourceDamaged(
            f"{url}: expected a table {TABLE}, got {names or 'no table at all'}. "
            "Is it the dataset's database?"
        )
    lacking = [name for name in TABLE_COLUMNS if name not in found]
    if lacking:
        raise SourceDamaged(
            f"{url}: expected the table {TABLE} to have {', '.join(TABLE_COLUMNS)}; it lacks "
            f"{', '.join(lacking)} and has {', '.join(found)}."
        )


def _iter_lines(
    connection: sqlite3.Connection, first_row: int | None
) -> Iterator[tuple[int, int, bytes]]:
    """Lines of some rows, with the first rowid and the first of what follows."""
    query = f"SELECT rowid, {', '.join(TABLE_COLUMNS)} FROM {TABLE}"
    condition, values = ("", ()) if first_row is None else (" WHERE rowid >= ?", (first_row,))
    cursor = connection.execute(f"{query}{condition} ORDER BY rowid", values)
    parts: list[bytes] = []
    n_bytes = first = last = 0
    has_last = False
    while rows := cursor.fetchmany(_FETCH_ROWS):
        rowids = [row[0] for row in rows]
        # A damaged tree can lead in circles, and SQLite follows.
        if rowids != sorted(rowids) or (has_last and rowids[0] <= last):
            raise sqlite3.DatabaseError(f"rows out of order near rowid {rowids[0]}")
        if not parts:
            first = rowids[0]
        last, has_last = rowids[-1], True
        parts.append(_lines(rows))
        n_bytes += len(parts[-1])
        if n_bytes >= _BLOCK_BYTES:
            yield first, last + 1, b"".join(parts)
            parts, n_bytes = [], 0
    if parts:
        yield first, last + 1, b"".join(parts)


def _lines(rows: list[tuple[Any, ...]]) -> bytes:
    """Rows as lines; looked at one by one only if a value has a tab or a newline inside."""
    # Inline, not _field: 2,300 million values.
    lines = [
        b"\t".join([value if type(value) is bytes else _field(value) for value in row[1:]])
        for row in rows
    ]
    text = b"\n".join([*lines, b""])
    n_tabs = len(rows) * (len(COLUMNS_V1) - 1)
    if text.count(b"\n") == len(rows) and text.count(b"\t") == n_tabs:
        return text
    return b"\n".join([*(_checked(row, line) for row, line in zip(rows, lines, strict=True)), b""])


def _field(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    # repr of a float gives back the same float.
    return b"" if value is None else repr(value).encode("ascii")


def _checked(row: tuple[Any, ...], line: bytes) -> bytes:
    """A row's line; with a column too many if it would not come back as the same row."""
    if b"\n" not in line and line.count(b"\t") == len(COLUMNS_V1) - 1:
        return line
    names = zip(TABLE_COLUMNS, row[1:], strict=True)
    wrong = [name for name, value in names if any(sign in _field(value) for sign in (b"\t", b"\n"))]
    note = f"SQLite row {row[0]}: a tab or a newline inside {', '.join(wrong)}"
    return line.replace(b"\n", b"\\n") + b"\t" + note.encode("ascii")


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns

"""A list of items in a file: photo ids or photo hashes, as people and other tools write them.

Understood, also packed as bzip2, gzip or zstd, by the bytes and not by the name:

- one id or hash a line; what follows behind a tab, comma, semicolon or blank is left alone, so
  that a table whose first column holds them will do, with or without a header;
- the choice CLIP was trained on, ``yfcc100m_subset_data.tsv``: line number, photo id and photo
  hash, separated by tabs (https://github.com/openai/CLIP/blob/main/data/yfcc100m.md), and the
  dataset's own lines, which begin alike. There the id counts.

Blank lines and those that begin with ``#`` are skipped. Anything else is refused with its line.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from os import cpu_count
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from yfcc.errors import UsageError
from yfcc.metadata.bzip2 import BlockPosition, RawBlock
from yfcc.metadata.lines import MAX_LINE_BYTES, LineChunk
from yfcc.metadata.source.directory import DirectorySource
from yfcc.metadata.unpack import iter_unpacked
from yfcc.metadata.unpack.packing import HEAD_BYTES, is_page

_MAX_ID: Final = 2**63 - 1
_FIELD: Final = re.compile(rb"""[ ]*(["']?)([^\t,; "']*)\1[ ]*(?:[\t,; ].*)?""", re.DOTALL)
_CLIP: Final = re.compile(rb"[0-9]+\t([1-9][0-9]*)\t[0-9a-f]{16,32}(?:\t.*)?", re.DOTALL)
_ID: Final = re.compile(rb"[1-9][0-9]{0,18}")
_HASH: Final = re.compile(rb"[0-9a-fA-F]{16,32}")
_HEADERS: Final = frozenset({b"photo_id", b"photoid", b"id", b"photo_hash", b"hash"})
#: Characters of a path that a message repeats.
_LONGEST_NAME: Final = 1_000
_MARK: Final = b"\xef\xbb\xbf"

#: Whole lines as most lists have them, found without a step of Python a line. Whatever they do
#: not match is looked at line by line, by the rules above.
_FAST_ID: Final = re.compile(rb"^([1-9][0-9]{0,17})(?:[\t,; ][^\n]*|\r)?\n", re.MULTILINE)
_FAST_HASH: Final = re.compile(rb"^([0-9a-f]{20,32})(?:[\t,; ][^\n]*|\r)?\n", re.MULTILINE)
_FAST_CLIP: Final = re.compile(
    rb"^[0-9]+\t([1-9][0-9]{0,17})\t[0-9a-f]{16,32}(?:[\t\r][^\n]*)?\n", re.MULTILINE
)
#: A list that consists of this line was meant to have more of them.
_SEVERAL: Final = re.compile(rb"\s*[0-9]+(?:[,; ]+[0-9]+){2,}[,; ]*\s*")
#: Nobody reads a list again from its middle.
_NOWHERE: Final = BlockPosition(bit=0)
#: A line that begins so may be CLIP's: the first column is not its id.
_LIKE_CLIP: Final = re.compile(rb"^[0-9]+\t[0-9]+\t[0-9a-f]{16}", re.MULTILINE)

#: Columns of the file that is written: one of the two is set.
_SCHEMA: Final = pa.schema([("photo_id", pa.int64()), ("photo_hash", pa.string())])


def write_listed(path: Path, target: Path) -> None:
    """Read a list, in a stream, and write it as Parquet.

    Parameters
    ----------
    path : Path
        Any of the forms above.
    target : Path
        Columns ``photo_id`` and ``photo_hash``, one of them set in each row; in the list's order.

    Raises
    ------
    UsageError
        No such file, a line that is neither id nor hash, or nothing listed.
    SourceDamaged
        The file cannot be unpacked.
    """
    n_rows = 0
    with pq.ParquetWriter(target, _SCHEMA, compression="zstd") as writer:
        for batch in iter_listed(path):
            writer.write_batch(batch)
            n_rows += batch.num_rows
    if not n_rows:
        raise UsageError(f"--ids {path}: the file lists nothing; expected a photo id a line.")


def iter_listed(path: Path) -> Iterator[pa.RecordBatch]:
    """The ids and hashes of a list, a few megabytes of lines at a time."""
    what = _why_no_file(path)
    if what:
        name = str(path) if len(str(path)) <= _LONGEST_NAME else f"{str(path)[:40]}…"
        raise UsageError(f"--ids {name}: {what}; expected a file with a photo id or hash a line.")
    if not path.stat().st_size:
        raise UsageError(f"--ids {path}: the file is empty; expected a photo id a line.")
    _check_beginning(path)
    source = DirectorySource(path)
    (source_object,) = source.list_objects()
    with ThreadPoolExecutor(cpu_count() or 1, "unpack") as executor:
        blocks = iter_unpacked(source, source_object, executor, ahead=4)
        for chunk in _iter_chunks(blocks, str(path)):
            if not chunk.first_line and chunk.n_lines == 1 and _SEVERAL.fullmatch(chunk.data):
                raise UsageError(
                    f"--ids {path}, line 1: expected one photo id a line, got several in one line."
                )
            yield _batch_of(chunk)


def _iter_chunks(blocks: Iterable[RawBlock], file: str) -> Iterator[LineChunk]:
    """Whole lines, as :func:`yfcc.metadata.lines.iter_line_chunks` cuts them.

    What counts lines there is compiled, which takes longer to load than a list to read.
    """
    n_lines, rest = 0, b""
    for block in chain(blocks, [None]):
        # The last line may lack its newline.
        raw = rest + block.raw if block else rest + b"\n" * bool(rest)
        end, found = raw.rfind(b"\n") + 1, raw.count(b"\n")
        rest = raw[end:]
        if len(rest) > MAX_LINE_BYTES:
            raise UsageError(
                f"--ids {file}, line {n_lines + found + 1}: expected a photo id or hash, "
                f"got a line of more than {MAX_LINE_BYTES:,} bytes."
            )
        if end:
            yield LineChunk(file, raw[:end], found, n_lines, 0, _NOWHERE)
            n_lines += found


def _check_beginning(path: Path) -> None:
    """Refuse what other programs write and call text."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    what = "a web page" if is_page(head) else None
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        what = "text in UTF-16 (save it as UTF-8)"
    if what:
        raise UsageError(f"--ids {path}, line 1: expected a photo id or hash, got {what}.")


def _why_no_file(path: Path) -> str | None:
    try:
        if path.is_file():
            return None
        if path.is_dir():
            return "a directory"
        # It is read more than once.
        return "neither file nor directory" if path.exists() else "no such file"
    except OSError as error:
        return error.strerror or str(error)


def _batch_of(chunk: LineChunk) -> pa.RecordBatch:
    has_clip = _LIKE_CLIP.search(chunk.data) is not None
    for pattern in (_FAST_CLIP,) if has_clip else (_FAST_ID, _FAST_HASH):
        found = pattern.findall(chunk.data)
        if len(found) == chunk.n_lines:
            values = pa.array(found, pa.string())
            if pattern is _FAST_HASH:
                return _batch(pa.nulls(len(found), pa.int64()), values)
            return _batch(values.cast(pa.int64()), pa.nulls(len(found), pa.string()))
    return _batch_by_line(chunk)


def _batch(ids: pa.Array, hashes: pa.Array) -> pa.RecordBatch:
    return pa.record_batch([ids, hashes], schema=_SCHEMA)


def _batch_by_line(chunk: LineChunk) -> pa.RecordBatch:
    ids: list[int | None] = []
    hashes: list[str | None] = []
    for number, line in enumerate(chunk.data.split(b"\n")[:-1], chunk.first_line + 1):
        try:
            found = parse_listed(line, is_first=number == 1)
        except ValueError as error:
            raise UsageError(
                f"--ids {chunk.file}, line {number}: expected a photo id (digits) or a photo hash "
                f"(16 to 32 hex digits), got {error}."
            ) from error
        if found is not None:
            ids.append(found if isinstance(found, int) else None)
            hashes.append(found if isinstance(found, str) else None)
    return _batch(pa.array(ids, pa.int64()), pa.array(hashes, pa.string()))


def parse_listed(line: bytes, *, is_first: bool = False) -> int | str | None:
    r"""What a line names: an id, a hash, or nothing if it is blank, a comment or a header.

    Parameters
    ----------
    line : bytes
        Without its newline.
    is_first : bool
        Whether it may be a header.

    Raises
    ------
    ValueError
        It is none of these; the text says what it is instead.

    Examples
    --------
    >>> parse_listed(b"4207153986,A title,by-sa")
    4207153986
    >>> parse_listed(b"17\t4207153986\t0123456789abcdef0123456789abcdef")
    4207153986
    """
    line = line.rstrip(b"\r \t")
    if is_first:
        line = line.removeprefix(_MARK)
    if not line or line.startswith(b"#"):
        return None
    clip = _CLIP.fullmatch(line)
    match = _FIELD.fullmatch(line)
    text = clip[1] if clip else match[2] if match else b""
    if _ID.fullmatch(text) and int(text) <= _MAX_ID:
        return int(text)
    # Digits alone are too many for an id, yet may be a hash.
    if _HASH.fullmatch(text):
        return text.decode("ascii").lower()
    if is_first and text.lower() in _HEADERS:
        return None
    raise ValueError(ascii(line[:60].decode("utf-8", "replace")))

"""Objects of the embedded S3 server: ETags, ranges, preconditions."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class ByteRange:
    """The bytes `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


class UnsatisfiableRangeError(ValueError):
    """The range lies behind the end of the object (416)."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """What a Range header asks of an object of `size` bytes.

    Returns
    -------
    ByteRange or None
        None for the whole object: no header, or one that RFC 9110 lets a server ignore
        (another unit, several ranges, first behind last).

    Raises
    ------
    UnsatisfiableRangeError
        If no byte of the object is asked for.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
        if last and int(first) > int(last):
            return None
    elif last:
        start, end = max(0, size - int(last)), size - 1
    else:
        return None
    if start > end:
        raise UnsatisfiableRangeError(f"{header} of {size} bytes")
    return ByteRange(start, end)


def matches_etag(header: str, etag: str) -> bool:
    """Whether an If-Match or If-None-Match header names `etag`, which is without quotes."""
    names = {name.strip().removeprefix("W/").strip('"') for name in header.split(",")}
    return "*" in names or etag in names


class EtagCache:
    """MD5 of files, computed once for each path, size and time of change."""

    def __init__(self) -> None:
        self._etags: dict[tuple[str, int, int], str] = {}

    def find(self, path: Path, size: int, mtime_ns: int) -> str | None:
        """The ETag if it is known already; reads no file."""
        return self._etags.get((str(path), size, mtime_ns))

    def compute(self, path: Path) -> str:
        """32 hex digits: the ETag S3 gives an object that was put in one piece."""
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._etags:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            self._etags[key] = digest.hexdigest()
        return self._etags[key]

"""An export that is there, looked at from outside: in a directory or in a bucket."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from yfcc.catalog.publish import fsync_directory
from yfcc.config import s3_endpoint_url
from yfcc.mirror.bucket.objects import Objects

_STREAM_BYTES: Final = 1 << 18


class NoExport(Exception):  # noqa: N818 - an answer, no error
    """Nothing is there that an export wrote."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed from an export.

    Attributes
    ----------
    n_items : int
    is_done : bool
        Whether nothing that is under way may bring an item back.
    refusal : str or None
        Why a bucket may keep old versions of what was removed.
    """

    n_items: int
    is_done: bool = True
    refusal: str | None = None


@dataclass(slots=True)
class ExportDirectory:
    """An export's directory, to look at."""

    root: Path

    def read(self, name: str) -> bytes | None:
        """A file; None if there is none."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: str) -> list[str]:
        """Files and folders of a folder."""
        return [f"{folder}/{path.name}" for path in (self.root / folder).glob("*")]

    def open(self, name: str) -> IO[bytes]:
        """A file, to be closed."""
        return (self.root / name).open("rb")

    def stream(self, name: str) -> IO[bytes]:
        """A file to be read once from its beginning to its end, and closed."""
        return self.open(name)

    def delete(self, names: list[str]) -> None:
        """Remove files, durably."""
        for name in names:
            (self.root / name).unlink(missing_ok=True)
        for folder in {(self.root / name).parent for name in names}:
            if folder.is_dir():
                fsync_directory(folder)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class ExportObjects:
    """An export's prefix of a bucket, to look at."""

    objects: Objects

    def read(self, name: str) -> bytes | None:
        """A file; None if there is none."""
        return self.objects.get(name)

    def names(self, folder: str) -> list[str]:
        """Files and folders of a folder."""
        names, folders = self.objects.list_folder(f"{folder}/")
        return [f"{folder}/{name}" for name in names + folders]

    def open(self, name: str) -> IO[bytes]:
        """A file, to be closed."""
        stream = TemporaryFile()  # noqa: SIM115 - closed by the caller
        if self.objects.measure(name, lambda piece: _append(stream, piece)) is None:
            stream.close()
            raise FileNotFoundError(name)
        stream.seek(0)
        return stream

    def stream(self, name: str) -> IO[bytes]:
        """A file to be read once from its beginning to its end, and closed."""
        pieces = self.objects.iter_content(name)
        if pieces is None:
            raise FileNotFoundError(name)
        return io.BufferedReader(_Arriving(pieces), _STREAM_BYTES)

    def delete(self, names: list[str]) -> None:
        """Remove objects."""
        self.objects.delete(names)

    def close(self) -> None:
        """Let go of connections."""
        self.objects.close()


class _Arriving(io.RawIOBase):
    """A stream of what comes in pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        n_bytes = min(len(buffer), len(self._rest))
        buffer[:n_bytes] = self._rest[:n_bytes]
        self._rest = self._rest[n_bytes:]
        return n_bytes


def _append(stream: IO[bytes], piece: bytes) -> None:
    stream.write(piece)


Look = ExportDirectory | ExportObjects


def look_at(address: str) -> Look:
    """The export at an address."""
    if "://" in address:
        return ExportObjects(Objects(address, s3_endpoint_url()))
    return ExportDirectory(Path(address))

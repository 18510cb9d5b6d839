"""A directory of metadata files, or one file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from yfcc.errors import SourceChanged, SourceError, SourceForbidden, SourceMissing
from yfcc.metadata.source.base import SourceObject

_PIECE_BYTES: Final = 1 << 20


class DirectorySource:
    """Files in a local directory, or one file.

    Parameters
    ----------
    path : Path
        Holds the files themselves, not folders of them; or is one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def url(self) -> str:
        """The directory or the file."""
        return str(self._path)

    def list_objects(self) -> list[SourceObject]:
        """Files of the directory, or the one file."""
        try:
            if self._path.is_file():
                return [_described(self._path)]
            paths = sorted(path for path in self._path.iterdir() if path.is_file())
            return [_described(path) for path in paths]
        except FileNotFoundError as error:
            raise SourceMissing(
                f"{self._path}: no such directory or file. Check --source."
            ) from error
        except NotADirectoryError as error:
            raise SourceMissing(
                f"{self._path}: expected a directory with the metadata files or one of them, got "
                "neither. Check --source."
            ) from error
        except PermissionError as error:
            raise SourceForbidden(
                f"{self._path}: not allowed to read it. Check its permissions."
            ) from error

    def read_range(self, source_object: SourceObject, start: int, n_bytes: int) -> Iterator[bytes]:
        """A range of a file, if it is still the listed one."""
        path = Path(source_object.url)
        try:
            with path.open("rb", buffering=0) as stream:
                if _etag(os.fstat(stream.fileno())) != source_object.etag:
                    raise SourceChanged(
                        f"{path}: the file changed while it was read. Wait until whatever writes "
                        "it is done, then run again."
                    )
                stream.seek(start)
                while n_bytes > 0:
                    piece = stream.read(min(n_bytes, _PIECE_BYTES))
                    if not piece:
                        raise SourceChanged(
                            f"{path}: ends {n_bytes:,} bytes earlier than when it was listed."
                        )
                    n_bytes -= len(piece)
                    yield piece
        except FileNotFoundError as error:
            raise SourceMissing(f"{path}: the file is gone since it was listed.") from error
        except PermissionError as error:
            raise SourceForbidden(f"{path}: not allowed to read it.") from error
        except OSError as error:
            raise SourceError(
                f"{path}: cannot be read near byte {start:,}: {error.strerror}. Check the disk."
            ) from error

    def local_path(self, source_object: SourceObject) -> Path | None:
        """The file."""
        return Path(source_object.url)

    def close(self) -> None:
        """Nothing is held between calls."""


def _described(path: Path) -> SourceObject:
    status = path.stat()
    return SourceObject(path.name, str(path), status.st_size, _etag(status))


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"

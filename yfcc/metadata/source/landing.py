"""A remote file on disk, for the one kind that cannot be read as a stream: SQLite."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from yfcc.errors import SourceError, TargetError
from yfcc.metadata.source.base import Source, SourceObject
from yfcc.metadata.source.reading import iter_object
from yfcc.progress import FileProgress, SilentProgress

#: Left free beside a landed file.
_SPARE_BYTES: Final = 1 << 30
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Landing:
    """A directory where files of a source land whole.

    A file that was cut goes on where it was: it is named by its address, size and version, so a
    replaced one starts anew. Only one process may use a directory at a time.

    Attributes
    ----------
    directory : Path, optional
        Made when it is needed. None: only files of this machine can be read.
    progress : FileProgress
        Told about a file that lands, as ``NAME (fetching)``.
    sync_bytes : int
        So often the file is made durable; what came after the last time is fetched again, for a
        crash of the machine may have left it as zeros.
    spare_bytes : int
        To leave free on the disk.
    """

    directory: Path | None = None
    progress: FileProgress = field(default_factory=SilentProgress)
    sync_bytes: int = 64 << 20
    spare_bytes: int = _SPARE_BYTES

    def path_of(self, source: Source, source_object: SourceObject) -> Path:
        """Where a file is on this machine, once it is.

        Raises
        ------
        SourceError
            As :func:`iter_object`; or it is elsewhere and there is no directory.
        TargetError
            No space, or the directory cannot be written.
        """
        here = source.local_path(source_object)
        if here:
            return here
        if not self.directory:
            raise SourceError(
                f"{source_object.url}: SQLite cannot be read as a stream. Copy it to this machine."
            )
        landed = self.directory / f"{_fingerprint(source_object)}.sqlite"
        part = landed.with_suffix(".part")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._sweep({landed, part})
            if not landed.exists():
                self._fetch(source, source_object, part)
                part.replace(landed)
                _sync_directory(self.directory)
        except OSError as error:
            hint = "Free space there" if error.errno in _FULL else "Check the directory"
            raise TargetError(
                f"{self.directory}: {source_object.name} cannot be kept there: {error.strerror}. "
                f"{hint}, or name a catalog elsewhere; run again to go on."
            ) from error
        return landed

    def drop(self, path: Path) -> None:
        """Remove one landed file; a user's own stays."""
        if path.parent == self.directory:
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what landed; other files in the directory stay."""
        if self.directory and self.directory.is_dir():
            self._sweep(set())
            with suppress(OSError):  # not empty: not all in it is ours
                self.directory.rmdir()

    def _sweep(self, kept: set[Path]) -> None:
        if self.directory:
            for path in (*self.directory.glob("*.sqlite"), *self.directory.glob("*.part")):
                if path not in kept and _is_fingerprint(path.stem):
                    path.unlink()

    def _fetch(self, source: Source, source_object: SourceObject, part: Path) -> None:
        """Bring a file, from the last byte that is known to be durable."""
        label = f"{source_object.name} (fetching)"
        self.progress.start_file(label, source_object.n_bytes)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(part, flags, 0o644), "r+b", buffering=0) as file:
            at = max(file.seek(0, os.SEEK_END) - 1, 0) // self.sync_bytes * self.sync_bytes
            file.truncate(at)
            file.seek(at)
            self._check_space(part.parent, source_object, source_object.n_bytes - at)
            for chunk in iter_object(source, source_object, start=at):
                for piece in self._until_sync(chunk, at):
                    _write_all(file.fileno(), piece)
                    at += len(piece)
                    if at % self.sync_bytes == 0:
                        os.fsync(file.fileno())
                self.progress.advance_file(label, at, 0)
            os.fsync(file.fileno())
        if at != source_object.n_bytes:
            raise SourceError(
                f"{source_object.url}: expected {source_object.n_bytes:,} bytes, got {at:,}."
            )

    def _until_sync(self, chunk: bytes, at: int) -> list[memoryview]:
        """A chunk cut where the file is to be made durable."""
        view = memoryview(chunk)
        first = self.sync_bytes - at % self.sync_bytes
        cuts = [0, *range(first, len(chunk), self.sync_bytes), len(chunk)]
        return [view[low:high] for low, high in pairwise(cuts)]

    def _check_space(self, directory: Path, source_object: SourceObject, n_bytes: int) -> None:
        free = shutil.disk_usage(directory).free
        if free < n_bytes + self.spare_bytes:
            raise TargetError(
                f"{directory}: {source_object.name} needs {n_bytes:,} bytes on disk while it "
                f"is read, and {self.spare_bytes:,} to spare; {free:,} are free. Free space there "
                "or name a catalog elsewhere, then run again."
            )


def _fingerprint(source_object: SourceObject) -> str:
    text = f"{source_object.url}\n{source_object.n_bytes}\n{source_object.etag}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _is_fingerprint(stem: str) -> bool:
    return len(stem) == 32 and set(stem) <= set("0123456789abcdef")


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

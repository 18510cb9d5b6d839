"""Where an export goes: a directory or a bucket, whole or not at all.

A directory is written under another name beside its own and renamed at the end.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, Self

import orjson

from yfcc.catalog.connection import target_errors
from yfcc.catalog.publish import exclusive_lock, fsync_directory
from yfcc.errors import UsageError
from yfcc.share.bucket_target import BucketTarget, bucket_errors
from yfcc.share.sink import (
    DOCUMENT_NAMES,
    MANIFEST_NAME,
    Sink,
    Target,
    already_there,
    foreign_file,
    listed_in,
)

_LOCK_NAME: Final = "_lock"


def open_target(out: str, export_id: str, *, is_overwriting: bool) -> Target:
    """The target that an address names: a directory, or ``s3://bucket/prefix``.

    Parameters
    ----------
    out : str
    export_id : str
        Twelve hex digits, another for every export.
    is_overwriting : bool
        Whether an export that is already there may be replaced.
    """
    if out.startswith("s3://"):
        return BucketTarget(out.rstrip("/"), export_id, is_overwriting)
    if "://" in out:
        raise UsageError(f"--out {out}: expected a directory or s3://bucket/prefix.")
    return DirectoryTarget(Path(out), export_id, is_overwriting)


@dataclass(slots=True)
class DirectoryTarget:
    """A directory; one export at a time.

    Attributes
    ----------
    out : Path
    export_id : str
    is_overwriting : bool
    """

    out: Path
    export_id: str
    is_overwriting: bool
    _stack: ExitStack = field(default_factory=ExitStack)
    _is_published: bool = False

    def __post_init__(self) -> None:
        # Of a link, what it points to is replaced, not the link.
        self.out = self.out.resolve()

    @property
    def _part(self) -> Path:
        return self.out.with_name(f"{self.out.name}.part-yfcc")

    @property
    def _old(self) -> Path:
        return self.out.with_name(f"{self.out.name}.old-yfcc")

    def __enter__(self) -> Self:
        self._check()
        with self._stack, target_errors(self.out):
            self._part.mkdir(parents=True, exist_ok=True)
            self._stack.enter_context(exclusive_lock(self._part / _LOCK_NAME))
            self._stack.callback(self._discard)
            self._settle()
            # Another export may have ended since.
            self._check()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def has_anything(self) -> bool:
        """Whether an export is there, or something that one left."""
        return any(path.exists() for path in (self.out, self._part, self._old))

    def _check(self) -> None:
        """Refuse what may not be replaced."""
        if self.out.is_mount():
            raise UsageError(
                f"--out {self.out}: a file system of its own, which cannot be renamed. "
                f"Perhaps {self.out / 'export'}?"
            )
        if self.out.exists() and not self.out.is_dir():
            raise UsageError(f"--out {self.out}: expected a directory, there is a file.")
        with target_errors(self.out):
            found = sorted(_files_below(self.out))
            if not found:
                return
            manifest = self.out / MANIFEST_NAME
            listed = listed_in(manifest.read_bytes() if manifest.is_file() else None)
        allowed = (listed or set()) | {MANIFEST_NAME, _LOCK_NAME} | DOCUMENT_NAMES
        for name in found:
            if listed is None or name not in allowed:
                raise foreign_file(str(self.out), name)
        if not self.is_overwriting:
            raise already_there(str(self.out))

    def _settle(self) -> None:
        """Undo or finish what a killed export left."""
        if self._old.exists() and not self.out.exists():
            self._old.rename(self.out)
        elif self._old.exists():
            shutil.rmtree(self._old)
        for path in self._part.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != _LOCK_NAME:
                path.unlink()

    def _discard(self) -> None:
        if not self._is_published:
            shutil.rmtree(self._part, ignore_errors=True)

    def open_sink(self, directory: str, number: int, extension: str) -> tuple[str, Sink]:
        """A new file of a directory, and its path below the target."""
        path = f"{directory}/part-{number:05}.{extension}"
        return path, self._open(path)

    def open_document(self, name: str) -> Sink:
        """A new file that is no data."""
        return self._open(name)

    def open_file(self, name: str) -> Sink:
        """A new file of a name of its own."""
        return self._open(name)

    def _open(self, path: str) -> Sink:
        with target_errors(self.out):
            (self._part / path).parent.mkdir(parents=True, exist_ok=True)
            return Sink((self._part / path).open("xb"), is_local=True)

    def keep(self, path: str) -> None:
        """Take over a file of the export that is to be replaced, as it is."""
        with target_errors(self.out):
            (self._part / path).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(self.out / path, self._part / path, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
                with (self.out / path).open("rb") as old:  # a file system without links
                    sink = self._open(path)
                    shutil.copyfileobj(old, sink)
                    sink.close()

    def open_source(self, path: str) -> IO[bytes]:
        """A file that was written."""
        return (self._part / path).open("rb")

    def open_scratch(self) -> AbstractContextManager[str]:
        """A directory on the target's disk, gone with its context."""
        return TemporaryDirectory(prefix="scratch-", dir=self._part, ignore_cleanup_errors=True)

    def publish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, make all durable, and give the directory its name."""
        with target_errors(self.out):
            sink = self._open(MANIFEST_NAME)
            sink.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
            sink.close()
            for directory, _, _ in os.walk(self._part, topdown=False):
                fsync_directory(Path(directory))
            # Whatever came there meanwhile is not ours to replace.
            self._check()
            if self.out.exists() and any(self.out.iterdir()):
                self.out.rename(self._old)
            self._part.rename(self.out)
            self._is_published = True
            fsync_directory(self.out.parent)
            # Kept up to here: without it another export would take the directory for leftovers.
            (self.out / _LOCK_NAME).unlink()
            shutil.rmtree(self._old, ignore_errors=True)


def _files_below(directory: Path) -> Iterator[str]:
    for path in directory.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(directory).as_posix()


@contextmanager
def writing_errors(out: str) -> Iterator[None]:
    """Turn what goes wrong while files are written into a :class:`TargetError`."""
    with bucket_errors(out) if out.startswith("s3://") else target_errors(Path(out)):
        yield

"""Where an export goes: a directory or a bucket, whole or not at all.

A directory is written under another name beside its own and renamed at the end. A bucket knows no
rename: there the manifest comes last, files of different exports never share a name, and those
that no manifest lists are removed by the next export.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, Protocol, Self

import orjson

from yfcc.catalog.connection import target_errors
from yfcc.catalog.publish import exclusive_lock, fsync_directory
from yfcc.errors import TargetError, UsageError

#: Engines take no file for data whose name begins with an underscore.
MANIFEST_NAME: Final = "_manifest.json"
_DOCUMENTS: Final = (
    *("README.md", "croissant.json", "SHA256SUMS"),
    *("ATTRIBUTION.txt", "ATTRIBUTION.csv", "LICENSES.txt"),
)
#: Files of an export that are no data, in a bucket too. With an underscore, engines that are
#: pointed to the whole export pass over them.
DOCUMENT_NAMES: Final = frozenset((*_DOCUMENTS, *(f"_{name}" for name in _DOCUMENTS)))
_LOCK_NAME: Final = "_lock"
_UNFINISHED_NAME: Final = "_unfinished.json"
_PART_FORM: Final = re.compile(r"(?:[^/]+/)+part-\d{5,}-[0-9a-f]{12}\.\w+")
#: Bytes of one part of an upload: 10,000 of them are the most a file may have.
_UPLOAD_BYTES: Final = 16 << 20


@dataclass(slots=True)
class Sink:
    """A file being written: counts and digests what goes into it.

    Attributes
    ----------
    stream : IO of bytes
    n_bytes : int
        Written so far.
    """

    stream: IO[bytes]
    is_local: bool
    n_bytes: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def write(self, content: bytes | memoryview) -> int:
        """Append; returns the number of bytes."""
        self.stream.write(content)
        self._digest.update(content)
        n_bytes = memoryview(content).nbytes
        self.n_bytes += n_bytes
        return n_bytes

    def tell(self) -> int:
        """Bytes written so far."""
        return self.n_bytes

    def flush(self) -> None:
        """Nothing: :meth:`close` makes the content durable."""

    def close(self) -> None:
        """The content is durable on return."""
        if self.is_local and not self.closed:
            self.stream.flush()
            os.fsync(self.stream.fileno())
        self.stream.close()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self.stream.closed

    @property
    def sha256(self) -> str:
        """Hex digest of all that was written."""
        return str(self._digest.hexdigest())


class Target(Protocol):
    """What a form of export needs of the place it goes to; entered before anything else."""

    export_id: str

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def open_sink(self, directory: str, number: int, extension: str) -> tuple[str, Sink]:
        """A new file of a directory, and its path below the target."""

    def open_document(self, name: str) -> Sink:
        """A new file that is no data, one of ``DOCUMENT_NAMES``."""

    def open_source(self, path: str) -> IO[bytes]:
        """A file that was written."""

    def open_scratch(self) -> AbstractContextManager[str]:
        """A directory for files that are no part of the export; gone with its context."""

    def publish(self, manifest: dict[str, Any]) -> None:
        """Make the export appear. The manifest's ``files``, and ``documents``, have a ``path``."""


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


def _listed(manifest: bytes | None) -> set[str] | None:
    """Paths that a manifest lists; None if it is none."""
    try:
        document = orjson.loads(manifest or b"")
        return _paths_of(document)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _paths_of(manifest: dict[str, Any]) -> set[str]:
    return {file["path"] for file in (*manifest["files"], *manifest.get("documents", ()))}


def _exists(out: str) -> UsageError:
    return UsageError(
        f"--out {out}: an export is there already. Name another place, or replace it with "
        "--overwrite."
    )


def _foreign(out: str, name: str) -> UsageError:
    return UsageError(
        f"--out {out}: not empty, and {name} was written by no export. Nothing was changed: "
        "name another place."
    )


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
            listed = _listed(manifest.read_bytes() if manifest.is_file() else None)
        allowed = (listed or set()) | {MANIFEST_NAME, _LOCK_NAME} | DOCUMENT_NAMES
        for name in found:
            if listed is None or name not in allowed:
                raise _foreign(str(self.out), name)
        if not self.is_overwriting:
            raise _exists(str(self.out))

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


@dataclass(slots=True)
class BucketTarget:
    """A prefix of a bucket. Nothing stops a second export there: the later manifest counts.

    Attributes
    ----------
    out : str
        Without a slash at its end.
    export_id : str
    is_overwriting : bool
    """

    out: str
    export_id: str
    is_overwriting: bool
    _files: Any = field(init=False)

    def __enter__(self) -> Self:
        import s3fs  # noqa: PLC0415 - 0.5 s that only exports into a bucket need

        with _bucket_errors(self.out):
            self._files = s3fs.S3FileSystem(
                skip_instance_cache=True,
                use_listings_cache=False,
                default_block_size=_UPLOAD_BYTES,
            )
            self._check()
            self._write(_UNFINISHED_NAME, {"export_id": self.export_id})
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _check(self) -> None:
        """Refuse what may not be replaced, remove what a killed export left."""
        found = self._list()
        if not found:
            return
        has_manifest = MANIFEST_NAME in found
        manifest = self._files.cat_file(f"{self.out}/{MANIFEST_NAME}") if has_manifest else None
        listed = _listed(manifest)
        is_ours = listed is not None or _UNFINISHED_NAME in found
        for name in sorted(found - {MANIFEST_NAME, _UNFINISHED_NAME} - DOCUMENT_NAMES):
            if not is_ours or not _PART_FORM.fullmatch(name):
                raise _foreign(self.out, name)
        if listed is not None and not self.is_overwriting:
            raise _exists(self.out)
        self._remove_unlisted(listed or set())

    def _list(self) -> set[str]:
        root = self.out.removeprefix("s3://")
        try:
            paths = self._files.find(root)
        except FileNotFoundError:
            return set()
        return {path.removeprefix(f"{root}/") for path in paths if path != root}

    def _remove_unlisted(self, listed: set[str]) -> None:
        unlisted = [
            name
            for name in self._list() - listed
            if _PART_FORM.fullmatch(name) or name in DOCUMENT_NAMES
        ]
        if unlisted:
            self._files.rm([f"{self.out}/{name}" for name in unlisted])

    def _write(self, name: str, document: dict[str, Any]) -> None:
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        self._files.pipe_file(f"{self.out}/{name}", content)

    def open_sink(self, directory: str, number: int, extension: str) -> tuple[str, Sink]:
        """A new file of a directory, and its path below the target."""
        path = f"{directory}/part-{number:05}-{self.export_id}.{extension}"
        with _bucket_errors(self.out):
            return path, Sink(self._files.open(f"{self.out}/{path}", "wb"), is_local=False)

    def open_document(self, name: str) -> Sink:
        """A new file that is no data."""
        with _bucket_errors(self.out):
            return Sink(self._files.open(f"{self.out}/{name}", "wb"), is_local=False)

    def open_source(self, path: str) -> IO[bytes]:
        """A file that was written."""
        stream: IO[bytes] = self._files.open(f"{self.out}/{path}", "rb")
        return stream

    def open_scratch(self) -> AbstractContextManager[str]:
        """A directory where the system keeps temporary files, gone with its context."""
        return TemporaryDirectory(prefix="yfcc-export-")

    def publish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, then remove what an earlier export had."""
        with _bucket_errors(self.out):
            self._write(MANIFEST_NAME, manifest)
            self._remove_unlisted(_paths_of(manifest))
            self._files.rm_file(f"{self.out}/{_UNFINISHED_NAME}")


@contextmanager
def _bucket_errors(out: str) -> Iterator[None]:
    """Turn what the object store refuses into a :class:`TargetError`."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (OSError, BotoCoreError, ClientError) as error:
        raise TargetError(
            f"{out}: cannot be written: {str(error) or type(error).__name__}. "
            "No manifest was written; check the bucket's name and your credentials, run again."
        ) from error


@contextmanager
def writing_errors(out: str) -> Iterator[None]:
    """Turn what goes wrong while files are written into a :class:`TargetError`."""
    with _bucket_errors(out) if out.startswith("s3://") else target_errors(Path(out)):
        yield

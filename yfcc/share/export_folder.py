"""The directory of an export that grows piece by piece, and can be gone on with.

See :mod:`yfcc.share.export_place` for what lies in it; ``part-yfcc`` has what is not whole yet.
A piece is made durable in ``part-yfcc`` and renamed into its place; then its index appears in the
same way.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

import orjson

from yfcc.catalog.publish import exclusive_lock, fsync_directory
from yfcc.errors import UsageError
from yfcc.mirror.disk import target_errors
from yfcc.share.export_place import (
    INDEX,
    MANIFEST,
    SHARDS,
    TRAIN,
    UNFINISHED,
    Finished,
    check_begun,
    decode_document,
    foreign,
    index_name,
    is_ours,
)
from yfcc.share.pieces import Piece, PieceHead, decode_head
from yfcc.share.sink import Sink

PARTS: Final = "part-yfcc"
_LOCK: Final = "yfcc-lock"
_N_SYNCS: Final = 16


@dataclass(slots=True)
class ExportFolder:
    """An export's directory, held by one process at a time; a context manager.

    Attributes
    ----------
    out : Path
    identity : mapping
        What was asked for: an export that was begun is gone on with if it is the same.
    is_overwriting : bool
        Whether another export that is there may be replaced.
    started_at : str
        When the export began, UTC; that of the first run, if this one goes on with it.
    """

    out: Path
    identity: Mapping[str, Any]
    is_overwriting: bool
    started_at: str
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.out = self.out.resolve()

    def __enter__(self) -> Self:
        with self.writing(), ExitStack() as stack:
            if self.out.exists() and not self.out.is_dir():
                raise UsageError(f"--out {self.out}: expected a directory, there is a file.")
            self._refuse_foreign()
            self._refuse_other()
            self.out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(exclusive_lock(self.out / _LOCK))
            # Another export may have ended since.
            self._begin(self._refuse_other())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # What was cut short is of no use to anybody, and may be what fills the disk.
        shutil.rmtree(self.out / PARTS, ignore_errors=True)
        self._stack.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what a full, read-only or failing disk raises into a :class:`TargetError`."""
        with target_errors(f"write {self.out}"):
            yield

    def _refuse_foreign(self) -> None:
        if not self.out.exists():
            return
        names = iter_names(self.out)
        has_export = any((self.out / name).is_file() for name in (MANIFEST, UNFINISHED))
        for name in names:
            # What an export makes before it says that the directory is its own.
            is_first = name in (_LOCK, f"{PARTS}/{UNFINISHED}")
            is_part = name == _LOCK or name.startswith(f"{PARTS}/")
            if not (has_export or is_first) or not (is_part or is_ours(name)):
                raise foreign(str(self.out), name)

    def _refuse_other(self) -> dict[str, Any] | None:
        """What was begun and is to be gone on with; None if nothing."""
        begun = _read_json(self.out / UNFINISHED)
        has_manifest = (self.out / MANIFEST).exists()
        goes_on = check_begun(
            str(self.out),
            begun,
            self.identity,
            has_manifest=has_manifest,
            is_overwriting=self.is_overwriting,
        )
        return begun if goes_on else None

    def _begin(self, begun: dict[str, Any] | None) -> None:
        """Go on with what is there, or begin anew."""
        if begun is not None:
            self.started_at = str(begun["started_at"])
        else:
            document = {"identity": self.identity, "started_at": self.started_at}
            self.write_whole(UNFINISHED, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        for name in (MANIFEST, "SHA256SUMS"):  # an export that is there is complete
            (self.out / name).unlink(missing_ok=True)
        fsync_directory(self.out)
        shutil.rmtree(self.out / PARTS, ignore_errors=True)
        (self.out / PARTS).mkdir(exist_ok=True)
        (self.out / INDEX).mkdir(exist_ok=True)

    def begin_file(self, path: str) -> DirectoryFile:
        """A piece that is a file."""
        return DirectoryFile(self, path)

    def begin_folder(self, path: str) -> DirectoryFolder:
        """A piece that is a folder."""
        return DirectoryFolder(self, path)

    def part(self, name: str) -> Path:
        """Where something is written until it is whole."""
        return self.out / PARTS / name.replace("/", "-")

    def write_whole(self, name: str, content: bytes) -> None:
        """Write a small file that appears whole or not at all, durably."""
        self.part("").mkdir(exist_ok=True)
        part = self.part(name)
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        self.publish(name)

    def publish(self, name: str) -> None:
        """Give a part that is durable its name, in place of what had it."""
        target = self.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        self.part(name).rename(target)
        fsync_directory(target.parent)
        if target.parent != self.out:
            fsync_directory(self.out)

    @contextmanager
    def new_file(self, name: str) -> Iterator[Sink]:
        """A file of the export, published if no error comes."""
        sink = self.open_sink(name)
        yield sink
        sink.close()
        self.publish(name)

    def open_sink(self, name: str) -> Sink:
        """A file of the export, to be published once it is closed."""
        stream = self.part(name).open("wb")
        # Whoever writes it may not come to its end.
        self._stack.callback(_let_go, stream)
        return Sink(stream, is_local=True)

    def index_name(self, number: int) -> str:
        """Name of a piece's index."""
        return index_name(number)

    def measure(self, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of a file of the export, read again."""
        return measure_file(self.out / name) or (0, "")

    def find_piece(self, piece: Piece) -> PieceHead | None:
        """The head of a piece that is there already, every byte checked; else None."""
        path = self.out / self.index_name(piece.number)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        head = decode_head(content)
        if head is None or head.digest != piece.digest:
            return None
        if not head.n_items:
            return head
        if head.sha256 is not None:
            is_whole = measure_file(self.out / head.path) == (head.n_bytes, head.sha256)
        else:
            is_whole = self._has_all(head, content)
        return head if is_whole else None

    def _has_all(self, head: PieceHead, index: bytes) -> bool:
        """Whether a folder holds the files that its index names, and no others."""
        rows = [orjson.loads(line) for line in index.split(b"\n")[1:-1]]
        folder = self.out / head.path
        names = {row["path"].rpartition("/")[2] for row in rows}
        if not folder.is_dir() or {each.name for each in folder.iterdir()} != names:
            return False
        return all(
            measure_file(self.out / row["path"]) == (row["n_bytes"], row["sha256"]) for row in rows
        )

    def iter_indexes(self, n_pieces: int) -> Iterator[tuple[PieceHead, Iterator[dict[str, Any]]]]:
        """The head and the rows of each piece."""
        for number in range(n_pieces):
            with (self.out / self.index_name(number)).open("rb") as stream:
                head = PieceHead(**orjson.loads(stream.readline()))
                yield head, map(orjson.loads, stream)

    def remove_beyond(self, paths: Iterable[str]) -> None:
        """Remove pieces and indexes that are no part of the export any more."""
        kept = set(paths)
        for folder in (INDEX, SHARDS, TRAIN):
            for path in (self.out / folder).glob("*"):
                if f"{folder}/{path.name}" in kept:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest: the export is complete."""
        self.write_whole(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
        (self.out / UNFINISHED).unlink(missing_ok=True)
        (self.out / _LOCK).unlink(missing_ok=True)
        fsync_directory(self.out)


def _let_go(stream: IO[bytes]) -> None:
    with suppress(OSError):  # what it still holds is of no use
        stream.close()


def iter_names(folder: Path) -> Iterator[str]:
    """Files below a directory, and links."""
    for directory, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(directory) / name).is_symlink()]
        for name in (*files, *links):
            yield (Path(directory) / name).relative_to(folder).as_posix()


def measure_file(path: Path) -> tuple[int, str] | None:
    """Bytes and SHA-256 of a file; None if there is none."""
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
            return stream.tell(), digest.hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return decode_document(path.read_bytes())
    except FileNotFoundError:
        return None


class DirectoryFile:
    """A piece that is a file of a directory, written in one call of the system each time.

    Parameters
    ----------
    folder : ExportFolder
    path : str
        Of the piece, below the export's directory.
    """

    def __init__(self, folder: ExportFolder, path: str) -> None:
        self._folder = folder
        self._path = path
        self._file = folder.part(path).open("wb", buffering=0)
        self._digest = hashlib.sha256()
        self._n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, buffers: Sequence[bytes]) -> None:
        """Append."""
        for each in buffers:
            self._digest.update(each)
        n_bytes = sum(map(len, buffers))
        n_written = os.writev(self._file.fileno(), buffers)
        if n_written < n_bytes:  # a full disk, or a signal: what is left, until the system objects
            rest = memoryview(b"".join(buffers))[n_written:]
            while rest:
                rest = rest[self._file.write(rest) :]
        self._n_bytes += n_bytes

    def finish(self) -> Finished:
        """Make it durable, and give it its name."""
        os.fsync(self._file.fileno())
        self._folder.publish(self._path)
        return Finished(self._n_bytes, self._digest.hexdigest())


class DirectoryFolder:
    """A piece that is a folder.

    Parameters
    ----------
    folder : ExportFolder
    path : str
        Of the piece, below the export's directory.
    """

    def __init__(self, folder: ExportFolder, path: str) -> None:
        self._folder = folder
        self._path = path
        self._part = folder.part(path)
        self._n_bytes = 0
        self._part.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, name: str, content: bytes) -> None:
        """Write a file."""
        with (self._part / name).open("xb", buffering=0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
        self._n_bytes += len(content)

    def finish(self) -> Finished:
        """Make all files durable, and give the folder its name.

        Only now: the system has had time to write most of them, and takes the rest together.
        """
        # Side by side: the journal of the file system takes several in one commit.
        with ThreadPoolExecutor(_N_SYNCS) as executor:
            for _ in executor.map(_sync, self._part.iterdir()):
                pass
        fsync_directory(self._part)
        self._folder.publish(self._path)
        return Finished(self._n_bytes, None)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

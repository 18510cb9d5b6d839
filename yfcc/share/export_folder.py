"""The directory of an export that grows piece by piece, and can be gone on with.

::

    out/
        yfcc-export.json          manifest: what is here and whence; written last
        yfcc-unfinished.json      in its place as long as pieces are lacking
        README.md  croissant.json  SHA256SUMS  ATTRIBUTION.txt  ATTRIBUTION.csv  LICENSES.txt
        index/000000.jsonl        items of a piece, one a line
        shards/000000.tar         a piece of a webdataset
        train/000000/….jpg        a piece of an imagefolder
        train/metadata.jsonl
        part-yfcc/…               what is not whole yet

A piece is made durable in ``part-yfcc`` and renamed into its place; then its index appears in the
same way. What was begun under other rules, or holds files that no export wrote, is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

import orjson

from yfcc.catalog.publish import exclusive_lock, fsync_directory
from yfcc.errors import UsageError
from yfcc.mirror.disk import target_errors
from yfcc.share.pieces import Piece, PieceHead, decode_head
from yfcc.share.sink import Sink

MANIFEST: Final = "yfcc-export.json"
UNFINISHED: Final = "yfcc-unfinished.json"
INDEX: Final = "index"
PARTS: Final = "part-yfcc"
_LOCK: Final = "yfcc-lock"

_TOP_NAMES: Final = (
    *(MANIFEST, UNFINISHED, _LOCK, "README.md", "croissant.json", "SHA256SUMS"),
    *("ATTRIBUTION.txt", "ATTRIBUTION.csv", "LICENSES.txt"),
)
#: What an export's own files are called, below its directory.
_OURS: Final = re.compile(
    rf"(?:{'|'.join(map(re.escape, _TOP_NAMES))}|{PARTS}/.+|{INDEX}/[0-9]{{6,}}\.jsonl|"
    r"shards/[0-9]{6,}\.tar|train/metadata\.jsonl|train/[0-9]{6,}/[0-9]{1,19}\.[0-9a-z]{2,4})"
)


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
        is_ours = any((self.out / name).is_file() for name in (MANIFEST, UNFINISHED))
        for name in names:
            # What an export makes before it says that the directory is its own.
            is_first = name in (_LOCK, f"{PARTS}/{UNFINISHED}")
            if not (is_ours or is_first) or not _OURS.fullmatch(name):
                raise UsageError(
                    f"--out {self.out}: not empty, and {name} was written by no export of this "
                    "kind. Nothing was changed: name another place."
                )

    def _refuse_other(self) -> dict[str, Any] | None:
        """What was begun and is to be gone on with; None if nothing."""
        begun = _read_json(self.out / UNFINISHED)
        if begun is not None and begun.get("identity") == dict(self.identity):
            return begun
        if self.is_overwriting:
            return None
        if begun is not None:
            raise UsageError(
                f"--out {self.out}: another export was begun there, with other flags or from "
                f"another catalog or mirror ({_difference(begun, self.identity)}). Go on with that "
                "one, name another place, or replace it with --overwrite."
            )
        if (self.out / MANIFEST).exists():
            raise UsageError(
                f"--out {self.out}: an export is there already. Name another place, or replace it "
                "with --overwrite."
            )
        return None

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
        return f"{INDEX}/{number:06}.jsonl"

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
        for folder in (INDEX, "shards", "train"):
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
        found = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _difference(begun: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """What a begun export and this one differ in."""
    before = begun.get("identity")
    if not isinstance(before, dict):
        return "of which nothing is known"
    names = [name for name in identity if before.get(name) != identity[name]]
    return ", ".join(f"{name}: {before.get(name)!r}, now {identity[name]!r}" for name in names)

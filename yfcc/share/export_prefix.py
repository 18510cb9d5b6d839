"""The prefix of a bucket that an export grows in piece by piece, and can be gone on with.

A bucket knows no rename, and needs none: an object appears whole or not at all. A piece appears
under its name, then its index, which keeps the piece's ETag: what is there already need not be read
again to be known for whole. The manifest comes last, and is written only if none is there.

Nothing in a bucket is locked. ``yfcc-unfinished.json`` names the run that is at work, each replaces
it only as it has read it, and looks at it again before it says that something is done: of two runs
the later goes on, and the other ends.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from yfcc.config import s3_endpoint_url
from yfcc.errors import LockedError, TargetError
from yfcc.mirror.bucket.client import N_CONNECTIONS
from yfcc.mirror.bucket.objects import Entry, Objects
from yfcc.mirror.bucket.upload import Upload
from yfcc.share.export_place import (
    INDEX,
    MANIFEST,
    SHARDS,
    TRAIN,
    UNFINISHED,
    check_address,
    check_begun,
    decode_document,
    foreign,
    index_name,
    is_ours,
    is_piece_folder,
)
from yfcc.share.pieces import Piece, PieceHead, decode_head
from yfcc.share.prefix_pieces import PrefixFile, PrefixFolder, combine_etags
from yfcc.share.sink import Sink

_FOLDERS: Final = (INDEX, SHARDS, TRAIN)


@dataclass(slots=True)
class ExportPrefix:
    """An export's prefix of a bucket; a context manager.

    Attributes
    ----------
    address : str
        ``s3://bucket/prefix``.
    identity : mapping
        What was asked for: an export that was begun is gone on with if it is the same.
    is_overwriting : bool
        Whether another export that is there may be replaced.
    started_at : str
        When the export began, UTC; that of the first run, if this one goes on with it.
    """

    address: str
    identity: Mapping[str, Any]
    is_overwriting: bool
    started_at: str
    _objects: Objects = field(init=False)
    _executor: ThreadPoolExecutor = field(init=False)
    _claim: bytes = b""
    _uploads: list[Upload] = field(default_factory=list)
    _measured: dict[str, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_address(self.address)
        self._objects = Objects(self.address, s3_endpoint_url())
        self._executor = ThreadPoolExecutor(N_CONNECTIONS, thread_name_prefix="yfcc-out")

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for upload in self._uploads:
            upload.abort()
        self._close()

    def _close(self) -> None:
        self._executor.shutdown(cancel_futures=True)
        self._objects.close()

    def writing(self) -> AbstractContextManager[None]:
        """Nothing: whatever the store refuses is a ``TargetError`` already."""
        return nullcontext()

    def _begin(self) -> None:
        """Refuse what is in the way, then go on with what is there, or begin anew."""
        content, etag = self._read_claim()
        begun = decode_document(content)
        has_manifest = self._objects.get(MANIFEST) is not None
        for name in self._iter_names():
            if not (has_manifest or content is not None) or not is_ours(name):
                raise foreign(self.address, name)
        goes_on = check_begun(
            self.address,
            begun,
            self.identity,
            has_manifest=has_manifest,
            is_overwriting=self.is_overwriting,
        )
        if goes_on and begun is not None:
            self.started_at = str(begun["started_at"])
        document = {
            "identity": self.identity,
            "started_at": self.started_at,
            "run": secrets.token_hex(8),
        }
        self._claim = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        if etag is None:
            is_held = self._objects.create(UNFINISHED, self._claim)
        else:
            is_held = self._objects.replace(UNFINISHED, self._claim, etag)
        if is_held is None:
            raise self._taken()
        self._objects.delete([MANIFEST, "SHA256SUMS"])  # an export that is there is complete
        with suppress(TargetError):  # what a killed run sent costs money, and does no harm
            self._objects.abort_uploads("", is_ours)

    def _read_claim(self) -> tuple[bytes | None, str | None]:
        """What is said of an unfinished export, and its ETag."""
        entry = self._find(UNFINISHED)
        if entry is None:
            return None, None
        return self._objects.get(UNFINISHED), entry.etag

    def _find(self, key: str) -> Entry | None:
        for entry in self._objects.iter_entries(key):
            # In the order of keys, the key itself comes first.
            return entry if entry.key == key else None
        return None

    def _iter_names(self) -> Iterator[str]:
        """Names of objects, without those in the folders of pieces."""
        names, folders = self._objects.list_folder("")
        yield from names
        for folder in folders:
            if folder not in _FOLDERS:
                yield f"{folder}/"
                continue
            names, inner = self._objects.list_folder(f"{folder}/")
            yield from (f"{folder}/{name}" for name in names)
            for name in inner:
                if not is_piece_folder(f"{folder}/{name}"):
                    yield f"{folder}/{name}/"

    def check_held(self) -> None:
        """See that no later run took over.

        Raises
        ------
        LockedError
            One did, or it has come to its end.
        """
        if self._objects.get(UNFINISHED) != self._claim:
            raise self._taken()

    def _taken(self) -> LockedError:
        return LockedError(
            f"--out {self.address}: another export to the same place began later, and goes on "
            "instead of this one. Nothing that it needs was changed; wait until it is done."
        )

    def submit(self, task: Callable[[], str]) -> Future[str]:
        """Do something beside the thread that asks for it."""
        return self._executor.submit(task)

    def begin_file(self, path: str) -> PrefixFile:
        """A piece that is one object."""
        return PrefixFile(Upload(self._objects, path, self.submit), self.check_held)

    def begin_folder(self, path: str) -> PrefixFolder:
        """A piece that is many objects."""
        return PrefixFolder(self._objects, path, self.submit, self.check_held)

    def find_piece(self, piece: Piece) -> PieceHead | None:
        """The head of a piece that is there already, as it was written; else None."""
        name = index_name(piece.number)
        content = self._objects.get(name)
        head = decode_head(content) if content is not None else None
        if content is None or head is None or head.digest != piece.digest:
            return None
        if head.n_items and self._read_etag(head) != head.etag:
            return None
        self._measured[name] = len(content), hashlib.sha256(content).hexdigest()
        return head

    def _read_etag(self, head: PieceHead) -> str | None:
        """The ETag of a piece, as the store lists it now."""
        if head.sha256 is None:
            entries = self._objects.iter_entries(f"{head.path}/")
            return combine_etags((entry.key, entry.etag) for entry in entries)
        entry = self._find(head.path)
        return entry.etag if entry else None

    def write_whole(self, name: str, content: bytes) -> None:
        """Write a small object."""
        self.check_held()
        self._objects.put(name, content)
        self._measured[name] = len(content), hashlib.sha256(content).hexdigest()

    def open_sink(self, name: str) -> Sink:
        """An object, which appears when it is closed."""
        upload = Upload(self._objects, name, self.submit)
        self._uploads.append(upload)
        return _PrefixSink(upload, is_local=False, name=name, measured=self._measured)

    def publish(self, name: str) -> None:
        """Nothing: an object that was closed has its name."""

    @contextmanager
    def new_file(self, name: str) -> Iterator[Sink]:
        """An object, which does not appear if an error comes."""
        sink = self.open_sink(name)
        yield sink
        sink.close()

    def index_name(self, number: int) -> str:
        """Name of a piece's index."""
        return index_name(number)

    def iter_indexes(self, n_pieces: int) -> Iterator[tuple[PieceHead, Iterator[dict[str, Any]]]]:
        """The head and the rows of each piece."""
        for number in range(n_pieces):
            content = self._objects.get(index_name(number))
            head = decode_head(content or b"")
            if content is None or head is None:
                raise self._taken()
            lines = content.split(b"\n")[1:-1]
            yield head, map(orjson.loads, lines)

    def measure(self, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of an object, as this run wrote or read it."""
        found = self._measured.get(name) or self._objects.measure(name)
        return found or (0, "")

    def remove_beyond(self, paths: Iterable[str]) -> None:
        """Remove pieces and indexes that are no part of the export any more."""
        kept = set(paths)
        for folder in _FOLDERS:
            names, inner = self._objects.list_folder(f"{folder}/")
            self._objects.delete(
                f"{folder}/{name}" for name in names if f"{folder}/{name}" not in kept
            )
            for name in inner:
                if f"{folder}/{name}" not in kept:
                    entries = self._objects.iter_entries(f"{folder}/{name}/")
                    self._objects.delete(entry.key for entry in entries)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, unless another run did."""
        self.check_held()
        content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n"
        if self._objects.create(MANIFEST, content) is None:
            raise self._taken()
        self._objects.delete([UNFINISHED])


@dataclass(slots=True)
class _PrefixSink(Sink):
    """A sink whose size and digest are known once it is closed."""

    name: str = ""
    measured: dict[str, tuple[int, str]] = field(default_factory=dict)

    def close(self) -> None:
        """The object is there on return."""
        self.stream.close()
        self.measured[self.name] = self.n_bytes, self.sha256

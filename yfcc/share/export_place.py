"""Where an export of pieces goes, and what is the same in a directory and in a bucket.

::

    out/
        yfcc-export.json          manifest: what is here and whence; written last
        yfcc-unfinished.json      in its place as long as pieces are lacking
        README.md  croissant.json  SHA256SUMS  ATTRIBUTION.txt  ATTRIBUTION.csv  LICENSES.txt
        index/000000.jsonl        items of a piece, one a line
        shards/000000.tar         a piece of a webdataset
        train/000000/….jpg        a piece of an imagefolder
        train/metadata.jsonl

What was begun under other rules, or holds files that no export wrote, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import orjson

from yfcc.errors import UsageError
from yfcc.share.pieces import Piece, PieceHead
from yfcc.share.sink import Sink

MANIFEST: Final = "yfcc-export.json"
UNFINISHED: Final = "yfcc-unfinished.json"
INDEX: Final = "index"
#: Folders of pieces.
SHARDS: Final = "shards"
TRAIN: Final = "train"

#: Files at the top of an export.
TOP_NAMES: Final = (
    *(MANIFEST, UNFINISHED, "README.md", "croissant.json", "SHA256SUMS"),
    *("ATTRIBUTION.txt", "ATTRIBUTION.csv", "LICENSES.txt"),
)
_OURS: Final = re.compile(
    rf"(?:{'|'.join(map(re.escape, TOP_NAMES))}|{INDEX}/[0-9]{{6,}}\.jsonl|"
    rf"{SHARDS}/[0-9]{{6,}}\.tar|{TRAIN}/metadata\.jsonl|"
    rf"{TRAIN}/[0-9]{{6,}}/[0-9]{{1,19}}\.[0-9a-z]{{2,4}})"
)
_ADDRESS: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?")
_FOLDER: Final = re.compile(rf"{TRAIN}/[0-9]{{6,}}")


@dataclass(frozen=True, slots=True)
class Finished:
    """A piece that is whole and in its place.

    Attributes
    ----------
    n_bytes : int
        Of its file, or of all its files.
    sha256 : str or None
        Of its file, if it is one.
    etag : str or None
        In a bucket: of its object, or of all its objects.
    """

    n_bytes: int
    sha256: str | None
    etag: str | None = None


class PieceFile(Protocol):
    """A piece that is one file; a context manager that lets go of what was not finished."""

    def write(self, buffers: Sequence[bytes]) -> None:
        """Append."""

    def finish(self) -> Finished:
        """Make it whole and durable, and give it its name."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class PieceFolder(Protocol):
    """A piece that is a folder of files; a context manager, likewise."""

    def add(self, name: str, content: bytes) -> None:
        """Write a file."""

    def finish(self) -> Finished:
        """Make all files durable; then they, and no others, are in the folder of its name."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class ExportPlace(Protocol):
    """A directory or a prefix of a bucket; a context manager, entered before anything else.

    Attributes
    ----------
    started_at : str
        When the export began, UTC; that of the first run, if this one goes on with it.
    """

    started_at: str

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def writing(self) -> AbstractContextManager[None]:
        """Turn what a full, read-only or failing place raises into a ``TargetError``."""

    def begin_file(self, path: str) -> PieceFile:
        """A piece that is a file."""

    def begin_folder(self, path: str) -> PieceFolder:
        """A piece that is a folder."""

    def find_piece(self, piece: Piece) -> PieceHead | None:
        """The head of a piece that is there already, and whole; else None."""

    def write_whole(self, name: str, content: bytes) -> None:
        """Write a small file that appears whole or not at all, durably."""

    def open_sink(self, name: str) -> Sink:
        """A file of the export, to be published once it is closed."""

    def publish(self, name: str) -> None:
        """Give a file that was closed its name, in place of what had it."""

    def new_file(self, name: str) -> AbstractContextManager[Sink]:
        """A file of the export, published if no error comes."""

    def index_name(self, number: int) -> str:
        """Name of a piece's index."""

    def iter_indexes(self, n_pieces: int) -> Iterator[tuple[PieceHead, Iterator[dict[str, Any]]]]:
        """The head and the rows of each piece."""

    def measure(self, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of a file of the export."""

    def remove_beyond(self, paths: Iterable[str]) -> None:
        """Remove pieces and indexes that are no part of the export any more."""

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest: the export is complete."""


def index_name(number: int) -> str:
    """Name of a piece's index.

    Examples
    --------
    >>> index_name(7)
    'index/000007.jsonl'
    """
    return f"{INDEX}/{number:06}.jsonl"


def is_ours(name: str) -> bool:
    """Whether an export has files of such a name.

    Examples
    --------
    >>> is_ours("shards/000012.tar"), is_ours("shards/notes.txt")
    (True, False)
    """
    return _OURS.fullmatch(name) is not None


def is_piece_folder(name: str) -> bool:
    """Whether an export has folders of such a name.

    Examples
    --------
    >>> is_piece_folder("train/000012"), is_piece_folder("shards/000012")
    (True, False)
    """
    return _FOLDER.fullmatch(name) is not None


def check_address(out: str) -> None:
    """See that an address names a place in a bucket.

    Raises
    ------
    UsageError
        It is neither that nor a directory.
    """
    if _ADDRESS.fullmatch(out) is None:
        raise UsageError(
            f"--out {out}: expected a directory or s3://bucket/prefix, the bucket's name in "
            "lower-case letters, digits, dots and hyphens."
        )


def foreign(out: str, name: str) -> UsageError:
    """The refusal to write where something else lies."""
    return UsageError(
        f"--out {out}: not empty, and {name} was written by no export of this kind. Nothing was "
        "changed: name another place."
    )


def decode_document(content: bytes | None) -> dict[str, Any] | None:
    """A JSON document; None if it is none."""
    try:
        found = orjson.loads(content or b"")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def check_begun(
    out: str,
    begun: Mapping[str, Any] | None,
    identity: Mapping[str, Any],
    *,
    has_manifest: bool,
    is_overwriting: bool,
) -> bool:
    """Whether to go on with what was begun; otherwise all is made anew.

    Parameters
    ----------
    out : str
    begun : mapping or None
        What is said of an unfinished export that is there.
    identity : mapping
        What is asked for now.
    has_manifest : bool
        Whether an export is there that is complete.
    is_overwriting : bool

    Raises
    ------
    UsageError
        Another export is there, and not to be replaced.
    """
    if begun is not None and begun.get("identity") == dict(identity):
        return True
    if is_overwriting:
        return False
    if begun is not None:
        raise UsageError(
            f"--out {out}: another export was begun there, with other flags or from another "
            f"catalog or mirror ({_difference(begun, identity)}). Go on with that one, name "
            "another place, or replace it with --overwrite."
        )
    if has_manifest:
        raise UsageError(
            f"--out {out}: an export is there already. Name another place, or replace it with "
            "--overwrite."
        )
    return False


def _difference(begun: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """What a begun export and this one differ in."""
    before = begun.get("identity")
    if not isinstance(before, dict):
        return "of which nothing is known"
    names = [name for name in identity if before.get(name) != identity[name]]
    return ", ".join(f"{name}: {before.get(name)!r}, now {identity[name]!r}" for name in names)

"""What is written into an export, and what its manifest says; the same in every place."""

from __future__ import annotations

import hashlib
import os
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import IO, Any, Final, Protocol, Self

import orjson

from yfcc.errors import UsageError

#: Engines take no file for data whose name begins with an underscore.
MANIFEST_NAME: Final = "_manifest.json"
_DOCUMENTS: Final = (
    *("README.md", "croissant.json", "SHA256SUMS"),
    *("ATTRIBUTION.txt", "ATTRIBUTION.csv", "LICENSES.txt"),
)
#: Files of an export that are no data, in a bucket too. With an underscore, engines that are
#: pointed to the whole export pass over them.
DOCUMENT_NAMES: Final = frozenset((*_DOCUMENTS, *(f"_{name}" for name in _DOCUMENTS)))


@dataclass(slots=True)
class Sink:
    """A file being written: counts and digests what goes into it.

    Attributes
    ----------
    stream : IO of bytes, or Upload
    n_bytes : int
        Written so far.
    """

    stream: Any
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

    def abandon(self) -> None:
        """Let go of it; in a bucket nothing appears, and no part of it is kept."""
        if self.is_local:
            with suppress(OSError):  # what it still holds is of no use
                self.stream.close()
        else:
            self.stream.abort()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return bool(self.stream.closed)

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

    def open_file(self, name: str) -> Sink:
        """A new file of a name of its own."""

    def keep(self, path: str) -> None:
        """Take over a file of the export that is to be replaced, as it is."""

    def open_source(self, path: str) -> IO[bytes]:
        """A file that was written."""

    def open_scratch(self) -> AbstractContextManager[str]:
        """A directory for files that are no part of the export; gone with its context."""

    def publish(self, manifest: dict[str, Any]) -> None:
        """Make the export appear. The manifest's ``files``, and ``documents``, have a ``path``."""


def listed_in(manifest: bytes | None) -> set[str] | None:
    """Paths that a manifest lists; None if it is none."""
    try:
        document = orjson.loads(manifest or b"")
        return paths_of(document)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def paths_of(manifest: dict[str, Any]) -> set[str]:
    """Paths of all files of an export but the manifest itself."""
    return {file["path"] for file in (*manifest["files"], *manifest.get("documents", ()))}


def already_there(out: str) -> UsageError:
    """The refusal to write over an export."""
    return UsageError(
        f"--out {out}: an export is there already. Name another place, or replace it with "
        "--overwrite."
    )


def foreign_file(out: str, name: str) -> UsageError:
    """The refusal to write where something else lies."""
    return UsageError(
        f"--out {out}: not empty, and {name} was written by no export. Nothing was changed: "
        "name another place."
    )

"""What every kind of source offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One file of a source, pinned to the version that was listed.

    Attributes
    ----------
    name : str
        Its last path component, ``yfcc100m_dataset.bz2``.
    url : str
        For messages and the record.
    n_bytes : int
        Its size.
    etag : str
        Changes whenever the bytes do: the server's ETag, or for a local file its size and
        time of change.
    """

    name: str
    url: str
    n_bytes: int
    etag: str


class CutBodyError(Exception):
    """One attempt ended early; the bytes that arrived are good, the rest can be asked again."""


class Source(Protocol):
    """A place with metadata files."""

    @property
    def url(self) -> str:
        """The place, as the user named it; the file, if it is one, once it was listed."""

    def list_objects(self) -> list[SourceObject]:
        """Files at the place, in order of their names.

        Raises
        ------
        SourceError
            The place does not exist, may not be read or does not answer.
        """

    def read_range(self, source_object: SourceObject, start: int, n_bytes: int) -> Iterator[bytes]:
        """One attempt at ``n_bytes`` bytes from ``start``, in pieces as they arrive.

        Raises
        ------
        CutBodyError
            The attempt failed in a way that asking again may mend.
        SourceError
            The file is missing, forbidden, or no longer the version that was listed.
        """

    def local_path(self, source_object: SourceObject) -> Path | None:
        """Where a file lies on this machine; None if it is elsewhere."""

    def close(self) -> None:
        """Let go of connections."""

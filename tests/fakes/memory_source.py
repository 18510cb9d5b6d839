"""A source of one file that lies in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from yfcc.metadata.source import SourceObject


@dataclass
class MemorySource:
    """One file, read as from far away.

    Attributes
    ----------
    content : bytes
    name : str
    asked : list of (start, n_bytes)
        The ranges that were read.
    """

    content: bytes
    name: str = "yfcc100m_dataset.bz2"
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return "memory:/"

    @property
    def object(self) -> SourceObject:
        etag = f"{hash(self.content):x}"
        return SourceObject(self.name, self.url + self.name, len(self.content), etag)

    def list_objects(self) -> list[SourceObject]:
        return [self.object]

    def read_range(self, source_object: SourceObject, start: int, n_bytes: int) -> Iterator[bytes]:
        self.asked.append((start, n_bytes))
        yield self.content[start : start + n_bytes]

    def local_path(self, source_object: SourceObject) -> Path | None:
        return None

    def close(self) -> None:
        pass

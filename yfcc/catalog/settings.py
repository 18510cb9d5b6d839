"""What a build is asked for, and what it tells when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yfcc.catalog.connection import ROW_GROUP_ROWS
from yfcc.catalog.counts import FileCounts
from yfcc.catalog.windows import WINDOW_ROWS
from yfcc.metadata.lines import CHUNK_BYTES

#: Rows of one transaction: a DuckDB row group, which goes to the file as it is, written once.
BATCH_ROWS: Final = ROW_GROUP_ROWS
#: Rows of a pack held beyond a window to look for its ids.
SLACK_ROWS: Final = 120_000
#: What a build may take by default.
DEFAULT_MEMORY_BYTES: Final = 1_500_000_000
#: Of that: the program, its libraries, and the room in which blocks are decompressed.
_FIXED_BYTES: Final = 750_000_000
#: By how much buffers shrink for less.
_PARTS: Final = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class BuildSizes:
    """Memory, and how much work a kill can cost; another choice makes no other catalog.

    Attributes
    ----------
    batch_rows : int
        Items of a transaction, at least.
    window_rows : int
        Items joined at a time.
    slack_rows : int
        Rows of a pack held beyond a window.
    chunk_bytes : int
        Of text parsed at a time.
    """

    batch_rows: int = BATCH_ROWS
    window_rows: int = WINDOW_ROWS
    slack_rows: int = SLACK_ROWS
    chunk_bytes: int = CHUNK_BYTES

    @classmethod
    def within(cls, memory_bytes: int) -> BuildSizes:
        """Sizes for a process that may take so much memory, about."""
        share = (memory_bytes - _FIXED_BYTES) / (DEFAULT_MEMORY_BYTES - _FIXED_BYTES)
        part = next((part for part in _PARTS if share * part >= 1), _PARTS[-1])
        return cls(
            window_rows=WINDOW_ROWS // part,
            slack_rows=SLACK_ROWS // part,
            chunk_bytes=CHUNK_BYTES // part,
        )


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How a catalog is built.

    Attributes
    ----------
    catalog : Path
        Where it goes; replaced if it is there.
    limit : int, optional
        Lines of the dataset to read.
    memory_bytes : int
        For the whole process, about; DuckDB gets a fifth of it.
    max_rejects : int, optional
        None: 1,000 and 1 % of the lines.
    is_restart : bool
        Start over even if an interrupted build lies there.
    sizes : BuildSizes
    """

    catalog: Path
    limit: int | None = None
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    max_rejects: int | None = None
    is_restart: bool = False
    sizes: BuildSizes = BuildSizes()


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What a build did.

    Attributes
    ----------
    catalog : Path
    edition : str
    missing : tuple of str
        Packs that the source lacks.
    n_items : int
    counts : dict of str to FileCounts
        By file name, as in ``ingests``: lines of removed items count as rejected.
    n_forgotten : int
        Items of the source that were removed for good, and are not in the catalog.
    """

    catalog: Path
    edition: str
    missing: tuple[str, ...]
    n_items: int
    counts: dict[str, FileCounts]
    n_forgotten: int = 0

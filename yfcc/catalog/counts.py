"""What becomes of the lines of every file; the counts have to add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yfcc.errors import TooManyRejectsError, YfccError
from yfcc.metadata.lines import Reject

#: Without --max-rejects a build stops when more than this many lines, and this share of all
#: lines read, were rejected: it is not the dataset that is being read.
_MAX_REJECTS: Final = 1_000
_MAX_REJECTED_SHARE: Final = 0.01


@dataclass(slots=True)
class FileCounts:
    """What became of the lines of one file, and how many hashes in it are wrong."""

    n_joined: int = 0
    n_orphans: int = 0
    n_rejected: int = 0
    n_lines: int = 0
    n_raw_bytes: int = 0
    n_hash_mismatches: int = 0


@dataclass(slots=True)
class Tally:
    """Counts of every file of a build.

    Attributes
    ----------
    files : dict of str to FileCounts
        By file name.
    max_rejects : int, optional
        None: 1,000 and 1 % of the lines.
    """

    files: dict[str, FileCounts]
    max_rejects: int | None = None

    @property
    def n_lines(self) -> int:
        """Lines read of all files."""
        return sum(counts.n_lines for counts in self.files.values())

    def n_items(self, datasets: Iterable[str]) -> int:
        """Rows of the dataset's files that are items."""
        return sum(self.files[file].n_joined for file in datasets)

    def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Count rejected lines.

        Raises
        ------
        TooManyRejectsError
            With these there are more than allowed.
        """
        last = None
        for last in rejects:
            self.files[last.file].n_rejected += 1
        if last:
            self.check_rejects(
                f"{last.file}, line {last.line_number} (from 0), byte {last.byte_offset:,} "
                f"of the decompressed file: {last.reason}"
            )

    def check_rejects(self, last: str) -> None:
        """Stop when too much of what was read is rejected; ``last`` is the latest, in words."""
        n_rejected = sum(counts.n_rejected for counts in self.files.values())
        allowed = self.max_rejects
        if allowed is None:
            allowed = max(_MAX_REJECTS, int(self.n_lines * _MAX_REJECTED_SHARE))
        if n_rejected > allowed:
            raise TooManyRejectsError(
                f"{n_rejected:,} of {self.n_lines:,} lines rejected; at most {allowed:,} are "
                f"allowed. Last: {last}. Nothing was published. Check that the file is what its "
                "name says, or allow more with --max-rejects."
            )

    def take_over(self, ingests: Mapping[str, Mapping[str, Any]]) -> None:
        """Count as the catalog does, whose lines of removed items are rejected.

        Parameters
        ----------
        ingests : mapping of str to mapping of str to Any
            By file, its row of ``ingests``.
        """
        for file, row in ingests.items():
            counts = self.files[file]
            counts.n_joined, counts.n_orphans = row["n_joined"], row["n_orphans"]
            counts.n_rejected = row["n_rejected"]

    def check_adds_up(self, datasets: Iterable[str], n_items: int, *, is_whole: bool) -> None:
        """Every line read is an item, joined, an orphan or a reject.

        Parameters
        ----------
        datasets : iterable of str
            Names of the dataset's files.
        n_items : int
            Rows of ``items``.
        is_whole : bool
            Without a limit. With one, lines of packs beyond it were not looked at.
        """
        parts = set(datasets)
        n_dataset = self.n_items(parts)
        for file, counts in self.files.items():
            n_told = counts.n_joined + counts.n_orphans + counts.n_rejected
            if not is_whole and file not in parts:
                counts.n_lines = n_told
            if n_told != counts.n_lines:
                raise YfccError(f"{file}: {counts.n_lines:,} lines read, {n_told:,} accounted for.")
        if n_dataset != n_items:
            raise YfccError(f"{n_dataset:,} rows of the dataset read, {n_items:,} items written.")


def counts_from(document: Mapping[str, Mapping[str, int]]) -> dict[str, FileCounts]:
    """Counts as a journal keeps them."""
    return {file: FileCounts(**counts) for file, counts in document.items()}

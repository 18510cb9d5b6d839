"""What is told of an export in its card and its Croissant file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """A file of an export, or a folder of pictures.

    Attributes
    ----------
    path : str
        Below the export's directory.
    n_items, n_bytes : int
    sha256 : str or None
        None for a folder: its index has those of the pictures.
    index : str or None
        Lists its items; None for what has none.
    """

    path: str
    n_items: int
    n_bytes: int
    sha256: str | None
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """Numbers of an export, and how its items were chosen.

    Attributes
    ----------
    form : str
        ``webdataset``, ``imagefolder``, ``parquet`` or ``tsv``.
    n_selected, n_items, n_not_stored, n_forgotten : int
        Items asked for, exported, not in the mirror, and removed from it for good; the others
        were left out.
    n_bytes, n_pieces : int
        Of the data.
    notes : mapping of str to int
        What is worth knowing, counted.
    licenses : mapping of str to int
        Items by the licence's code, the most frequent first; ``""`` for one that is unknown.
    fingerprint : str or None
        Of the catalog; None if there was none.
    sql : str
        The selection; words, if there was no catalog.
    size : int or None
        Pixels of the shorter side of what was made smaller.
    has_media : bool
        Whether bytes of photos and videos are in the data.
    has_credits : bool
        Whether lists of credits lie beside the data.
    started_at : str
        ISO 8601.
    checksums : str
        Name of the file with the checksums.
    """

    form: str
    n_selected: int
    n_items: int
    n_not_stored: int
    n_forgotten: int
    n_bytes: int
    n_pieces: int
    notes: Mapping[str, int]
    licenses: Mapping[str, int]
    fingerprint: str | None
    sql: str
    size: int | None
    has_media: bool
    has_credits: bool
    started_at: str
    checksums: str = "SHA256SUMS"

    @property
    def n_left_out(self) -> int:
        """Items that were asked for and may not be handed on, or do not fit the form."""
        return self.n_selected - self.n_items - self.n_not_stored - self.n_forgotten

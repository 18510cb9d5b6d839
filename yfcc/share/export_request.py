"""What is exported in pieces, where to, and in which form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from yfcc.catalog.select import Selection
from yfcc.share.copies import Copy
from yfcc.share.export_place import ExportPlace, Finished
from yfcc.share.pieces import Piece, PieceLimits
from yfcc.share.stored import StoredItem


class PieceWriter(Protocol):
    """Writes one piece; a context manager that lets go of what it has open."""

    def add(self, copy: Copy) -> None:
        """Write a copy."""

    def finish(self) -> Finished:
        """Make the piece whole and durable, and give it its name."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Form(Protocol):
    """A form of export that is made of pieces."""

    form: str

    def path_of(self, piece: Piece) -> str:
        """Where a piece lies, below the export's directory."""

    def takes(self, item: StoredItem) -> bool:
        """Whether an item can be part of it."""

    def begin(self, place: ExportPlace, path: str) -> PieceWriter:
        """Begin a piece."""

    def finish(self, place: ExportPlace, n_pieces: int) -> tuple[str, ...]:
        """Write what the pieces need beside them; the names of the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to export, and where to.

    Attributes
    ----------
    form : Form
    mirror : str
        A directory or ``s3://bucket/prefix``.
    catalog : Path or None
        None: all stored items of the mirror.
    out : str
        A directory or ``s3://bucket/prefix``.
    selection : Selection
    limits : PieceLimits
    size : int or None
        Pixels of the shorter side of photos that have more.
    is_redistributable, has_clean_captions : bool
        As :class:`yfcc.share.copies.CopyRules` has them.
    n_workers : int or None
        Pieces made at a time; None: as many as there are cores.
    is_overwriting : bool
        Whether another export that is there may be replaced.
    """

    form: Form
    mirror: str
    catalog: Path | None
    out: str
    selection: Selection
    limits: PieceLimits
    size: int | None = None
    is_redistributable: bool = False
    has_clean_captions: bool = False
    n_workers: int | None = None
    is_overwriting: bool = False

"""How far a build is: everything that is carried from one batch to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from yfcc.catalog.counts import FileCounts, counts_from
from yfcc.metadata.bzip2 import BlockPosition
from yfcc.metadata.layouts import Pack
from yfcc.metadata.lines import LinePlace


class Stage(StrEnum):
    """What a build does next.

    ``READING`` windows of the dataset; ``DRAINING`` what the packs still hold; ``JOINING`` late
    rows, all files being read; ``FINISHED`` is a file that only needs its name.
    """

    READING = "reading"
    DRAINING = "draining"
    JOINING = "joining"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class ReadPlace:
    """Where to read on in a file.

    Attributes
    ----------
    chunk : LinePlace
        Start of the chunk that holds the line, or of the last one if it is yet to come.
    next_line : int
        The first line whose row is still wanted.
    """

    chunk: LinePlace
    next_line: int


@dataclass(frozen=True, slots=True)
class DatasetPlace:
    """Where to read on in the dataset.

    Attributes
    ----------
    file : str
        Of its files; those before it are done.
    place : ReadPlace
    """

    file: str
    place: ReadPlace


@dataclass(frozen=True, slots=True)
class PackPlace:
    """Where to read on in a pack, and what of it was held; rows passed over lie in the journal.

    Attributes
    ----------
    place : ReadPlace or None
        None: nothing was read yet.
    n_ahead : int
        Rows from there that were read.
    is_unordered : bool
    """

    place: ReadPlace | None
    n_ahead: int
    is_unordered: bool


@dataclass(frozen=True, slots=True)
class Step:
    """The state of a build right after a batch.

    Attributes
    ----------
    number : int
        From 0, which is the start.
    stage : Stage
    n_rows : dict of str to int
        Rows of every table once the batch is committed: tells whether it was.
    counts : dict of str to FileCounts
        Lines below ``n_lines`` of a file are accounted for, whether or not their rows are needed
        again.
    started_at : datetime
        Of the first run, UTC.
    columns : tuple of str or None
        Of the dataset, once they are known.
    dataset : DatasetPlace or None
        None: nothing of it was read, or all of it.
    packs : dict of Pack to PackPlace
    """

    number: int
    stage: Stage
    n_rows: dict[str, int]
    counts: dict[str, FileCounts]
    started_at: datetime
    columns: tuple[str, ...] | None
    dataset: DatasetPlace | None
    packs: dict[Pack, PackPlace]

    def as_document(self) -> dict[str, Any]:
        """Itself, ready for JSON."""
        return {**asdict(self), "started_at": self.started_at.isoformat()}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Step:
        """The step of a document."""
        dataset = document["dataset"]
        return Step(
            number=document["number"],
            stage=Stage(document["stage"]),
            n_rows=document["n_rows"],
            counts=counts_from(document["counts"]),
            started_at=datetime.fromisoformat(document["started_at"]),
            columns=document["columns"] and tuple(document["columns"]),
            dataset=dataset and DatasetPlace(dataset["file"], _place(dataset["place"])),
            packs={
                Pack(pack): PackPlace(
                    each["place"] and _place(each["place"]), each["n_ahead"], each["is_unordered"]
                )
                for pack, each in document["packs"].items()
            },
        )


def _place(document: Mapping[str, Any]) -> ReadPlace:
    chunk = document["chunk"]
    place = LinePlace(BlockPosition(**chunk["block"]), chunk["raw_offset"], chunk["line_number"])
    return ReadPlace(place, document["next_line"])


def going_on(step: Step) -> str:
    """Where an interrupted build goes on, in the user's words."""
    n_items = step.n_rows["items"]
    there = f"an interrupted build is there: {n_items:,} items are kept, "
    if step.dataset:
        return f"{there}going on at line {step.dataset.place.next_line:,} of {step.dataset.file}"
    if step.stage is Stage.READING:
        return f"{there}beginning again"
    return f"{there}the dataset is read, going on with what is left"

"""What a catalog is built from; an interrupted build goes on only with the very same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from yfcc import __version__
from yfcc.errors import SourceChanged, UsageError
from yfcc.metadata.source import SourceObject

#: Raise it when an older journal, or the tables beside it, cannot be gone on with.
_JOURNAL_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A metadata file as it was listed."""

    name: str
    n_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What a build was asked for.

    Attributes
    ----------
    source : str
        As the user named it.
    files : tuple of PlannedFile
        In order of their names.
    limit : int, optional
        Lines of the dataset.
    version : str
        Of what builds it.
    """

    source: str
    files: tuple[PlannedFile, ...]
    limit: int | None
    version: str = f"{__version__} (journal {_JOURNAL_VERSION})"

    def as_document(self) -> dict[str, Any]:
        """Itself, ready for JSON."""
        return asdict(self)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> BuildPlan:
        """The plan of a document."""
        files = tuple(PlannedFile(**each) for each in document["files"])
        return BuildPlan(**{**document, "files": files})


def plan_build(source: str, objects: Iterable[SourceObject], limit: int | None) -> BuildPlan:
    """The plan for files of a source."""
    files = sorted((each.name, each.n_bytes, each.etag) for each in objects)
    return BuildPlan(source, tuple(PlannedFile(*each) for each in files), limit)


def why_not_resumed(kept: BuildPlan, asked: BuildPlan, catalog: Path) -> str | None:
    """Why a build cannot go on from an interrupted one, though nothing is wrong.

    Parameters
    ----------
    kept : BuildPlan
        Of the interrupted build.
    asked : BuildPlan
        Of the one that is asked for.
    catalog : Path
        What both build.

    Returns
    -------
    str or None
        A reason to start over, or None: it can go on.

    Raises
    ------
    UsageError
        Another source or limit: going on would be wrong, and starting over would throw away work.
    SourceChanged
        The source is the same, its files are not.
    """
    going_on = f"{catalog}: an interrupted build lies there"
    over = "or start over with --restart"
    if kept.limit != asked.limit:
        raise UsageError(
            f"{going_on}, with {_limit(kept.limit)}; now asked for {_limit(asked.limit)}. "
            f"Ask for the same to go on, {over}."
        )
    if kept.files != asked.files:
        if kept.source != asked.source:
            raise UsageError(
                f"{going_on}, from {kept.source}; now asked for {asked.source}. Name the same "
                f"source to go on, another --catalog to keep both, {over}."
            )
        raise SourceChanged(
            f"{asked.source}: changed since the interrupted build of {catalog}: "
            f"{_difference(kept, asked)}. What was built so far belongs to the old files: bring "
            f"them back to go on, {over}."
        )
    if kept.version != asked.version:
        return f"it was begun by yfcc {kept.version}, this is {asked.version}"
    return None


def _limit(limit: int | None) -> str:
    return "no --limit" if limit is None else f"--limit {limit}"


def _difference(kept: BuildPlan, asked: BuildPlan) -> str:
    before = {each.name: each for each in kept.files}
    now = {each.name: each for each in asked.files}
    differing = [name for name in sorted(before | now) if before.get(name) != now.get(name)]
    told = [
        f"{name}: expected {_described(before.get(name))}, got {_described(now.get(name))}"
        for name in differing
    ]
    return "; ".join(told)


def _described(file: PlannedFile | None) -> str:
    return f"{file.n_bytes:,} bytes with ETag {file.etag}" if file else "no such file"

"""Removing items from all exports that a mirror and its catalogs know of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from yfcc.catalog.connection import target_errors
from yfcc.catalog.exported import Exported, drop_beside, make_exported, read_beside
from yfcc.catalog.tombstones import TombstoneSet, gather
from yfcc.config import s3_endpoint_url
from yfcc.errors import LockedError, SourceDamaged, TargetError, UsageError, VerifyError
from yfcc.mirror.exported import drop_export, note_export, read_exports
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.tombstones import Removals, open_tombstones, read_removals
from yfcc.share.removal_look import NoExport, Removed
from yfcc.share.removal_pieces import read_form, remove_from_pieces


class ExportState(StrEnum):
    """How an export stands after a removal."""

    #: Nothing of any removed item is in it.
    CLEAN = "clean"
    #: It is no longer where it was written, and no longer looked for.
    GONE = "gone"
    #: It could not be looked at or written; the next ``yfcc forget`` tries again.
    LEFT = "left"
    #: It is to be looked through.
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class ExportRemoval:
    """What became of one export.

    Attributes
    ----------
    address, form : str
    state : ExportState
    n_items : int
        Removed from it.
    why : str or None
        Why something may be left.
    """

    address: str
    form: str
    state: ExportState
    n_items: int = 0
    why: str | None = None

    @property
    def is_left(self) -> bool:
        """Whether something of removed items may be in it."""
        return self.state is ExportState.LEFT


@dataclass(frozen=True, slots=True)
class _Known:
    """An export, and how to forget about it."""

    exported: Exported
    drop: Callable[[], None]


def remove_from_exports(mirror: AnyMirror, moved_to: Iterable[str] = ()) -> list[ExportRemoval]:
    """Remove all that was ever removed from a mirror from its exports, too.

    Exports that were looked through since the last removal are passed over.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    moved_to : iterable of str
        Exports that the mirror does not know, or no longer where they are; noted first.

    Raises
    ------
    UsageError
        There is no export at one of ``moved_to``.
    LockedError
        Another ``forget`` is at work.
    TargetError
        The mirror cannot be read or written.
    """
    for address in moved_to:
        note_export(mirror, _recognise(address))
    if not read_removals(mirror).known:
        return []
    found = []
    with open_tombstones(mirror) as file:
        wanted = gather(file.removals.known.values())
        for known in _iter_pending(mirror, file.removals):
            told = _remove(known.exported, wanted)
            if told.state is ExportState.CLEAN:
                file.mark_done(told.address)
            elif told.state is ExportState.GONE:
                known.drop()
            found.append(told)
    return found


def list_exports(mirror: AnyMirror) -> list[ExportRemoval]:
    """Exports that the next removal would be carried to.

    Raises
    ------
    TargetError
        A register cannot be read.
    """
    known = [each.exported for each in _iter_known(mirror, read_removals(mirror))]
    return [ExportRemoval(each.address, each.form, ExportState.PENDING) for each in known]


def _iter_known(mirror: AnyMirror, removals: Removals) -> Iterator[_Known]:
    told = set()
    for each in read_exports(mirror):
        told.add(each.address)
        yield _Known(each, lambda each=each: drop_export(mirror, each))  # type: ignore[misc]
    for catalog in map(Path, removals.all_catalogs):
        with target_errors(catalog):
            beside = read_beside(catalog)
        for each in beside:
            if each.address not in told:
                told.add(each.address)
                yield _Known(each, lambda each=each, at=catalog: drop_beside(at, each))  # type: ignore[misc]


def _iter_pending(mirror: AnyMirror, removals: Removals) -> Iterator[_Known]:
    for known in list(_iter_known(mirror, removals)):
        if known.exported.address not in removals.done:
            yield known


def _remove(exported: Exported, wanted: TombstoneSet) -> ExportRemoval:
    """Remove from one export; what goes wrong there keeps nothing else from being cleaned."""
    address, form = exported.address, exported.form
    try:
        done = _remove_from(exported, wanted)
    except NoExport:
        return _describe_absence(exported)
    except (LockedError, TargetError, UsageError, VerifyError, SourceDamaged) as error:
        why = f"{error} Then run `yfcc forget` again; or remove the export, and make it anew"
        return ExportRemoval(address, form, ExportState.LEFT, 0, why)
    why = done.refusal or ""
    if not done.is_done:
        why = "an export to it was cut short or is under way: end it, then run `yfcc forget` again"
    if why:
        return ExportRemoval(address, form, ExportState.LEFT, done.n_items, why)
    return ExportRemoval(address, form, ExportState.CLEAN, done.n_items)


def _describe_absence(exported: Exported) -> ExportRemoval:
    address, form = exported.address, exported.form
    if "://" not in address and not Path(address).parent.is_dir():
        why = f"{Path(address).parent} is not there: mount it, and run `yfcc forget` again"
        return ExportRemoval(address, form, ExportState.LEFT, 0, why)
    why = (
        "no export is there any more: of one that was moved, or copied elsewhere, "
        "`yfcc forget --exported PATH` removes the items, or make it anew"
    )
    return ExportRemoval(address, form, ExportState.GONE, 0, why)


def _remove_from(exported: Exported, wanted: TombstoneSet) -> Removed:
    done = _remove_items(exported, wanted)
    if "://" not in exported.address:
        return done
    from yfcc.mirror.bucket.objects import Objects  # noqa: PLC0415 - only in buckets
    from yfcc.mirror.bucket.versions import OldVersions  # noqa: PLC0415

    with closing(Objects(exported.address, s3_endpoint_url())) as objects:
        versions = OldVersions(objects)
        versions.remove("")
        return replace(done, refusal=versions.refusal)


def _remove_items(exported: Exported, wanted: TombstoneSet) -> Removed:
    if exported.form in ("parquet", "tsv"):
        from yfcc.share.removal_tables import remove_from_tables  # noqa: PLC0415 - pyarrow

        return remove_from_tables(exported.address, wanted)
    return remove_from_pieces(exported.address, wanted)


def _recognise(out: str) -> Exported:
    """The export at an address, by what lies there."""
    form = read_form(make_exported(out, "").address)
    if form is None:
        raise UsageError(f"--exported {out}: no export is there, or one that was cut short.")
    return make_exported(out, form)

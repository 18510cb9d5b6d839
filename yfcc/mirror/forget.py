"""Removal that lasts: by id, owner, hash or digest, from a mirror and from catalogs.

In this order, each step durable before the next: the tombstones; the ids of the items that they
mean; every item's records, reduced to its id and the reason; its files; a note that the mirror is
done; the catalogs, published anew without their rows; and exports, by :mod:`yfcc.share.removal`. A
removal that was cut short anywhere is carried to its end by the next ``yfcc forget``, and as far as
the mirror goes by the next ``download`` or ``verify``.
"""

from __future__ import annotations

import errno
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from yfcc.catalog.tombstones import Kind, Reason, Tombstone, TombstoneSet, gather, make_tombstone
from yfcc.errors import LockedError, SourceMissing, TargetError, VerifyError
from yfcc.mirror.cache_folder import drop_cache
from yfcc.mirror.claim import AnyClaim, claim_shards
from yfcc.mirror.clock import Clock, SystemClock, format_utc
from yfcc.mirror.forget_files import Holding, look_up, remove_items
from yfcc.mirror.forget_search import find_matches, find_same_bytes
from yfcc.mirror.layout import LEDGER
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.tombstones import (
    TOMBSTONES,
    TombstoneList,
    open_tombstones,
    read_removals,
)
from yfcc.mirror.verify_journal import drop_verify_progress
from yfcc.model import N_SHARDS, shard_of

#: A mirror that cannot be written can be verified all the same.
_NOT_WRITABLE: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
#: Seconds that a run waits for another process to carry out what is pending, and between looks.
_PATIENCE_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.05
#: How often a list in a bucket is read again, because somebody else has added to it.
_N_TRIES: Final = 5
#: Shards of a mirror in a bucket that are worked at side by side.
_N_SHARDS_AHEAD: Final = 16


@dataclass(slots=True)
class ForgetSummary:
    """What a removal did, or with ``is_dry_run`` would do.

    Attributes
    ----------
    n_new : int
        Tombstones that were not known.
    n_known : int
        Tombstones of the mirror in all.
    n_items : int
        Items that had records or files in the mirror.
    n_files : int
        Files of them.
    catalogs : dict of str to int
        Rows removed, by catalog.
    unknown : list of int
        Ids asked for that the mirror has nothing of; they are kept away all the same.
    left : list of str
        What is left of the removed items.
    is_dry_run : bool
    """

    n_new: int = 0
    n_known: int = 0
    n_items: int = 0
    n_files: int = 0
    catalogs: dict[str, int] = field(default_factory=dict)
    unknown: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    is_dry_run: bool = False

    def raise_if_left(self) -> None:
        """End with exit code 8 if anything is left.

        Raises
        ------
        VerifyError
        """
        if self.left:
            more = f", and {len(self.left) - 1} more" if len(self.left) > 1 else ""
            raise VerifyError(f"not all is gone: {self.left[0]}{more}")


def forget(
    mirror: AnyMirror,
    tombstones: Iterable[Tombstone],
    catalog: Path | None = None,
    clock: Clock | None = None,
) -> ForgetSummary:
    """Remove items for good, and carry earlier removals to their ends.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    tombstones : iterable of Tombstone
        What to remove; none: only what is pending.
    catalog : Path, optional
        Loses the rows of everything that was ever removed from the mirror.
    clock : Clock, optional
        The time.

    Raises
    ------
    LockedError
        A run holds the items' shards, or another ``forget`` is at work. Once the tombstones are
        written they stay, and the next run carries them out.
    TargetError
        The mirror or the catalog cannot be written.
    SourceError
        The catalog is missing, or is none.
    """
    asked = list(tombstones)
    now = format_utc((clock or SystemClock()).now_utc())
    if catalog is not None and not catalog.is_file():
        raise SourceMissing(f"{catalog}: no catalog there; nothing was removed. Check --catalog.")
    path = None if catalog is None else str(catalog.absolute())
    summary = ForgetSummary()
    file, wanted = _note(mirror, asked, path, summary)
    with file:
        if wanted:
            _remove_pending(mirror, file, wanted, catalog, now, summary)
        for each in list(file.removals.catalogs):
            _remove_rows(file, each, summary)
        summary.n_known = len(file.removals.known)
    return summary


def _note(
    mirror: AnyMirror, asked: list[Tombstone], catalog: str | None, summary: ForgetSummary
) -> tuple[TombstoneList, TombstoneSet]:
    """Make the tombstones durable; the open list, and all that is to be carried out."""
    keys = {(each.kind.value, each.value) for each in asked}
    for n_tries in range(1, _N_TRIES + 1):
        with ExitStack() as on_error:
            file = on_error.enter_context(open_tombstones(mirror))
            pending = dict(file.removals.pending)
            # What was removed once is looked for again; a kill meanwhile leaves all of it pending.
            is_again = bool(keys & (file.removals.known.keys() - pending.keys()))
            try:
                summary.n_new = file.add(asked, catalog, again=is_again)
            except LockedError:
                if n_tries == _N_TRIES:
                    raise
                continue
            on_error.pop_all()
            known = file.removals.known
            return file, gather(known[key] for key in sorted({*keys, *pending}))
    raise AssertionError  # the last try returned, or raised


def _remove_pending(
    mirror: AnyMirror,
    file: TombstoneList,
    wanted: TombstoneSet,
    catalog: Path | None,
    now: str,
    summary: ForgetSummary,
) -> None:
    """Take everything that is named out of the mirror."""
    # A run that fetches meanwhile could bring what a search has passed already.
    shards = range(N_SHARDS) if wanted.needs_search else {shard_of(each) for each in wanted.ids}
    run_id = f"forget-{secrets.token_hex(6)}"
    try:
        with claim_shards(mirror, frozenset(shards), run_id, now) as claim:
            unnamed: list[int] = []
            matches = find_matches(mirror, wanted, catalog, unnamed)
            file.add(
                make_tombstone(Kind.ID, str(photo_id), reason, now[:10])
                for photo_id, reason in matches.items()
            )
            digests = _remove_matches(mirror, claim, matches, now, summary)
            drop_verify_progress(mirror)
            if isinstance(mirror, Mirror):
                drop_cache(mirror)
            else:
                from yfcc.mirror.bucket.versions import remove_old_versions  # noqa: PLC0415

                summary.left += remove_old_versions(mirror, matches)
            summary.unknown = sorted(set(summary.unknown) & wanted.ids.keys())
            summary.left += _find_left(mirror, matches)
            for photo_id in sorted(set(unnamed) - matches.keys()):
                summary.left.append(
                    f"item {photo_id} may be meant too, but its JSON is damaged or missing: name "
                    "a --catalog, or run `yfcc verify --repair` and then this again"
                )
            for photo_id in find_same_bytes(mirror, digests, matches):
                summary.left.append(
                    f"item {photo_id} has the same bytes as a removed one: forget it too, by "
                    "--id, or all that have them by --digest"
                )
        # Not before the shards are free: a run that finds nothing pending claims its own at once.
        file.mark_mirror_done()
    except LockedError as error:
        raise LockedError(
            f"{error}. What was asked for is noted in {mirror.name(LEDGER, TOMBSTONES)} and kept "
            "from being fetched; run `yfcc forget` again to remove what is there"
        ) from error


def _remove_matches(
    mirror: AnyMirror,
    claim: AnyClaim,
    matches: Mapping[int, Reason],
    now: str,
    summary: ForgetSummary,
) -> set[str]:
    """Remove all matches; the SHA-256 of the bytes they had."""
    digests: set[str] = set()
    for ids, holding in _each_shard(
        mirror, lambda shard, ids: remove_items(mirror, claim, shard, ids, now), matches
    ):
        digests |= holding.digests
        there = holding.recorded | holding.files.keys()
        summary.n_items += len(there)
        summary.n_files += holding.n_files
        summary.unknown += sorted(ids.keys() - there - holding.known)
    return digests


def _each_shard(
    mirror: AnyMirror,
    do: Callable[[int, dict[int, Reason]], Holding],
    matches: Mapping[int, Reason],
) -> Iterator[tuple[dict[int, Reason], Holding]]:
    """Do something with the items of each shard, in a bucket with many at a time."""
    shards = sorted(_by_shard(matches).items())

    def do_one(each: tuple[int, dict[int, Reason]]) -> tuple[dict[int, Reason], Holding]:
        return each[1], do(*each)

    if isinstance(mirror, Mirror):
        return map(do_one, shards)
    return mirror.map_ahead(do_one, shards, _N_SHARDS_AHEAD)


def _by_shard(matches: Mapping[int, Reason]) -> dict[int, dict[int, Reason]]:
    shards: dict[int, dict[int, Reason]] = defaultdict(dict)
    for photo_id, reason in matches.items():
        shards[shard_of(photo_id)][photo_id] = reason
    return shards


def _find_left(mirror: AnyMirror, matches: Mapping[int, Reason]) -> list[str]:
    """What a second look finds of items that were removed."""
    left = []
    for _, holding in _each_shard(mirror, partial(look_up, mirror), matches):
        left += [f"item {photo_id} has a record still" for photo_id in sorted(holding.recorded)]
        for photo_id, names in sorted(holding.files.items()):
            left.append(f"item {photo_id} has files still: {', '.join(names)}")
    return left


def _remove_rows(file: TombstoneList, catalog: str, summary: ForgetSummary) -> None:
    from yfcc.catalog.forget import remove_rows  # noqa: PLC0415 - DuckDB takes its time to load

    # One that was asked for in an earlier run, and is no more, has no rows.
    if Path(catalog).is_file():
        n_rows = remove_rows(Path(catalog), file.removals.known.values())
        summary.catalogs[catalog] = n_rows
    file.mark_done(catalog)


def preview(
    mirror: AnyMirror, tombstones: Collection[Tombstone], catalog: Path | None = None
) -> ForgetSummary:
    """What :func:`forget` would remove; nothing is written.

    Raises
    ------
    TargetError, SourceError
        As :func:`forget`.
    """
    removals = read_removals(mirror)
    asked = {(each.kind.value, each.value): each for each in tombstones}
    wanted = gather([*removals.pending.values(), *asked.values()])
    summary = ForgetSummary(
        n_new=len(asked.keys() - removals.known.keys()),
        n_known=len(removals.known),
        is_dry_run=True,
    )
    matches = find_matches(mirror, wanted, catalog)
    for ids, holding in _each_shard(mirror, partial(look_up, mirror), matches):
        there = holding.recorded | holding.files.keys()
        summary.n_items += len(there)
        summary.n_files += holding.n_files
        summary.unknown += sorted((ids.keys() - there - holding.known) & wanted.ids.keys())
    if catalog is not None:
        from yfcc.catalog.known_items import find_items  # noqa: PLC0415

        named = gather(removals.known.values())
        for each in [*asked.values(), *_ids_of(matches)]:
            named.add(each)
        summary.catalogs[str(catalog.absolute())] = len(find_items(catalog, named))
    return summary


def _ids_of(matches: Mapping[int, Reason]) -> list[Tombstone]:
    return [Tombstone(Kind.ID, str(each), reason, "") for each, reason in matches.items()]


def finish_removals(
    mirror: AnyMirror,
    clock: Clock | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> ForgetSummary | None:
    """Carry out what a removal that was cut short left in the mirror; for the start of a run.

    Of several runs that start at once one does it, and the others wait for it: it holds shards
    that may be theirs. Where a run is at work on the items' shards it is left to the next one,
    and so it is on a disk that cannot be written; nothing is fetched for a removed item meanwhile.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    clock : Clock, optional
        The time.
    is_stopping : callable, optional
        Whether the run is to end; then nothing is waited for.

    Returns
    -------
    ForgetSummary or None
        None: nothing was pending, or nothing could be done.

    Raises
    ------
    TargetError
        The list of removals is damaged, or the disk is full or failing.
    """
    if not read_removals(mirror).pending:
        return None
    summary = ForgetSummary()
    now = format_utc((clock or SystemClock()).now_utc())
    try:
        with _open_list(mirror, is_stopping) as file:
            wanted = gather(file.removals.pending.values())
            if wanted:
                _remove_pending(mirror, file, wanted, None, now, summary)
    except LockedError:
        return None
    except TargetError as error:
        if _is_forbidden(error.__cause__):
            return None
        raise
    return summary


def _is_forbidden(cause: BaseException | None) -> bool:
    """Whether the place may only be read."""
    if isinstance(cause, OSError):
        return cause.errno in _NOT_WRITABLE
    if isinstance(cause, Exception):
        from yfcc.metadata.source import s3_codes  # noqa: PLC0415 - only in buckets
        from yfcc.mirror.bucket.client import code_of  # noqa: PLC0415

        return code_of(cause) in s3_codes.FORBIDDEN
    return False


def _open_list(mirror: AnyMirror, is_stopping: Callable[[], bool]) -> TombstoneList:
    """The list of removals, once nobody else is at work on what is pending.

    Raises
    ------
    LockedError
        Somebody is, and what was pending is done, or takes too long to wait for.
    """
    end_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return open_tombstones(mirror)
        except LockedError:
            if is_stopping() or time.monotonic() > end_s or not read_removals(mirror).pending:
                raise
        time.sleep(_LOOK_EVERY_S)

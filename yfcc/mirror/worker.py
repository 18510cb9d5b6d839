"""One item's way through the mirror: look for it on disk, fetch it, hand it to the committer."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from yfcc.catalog.tombstones import Reason
from yfcc.errors import InterruptedRun, YfccError
from yfcc.mirror.acquire import Acquire, Acquired
from yfcc.mirror.adopt import Found, find_on_disk
from yfcc.mirror.belt import Belt
from yfcc.mirror.clock import Clock, format_utc
from yfcc.mirror.committer import Committer, Entry
from yfcc.mirror.document import build_document
from yfcc.mirror.feed import Task
from yfcc.mirror.forget_items import forgotten_entry
from yfcc.mirror.hiring import WorkClock
from yfcc.mirror.layout import check_extension, document_name, media_name, media_path
from yfcc.mirror.part import Part
from yfcc.mirror.record import Record
from yfcc.mirror.space import SpaceGuard
from yfcc.mirror.store import Publication, Store
from yfcc.mirror.tombstones import LiveTombstones
from yfcc.mirror.totals import RunTotals
from yfcc.model import Item, Outcome


@dataclass(frozen=True, slots=True)
class Bench:
    """What the workers of a run share.

    Attributes
    ----------
    run_id : str
        The run.
    belt : Belt of Task
        Brings the items.
    acquire : Acquire
        Fetches and checks them.
    store : Store
        Keeps them.
    committer : Committer
        Makes them durable.
    space : SpaceGuard
        Watches the space left.
    totals : RunTotals
        Counts what is durable.
    tombstones : LiveTombstones
        Say what must not be stored.
    clock : Clock
        Says when something was fetched.
    work_clock : WorkClock
        Knows what the workers spend their time on.
    """

    run_id: str
    belt: Belt[Task]
    acquire: Acquire
    store: Store
    committer: Committer
    space: SpaceGuard
    totals: RunTotals
    tombstones: LiveTombstones
    clock: Clock
    work_clock: WorkClock = field(default_factory=WorkClock)


def work(bench: Bench, is_stopping: Callable[[], bool]) -> None:
    """Take items from the belt until there are no more.

    Raises
    ------
    YfccError
        The run has to stop; the item at hand stays untried.
    """
    while not is_stopping() and (task := bench.belt.take()) is not None:
        bench.space.check()
        try:
            handle_item(bench, task)
        except InterruptedRun:
            if is_stopping():
                return
            raise
        bench.work_clock.note()


def handle_item(bench: Bench, task: Task) -> None:
    """Take one item through the mirror, up to the hand-over to the committer."""
    item, ledger = task.item, task.ledger
    # It may have waited for long since it was read, at Flickr's pace.
    bench.tombstones.refresh()
    reason = bench.tombstones.reason_of(item)
    if reason is not None:
        _add_forgotten(bench, task, reason)
        return
    was_stored = ledger.outcome_of(item.photo_id) is Outcome.STORED
    found = find_on_disk(bench.store, item, bench.run_id)
    if found is not None and found.record is not None and not was_stored:
        banned = bench.tombstones.reason_of_digest(found.record.sha256)
        if banned is None:
            bench.committer.add(Entry(ledger, found.record, Outcome.ALREADY_STORED))
        else:
            _add_forgotten(bench, task, banned)
        return
    part = bench.store.new_part()
    with ExitStack() as on_the_way_out:
        on_the_way_out.callback(part.discard)
        bench.work_clock.begin_asking()
        try:
            acquired = bench.acquire(item, part)
        finally:
            bench.work_clock.end_asking()
        banned = bench.tombstones.reason_of_digest(acquired.sha256)
        if was_stored and (banned is not None or acquired.outcome is not Outcome.STORED):
            # Asked for again by force, and not to be had any more: what is stored stays.
            bench.totals.add(Counter({Outcome.ALREADY_STORED: 1}), by_shard={item.shard: 1})
            return
        if banned is not None:
            _add_forgotten(bench, task, banned)
            return
        entry = compose_entry(bench, task, acquired, part, found)
        if entry.publication is not None:
            on_the_way_out.pop_all()
    if not bench.committer.add(entry):
        part.discard()


def _add_forgotten(bench: Bench, task: Task, reason: Reason) -> None:
    now = format_utc(bench.clock.now_utc())
    bench.committer.add(
        forgotten_entry(bench.store, task.ledger, task.item, reason, now, bench.run_id)
    )


def compose_entry(
    bench: Bench, task: Task, acquired: Acquired, part: Part, found: Found | None
) -> Entry:
    """What is to be stored and recorded of an item that was fetched.

    Raises
    ------
    YfccError
        What was acquired contradicts itself.
    """
    item = task.item
    extension = _check_acquired(item, acquired, part)
    record = _record_of(bench, item, acquired, extension)
    leftovers = found.names if found else ()
    if extension is None:
        return Entry(task.ledger, record, record.outcome, leftovers=leftovers)
    kept = (media_name(item.photo_id, extension), document_name(item.photo_id))
    document = build_document(item, record)
    return Entry(
        task.ledger,
        replace(record, document_crc32=zlib.crc32(document)),
        Outcome.STORED,
        Publication(item.photo_id, extension, part, document),
        tuple(name for name in leftovers if name not in kept),
    )


def _check_acquired(item: Item, acquired: Acquired, part: Part) -> str | None:
    """The extension of what is to be stored; None if nothing is."""
    if acquired.outcome is Outcome.ALREADY_STORED:
        raise YfccError(f"item {item.photo_id} was fetched with outcome already_stored")
    if acquired.outcome is not Outcome.STORED:
        return None
    if acquired.n_bytes != part.n_bytes or not part.n_bytes or not acquired.sha256:
        raise YfccError(
            f"item {item.photo_id} was fetched as {acquired.n_bytes} bytes with SHA-256 "
            f"{acquired.sha256}, but {part.n_bytes} bytes arrived in the mirror"
        )
    return check_extension(acquired.extension or "")


def _record_of(bench: Bench, item: Item, acquired: Acquired, extension: str | None) -> Record:
    is_stored = extension is not None
    return Record(
        photo_id=item.photo_id,
        outcome=acquired.outcome,
        source=acquired.source,
        url=acquired.url,
        path=None if extension is None else media_path(item.photo_id, extension),
        n_bytes=acquired.n_bytes if is_stored else None,
        sha256=acquired.sha256 if is_stored else None,
        content_type=acquired.content_type,
        width=acquired.width,
        height=acquired.height,
        http_status=acquired.http_status,
        attempts=acquired.attempts,
        first_error=acquired.first_error,
        fetched_at=format_utc(bench.clock.now_utc()),
        x_robots_tag=acquired.x_robots_tag,
        shard=item.shard,
        run_id=bench.run_id,
        last_error=acquired.last_error,
        rights=dict(acquired.rights),
        n_trailing_bytes=(acquired.n_trailing_bytes or None) if is_stored else None,
        has_zero_run=(acquired.has_zero_run or None) if is_stored else None,
        evidence=acquired.evidence.decode("latin-1") if acquired.evidence else None,
    )

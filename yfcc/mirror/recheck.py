"""Asking politely whether stored items are still public; nothing is removed by it.

Every stored item's page is asked for, or a sample's. Where it is gone (404, 410) the item becomes
a candidate: a line that ``yfcc forget --file`` reads. Owners take photos down; what to make of
that is for people to decide.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import orjson

from yfcc.catalog.tombstones import Kind, Reason, Tombstone, encode_tombstone
from yfcc.errors import InterruptedRun, YfccError
from yfcc.media.page_status import PageAnswer, PageFate
from yfcc.mirror.clock import Clock, SystemClock
from yfcc.mirror.forget_lists import replace_list
from yfcc.mirror.forget_search import read_document
from yfcc.mirror.ledger import find_committed, list_shards, read_shard
from yfcc.mirror.recheck_journal import RecheckJournal
from yfcc.mirror.root import Mirror
from yfcc.mirror.stop import StopRequest
from yfcc.model import Outcome

_N_THREADS: Final = 4
_BATCH: Final = 16
_TICK_S: Final = 0.1
_PAGE_URL: Final = re.compile(rb'"page_url":("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class RecheckOptions:
    """What to ask for.

    Attributes
    ----------
    catalog : Path or None
        Knows the pages of items whose JSON names none.
    n_sample : int or None
        Only so many stored items, chosen by ``seed``; None for all.
    seed : int
    out : Path or None
        Where the candidates go, also those of a recheck that is cut short.
    restart : bool
        Do not go on where an earlier recheck was.
    """

    catalog: Path | None = None
    n_sample: int | None = None
    seed: int = 0
    out: Path | None = None
    restart: bool = False


@dataclass(slots=True)
class RecheckSummary:
    """What was found out.

    Attributes
    ----------
    n_items : int
        Items to ask for.
    n_settled_before : int
        Of them, those that an earlier recheck had asked for.
    fates : Counter of str
        Items by what their pages answered; ``no page`` for those that have none.
    candidates : list of int
        Items whose pages are gone.
    errors : list of str
        Some of the reasons why nothing was found out.
    started : str
        When the recheck began, perhaps in an earlier run.
    """

    n_items: int = 0
    n_settled_before: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    candidates: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    started: str = ""

    @property
    def n_open(self) -> int:
        """Items that are still to be asked for."""
        return self.n_items - sum(self.fates.values()) + self.fates[PageFate.UNCLEAR]


def recheck(
    mirror: Mirror,
    ask: Callable[[str], PageAnswer],
    options: RecheckOptions | None = None,
    clock: Clock | None = None,
    stop: StopRequest | None = None,
) -> RecheckSummary:
    """Ask for the pages of stored items, and list those that are gone.

    Parameters
    ----------
    mirror : Mirror
    ask : callable
        Says what a page's address answers; called from a few threads at a time.
    options : RecheckOptions, optional
    clock : Clock, optional
    stop : StopRequest, optional
        Asks to leave the rest to a later recheck; its event is set then, for who asks.

    Raises
    ------
    LockedError
        Another recheck is under way.
    TargetError
        The mirror, or the list, cannot be read or written.
    InterruptedRun
        The recheck was asked to stop.
    YfccError
        What ``ask`` raised to stop. In either case what was found out is kept and listed.
    """
    options = options or RecheckOptions()
    today = f"{(clock or SystemClock()).now_utc():%Y-%m-%d}"
    summary = RecheckSummary()
    with RecheckJournal(
        mirror, options.n_sample, options.seed, today, restart=options.restart
    ) as journal:
        summary.started = journal.started
        ids = _choose(mirror, options.n_sample, journal.seed)
        summary.n_items = len(ids)
        open_ids = [each for each in ids if each not in journal.settled]
        summary.n_settled_before = len(ids) - len(open_ids)
        for photo_id in ids:
            if photo_id in journal.settled:
                _count(summary, photo_id, journal.settled[photo_id])
        try:
            for batch in _chunks(open_ids):
                urls = _page_urls(mirror, options.catalog, batch)
                error = _ask_batch(ask, batch, urls, journal, summary, stop or StopRequest())
                if error is not None:
                    raise error
        finally:
            summary.candidates.sort()
            if options.out is not None:
                replace_list(options.out, encode_candidates(summary.candidates, today))
        if not summary.n_open:
            journal.finish()
    return summary


def encode_candidates(candidates: list[int], today: str) -> bytes:
    """The list of candidates, as ``yfcc forget --file`` reads it."""
    return b"".join(
        encode_tombstone(Tombstone(Kind.ID, str(each), Reason.NO_LONGER_PUBLIC, today))
        for each in candidates
    )


def _choose(mirror: Mirror, n_sample: int | None, seed: int) -> list[int]:
    """Stored items, or a sample in which every item has the same chance; in order of shards."""
    ids = [
        photo_id
        for shard in list_shards(mirror)
        for photo_id, outcome in find_committed(read_shard(mirror, shard)).read_outcomes().items()
        if outcome is Outcome.STORED
    ]
    if n_sample is None or n_sample >= len(ids):
        return ids
    chosen = random.Random(seed).sample(range(len(ids)), n_sample)  # noqa: S311 - no secret
    return [ids[place] for place in sorted(chosen)]


def _count(summary: RecheckSummary, photo_id: int, fate: PageFate) -> None:
    summary.fates[fate.value] += 1
    if fate is PageFate.GONE:
        summary.candidates.append(photo_id)


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _ask_batch(
    ask: Callable[[str], PageAnswer],
    ids: list[int],
    urls: Mapping[int, str],
    journal: RecheckJournal,
    summary: RecheckSummary,
    stop: StopRequest,
) -> YfccError | None:
    """Ask for some pages and take note of the answers; the error that ends the recheck, if any."""
    error: YfccError | None = None
    answers = [(each, PageAnswer(PageFate.NO_PAGE)) for each in ids if each not in urls]
    with ThreadPoolExecutor(_N_THREADS, thread_name_prefix="yfcc-recheck") as executor:
        futures = {executor.submit(ask, url): photo_id for photo_id, url in urls.items()}
        open_futures: set[Future[PageAnswer]] = set(futures)
        while open_futures:
            open_futures = wait(open_futures, timeout=_TICK_S).not_done
            if stop.is_asked:
                stop.event.set()
    for future, photo_id in futures.items():
        try:
            answers.append((photo_id, future.result()))
        except YfccError as raised:
            error = error or raised
    _take_in(answers, journal, summary)
    if stop.signal_number is not None:
        return InterruptedRun(stop.signal_number)
    return error


def _take_in(
    answers: list[tuple[int, PageAnswer]], journal: RecheckJournal, summary: RecheckSummary
) -> None:
    journal.add((photo_id, answer.fate) for photo_id, answer in answers if answer.fate.is_settled)
    for photo_id, answer in answers:
        _count(summary, photo_id, answer.fate)
        if answer.error is not None and len(summary.errors) < _BATCH:
            summary.errors.append(f"item {photo_id}: {answer.error}")


def _page_urls(mirror: Mirror, catalog: Path | None, ids: list[int]) -> dict[int, str]:
    found = dict(_iter_own_urls(mirror, ids))
    missing = [photo_id for photo_id in ids if photo_id not in found]
    if missing and catalog is not None:
        from yfcc.catalog.known_items import KnownItems  # noqa: PLC0415 - DuckDB takes time to load

        with KnownItems(catalog) as known:
            found |= known.page_urls(missing)
    return found


def _iter_own_urls(mirror: Mirror, ids: list[int]) -> Iterator[tuple[int, str]]:
    for photo_id in ids:
        # Members only: no text of a JSON holds a quote without a backslash.
        match = _PAGE_URL.search(read_document(mirror, photo_id) or b"")
        if match is not None:
            yield photo_id, orjson.loads(match[1])

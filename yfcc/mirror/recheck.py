"""Asking politely whether stored items are still public; nothing is removed by it.

Every stored item's page is asked for, or a sample's. Where it is gone (404, 410) the item becomes
a candidate: a line that ``yfcc forget --file`` reads. Owners take photos down; what to make of
that is for people to decide.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import orjson

from yfcc.catalog.tombstones import Kind, Reason, Tombstone, encode_tombstone
from yfcc.errors import InterruptedRun, YfccError
from yfcc.media.page_status import PageAnswer, PageFate
from yfcc.mirror.ahead import map_ahead
from yfcc.mirror.clock import Clock, SystemClock
from yfcc.mirror.forget_lists import replace_list
from yfcc.mirror.layout import directory_parts, document_name
from yfcc.mirror.ledger import find_committed, iter_shards, read_last_seals
from yfcc.mirror.recheck_journal import RecheckJournal, ShardProgress
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.sampling import draw, share_out
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
    mirror: AnyMirror,
    ask: Callable[[str], PageAnswer],
    options: RecheckOptions | None = None,
    clock: Clock | None = None,
    stop: StopRequest | None = None,
) -> RecheckSummary:
    """Ask for the pages of stored items, and list those that are gone.

    Memory: the ids of one shard, or of a few in a bucket, and one number for each candidate.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
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
    with RecheckJournal(
        mirror, options.n_sample, options.seed, today, restart=options.restart
    ) as journal:
        work = _Work(mirror, journal, options.n_sample)
        try:
            for batch in _chunks(work.iter_open()):
                urls = _page_urls(mirror, options.catalog, [photo_id for _, photo_id in batch])
                answers, error = _ask_batch(ask, urls, stop or StopRequest())
                work.take_in(batch, urls, answers)
                if error is not None:
                    raise error
        finally:
            summary = work.summarise()
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


class _Work:
    """Stored items, or a sample in which every item has the same chance, and their answers.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    journal : RecheckJournal
    n_sample : int or None
    """

    def __init__(self, mirror: AnyMirror, journal: RecheckJournal, n_sample: int | None) -> None:
        self._mirror = mirror
        self._journal = journal
        self._is_sample = n_sample is not None
        seals = read_last_seals(mirror)
        n_stored = {each: seal.counts.get(Outcome.STORED, 0) for each, seal in seals.items()}
        if n_sample is not None:
            n_stored = share_out(Counter(n_stored), n_sample, journal.seed)
        # As the seals have it, until a shard is looked at.
        self._n_items = Counter({shard: n for shard, n in n_stored.items() if n})
        self._n_before = sum(each.n_settled for each in journal.shards.values())
        self._n_unclear = 0
        self._errors: list[str] = []

    def iter_open(self) -> Iterator[tuple[int, int]]:
        """Shards and ids to ask for, in order."""
        shards = sorted(self._n_items.keys() | self._journal.shards.keys())
        for shard, content in zip(shards, iter_shards(self._mirror, shards), strict=True):
            outcomes = find_committed(content).read_outcomes()
            ids = sorted(each for each, known in outcomes.items() if known is Outcome.STORED)
            if self._is_sample:
                ids = draw(ids, self._n_items[shard], self._journal.seed, shard)
            known = self._journal.find(shard)
            self._drop_removed(known, ids)
            open_ids = sorted(filter(known.is_open, ids))
            # What was stored since its neighbours were asked for is left to the next recheck.
            self._n_items[shard] = known.n_settled + len(open_ids)
            yield from ((shard, photo_id) for photo_id in open_ids)

    def _drop_removed(self, known: ShardProgress, ids: Iterable[int]) -> None:
        """Take candidates back that are no more in the mirror."""
        if known.gone:
            there = set(ids)
            kept = [each for each in known.gone if each in there]
            self._n_before -= len(known.gone) - len(kept)
            known.gone = array("q", kept)

    def take_in(
        self,
        batch: Sequence[tuple[int, int]],
        urls: Mapping[int, str],
        answers: Mapping[int, PageAnswer],
    ) -> None:
        """Take note of what was found out; an item without an answer is asked for again."""
        unasked = {each: PageAnswer(PageFate.NO_PAGE) for _, each in batch if each not in urls}
        found = unasked | dict(answers)
        open_answer = PageAnswer(PageFate.UNCLEAR)
        self._journal.add((shard, each, found.get(each, open_answer).fate) for shard, each in batch)
        for photo_id, answer in found.items():
            self._n_unclear += not answer.fate.is_settled
            if answer.error is not None and len(self._errors) < _BATCH:
                self._errors.append(f"item {photo_id}: {answer.error}")

    def summarise(self) -> RecheckSummary:
        """What is known by now."""
        shards = self._journal.shards
        fates: Counter[str] = Counter()
        candidates: list[int] = []
        for each in shards.values():
            fates.update(each.fates)
            candidates += each.gone
        fates.update(
            {PageFate.GONE.value: len(candidates), PageFate.UNCLEAR.value: self._n_unclear}
        )
        n_settled = Counter({shard: each.n_settled for shard, each in shards.items()})
        n_items = (self._n_items | n_settled).total()
        return RecheckSummary(
            n_items=n_items,
            n_settled_before=self._n_before,
            fates=+fates,
            candidates=sorted(candidates),
            errors=self._errors,
            started=self._journal.started,
        )


def _chunks(open_items: Iterator[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    while batch := list(islice(open_items, _BATCH)):
        yield batch


def _ask_batch(
    ask: Callable[[str], PageAnswer], urls: Mapping[int, str], stop: StopRequest
) -> tuple[dict[int, PageAnswer], YfccError | None]:
    """Ask for some pages; the answers, and the error that ends the recheck, if any."""
    error: YfccError | None = None
    answers: dict[int, PageAnswer] = {}
    with ThreadPoolExecutor(_N_THREADS, thread_name_prefix="yfcc-recheck") as executor:
        futures = {executor.submit(ask, url): photo_id for photo_id, url in urls.items()}
        open_futures: set[Future[PageAnswer]] = set(futures)
        while open_futures:
            open_futures = wait(open_futures, timeout=_TICK_S).not_done
            if stop.is_asked:
                stop.event.set()
    for future, photo_id in futures.items():
        try:
            answers[photo_id] = future.result()
        except YfccError as raised:
            error = error or raised
    if stop.signal_number is not None:
        error = InterruptedRun(stop.signal_number)
    return answers, error


def _page_urls(mirror: AnyMirror, catalog: Path | None, ids: list[int]) -> dict[int, str]:
    read = map_ahead(mirror, partial(_read_own_url, mirror), ids)
    found = {photo_id: url for photo_id, url in zip(ids, read, strict=True) if url is not None}
    missing = [photo_id for photo_id in ids if photo_id not in found]
    if missing and catalog is not None:
        from yfcc.catalog.known_items import KnownItems  # noqa: PLC0415 - DuckDB takes time to load

        with KnownItems(catalog) as known:
            found |= known.page_urls(missing)
    return found


def _read_own_url(mirror: AnyMirror, photo_id: int) -> str | None:
    """The page that an item's JSON names."""
    content = mirror.read(*directory_parts(photo_id), document_name(photo_id))
    # Members only: no text of a JSON holds a quote without a backslash.
    match = _PAGE_URL.search(content or b"")
    return None if match is None else str(orjson.loads(match[1]))

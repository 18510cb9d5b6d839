"""Reading the selection: what is known already is counted, the rest goes to the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from yfcc.errors import SourceChanged
from yfcc.mirror.plan import DownloadPlan, ItemSource, plan_download
from yfcc.mirror.shard_ledger import ShardLedger
from yfcc.mirror.tombstones import LiveTombstones
from yfcc.mirror.totals import RunTotals
from yfcc.model import Item, Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """An item to be fetched, and the ledger of its shard."""

    item: Item
    ledger: ShardLedger


@dataclass(slots=True)
class _OpenShard:
    ledger: ShardLedger
    n_missing: int


@dataclass(frozen=True, slots=True)
class Ledgers:
    """How the feeder comes to know what is recorded.

    Attributes
    ----------
    open : callable
        A shard's ledger.
    count : callable
        How many items of each shard have which latest outcome: a hint, nothing is built on it.
    """

    open: Callable[[int], ShardLedger]
    count: Callable[[], Mapping[int, Mapping[str, int]]]


class Feeder:
    """The items of a selection that still need work, shard by shard.

    Shards that seem to be done come last, and of those that are only the ids are read: a run
    that finds everything done looks at no item.

    Memory: the ledgers of the shards that are open, one at a time if the source keeps to the
    order of shards.

    Parameters
    ----------
    plan : DownloadPlan
        Says how many items of which shard will come.
    source : ItemSource
        Brings them.
    ledgers : Ledgers
        Of the plan's shards.
    totals : RunTotals
        Counts the items that need no work.
    tombstones : LiveTombstones
        Say what was removed for good: it goes to the workers, who see to it.
    force : bool
        Whether items with a final outcome are asked for again; removed ones never are.
    """

    def __init__(
        self,
        plan: DownloadPlan,
        source: ItemSource,
        ledgers: Ledgers,
        totals: RunTotals,
        tombstones: LiveTombstones,
        *,
        force: bool,
    ) -> None:
        self._plan = plan
        self._source = source
        self._ledgers = ledgers
        self._totals = totals
        self._tombstones = tombstones
        self._force = force

    def iter_tasks(self) -> Iterator[Task]:
        """Items that need work.

        Raises
        ------
        SourceChanged
            The source brings other numbers of items than were planned.
        TargetError
            A ledger cannot be read.
        """
        likely = self._find_likely_done()
        if not likely:
            yield from self._iter_needy(self._plan)
            return
        counts = self._plan.counts
        first = plan_download(counts, self._plan.shards - likely)
        self._source.follow(first)
        yield from self._iter_needy(first)
        rest = plan_download(counts, likely - self._count_done(likely))
        self._source.follow(rest)
        yield from self._iter_needy(rest)

    def _find_likely_done(self) -> frozenset[int]:
        """Shards with as many final outcomes as there are items selected, or more."""
        if self._force:
            return frozenset()
        n_final = {
            shard: sum(counts.values()) - counts.get(Outcome.FAILED.value, 0)
            for shard, counts in self._ledgers.count().items()
        }
        counts = self._plan.counts
        return frozenset(shard for shard in counts if n_final.get(shard, 0) >= counts[shard])

    def _count_done(self, shards: frozenset[int]) -> frozenset[int]:
        """Count the items of those shards that need no work at all; which shards these are."""
        done: set[int] = set()
        # Waves of a plan are what a scan of the catalog may bring at a time.
        for wave in plan_download(self._plan.counts, shards).waves:
            self._tombstones.refresh()
            for shard, ids in self._source.iter_ids(wave, self._tombstones.removed):
                if len(ids) != self._plan.counts[shard]:
                    continue  # some were removed for good, or the catalog changed
                known = self._known_outcomes(ids, self._ledgers.open(shard))
                if known is not None:
                    by_shard = {shard: len(ids)}
                    self._totals.add(known, by_shard=by_shard, are_known=True)
                    done.add(shard)
        return frozenset(done)

    def _known_outcomes(self, ids: list[int], ledger: ShardLedger) -> Counter[Outcome] | None:
        """What items count as in this run without any work; None if one of them needs some."""
        found = Counter(map(ledger.outcome_of, ids))
        if found[None] or found[Outcome.FAILED]:
            return None
        removed = self._tombstones.removed.ids.keys() & set(ids)
        if any(ledger.outcome_of(each) is not Outcome.FORGOTTEN for each in removed):
            return None
        known = Counter({outcome: n for outcome, n in found.items() if outcome is not None})
        known[Outcome.ALREADY_STORED] = known.pop(Outcome.STORED, 0)
        return +known

    def _iter_needy(self, plan: DownloadPlan) -> Iterator[Task]:
        """Items of a plan that need work; the others are counted."""
        for wave in plan.waves:
            waiting = set(wave)
            opened: dict[int, _OpenShard] = {}
            for batch in self._source.iter_items(wave):
                self._tombstones.refresh()
                known: Counter[Outcome] = Counter()
                by_shard: Counter[int] = Counter()
                tasks = []
                for item in batch:
                    shard = self._shard_of(item, waiting, opened)
                    outcome = self._known_outcome(item, shard.ledger)
                    if outcome is None:
                        tasks.append(Task(item, shard.ledger))
                    else:
                        known[outcome] += 1
                        by_shard[item.shard] += 1
                self._totals.add(known, by_shard=by_shard, are_known=True)
                yield from tasks
            missing = {shard: one.n_missing for shard, one in opened.items()}
            missing |= {shard: self._plan.counts[shard] for shard in waiting}
            if missing:
                raise _changed(missing)

    def _shard_of(self, item: Item, waiting: set[int], opened: dict[int, _OpenShard]) -> _OpenShard:
        """The open shard of an item that just came."""
        number = item.shard
        if number in waiting:
            waiting.remove(number)
            opened[number] = _OpenShard(self._ledgers.open(number), self._plan.counts[number])
        shard = opened.get(number)
        if shard is None:
            raise _changed({number: -1})
        shard.n_missing -= 1
        if shard.n_missing == 0:
            del opened[number]
        return shard

    def _known_outcome(self, item: Item, ledger: ShardLedger) -> Outcome | None:
        """What an item counts as in this run without any work; None if it needs some."""
        recorded = ledger.outcome_of(item.photo_id)
        if recorded is Outcome.FORGOTTEN:
            return recorded
        if recorded is None or recorded is Outcome.FAILED or self._force:
            return None
        if self._tombstones.reason_of(item) is not None:
            return None
        return Outcome.ALREADY_STORED if recorded is Outcome.STORED else recorded


def _changed(missing: dict[int, int]) -> SourceChanged:
    shard, n_missing = min(missing.items())
    said = f"{n_missing} fewer" if n_missing > 0 else "more"
    return SourceChanged(
        f"the catalog brought {said} items of shard {shard} than it had counted: it changed "
        "during the run; run again"
    )

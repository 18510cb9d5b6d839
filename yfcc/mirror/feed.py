"""Reading the selection: what is known already is counted, the rest goes to the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from yfcc.errors import SourceChanged
from yfcc.mirror.plan import DownloadPlan, ItemSource
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


class Feeder:
    """The items of a selection that still need work, shard by shard.

    Memory: the ledgers of the shards that are open, one at a time if the source keeps to the
    order of shards.

    Parameters
    ----------
    plan : DownloadPlan
        Says how many items of which shard will come.
    source : ItemSource
        Brings them.
    open_ledger : callable
        Opens a shard's ledger.
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
        open_ledger: Callable[[int], ShardLedger],
        totals: RunTotals,
        tombstones: LiveTombstones,
        *,
        force: bool,
    ) -> None:
        self._plan = plan
        self._source = source
        self._open_ledger = open_ledger
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
        for wave in self._plan.waves:
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
            opened[number] = _OpenShard(self._open_ledger(number), self._plan.counts[number])
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

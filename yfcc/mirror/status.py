"""How a mirror stands, from the last line of each ledger file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from yfcc.mirror.ledger import read_last_seals
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.run_file import read_last_run
from yfcc.mirror.totals import RunSummary


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """How a mirror stands.

    Attributes
    ----------
    outcomes : mapping of str to int
        Items by latest outcome, over all runs.
    n_bytes : int
        Bytes of the stored ones.
    n_shards : int
        Shards with records.
    last_run : RunSummary or None
        The run that began last, with what it was asked and what was left untried.
    """

    outcomes: Mapping[str, int]
    n_bytes: int
    n_shards: int
    last_run: RunSummary | None

    @property
    def n_items(self) -> int:
        """Items with a record."""
        return sum(self.outcomes.values())


def read_status(mirror: AnyMirror) -> MirrorStatus:
    """How a mirror stands, also while a run is writing to it.

    At most 4,096 small reads, however many items there are; nothing is written.

    Raises
    ------
    TargetError
        The ledger cannot be read.
    """
    outcomes: Counter[str] = Counter()
    n_bytes = 0
    seals = read_last_seals(mirror)
    for seal in seals.values():
        outcomes.update(seal.counts)
        n_bytes += seal.n_bytes
    return MirrorStatus(dict(sorted(outcomes.items())), n_bytes, len(seals), read_last_run(mirror))

"""Sharing a run out, and adding up how far its parts are: pure functions over values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from yfcc.mirror.totals import RunProgress
from yfcc.model import Outcome


def share_out(counts: Mapping[int, int], n_shares: int) -> list[dict[int, int]]:
    """Shares of nearly as many items each, of neighbouring shards; empty ones are left out.

    Parameters
    ----------
    counts : mapping of int to int
        Selected items by shard, none of them 0.
    n_shares : int
        At most so many.
    """
    n_items, n_before = sum(counts.values()), 0
    shares: list[dict[int, int]] = [{} for _ in range(n_shares)]
    for shard in sorted(counts):
        # By the middle of the shard, so that the last one does not fall off the end.
        share = (2 * n_before + counts[shard]) * n_shares // (2 * n_items)
        shares[share][shard] = counts[shard]
        n_before += counts[shard]
    return [share for share in shares if share]


def add_progress(parts: Sequence[RunProgress], n_selected: int, n_shards: int) -> RunProgress:
    """How far all are together.

    Parameters
    ----------
    parts : sequence of RunProgress
        Of those that told something so far.
    n_selected, n_shards : int
        Of the whole: the others still count as not tried.
    """
    outcomes: Counter[Outcome] = Counter()
    for part in parts:
        outcomes.update(part.outcomes)
    notes = {note.text: note for part in parts for note in part.hosts}
    return RunProgress(
        n_selected=n_selected,
        outcomes=dict(sorted(outcomes.items())),
        not_yet_tried=n_selected - outcomes.total(),
        n_bytes=sum(part.n_bytes for part in parts),
        n_adopted=sum(part.n_adopted for part in parts),
        elapsed_s=max((part.elapsed_s for part in parts), default=0.0),
        n_shards=n_shards,
        n_shards_done=sum(part.n_shards_done for part in parts),
        n_known=sum(part.n_known for part in parts),
        hosts=tuple(notes[text] for text in sorted(notes)),
    )

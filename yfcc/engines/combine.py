"""Sharing a run out, and adding up what comes back: pure functions over values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from yfcc.mirror.shards import format_shards, parse_shards
from yfcc.mirror.totals import RunEnd, RunProgress, RunSummary
from yfcc.model import Outcome

#: The end of the whole is the first of these that any part has.
_ENDS: Final = (RunEnd.STOPPED, RunEnd.INTERRUPTED, RunEnd.RUNNING, RunEnd.FINISHED)


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


def add_summaries(parts: Sequence[RunSummary], signal_number: int | None) -> RunSummary:
    """What came of all together; the names of the runs are listed, with commas.

    The exit code is 128 and the signal's number if one ended the run before its end, else the
    highest of the parts': 3 where items failed, or 0.

    Parameters
    ----------
    parts : sequence of RunSummary
        At least one; none of them stopped by an error.
    signal_number : int or None
        The signal that the whole got.
    """
    outcomes: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    licenses: Counter[str] = Counter()
    repeated: Counter[str] = Counter()
    for part in parts:
        outcomes.update(part.outcomes)
        errors.update(part.errors)
        licenses.update(part.licenses)
        repeated.update(part.repeated)
    end = next(end for end in _ENDS if any(part.end is end for part in parts))
    code = max(part.exit_code or 0 for part in parts)
    if end is RunEnd.INTERRUPTED and signal_number is not None:
        code = 128 + signal_number
    shards = {shard for part in parts for shard in parse_shards(part.shards)}
    return replace(
        parts[0],
        run_id=",".join(part.run_id for part in parts),
        shards=format_shards(shards),
        started=min(part.started for part in parts),
        ended=max(part.ended for part in parts),
        end=end,
        n_selected=sum(part.n_selected for part in parts),
        outcomes=dict(sorted(outcomes.items())),
        not_yet_tried=sum(part.not_yet_tried for part in parts),
        n_bytes=sum(part.n_bytes for part in parts),
        n_adopted=sum(part.n_adopted for part in parts),
        n_dropped=0,  # their processes have ended
        exit_code=code,
        errors=dict(errors.most_common()),
        licenses=dict(licenses.most_common()),
        repeated=dict(repeated.most_common()),
    )

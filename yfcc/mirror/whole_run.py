"""The runs of processes that share the work, put together: one run to whoever looks at it.

Each process has a record of its own, ``<run_id>-00.json`` and so on; their names begin with that of
the whole run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from yfcc.mirror.shards import format_shards, parse_shards
from yfcc.mirror.totals import RunEnd, RunSummary

#: The end of the whole is the first of these that any part has.
_ENDS: Final = (RunEnd.STOPPED, RunEnd.INTERRUPTED, RunEnd.RUNNING, RunEnd.FINISHED)


def name_part(run_id: str, number: int) -> str:
    """The run of one process, counted from 0, of a whole run.

    Examples
    --------
    >>> name_part("20261121t082745z-5f3a9c", 1)
    '20261121t082745z-5f3a9c-01'
    """
    return f"{run_id}-{number:02}"


def whole_of(run_id: str) -> str:
    """The whole run that a run is part of; itself if it is no part.

    Examples
    --------
    >>> whole_of("20261121t082745z-5f3a9c-01")
    '20261121t082745z-5f3a9c'
    """
    return "-".join(run_id.split("-")[:2])


def add_summaries(parts: Sequence[RunSummary], signal_number: int | None = None) -> RunSummary:
    """What came of all together.

    The exit code is that of the part that an error stopped; else 128 and the signal's number if
    one ended the run before its end; else the highest of the parts': 3 where items failed, or 0.

    Parameters
    ----------
    parts : sequence of RunSummary
        At least one.
    signal_number : int or None
        The signal that the whole got, where that is known.
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
    shards = {shard for part in parts if part.shards for shard in parse_shards(part.shards)}
    return replace(
        parts[0],
        run_id=whole_of(parts[0].run_id),
        shards=format_shards(shards),
        started=min(part.started for part in parts),
        ended="" if end is RunEnd.RUNNING else max(part.ended for part in parts),
        end=end,
        n_selected=sum(part.n_selected for part in parts),
        outcomes=dict(sorted(outcomes.items())),
        not_yet_tried=sum(part.not_yet_tried for part in parts),
        n_bytes=sum(part.n_bytes for part in parts),
        n_adopted=sum(part.n_adopted for part in parts),
        n_dropped=0,  # their processes have ended
        exit_code=_exit_code(parts, end, signal_number),
        error=next((part.error for part in parts if part.end is end and part.error), None),
        errors=dict(errors.most_common()),
        licenses=dict(licenses.most_common()),
        repeated=dict(repeated.most_common()),
    )


def _exit_code(parts: Sequence[RunSummary], end: RunEnd, signal_number: int | None) -> int | None:
    if end is RunEnd.RUNNING:
        return None
    if end is RunEnd.INTERRUPTED and signal_number is not None:
        return 128 + signal_number
    # The others were told to stop: what became of them is not the reason.
    telling = [part for part in parts if part.end is end] if end is RunEnd.STOPPED else parts
    return max(part.exit_code or 0 for part in telling)

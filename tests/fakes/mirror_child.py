"""A download run in a process of its own, to be killed: ``python -m tests.fakes.mirror_child``.

Arguments: root, number of items, log of the ids asked for, and how to fetch (``fast``, ``some``
as fast and the others not at all, ``stalled`` until the run is stopped, ``deaf`` for a minute
whatever happens). A fifth names a file that tells how many items the run has reported as done.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path

from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.errors import InterruptedRun
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.stop import StopRequest, stop_on_signals
from yfcc.mirror.totals import RunProgress
from yfcc.model import Item

#: Items that come fast before the first stalled one.
N_FAST = 20
#: In the manner ``some``, whichever items the run asks for first.
N_SOME = 14


def main(root: Path | str, n_items: int, log: Path, manner: str, done: Path | None = None) -> int:
    stop = StopRequest()
    items = make_items(n_items)
    slow = {item.photo_id for item in items[N_FAST:]} if manner in ("stalled", "deaf") else set()
    asked = itertools.count()

    def before(item: Item) -> None:
        is_slow = next(asked) >= N_SOME if manner == "some" else item.photo_id in slow
        if not is_slow:
            time.sleep(0.001)
        elif manner == "deaf":
            time.sleep(60)
        elif stop.event.wait(60):
            raise InterruptedRun(2)

    def report(progress: RunProgress) -> None:
        if done is not None:
            part = done.with_suffix(".new")
            part.write_text(str(sum(progress.outcomes.values())))
            part.rename(done)

    with stop_on_signals(stop):
        summary = download(
            root,
            items,
            FakeAcquire(log=log, before=before),
            stop=stop,
            report=report,
            limits=GroupLimits(n_records=8, age_s=0.1),
            grace_s=0.5,
        )
    if summary.n_dropped:
        os._exit(summary.exit_code or 1)
    return summary.exit_code or 0


if __name__ == "__main__":
    root_, n_items_, log_, manner_, *done_ = sys.argv[1:]
    place = root_ if "://" in root_ else Path(root_)
    sys.exit(main(place, int(n_items_), Path(log_), manner_, *map(Path, done_)))

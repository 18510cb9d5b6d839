"""Runs that ask again for stored items, killed in the n-th call of every disk operation named.

``python -m tests.fakes.mirror_killed_again ROOT N_ITEMS N_BYTES OPERATION,…``: makes
``ROOT/<operation>-<n>``. The second time each item has ``N_BYTES`` bytes.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path

from tests.fakes.mirror_checks import download
from tests.fakes.mirror_disk import KillingDisk
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.mirror.clock import SystemClock
from yfcc.mirror.committer import GroupLimits


class LaterClock(SystemClock):
    """A clock an hour ahead: no two runs are in the same millisecond."""

    def now_utc(self) -> datetime:
        return super().now_utc() + timedelta(hours=1)


def main(folder: Path, n_items: int, n_bytes: int, operations: list[str]) -> None:
    items = make_items(n_items)
    first = folder / "first"
    download(first, items, n_workers=1)
    for operation in operations:
        n = 0
        code = -9
        while code != 0:
            n += 1
            root = folder / f"{operation}-{n}"
            shutil.copytree(first, root)
            child = os.fork()
            if child == 0:
                download(
                    root,
                    items,
                    FakeAcquire(n_bytes=n_bytes),
                    disk=KillingDisk(operation, n),
                    n_workers=1,
                    limits=GroupLimits(n_records=2),
                    force=True,
                    clock=LaterClock(),
                )
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    shutil.rmtree(first)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(","))

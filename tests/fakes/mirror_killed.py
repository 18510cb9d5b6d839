"""Runs killed in the n-th call of every disk operation, each in a fork and a mirror of its own.

``python -m tests.fakes.mirror_killed ROOT N_ITEMS``: makes ``ROOT/<operation>-<n>``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.fakes.mirror_checks import download
from tests.fakes.mirror_disk import KillingDisk
from tests.fakes.mirror_items import make_items
from yfcc.mirror.committer import GroupLimits

OPERATIONS = ("write", "fsync", "fdatasync", "rename", "mkdir", "unlink", "link", "rmdir")


def main(folder: Path, n_items: int) -> None:
    for operation in OPERATIONS:
        n = 0
        code = -9
        while code != 0:
            n += 1
            child = os.fork()
            if child == 0:
                disk = KillingDisk(operation, n)
                limits = GroupLimits(n_records=3)
                root = folder / f"{operation}-{n}"
                download(root, make_items(n_items), disk=disk, n_workers=1, limits=limits)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

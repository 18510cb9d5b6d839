"""Removals from an export killed at the n-th call that changes the disk, each in a fork.

``python -m tests.fakes.removal_killed MIRROR EXPORT ROOT STEP``: copies the export to ``ROOT/<n>``
for every STEP-th n, and kills the removal there in its n-th ``fsync``, ``rename``, ``unlink``,
``rmdir`` or ``link``. The mirror's list says what is to be removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from tests.fakes.dying_calls import die_at
from yfcc.mirror.opening import open_any
from yfcc.share import removal_tables  # noqa: F401 - once, and not in every fork
from yfcc.share.removal import ExportState, list_exports, remove_from_exports

CALLS = ("fsync", "rename", "unlink", "rmdir", "link")


def remove(mirror: Path, out: Path) -> None:
    """What ``yfcc forget --exported OUT`` does last; again, what ``yfcc forget`` does."""
    with open_any(mirror) as opened:
        is_known = bool(list_exports(opened))
        for told in remove_from_exports(opened, [] if is_known else [str(out)]):
            if told.state is not ExportState.CLEAN:
                raise RuntimeError(f"{out}: {told}")


def main(mirror: Path, export: Path, root: Path, step: int) -> None:
    n = 1 - step
    while True:
        n += step
        out = shutil.copytree(export, root / str(n) / "out")
        ignored = shutil.ignore_patterns("media", "exports")
        own = shutil.copytree(mirror, root / str(n) / "mirror", ignore=ignored)
        child = os.fork()
        if child == 0:
            try:
                die_at(CALLS, n)
                remove(own, out)
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            break
        if code != -signal.SIGKILL:
            raise RuntimeError(f"{n}: ended with {code}")
    shutil.rmtree(root / str(n))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]))

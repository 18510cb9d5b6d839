"""Making sure that a run may open the files it needs."""

from __future__ import annotations

import resource
from typing import Final

from yfcc.errors import TargetError
from yfcc.mirror.committer import N_COMMITTERS

#: An item under way: its connection, its large part, and a directory.
_FILES_A_WORKER: Final = 3
#: An item of a group: media, JSON, its directory and that one's parent; later its ledger.
_FILES_A_RECORD: Final = 4
#: The catalog, the lock, the terminal, the interpreter.
_OTHER_FILES: Final = 64


def count_open_files(n_workers: int, n_records: int) -> int:
    """Files that a run may have open at once."""
    return n_workers * _FILES_A_WORKER + N_COMMITTERS * n_records * _FILES_A_RECORD + _OTHER_FILES


def ensure_open_files(n_workers: int, n_records: int) -> None:
    """Raise this process's limit of open files where that is needed and allowed.

    Raises
    ------
    TargetError
        It is needed, but not allowed.
    """
    needed = count_open_files(n_workers, n_records)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TargetError(
            f"{n_workers} workers may need {needed} open files, the limit is {hard}: raise it "
            "(ulimit -n) or use fewer workers"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

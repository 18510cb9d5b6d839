"""Removals killed in the n-th call of every disk operation, each in a fork and a mirror of its own.

``python -m tests.fakes.forget_killed FOLDER FILLED ID``: copies the mirror ``FILLED`` to
``FOLDER/<operation>-<n>`` and removes the item there, until a removal is not killed any more.
With a catalog as a fourth argument, the kill comes in the n-th call of Python's ``os`` and
``open`` that writes to the copied catalog's folder: ``FOLDER/catalog-<n>``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from tests.fakes.forgetting import tombstone
from tests.fakes.mirror_disk import KillingDisk
from yfcc.mirror.disk import Disk
from yfcc.mirror.forget import forget
from yfcc.mirror.root import open_mirror

OPERATIONS = ("open", "write", "fsync", "rename", "unlink", "rmdir", "mkdir", "close")
_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.truncate"})


def kill_at(n: int, folder: Path) -> None:
    """Have this process killed in the n-th call that touches a folder."""
    n_calls = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal n_calls
        # What is only read changes nothing: a kill there is one before the next write.
        is_read = event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR)
        if event in _EVENTS and not is_read and str(folder) in str(arguments[0]):
            n_calls += 1
            if n_calls == n:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def run(root: Path, photo_id: int, disk: Disk, catalog: Path | None = None) -> None:
    with open_mirror(root, disk) as mirror:
        forget(mirror, [tombstone(photo_id)], catalog)
    os._exit(0)


def main(folder: Path, filled: Path, photo_id: int, catalog: Path | None = None) -> None:
    for operation in OPERATIONS if catalog is None else ("catalog",):
        n = 0
        code = -9
        while code != 0:
            n += 1
            place = folder / f"{operation}-{n}"
            shutil.copytree(filled, place / "mirror", symlinks=True)
            copy = None
            if catalog is not None:
                place.joinpath("catalog").mkdir()
                copy = place / "catalog" / catalog.name
                shutil.copyfile(catalog, copy)
            child = os.fork()
            if child == 0:
                disk = Disk() if copy else KillingDisk(operation, n)
                if copy:
                    kill_at(n, copy.parent)
                try:
                    run(place / "mirror", photo_id, disk, copy)
                finally:
                    os._exit(1)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code not in (0, -9):
                raise RuntimeError(f"{operation} {n}: ended with {code}")


if __name__ == "__main__":
    folder_, filled_, photo_id_, *catalog_ = sys.argv[1:]
    main(Path(folder_), Path(filled_), int(photo_id_), *map(Path, catalog_))

"""The folder with what can be made anew from the ledger; see :mod:`yfcc.mirror.downloads_cache`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import CACHE, LEDGER
from yfcc.mirror.opening import is_in_bucket
from yfcc.mirror.root import Mirror
from yfcc.mirror.tree import list_names


def cache_folders(address: str | None) -> tuple[str, ...]:
    """Where parts of a mirror's tables may be kept, for who has to be allowed to read them."""
    if address is None or is_in_bucket(address):
        return ()
    return (str(Path(address, LEDGER, CACHE).absolute()),)


def drop_cache(mirror: Mirror) -> None:
    """Remove all that is kept, durably.

    Raises
    ------
    TargetError
        They cannot be removed.
    """
    with target_errors(f"empty {mirror.name(LEDGER, CACHE)}"):
        try:
            cache_fd = mirror.open_directory(LEDGER, CACHE)
        except FileNotFoundError:
            return
        try:
            names = list_names(cache_fd)
            for name in names:
                with suppress(FileNotFoundError):  # a query was faster
                    mirror.disk.unlink(name, dir_fd=cache_fd)
            if names:
                mirror.disk.fsync(cache_fd)
        finally:
            os.close(cache_fd)

"""Lists of removals that mirrors exchange."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from yfcc.catalog.tombstones import encode_tombstone
from yfcc.mirror.disk import Disk, target_errors
from yfcc.mirror.layout import PART_SUFFIX
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.tombstones import read_removals
from yfcc.mirror.tree import PUBLIC_FILE_MODE, write_durably


def write_list(mirror: AnyMirror, target: Path) -> int:
    """Write all removals of a mirror, each once, as ``yfcc forget --file`` reads them.

    Returns
    -------
    int
        Removals written.

    Raises
    ------
    TargetError
        The file cannot be written.
    """
    known = read_removals(mirror).known.values()
    replace_list(target, b"".join(map(encode_tombstone, known)))
    return len(known)


def replace_list(target: Path, content: bytes) -> None:
    """Put a list in place, whole and durable, over what had the name.

    Raises
    ------
    TargetError
        It cannot be written.
    """
    disk = Disk()
    with target_errors(f"write {target}"):
        dir_fd = os.open(target.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            part = f".{target.name}.{secrets.token_hex(4)}{PART_SUFFIX}"
            write_durably(disk, dir_fd, part, content, mode=PUBLIC_FILE_MODE)
            disk.rename(part, target.name, from_fd=dir_fd, to_fd=dir_fd)
            disk.fsync(dir_fd)
        finally:
            os.close(dir_fd)

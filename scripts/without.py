"""``without.py NAME yfcc-arguments…``: yfcc with one of its guarantees switched off.

Only for measuring what the guarantee costs: there is no flag for it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Final

from yfcc.cli.main import main
from yfcc.media import fetch
from yfcc.media.facts import MediaFacts
from yfcc.mirror import committer, disk, staging


class _NoDigest:
    """Digests nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def update(self, content: bytes) -> None:
        """Nothing."""

    def hexdigest(self) -> str:
        """As long as a true one."""
        return "0" * 64


def _replace(owner: object, name: str, replacement: object) -> None:
    if not hasattr(owner, name):
        raise SystemExit(f"{owner} has no {name} any more: its price cannot be measured")
    setattr(owner, name, replacement)


def _leave_out_sync() -> None:
    for name in ("fsync", "fdatasync"):
        _replace(disk.Disk, name, lambda _self, _fd: None)


def _leave_out_sha256() -> None:
    _replace(hashlib, "sha256", _NoDigest)


def _leave_out_md5() -> None:
    _replace(fetch, "md5_named_by", lambda _headers: None)
    _replace(hashlib, "md5", _NoDigest)


def _leave_out_structure() -> None:
    facts = MediaFacts("jpg", "image/jpeg")
    _replace(fetch, "inspect_media", lambda _view: facts)


def _leave_out_json() -> None:
    write = staging.Staging.write

    def write_media(
        self: staging.Staging, part: str, content: bytes | memoryview, to_fd: int, name: str
    ) -> None:
        if not name.endswith(".json"):
            write(self, part, content, to_fd, name)

    _replace(staging.Staging, "write", write_media)


def _leave_out_ledger() -> None:
    _replace(committer, "append_together", lambda _commits: None)


#: By the name on the command line.
WITHOUT: Final[dict[str, Callable[[], None]]] = {
    "fsync": _leave_out_sync,
    "sha256": _leave_out_sha256,
    "md5": _leave_out_md5,
    "structure": _leave_out_structure,
    "json": _leave_out_json,
    "ledger": _leave_out_ledger,
}


if __name__ == "__main__":
    WITHOUT[sys.argv.pop(1)]()
    main()

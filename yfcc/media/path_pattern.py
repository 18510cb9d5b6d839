"""Patterns of paths as robots.txt has them (RFC 9309, 2.2.2 and 2.2.3).

TDMRep and the AIPREF drafts use the same ones.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

#: Characters that stay as they are when paths are compared; ``%`` has been taken apart before.
_SAFE: Final = "/?&=;:@+$,!'()*[]"


def normalise_path(path: str) -> str:
    """One spelling for equal paths: reserved characters as they came, all others escaped."""
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", path)
    return "".join(
        _normalise_escape(piece) if i % 2 else quote(piece, safe=_SAFE + "%~")
        for i, piece in enumerate(pieces)
    )


def _normalise_escape(escape: str) -> str:
    byte = unquote_to_bytes(escape)
    if byte.isalnum() or byte in {b"-", b".", b"_", b"~"}:
        return byte.decode("ascii")
    return escape.upper()


def matches_path(pattern: str, path: str) -> bool:
    """Whether a pattern with ``*`` and a final ``$`` fits the beginning of a path.

    Both normalised. Each piece is looked for once, after the last: linear, whatever the pattern.
    """
    is_anchored = pattern.endswith("$")
    first, *pieces = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for piece in pieces:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if not is_anchored:
        return True
    return path.endswith(pieces[-1]) if pieces else at == len(path)

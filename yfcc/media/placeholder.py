"""Pictures that stand for a missing photo, and how to know them.

Flickr answers for a dead photo with a redirect to ``photo_unavailable.png`` or ``.gif``, and the
persistent copy has some of these pictures saved as if they were photos.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final

from yfcc.errors import UsageError

#: MD5 of Flickr's ``photo_unavailable.png`` (2,051 bytes), known from a decade of downloaders of
#: ImageNet and its relatives. Both MD5 and SHA-256 may stand here.
KNOWN_PLACEHOLDERS: Final = frozenset({"880a7a58e05d3e83797f27573bb6d35c"})

_PATH: Final = re.compile(r"/photo_unavailable[^/]*$")

#: What a URL that ends in .jpg cannot honestly give.
_PROMISED: Final = frozenset({"jpg"})


def parse_digests(texts: Iterable[str]) -> frozenset[str]:
    """Digests as lower-case hex.

    Raises
    ------
    UsageError
        One is neither a SHA-256 nor an MD5.
    """
    digests = frozenset(text.strip().lower() for text in texts)
    for digest in digests:
        if not re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{32}", digest):
            raise UsageError(f"--placeholder {digest}: expected a SHA-256 or MD5 in hex digits")
    return digests


def is_placeholder_target(target: str) -> bool:
    """Whether a redirect leads to the picture that stands for a missing photo.

    Examples
    --------
    >>> is_placeholder_target("/pw/images/en-us/photo_unavailable_l.gif?v=2")
    True
    """
    return _PATH.search(target.partition("?")[0].lower()) is not None


def is_wrong_type(target: str, extension: str) -> bool:
    """Whether a picture is of another type than its URL promised.

    No proof by itself: a few true photos are PNG behind a ``.jpg``.
    """
    return target.partition("?")[0].lower().endswith(".jpg") and extension not in _PROMISED


@dataclass(frozen=True, slots=True)
class RepeatedDigest:
    """A picture that several items share, and the first of them."""

    sha256: str
    n_items: int
    photo_id: int


class DigestWatch:
    """Counts equal pictures, in bounded memory; shared by all threads.

    Parameters
    ----------
    n_digests : int
        Pictures seen once that are remembered; when there are more, all of these are forgotten.
    alarm_at : int
        Items with one picture that make it worth a look.
    """

    def __init__(self, n_digests: int = 50_000, alarm_at: int = 20) -> None:
        self._n_digests = n_digests
        self._alarm_at = alarm_at
        self._lock = Lock()
        self._once: dict[int, int] = {}  # half of the digest -> photo_id: 100 bytes a picture
        self._often: dict[str, RepeatedDigest] = {}

    def count(self, sha256: str, photo_id: int) -> int:
        """Take note of an item's picture; how many other items had it before."""
        key = int(sha256[:16], 16)
        with self._lock:
            repeated = self._often.get(sha256)
            if repeated is not None:
                self._often[sha256] = replace(repeated, n_items=repeated.n_items + 1)
                return repeated.n_items
            first_id = self._once.get(key, photo_id)
            if first_id != photo_id:
                if len(self._often) < self._n_digests:
                    self._often[sha256] = RepeatedDigest(sha256, 2, first_id)
                return 1
            if len(self._once) >= self._n_digests:
                self._once.clear()
            self._once[key] = photo_id
            return 0

    def alarms(self) -> list[RepeatedDigest]:
        """Pictures that so many items share that they may be placeholders, most shared first."""
        with self._lock:
            found = [seen for seen in self._often.values() if seen.n_items >= self._alarm_at]
        return sorted(found, key=lambda seen: (-seen.n_items, seen.sha256))

"""The list of removals in a bucket: one object, replaced if it is still as it was read."""

from __future__ import annotations

from yfcc.errors import LockedError
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.layout import LEDGER
from yfcc.mirror.tombstones import TOMBSTONES, TombstoneList, parse_removals

_KEY = f"{LEDGER}/{TOMBSTONES}"


class TombstoneObject(TombstoneList):
    """The list, as it was when it was read.

    Of two processes that add to it the store refuses the second, so that none can note as done
    what another has added meanwhile.

    Parameters
    ----------
    mirror : BucketMirror

    Raises
    ------
    TargetError
        The list cannot be read, or is damaged.
    """

    def __init__(self, mirror: BucketMirror) -> None:
        self._objects = mirror.objects
        self._name = mirror.name(_KEY)
        # Listed before it is read: what is written in between has another ETag.
        etags = [each.etag for each in self._objects.iter_entries(_KEY) if each.key == _KEY]
        self._etag = etags[0] if etags else None
        content = self._objects.get(_KEY) or b""
        self.removals = parse_removals(content, self._name)
        self._content = content[: self.removals.n_bytes]

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        content = self._content + b"".join(lines)
        if self._etag is None:
            etag = self._objects.create(_KEY, content)
        else:
            etag = self._objects.replace(_KEY, content, self._etag)
        if etag is None:
            raise LockedError(
                f"{self._name} was changed meanwhile by another `yfcc forget`, or a run that "
                "carries one out: run again when it has ended"
            )
        for line in lines:
            self.removals.add_line(line)
        self._etag, self._content = etag, content
        self.removals.n_bytes = len(content)

"""What one process at a time does in a bucket, besides work on shards: verifying, rechecking."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from yfcc.errors import LockedError
from yfcc.mirror.bucket.claim import BucketClaim, Pace
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.clock import SystemClock, format_utc


class Turn(BucketClaim):
    """The right to do one thing: a lock object that holds no shards, until :meth:`release`.

    Runs on shards go on beside it. It ends with its process as a run's lock does.

    Parameters
    ----------
    mirror : BucketMirror
    thing : str
        What is done, one word: begins the lock object's name.
    said : str
        The same for messages: a participle.
    pace : Pace, optional
    """

    def __init__(
        self, mirror: BucketMirror, thing: str, said: str, pace: Pace | None = None
    ) -> None:
        self._prefix = f"{thing}-"
        self._said = said
        run_id = self._prefix + secrets.token_hex(6)
        started = format_utc(SystemClock().now_utc())
        pace = replace(pace or Pace(), tidy_every_s=math.inf)
        super().__init__(mirror, frozenset(), run_id, started, pace)

    def _begin(self) -> None:
        """Nothing: no shard is held."""

    def _tidy(self, *, is_last: bool) -> None:
        """Nothing: no shard is held."""

    def _refuse(self, held: Mapping[str, Any]) -> None:
        if str(held["run_id"]).startswith(self._prefix):
            raise LockedError(
                f"{self._mirror.root} is being {self._said} by another process, "
                f"{held['pid']} on {held['host']} since {held['started']}: wait until it ends. One "
                f"that was killed lets go after {self._pace.dead_after_s:.0f} s."
            )

"""Who may work on which shards of a mirror in a bucket: one lock object a run.

There is no kernel that lets go of a dead process's lock. A run says every few seconds that it is
alive, by replacing its lock object ``ledger/locks/<run_id>.lock``; one that was not replaced for
a while, by the store's own clock, is that of a dead run, and is removed by the next. A run that
died on this machine is known to be dead at once: its process is gone.

A run creates its lock object and looks at all the others only then. Of two that begin at the same
time each sees the other, and both give up: that costs a second try, and never lets both begin.

Locks save work; they do not carry correctness. A run that was asleep for long looks whether its
lock is still its own before it commits anything; media and JSON may be written twice without
harm, and the second of two equally numbered commits is refused by the store.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from yfcc.errors import LockedError, TargetError
from yfcc.mirror.bucket.ledger_parts import put_together
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.layout import LEDGER, LOCK_SUFFIX, LOCKS, MEDIA
from yfcc.mirror.shards import describe_shards, format_shards, parse_shards
from yfcc.model import shard_of

_TOLD: Final = ("run_id", "pid", "host", "process", "started", "shards")
_LOCKS_PREFIX: Final = f"{LEDGER}/{LOCKS}/"
_MEDIA_KEY: Final = re.compile(rf"{MEDIA}/([0-9]{{3}})/([0-9]{{3}})/.+")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a run shows that it is alive.

    Attributes
    ----------
    beat_s : float
        Seconds between two signs of life.
    dead_after_s : float
        After so long without one a run counts as dead.
    sure_for_s : float
        A run whose last sign of life is older than this asks the store before it commits.
    tidy_every_s : float
        Seconds between two looks for commits to be put together.
    """

    beat_s: float = 10.0
    dead_after_s: float = 60.0
    sure_for_s: float = 30.0
    tidy_every_s: float = 60.0


class BucketClaim:
    """Shards that this process holds, until :meth:`release`.

    Parameters
    ----------
    mirror : BucketMirror
    shards : frozenset of int
    run_id : str
    started : str
    pace : Pace, optional

    Attributes
    ----------
    run_id : str
        Names the lock object.
    shards : frozenset of int
        What is held.
    """

    def __init__(
        self,
        mirror: BucketMirror,
        shards: frozenset[int],
        run_id: str,
        started: str,
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self.run_id = run_id
        self.shards = shards
        self._mirror = mirror
        self._key = f"{_LOCKS_PREFIX}{run_id}{LOCK_SUFFIX}"
        self._told = {
            "run_id": run_id,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "process": _describe_process(os.getpid()),
            "started": started,
            "shards": format_shards(shards),
        }
        self._n_beats = 0
        self._is_answered = True
        self._etag: str | None = None
        self._beat_s = 0.0
        self._is_lost = False
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="yfcc-claim", daemon=True)

    @property
    def name(self) -> str:
        """The lock object's address, for messages."""
        return self._mirror.name(self._key)

    def take(self) -> None:
        """Hold the shards.

        Raises
        ------
        LockedError
            A living run holds one of them.
        TargetError
            The bucket cannot be written.
        """
        self._refuse_overlap()
        self._beat_s = _now_s()
        self._etag = self._mirror.objects.create(self._key, self._content())
        if self._etag is None:
            raise LockedError(f"{self.name} is there already: run again")
        try:
            self._refuse_overlap()
            self._begin()
        except BaseException:
            with suppress(TargetError):  # the error that counts is the first
                self._mirror.objects.delete([self._key])
            raise
        self._keeper.start()

    def check(self) -> None:
        """Make sure that the shards are still ours.

        Raises
        ------
        LockedError
            The lock object was removed or replaced: another run may hold them by now.
        TargetError
            The bucket does not answer.
        """
        if not self._is_lost and _now_s() - self._beat_s > self._pace.sure_for_s:
            self._beat()
        if self._is_lost:
            raise LockedError(
                f"{self.name} was removed while this run held it, so another run may hold its "
                "shards by now; leave locks alone (they go when a run ends) and run again"
            )

    def release(self) -> None:
        """Let go, and leave the ledger of these shards tidy."""
        if self._end.is_set():
            return
        self._end.set()
        self._keeper.join()
        # What could not be done here, the next run does.
        with suppress(TargetError, LockedError):
            self.check()
            self._tidy(is_last=True)
            self._mirror.objects.delete([self._key])

    def _begin(self) -> None:
        """Get ready to work on the shards, which are held."""
        self._mirror.objects.abort_uploads(f"{MEDIA}/", self._is_of_our_shards)
        self._mirror.read_ledger_ahead(self.shards)

    def _tidy(self, *, is_last: bool) -> None:
        """Leave the ledger of the shards in few objects."""
        put_together(self._mirror, self.shards, is_last=is_last)

    def _keep(self) -> None:
        """Show signs of life, and tidy up, until the end."""
        tidied_s = _now_s()
        while not self._end.wait(self._pace.beat_s):
            # A store that does not answer is no reason to give up before a commit needs it.
            with suppress(TargetError):
                self._beat()
                if not self._is_lost and _now_s() - tidied_s >= self._pace.tidy_every_s:
                    self._tidy(is_last=False)
                    tidied_s = _now_s()

    def _beat(self) -> None:
        with self._lock:
            if not self._is_answered:  # as it was: the store knows it then, if it did arrive
                self._replace()
            self._n_beats += 1
            self._replace()

    def _replace(self) -> None:
        if self._etag is None:
            return
        began_s = _now_s()
        self._is_answered = False
        self._etag = self._mirror.objects.replace(self._key, self._content(), self._etag)
        self._is_answered = True
        self._is_lost = self._etag is None
        self._beat_s = began_s

    def _content(self) -> bytes:
        return orjson.dumps(
            self._told | {"n_beats": self._n_beats}, option=orjson.OPT_APPEND_NEWLINE
        )

    def _is_of_our_shards(self, key: str) -> bool:
        """Whether an upload is one that a dead run of these shards left."""
        match = _MEDIA_KEY.fullmatch(key)
        return match is not None and shard_of(int(match[1] + match[2])) in self.shards

    def _refuse_overlap(self) -> None:
        """Look at all other locks; those of dead runs are removed."""
        objects = self._mirror.objects
        entries, moment = objects.list_with_time(_LOCKS_PREFIX)
        for entry in entries:
            is_lock = entry.key.endswith(LOCK_SUFFIX)
            if entry.key == self._key:
                continue
            held = _parse(objects.get(entry.key)) if is_lock else None
            is_old = (moment - entry.modified).total_seconds() > self._pace.dead_after_s
            if is_old or (held is not None and _is_dead(held)):
                objects.delete([entry.key])
            elif held is not None:
                self._refuse(held)

    def _refuse(self, held: Mapping[str, Any]) -> None:
        common = self.shards & parse_shards(str(held["shards"])) if held["shards"] else frozenset()
        if common:
            raise LockedError(
                f"shards {describe_shards(common)} of {self._mirror.root} are held by run "
                f"{held['run_id']}, process {held['pid']} on {held['host']} since "
                f"{held['started']}: wait until it ends, or stop it (a download of other shards, "
                "by --shards, can go on beside it). A run that was killed lets go after "
                f"{self._pace.dead_after_s:.0f} s."
            )


def _parse(content: bytes | None) -> dict[str, Any] | None:
    """What a lock object says; None if it is gone, or is none."""
    with suppress(orjson.JSONDecodeError, KeyError, TypeError):
        held = orjson.loads(content or b"")
        return {name: held[name] for name in _TOLD}
    return None


def _is_dead(held: Mapping[str, Any]) -> bool:
    """Whether a run is known to be dead: one of this machine whose process is gone."""
    own, other = _describe_process(os.getpid()), held["process"]
    if not own or not other or own["machine"] != other.get("machine"):
        return False
    return bool(_describe_process(held["pid"]) != other)


def _describe_process(pid: int) -> dict[str, str] | None:
    """What tells a process from all others, of all machines; None if it is gone or unknown."""
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Containers may share a boot, and have the same pids for different processes.
        space = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - a link that leads nowhere
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except (OSError, UnicodeDecodeError):
        return None
    state, *rest = after_name.split()
    if state in {"Z", "X"}:  # ended, but nobody has asked how
        return None
    return {"machine": f"{machine}/{space}", "began": rest[18]}


def _now_s() -> float:
    """Seconds that also pass while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)

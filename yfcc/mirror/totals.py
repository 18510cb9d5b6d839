"""Counting a run: every selected item has one outcome, or was not tried yet."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from yfcc.errors import YfccError
from yfcc.media.courtesy import HostNote
from yfcc.model import Outcome


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is; what counts here is durable.

    Attributes
    ----------
    n_selected : int
        Items the run was asked for.
    outcomes : mapping of Outcome to int
        Those with an outcome, this run's and earlier ones'.
    not_yet_tried : int
        The rest.
    n_bytes : int
        Bytes of media stored by this run.
    n_adopted : int
        Items found whole on disk without a record, counted as already stored.
    elapsed_s : float
        Seconds since the run began.
    n_shards, n_shards_done : int
        Shards with selected items, and those whose items all have an outcome.
    n_known : int
        Items whose outcome was known before the run.
    hosts : tuple of HostNote
        What holds requests back just now.
    """

    n_selected: int
    outcomes: Mapping[Outcome, int]
    not_yet_tried: int
    n_bytes: int
    n_adopted: int
    elapsed_s: float
    n_shards: int = 0
    n_shards_done: int = 0
    n_known: int = 0
    hosts: tuple[HostNote, ...] = ()


#: Kinds of errors that are counted one by one.
_MAX_KINDS: Final = 100


def kind_of_error(text: str) -> str:
    """Source and kind of an error, without what differs from item to item.

    Examples
    --------
    >>> kind_of_error("s3: timeout: nothing came for 30 s")
    's3: timeout'
    """
    return ": ".join(text.split(": ")[:2])[:100]


class RunTotals:
    """The counts of a run under way, added to by many threads.

    Parameters
    ----------
    n_selected : int
        Items the run was asked for.
    by_shard : mapping of int to int, optional
        How many of them each shard has.
    """

    def __init__(self, n_selected: int, by_shard: Mapping[int, int] | None = None) -> None:
        self.n_selected = n_selected
        self._left = dict(by_shard or {})
        self._n_shards = len(self._left)
        self._lock = threading.Lock()
        self._outcomes: Counter[Outcome] = Counter()
        self._n_bytes = 0
        self._n_adopted = 0
        self._n_known = 0
        self._errors: Counter[str] = Counter()

    def add(
        self,
        outcomes: Counter[Outcome],
        n_bytes: int = 0,
        n_adopted: int = 0,
        by_shard: Mapping[int, int] | None = None,
        *,
        are_known: bool = False,
    ) -> None:
        """Count items whose outcomes are durable.

        Parameters
        ----------
        outcomes : Counter of Outcome
            How many have which.
        n_bytes : int
            Bytes of media stored with them.
        n_adopted : int
            Of the already stored, those whose record was missing.
        by_shard : mapping of int to int, optional
            How many belong to which shard.
        are_known : bool
            Whether the outcomes were known before the run.
        """
        with self._lock:
            self._n_known += outcomes.total() if are_known else 0
            for shard, n_items in (by_shard or {}).items():
                self._left[shard] -= n_items
                if self._left[shard] == 0:
                    del self._left[shard]
            self._outcomes.update(outcomes)
            self._n_bytes += n_bytes
            self._n_adopted += n_adopted

    def add_errors(self, texts: Iterable[str | None]) -> None:
        """Count errors by kind, one an item; None for an item without."""
        with self._lock:
            for kind in (kind_of_error(text) for text in texts if text):
                is_counted = kind in self._errors or len(self._errors) < _MAX_KINDS
                self._errors[kind if is_counted else "others"] += 1

    def count_errors(self) -> dict[str, int]:
        """Items by the kind of their first error, the most frequent first."""
        with self._lock:
            return dict(self._errors.most_common())

    def snapshot(self, elapsed_s: float = 0.0) -> RunProgress:
        """The counts of this moment."""
        with self._lock:
            outcomes = dict(sorted(self._outcomes.items()))
            n_bytes, n_adopted = self._n_bytes, self._n_adopted
            n_shards_done = self._n_shards - len(self._left)
            n_known = self._n_known
        return RunProgress(
            n_selected=self.n_selected,
            outcomes=outcomes,
            not_yet_tried=self.n_selected - sum(outcomes.values()),
            n_bytes=n_bytes,
            n_adopted=n_adopted,
            elapsed_s=elapsed_s,
            n_shards=self._n_shards,
            n_shards_done=n_shards_done,
            n_known=n_known,
        )


class RunEnd(StrEnum):
    """How a run came to its end."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a run was asked, so that others can ask the same.

    Attributes
    ----------
    catalog : str
        Fingerprint of the catalog.
    selection_sql : str
        The selection, as SQL.
    sources : tuple of str
        Where bytes may come from, in order.
    tool_version : str
        Version of yfcc.
    ignore_opt_out : bool
        Whether opt-out headers were ignored.
    command : str
        The command line.
    """

    catalog: str
    selection_sql: str
    sources: tuple[str, ...]
    tool_version: str
    ignore_opt_out: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What came of a run.

    Attributes
    ----------
    run_id : str
        Sorts by time.
    fingerprint : Fingerprint
        What was asked.
    shards : str
        Where, as a list of ranges.
    started, ended : str
        UTC, ISO 8601; ``ended`` is empty while the run lasts, and for ever if it was killed.
    end : RunEnd
        ``finished``, ``interrupted`` by the user, or ``stopped`` by an error.
    n_selected : int
        Items the run was asked for.
    outcomes : mapping of str to int
        Items with an outcome. ``stored`` counts this run's, ``already_stored`` earlier ones;
        other final outcomes count whether they are new or known.
    not_yet_tried : int
        Items without one.
    n_bytes : int
        Bytes of media stored by this run.
    n_adopted : int
        Of the already stored, those whose record was missing.
    n_dropped : int
        Threads that did not end in time after an interruption. They can no longer change the
        mirror, but keep the interpreter from exiting until they end.
    exit_code : int or None
        What the command exits with; None while the run lasts.
    error : str or None
        What stopped it.
    errors : mapping of str to int
        Items that this run tried by source and kind of their first error, stored in the end or
        not.
    licenses : mapping of str to int
        Selected items by licence, the most frequent first; empty where an older version ran.
    repeated : mapping of str to int
        SHA-256 of pictures that many items of this run have: one that stands for missing photos,
        perhaps.
    """

    run_id: str
    fingerprint: Fingerprint
    shards: str
    started: str
    ended: str
    end: RunEnd
    n_selected: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    not_yet_tried: int = 0
    n_bytes: int = 0
    n_adopted: int = 0
    n_dropped: int = 0
    exit_code: int | None = None
    error: str | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    licenses: Mapping[str, int] = field(default_factory=dict)
    repeated: Mapping[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Make sure that every selected item is accounted for.

        Raises
        ------
        YfccError
            ``selected = sum of outcomes + not yet tried`` does not hold, or a finished run left
            items untried.
        """
        n_with_outcome = sum(self.outcomes.values())
        adds_up = self.n_selected == n_with_outcome + self.not_yet_tried
        if not adds_up or self.not_yet_tried < 0:
            raise YfccError(
                f"the counts of run {self.run_id} do not add up: {self.n_selected} selected, "
                f"{n_with_outcome} with an outcome, {self.not_yet_tried} not yet tried; this is "
                "an error in yfcc, please report it"
            )
        if self.end is RunEnd.FINISHED and self.not_yet_tried:
            raise YfccError(
                f"run {self.run_id} finished, but {self.not_yet_tried} of {self.n_selected} items "
                "were not tried; this is an error in yfcc, please report it"
            )


def decide_exit_code(
    outcomes: Mapping[Outcome, int], error: BaseException | None, signal_number: int | None
) -> int:
    """Exit code of a run.

    Parameters
    ----------
    outcomes : mapping of Outcome to int
        Items by outcome.
    error : BaseException or None
        What stopped the run.
    signal_number : int or None
        The signal that interrupted it.
    """
    if isinstance(error, YfccError):
        return error.exit_code
    if error is not None:
        return YfccError.exit_code
    if signal_number is not None:
        return 128 + signal_number
    return 3 if outcomes.get(Outcome.FAILED) else 0

"""How far a recheck has come in every shard.

The journal's first line says what is rechecked. Each further one tells of some items of a shard,
which are asked for in the order of their ids::

    {"shard":163,"through":4207153986,"fates":{"public":14},"gone":[4207150001],"unclear":[…]}

Items up to ``through`` were asked for; of them ``unclear`` are to be asked for again, and those
that a later line names as ``settled`` are not any more. What is held in memory is a few numbers
a shard, and the ids of what is gone or unclear.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from yfcc.media.page_status import PageFate
from yfcc.mirror.journal import open_journal
from yfcc.mirror.root import AnyMirror

_THING: Final = "recheck"


@dataclass(slots=True)
class ShardProgress:
    """How far a recheck has come in a shard.

    Attributes
    ----------
    through : int
        Items up to this id were asked for.
    fates : Counter of str
        How many pages answered what, without those that are gone.
    gone : array of int
        Items whose pages are gone.
    unclear : set of int
        Items to be asked for again.
    """

    through: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    gone: array[int] = field(default_factory=lambda: array("q"))
    unclear: set[int] = field(default_factory=set)

    @property
    def n_settled(self) -> int:
        """Items that need no asking any more."""
        return self.fates.total() + len(self.gone)

    def is_open(self, photo_id: int) -> bool:
        """Whether an item is to be asked for."""
        return photo_id > self.through or photo_id in self.unclear

    def take_in(self, line: dict[str, Any]) -> None:
        """Add what a line of the journal tells."""
        gone, unclear = array("q", line["gone"]), set(line["unclear"])
        fates = Counter({PageFate(fate).value: int(n) for fate, n in line["fates"].items()})
        self.unclear = (self.unclear | unclear).difference(line["settled"])
        self.through = max(self.through, int(line["through"]))
        self.fates.update(fates)
        self.gone += gone


class RecheckJournal:
    """The journal of one recheck, held by this process until it is closed; a context manager.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    n_sample : int or None
        How many items were asked for; another number begins anew.
    seed : int
        For a journal that begins.
    started : str
        For a journal that begins: the day.
    restart : bool
        Begin anew in any case.

    Attributes
    ----------
    seed : int
        Which sample: the journal's own, if it is gone on with.
    started : str
        When it began.
    shards : dict of int to ShardProgress
        What is known already.

    Raises
    ------
    LockedError
        Another recheck is under way.
    TargetError
        The mirror cannot be written.
    """

    def __init__(
        self, mirror: AnyMirror, n_sample: int | None, seed: int, started: str, *, restart: bool
    ) -> None:
        self.seed, self.started = seed, started
        self.shards: dict[int, ShardProgress] = {}
        with ExitStack() as on_error:
            self._journal = open_journal(mirror, _THING, "rechecked", save_every_s=0.0)
            on_error.callback(self._journal.close)
            end = 0 if restart else self._take_up(n_sample)
            self._journal.cut(end)
            if not end:
                self._write([{"sample": n_sample, "seed": seed, "started": started}])
            on_error.pop_all()

    def _take_up(self, n_sample: int | None) -> int:
        """Take in an earlier recheck; where its whole lines end, 0 if it was of something else."""
        end = 0
        for line in self._journal.read():
            try:
                found = orjson.loads(line)
                if end == 0:
                    if found["sample"] != n_sample:
                        return 0
                    self.seed, self.started = int(found["seed"]), str(found["started"])
                else:
                    self.find(int(found["shard"])).take_in(found)
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError):
                break  # torn by a power cut: what follows is asked again
            end += len(line) + 1
        return end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def find(self, shard: int) -> ShardProgress:
        """How far the recheck has come in a shard."""
        return self.shards.setdefault(shard, ShardProgress())

    def add(self, answers: Iterable[tuple[int, int, PageFate]]) -> None:
        """Take note of the next items of some shards; durable on return.

        Parameters
        ----------
        answers : iterable of tuple of int, int and PageFate
            Shards, ids, and what the pages answered: those of a shard in the order of ids, and
            none left out. ``unclear`` is one that was not asked for after all.
        """
        by_shard: dict[int, list[tuple[int, PageFate]]] = {}
        for shard, photo_id, fate in answers:
            by_shard.setdefault(shard, []).append((photo_id, fate))
        lines = {shard: _describe(found) for shard, found in by_shard.items()}
        self._write({"shard": shard} | line for shard, line in lines.items())
        self._journal.sync()
        for shard, line in lines.items():
            self.find(shard).take_in(line)

    def _write(self, lines: Iterable[dict[str, Any]]) -> None:
        content = [orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines]
        if content:
            self._journal.append(b"".join(content))

    def finish(self) -> None:
        """Empty it: the next recheck asks for all again."""
        self._journal.cut(0)


def _describe(answers: Sequence[tuple[int, PageFate]]) -> dict[str, Any]:
    settled = {photo_id: fate for photo_id, fate in answers if fate.is_settled}
    others = Counter(fate.value for fate in settled.values() if fate is not PageFate.GONE)
    return {
        "through": answers[-1][0],
        "fates": dict(others),
        "gone": [photo_id for photo_id, fate in settled.items() if fate is PageFate.GONE],
        "unclear": [photo_id for photo_id, fate in answers if not fate.is_settled],
        "settled": list(settled),
    }

"""What a verification may find, and the sums over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from yfcc.errors import VerifyError
from yfcc.mirror.record import Record, decode_record, encode_record
from yfcc.mirror.same_bytes import SharedBytes

#: Damages named in the message of an error.
_N_NAMED: Final = 5


class Problem(StrEnum):
    """What is wrong with something in the mirror.

    ``EXTRA`` is a file that no run leaves behind: a foreign one, bytes that no JSON names, or
    those of a removed item. ``UNDECODABLE`` bytes are as recorded, and no picture nonetheless.
    """

    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    JSON_MISSING = "json_missing"
    JSON_CHANGED = "json_changed"
    LEDGER_DAMAGED = "ledger_damaged"
    UNDECODABLE = "undecodable"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as recorded.

    Attributes
    ----------
    problem : Problem
        What is wrong.
    path : str
        Of the file, below the mirror's root.
    expected, got : str
        As recorded, and as found.
    shard : int
        Whose it is.
    record : Record or None
        The item's; None for a damaged ledger and an extra file.
    """

    problem: Problem
    path: str
    expected: str
    got: str
    shard: int
    record: Record | None = None

    def describe(self) -> str:
        """One line for the user."""
        return f"{self.path}: {self.problem}, expected {self.expected}, got {self.got}"

    def to_json(self) -> dict[str, Any]:
        """The damage as JSON knows values."""
        line = None if self.record is None else encode_record(self.record).decode()
        return {
            "problem": self.problem.value,
            "path": self.path,
            "expected": self.expected,
            "got": self.got,
            "shard": self.shard,
            "record": line,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Damage:
        """The damage that :meth:`to_json` described."""
        line = found["record"]
        return cls(
            Problem(found["problem"]),
            found["path"],
            found["expected"],
            found["got"],
            found["shard"],
            None if line is None else decode_record(line.encode()),
        )


@dataclass(slots=True)
class ShardFindings:
    """What was found in one shard.

    Attributes
    ----------
    shard : int
    n_items, n_bytes : int
        Stored items looked at, and their bytes as recorded.
    n_not_decoded : int
        Pictures that have more pixels or bytes than a decoder may take.
    damages : list of Damage
    orphans : list of str
        Files that runs leave behind when they are killed: the next download adopts, replaces or
        removes them.
    manifest : list of str
        A line for each file that is as recorded, in the form of ``sha256sum``; empty unless asked.
    """

    shard: int
    n_items: int = 0
    n_bytes: int = 0
    n_not_decoded: int = 0
    damages: list[Damage] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    manifest: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The findings as JSON knows values."""
        return {
            "shard": self.shard,
            "n_items": self.n_items,
            "n_bytes": self.n_bytes,
            "n_not_decoded": self.n_not_decoded,
            "damages": [damage.to_json() for damage in self.damages],
            "orphans": self.orphans,
            "manifest": self.manifest,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ShardFindings:
        """The findings that :meth:`to_json` described."""
        damages = [Damage.from_json(each) for each in found["damages"]]
        return cls(**{**found, "damages": damages})


@dataclass(slots=True)
class VerifySummary:
    """What a verification found.

    Attributes
    ----------
    n_items : int
        Items recorded as stored, all of them read again.
    n_bytes : int
        Bytes as recorded.
    damages : list of Damage
        What is not as recorded, in order of shards.
    n_repaired : int
        Items taken back, which the next download fetches again.
    n_recorded : int
        Items recorded as they are: their files were newer than their records, and agree.
    n_not_decoded : int
        Pictures too large to be decoded.
    orphans : list of str
        Files of items that have no record: no damage, the next download sees to them.
    n_items_resumed : int
        Of ``n_items``, those that an earlier verification read, which did not come to its end.
    seed : int or None
        Which sample was read; None if everything was.
    shared : list of SharedBytes
        Bytes that many stored items have: no damage, but perhaps no photos. Looked for where
        everything was read.
    """

    n_items: int = 0
    n_bytes: int = 0
    damages: list[Damage] = field(default_factory=list)
    n_repaired: int = 0
    n_recorded: int = 0
    n_not_decoded: int = 0
    orphans: list[str] = field(default_factory=list)
    n_items_resumed: int = 0
    seed: int | None = None
    shared: list[SharedBytes] = field(default_factory=list)

    def add(self, findings: ShardFindings) -> None:
        """Take in what was found in a shard."""
        self.n_items += findings.n_items
        self.n_bytes += findings.n_bytes
        self.n_not_decoded += findings.n_not_decoded
        self.damages += findings.damages
        self.orphans += findings.orphans

    def raise_if_damaged(self) -> None:
        """Leave with the exit code of damage, if there is any.

        Raises
        ------
        VerifyError
            Something is not as recorded.
        """
        if not self.damages:
            return
        named = "; ".join(damage.describe() for damage in self.damages[:_N_NAMED])
        more = len(self.damages) - _N_NAMED
        n_extra = sum(damage.problem is Problem.EXTRA for damage in self.damages)
        counts = []
        if n_extra < len(self.damages):
            n_damaged = len(self.damages) - n_extra
            counts.append(f"{n_damaged} of {self.n_items} stored items are damaged")
        if n_extra:
            counts.append(f"{n_extra} files are not the mirror's")
        raise VerifyError(
            f"{' and '.join(counts)}: {named}{f'; and {more} more' if more > 0 else ''}; "
            f"{self._advise(n_extra)}"
        )

    def _advise(self, n_extra: int) -> str:
        if n_extra == len(self.damages):
            return "move them away"
        if self.n_repaired:
            return "run the download again: it fetches them anew"
        if self.n_recorded:
            return "they were whole and newer than their records, and are recorded now"
        return "run `yfcc verify --repair`, then the download again"

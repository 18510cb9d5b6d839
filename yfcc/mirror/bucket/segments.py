"""The ledger in a bucket: nothing can be appended to an object, so each commit is one.

::

    ledger/0a3.jsonl             all commits of shard 0xa3 up to number 17, as in a directory
    ledger/0a3/00000018.jsonl    a later commit: records and seal, as :mod:`yfcc.mirror.ledger` has
    ledger/0a3/00000019.jsonl

A commit's object is created with ``If-None-Match: *``: of two writers that hold the same number
for the next one, the second is refused. Now and then the commits of a shard are put together
into the one object, whose last line says ``"through":17``, and then removed. Until they are gone
they are passed over; who reads meanwhile and misses one begins again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import orjson

from yfcc.errors import TargetError
from yfcc.mirror.bucket.objects import Entry, Objects
from yfcc.mirror.layout import LEDGER, ledger_name, parse_ledger_name

#: Longer than any line that ends a commit.
_TAIL_BYTES: Final = 2048
#: How often a shard is listed again because its commits were put together meanwhile.
_N_TRIES: Final = 5
_KEY: Final = re.compile(rf"{LEDGER}/([0-9a-f]{{3}})/([0-9]{{8}})\.jsonl")


@dataclass(slots=True)
class ShardObjects:
    """The objects of one shard's ledger.

    Attributes
    ----------
    shard : int
    whole : Entry or None
        Commits that were put together.
    parts : dict of int to Entry
        Single commits by number, ascending.
    """

    shard: int
    whole: Entry | None = None
    parts: dict[int, Entry] = field(default_factory=dict)

    @property
    def n_bytes(self) -> int:
        """Size of all."""
        whole = self.whole.n_bytes if self.whole else 0
        return whole + sum(part.n_bytes for part in self.parts.values())


@dataclass(frozen=True, slots=True)
class ShardContent:
    """A shard's ledger as read.

    Attributes
    ----------
    content : bytes
        As a file in a directory would have it.
    found : ShardObjects
        Where it was.
    through : int
        Number of the last commit in it; 0 if there is none.
    """

    content: bytes
    found: ShardObjects
    through: int


def whole_key(shard: int) -> str:
    """Key of a shard's commits that were put together, ``ledger/0a3.jsonl``."""
    return f"{LEDGER}/{ledger_name(shard)}"


def part_key(shard: int, number: int) -> str:
    """Key of one commit, ``ledger/0a3/00000018.jsonl``."""
    return f"{LEDGER}/{shard:03x}/{number:08d}.jsonl"


def list_ledger(objects: Objects) -> dict[int, ShardObjects]:
    """All shards that have a ledger, ascending. One request for each thousand objects."""
    return dict(sorted(_sort(objects.iter_entries(f"{LEDGER}/")).items()))


def list_shard(objects: Objects, shard: int) -> ShardObjects:
    """The objects of one shard's ledger."""
    found = _sort(objects.iter_entries(f"{LEDGER}/{shard:03x}"))
    return found.get(shard, ShardObjects(shard))


def _sort(entries: Iterable[Entry]) -> dict[int, ShardObjects]:
    shards: dict[int, ShardObjects] = {}
    for entry in entries:
        if match := _KEY.fullmatch(entry.key):
            shard = int(match[1], 16)
            shards.setdefault(shard, ShardObjects(shard)).parts[int(match[2])] = entry
        else:
            whole = parse_ledger_name(entry.key.removeprefix(f"{LEDGER}/"))
            if whole is not None:
                shards.setdefault(whole, ShardObjects(whole)).whole = entry
    return shards


def read_shard_objects(
    objects: Objects, shard: int, found: ShardObjects | None = None
) -> ShardContent:
    """A shard's ledger, also while another process adds to it and puts it together.

    Parameters
    ----------
    objects : Objects
    shard : int
    found : ShardObjects, optional
        From a listing that is not old; else the shard is listed.
    """
    for _ in range(_N_TRIES):
        found = found or list_shard(objects, shard)
        content = _read(objects, found)
        if content is not None:
            return content
        found = None
    raise TargetError(
        f"{objects.url(whole_key(shard))}: changes faster than it can be read: try again"
    )


def _read(objects: Objects, found: ShardObjects) -> ShardContent | None:
    pieces, through = [], 0
    if found.whole is not None:
        whole = objects.get(found.whole.key)
        if whole is None:
            return None
        pieces.append(whole)
        through = find_through(whole)
    for number, part in found.parts.items():
        if number > through:
            piece = objects.get(part.key)
            if piece is None:
                return None
            pieces.append(piece)
            through = number
    return ShardContent(b"".join(pieces), found, through)


def read_last_line(objects: Objects, shard: int, found: ShardObjects | None = None) -> bytes:
    """The last line of a shard's ledger, from one or two small reads; empty if there is none."""
    for _ in range(_N_TRIES):
        found = found or list_shard(objects, shard)
        ends = [(0, found.whole.key)] if found.whole else []
        ends += [(number, part.key) for number, part in list(found.parts.items())[-1:]]
        tails = [(number, objects.get_end(key, _TAIL_BYTES)) for number, key in ends]
        lines = [
            (number or find_through(tail), number, tail)
            for number, tail in tails
            if tail is not None
        ]
        if len(lines) == len(ends):
            _, _, tail = max(lines, key=lambda line: line[:2], default=(0, 0, b""))
            return tail[tail.rfind(b"\n", 0, -1) + 1 :]
        found = None
    raise TargetError(
        f"{objects.url(whole_key(shard))}: changes faster than it can be read: try again"
    )


def find_through(content: bytes) -> int:
    """Number of the last commit among those that were put together."""
    line = content[content.rfind(b"\n", 0, -1) + 1 :]
    try:
        return int(orjson.loads(line)["commit"]["through"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return 0


def add_through(content: bytes, through: int) -> bytes:
    """The content, whose last line says which commits are in it."""
    start = content.rfind(b"\n", 0, -1) + 1
    seal = orjson.loads(content[start:])
    seal["commit"]["through"] = through
    return content[:start] + orjson.dumps(seal, option=orjson.OPT_APPEND_NEWLINE)

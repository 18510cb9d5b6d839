"""Which shards a run works on: parsing, sharing out, writing them down."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from yfcc.errors import UsageError
from yfcc.model import N_SHARDS

#: A message names so many ranges of shards.
_RANGES_TOLD: Final = 8


def parse_shards(text: str) -> frozenset[int]:
    """Shards of a list of numbers and inclusive ranges.

    Raises
    ------
    UsageError
        Not such a list, or a number beyond the last shard.

    Examples
    --------
    >>> sorted(parse_shards("0-2,70"))
    [0, 1, 2, 70]
    """
    shards: set[int] = set()
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,4})(?:-([0-9]{1,4}))?\s*", piece)
        first = int(match[1]) if match else 0
        last = int(match[2] or match[1]) if match else -1
        if not first <= last < N_SHARDS:
            raise UsageError(
                f"shards are numbers from 0 to {N_SHARDS - 1} and ranges of them, like 0-63,70; "
                f"got {piece!r}"
            )
        shards.update(range(first, last + 1))
    return frozenset(shards)


def share_of_shards(index: int, n_parts: int) -> frozenset[int]:
    """One of ``n_parts`` nearly equal, contiguous, disjoint shares that make up all shards.

    Parameters
    ----------
    index : int
        0 to ``n_parts - 1``.
    n_parts : int
        1 to 4096.

    Raises
    ------
    UsageError
        There is no such share.
    """
    if not (1 <= n_parts <= N_SHARDS and 0 <= index < n_parts):
        raise UsageError(
            f"shares are counted from 0: 0/N to N-1/N with N from 1 to {N_SHARDS}; "
            f"got {index}/{n_parts}"
        )
    return frozenset(range(N_SHARDS * index // n_parts, N_SHARDS * (index + 1) // n_parts))


def format_shards(shards: Collection[int]) -> str:
    """Shards as a list that :func:`parse_shards` reads, ``0-2,70``; empty for none."""
    ranges: list[tuple[int, int]] = []
    for shard in sorted(shards):
        if ranges and shard == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], shard)
        else:
            ranges.append((shard, shard))
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)


def describe_shards(shards: Collection[int]) -> str:
    """Shards for a message: the first ranges, and how many shards there are beside.

    Examples
    --------
    >>> describe_shards(range(0, 100, 3))
    '0,3,6,9,12,15,18,21 and 26 more'
    """
    ranges = format_shards(shards).split(",")
    told = ",".join(ranges[:_RANGES_TOLD])
    if len(ranges) <= _RANGES_TOLD:
        return told
    return f"{told} and {len(set(shards)) - len(parse_shards(told)):,} more"


def parse_share(text: str) -> frozenset[int]:
    """Shards of ``I/N``, the I-th of N shares, counted from 0.

    Raises
    ------
    UsageError
        Not of this form, or there is no such share.
    """
    match = re.fullmatch(r"\s*([0-9]{1,4})/([0-9]{1,4})\s*", text)
    if match is None:
        raise UsageError(f"--shard-of {text}: expected I/N, like 0/8 for the first of eight shares")
    return share_of_shards(int(match[1]), int(match[2]))

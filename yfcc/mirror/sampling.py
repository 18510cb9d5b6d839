"""Samples of stored items, drawn shard by shard so that all of them are never in memory."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def share_out(n_stored: Counter[int], n_sample: int, seed: int) -> Counter[int]:
    """How many items of each shard are in a sample where every item has the same chance.

    Parameters
    ----------
    n_stored : Counter of int
        Items by shard.
    n_sample : int
    seed : int
        The same seed, the same sample.
    """
    shards = sorted(n_stored)
    if n_sample >= n_stored.total():
        return Counter(n_stored)
    choice = random.Random(seed)  # noqa: S311 - no secret
    counts = [n_stored[shard] for shard in shards]
    return Counter(choice.sample(shards, n_sample, counts=counts)) if n_sample else Counter()


def draw(items: Sequence[_Item], n_sample: int, seed: int, shard: int) -> list[_Item]:
    """So many of a shard's items, or all if there are fewer, in no order."""
    choice = random.Random(f"{seed}-{shard}")  # noqa: S311 - no secret
    return choice.sample(items, min(n_sample, len(items)))

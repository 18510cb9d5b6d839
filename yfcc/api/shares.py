"""Who reads which pieces of a mirror or an export, and in what order: pure functions.

A *piece* is what is read in one go, a shard of a mirror or a part of an export. A *reader* is one
worker of one rank. The order follows from the seed and the epoch alone, so that all readers know it
without talking to each other.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def order_pieces(n_pieces: int, seed: int, epoch: int, *, is_shuffled: bool) -> list[int]:
    """Numbers of all pieces, in the order of an epoch; the same on every machine.

    Examples
    --------
    >>> order_pieces(5, seed=1, epoch=0, is_shuffled=False)
    [0, 1, 2, 3, 4]
    >>> sorted(order_pieces(5, seed=1, epoch=0, is_shuffled=True))
    [0, 1, 2, 3, 4]
    """
    order = list(range(n_pieces))
    if is_shuffled:
        _random(seed, epoch, "pieces").shuffle(order)
    return order


def share_of_reader(pieces: Sequence[T], reader: int, n_readers: int) -> Sequence[T]:
    """The pieces that one of several readers reads: together they read each of them once.

    Examples
    --------
    >>> share_of_reader("abcde", 1, 2)
    'bd'
    """
    return pieces[reader::n_readers]


def shuffle_items(
    items: Iterable[T], n_held: int, seed: int, epoch: int, reader: int
) -> Iterator[T]:
    """Items in another order, with so many of them held in memory; always the same one.

    Each that comes takes the place of one that was drawn from those held.
    """
    if n_held <= 1:
        yield from items
        return
    chance = _random(seed, epoch, f"items of {reader}")
    held: list[T] = []
    for item in items:
        if len(held) < n_held:
            held.append(item)
            continue
        place = chance.randrange(n_held)
        drawn, held[place] = held[place], item
        yield drawn
    chance.shuffle(held)
    yield from held


def _random(seed: int, epoch: int, purpose: str) -> random.Random:
    return random.Random(f"{seed}:{epoch}:{purpose}")  # noqa: S311 - no secret hangs on it

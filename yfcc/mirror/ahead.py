"""Doing the same to many things, one after the other on a disk, many at a time in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from yfcc.mirror.root import AnyMirror, Mirror

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def map_ahead(mirror: AnyMirror, do: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
    """As ``map``, in order; in a bucket, where each waits for a round trip, some are under way."""
    return map(do, items) if isinstance(mirror, Mirror) else mirror.map_ahead(do, items)

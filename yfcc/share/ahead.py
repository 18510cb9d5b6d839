"""Reading items from a bucket before they are wanted, within bounds of memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Final, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")

#: Under way at a time: a round trip to a distant bucket takes as long as so many items.
N_AHEAD: Final = 24
#: Of them, as they are recorded; one item may have more.
N_AHEAD_BYTES: Final = 48 << 20


def map_within(
    submit: Callable[[Callable[[], _Out]], Future[_Out]],
    do: Callable[[_In], _Out],
    items: Iterable[_In],
    measure: Callable[[_In], int],
    limits: tuple[int, int] = (N_AHEAD, N_AHEAD_BYTES),
) -> Iterator[_Out]:
    """As ``map``, in order, with some of the next under way already.

    Parameters
    ----------
    submit : callable
        Begins to do something beside this thread's work.
    do : callable
    items : iterable
    measure : callable
        Bytes that the result of an item will hold.
    limits : tuple of int and int
        Results and bytes that wait or are under way, at most; one result may have more bytes.

    Raises
    ------
    Exception
        What was raised for an item, when it is its turn.
    """
    n_most, n_most_bytes = limits
    waiting: deque[tuple[Future[_Out], int]] = deque()
    n_waiting = 0
    try:
        for item in items:
            n_bytes = measure(item)
            while waiting and (len(waiting) == n_most or n_waiting + n_bytes > n_most_bytes):
                future, n_gone = waiting.popleft()
                n_waiting -= n_gone
                yield future.result()
                del future  # or it would hold the result until the next is wanted
            waiting.append((submit(lambda item=item: do(item)), n_bytes))  # type: ignore[misc]
            n_waiting += n_bytes
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        for future, _ in waiting:
            future.cancel()

"""A bounded hand-over from one thread to many, which can be stopped at any moment."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Belt(Generic[T]):
    """Pieces on their way from the feeder to the workers, in order.

    Unlike :class:`queue.Queue` it has an end, and lets everybody go at once when closed.

    Parameters
    ----------
    n_places : int
        Pieces that may wait; the feeder waits when there are more.
    """

    def __init__(self, n_places: int) -> None:
        self._n_places = n_places
        self._pieces: deque[T] = deque()
        lock = threading.Lock()
        self._has_piece = threading.Condition(lock)
        self._has_place = threading.Condition(lock)
        self._is_finished = False
        self._is_closed = False

    def __len__(self) -> int:
        """Pieces that wait."""
        return len(self._pieces)

    def put(self, piece: T) -> bool:
        """Hand a piece over, waiting for a place; False if nobody wants it any more."""
        with self._has_place:
            while len(self._pieces) >= self._n_places and not self._is_closed:
                self._has_place.wait()
            if self._is_closed:
                return False
            self._pieces.append(piece)
            self._has_piece.notify()
            return True

    def take(self) -> T | None:
        """The next piece, waiting for one; None when there will be no more."""
        with self._has_piece:
            while not self._pieces:
                if self._is_finished or self._is_closed:
                    return None
                self._has_piece.wait()
            if self._is_closed:
                return None
            piece = self._pieces.popleft()
            self._has_place.notify()
            return piece

    def finish(self) -> None:
        """Say that all pieces are on the belt."""
        with self._has_piece:
            self._is_finished = True
            self._has_piece.notify_all()

    def close(self) -> None:
        """Stop at once: what waits on the belt is not taken any more."""
        with self._has_piece:
            self._is_closed = True
            self._has_piece.notify_all()
            self._has_place.notify_all()

"""Whole files from ranged reads: ahead of need, several in flight, resumed at the byte."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from yfcc.errors import SourceError, SourceUnreachable
from yfcc.metadata.source.base import CutBodyError, Source, SourceObject


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """How a file is asked for.

    Attributes
    ----------
    range_bytes : int
        Size of one request.
    n_in_flight : int
        Requests at once for one file. Their product hides the way to the server:
        4 MiB x 4 fill 300 MB/s at 50 ms.
    n_attempts : int
        Attempts in a row without a single byte before a file is given up.
    first_pause_s : float
        Pause before the second attempt; doubles, with jitter, up to 20 s.
    """

    range_bytes: int = 4 << 20
    n_in_flight: int = 4
    n_attempts: int = 8
    first_pause_s: float = 0.25


_LONGEST_PAUSE_S: Final = 20.0


def iter_object(
    source: Source,
    source_object: SourceObject,
    *,
    start: int = 0,
    ahead: ReadAhead | None = None,
) -> Iterator[bytes]:
    """The bytes of a file in order, in pieces of ``ahead.range_bytes``.

    Parameters
    ----------
    source : Source
    source_object : SourceObject
        As listed; another version is refused.
    start : int
        First byte.
    ahead : ReadAhead, optional

    Raises
    ------
    SourceError
        Missing, forbidden, changed, or out of reach after all attempts.
    """
    ahead = ahead or ReadAhead()
    stop = threading.Event()
    starts = iter(range(start, source_object.n_bytes, ahead.range_bytes))
    pending: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(ahead.n_in_flight, thread_name_prefix=f"read-{source_object.name}")

    def ask_next() -> None:
        first = next(starts, None)
        if first is not None:
            n_bytes = min(ahead.range_bytes, source_object.n_bytes - first)
            pending.append(
                pool.submit(_read_whole, source, source_object, first, n_bytes, ahead, stop)
            )

    try:
        for _ in range(ahead.n_in_flight):
            ask_next()
        while pending:
            piece = pending.popleft().result()
            ask_next()
            yield piece
    finally:
        # Nobody waits for these requests any more: a slow server must not hold up the end.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _read_whole(
    source: Source,
    source_object: SourceObject,
    start: int,
    n_bytes: int,
    ahead: ReadAhead,
    stop: threading.Event,
) -> bytes:
    """One range, asked again from the last byte that arrived."""
    received = bytearray()
    n_fruitless = 0
    while True:
        before = len(received)
        try:
            for piece in source.read_range(
                source_object, start + len(received), n_bytes - len(received)
            ):
                received += piece
                if stop.is_set():
                    return bytes(received)
                if len(received) > n_bytes:
                    raise SourceError(
                        f"{source_object.url}: asked for {n_bytes:,} bytes from {start:,}, got "
                        "more. The server does not honour ranges; use another."
                    )
        except CutBodyError as error:
            n_fruitless = 0 if len(received) > before else n_fruitless + 1
            if n_fruitless >= ahead.n_attempts or stop.is_set():
                raise SourceUnreachable(
                    f"{source_object.url}: no byte from offset {start + len(received):,} in "
                    f"{n_fruitless} attempts: {error}. Check the network; run again to go on."
                ) from error
            pause_s = min(_LONGEST_PAUSE_S, ahead.first_pause_s * 2**n_fruitless)
            stop.wait(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter is no secret
        else:
            return bytes(received)

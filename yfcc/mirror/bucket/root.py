"""A mirror's root in a bucket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Self, TypeVar

from yfcc.mirror.bucket.ahead import LedgerAhead
from yfcc.mirror.bucket.client import N_CONNECTIONS
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.segments import ShardContent, list_ledger, read_shard_objects

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class BucketMirror:
    """An open mirror in a bucket.

    Use it as a context manager, or call :meth:`close`.

    Parameters
    ----------
    objects : Objects
        Below the mirror's prefix.

    Attributes
    ----------
    root : str
        As the user named it, for messages.
    objects : Objects
    """

    def __init__(self, objects: Objects) -> None:
        self.root = objects.address
        self.objects = objects
        self._ahead: LedgerAhead | None = None
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of threads and connections."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(cancel_futures=True)
        self.objects.close()

    def name(self, *parts: str) -> str:
        """Address of something in the mirror, for messages."""
        return self.objects.url("/".join(parts))

    def read(self, *parts: str) -> bytes | None:
        """Content of an object; None if there is none."""
        return self.objects.get("/".join(parts))

    def list_names(self, *parts: str) -> list[str]:
        """Names of the objects in a folder."""
        return self.objects.list_folder("/".join((*parts, "")))[0]

    def read_ledger_ahead(self, shards: frozenset[int]) -> None:
        """Get ready to read the ledger of shards that this process holds, in order."""
        found = list_ledger(self.objects)
        self._ahead = LedgerAhead(self.objects, self.submit, shards, found)

    def read_ledger(self, shard: int) -> ShardContent:
        """The ledger of a shard that this process holds."""
        if self._ahead is None:
            return read_shard_objects(self.objects, shard)
        return self._ahead.read(shard)

    def submit(self, task: Callable[[], _Out]) -> Future[_Out]:
        """Do something beside other things that take a round trip each."""
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(N_CONNECTIONS, thread_name_prefix="yfcc-bucket")
            return self._executor.submit(task)

    def run_all(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Do things side by side; all have ended on return.

        Raises
        ------
        Exception
            The first that one of them raised.
        """
        if len(tasks) == 1:
            tasks[0]()
            return
        futures = [self.submit(task) for task in tasks]
        errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error

    def map_ahead(
        self, do: Callable[[_In], _Out], items: Iterable[_In], n_ahead: int = N_CONNECTIONS
    ) -> Iterator[_Out]:
        """As ``map``, in order, with some of the next under way already."""
        rest = iter(items)
        waiting = [self.submit(lambda item=item: do(item)) for item in islice(rest, n_ahead)]  # type: ignore[misc]
        try:
            while waiting:
                result = waiting.pop(0).result()
                waiting += [self.submit(lambda item=item: do(item)) for item in islice(rest, 1)]  # type: ignore[misc]
                yield result
        finally:
            for future in waiting:
                future.cancel()

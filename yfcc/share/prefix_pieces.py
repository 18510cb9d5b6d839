"""Pieces of an export in a bucket."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Final, Self

from yfcc.errors import TargetError
from yfcc.mirror.bucket.client import N_CONNECTIONS
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.upload import Submit, Upload
from yfcc.share.export_place import Finished

#: Bytes of a folder's files that are on their way, at most; one file may have more.
_BYTES_UNDER_WAY: Final = 32 << 20


class PrefixFile:
    """A piece that is one object.

    Parameters
    ----------
    upload : Upload
    check_held : callable
        Raises LockedError when another run took over; called before the object appears.
    """

    def __init__(self, upload: Upload, check_held: Callable[[], None]) -> None:
        self._upload = upload
        self._check_held = check_held
        self._digest = hashlib.sha256()
        self._n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._upload.abort()

    def write(self, buffers: Sequence[bytes]) -> None:
        """Append."""
        for each in buffers:
            self._digest.update(each)
            self._n_bytes += self._upload.write(each)

    def finish(self) -> Finished:
        """Make it appear."""
        self._check_held()
        self._upload.close()
        return Finished(self._n_bytes, self._digest.hexdigest(), self._upload.etag)


class PrefixFolder:
    """A piece that is many objects, some of which are on their way at a time.

    Parameters
    ----------
    objects : Objects
    path : str
        Of the piece, below the export's prefix.
    submit : callable
        Begins to do something beside this thread's work.
    check_held : callable
        As for :class:`PrefixFile`; called before the folder is said to be whole.
    """

    def __init__(
        self, objects: Objects, path: str, submit: Submit[str], check_held: Callable[[], None]
    ) -> None:
        self._objects = objects
        self._path = path
        self._submit = submit
        self._check_held = check_held
        self._under_way: deque[tuple[str, Future[str], int]] = deque()
        self._n_under_way = 0
        self._n_bytes = 0
        self._etags: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for _, future, _ in self._under_way:
            future.cancel()

    def add(self, name: str, content: bytes) -> None:
        """Begin to write an object; an earlier one may show here that it was refused."""
        while self._under_way and (
            len(self._under_way) == N_CONNECTIONS
            or self._n_under_way + len(content) > _BYTES_UNDER_WAY
        ):
            self._wait()
        key = f"{self._path}/{name}"
        future = self._submit(lambda: self._put(key, content))
        self._under_way.append((key, future, len(content)))
        self._n_under_way += len(content)
        self._n_bytes += len(content)

    def _put(self, key: str, content: bytes) -> str:
        upload = Upload(self._objects, key, _at_once)
        try:
            upload.write(content)
            upload.close()
        finally:
            upload.abort()
        return upload.etag

    def _wait(self) -> None:
        key, future, n_bytes = self._under_way.popleft()
        self._n_under_way -= n_bytes
        self._etags[key] = future.result()

    def finish(self) -> Finished:
        """Wait for all objects, and remove what else was in the folder."""
        while self._under_way:
            self._wait()
        self._check_held()
        found = {each.key: each.etag for each in self._objects.iter_entries(f"{self._path}/")}
        self._objects.delete(found.keys() - self._etags.keys())
        for key, etag in self._etags.items():
            if found.get(key) != etag:
                raise TargetError(
                    f"{self._objects.url(key)}: expected the ETag {etag} that the store answered, "
                    f"it lists {found.get(key) or 'no such object'}. Something else writes there: "
                    "run again when it is done."
                )
        return Finished(self._n_bytes, None, combine_etags(self._etags.items()))


def _at_once(task: Callable[[], str]) -> Future[str]:
    future: Future[str] = Future()
    try:
        future.set_result(task())
    except Exception as error:  # noqa: BLE001 - raised where the result is asked for
        future.set_exception(error)
    return future


def combine_etags(etags: Iterable[tuple[str, str]]) -> str:
    """What changes when one of some objects does, given by key and ETag."""
    digest = hashlib.sha256()
    for key, etag in sorted(etags):
        digest.update(f"{key} {etag}\n".encode())
    return digest.hexdigest()

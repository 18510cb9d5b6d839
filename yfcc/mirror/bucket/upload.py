"""An object that is written piece by piece: it appears whole when it is closed, or never."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from yfcc.errors import UsageError
from yfcc.mirror.bucket.client import bucket_errors
from yfcc.mirror.bucket.multipart import complete_upload
from yfcc.mirror.bucket.objects import Objects

#: Amazon wants 5 MiB at least. A cut connection costs one part.
PART_BYTES: Final = 8 << 20
#: Amazon allows no more of an object.
N_PARTS: Final = 10_000
#: Parts on their way at a time; so many and one more are in memory.
_N_UNDER_WAY: Final = 2

_Out = TypeVar("_Out")
Submit = Callable[[Callable[[], _Out]], "Future[_Out]"]


class Upload:
    """A stream into an object, for one thread.

    Every part is sent with its MD5, which the store checks. What fits into one part goes in one
    request.

    Parameters
    ----------
    objects : Objects
    key : str
    submit : callable
        Begins to do something beside this thread's work.

    Attributes
    ----------
    etag : str
        Once it is closed.
    closed : bool
    """

    def __init__(self, objects: Objects, key: str, submit: Submit[str]) -> None:
        self._objects = objects
        self._key = key
        self._submit = submit
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._under_way: deque[Future[str]] = deque()
        self._etags: list[str] = []
        self.etag = ""
        self.closed = False

    def write(self, content: bytes | memoryview) -> int:
        """Append; the content may be changed on return.

        Raises
        ------
        TargetError
            The store refused a part, perhaps of what was written before.
        UsageError
            An object may have no more parts.
        """
        view = memoryview(content).cast("B")
        n_bytes = len(view)
        while view:
            n_free = PART_BYTES - len(self._buffer)
            self._buffer += view[:n_free]
            view = view[n_free:]
            if len(self._buffer) == PART_BYTES:
                self._send()
        return n_bytes

    def close(self) -> None:
        """The object is there, and durable, on return.

        Raises
        ------
        TargetError
            The store refused it; nothing appears.
        """
        if self.closed:
            return
        with bucket_errors("written", self._objects.url(self._key)):
            if self._upload_id is None:
                self.etag = self._put(bytes(self._buffer))
            else:
                if self._buffer:
                    self._send()
                while self._under_way:
                    self._wait()
                self.etag = complete_upload(self._ask, self._upload_id, self._etags)
        self._buffer.clear()
        self.closed = True

    def abort(self) -> None:
        """Forget what was sent; nothing, if it was closed."""
        if self.closed:
            return
        self.closed = True
        self._buffer.clear()
        for future in self._under_way:
            future.cancel()
        for future in self._under_way:
            with suppress(Exception):  # a part that arrives later would be kept, and paid for
                if not future.cancelled():
                    future.result()
        if self._upload_id is not None:
            with suppress(Exception):  # the error that counts came before
                self._ask("abort_multipart_upload", UploadId=self._upload_id)

    def _ask(self, operation: str, **arguments: Any) -> Any:
        key = self._objects.full_key(self._key)
        return self._objects.ask(operation, Key=key, **arguments)

    def _put(self, content: bytes) -> str:
        answer = self._ask("put_object", Body=content, ContentMD5=_md5(content))
        return str(answer["ETag"])

    def _send(self) -> None:
        """Send the buffer as a part, when not too many are under way."""
        number = len(self._etags) + len(self._under_way) + 1
        if number > N_PARTS:
            raise UsageError(
                f"{self._objects.url(self._key)}: more than {N_PARTS * PART_BYTES:,} bytes, which "
                "is the most that an object may have here. Make smaller ones: --shard-bytes, "
                "--files-rows, --packing zst."
            )
        content = bytes(self._buffer)
        self._buffer.clear()
        with bucket_errors("written", self._objects.url(self._key)):
            if self._upload_id is None:
                self._upload_id = str(self._ask("create_multipart_upload")["UploadId"])
            if len(self._under_way) == _N_UNDER_WAY:
                self._wait()
            self._under_way.append(self._submit(lambda: self._send_part(number, content)))

    def _send_part(self, number: int, content: bytes) -> str:
        answer = self._ask(
            "upload_part",
            UploadId=self._upload_id,
            PartNumber=number,
            Body=content,
            ContentMD5=_md5(content),
        )
        return str(answer["ETag"])

    def _wait(self) -> None:
        self._etags.append(self._under_way[0].result())
        self._under_way.popleft()


def _md5(content: bytes) -> str:
    return b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()

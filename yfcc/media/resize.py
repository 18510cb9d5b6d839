"""Making pictures smaller, in guarded processes: see :mod:`yfcc.media.decode`."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import LifoQueue
from typing import Final

from yfcc.media.decode import DecodeLimits, count_cores
from yfcc.media.decode_child import Code
from yfcc.media.resize_child import ANSWER, REQUEST

#: Content types that can be made smaller and stay what they are; animations would lose frames.
RESIZABLE: Final = frozenset(("image/jpeg", "image/png"))


@dataclass(frozen=True, slots=True)
class Resized:
    """What became of a picture that was to be made smaller.

    Attributes
    ----------
    content : bytes or None
        The new one; None if it stays as it is.
    width, height : int
        Pixels.
    reason : str
        Why it could not be done; empty if it could, or if the picture was small enough.
    """

    content: bytes | None
    width: int = 0
    height: int = 0
    reason: str = ""


class Resizers:
    """A pool of processes; safe for use by many threads. A context manager.

    A process is started when it is first needed, and again when one ended.

    Parameters
    ----------
    n_processes : int, optional
        As many as there are cores.
    limits : DecodeLimits, optional
    """

    def __init__(self, n_processes: int | None = None, limits: DecodeLimits | None = None) -> None:
        self._limits = limits or DecodeLimits()
        # The kernel ends a process with the *thread* that started it: one thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="yfcc-resize")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._idle: LifoQueue[subprocess.Popen[bytes] | None] = LifoQueue()
        for _ in range(n_processes or count_cores()):
            self._idle.put(None)

    def __enter__(self) -> Resizers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        for process in list(self._running):
            self._end(process)
        self._starter.shutdown()

    def resize(self, content: bytes, size: int) -> Resized:
        """Make a picture smaller, waiting for a process that is idle.

        Parameters
        ----------
        content : bytes
            Of one of the types in :data:`RESIZABLE`.
        size : int
            Pixels of the shorter side.
        """
        if len(content) > self._limits.max_bytes:
            return Resized(None, reason=f"{len(content):,} bytes are more than are decoded")
        process = self._idle.get()
        try:
            process = process or self._starter.submit(self._start).result()
            return _ask(process, content, size)
        except (BrokenPipeError, EOFError):
            if process is not None:
                self._end(process)
            process = None
            return Resized(None, reason="the decoder ended over it")
        finally:
            self._idle.put(process)

    def _start(self) -> subprocess.Popen[bytes]:
        limits = self._limits
        numbers = (os.getpid(), limits.max_pixels, limits.memory_bytes, limits.cpu_s)
        process = subprocess.Popen(  # noqa: S603 - our own module, and numbers  # nosec B603
            [sys.executable, "-P", "-m", "yfcc.media.resize_child", *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._running.add(process)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._running.discard(process)
        process.kill()
        process.communicate()


def _ask(process: subprocess.Popen[bytes], content: bytes, size: int) -> Resized:
    requests, answers = process.stdin, process.stdout
    if requests is None or answers is None:
        raise EOFError
    requests.write(REQUEST.pack(len(content), size))
    requests.write(content)
    requests.flush()
    header = answers.read(ANSWER.size)
    if len(header) < ANSWER.size:
        raise EOFError
    code, width, height, n_bytes = ANSWER.unpack(header)
    told = answers.read(n_bytes)
    if len(told) < n_bytes:
        raise EOFError
    if code != Code.DECODED:
        return Resized(None, reason=told.decode("utf-8", "replace"))
    return Resized(told or None, width, height)

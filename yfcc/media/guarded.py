"""Pools of processes that work on pictures, so that what a picture does to one costs nothing else.

Decoders have faults of their own: each works in a guarded process
(:mod:`yfcc.media.guarded_child`) that may die, stall or run out of memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import LifoQueue
from typing import IO, Final, Self

from yfcc.errors import YfccError
from yfcc.media.guarded_child import ANSWER, REQUEST, Answer, Code

#: Room for nearly every picture, so that handing it over is one write: the most that Linux gives
#: to a user without special rights.
_PIPE_BYTES: Final = 1 << 20

#: Most answers are shorter.
_SHORT_BYTES: Final = 1024

#: A process loads its libraries within this, also on a machine that has too much to do.
_START_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """What one picture may cost.

    Attributes
    ----------
    max_pixels : int
        The dataset's photos have at most 500 x 500; decoded pixels take 4 bytes, and those of
        a progressive JPEG 6 more.
    max_bytes : int
    cpu_s : float
        Seconds of a processor.
    wall_s : float
        Seconds by the clock, for a process that does not even get a processor.
    memory_bytes : int
        Address space of a process, its libraries included.
    """

    max_pixels: int = 64_000_000
    max_bytes: int = 64 << 20
    cpu_s: float = 20.0
    wall_s: float = 120.0
    memory_bytes: int = 1280 << 20


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessDiedError(Exception):
    """The process ended over a picture, or was ended; says how."""


class GuardedPool:
    """A pool of processes; safe for use by many threads.

    Use it as a context manager, or call :meth:`close`. A process is started when it is first
    needed, and again when one ended.

    Parameters
    ----------
    module : str
        What the processes run.
    without : str
        How a user can do without them.
    n_processes : int, optional
        As many as there are cores.
    limits : PictureLimits, optional
    """

    def __init__(
        self,
        module: str,
        without: str,
        n_processes: int | None = None,
        limits: PictureLimits | None = None,
    ) -> None:
        self.limits = limits or PictureLimits()
        # The kernel ends a process with the *thread* that started it: one thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix=module.rpartition(".")[2])
        # Begun here, and not by a thread that keeps to one core: the processes would, too.
        self._starter.submit(bool).result()
        self._all = [
            _Place(self._starter, module, without, self.limits)
            for _ in range(n_processes or count_cores())
        ]
        # The one that was used last is used first: two threads keep two processes busy, not all.
        self._idle: LifoQueue[_Place] = LifoQueue()
        for place in self._all:
            self._idle.put(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, content: bytes | memoryview, argument: int = 0) -> Answer:
        """Have a picture worked on, waiting for a process that is idle.

        Parameters
        ----------
        content : bytes or memoryview
            At most ``limits.max_bytes``.
        argument : int
            For the work.

        Raises
        ------
        ProcessDiedError
            Its process is no more; the next picture gets another.
        YfccError
            No process can be started.
        """
        place = self._idle.get()
        try:
            return place.ask(content, argument)
        finally:
            self._idle.put(place)

    def process_ids(self) -> list[int]:
        """The processes that were started and not found dead, for tests and for the curious."""
        return [place.pid for place in self._all if place.pid is not None]

    def close(self) -> None:
        """End all processes; call it once no thread asks any more."""
        for place in self._all:
            place.stop()
        self._starter.shutdown()


class _Place:
    """One place in the pool, with a process or, for the moment, without; used by one thread."""

    def __init__(
        self, starter: ThreadPoolExecutor, module: str, without: str, limits: PictureLimits
    ) -> None:
        self._starter = starter
        self._module = module
        self._without = without
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = self._answers = -1
        self._deadline_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return None if self._process is None else self._process.pid

    def ask(self, content: bytes | memoryview, argument: int) -> Answer:
        """One request and its answer; the process is there afterwards, or it died."""
        self._send(REQUEST.pack(len(content), argument), content)
        return self._receive()

    def stop(self) -> str:
        """End the process at once; how it ended."""
        process, self._process = self._process, None
        if process is None:
            return "it was not running"
        process.kill()  # does nothing to one that ended by itself
        status = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        return _describe_end(status)

    def _send(self, header: bytes, content: bytes | memoryview) -> None:
        """Write a request, to a new process if the old one ended since the last."""
        if self._process is not None and self._process.poll() is None:
            self._deadline_s = time.monotonic() + self._limits.wall_s
            with contextlib.suppress(BrokenPipeError):
                self._write(header, content)
                return
        self.stop()
        self._start()
        self._deadline_s = time.monotonic() + self._limits.wall_s
        try:
            self._write(header, content)
        except BrokenPipeError:
            raise ProcessDiedError(self.stop()) from None

    def _write(self, header: bytes, content: bytes | memoryview) -> None:
        view = memoryview(content)
        n_left = len(header) + len(view) - os.writev(self._requests, [header, view])
        while n_left:
            self._wait(self._requests, select.POLLOUT)
            n_left -= os.write(self._requests, view[len(view) - n_left :])

    def _receive(self) -> Answer:
        """One answer, which is read in one piece if it is short."""
        received = bytearray()
        n_left = _SHORT_BYTES
        while n_left > 0:
            self._wait(self._answers, select.POLLIN)
            piece = os.read(self._answers, n_left)
            if not piece:
                raise ProcessDiedError(self.stop())
            received += piece
            n_left = _SHORT_BYTES
            if len(received) >= ANSWER.size:
                n_left = ANSWER.size + ANSWER.unpack_from(received)[-1] - len(received)
        code, width, height, _ = ANSWER.unpack_from(received)
        return Answer(Code(code), width, height, bytes(received[ANSWER.size :]))

    def _wait(self, fd: int, event: int) -> None:
        poll = select.poll()
        poll.register(fd, event)
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            self.stop()
            raise ProcessDiedError("it did not answer in time")

    def _start(self) -> None:
        limits = self._limits
        arguments = (os.getpid(), limits.max_pixels, limits.memory_bytes, limits.cpu_s)
        command = [sys.executable, "-P", "-m", self._module, *map(str, arguments)]
        self._process = self._starter.submit(_open_process, command).result()
        self._requests = _descriptor(self._process.stdin)
        self._answers = _descriptor(self._process.stdout)
        os.set_blocking(self._requests, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # the user has too many pipes: smaller ones do
                fcntl.fcntl(self._requests, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._deadline_s = time.monotonic() + _START_S
        try:
            self._receive()
        except ProcessDiedError as death:
            raise YfccError(
                f"a decoder could not be started ({death}): run `{' '.join(command[:4])}` to see "
                f"why, or do without {self._without}"
            ) from death


def _open_process(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own module, and numbers  # nosec B603
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _descriptor(stream: IO[bytes] | None) -> int:
    if stream is None:
        raise YfccError("a decoder was started without its pipes")
    return stream.fileno()


def _describe_end(status: int) -> str:
    if status == -signal.SIGPROF:
        return "the decoder took too long"
    if status < 0:
        return f"the decoder ended with {signal.Signals(-status).name}"
    return f"the decoder ended with exit code {status}"

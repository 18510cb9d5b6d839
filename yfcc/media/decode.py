"""Decoding pictures fully, in processes of their own.

A walk of the structure cannot see into compressed pixels; a decoder notices where they make no
sense. (Not everywhere: a JPEG decoder fills up what is missing before an end marker, and flipped
bits may decode to other pixels. Only a digest proves bytes.) Decoders have faults of their own, so
each works in a guarded process (:mod:`yfcc.media.decode_child`), and what a picture does to that
process costs one picture and nothing else.
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
from enum import Enum
from queue import LifoQueue
from typing import IO, Final

from yfcc.errors import YfccError
from yfcc.media.decode_child import ANSWER, MAX_REASON_BYTES, REQUEST, Code

#: Room for nearly every picture, so that handing it over is one write: the most that Linux gives
#: to a user without special rights.
_PIPE_BYTES: Final = 1 << 20

#: A process loads its libraries within this, also on a machine that has too much to do.
_START_S: Final = 60.0

#: Content types that are decoded; films are not.
DECODABLE: Final = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))


class Fate(Enum):
    """What became of a picture that was to be decoded."""

    DECODED = "decoded"
    BROKEN = "broken"
    TOO_LARGE = "too large"
    DECODER_DIED = "decoder died"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of decoding one picture.

    Attributes
    ----------
    fate : Fate
    width, height : int or None
        Pixels; None unless decoded.
    reason : str
        Empty if decoded.
    """

    fate: Fate
    width: int | None = None
    height: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
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
        Address space of a decoder, its libraries included.
    """

    max_pixels: int = 64_000_000
    max_bytes: int = 64 << 20
    cpu_s: float = 20.0
    wall_s: float = 120.0
    memory_bytes: int = 1280 << 20


_FATES: Final = {
    Code.DECODED: Fate.DECODED,
    Code.BROKEN: Fate.BROKEN,
    Code.TOO_LARGE: Fate.TOO_LARGE,
    Code.NO_MEMORY: Fate.DECODER_DIED,
}


class Decoders:
    """A pool of decoder processes; safe for use by many threads.

    Use it as a context manager, or call :meth:`close`. A process is started when it is first
    needed, and again when one ended.

    Parameters
    ----------
    n_processes : int, optional
        As many as there are cores.
    limits : DecodeLimits, optional
    """

    def __init__(self, n_processes: int | None = None, limits: DecodeLimits | None = None) -> None:
        self._limits = limits or DecodeLimits()
        # The kernel ends a process with the *thread* that started it: one thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="yfcc-decode")
        n_processes = n_processes or count_cores()
        self._all = [_Decoder(self._starter, self._limits) for _ in range(n_processes)]
        # The one that was used last is used first: two threads keep two processes busy, not all.
        self._idle: LifoQueue[_Decoder] = LifoQueue()
        for decoder in self._all:
            self._idle.put(decoder)

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decode(self, view: memoryview) -> Decoded:
        """Decode one picture, waiting for a process that is idle.

        Parameters
        ----------
        view : memoryview
            All bytes of a picture of a type in :data:`DECODABLE`.

        Raises
        ------
        YfccError
            No decoder can be started.
        """
        if len(view) > self._limits.max_bytes:
            reason = f"{len(view):,} bytes, at most {self._limits.max_bytes:,} are decoded"
            return Decoded(Fate.TOO_LARGE, reason=reason)
        decoder = self._idle.get()
        try:
            return decoder.decode(view)
        finally:
            self._idle.put(decoder)

    def process_ids(self) -> list[int]:
        """The processes that were started and not found dead, for tests and for the curious."""
        return [decoder.pid for decoder in self._all if decoder.pid is not None]

    def close(self) -> None:
        """End all processes; call it once no thread decodes any more."""
        for decoder in self._all:
            decoder.stop()
        self._starter.shutdown()


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Died(Exception):  # noqa: N818 - caught where it is known what it means
    """The decoder's process ended, or was ended."""


class _Decoder:
    """One place in the pool, with a process or, for the moment, without; used by one thread."""

    def __init__(self, starter: ThreadPoolExecutor, limits: DecodeLimits) -> None:
        self._starter = starter
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = self._answers = -1
        self._deadline_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return None if self._process is None else self._process.pid

    def decode(self, view: memoryview) -> Decoded:
        """Decode one picture; the process is there afterwards, or a new one comes with the next."""
        try:
            self._send(view)
            code, width, height, reason = self._receive()
        except _Died as death:
            return Decoded(Fate.DECODER_DIED, reason=str(death))
        fate = _FATES[code]
        if fate is Fate.DECODED:
            return Decoded(fate, width, height)
        return Decoded(fate, reason=reason)

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

    def _send(self, view: memoryview) -> None:
        """Write a request, to a new process if the old one ended since the last."""
        header = REQUEST.pack(len(view))
        if self._process is not None and self._process.poll() is None:
            self._deadline_s = time.monotonic() + self._limits.wall_s
            with contextlib.suppress(BrokenPipeError):
                self._write(header, view)
                return
        self.stop()
        self._start()
        self._deadline_s = time.monotonic() + self._limits.wall_s
        try:
            self._write(header, view)
        except BrokenPipeError:
            raise _Died(self.stop()) from None

    def _write(self, header: bytes, view: memoryview) -> None:
        n_left = len(header) + len(view) - os.writev(self._requests, [header, view])
        while n_left:
            self._wait(self._requests, select.POLLOUT)
            n_left -= os.write(self._requests, view[len(view) - n_left :])

    def _receive(self) -> tuple[Code, int, int, str]:
        """One answer: it is shorter than what a pipe takes or gives in one piece (PIPE_BUF)."""
        self._wait(self._answers, select.POLLIN)
        answer = os.read(self._answers, ANSWER.size + MAX_REASON_BYTES)
        if not answer:
            raise _Died(self.stop())
        code, width, height, _ = ANSWER.unpack_from(answer)
        return Code(code), width, height, answer[ANSWER.size :].decode("utf-8", "replace")

    def _wait(self, fd: int, event: int) -> None:
        poll = select.poll()
        poll.register(fd, event)
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            self.stop()
            raise _Died("it did not answer in time")

    def _start(self) -> None:
        arguments = (
            os.getpid(),
            self._limits.max_pixels,
            self._limits.memory_bytes,
            self._limits.cpu_s,
        )
        command = [sys.executable, "-P", "-m", "yfcc.media.decode_child", *map(str, arguments)]
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
        except _Died as death:
            raise YfccError(
                f"a decoder could not be started ({death}): run `{' '.join(command[:4])}` to see "
                "why, or do without --decode and --deep"
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

"""What the processes of :class:`yfcc.media.guarded.GuardedPool` have in common.

They read requests from their standard input and write one answer for each to their standard output,
see :data:`REQUEST` and :data:`ANSWER`. What a hostile or broken picture can do to a decoder is
done to such a process, which has little memory, little time, no file to write and nothing to lose.
It ends when its input ends, when its parent dies, or when a picture takes too long.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, Final

#: A request: how many bytes of a picture follow, and a number for the work.
REQUEST: Final = struct.Struct("<QI")

#: An answer: :class:`Code`, width, height, and how many bytes follow: what was made, or the
#: reason why nothing was (UTF-8).
ANSWER: Final = struct.Struct("<BIIQ")

_MAX_REASON_BYTES: Final = 300

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class Code(IntEnum):
    """What became of a picture; :attr:`READY` is said once, before the first."""

    READY = 0
    DECODED = 1
    BROKEN = 2
    TOO_LARGE = 3
    NO_MEMORY = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process has to say of a picture.

    Attributes
    ----------
    code : Code
    width, height : int
        Pixels; 0 unless decoded.
    told : bytes
        What was made of it, or the reason why nothing was.
    """

    code: Code
    width: int = 0
    height: int = 0
    told: bytes = b""

    @property
    def reason(self) -> str:
        """Why nothing was made of it; empty if it was decoded."""
        return "" if self.code is Code.DECODED else self.told.decode("utf-8", "replace")


#: From all bytes of a picture and the request's number to the answer.
Work = Callable[[bytes, int], Answer]


def serve(work: Work) -> None:
    """Answer requests until there are no more; the process's arguments say what it may cost.

    Parameters
    ----------
    work : callable
        Whatever it raises over a picture becomes an answer.
    """
    parent, max_pixels, memory_bytes = (int(argument) for argument in sys.argv[1:4])
    cpu_s = float(sys.argv[4])
    # Ctrl-C goes to the whole process group: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever a library prints must not end up among the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    _die_with(parent)
    _load_decoders(max_pixels)
    _limit(memory_bytes)
    _write(answers, Answer(Code.READY))
    requests = sys.stdin.buffer
    while len(header := requests.read(REQUEST.size)) == REQUEST.size:
        n_bytes, argument = REQUEST.unpack(header)
        # By default this signal ends the process, also in the middle of a decoder's loop.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        answer = _answer(work, requests, n_bytes, argument)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(answers, answer)


def _answer(work: Work, requests: IO[bytes], n_bytes: int, argument: int) -> Answer:
    from PIL import Image  # noqa: PLC0415 - who imports this module for its words needs no Pillow

    try:
        content = requests.read(n_bytes)
        if len(content) < n_bytes:
            sys.exit(0)  # the parent died while it was writing
        return work(content, argument)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return _refuse(Code.TOO_LARGE, f"more than {Image.MAX_IMAGE_PIXELS:,} pixels")
    except MemoryError:
        return _refuse(Code.NO_MEMORY, "it needs more memory than a decoder may have")
    except Exception as error:  # noqa: BLE001 - what a decoder raises over broken bytes has no list
        kind = "" if isinstance(error, OSError | SyntaxError) else f"{type(error).__name__}: "
        return _refuse(Code.BROKEN, f"{kind}{error}")


def _refuse(code: Code, reason: str) -> Answer:
    said = reason.replace("\n", " ").encode("utf-8", "replace")
    return Answer(code, told=said[:_MAX_REASON_BYTES])


def _write(fd: int, answer: Answer) -> None:
    header = ANSWER.pack(answer.code, answer.width, answer.height, len(answer.told))
    view = memoryview(header + answer.told)
    while view:
        view = view[os.write(fd, view) :]


def _load_decoders(max_pixels: int) -> None:
    """Load all that decoding needs, while there is memory for it."""
    from PIL import Image, MpoImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415

    Image.preinit()
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("ignore")  # a strange comment in a picture is nobody's concern
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _limit(memory_bytes: int) -> None:
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        # Some systems have no such limit, or a lower one already: that is not worth a failure.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def _die_with(parent: int) -> None:
    """End when the thread that started this process does, where the kernel offers that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)

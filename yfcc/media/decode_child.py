"""A process that decodes pictures for another: ``python -m yfcc.media.decode_child``.

It reads requests from its standard input and writes one answer for each to its standard output,
see :data:`REQUEST` and :data:`ANSWER`. What a hostile or broken picture can do to a decoder is
done to this process, which has little memory, little time, no file to write and nothing to lose.
It ends when its input ends, when its parent dies, or when a picture takes too long.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import resource
import signal
import struct
import sys
import warnings
from enum import IntEnum
from typing import IO, Final

#: A request: how many bytes of a picture follow.
REQUEST: Final = struct.Struct("<Q")

#: An answer: :class:`Code`, width, height, and how many bytes of a reason follow (UTF-8).
ANSWER: Final = struct.Struct("<BIIH")

MAX_REASON_BYTES: Final = 300

#: Formats that the sniffer knows as pictures; Pillow knows 70 more, and their faults.
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
_ANIMATED: Final = frozenset(("PNG", "GIF", "WEBP"))

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class Code(IntEnum):
    """What became of a picture; :attr:`READY` is said once, before the first."""

    READY = 0
    DECODED = 1
    BROKEN = 2
    TOO_LARGE = 3
    NO_MEMORY = 4


def main() -> None:
    """Answer requests until there are no more."""
    parent, max_pixels, memory_bytes = (int(argument) for argument in sys.argv[1:4])
    cpu_s = float(sys.argv[4])
    # Ctrl-C goes to the whole process group: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever a library prints must not end up among the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    guard_process(parent, max_pixels, memory_bytes)
    os.write(answers, encode_answer(Code.READY))
    requests = sys.stdin.buffer
    while len(header := requests.read(REQUEST.size)) == REQUEST.size:
        (n_bytes,) = REQUEST.unpack(header)
        # By default this signal ends the process, also in the middle of a decoder's loop.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        answer = _answer(requests, n_bytes, max_pixels)
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(answers, answer)


def guard_process(parent: int, max_pixels: int, memory_bytes: int) -> None:
    """Load the decoders, and give up all that decoding does not need.

    Parameters
    ----------
    parent : int
        Id of the process that this one ends with.
    max_pixels : int
        Of a picture.
    memory_bytes : int
        Address space.
    """
    _die_with(parent)
    _load_decoders(max_pixels)
    _limit(memory_bytes)


def encode_answer(code: Code, width: int = 0, height: int = 0, reason: str = "") -> bytes:
    """An answer's bytes; a reason that is too long is cut."""
    said = reason.encode("utf-8", "replace")[:MAX_REASON_BYTES]
    return ANSWER.pack(code, width, height, len(said)) + said


def _answer(requests: IO[bytes], n_bytes: int, max_pixels: int) -> bytes:
    try:
        content = requests.read(n_bytes)
        if len(content) < n_bytes:
            sys.exit(0)  # the parent died while it was writing
        return _decode(content, max_pixels)
    except MemoryError:
        return encode_answer(Code.NO_MEMORY, reason="it needs more memory than a decoder may have")


def _decode(content: bytes, max_pixels: int) -> bytes:
    from PIL import Image  # noqa: PLC0415 - who imports this module for its words needs no Pillow

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            width, height = image.size
            image.load()
            if image.format in _ANIMATED:
                _decode_frames(image, max_pixels)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return encode_answer(Code.TOO_LARGE, reason=f"more than {max_pixels:,} pixels")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - what a decoder raises over broken bytes has no list
        kind = "" if isinstance(error, OSError | SyntaxError) else f"{type(error).__name__}: "
        return encode_answer(Code.BROKEN, reason=f"{kind}{error}".replace("\n", " "))
    return encode_answer(Code.DECODED, width, height)


def _decode_frames(image: object, max_pixels: int) -> None:
    """Decode the frames after the first, until they have as many pixels as one may have.

    More is not asked: a valid animation of any length is a valid picture.
    """
    from PIL import ImageFile  # noqa: PLC0415

    if not isinstance(image, ImageFile.ImageFile):
        return
    n_pixels = image.width * image.height
    with contextlib.suppress(EOFError):  # raised by the frame after the last
        while n_pixels <= max_pixels:
            image.seek(image.tell() + 1)
            image.load()
            n_pixels += image.width * image.height


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


if __name__ == "__main__":
    main()

"""A process that makes pictures smaller for another: ``python -m yfcc.media.resize_child``.

Guarded as that of :mod:`yfcc.media.decode_child`: little memory, little time, no file to write. It
reads requests from its standard input and writes one answer for each to its standard output.
"""

from __future__ import annotations

import io
import os
import signal
import struct
import sys
from typing import Final

from yfcc.media.decode_child import Code, guard_process

#: A request: how many bytes of a picture follow, and how long its shorter side is to be.
REQUEST: Final = struct.Struct("<QI")
#: An answer: :class:`Code`, width, height, and how many bytes follow: of the picture, or of the
#: reason why there is none (UTF-8).
ANSWER: Final = struct.Struct("<BIIQ")

#: As img2dataset has it.
_JPEG_QUALITY: Final = 95
_FORMATS: Final = ("JPEG", "PNG")


def main() -> None:
    """Answer requests until there are no more."""
    parent, max_pixels, memory_bytes = (int(argument) for argument in sys.argv[1:4])
    cpu_s = float(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    with os.fdopen(os.dup(1), "wb") as answers:
        # Whatever a library prints must not end up among the answers.
        os.dup2(2, 1)
        guard_process(parent, max_pixels, memory_bytes)
        requests = sys.stdin.buffer
        while len(header := requests.read(REQUEST.size)) == REQUEST.size:
            n_bytes, size = REQUEST.unpack(header)
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            code, width, height, told = _answer(requests.read(n_bytes), size)
            signal.setitimer(signal.ITIMER_PROF, 0)
            answers.write(ANSWER.pack(code, width, height, len(told)) + told)
            answers.flush()


def _answer(content: bytes, size: int) -> tuple[Code, int, int, bytes]:
    from PIL import Image  # noqa: PLC0415 - who imports this module for its words needs no Pillow

    try:
        return Code.DECODED, *shrink(content, size)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return Code.TOO_LARGE, 0, 0, b"more pixels than are decoded"
    except MemoryError:
        return Code.NO_MEMORY, 0, 0, b"it needs more memory than a decoder may have"
    except Exception as error:  # noqa: BLE001 - what a decoder raises over broken bytes has no list
        return Code.BROKEN, 0, 0, f"{type(error).__name__}: {error}".encode("utf-8", "replace")


def shrink(content: bytes, size: int) -> tuple[int, int, bytes]:
    """Width, height and bytes of a picture whose shorter side has so many pixels.

    The form stays the same, and so do colour profile and Exif, where notices of rights may stand;
    only the orientation that Exif asks for is carried out. Of a picture that is no larger no bytes
    come back.

    Parameters
    ----------
    content : bytes
        A JPEG or a PNG.
    size : int
        At least 1.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415

    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        form = image.format or ""
        shorter = min(image.size)
        if shorter <= size:
            return *image.size, b""
        # The decoder of JPEG leaves out what would be thrown away, by powers of two.
        image.draft(None, (2 * size, 2 * size))
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
        if upright.mode not in ("RGB", "L", "CMYK", "RGBA", "LA"):
            upright = upright.convert("RGBA" if "transparency" in image.info else "RGB")
        width, height = upright.size
        scale = size / min(width, height)
        shape = max(size, round(width * scale)), max(size, round(height * scale))
        small = upright.resize(shape, Image.Resampling.LANCZOS, reducing_gap=3.0)
        buffer = io.BytesIO()
        exif = upright.getexif().tobytes()
        quality = {"quality": _JPEG_QUALITY} if form == "JPEG" else {}
        small.save(buffer, form, exif=exif, icc_profile=profile, **quality)
    return *shape, buffer.getvalue()


if __name__ == "__main__":
    main()

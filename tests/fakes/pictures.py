"""Small media made for tests: true JPEG, PNG and GIF, and films that are boxes only."""

from __future__ import annotations

import functools
import io
import random
import struct

from PIL import Image


@functools.cache
def picture(kind: str, size: tuple[int, int] = (40, 30), seed: int = 1) -> bytes:
    """A picture that differs with its seed; ``kind`` as Pillow names it."""
    noise = random.Random(seed).randbytes(size[0] * size[1] * 3)
    image = Image.frombytes("RGB", size, noise)
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def jpeg(seed: int = 1) -> bytes:
    """About 3 KB, 40 x 30."""
    return picture("JPEG", seed=seed)


def box(kind: bytes, content: bytes = b"") -> bytes:
    """A box of an MP4 or MOV."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def film(brand: bytes = b"isom", size: tuple[int, int] = (320, 240)) -> bytes:
    """The boxes of a film, adding up, with one track of that size."""
    tkhd = bytes(76) + struct.pack(">II", size[0] << 16, size[1] << 16)
    moov = box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", box(b"tkhd", tkhd)))
    return box(b"ftyp", brand + bytes(4)) + moov + box(b"mdat", b"film" * 50)


def avi(size: tuple[int, int] = (640, 480)) -> bytes:
    """The headers of an AVI and nothing to see."""
    avih = bytes(32) + struct.pack("<II", *size) + bytes(16)
    content = b"AVI " + b"LIST" + struct.pack("<I", 4 + 8 + len(avih)) + b"hdrl"
    content += b"avih" + struct.pack("<I", len(avih)) + avih
    return b"RIFF" + struct.pack("<I", len(content)) + content

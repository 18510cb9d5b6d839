"""A process that makes pictures smaller for another: ``python -m yfcc.media.resize_child``.

Guarded, see :mod:`yfcc.media.guarded_child`.
"""

from __future__ import annotations

import io
from typing import Final

from yfcc.media.guarded_child import Answer, Code, serve

#: As img2dataset has it.
_JPEG_QUALITY: Final = 95
_FORMATS: Final = ("JPEG", "PNG")


def _resize(content: bytes, size: int) -> Answer:
    return Answer(Code.DECODED, *shrink(content, size))


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
    serve(_resize)

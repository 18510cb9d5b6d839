"""A process that decodes pictures for another: ``python -m yfcc.media.decode_child``.

Guarded, see :mod:`yfcc.media.guarded_child`.
"""

from __future__ import annotations

import contextlib
import io
from typing import Final

from yfcc.media.guarded_child import Answer, Code, serve

#: Formats that the sniffer knows as pictures; Pillow knows 70 more, and their faults.
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
_ANIMATED: Final = frozenset(("PNG", "GIF", "WEBP"))


def _decode(content: bytes, _: int) -> Answer:
    from PIL import Image, JpegImagePlugin  # noqa: PLC0415 - loaded with the other decoders

    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        width, height = image.size
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            # All its bits are read and decoded; what follows cannot fail, and is left out as far
            # as it can be: colours, and pixels at their full number.
            image.draft("L", (1, 1))
        image.load()
        if image.format in _ANIMATED:
            _decode_frames(image)
    return Answer(Code.DECODED, width, height)


def _decode_frames(image: object) -> None:
    """Decode the frames after the first, until they have as many pixels as one may have.

    More is not asked: a valid animation of any length is a valid picture.
    """
    from PIL import Image, ImageFile  # noqa: PLC0415

    if not isinstance(image, ImageFile.ImageFile):
        return
    n_pixels = image.width * image.height
    with contextlib.suppress(EOFError):  # raised by the frame after the last
        while n_pixels <= (Image.MAX_IMAGE_PIXELS or 0):
            image.seek(image.tell() + 1)
            image.load()
            n_pixels += image.width * image.height


if __name__ == "__main__":
    serve(_decode)

"""Pictures of the sample: drawn, the same for the same item, of a photo's size and weight."""

from __future__ import annotations

import hashlib
from functools import cache
from io import BytesIO
from random import Random
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from yfcc.demo.scenes import paint_scene

#: Longest side of the pictures Flickr serves at the download URL.
LONGEST_SIDE: Final = 500
_SHAPES: Final = (
    (500, 375),
    (500, 375),
    (500, 333),
    (375, 500),
    (500, 500),
    (333, 500),
    (500, 281),
)
#: Painted larger and scaled down, which smoothes the edges.
_OVERSAMPLING: Final = 2
_GRAIN_SIDE: Final = 1024
_GRAIN_SEED: Final = 5
_JPEG_QUALITY: Final = 84
_CAPTION_HEIGHT: Final = 14


def draw_picture(photo_id: int, theme: str, extension: str) -> bytes:
    """The picture of an item.

    Parameters
    ----------
    photo_id : int
        Two calls with one id give the same bytes.
    theme : str
        One of `yfcc.demo.tables.language.THEMES`.
    extension : str
        ``png`` and ``gif`` give files of that type, all else JPEG.
    """
    image = draw_canvas(photo_id, theme)
    target = BytesIO()
    if extension == "png":
        image.quantize(200, Image.Quantize.FASTOCTREE).save(target, "PNG", compress_level=1)
    elif extension == "gif":
        image.quantize(128, Image.Quantize.FASTOCTREE).save(target, "GIF")
    else:
        image.save(target, "JPEG", quality=_JPEG_QUALITY)
    return target.getvalue()


def draw_canvas(photo_id: int, theme: str, size: tuple[int, int] | None = None) -> Image.Image:
    """The picture before it is encoded: RGB, of `size` or a usual shape."""
    rng = Random(photo_id)
    width, height = rng.choice(_SHAPES) if size is None else size
    scene = paint_scene(theme, (width * _OVERSAMPLING, height * _OVERSAMPLING), rng)
    image = scene.reduce(_OVERSAMPLING)
    left, top = rng.randrange(_GRAIN_SIDE - width), rng.randrange(_GRAIN_SIDE - height)
    image = ImageChops.add(image, _grain().crop((left, top, left + width, top + height)), 1, -128)
    _write_caption(image, f"synthetic {photo_id}")
    return image


@cache
def placeholder_png() -> bytes:
    """The picture the photo server shows for what is gone."""
    image = Image.new("RGB", (500, 375), (240, 241, 242))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((60, 60, 440, 315), 18, outline=(190, 194, 200), width=4)
    draw.line((60, 315, 440, 60), fill=(220, 223, 227), width=3)
    font = _font(26)
    text = "This photo is\nno longer available"
    draw.multiline_text((250, 187), text, (110, 115, 122), font, anchor="mm", align="center")
    target = BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


@cache
def placeholder_sha256() -> str:
    """Digest of the placeholder's bytes, 64 hex digits."""
    return hashlib.sha256(placeholder_png()).hexdigest()


@cache
def _grain() -> Image.Image:
    """Noise as a camera has it, around 128."""
    rng = np.random.Generator(np.random.PCG64(_GRAIN_SEED))
    noise = rng.normal(128, 9, (_GRAIN_SIDE, _GRAIN_SIDE))
    return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).convert("RGB")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _write_caption(image: Image.Image, text: str) -> None:
    draw = ImageDraw.Draw(image)
    top = image.height - _CAPTION_HEIGHT
    draw.rectangle((0, top, 7 * len(text), image.height), fill=(24, 24, 28))
    draw.text((4, top), text, (235, 235, 235), _font(_CAPTION_HEIGHT - 2))

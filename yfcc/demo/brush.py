"""Strokes that the scenes are painted with."""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb
from random import Random

from PIL import Image, ImageDraw, ImageOps

Colour = tuple[int, int, int]
Size = tuple[int, int]


def colour(hue: float, saturation: float, value: float) -> Colour:
    """A colour of hue (any number, 1 is a full turn), saturation and value (0 to 1)."""
    red, green, blue = hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Between `first` (share 0) and `second` (share 1)."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def paint_gradient(
    size: Size, top: Colour, bottom: Colour, middle: Colour | None = None
) -> Image.Image:
    """A canvas that fades from top to bottom."""
    ramp = Image.linear_gradient("L").resize((1, size[1]), Image.Resampling.BILINEAR)
    return ImageOps.colorize(ramp, top, bottom, middle).resize(size, Image.Resampling.NEAREST)


def draw_ridge(
    draw: ImageDraw.ImageDraw, size: Size, rng: Random, level: float, height: float, fill: Colour
) -> None:
    """A hilly silhouette down to the lower edge.

    Parameters
    ----------
    level, height : float
        Where its foot is and how far it swings, in shares of the canvas' height.
    """
    width, depth = size
    waves = [
        (rng.uniform(1, 3), rng.random()),
        (rng.uniform(4, 9), rng.random()),
        (rng.uniform(15, 40), rng.random()),
    ]
    weights = (0.6, 0.3, 0.1)
    points: list[tuple[float, float]] = []
    for step in range(81):
        x = step / 80
        swing = sum(
            weight * math.sin(2 * math.pi * (frequency * x + phase))
            for weight, (frequency, phase) in zip(weights, waves, strict=True)
        )
        points.append((x * width, depth * (level - height * (0.5 + swing / 2))))
    draw.polygon([*points, (width, depth), (0, depth)], fill=fill)


def draw_disc(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, fill: Colour
) -> None:
    """A filled circle."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def draw_glow(
    draw: ImageDraw.ImageDraw,
    centre: tuple[float, float],
    radius: float,
    core: Colour,
    around: Colour,
) -> None:
    """A disc that fades into `around`."""
    for ring in range(8, 0, -1):
        draw_disc(draw, centre, radius * (1 + ring * 0.22), mix(core, around, ring / 9))
    draw_disc(draw, centre, radius, core)


def draw_bird(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], span: float, fill: Colour
) -> None:
    """Two wings."""
    x, y = at
    width = max(2, round(span / 9))
    draw.arc((x - span, y - span / 3, x, y + span / 2), 200, 340, fill=fill, width=width)
    draw.arc((x, y - span / 3, x + span, y + span / 2), 200, 340, fill=fill, width=width)


def draw_conifer(
    draw: ImageDraw.ImageDraw, foot: tuple[float, float], height: float, fill: Colour
) -> None:
    """Three triangles on a trunk."""
    x, y = foot
    draw.rectangle((x - height * 0.03, y - height * 0.15, x + height * 0.03, y), fill=(60, 42, 30))
    for tier in range(3):
        top = y - height * (1 - tier * 0.24)
        half = height * (0.14 + tier * 0.06)
        draw.polygon(
            [(x, top), (x - half, top + height * 0.4), (x + half, top + height * 0.4)], fill=fill
        )

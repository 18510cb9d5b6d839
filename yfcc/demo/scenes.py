"""One painter for each theme; what they paint is what the autotags of an item say."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Final

from PIL import Image, ImageDraw

from yfcc.demo.brush import (
    Size,
    colour,
    draw_disc,
    draw_glow,
    mix,
    paint_gradient,
)
from yfcc.demo.landscapes import (
    paint_beach,
    paint_forest,
    paint_mountain,
    paint_road,
    paint_snow,
    paint_sunset,
)
from yfcc.demo.tables.language import THEMES

Painter = Callable[[Size, Random], Image.Image]


def paint_scene(theme: str, size: Size, rng: Random) -> Image.Image:
    """Paint a theme.

    Parameters
    ----------
    theme : str
        One of `yfcc.demo.tables.language.THEMES`.
    size : tuple of int
        Width and height, pixels.
    """
    return _PAINTERS[theme](size, rng)


def _paint_city(size: Size, rng: Random) -> Image.Image:
    width, height = size
    sky = colour(rng.uniform(0.54, 0.62), 0.35, 0.95)
    image = paint_gradient(size, sky, (240, 240, 235))
    draw = ImageDraw.Draw(image)
    for layer in range(3):
        x = -20.0
        while x < width:
            wide = width * rng.uniform(0.05, 0.12)
            top = height * rng.uniform(0.2 + layer * 0.15, 0.55 + layer * 0.12)
            wall = mix(sky, colour(rng.uniform(0.0, 0.12), 0.3, 0.5), 0.4 + layer * 0.3)
            draw.rectangle((x, top, x + wide, height), fill=wall)
            _draw_windows(draw, (x, top, wide, height), mix(wall, (30, 40, 60), 0.5), rng)
            x += wide * rng.uniform(0.9, 1.2)
    draw.rectangle((0, height * 0.93, width, height), fill=(70, 70, 74))
    for x in range(0, width, 80):
        draw.rectangle((x, height * 0.96, x + 40, height * 0.965), fill=(230, 225, 200))
    return image


def _draw_windows(
    draw: ImageDraw.ImageDraw,
    house: tuple[float, float, float, float],
    fill: tuple[int, int, int],
    rng: Random,
) -> None:
    x, top, wide, bottom = house
    step = wide / rng.randint(3, 6)
    y = top + step * 0.5
    while y < bottom:
        column = x + step * 0.3
        while column < x + wide - step * 0.4:
            draw.rectangle((column, y, column + step * 0.45, y + step * 0.55), fill=fill)
            column += step
        y += step * 1.3


def _paint_night(size: Size, rng: Random) -> Image.Image:
    width, height = size
    deep = colour(rng.uniform(0.6, 0.75), 0.7, 0.12)
    image = paint_gradient(size, deep, colour(0.68, 0.5, 0.32))
    draw = ImageDraw.Draw(image)
    for _ in range(140):
        x, y = rng.random() * width, rng.random() ** 1.3 * height * 0.7
        draw_disc(
            draw, (x, y), rng.choice((1, 1, 2, 3)), mix((255, 255, 240), deep, rng.random() * 0.6)
        )
    moon = (width * rng.uniform(0.15, 0.85), height * rng.uniform(0.15, 0.4))
    radius = height * rng.uniform(0.05, 0.12)
    draw_glow(draw, moon, radius, (245, 243, 225), mix(deep, (120, 120, 150), 0.4))
    for _ in range(7):
        angle, reach = rng.random() * 6.3, rng.random() * radius * 0.7
        crater = (moon[0] + math.cos(angle) * reach, moon[1] + math.sin(angle) * reach)
        draw_disc(draw, crater, radius * rng.uniform(0.05, 0.16), (222, 219, 200))
    x = 0.0
    while x < width:
        wide, top = width * rng.uniform(0.04, 0.1), height * rng.uniform(0.6, 0.85)
        draw.rectangle((x, top, x + wide, height), fill=(14, 14, 24))
        for _ in range(12):
            spot_x, spot_y = x + rng.random() * wide, top + rng.random() * (height - top)
            draw.rectangle((spot_x, spot_y, spot_x + 5, spot_y + 7), fill=(250, 210, 120))
        x += wide
    return image


def _paint_flower(size: Size, rng: Random) -> Image.Image:
    width, height = size
    image = paint_gradient(size, colour(0.28, 0.45, 0.7), colour(0.33, 0.6, 0.3))
    draw = ImageDraw.Draw(image)
    for _ in range(40):  # out of focus
        spot = (rng.random() * width, rng.random() * height)
        draw_disc(
            draw,
            spot,
            rng.uniform(0.03, 0.1) * height,
            colour(rng.uniform(0.22, 0.36), 0.5, rng.uniform(0.4, 0.7)),
        )
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.25, 0.6) * height
        radius, hue = rng.uniform(0.12, 0.24) * height, rng.random()
        draw.line((x, y, x + rng.uniform(-0.1, 0.1) * width, height), fill=(60, 120, 50), width=12)
        n_petals = rng.randint(5, 13)
        for petal in range(n_petals):
            angle = petal / n_petals * 2 * math.pi
            centre = (x + math.cos(angle) * radius * 0.75, y + math.sin(angle) * radius * 0.75)
            draw_disc(draw, centre, radius * 0.42, colour(hue, 0.6, 0.95 - 0.1 * (petal % 2)))
        draw_disc(draw, (x, y), radius * 0.4, colour(0.13, 0.8, 0.95))
        for _ in range(30):
            angle, reach = rng.random() * 6.3, rng.random() * radius * 0.35
            dot = (x + math.cos(angle) * reach, y + math.sin(angle) * reach)
            draw_disc(draw, dot, 4, colour(0.09, 0.8, 0.65))
    return image


def _paint_food(size: Size, rng: Random) -> Image.Image:
    width, height = size
    wood = colour(rng.uniform(0.05, 0.1), 0.5, rng.uniform(0.35, 0.7))
    image = paint_gradient(size, wood, mix(wood, (0, 0, 0), 0.3))
    draw = ImageDraw.Draw(image)
    for plank in range(0, height, max(1, height // 7)):
        draw.line((0, plank, width, plank), fill=mix(wood, (0, 0, 0), 0.5), width=5)
    x, y, radius = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.42, 0.58), height * 0.38
    draw_disc(draw, (x + 14, y + 18), radius, mix(wood, (0, 0, 0), 0.6))
    draw_disc(draw, (x, y), radius, (246, 246, 242))
    draw_disc(draw, (x, y), radius * 0.78, (232, 233, 230))
    for _ in range(rng.randint(12, 40)):
        angle, reach = rng.random() * 6.3, rng.random() ** 0.6 * radius * 0.6
        bite = (x + math.cos(angle) * reach, y + math.sin(angle) * reach)
        hue = rng.choice((0.02, 0.08, 0.12, 0.28, 0.95))
        draw_disc(
            draw, bite, radius * rng.uniform(0.06, 0.2), colour(hue, 0.7, rng.uniform(0.55, 0.95))
        )
    fork = x + radius * 1.25
    draw.line((fork, y - radius * 0.7, fork, y + radius * 0.8), fill=(205, 208, 212), width=14)
    for tine in (-16, 0, 16):
        draw.line(
            (fork + tine, y - radius, fork + tine, y - radius * 0.6), fill=(205, 208, 212), width=6
        )
    return image


def _paint_animal(size: Size, rng: Random) -> Image.Image:
    width, height = size
    water = colour(rng.uniform(0.45, 0.6), 0.35, 0.75)
    image = paint_gradient(size, mix(water, (255, 255, 255), 0.6), water)
    draw = ImageDraw.Draw(image)
    for _ in range(50):
        x, y = rng.random() * width, height * rng.uniform(0.6, 1)
        draw.line(
            (x, y, x + width * 0.08, y),
            fill=mix(water, (255, 255, 255), rng.random() * 0.5),
            width=3,
        )
    x, y, tall = width * rng.uniform(0.35, 0.65), height * 0.62, height * rng.uniform(0.45, 0.6)
    feather = colour(rng.uniform(0.5, 0.7), rng.uniform(0.05, 0.3), rng.uniform(0.4, 0.9))
    dark = mix(feather, (20, 20, 30), 0.5)
    for leg in (-0.06, 0.06):
        draw.line(
            (x + leg * tall, y, x + leg * tall, y + tall * 0.45), fill=(150, 110, 60), width=8
        )
    draw.ellipse((x - tall * 0.38, y - tall * 0.2, x + tall * 0.3, y + tall * 0.18), fill=feather)
    draw.polygon(
        [(x - tall * 0.1, y - tall * 0.1), (x - tall * 0.6, y + tall * 0.16), (x, y + tall * 0.14)],
        fill=dark,
    )
    neck = [
        (x + tall * (0.2 + 0.08 * math.sin(step / 2)), y - tall * step * 0.055)
        for step in range(12)
    ]
    draw.line(neck, fill=feather, width=round(tall * 0.08), joint="curve")
    head = neck[-1]
    draw_disc(draw, head, tall * 0.07, feather)
    draw.polygon(
        [(head[0], head[1] - 8), (head[0] + tall * 0.3, head[1] + 6), (head[0], head[1] + 12)],
        fill=(235, 165, 50),
    )
    draw_disc(draw, (head[0] + tall * 0.02, head[1] - tall * 0.015), 5, (10, 10, 10))
    for _ in range(25):
        reed = rng.random() * width
        tip = (reed + rng.uniform(-40, 40), height * rng.uniform(0.5, 0.8))
        draw.line((reed, height, *tip), fill=colour(0.24, 0.5, rng.uniform(0.3, 0.5)), width=6)
    return image


def _paint_concert(size: Size, rng: Random) -> Image.Image:
    width, height = size
    image = paint_gradient(size, (8, 6, 16), (40, 20, 50))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(4, 7)):
        x, foot, hue = rng.random() * width, rng.random() * width, rng.random()
        for beam in range(5, 0, -1):
            spread = width * 0.025 * beam
            light = mix(colour(hue, 0.7, 0.75), (30, 15, 40), beam / 6)
            draw.polygon(
                [(x, 0), (foot - spread, height * 0.75), (foot + spread, height * 0.75)], fill=light
            )
        draw_disc(draw, (x, 8), 16, (255, 255, 240))
    draw.rectangle((0, height * 0.72, width, height), fill=(20, 14, 26))
    for player in range(rng.randint(2, 4)):
        x, tall = width * (0.2 + player * 0.22 + rng.uniform(-0.03, 0.03)), height * 0.3
        draw_disc(draw, (x, height * 0.72 - tall), tall * 0.13, (6, 5, 10))
        draw.rectangle(
            (x - tall * 0.12, height * 0.72 - tall * 0.88, x + tall * 0.12, height * 0.72),
            fill=(6, 5, 10),
        )
        draw.line(
            (
                x - tall * 0.3,
                height * 0.72 - tall * 0.3,
                x + tall * 0.4,
                height * 0.72 - tall * 0.7,
            ),
            fill=(6, 5, 10),
            width=14,
        )
    for _ in range(34):
        x, y = rng.random() * width, height * rng.uniform(0.86, 1.0)
        draw_disc(draw, (x, y), height * 0.05, (4, 3, 8))
        if rng.random() < 0.4:
            draw.line((x, y, x + rng.uniform(-30, 30), y - height * 0.14), fill=(4, 3, 8), width=14)
    return image


_PAINTERS: Final[dict[str, Painter]] = dict(
    zip(
        THEMES,
        (
            paint_sunset,
            paint_beach,
            paint_mountain,
            paint_forest,
            _paint_city,
            _paint_night,
            _paint_flower,
            paint_snow,
            _paint_food,
            _paint_animal,
            _paint_concert,
            paint_road,
        ),
        strict=True,
    )
)

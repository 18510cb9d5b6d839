"""Painters of landscapes, one a theme."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageDraw

from yfcc.demo.brush import (
    Size,
    colour,
    draw_bird,
    draw_conifer,
    draw_disc,
    draw_glow,
    draw_ridge,
    mix,
    paint_gradient,
)


def paint_sunset(size: Size, rng: Random) -> Image.Image:
    """The sun low over water."""
    width, height = size
    hue = rng.uniform(0.95, 1.1)
    low = colour(hue + 0.05, 0.75, 1.0)
    image = paint_gradient(size, colour(0.7, 0.6, 0.35), low, colour(hue, 0.7, 0.85))
    draw = ImageDraw.Draw(image)
    horizon = height * rng.uniform(0.6, 0.75)
    sun = (width * rng.uniform(0.2, 0.8), horizon - height * rng.uniform(0.02, 0.2))
    draw_glow(
        draw, sun, height * rng.uniform(0.05, 0.09), (255, 246, 200), mix(low, (255, 190, 90), 0.5)
    )
    for _ in range(rng.randint(3, 9)):
        x, y, reach = rng.random() * width, rng.random() * horizon, rng.uniform(0.05, 0.25) * width
        draw.ellipse((x - reach, y, x + reach, y + reach * 0.08), fill=colour(hue, 0.5, 0.6))
    draw.rectangle((0, horizon, width, height), fill=colour(0.65, 0.5, 0.3))
    for _ in range(90):
        depth = rng.random()
        y = horizon + depth**2 * (height - horizon)
        reach = width * (0.01 + 0.06 * depth) * rng.random()
        x = sun[0] + rng.gauss(0, width * (0.02 + 0.08 * depth))
        draw.line((x - reach, y, x + reach, y), fill=low, width=round(2 + 4 * depth))
    if rng.random() < 0.5:
        draw_ridge(draw, size, rng, 1.02, 0.12, (25, 15, 30))
    return image


def paint_beach(size: Size, rng: Random) -> Image.Image:
    """Sea, sand and a parasol."""
    width, height = size
    image = paint_gradient(size, colour(0.56, 0.55, 0.95), (225, 240, 250))
    draw = ImageDraw.Draw(image)
    horizon = height * rng.uniform(0.4, 0.55)
    sea = colour(rng.uniform(0.48, 0.58), 0.7, 0.7)
    draw.rectangle((0, horizon, width, height), fill=sea)
    for band in range(14):
        y = horizon + (height - horizon) * (band / 14) ** 1.6 * 0.6
        draw.rectangle(
            (0, y, width, y + 2 + band), fill=mix(sea, (245, 250, 250), 0.05 + band * 0.03)
        )
    sand = colour(0.11, rng.uniform(0.25, 0.45), 0.9)
    shore = [
        (step / 40 * width, height * (0.78 + 0.04 * math.sin(step / 4 + rng.random())))
        for step in range(41)
    ]
    draw.line(shore, fill=(250, 252, 252), width=round(height * 0.03))
    draw.polygon([*shore, (width, height), (0, height)], fill=sand)
    x, y, wide = rng.uniform(0.2, 0.8) * width, rng.uniform(0.84, 0.94) * height, height * 0.13
    draw.line((x, y, x, y - wide * 1.4), fill=(120, 90, 60), width=6)
    for slice_ in range(6):
        fill = colour(rng.random(), 0.7, 0.9) if slice_ % 2 else (250, 250, 245)
        box = (x - wide, y - wide * 2, x + wide, y - wide * 0.5)
        draw.pieslice(box, 180 + slice_ * 30, 210 + slice_ * 30, fill=fill)
    for _ in range(rng.randint(0, 5)):
        draw_bird(
            draw, (rng.random() * width, rng.random() * horizon), height * 0.03, (90, 100, 110)
        )
    return image


def paint_mountain(size: Size, rng: Random) -> Image.Image:
    """Peaks with snow behind wooded hills."""
    width, height = size
    hue = rng.uniform(0.5, 0.68)
    far = colour(hue, 0.15, 0.95)
    image = paint_gradient(size, colour(hue, 0.55, 0.9), far)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(2, 4)):
        x, peak, half = (
            rng.random() * width,
            height * rng.uniform(0.15, 0.4),
            width * rng.uniform(0.2, 0.4),
        )
        foot = height * 0.75
        draw.polygon([(x, peak), (x - half, foot), (x + half, foot)], fill=colour(hue, 0.25, 0.55))
        draw.polygon(
            [(x, peak), (x + half * 0.2, foot), (x + half, foot)], fill=colour(hue, 0.3, 0.42)
        )
        cap = 0.25
        draw.polygon(
            [
                (x, peak),
                (x - half * cap, peak + (foot - peak) * cap),
                (x - half * cap * 0.3, peak + (foot - peak) * cap * 0.7),
                (x + half * cap * 0.3, peak + (foot - peak) * cap * 1.1),
                (x + half * cap, peak + (foot - peak) * cap),
            ],
            fill=(248, 250, 253),
        )
    near = colour(rng.uniform(0.25, 0.42), 0.5, 0.3)
    for layer in range(4):
        draw_ridge(draw, size, rng, 0.72 + layer * 0.1, 0.16, mix(far, near, 0.4 + layer * 0.2))
    return image


def paint_forest(size: Size, rng: Random) -> Image.Image:
    """Conifers in mist."""
    width, height = size
    hue = rng.choice((0.07, 0.12, 0.25, 0.33, 0.38))
    mist = colour(hue, 0.12, 0.92)
    image = paint_gradient(size, mist, colour(hue, 0.3, 0.6))
    draw = ImageDraw.Draw(image)
    for layer in range(4):
        fill = mix(mist, colour(hue, 0.65, 0.28), 0.3 + layer * 0.23)
        foot = height * (0.55 + layer * 0.14)
        draw_ridge(draw, size, rng, foot / height + 0.02, 0.05, fill)
        for _ in range(14 - 2 * layer):
            tall = height * rng.uniform(0.2, 0.3) * (0.7 + layer * 0.4)
            draw_conifer(
                draw, (rng.random() * width, foot + rng.uniform(0, 0.06) * height), tall, fill
            )
    return image


def paint_snow(size: Size, rng: Random) -> Image.Image:
    """Conifers in falling snow."""
    width, height = size
    image = paint_gradient(size, colour(0.6, 0.25, 0.75), (235, 240, 248))
    draw = ImageDraw.Draw(image)
    for layer in range(3):
        white = mix((205, 216, 235), (252, 253, 255), layer / 2)
        foot = 0.6 + layer * 0.15
        for _ in range(5):
            at = (rng.random() * width, height * foot)
            draw_conifer(
                draw, at, height * rng.uniform(0.15, 0.35), colour(0.45, 0.3, 0.35 + 0.1 * layer)
            )
        draw_ridge(draw, size, rng, foot + 0.06, 0.1, white)
    for _ in range(160):
        flake = (rng.random() * width, rng.random() * height)
        draw_disc(draw, flake, rng.uniform(1.5, 5), (255, 255, 255))
    return image


def paint_road(size: Size, rng: Random) -> Image.Image:
    """A straight road through dry land."""
    width, height = size
    earth = colour(rng.choice((0.06, 0.09, 0.12, 0.27)), 0.45, 0.7)
    image = paint_gradient(size, colour(0.58, 0.5, 0.9), (245, 235, 215))
    draw = ImageDraw.Draw(image)
    draw_ridge(draw, size, rng, 0.58, 0.12, mix(earth, (120, 130, 170), 0.6))
    horizon = height * 0.55
    draw.rectangle((0, horizon, width, height), fill=earth)
    for _ in range(200):
        depth = rng.random()
        spot = (rng.random() * width, horizon + depth**2 * (height - horizon))
        draw_disc(draw, spot, 1 + 7 * depth, mix(earth, (60, 60, 30), rng.random() * 0.6))
    end = width * rng.uniform(0.3, 0.7)
    draw.polygon(
        [(end - 5, horizon), (end + 5, horizon), (width * 0.85, height), (width * 0.15, height)],
        fill=(74, 74, 78),
    )
    for dash in range(9):
        near, far = (dash / 9) ** 2, ((dash + 0.5) / 9) ** 2
        ends = [
            (end + (width / 2 - end) * part, horizon + (height - horizon) * part)
            for part in (near, far)
        ]
        draw.line(ends, fill=(240, 220, 120), width=round(2 + 16 * near))
    for _ in range(rng.randint(0, 4)):
        post = rng.choice((0.08, 0.92)) * width
        draw.line((post, height * 0.5, post, height * 0.8), fill=(90, 70, 50), width=8)
    return image

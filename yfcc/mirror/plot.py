"""Small plots as SVG text: lines and stacked areas over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 760
_HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 10, 26
_N_TICKS: Final = 5

#: Told apart by those who see few colours too (Okabe and Ito).
COLOURS: Final = (
    *("#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#cc79a7"),
    *("#009e73", "#f0e442", "#999999", "#7f3c8d", "#000000"),
)


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time.

    Attributes
    ----------
    name : str
        For the legend.
    values : sequence of float
        One at each of the plot's moments, 0 or more.
    """

    name: str
    values: Sequence[float]


def nice_ceiling(value: float) -> float:
    """The next number up of the form 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> nice_ceiling(312.0)
    500.0
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value * 0.999999)


def format_time(seconds: float) -> str:
    """A moment of a run, short: ``40 s``, ``3.5 min``, ``12.0 h``, ``2.5 d``.

    Examples
    --------
    >>> format_time(9000)
    '2.5 h'
    """
    if seconds < 120:
        return f"{seconds:g} s"
    for unit, length_s, limit_s in (("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def format_number(value: float) -> str:
    """A number for an axis: ``1,500``, ``0.2``, ``2M``.

    Examples
    --------
    >>> format_number(20_000_000)
    '20M'
    """
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def draw_line(moments_s: Sequence[float], series: Series) -> str:
    """One line over time.

    Parameters
    ----------
    moments_s : sequence of float
        Ascending, the first of them 0 or more.
    series : Series
    """
    end_s = max([*moments_s, 1e-9])
    top = nice_ceiling(max([*series.values, 0.0]))
    points = [
        (_x(at_s, end_s), _y(value, top))
        for at_s, value in zip(moments_s, series.values, strict=True)
    ]
    line = f'<polyline points="{_points(points)}" fill="none" stroke="{COLOURS[0]}"/>'
    return _frame(series.name, [*_axes(end_s, top), line])


def draw_areas(title: str, moments_s: Sequence[float], stacked: Sequence[Series]) -> str:
    """Areas on top of each other, the first at the bottom, with a legend below.

    Parameters
    ----------
    title : str
    moments_s : sequence of float
        Ascending, the first of them 0 or more.
    stacked : sequence of Series
    """
    end_s = max([*moments_s, 1e-9])
    sums = [0.0] * len(moments_s)
    for series in stacked:
        sums = [low + value for low, value in zip(sums, series.values, strict=True)]
    top = nice_ceiling(max([*sums, 0.0]))
    shapes = []
    low = [0.0] * len(moments_s)
    for number, series in enumerate(stacked):
        high = [under + value for under, value in zip(low, series.values, strict=True)]
        edge = (
            list(zip(moments_s, high, strict=True)) + list(zip(moments_s, low, strict=True))[::-1]
        )
        points = [(_x(at_s, end_s), _y(value, top)) for at_s, value in edge]
        colour = COLOURS[number % len(COLOURS)]
        shapes.append(f'<polygon points="{_points(points)}" fill="{colour}"/>')
        low = high
    return _frame(title, [*shapes, *_axes(end_s, top)]) + _legend(stacked)


def _x(at_s: float, end_s: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at_s / end_s


def _y(value: float, top: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _axes(end_s: float, top: float) -> Iterator[str]:
    for tick in range(_N_TICKS + 1):
        value = top * tick / _N_TICKS
        y = _y(value, top)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = format_number(value)
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        x, at_s = _x(end_s * tick / _N_TICKS, end_s), end_s * tick / _N_TICKS
        anchor = "end" if tick == _N_TICKS else "middle"
        time = format_time(float(f"{at_s:.3g}"))
        yield f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{time}</text>'


def _frame(title: str, parts: Sequence[str]) -> str:
    name = escape(title)
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name} over time">'
    return "\n".join([head, f"<title>{name} over time</title>", *parts, "</svg>"])


def _legend(stacked: Sequence[Series]) -> str:
    entries = "".join(
        f'<li><svg class="key" viewBox="0 0 10 10"><rect width="10" height="10" '
        f'fill="{COLOURS[number % len(COLOURS)]}"/></svg>{escape(series.name)}</li>'
        for number, series in enumerate(stacked)
    )
    return f'<ul class="legend">{entries}</ul>'

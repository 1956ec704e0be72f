"""Draws cost against size as an SVG, both axes logarithmic; a few lines of our own need no plotting library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 420, 90, 20, 50, 50
_FONT = 'font-family="sans-serif" font-size="12"'
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # apart for the colour-blind too

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A name and its points (size, cost), all above zero."""

    name: str
    points: Sequence[Point]


def plot(title: str, across: str, up: str, lines: Sequence[Line]) -> str:
    """Draw the lines; the axes reach to whole powers of ten. Raises ValueError where there is nothing above zero."""
    every = [point for line in lines for point in line.points]
    if not every or min(min(point) for point in every) <= 0:
        raise ValueError("points above zero are wanted: the axes are logarithmic")
    low_x, high_x = _powers([x for x, _ in every])
    low_y, high_y = _powers([y for _, y in every])

    def place(point: Point) -> tuple[float, float]:
        x = _LEFT + (math.log10(point[0]) - low_x) / (high_x - low_x) * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - (math.log10(point[1]) - low_y) / (high_y - low_y) * (_HEIGHT - _TOP - _BOTTOM)
        return round(x, 1), round(y, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_WIDTH / 2, 20, title, "middle"),
        _text(_WIDTH / 2, _HEIGHT - 10, across, "middle"),
        _text(8, _TOP - 12, up, "start"),
    ]
    parts += [_across(place((10**power, 10**low_y)), power) for power in range(low_x, high_x + 1)]
    parts += [_up(place((10**low_x, 10**power)), power) for power in range(low_y, high_y + 1)]
    for number, line in enumerate(lines):
        parts += _drawn(line, [place(point) for point in line.points], number)
    return "\n".join([*parts, "</svg>\n"])


def _powers(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#222") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _across(at: Point, power: int) -> str:
    rule = f'<line x1="{at[0]}" x2="{at[0]}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="#ddd"/>'
    return rule + _text(at[0], _HEIGHT - _BOTTOM + 16, f"{10**power:,}", "middle")


def _up(at: Point, power: int) -> str:
    rule = f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at[1]}" y2="{at[1]}" stroke="#ddd"/>'
    return rule + _text(_LEFT - 6, at[1] + 4, f"{10.0**power:,g}", "end")


def _drawn(line: Line, points: Sequence[Point], number: int) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(f"{x},{y}" for x, y in points)
    dots = [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points]
    named = _text(_WIDTH - _RIGHT, _TOP - 12 + 14 * number, line.name, "end", colour)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, named]

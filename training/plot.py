"""Plots as SVG, with no library: lines over numbers, bars with intervals. They are read in a light page and in a dark one. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 48, 44
_PARTS = 4
_COLOURS = ("#2a78d6", "#c4571a", "#1c8a5a", "#8a4fc7")
_STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#52514e}.title{font-size:14px;fill:#1c1b19}.grid{stroke:#dddcd8}"
    "@media(prefers-color-scheme:dark){text{fill:#b8b6b0}.title{fill:#f0efec}.grid{stroke:#3a3936}}</style>"
)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with the ends of its interval."""

    name: str
    value: float
    low: float
    high: float


def lines_svg(title: str, across: str, lines: Sequence[Line]) -> str:
    """Lines from the least to the most of both axes; the second begins at 0."""
    points = [point for line in lines for point in line.points] or [(0.0, 0.0)]
    right = _rounded(max(*(x for x, _ in points), 1e-9))
    top = _rounded(max(*(y for _, y in points), 1e-9))
    parts = [*_frame(title, across, right, top)]
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{_x(x, right):.1f},{_y(y, top):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(lines) > 1:
            at = _TOP + 16 * number
            parts.append(f'<rect x="{WIDTH - 170}" y="{at}" width="10" height="10" fill="{colour}"/>')
            parts.append(f'<text x="{WIDTH - 154}" y="{at + 9}">{escape(line.name)}</text>')
    return _svg(title, parts)


def bars_svg(title: str, bars: Sequence[Bar], most: float = 1.0) -> str:
    """Bars beside each other with their intervals, from 0 to `most`."""
    parts = [*_frame(title, "", None, most)]
    room = (WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    for number, bar in enumerate(bars):
        left = _LEFT + room * number + room * 0.2
        middle = left + room * 0.3
        top = _y(min(bar.value, most), most)
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{room * 0.6:.1f}" height="{_y(0, most) - top:.1f}" fill="{_COLOURS[number % 2]}"/>'
        )
        low, high = _y(bar.low, most), _y(min(bar.high, most), most)
        parts.append(
            f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="#8a8984" stroke-width="2"/>'
        )
        parts.append(
            f'<text x="{middle:.1f}" y="{HEIGHT - 24}" text-anchor="middle">{escape(bar.name)}</text>'
        )
        parts.append(f'<text x="{middle:.1f}" y="{top - 6:.1f}" text-anchor="middle">{bar.value:.3g}</text>')
    return _svg(title, parts)


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{_STYLE}{''.join(parts)}</svg>"
    )


def _frame(title: str, across: str, right: float | None, top: float) -> Sequence[str]:
    parts = [f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>']
    for part in range(_PARTS + 1):
        value = top * part / _PARTS
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>')
        if right is not None:
            parts.append(
                f'<text x="{_x(right * part / _PARTS, right):.1f}" y="{HEIGHT - 24}" text-anchor="middle">{_number(right * part / _PARTS)}</text>'
            )
    if across:
        parts.append(f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{escape(across)}</text>')
    return parts


def _x(value: float, right: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * value / right


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * value / top


def _rounded(most: float) -> float:
    """The end of an axis whose four parts are round numbers."""
    part = most / _PARTS
    power = 10.0 ** floor(log10(part))
    return _PARTS * power * next(each for each in (1, 2, 2.5, 5, 10) if each * power >= part * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"

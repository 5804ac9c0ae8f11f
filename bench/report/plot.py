"""Small line plots as SVG: panels side by side that share their lines' colours, each line with its name at its end."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Line", "Panel", "draw", "ticks"]

_WIDTH, _HEIGHT = 400, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 112, 44, 46
_LABEL_PITCH = 14
_TICKS = 5
_OURS = "#0b3d91"
# Okabe and Ito's colours, which people who see colours differently tell apart.
_COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00", "#444444", "#999999")


@dataclass(frozen=True, slots=True)
class Line:
    """One program: its name, and pairs of abscissa and ordinate in the panel's units."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot; both axes begin at zero."""

    title: str
    across: str
    """What the abscissa is, with its unit."""
    lines: Sequence[Line]


def draw(panels: Sequence[Panel], ours: str) -> str:
    """Draw panels in a row.

    Args:
        panels: At least one, each with at least one line.
        ours: The line that is drawn strongest.
    """
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines if line.name != ours))
    colours = {ours: _OURS, **{name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}}
    width = _WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" viewBox="0 0 {width} {_HEIGHT}">',
        '<g font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{_HEIGHT}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({number * _WIDTH} 0)">')
        parts += _panel(panel, colours, ours)
        parts.append("</g>")
    return "\n".join([*parts, "</g>", "</svg>", ""])


def ticks(most: float) -> list[float]:
    """Return round values from zero to at least ``most``, a handful of them."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class _Scale:
    most_across: float
    most_up: float

    def x(self, value: float) -> float:
        return _LEFT + value / self.most_across * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.most_up * (_HEIGHT - _TOP - _BOTTOM)


def _panel(panel: Panel, colours: Mapping[str, str], ours: str) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    across, up = ticks(max(x for x, _ in points)), ticks(max(y for _, y in points))
    scale = _Scale(across[-1], up[-1])
    yield f'<text x="{_LEFT}" y="22" font-size="13" font-weight="bold">{escape(panel.title)}</text>'
    for value in up:
        y = scale.y(value)
        yield f'<line x1="{_LEFT}" x2="{scale.x(across[-1]):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e3e3"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:,.6g}</text>'
    for value in across:
        x = scale.x(value)
        yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle" fill="#555">{value:,.6g}</text>'
    middle = scale.x(across[-1] / 2)
    yield f'<text x="{middle:.1f}" y="{_HEIGHT - 10}" text-anchor="middle" fill="#333">{escape(panel.across)}</text>'
    # Ours comes last, so that it lies on top.
    for line in sorted(panel.lines, key=lambda line: line.name == ours):
        yield from _line(line, scale, colours[line.name], 3.0 if line.name == ours else 1.6)
    yield from _labels(panel, scale, colours, ours)


def _line(line: Line, scale: _Scale, colour: str, width: float) -> Iterator[str]:
    places = [(scale.x(x), scale.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width}" fill="{colour}"/>'


def _labels(panel: Panel, scale: _Scale, colours: Mapping[str, str], ours: str) -> Iterator[str]:
    """Write each name at the end of its line, moved down where two would lie on each other."""
    ends = sorted((scale.y(line.points[-1][1]), scale.x(line.points[-1][0]), line.name) for line in panel.lines)
    for place, (y, x, name) in zip(_apart([y for y, _, _ in ends]), ends, strict=True):
        colour, weight = colours[name], ' font-weight="bold"' if name == ours else ""
        yield f'<line x1="{x:.1f}" x2="{x + 12:.1f}" y1="{y:.1f}" y2="{place:.1f}" stroke="{colour}" opacity="0.5"/>'
        yield f'<text x="{x + 15:.1f}" y="{place + 4:.1f}" fill="{colour}"{weight}>{escape(name)}</text>'


def _apart(wanted: Sequence[float]) -> list[float]:
    """Move sorted places so that neighbours keep their distance and none lies below the axis."""
    placed: list[float] = []
    for place in wanted:
        placed.append(max(place, placed[-1] + _LABEL_PITCH) if placed else place)
    lowest = float(_HEIGHT - _BOTTOM)
    for number in range(len(placed) - 1, -1, -1):
        placed[number] = min(placed[number], lowest)
        lowest = placed[number] - _LABEL_PITCH
    return placed

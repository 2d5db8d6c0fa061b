"""Charts as SVG, made on the server: no script, no eval, they print, and their bars are links to the rows."""

from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup, escape

WIDTH, WIDE, HEIGHT = 640, 1310, 248
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 30, 30
COLOURS = 6


@dataclass(frozen=True)
class Series:
    """One colour of a chart: a column of the rows."""

    column: str
    label: str
    #: -1: drawn downwards, as what goes away.
    sign: int = 1
    #: 1 to COLOURS; 0: that of its place among the series.
    colour: int = 0


@dataclass(frozen=True)
class Mark:
    """One value on a chart, what a pointer says of it and where it leads."""

    value: float
    text: str
    href: "str | None" = None


def ticks(low: float, high: float) -> "list[float]":
    """Four to six round numbers that span the values."""
    if high <= low:
        high = low + 1
    rough = (high - low) / 5
    unit = 10 ** floor(log10(rough))
    step = next(unit * f for f in (1, 2, 2.5, 5, 10) if unit * f >= rough)
    first = floor(low / step)
    found = []
    while not found or found[-1] < high:
        found.append(round((first + len(found)) * step, 10))
    return found


def short(value: float) -> str:
    """`12500` -> `12.5k`."""
    for limit, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g}{letter}".replace("-", "\u2212")
    return f"{value:.4g}".replace("-", "\u2212")


class _Scale:
    def __init__(self, low: float, high: float, count: int, width: int):
        self.width = width
        self.ticks = ticks(low, high)
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self.step = (width - LEFT - RIGHT) / max(count, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def x(self, index: float) -> float:
        return round(LEFT + index * self.step, 1)


def colours_of(series: "tuple[Series, ...]") -> "list[int]":
    """The colour of each series."""
    return [s.colour or number % COLOURS + 1 for number, s in enumerate(series)]


def _frame(scale: _Scale, labels, label: str, body: str, unit: str) -> Markup:
    lines = []
    suffix = "%" if unit == "%" else ""
    if unit and not suffix:
        lines.append(f'<text class="unit" x="0" y="{TOP - 15}">{escape(unit)}</text>')
    for tick in scale.ticks:
        y = scale.y(tick)
        zero = " zero" if tick == 0 and scale.low < 0 else ""
        lines.append(f'<line class="grid{zero}" x1="{LEFT}" x2="{scale.width - RIGHT}" y1="{y}" y2="{y}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{short(tick)}{suffix}</text>')
    every = max(1, -(-len(labels) * 11 * max(map(len, labels), default=1) // scale.width))
    for index, text in enumerate(labels):
        if index % every == 0:
            x = scale.x(index + 0.5)
            lines.append(f'<text x="{x}" y="{HEIGHT - 5}" text-anchor="middle">{escape(text)}</text>')
    return Markup(
        f'<svg viewBox="0 0 {scale.width} {HEIGHT}" role="group" aria-label="{escape(label)}">{"".join(lines)}{body}</svg>'
    )


def _mark(shape: str, mark: Mark) -> str:
    titled = f"<g>{shape}<title>{escape(mark.text)}</title></g>"
    if mark.href is None:
        return titled
    return f'<a href="{escape(mark.href)}" aria-label="{escape(mark.text)}">{titled}</a>'


def columns(labels: "list[str]", stacks: "list[list[Mark]]", label: str, width: int = WIDTH, unit: str = "", colours: "list[int] | None" = None) -> Markup:
    """
    Stacked columns, one list of marks per label, in the order of the series; negative values go down. The unit stands at the
    axis.
    """
    highs = [sum(m.value for m in stack if m.value > 0) for stack in stacks]
    lows = [sum(m.value for m in stack if m.value < 0) for stack in stacks]
    scale = _Scale(min([0, *lows]), max([0, *highs]), len(labels), width)
    wide = round(scale.step * 0.72, 1)
    body = []
    for index, stack in enumerate(stacks):
        up = down = 0.0
        for number, mark in enumerate(stack):
            if not mark.value:
                continue
            base = up if mark.value > 0 else down
            top, bottom = max(base, base + mark.value), min(base, base + mark.value)
            up, down = (base + mark.value, down) if mark.value > 0 else (up, base + mark.value)
            height = max(round(scale.y(bottom) - scale.y(top), 1), 0.8)
            x = round(scale.x(index) + (scale.step - wide) / 2, 1)
            rect = f'<rect class="k{_colour(colours, number)}" x="{x}" y="{scale.y(top)}" width="{wide}" height="{height}"/>'
            body.append(_mark(rect, mark))
    return _frame(scale, labels, label, "".join(body), unit)


def _colour(colours: "list[int] | None", number: int) -> int:
    return colours[number] if colours else number % COLOURS + 1


def lines(
    labels: "list[str]", rows: "list[list[Mark | None]]", label: str, width: int = WIDTH, unit: str = "", colours: "list[int] | None" = None
) -> Markup:
    """One line per series; a missing value is a gap."""
    values = [mark.value for row in rows for mark in row if mark is not None]
    scale = _Scale(min([0, *values]), max([0, *values]), len(labels), width)
    body = []
    for number, row in enumerate(rows):
        path, pen = [], "M"
        for index, mark in enumerate(row):
            if mark is None:
                pen = "M"
                continue
            path.append(f"{pen}{scale.x(index + 0.5)} {scale.y(mark.value)}")
            pen = "L"
        body.append(f'<path class="line s{_colour(colours, number)}" d="{"".join(path)}"/>')
        for index, mark in enumerate(row):
            if mark is not None:
                dot = f'<circle class="k{_colour(colours, number)}" cx="{scale.x(index + 0.5)}" cy="{scale.y(mark.value)}" r="3.5"/>'
                body.append(_mark(dot, mark))
    return _frame(scale, labels, label, "".join(body), unit)

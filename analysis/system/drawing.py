"""Charts as SVG: strokes, boxes and text, placed by scales.

A chart has no colours of its own: its classes take them from chart.css, so that light, dark and
print follow the page. Text stays text. Every chart is named by a title and a description for
screen readers. Standard library alone.
"""

from __future__ import annotations

import dataclasses
import html
import math
import pathlib
from typing import Callable, Iterable, Sequence

WIDTH = 400
"""Of every chart, in its own units, in which text is 10.5 high: readable on a telephone
unscaled."""

STYLE = pathlib.Path(__file__).with_name("chart.css")
MIDDLE = 3.7
"""From the middle of a line of text to its base."""

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` at places from `start` to `end`, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """How far a value is from low to high."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def __call__(self, value: float) -> float:
        return self.start + self.share(value) * (self.end - self.start)

    def within(self, values: Iterable[float]) -> list[float]:
        """The values that lie on the scale."""
        return [value for value in values if self.low <= value <= self.high]


def _place(value: float) -> str:
    return f"{round(value, 1):g}"


@dataclasses.dataclass
class Chart:
    """A picture of WIDTH by `height` units; what is added first lies underneath."""

    height: float
    width: float = WIDTH
    parts: list[str] = dataclasses.field(default_factory=list)

    def strokes(self, lines: Iterable[Sequence[Point]], kind: str, width: float,
                dashes: str = "") -> None:
        """Lines through points, as one path."""
        self._path("".join(("L" if index else "M") + f"{_place(x)} {_place(y)}"
                           for line in lines for index, (x, y) in enumerate(line)),
                   kind, width, f' stroke-dasharray="{dashes}"' if dashes else "")

    def dots(self, points: Iterable[Point], kind: str, width: float) -> None:
        """Dots as one path: strokes of no length with round ends."""
        self._path("".join(f"M{_place(x)} {_place(y)}h0" for x, y in points), f"{kind} dots", width)

    def _path(self, path: str, kind: str, width: float, more: str = "") -> None:
        if path:
            self.parts.append(f'<path class="{kind}" stroke-width="{width}"{more} d="{path}"/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """A filled rectangle."""
        self.parts.append(f'<rect class="{kind}" x="{_place(x)}" y="{_place(y)}"'
                          f' width="{_place(width)}" height="{_place(height)}"/>')

    def band(self, upper: Sequence[Point], lower: Sequence[Point], kind: str) -> None:
        """The area between two lines."""
        path = "L".join(f"{_place(x)} {_place(y)}" for x, y in [*upper, *reversed(lower)])
        self.parts.append(f'<path class="{kind} band" d="M{path}Z"/>')

    def mark(self, x: float, y: float, kind: str, filled: bool, diamond: bool) -> None:
        """A circle or a diamond, filled or hollow."""
        kind = f"{kind} {'filled' if filled else 'hollow'}"
        if diamond:
            self.parts.append(f'<path class="{kind}" stroke-width="1.5" d="M{_place(x - 5)}'
                              f' {_place(y)}l5 -5l5 5l-5 5Z"/>')
        else:
            self.parts.append(f'<circle class="{kind}" stroke-width="1.5" cx="{_place(x)}"'
                              f' cy="{_place(y)}" r="3.5"/>')

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        """A line of text whose middle is at `y`."""
        anchored = f' text-anchor="{anchor}"' if anchor != "start" else ""
        styled = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{styled} x="{_place(x)}" y="{_place(y + MIDDLE)}"{anchored}>'
                          f'{html.escape(words)}</text>')

    def across(self, x: Scale, bottom: float, values: Iterable[float],
               write: Callable[[float], str], label: str, top: float | None = None) -> None:
        """The horizontal axis: a rule, values that lie on the scale, and what it is. With `top`,
        lines up to there."""
        wanted = x.within(values)
        if top is not None:
            self.strokes([((x(value), bottom), (x(value), top)) for value in wanted], "rule", 0.7)
        self.strokes([((x.start, bottom), (x.end, bottom))], "rule", 0.8)
        for value in wanted:
            self.text(x(value), bottom + 10, write(value), anchor="middle")
        if label:
            self.text((x.start + x.end) / 2, bottom + 26, label, anchor="middle")

    def upright(self, y: Scale, left: float, right: float, values: Iterable[float],
                write: Callable[[float], str]) -> None:
        """The vertical axis: lines at values that lie on the scale."""
        wanted = y.within(values)
        self.strokes([((left, y(value)), (right, y(value))) for value in wanted], "rule", 0.7)
        for value in wanted:
            self.text(left - 7, y(value), write(value), anchor="end")

    def svg(self, name: str, title: str, description: str) -> str:
        """The chart as an <svg> element whose ids begin with `name`."""
        return (f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img"'
                f' viewBox="0 0 {_place(self.width)} {_place(self.height)}"'
                f' aria-labelledby="{name}-title {name}-desc">'
                f'<title id="{name}-title">{html.escape(title)}</title>'
                f'<desc id="{name}-desc">{html.escape(description)}</desc>'
                f'{"".join(self.parts)}</svg>')


def alone(svg: str) -> str:
    """A chart as a file that needs nothing else."""
    style = STYLE.read_text(encoding="utf-8") + "svg { background: var(--paper); padding: 12px; }\n"
    return svg.replace(">", f">\n<style>\n{style}</style>\n", 1) + "\n"


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two ends, at most `most` steps of 1, 2, 2.5 or 5 times a power of
    ten."""
    rough = (high - low) / most
    power = 10.0**math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.9999)
    return [number * step for number in range(math.ceil(low / step - 1e-9),
                                              math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten between two ends."""
    return [10.0**power for power in range(math.ceil(math.log10(low) - 1e-9),
                                           math.floor(math.log10(high) + 1e-9) + 1)]

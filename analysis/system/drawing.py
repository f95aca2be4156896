"""Charts by Matplotlib as SVG text: the one set-up, and the parts that charts have in common.

A chart has no colours of its own: it is drawn in stand-ins that become CSS variables of chart.css,
so that light, dark and print follow the page. Text stays text. Every chart is named by a title and
a description for screen readers.
"""

import html
import io
import logging
import math
import pathlib
import re
from typing import Callable, Iterable, Sequence

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its caches

import matplotlib  # noqa: E402

matplotlib.use("svg")
matplotlib.rcParams.update({
    "svg.fonttype": "none", "font.size": 10.5, "font.family": "DejaVu Sans", "axes.xmargin": 0.02,
    "path.simplify": False, "figure.dpi": 72
})

from matplotlib import ticker  # noqa: E402  (the backend is chosen first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import PathPatch  # noqa: E402
from matplotlib.path import Path  # noqa: E402
from matplotlib.transforms import Transform  # noqa: E402

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
POOL, MALLOC, FLOOR = "#050505", "#060606", "#070707"
FASTER, SLOWER, ZONE = "#080808", "#090909", "#0a0a0a"

VARIABLES = {
    INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", POOL: "pool", MALLOC: "malloc",
    FLOOR: "floor", FASTER: "faster", SLOWER: "slower", ZONE: "zone"
}

CLEAR = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
"""A text's box that keeps lines from crossing it."""

WIDTH = 400
"""Of every chart, in its own units; text is 10.5 high, readable on a telephone unscaled."""

STYLE = pathlib.Path(__file__).with_name("chart.css")

Point = tuple[float, float]


def canvas(height: float, left: float, right: float = 0, width: float = WIDTH,
           title: str = "") -> tuple[Figure, Axes]:
    """A chart of one panel, with room for labels at both sides and for the horizontal axis."""
    figure = Figure(figsize=(width / 72, height / 72))
    above = 18 if title else 4
    axes = figure.add_axes((left / width, 42 / height, 1 - (left + right + 10) / width,
                            1 - (42 + above) / height))
    if title:
        axes.annotate(title, (0, 1), (0, 6), "axes fraction", "offset points", fontsize=9.5,
                      color=MUTED)
    return figure, axes


def across(axes: Axes, values: Iterable[float], write: Callable[[float], str],
           label: str) -> None:
    """The horizontal axis. Matplotlib's own would cost half of a chart's time and bytes."""
    axes.set_axis_off()
    low, high = axes.get_xlim()
    wanted = [value for value in values if low <= value <= high]
    unit = 1 / (axes.get_position().height * axes.figure.get_figheight() * 72)
    upright = axes.get_xaxis_transform()
    strokes(axes, [((value, 0), (value, 1)) for value in wanted], RULE, 0.7, transform=upright,
            under=True)
    strokes(axes, [((low, 0), (high, 0))], RULE, 0.8, transform=upright, under=True)
    for value in wanted:
        axes.text(value, -10 * unit, write(value), ha="center", va="center", color=MUTED,
                  transform=upright)
    axes.text(0.5, -25 * unit, label, ha="center", va="center", color=MUTED,
              transform=axes.transAxes)


def up(axes: Axes, locator: ticker.Locator, write: Callable[[float], str]) -> None:
    """The vertical axis: lines at values that lie within it."""
    low, high = axes.get_ylim()
    wanted = [value for value in locator.tick_values(low, high) if low <= value <= high]
    width = axes.get_position().width * axes.figure.get_figwidth() * 72
    sideways = axes.get_yaxis_transform()
    strokes(axes, [((0, value), (1, value)) for value in wanted], RULE, 0.7, transform=sideways,
            under=True)
    for value in wanted:
        axes.text(-7 / width, value, write(value), ha="right", va="center", color=MUTED,
                  transform=sideways)


def strokes(axes: Axes, lines: Sequence[tuple[Point, Point]], colour: str, width: float,
            ends: str = "butt", transform: Transform | None = None, under: bool = False) -> None:
    """Straight lines as one path, in the data's coordinates or others; under all else if asked."""
    if not lines:
        return
    points = [point for line in lines for point in line]
    codes = [Path.MOVETO, Path.LINETO] * len(lines)
    patch = PathPatch(Path(points, codes), fill=False, edgecolor=colour, linewidth=width,
                      capstyle=ends, joinstyle="round", clip_on=False, zorder=0.5 if under else 1,
                      transform=transform or axes.transData)
    axes.add_artist(patch)


def spread_out(ticks: Sequence[float], low: float, high: float, room: float) -> list[float]:
    """Those of the ticks that have room on a logarithmic axis, as a share of it between labels and
    away from its ends; the nearest to 1 first."""
    span = math.log(high / low)
    chosen: list[float] = []
    for value in sorted(ticks, key=lambda tick: (abs(math.log(tick)), tick)):
        place = math.log(value / low) / span
        if 0.03 <= place <= 0.97 and all(
                abs(math.log(value / other)) > room * span for other in chosen):
            chosen.append(value)
    return sorted(chosen)


def svg(figure: Figure, name: str, title: str, description: str) -> str:
    """The figure as an <svg> element with the page's colours and fonts, and a name."""
    stream = io.StringIO()
    figure.patch.set_visible(False)
    figure.savefig(stream, format="svg",
                   metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = stream.getvalue().partition("<svg")[2].partition(">")[2]
    # Charts of one page share no names; fonts are the page's.
    drawn = re.sub(r"(?s)<!--.*?-->|<metadata>.*?</metadata>|<defs>.*?</defs>"
                   r"| (?:id|clip-path)=\"[^\"]*\"", "", drawn)
    drawn = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", drawn)
    for colour, variable in VARIABLES.items():
        drawn = drawn.replace(colour, f"var(--{variable})")
    drawn = re.sub(r"\s*\n\s*", " ", drawn).replace("> <", "><")
    width, height = (72 * size for size in figure.get_size_inches())
    return (f'<svg class="chart" role="img" xmlns="http://www.w3.org/2000/svg"'
            f' viewBox="0 0 {width:g} {height:g}" aria-labelledby="{name}-title {name}-desc">'
            f'<title id="{name}-title">{html.escape(title)}</title>'
            f'<desc id="{name}-desc">{html.escape(description)}</desc>{drawn.strip()}')


def alone(chart: str) -> str:
    """A chart as a file that needs nothing else."""
    style = STYLE.read_text(encoding="utf-8") + "svg { background: var(--paper); padding: 12px; }\n"
    return chart.replace(">", f">\n<style>\n{style}</style>\n", 1) + "\n"

"""Charts by Matplotlib as SVG text: the one set-up, and the parts that charts have in common.

A chart has no colours of its own: it is drawn in stand-ins that become CSS variables of chart.css,
so that light, dark and print follow the page. Text stays text. Every chart is named by a title and
a description for screen readers.
"""

import html
import io
import logging
import pathlib
import re

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

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
POOL, MALLOC = "#050505", "#060606"
FASTER, SLOWER, ZONE = "#080808", "#090909", "#0a0a0a"

VARIABLES = {
    INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", POOL: "pool", MALLOC: "malloc",
    FASTER: "faster", SLOWER: "slower", ZONE: "zone"
}

CLEAR = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
"""A text's box that keeps lines from crossing it."""

WIDTH = 400
"""Of every chart, in its own units; text is 10.5 high, readable on a telephone unscaled."""

STYLE = pathlib.Path(__file__).with_name("chart.css")


def canvas(height: float, left: float, right: float = 0, width: float = WIDTH,
           title: str = "", label: str = "") -> tuple[Figure, Axes]:
    """A chart of one panel, with room for labels at both sides and for those of the horizontal
    axis, and thin lines at the ticks."""
    figure = Figure(figsize=(width / 72, height / 72))
    above = 18 if title else 4
    axes = figure.add_axes((left / width, 42 / height, 1 - (left + right + 10) / width,
                            1 - (42 + above) / height), frame_on=False)
    axes.set_title(title, loc="left", fontsize=9.5, color=MUTED)
    axes.set_xlabel(label, color=MUTED)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", left=False, bottom=False, labelcolor=MUTED)
    return figure, axes


def ticks(low: float, high: float) -> list[float]:
    """Round values within a logarithmic axis that spans much or little, and not at its ends."""
    found = ticker.LogLocator(subs=(1, 2, 5)).tick_values(low, high)
    room = (high / low)**0.03
    inside = [value for value in found if low * room <= value <= high / room]
    return inside if 2 < len(inside) < 9 else [
        value for value in ticker.MaxNLocator(5).tick_values(low, high)
        if low * room <= value <= high / room]


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

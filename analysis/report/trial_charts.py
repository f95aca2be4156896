"""The two pictures of a trial as SVG text: speeds with intervals, and share against gain."""

from __future__ import annotations

import io
import re

import matplotlib
from matplotlib.figure import Figure

from analysis.stats.trial_verdict import Measured

BLUE, GREY = "#1155cc", "#888888"
WIDTH_IN = 8.0
HIGHEST = 3.0
"""Ratios beyond this are cut off at the edge."""


def _svg(figure: Figure, described: str) -> str:
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": described}):
        figure.savefig(stream, format="svg", bbox_inches="tight",
                       metadata={"Date": None, "Title": described})
    return re.sub(r"^.*?(?=<svg)", "", stream.getvalue(), flags=re.DOTALL)


def speeds(measured: list[Measured]) -> str:
    """Every arm's ratio with its interval, a row each."""
    known = [one for one in measured if one.interval.half_width < 1e6][::-1]
    figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.3 * len(known)))
    axes = figure.add_subplot()
    for row, one in enumerate(known):
        axes.plot([one.interval.low, min(one.interval.high, HIGHEST)], [row, row], color=BLUE,
                  linewidth=2.5)
        axes.plot(min(one.interval.ratio, HIGHEST), row, "o", color=BLUE)
    axes.axvline(1, color=GREY, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(known)), [f"{one.arm} beside {one.baseline}" for one in known])
    axes.set_xlabel("times as fast as what it ran beside")
    return _svg(figure, "Speed of the whole program with each arm")


def shares(points: list[tuple[str, float, Measured]]) -> str:
    """Share of the allocations that came from a pool, against what that gained; "" without any."""
    if not points:
        return ""
    figure = Figure(figsize=(WIDTH_IN, 3.0))
    axes = figure.add_subplot()
    for name, share, one in points:
        gain, low, high = ((value - 1) * 100 for value in
                           (one.interval.ratio, one.interval.low, one.interval.high))
        axes.errorbar(share * 100, gain, yerr=[[gain - low], [high - gain]], fmt="o", capsize=4,
                      label=name)
    axes.axhline(0, color=GREY, linestyle="--", linewidth=1)
    axes.set_xlim(-3, 106)
    axes.set_xlabel("share of the allocations, %")
    axes.set_ylabel("gain over glibc, %")
    axes.legend()
    return _svg(figure, "Share of the allocations against the gain")

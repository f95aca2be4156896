"""Charts of a run as a whole as SVG text for inline use: plain functions of an Analysis.

The page puts the same numbers in a table behind each.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Sequence

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.report import narrative, tables
from analysis.report.document import SIGNS
from analysis.stats import inference
from analysis.stats.inference import Interval
from analysis.stats.verdicts import Analysis
from analysis.system import units
from analysis.system.drawing import (CLEAR, FASTER, INK, MUTED, PAPER, SLOWER, ZONE, across, canvas,
                                     dots, in_order, spread_out, strokes, svg)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A row of a chart of ratios."""

    name: str
    said: str
    """Over the row's right end."""
    interval: Interval
    limit: float
    """δ, as a logarithm."""
    verdict: str


def forest(analysis: Analysis, promise: str, name: str) -> str | None:
    """The pool against the fastest rival of one promise: a row a workload. None without claims."""
    _, manner = narrative.PROMISES[promise]
    pairs = tables.against_best(analysis, promise)
    rows = [Ratio(claim.workload, f"{SIGNS[claim.verdict]} {units.ratio(claim.ratio)}×"
                  f" {narrative.arm_label(claim.baseline)}", claim.interval, result.limit,
                  claim.verdict) for result, claim in pairs]
    described = "; ".join(f"{claim.workload}: {units.ratio(claim.ratio)} times {claim.baseline}, "
                          f"{narrative.interval(claim)}, {claim.verdict}" for _, claim in pairs)
    return ratios(rows, name, f"The pool {manner} against the fastest {promise} on each workload",
                  "times as fast as the fastest rival", described) if rows else None


def ratios(rows: Sequence[Ratio], name: str, title: str, label: str, described: str) -> str:
    """Each row's median and interval over δ: filled where the verdict is a claim, hollow and
    dashed where it is not."""
    figure, axes = canvas(34 * len(rows) + 62, left=8)
    ends = [value for row in rows for value in (*row.interval.ends, row.interval.ratio)
            if 0 < value < math.inf]
    low, high = min([0.8, *ends]), max([1.25, *ends])
    room = (high / low)**0.06
    low, high = low / room, high * room
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.35, -0.75)
    axes.axvline(1, color=INK, linewidth=1)
    for place, row in enumerate(rows):
        proved = row.verdict in inference.PROVED
        _band(axes, place, max(low, math.exp(-row.limit)), min(high, math.exp(min(row.limit, 9))))
        _mark(axes, place, row, max(low, row.interval.ends[0]), min(high, row.interval.ends[1]))
        _above(axes, place, row.name, row.said, proved)
    across(axes, spread_out([tick for tick in _RATIO_TICKS if low <= tick <= high], low, high,
                            room=0.105), lambda value: f"{value:g}×", label)
    return svg(figure, name, title, described)


def _mark(axes: Axes, place: int, row: Ratio, start: float, end: float) -> None:
    proved = row.verdict in inference.PROVED
    colour = {"faster": FASTER, "slower": SLOWER}.get(row.verdict, INK if proved else MUTED)
    axes.plot([start, end], [place, place], color=colour, linewidth=2.4 if proved else 1.4,
              linestyle="-" if proved else (0, (3, 2)), solid_capstyle="round", clip_on=False)
    ends = "projecting" if row.verdict == "equal" else "round"
    middle = [((row.interval.ratio, place), (row.interval.ratio, place))]
    strokes(axes, middle, colour, 7, ends)
    if not proved:
        strokes(axes, middle, PAPER, 4, ends)


def noise(analysis: Analysis, name: str) -> str | None:
    """The null arm on each workload: every launch a dot, δ as a band. None without a null pair."""
    rows = [result for result in analysis.results if result.null_differences]
    if not rows:
        return None
    figure, axes = canvas(30 * len(rows) + 56, left=8)
    finite = [result.limit for result in rows if math.isfinite(result.limit)]
    reach = 1.1 * max(
        [*finite, *(abs(value) for result in rows for value in result.null_differences)])
    axes.set_xlim(-reach, reach)
    axes.set_ylim(len(rows) - 0.35, -0.75)
    axes.axvline(0, color=INK, linewidth=1)
    for row, result in enumerate(rows):
        band = min(result.limit, reach)
        _band(axes, row, -band, band)
        dots(axes, in_order(result.null_differences, row, 0.32), MUTED, 3.6)
        _above(axes, row, result.workload.workload, f"δ {units.percent(result.limit)}", False)
    ticks = ticker.MaxNLocator(5, symmetric=True, steps=[1, 2, 5, 10]).tick_values(-reach, reach)
    across(axes, ticks, _signed_share, "glibc against itself; a dot is a launch, the band is δ",
            lines=False)
    described = "; ".join(f"{result.workload.workload}: δ {units.percent(result.limit)}"
                          for result in rows)
    return svg(figure, name, "How far the same allocator under two names lands apart", described)


# --- Parts of charts -----------------------------------------------------------------------------


def _signed_share(difference: float) -> str:
    text = f"{math.expm1(difference) * 100:+.0f} %"
    return "0" if text in ("+0 %", "-0 %") else text.replace("-", "−")


_RATIO_TICKS = (0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32,
                50, 100)


def _band(axes: Axes, row: float, start: float, end: float) -> None:
    """Where differences are noise."""
    axes.add_patch(
        Rectangle((start, row - 0.22), end - start, 0.44, color=ZONE, linewidth=0, clip_on=False))


def _above(axes: Axes, row: float, name: str, said: str, loud: bool) -> None:
    """What a row is, and what it says, over both of its ends."""
    for place, text, side, colour in ((0, name, "left", INK),
                                      (1, said, "right", INK if loud else MUTED)):
        axes.text(place, row - 0.28, text, ha=side, va="bottom", color=colour, bbox=CLEAR,
                  transform=axes.get_yaxis_transform())

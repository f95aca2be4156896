"""Charts as SVG text for inline use. The page puts the same numbers in a table near each."""

import dataclasses
import math
from typing import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.report import narrative, tables
from analysis.report.document import SIGNS
from analysis.stats import inference
from analysis.stats.inference import Interval
from analysis.stats.verdicts import Analysis, WorkloadResult
from analysis.system import units
from analysis.system.drawing import (CLEAR, FASTER, INK, MUTED, PAPER, SLOWER, ZONE, canvas, svg,
                                     ticks)


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
    """The pool against the fastest malloc of one promise: a row a workload. None without claims."""
    _, manner = narrative.PROMISES[promise]
    pairs = tables.against_best(analysis, promise)
    rows = [Ratio(claim.workload, f"{SIGNS[claim.verdict]} {units.ratio(claim.ratio)}×"
                  f" {narrative.arm_label(claim.baseline)}", claim.interval, result.limit,
                  claim.verdict) for result, claim in pairs]
    return ratios(rows, name, f"The pool {manner} against the fastest {promise} on each workload",
                  "times as fast as the fastest malloc")


def ratios(rows: Sequence[Ratio], name: str, title: str, label: str) -> str | None:
    """Each row's median and interval over δ, hollow and dashed if no claim. None without rows."""
    if not rows:
        return None
    figure, axes = canvas(34 * len(rows) + 62, left=8, label=label)
    ends = [value for row in rows for value in (*row.interval.ends, row.interval.ratio)
            if 0 < value < math.inf]
    low, high = min([0.97, *ends]), max([1.03, *ends])
    room = (high / low)**0.06
    low, high = low / room, high * room
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.35, -0.75)
    axes.axvline(1, color=INK, linewidth=1)
    for place, row in enumerate(rows):
        proved = row.verdict in inference.PROVED
        band = max(low, math.exp(-row.limit)), min(high, math.exp(min(row.limit, 9)))
        axes.add_patch(Rectangle((band[0], place - 0.22), band[1] - band[0], 0.44, color=ZONE,
                                 linewidth=0, clip_on=False))
        _mark(axes, place, row, max(low, row.interval.ends[0]), min(high, row.interval.ends[1]))
        for end, text, side, loud in ((0, row.name, "left", True), (1, row.said, "right", proved)):
            axes.text(end, place - 0.28, text, ha=side, va="bottom", color=INK if loud else MUTED,
                      bbox=CLEAR, transform=axes.get_yaxis_transform())
    axes.set_xticks(ticks(low, high))
    axes.set_xticks([], minor=True)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    return svg(figure, name, title, "; ".join(f"{row.name}: {row.said}, {row.verdict}"
                                              for row in rows))


def _mark(axes: Axes, place: int, row: Ratio, start: float, end: float) -> None:
    proved = row.verdict in inference.PROVED
    colour = {"faster": FASTER, "slower": SLOWER}.get(row.verdict, INK if proved else MUTED)
    axes.plot([start, end], [place, place], color=colour, linewidth=2.4 if proved else 1.4,
              linestyle="-" if proved else (0, (3, 2)), solid_capstyle="round", clip_on=False)
    ends = "projecting" if row.verdict == "equal" else "round"
    for shade, width in ((colour, 7), (PAPER, 4))[:1 if proved else 2]:
        axes.plot([row.interval.ratio] * 2, [place] * 2, color=shade, linewidth=width,
                  solid_capstyle=ends)


def workload(result: WorkloadResult, name: str) -> str | None:
    """The pools of one workload against each malloc, and its controls. None without any."""
    claims = [*result.claims, *result.controls.values()]
    rows = [Ratio(f"{claim.arm} : {narrative.arm_label(claim.baseline)}",
                  f"{SIGNS[claim.verdict]} {units.ratio(claim.ratio)}×", claim.interval,
                  result.limit, claim.verdict) for claim in claims]
    return ratios(rows, name, f"Ratios of {result.workload.workload}",
                  "times as fast as the second arm")

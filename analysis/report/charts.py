"""Charts of a run as a whole as SVG text for inline use: plain functions of an Analysis.

The page puts the same numbers in a table behind each.
"""

from __future__ import annotations

import math
from typing import Sequence

import numpy
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.report import narrative
from analysis.report.grid import SIGNS
from analysis.stats.verdicts import Analysis, Claim
from analysis.system import units
from analysis.system.drawing import (CLEAR, FASTER, INK, MUTED, PAPER, SLOWER, ZONE, across, canvas,
                                     dots, figure_of, headed, in_order, panel, spread_out, strokes,
                                     svg, up)


def forest(analysis: Analysis, promise: str, name: str) -> str | None:
    """The pool against the fastest rival of one promise: a row a workload. None without claims."""
    pool, manner, _ = narrative.PROMISES[promise]
    rows = [(result, claim) for result in analysis.results
            if (claim := result.against_best(pool)) is not None]
    if not rows:
        return None
    figure, axes = canvas(34 * len(rows) + 62, left=8)
    low, high = _ratio_limits([claim for _, claim in rows])
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.35, -0.75)
    axes.axvline(1, color=INK, linewidth=1)
    for row, (result, claim) in enumerate(rows):
        _zone(axes, row, result.limit, low, high)
        _claim_mark(axes, row, claim, low, high)
        axes.text(low, row - 0.30, claim.workload, ha="left", va="bottom", color=INK, bbox=CLEAR)
        rival = narrative.arm_label(claim.baseline)
        axes.text(high, row - 0.30,
                  f"{SIGNS[claim.verdict]} {units.ratio(claim.ratio)}× {rival}",
                  ha="right", va="bottom", color=INK if claim.proved else MUTED, bbox=CLEAR)
    across(axes, _ratio_ticks(low, high), lambda value: f"{value:g}×",
            "times as fast as the fastest rival")
    described = "; ".join(f"{claim.workload}: {units.ratio(claim.ratio)} times {claim.baseline}, "
                          f"{narrative.interval(claim)}, {claim.verdict}" for _, claim in rows)
    return svg(figure, name, f"The pool {manner} against the fastest {promise} on each workload",
                described)


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
        axes.add_patch(
            Rectangle((-band, row - 0.25), 2 * band, 0.5, color=ZONE, linewidth=0, clip_on=False))
        dots(axes, in_order(result.null_differences, row, 0.32), MUTED, 3.6)
        axes.text(-reach, row - 0.26, result.workload.workload, ha="left", va="bottom", color=INK,
                  bbox=CLEAR)
        axes.text(reach, row - 0.26, f"δ {units.percent(result.limit)}", ha="right", va="bottom",
                  color=MUTED)
    ticks = ticker.MaxNLocator(5, symmetric=True, steps=[1, 2, 5, 10]).tick_values(-reach, reach)
    across(axes, ticks, _signed_share, "glibc against itself; a dot is a launch, the band is δ",
            lines=False)
    described = "; ".join(f"{result.workload.workload}: δ {units.percent(result.limit)}"
                          for result in rows)
    return svg(figure, name, "How far the same allocator under two names lands apart", described)


def machine(analysis: Analysis, name: str) -> str | None:
    """Waiting and stolen time over the run. None without launches."""
    launches = sorted(analysis.record.launches, key=lambda launch: launch.started_unix_s)
    if not launches:
        return None
    minutes = numpy.array([(launch.started_unix_s - launches[0].started_unix_s) / 60
                           for launch in launches])
    waited = numpy.array([100 * (launch.pressure_s or 0) / launch.wall_s for launch in launches])
    stolen = numpy.array([100 * launch.steal_s / launch.wall_s for launch in launches])
    minutes, waited, stolen = _worst_of_each_moment(minutes, waited, stolen)
    figure = figure_of(210)
    upper, lower = panel(figure, 40, 18, 20, 62), panel(figure, 40, 18, 104, 62)
    for axes, shares, title in ((upper, waited, "some process waited for a processor, % of time"),
                                (lower, stolen, "stolen by the hypervisor, % of time")):
        axes.set_xlim(0, max(0.1, float(minutes.max())))
        axes.set_ylim(0, max(2.0, 1.1 * float(shares.max())))
        strokes(axes, [((x, 0.0), (x, top)) for x, top in zip(minutes, shares) if top > 0], SLOWER,
                1.4)
        headed(axes, title)
        label = "minutes since the first launch" if axes is lower else ""
        across(axes, ticker.MaxNLocator(6).tick_values(0, axes.get_xlim()[1]) if label else [],
               lambda value: f"{value:g}", label, lines=False)
        up(axes, ticker.MaxNLocator(3), lambda value: f"{value:g}")
    described = (f"Waiting at most {waited.max():.0f} %, stolen at most {stolen.max():.1f} % of a"
                 " launch’s time.")
    return svg(figure, name, "The machine over the time of the run", described)


# --- Parts of charts -----------------------------------------------------------------------------


def _signed_share(difference: float) -> str:
    text = f"{math.expm1(difference) * 100:+.0f} %"
    return "0" if text in ("+0 %", "-0 %") else text.replace("-", "−")


def _ratio_limits(claims: Sequence[Claim]) -> tuple[float, float]:
    ends = [
        value for claim in claims for value in (claim.low, claim.ratio, claim.high)
        if 0 < value < math.inf
    ]
    low, high = min([0.8, *ends]), max([1.25, *ends])
    room = (high / low)**0.06
    return low / room, high * room


def _ratio_ticks(low: float, high: float) -> list[float]:
    ticks = [
        value for value in (0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 12,
                            16, 24, 32, 50, 100) if low <= value <= high
    ]
    return spread_out(ticks, low, high, room=0.105)


def _zone(axes: Axes, row: float, limit: float, low: float, high: float) -> None:
    """The band within which differences are noise."""
    start, end = ((max(low, math.exp(-limit)),
                   min(high, math.exp(limit))) if math.isfinite(limit) else (low, high))
    axes.add_patch(
        Rectangle((start, row - 0.22), end - start, 0.44, color=ZONE, linewidth=0, clip_on=False))


def _claim_mark(axes: Axes, row: float, claim: Claim, low: float, high: float) -> None:
    """Interval and median: filled where the verdict is a claim, hollow and dashed where it is
    not."""
    colour = {"faster": FASTER, "slower": SLOWER}.get(claim.verdict, INK if claim.proved else MUTED)
    start, end = max(claim.low, low), min(claim.high, high)
    axes.plot([start, end], [row, row], color=colour, linewidth=2.4 if claim.proved else 1.4,
              linestyle="-" if claim.proved else (0, (3, 2)), solid_capstyle="round", clip_on=False)
    ends = "projecting" if claim.verdict == "equal" else "round"
    mark = [((claim.ratio, row), (claim.ratio, row))]
    strokes(axes, mark, colour, 7, ends)
    if not claim.proved:
        strokes(axes, mark, PAPER, 4, ends)


MOMENTS = 400
"""A longer run is drawn as the worst of each of so many spans."""


def _worst_of_each_moment(minutes: numpy.ndarray, *columns: numpy.ndarray) -> list[numpy.ndarray]:
    """The columns, or where there are too many rows, their maxima over equal numbers of rows."""
    if len(minutes) <= MOMENTS:
        return [minutes, *columns]
    starts = numpy.linspace(0, len(minutes), MOMENTS, endpoint=False).astype(int)
    return [minutes[starts], *(numpy.maximum.reduceat(column, starts) for column in columns)]

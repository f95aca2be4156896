"""Charts as SVG text for inline use. The page puts the same numbers in a table near each."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Sequence

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.report import narrative, tables
from analysis.report.document import SIGNS
from analysis.report.tables import PERCENTILES, by_promise, clock_of, drawn
from analysis.stats import inference
from analysis.stats.inference import Interval
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis, ArmResult, WorkloadResult
from analysis.system import units
from analysis.system.drawing import (CLEAR, FASTER, FLOOR, INK, MUTED, PAPER, POOL, RIVAL, RULE,
                                     SLOWER, WIDTH, ZONE, across, canvas, dots, figure_of, headed,
                                     in_order, panel, spread_out, strokes, svg, up)


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
    return ratios(rows, name, f"The pool {manner} against the fastest {promise} on each workload",
                  "times as fast as the fastest rival")


def ratios(rows: Sequence[Ratio], name: str, title: str, label: str) -> str | None:
    """Each row's median and interval over δ: filled where the verdict is a claim, hollow and
    dashed where it is not. None without rows."""
    if not rows:
        return None
    figure, axes = canvas(34 * len(rows) + 62, left=8)
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
    across(axes, spread_out([tick for tick in _RATIO_TICKS if low <= tick <= high], low, high,
                            room=0.105), lambda value: f"{value:g}×", label)
    return svg(figure, name, title, "; ".join(f"{row.name}: {row.said}, {row.verdict}"
                                              for row in rows))


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
    """The null pair on each workload, over δ. None without a null pair."""
    rows = [Ratio(null.workload, f"δ {units.percent(null.limit)}", null.interval, null.limit,
                  null.verdict) for result in analysis.results if (null := result.null)]
    return ratios(rows, name, "How far the same allocator under two names lands apart",
                  "glibc against itself")


_RATIO_TICKS = (0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 0.9, 0.96, 0.98, 0.99, 1, 1.01, 1.02, 1.04,
                1.1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 50, 100)


# --- Of one workload ------------------------------------------------------------------------------


def arms(result: WorkloadResult, name: str, most_dots: int = 60) -> str:
    """Every arm of one workload: its launches, a dot each. Where an arm has more, every second is
    drawn, or every third, and so on."""
    workload = result.workload.workload
    rows = sum(len(group) + 1 for group in by_promise(result).values())
    longest = max(len(narrative.arm_label(arm.arm.name)) for arm in result.arms)
    left = min(160.0, max(80.0, 10 + 6.1 * longest))
    figure, axes = canvas(22 * rows + 46, left)
    times = [time for arm in result.arms for time in arm.times_ns]
    axes.set_ylim(rows - 0.4, -0.6)
    _time_axis(axes, min(times), max(times), 42 / (WIDTH - 10 - left),
               "time of one operation; each dot is one launch")
    places = _place(axes, result)
    for colour, roles in ((POOL, ("pool",)), (RIVAL, ("rival",)),
                          (FLOOR, ("floor", "null", "delay", "other"))):
        dots(axes, [dot for row, arm in places if arm.arm.role in roles
                    for dot in in_order(arm.times_ns[::math.ceil(
                        len(arm.times_ns) / most_dots)], row, 0.5)], colour, 3.2)
    strokes(axes, [((arm.time_ns, row - 0.38), (arm.time_ns, row + 0.38)) for row, arm in places],
            INK, 1.6)
    fastest, slowest = result.arms[0], result.arms[-1]
    described = (f"Medians from {units.time(fastest.time_ns)} ({fastest.arm.name}) to"
                 f" {units.time(slowest.time_ns)} ({slowest.arm.name}); the table has all.")
    return svg(figure, name, f"Launches of {workload}", described)


def memory(result: WorkloadResult, measured: Parts, name: str) -> str | None:
    """What some arms of a workload held from its first operation to its last, and after draining.
    None where nobody looked on the way."""
    workload = result.workload.workload
    curves = {arm: held.curve for (where, arm), held in measured.memory.items()
              if where == workload and held.curve is not None}
    chosen = drawn(result, list(curves))
    if not chosen:
        return None
    lines = {arm: [curves[arm].grown(value) for value in
                   (*curves[arm].rss_bytes, curves[arm].drained_rss_bytes)] for arm in chosen}
    live = max(curves.values(), key=lambda line: line.peak_live_bytes)
    most = max(1, live.peak_live_bytes, *(max(values) for values in lines.values()))
    unit_bytes, unit = next(((size, unit) for size, unit in
                             ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if most >= 2 * size),
                            (1, "B"))
    figure, axes = canvas(210, left=44, right=104)
    axes.set_xlim(0, 108)
    axes.set_ylim(0, 1.05 * most / unit_bytes)
    series = [_Line("live", [100 * place for place in live.progress],
                    [value / unit_bytes for value in live.live_bytes])]
    series += [_line_of(result, arm, index, [*(100 * place for place in curves[arm].progress), 107],
                        [value / unit_bytes for value in values])
               for index, (arm, values) in enumerate(lines.items())]
    _draw(axes, series, 150)
    strokes(axes, [((100, 0), (100, 1.05 * most / unit_bytes))], RULE, 0.8)
    across(axes, [0, 50, 100], lambda value: f"{value:g} %", "of the operations; then drained",
            lines=False)
    up(axes, ticker.MaxNLocator(5), lambda value: f"{value:g}")
    headed(axes, f"{unit} beyond what was there before")
    described = "; ".join(f"{arm}: at most {units.size(max(values))}, drained"
                          f" {units.size(values[-1])}" for arm, values in lines.items())
    return svg(figure, name, f"Memory of {workload} over its operations", described)


_PANEL = 166
"""Height of a panel of latencies, of which 122 are the axes."""


def latency(result: WorkloadResult, measured: Parts, name: str) -> str | None:
    """Times of single operations by percentile, a panel for each kind. None where none were
    timed."""
    workload = result.workload.workload
    kinds = measured.operations(workload)
    if not kinds:
        return None
    figure = figure_of(_PANEL * len(kinds) + 28)
    described = []
    for number, kind in enumerate(kinds):
        tails = measured.tails(workload, kind)
        chosen = drawn(result, list(tails))
        axes = panel(figure, 50, 104, _PANEL * number + 22, 122)
        axes.set_yscale("log")
        places = range(len(PERCENTILES))
        series = [_Line("clock", places, list(clock_of(tails.values()).values()))]
        series += [_line_of(result, arm, index, places,
                            [tails[arm].latency_ns[name] for name in PERCENTILES])
                   for index, arm in enumerate(chosen)]
        every = [value for line in series for value in line.values if value > 0]
        axes.set_ylim(min(every) / 1.2, max(every) * 1.2)
        _draw(axes, series, 122)
        axes.set_xlim(-0.1, len(PERCENTILES) - 0.9)
        headings = [title.replace(" %", "") for title in PERCENTILES.values()]
        across(axes, range(len(headings)), lambda value: headings[int(value)],
                "% of operations that took no longer" if kind == kinds[-1] else "", lines=False)
        up(axes, ticker.LogLocator(base=10, numticks=6), _short_time)
        headed(axes, kind)
        described += [f"{kind}, {arm}: half below {units.time(tails[arm].latency_ns['p50'])},"
                      f" 99.9 % below {units.time(tails[arm].latency_ns['p99_9'])}"
                      for arm in chosen]
    return svg(figure, name, f"Latency of single operations of {workload}", "; ".join(described))


_STYLES = ("-", (0, (5, 2)), (0, (2, 1.6)), (0, (7, 2, 1.5, 2)), (0, (9, 3)),
           (0, (4, 1, 1, 1, 1, 1)))


@dataclasses.dataclass(frozen=True)
class _Line:
    """A line of a chart, with its name beside its end. What is no arm's is dotted."""

    name: str
    places: Sequence[float]
    values: Sequence[float]
    colour: str = SLOWER
    style: Any = (0, (1, 1.5))
    own: bool = False


def _line_of(result: WorkloadResult, arm: str, index: int, places: Sequence[float],
             values: Sequence[float]) -> _Line:
    """An arm's line: dashes tell lines apart where colour does not."""
    own = any(item.arm.name == arm and item.arm.role == "pool" for item in result.arms)
    return _Line(narrative.arm_label(arm), places, values, POOL if own else RIVAL,
                 _STYLES[index % len(_STYLES)], own)


def _draw(axes: Axes, lines: Sequence[_Line], height: float) -> None:
    """Lines, and their names beside their ends, moved apart, each with a stroke to its end."""
    low, high = axes.get_ylim()

    def share(value: float) -> float:
        if axes.get_yscale() == "log":
            return math.log(max(value, low) / low) / math.log(high / low)
        return (value - low) / (high - low)

    for line in lines:
        axes.plot(line.places, [max(value, low) for value in line.values], color=line.colour,
                  linestyle=line.style, linewidth=1.8 if line.own else 1.2, clip_on=False)
    gap = 13 / height
    ranked = sorted(lines, key=lambda line: line.values[-1])
    placed: list[float] = []
    for line in ranked:
        placed.append(max(share(line.values[-1]), placed[-1] + gap if placed else 0.0))
    if placed[-1] > 1:
        for index in range(len(placed) - 1, -1, -1):
            above = placed[index + 1] - gap if index + 1 < len(placed) else 1.0
            placed[index] = min(placed[index], above)
    for line, place in zip(ranked, placed):
        strokes(axes, [((1.005, share(line.values[-1])), (1.05, place))], line.colour, 0.7,
                transform=axes.transAxes)
        axes.text(1.07, place, line.name, transform=axes.transAxes, ha="left", va="center",
                  color=INK if line.own else MUTED, fontweight="bold" if line.own else "normal")


def _short_time(time_ns: float) -> str:
    size, unit = next(((size, unit) for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
                       if time_ns >= size), (1.0, "ns"))
    return f"{time_ns / size:g} {unit}" if time_ns else "0"


def _time_axis(axes: Axes, low: float, high: float, room: float, label: str) -> None:
    """A horizontal axis of times, logarithmic where they differ much; `room` is the share of it
    that a value takes."""
    if high > 8 * low:
        axes.set_xscale("log")
        ends = low / 1.15, high * 1.15
        steps = [step * 10.0**power for power in range(-2, 12) for step in (1, 2, 5)]
        ticks = spread_out([step for step in steps if ends[0] <= step <= ends[1]], *ends, room)
    else:
        ends = 0.0, high * 1.05
        ticks = list(ticker.MaxNLocator(max(1, min(6, int(0.95 / room)))).tick_values(*ends))
    axes.set_xlim(*ends)
    across(axes, ticks, _short_time, label)


_GROUPS = {"malloc": "memory of any contents", "calloc": "zeroed memory",
           "": "floors and controls"}


def _place(axes: Axes, result: WorkloadResult) -> list[tuple[int, ArmResult]]:
    """Writes titles of groups and names of arms, a row each; returns each arm with its row."""
    places: list[tuple[int, ArmResult]] = []
    row = 0
    for promise, group in by_promise(result).items():
        axes.text(0, row, _GROUPS[promise], transform=axes.get_yaxis_transform(), ha="left",
                  va="center", color=MUTED, fontsize=9.5)
        places += [(row + 1 + place, arm) for place, arm in enumerate(group)]
        row += len(group) + 1
    for row, arm in places:
        mine = arm.arm.role == "pool"
        axes.text(-0.02, row, narrative.arm_label(arm.arm.name), ha="right", va="center",
                  transform=axes.get_yaxis_transform(), color=INK if mine else MUTED,
                  fontweight="bold" if mine else "normal")
    return places

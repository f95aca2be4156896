"""Charts of one workload as SVG text for inline use."""

from __future__ import annotations

import math
from typing import Any, Callable, Sequence

import numpy
from matplotlib import ticker
from matplotlib.axes import Axes

from analysis.report import narrative
from analysis.report.workload_tables import PERCENTILES, clock_of, drawn
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import ArmResult, WorkloadResult
from analysis.system import units
from analysis.system.drawing import (FLOOR, INK, MUTED, POOL, RIVAL, RULE, SLOWER, WIDTH, across,
                                     canvas, dots, figure_of, headed, in_order, panel, spread_out,
                                     strokes, svg, up)

MOST_DOTS = 24_000
"""In a whole page. Where a run has more launches than that, their quartiles are drawn instead."""


def arms(result: WorkloadResult, measured: Parts, name: str, each: bool = True) -> str:
    """Every arm of one workload: its launches, and beside them, where measured, work and memory.

    A launch is a dot. Unless each is drawn, a line from the fastest launch to the slowest and a
    bar between
    the quartiles.
    """
    workload = result.workload.workload
    groups = _groups(result)
    rows = sum(len(arms) + 1 for _, arms in groups)
    work = {arm: value for (where, arm), value in measured.work.items() if where == workload}
    peaks = {arm: held.ratio for (where, arm), held in measured.memory.items()
             if where == workload and held.ratio is not None}
    beside = [(title, values, write) for title, values, write in (
        ("instructions", work, units.amount),
        ("peak of live", peaks, lambda value: f"{units.ratio(value)}×")) if values]
    left = _label_room([narrative.arm_label(arm.arm.name) for arm in result.arms])
    figure, axes = canvas(22 * rows + 46, left, right=_BESIDE * len(beside))
    times = [time for arm in result.arms for time in arm.times_ns]
    axes.set_ylim(rows - 0.4, -0.6)
    _time_axis(axes, min(times), max(times), 42 / (WIDTH - 10 - left - _BESIDE * len(beside)),
               "time of one operation" + "; each dot is one launch" * (each and not beside))
    places = _place(axes, groups)
    (_arm_rows if each else _arm_spans)(axes, places)
    for index, (title, values, write) in enumerate(beside):
        _bars(axes, len(beside) - index, title,
              [(row, arm, values.get(arm.arm.name)) for row, arm in places], write)
    fastest, slowest = result.arms[0], result.arms[-1]
    described = (f"Medians from {units.time(fastest.time_ns)} ({fastest.arm.name}) to"
                 f" {units.time(slowest.time_ns)} ({slowest.arm.name}); the table has all.")
    return svg(figure, name, f"Launches of {workload}" +
                ", work and memory beside time" * bool(beside), described)


def memory(result: WorkloadResult, measured: Parts, name: str) -> str | None:
    """What some arms of a workload held from its first operation to its last, and after draining.
    None where nobody looked on the way."""
    workload = result.workload.workload
    curves = {arm: held.curve for (where, arm), held in measured.memory.items()
              if where == workload and held.curve is not None}
    chosen = drawn(result, list(curves))
    if not chosen:
        return None
    lines = {arm: [line.grown(value) for value in line.rss_bytes] + [line.grown(
        line.drained_rss_bytes)] for arm in chosen if (line := curves[arm]) is not None}
    live = max((line for line in curves.values() if line), key=lambda line: line.peak_live_bytes)
    most = max(1, live.peak_live_bytes, *(max(values) for values in lines.values()))
    unit_bytes, unit = next(((size, unit) for size, unit in
                             ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if most >= 2 * size),
                            (1, "B"))
    figure, axes = canvas(210, left=44, right=104)
    axes.set_xlim(0, 108)
    axes.set_ylim(0, 1.05 * most / unit_bytes)
    axes.plot([100 * place for place in live.progress], [b / unit_bytes for b in live.live_bytes],
              color=SLOWER, linewidth=1.2, linestyle=(0, (1, 1.5)), clip_on=False)
    ends = [("live", live.live_bytes[-1] / unit_bytes, SLOWER, False)]
    for index, (arm, values) in enumerate(lines.items()):
        colour, style, own = _line_of(result, arm, index)
        line = curves[arm]
        places = [100 * place for place in line.progress] + [107] if line else []
        axes.plot(places, [value / unit_bytes for value in values], color=colour, linestyle=style,
                  linewidth=1.8 if own else 1.2, clip_on=False)
        ends.append((narrative.arm_label(arm), values[-1] / unit_bytes, colour, own))
    _labels_at_end(axes, ends, 150)
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
        tails = {arm: tail for (where, arm, operation), tail in measured.latency.items()
                 if where == workload and operation == kind}
        chosen = drawn(result, list(tails))
        axes = panel(figure, 50, 104, _PANEL * number + 22, 122)
        axes.set_yscale("log")
        clock = clock_of(tails.values())
        series = [("clock", clock, SLOWER, (0, (1, 1.5)), False)]
        series += [(narrative.arm_label(arm), tails[arm].latency_ns, *_line_of(result, arm, index))
                   for index, arm in enumerate(chosen)]
        every = [value for _, times, *_ in series for value in times.values() if value > 0]
        axes.set_ylim(min(every) / 1.2, max(every) * 1.2)
        ends = []
        for label, times, colour, style, own in series:
            values = [max(times[percentile], min(every)) for percentile in PERCENTILES]
            axes.plot(range(len(values)), values, color=colour, linestyle=style,
                      linewidth=1.8 if own else 1.2, clip_on=False)
            ends.append((label, values[-1], colour, own))
        _labels_at_end(axes, ends, 122)
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


# --- Parts of charts -----------------------------------------------------------------------------


def _label_room(labels: Sequence[str]) -> float:
    """Units that the longest of these labels takes, within what leaves room for a chart."""
    return min(160.0, max(80.0, 10 + 6.1 * max(map(len, labels))))


_BESIDE = 76
"""Width of a panel of bars beside the times."""


def _bars(axes: Axes, place: int, title: str, rows: Sequence[tuple[int, ArmResult, float | None]],
          write: Callable[[float], str]) -> None:
    """Bars with their values in the rows of the axes, right of them: the `place`th panel from the
    edge."""
    box = axes.get_position()

    def across(share: float) -> float:
        """A share of the panel's width, in shares of the axes' width."""
        units = WIDTH + 4 - _BESIDE * place + share * (_BESIDE - 8)
        return (units / WIDTH - box.x0) / box.width

    most = max(value for _, _, value in rows if value is not None) or 1.0
    for own, colour in ((True, POOL), (False, FLOOR)):
        bars = [((across(0), row), (across(0.42 * value / most), row)) for row, arm, value in rows
                if value is not None and (arm.arm.role == "pool") == own]
        strokes(axes, bars, colour, 9, transform=axes.get_yaxis_transform())
    for row, _, value in rows:
        axes.text(across(1), row, "–" if value is None else write(value), ha="right", va="center",
                  color=MUTED, transform=axes.get_yaxis_transform())
    axes.text(across(0.5), -10 / (box.height * axes.figure.get_figheight() * 72), title,
              ha="center", va="center", color=MUTED, transform=axes.transAxes)


_STYLES = ("-", (0, (5, 2)), (0, (2, 1.6)), (0, (7, 2, 1.5, 2)), (0, (9, 3)),
           (0, (4, 1, 1, 1, 1, 1)))


def _line_of(result: WorkloadResult, arm: str, index: int) -> tuple[str, Any, bool]:
    """Colour and dashes of an arm's line, and whether it is the pool's: dashes tell lines apart
    where colour does not."""
    own = next(item.arm.role == "pool" for item in result.arms if item.arm.name == arm)
    return POOL if own else RIVAL, _STYLES[index % len(_STYLES)], own


def _labels_at_end(axes: Axes, ends: Sequence[tuple[str, float, str, bool]],
                   height: float) -> None:
    """Names of lines beside their ends, moved apart, each with a stroke to where it ends."""
    low, high = axes.get_ylim()
    logarithmic = axes.get_yscale() == "log"

    def share(value: float) -> float:
        if logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    gap = 13 / height
    placed: list[float] = []
    in_order = sorted(ends, key=lambda end: end[1])
    for _, value, _, _ in in_order:
        placed.append(max(share(value), placed[-1] + gap if placed else 0.0))
    over = max(0.0, placed[-1] - 1)
    for index in range(len(placed) - 1, -1, -1):
        above = placed[index + 1] - gap if index + 1 < len(placed) else 1.0
        placed[index] = min(placed[index], above) if over else placed[index]
    for colour in dict.fromkeys(end[2] for end in in_order):
        strokes(axes, [((1.005, share(end[1])), (1.05, place)) for end, place
                        in zip(in_order, placed) if end[2] == colour], colour, 0.7,
                 transform=axes.transAxes)
    for (label, _, _, own), place in zip(in_order, placed):
        axes.text(1.07, place, label, transform=axes.transAxes, ha="left", va="center",
                  color=INK if own else MUTED, fontweight="bold" if own else "normal")


def _short_time(time_ns: float) -> str:
    size, unit = next(((size, unit) for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
                       if time_ns >= size), (1.0, "ns"))
    return f"{time_ns / size:g} {unit}"


def _groups(result: WorkloadResult) -> list[tuple[str, list[ArmResult]]]:
    titles = {
        "malloc": "memory of any contents", "calloc": "zeroed memory", "": "floors and controls"
    }
    groups = [(title, [arm for arm in result.arms if arm.arm.promise == promise])
              for promise, title in titles.items()]
    return [(title, arms) for title, arms in groups if arms]


def _time_axis(axes: Axes, low: float, high: float, room: float, label: str) -> None:
    """A horizontal axis of times, logarithmic where they differ much; `room` is the share of it
    that a value takes."""
    unit_ns, unit = next(
        ((size, unit) for size, unit in ((1e6, "ms"), (1e3, "µs")) if high >= 10 * size),
        (1.0, "ns"))
    if high > 8 * low:
        axes.set_xscale("log")
        ends = low / 1.15, high * 1.15
        steps = [step * 10.0**power for power in range(-2, 12) for step in (1, 2, 5)]
        ticks = spread_out([step for step in steps if ends[0] <= step <= ends[1]], *ends, room)
    else:
        ends = 0.0, high * 1.05
        ticks = list(ticker.MaxNLocator(max(1, min(6, int(0.95 / room)))).tick_values(*ends))
    axes.set_xlim(*ends)
    across(axes, ticks, lambda value: f"{value / unit_ns:g} {unit}" if value else "0", label)


def _place(axes: Axes,
           groups: Sequence[tuple[str, list[ArmResult]]]) -> list[tuple[int, ArmResult]]:
    """Writes titles of groups and names of arms, a row each; returns each arm with its row."""
    places: list[tuple[int, ArmResult]] = []
    row = 0
    for title, arms in groups:
        axes.text(0, row, title, transform=axes.get_yaxis_transform(), ha="left", va="center",
                  color=MUTED, fontsize=9.5)
        places += [(row + 1 + place, arm) for place, arm in enumerate(arms)]
        row += len(arms) + 1
    for row, arm in places:
        mine = arm.arm.role == "pool"
        axes.text(-0.02, row, narrative.arm_label(arm.arm.name), ha="right", va="center",
                  transform=axes.get_yaxis_transform(), color=INK if mine else MUTED,
                  fontweight="bold" if mine else "normal")
    return places


def _arm_rows(axes: Axes, places: Sequence[tuple[int, ArmResult]]) -> None:
    """Each arm's launches and median in its row."""
    for colour, roles in ((POOL, ("pool",)), (RIVAL, ("rival",)),
                          (FLOOR, ("floor", "null", "delay", "other"))):
        dots(axes, [dot for row, arm in places if arm.arm.role in roles
                    for dot in in_order(arm.times_ns, row, 0.5)], colour, 3.2)
    _medians(axes, places)


def _arm_spans(axes: Axes, places: Sequence[tuple[int, ArmResult]]) -> None:
    """Each arm's range, quartiles and median in its row."""
    for colour, roles in ((POOL, ("pool",)), (RIVAL, ("rival",)),
                          (FLOOR, ("floor", "null", "delay", "other"))):
        mine = [(row, numpy.quantile(arm.times_ns, [0, 0.25, 0.75, 1])) for row, arm in places
                if arm.arm.role in roles]
        strokes(axes, [((span[0], row), (span[3], row)) for row, span in mine], colour, 1)
        strokes(axes, [((span[1], row), (span[2], row)) for row, span in mine], colour, 7)
    _medians(axes, places)


def _medians(axes: Axes, places: Sequence[tuple[int, ArmResult]]) -> None:
    strokes(axes, [((arm.time_ns, row - 0.38), (arm.time_ns, row + 0.38)) for row, arm in places],
             INK, 1.6)

"""Charts as SVG text for inline use: plain functions of an Analysis, drawn by Matplotlib.

A chart has no colours of its own: it is drawn in stand-ins that become CSS variables, so that
light, dark and print follow the page. Text stays text. Every chart is named by a title and a
description for screen readers, and the page puts the same numbers in a table behind it.
"""

from __future__ import annotations

import io
import logging
import math
import re
import xml.etree.ElementTree as ElementTree
from typing import Any, Callable, Iterable, Sequence

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its caches

import matplotlib  # noqa: E402
import numpy  # noqa: E402

matplotlib.use("svg")
matplotlib.rcParams.update({
    "svg.fonttype": "none", "font.size": 10.5, "font.family": "DejaVu Sans", "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.xmargin": 0.02, "path.simplify": False, "figure.dpi": 72
})

from matplotlib import ticker  # noqa: E402  (the backend is chosen first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import PathPatch, Rectangle  # noqa: E402
from matplotlib.path import Path  # noqa: E402
from matplotlib.transforms import Transform  # noqa: E402

from analysis.report import narrative, tables  # noqa: E402
from analysis.system import units  # noqa: E402
from analysis.stats.secondary_metrics import Parts  # noqa: E402
from analysis.stats.verdicts import Analysis, ArmResult, Claim, WorkloadResult  # noqa: E402

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
POOL, RIVAL, FLOOR = "#050505", "#060606", "#070707"
FASTER, SLOWER, ZONE = "#080808", "#090909", "#0a0a0a"

_VARIABLES = {
    INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", POOL: "pool", RIVAL: "rival",
    FLOOR: "floor", FASTER: "faster", SLOWER: "slower", ZONE: "zone"
}

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"

WIDTH = 400
"""Of every chart, in its own units, in which text is 10.5 high: readable on a telephone
unscaled."""


def forest(analysis: Analysis, promise: str, name: str) -> str | None:
    """The pool against the fastest rival of one promise: a row a workload. None without claims."""
    pool, manner, _ = narrative.PROMISES[promise]
    rows = [(result, claim) for result in analysis.results
            if (claim := result.against_best(pool)) is not None]
    if not rows:
        return None
    figure, axes = _canvas(34 * len(rows) + 62, left=8)
    low, high = _ratio_limits([claim for _, claim in rows])
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.35, -0.75)
    axes.axvline(1, color=INK, linewidth=1)
    for row, (result, claim) in enumerate(rows):
        _zone(axes, row, result.limit, low, high)
        _claim_mark(axes, row, claim, low, high)
        axes.text(low, row - 0.30, claim.workload, ha="left", va="bottom", color=INK, bbox=_CLEAR)
        rival = narrative.arm_label(claim.baseline)
        axes.text(high, row - 0.30,
                  f"{narrative.SIGNS[claim.verdict]} {units.ratio(claim.ratio)}× {rival}",
                  ha="right", va="bottom", color=INK if claim.proved else MUTED, bbox=_CLEAR)
    _across(axes, _ratio_ticks(low, high), lambda value: f"{value:g}×",
            "times as fast as the fastest rival")
    described = "; ".join(f"{claim.workload}: {units.ratio(claim.ratio)} times {claim.baseline}, "
                          f"{narrative.interval(claim)}, {claim.verdict}" for _, claim in rows)
    return _svg(figure, name, f"The pool {manner} against the fastest {promise} on each workload",
                described)


MOST_DOTS = 24_000
"""In a whole page. Where a run has more rounds than that, their quartiles are drawn instead."""


def arms(result: WorkloadResult, measured: Parts, name: str, dots: bool = True) -> str:
    """Every arm of one workload: its rounds, and beside them, where measured, work and memory.

    A round is a dot. Without dots, a line from the fastest round to the slowest and a bar between
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
    figure, axes = _canvas(22 * rows + 46, left, right=_BESIDE * len(beside))
    times = [time for arm in result.arms for time in arm.times_ns]
    axes.set_ylim(rows - 0.4, -0.6)
    _time_axis(axes, min(times), max(times), 42 / (WIDTH - 10 - left - _BESIDE * len(beside)),
               "time of one operation" + "; each dot is one round" * (dots and not beside))
    places = _place(axes, groups)
    (_arm_rows if dots else _arm_spans)(axes, places)
    for index, (title, values, write) in enumerate(beside):
        _bars(axes, len(beside) - index, title,
              [(row, arm, values.get(arm.arm.name)) for row, arm in places], write)
    fastest, slowest = result.arms[0], result.arms[-1]
    described = (f"Medians from {units.time(fastest.time_ns)} ({fastest.arm.name}) to"
                 f" {units.time(slowest.time_ns)} ({slowest.arm.name}); the table has all.")
    return _svg(figure, name, f"Rounds of {workload}" +
                ", work and memory beside time" * bool(beside), described)


def memory(result: WorkloadResult, measured: Parts, name: str) -> str | None:
    """What some arms of a workload held from its first operation to its last, and after draining.
    None where nobody looked on the way."""
    workload = result.workload.workload
    curves = {arm: held.curve for (where, arm), held in measured.memory.items()
              if where == workload and held.curve is not None}
    chosen = tables.drawn(result, list(curves))
    if not chosen:
        return None
    lines = {arm: [line.grown(value) for value in line.rss_bytes] + [line.grown(
        line.drained_rss_bytes)] for arm in chosen if (line := curves[arm]) is not None}
    live = max((line for line in curves.values() if line), key=lambda line: line.peak_live_bytes)
    most = max(1, live.peak_live_bytes, *(max(values) for values in lines.values()))
    unit_bytes, unit = next(((size, unit) for size, unit in
                             ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if most >= 2 * size),
                            (1, "B"))
    figure, axes = _canvas(210, left=44, right=104)
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
    _strokes(axes, [((100, 0), (100, 1.05 * most / unit_bytes))], RULE, 0.8)
    _across(axes, [0, 50, 100], lambda value: f"{value:g} %", "of the operations; then drained",
            lines=False)
    _upright(axes, ticker.MaxNLocator(5), lambda value: f"{value:g}")
    _headed(axes, f"{unit} beyond what was there before")
    described = "; ".join(f"{arm}: at most {units.size(max(values))}, drained"
                          f" {units.size(values[-1])}" for arm, values in lines.items())
    return _svg(figure, name, f"Memory of {workload} over its operations", described)


_PANEL = 166
"""Height of a panel of latencies, of which 122 are the axes."""


def latency(result: WorkloadResult, measured: Parts, name: str) -> str | None:
    """Times of single operations by percentile, a panel for each kind. None where none were
    timed."""
    workload = result.workload.workload
    kinds = measured.operations(workload)
    if not kinds:
        return None
    height = _PANEL * len(kinds) + 28
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    described = []
    for number, kind in enumerate(kinds):
        tails = {arm: tail for (where, arm, operation), tail in measured.latency.items()
                 if where == workload and operation == kind}
        chosen = tables.drawn(result, list(tails))
        axes = figure.add_axes((50 / WIDTH, (40 + _PANEL * (len(kinds) - 1 - number)) / height,
                                (WIDTH - 154) / WIDTH, 122 / height))
        axes.set_yscale("log")
        clock = tables.clock_of(tails.values())
        series = [("clock", clock, SLOWER, (0, (1, 1.5)), False)]
        series += [(narrative.arm_label(arm), tails[arm].latency_ns, *_line_of(result, arm, index))
                   for index, arm in enumerate(chosen)]
        every = [value for _, times, *_ in series for value in times.values() if value > 0]
        axes.set_ylim(min(every) / 1.2, max(every) * 1.2)
        ends = []
        for label, times, colour, style, own in series:
            values = [max(times[percentile], min(every)) for percentile in tables.PERCENTILES]
            axes.plot(range(len(values)), values, color=colour, linestyle=style,
                      linewidth=1.8 if own else 1.2, clip_on=False)
            _dots(axes, list(enumerate(values)), colour, 3.6)
            ends.append((label, values[-1], colour, own))
        _labels_at_end(axes, ends, 122)
        axes.set_xlim(-0.1, len(tables.PERCENTILES) - 0.9)
        headings = [title.replace(" %", "") for title in tables.PERCENTILES.values()]
        _across(axes, range(len(headings)), lambda value: headings[int(value)],
                "% of operations that took no longer" if kind == kinds[-1] else "", lines=False)
        _upright(axes, ticker.LogLocator(base=10, numticks=6), _short_time)
        _headed(axes, kind)
        described += [f"{kind}, {arm}: half below {units.time(tails[arm].latency_ns['p50'])},"
                      f" 99.9 % below {units.time(tails[arm].latency_ns['p99_9'])}"
                      for arm in chosen]
    return _svg(figure, name, f"Latency of single operations of {workload}", "; ".join(described))


def noise(analysis: Analysis, name: str) -> str | None:
    """The null arm on each workload: every round a dot, δ as a band. None without a null arm."""
    rows = [result for result in analysis.results if result.null_differences]
    if not rows:
        return None
    figure, axes = _canvas(30 * len(rows) + 56, left=8)
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
        _dots(axes, _in_order(result.null_differences, row, 0.32), MUTED, 3.6)
        axes.text(-reach, row - 0.26, result.workload.workload, ha="left", va="bottom", color=INK,
                  bbox=_CLEAR)
        axes.text(reach, row - 0.26, f"δ {units.percent(result.limit)}", ha="right", va="bottom",
                  color=MUTED)
    ticks = ticker.MaxNLocator(5, symmetric=True, steps=[1, 2, 5, 10]).tick_values(-reach, reach)
    _across(axes, ticks, _signed_share, "glibc against itself; a dot is a round, the band is δ",
            lines=False)
    described = "; ".join(f"{result.workload.workload}: δ {units.percent(result.limit)}"
                          for result in rows)
    return _svg(figure, name, "How far the same allocator under two names lands apart", described)


def ledger(analysis: Analysis, name: str) -> str | None:
    """The machine's speed and stolen time over the run. None without samples."""
    frame = analysis.frame
    if frame.empty:
        return None
    frame = frame.sort_values("started_unix_s")
    minutes = ((frame["started_unix_s"] - frame["started_unix_s"].iloc[0]) / 60).to_numpy()
    reference = analysis.plan.ledger.spin_reference_ns or frame["spin_before_ns"].median()
    speed = (frame[["spin_before_ns", "spin_after_ns"]].mean(axis=1) / reference).to_numpy()
    stolen = (frame["steal_s"] / frame["wall_s"] * 100).to_numpy()
    minutes, speed, stolen = _worst_of_each_moment(minutes, speed, stolen)
    figure = Figure(figsize=(WIDTH / 72, 210 / 72))
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2]})
    figure.subplots_adjust(left=40 / WIDTH, right=1 - 8 / WIDTH, top=1 - 20 / 210, bottom=44 / 210,
                           hspace=0.55)
    _dots(upper, list(zip(minutes, speed)), MUTED)
    upper.axhline(analysis.plan.ledger.spin_ratio, color=SLOWER, linewidth=1, linestyle=(0, (4, 3)))
    upper.set_ylim(0, max(1.5, 1.1 * float(speed.max())))
    _headed(upper, "spin probe, as a multiple of its start")
    _strokes(lower, [((x, 0.0), (x, top)) for x, top in zip(minutes, stolen) if top > 0], SLOWER,
             1.4)
    lower.set_xlim(0, max(0.1, float(minutes.max())))
    lower.set_ylim(0, max(2.0, 1.1 * float(stolen.max())))
    _headed(lower, "stolen by the hypervisor, % of a process")
    for axes, label in ((upper, ""), (lower, "minutes since the first sample")):
        minutes_ticks = ticker.MaxNLocator(6).tick_values(0, lower.get_xlim()[1])
        _across(axes, minutes_ticks if label else [], lambda value: f"{value:g}", label,
                lines=False)
        _upright(axes, ticker.MaxNLocator(3), lambda value: f"{value:g}")
    described = (
        f"Spin probe from {speed.min():.2f} to {speed.max():.2f} times its reference; stolen time"
        f" at most {stolen.max():.1f} % of a process.")
    return _svg(figure, name, "The machine over the time of the run", described)


# --- Parts of charts -----------------------------------------------------------------------------


def _canvas(height: float, left: float, right: float = 0) -> tuple[Figure, Axes]:
    """A chart of `height` units with `left` and `right` units for labels and room for the
    horizontal axis."""
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    bottom, top = 42, 18 if right and left < 60 else 4
    axes = figure.add_axes((left / WIDTH, bottom / height, 1 - (left + right + 10) / WIDTH,
                            1 - (bottom + top) / height))
    return figure, axes


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
        _strokes(axes, bars, colour, 9, transform=axes.get_yaxis_transform())
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
        _strokes(axes, [((1.005, share(end[1])), (1.05, place)) for end, place
                        in zip(in_order, placed) if end[2] == colour], colour, 0.7,
                 transform=axes.transAxes)
    for (label, _, _, own), place in zip(in_order, placed):
        axes.text(1.07, place, label, transform=axes.transAxes, ha="left", va="center",
                  color=INK if own else MUTED, fontweight="bold" if own else "normal")


def _headed(axes: Axes, title: str) -> None:
    """A title over the left end of the axes."""
    axes.annotate(title, (0, 1), (0, 6), "axes fraction", "offset points", fontsize=9.5,
                  color=MUTED)


def _across(axes: Axes, values: Iterable[float], write: Callable[[float], str], label: str,
            lines: bool = True) -> None:
    """The horizontal axis: a rule, values that lie within it, and what it is. Matplotlib's own
    would cost most of a chart's time and half of its bytes."""
    axes.set_axis_off()
    low, high = axes.get_xlim()
    wanted = [value for value in values if low <= value <= high]
    unit = 1 / (axes.get_position().height * axes.figure.get_figheight() * 72)
    upright = axes.get_xaxis_transform()
    if lines:
        _strokes(axes, [((value, 0), (value, 1)) for value in wanted], RULE, 0.7, transform=upright,
                 under=True)
    _strokes(axes, [((low, 0), (high, 0))], RULE, 0.8, transform=upright, under=True)
    for value in wanted:
        axes.text(value, -10 * unit, write(value), ha="center", va="center", color=MUTED,
                  transform=upright)
    axes.text(0.5, -25 * unit, label, ha="center", va="center", color=MUTED,
              transform=axes.transAxes)


def _upright(axes: Axes, locator: ticker.Locator, write: Callable[[float], str]) -> None:
    """The vertical axis: lines at values that lie within it."""
    low, high = axes.get_ylim()
    wanted = [value for value in locator.tick_values(low, high) if low <= value <= high]
    width = axes.get_position().width * WIDTH
    across = axes.get_yaxis_transform()
    _strokes(axes, [((0, value), (1, value)) for value in wanted], RULE, 0.7, transform=across,
             under=True)
    for value in wanted:
        axes.text(-7 / width, value, write(value), ha="right", va="center", color=MUTED,
                  transform=across)


def _signed_share(difference: float) -> str:
    text = f"{math.expm1(difference) * 100:+.0f} %"
    return "0" if text in ("+0 %", "-0 %") else text.replace("-", "−")


def _short_time(time_ns: float) -> str:
    size, unit = next(((size, unit) for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
                       if time_ns >= size), (1.0, "ns"))
    return f"{time_ns / size:g} {unit}"


_CLEAR = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
"""Keeps lines from crossing a text."""


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
    return _spread_out(ticks, low, high, room=0.105)


def _spread_out(ticks: Sequence[float], low: float, high: float, room: float) -> list[float]:
    """Those of the ticks, on a logarithmic axis, that have room: a share of the axis between
    labels.

    Ticks nearest to 1 are kept first, and those too near to an end to be written are left out.
    """
    span = math.log(high / low)
    chosen: list[float] = []
    for value in sorted(ticks, key=lambda tick: (abs(math.log(tick)), tick)):
        place = math.log(value / low) / span
        if 0.03 <= place <= 0.97 and all(
                abs(math.log(value / other)) > room * span for other in chosen):
            chosen.append(value)
    return sorted(chosen)


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
    axes.plot([claim.ratio], [row], color=colour, marker="D" if claim.verdict == "equal" else "o",
              markersize=7, markerfacecolor=colour if claim.proved else PAPER,
              markeredgecolor=colour, markeredgewidth=1.5, clip_on=False)


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
        ticks = _spread_out([step for step in steps if ends[0] <= step <= ends[1]], *ends, room)
    else:
        ends = 0.0, high * 1.05
        ticks = list(ticker.MaxNLocator(max(1, min(6, int(0.95 / room)))).tick_values(*ends))
    axes.set_xlim(*ends)
    _across(axes, ticks, lambda value: f"{value / unit_ns:g} {unit}" if value else "0", label)


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
    """Each arm's rounds and median in its row."""
    for colour, roles in ((POOL, ("pool",)), (RIVAL, ("rival",)),
                          (FLOOR, ("floor", "null", "delay", "other"))):
        dots = [dot for row, arm in places if arm.arm.role in roles
                for dot in _in_order(arm.times_ns, row, 0.5)]
        _dots(axes, dots, colour, 3.2)
    _medians(axes, places)


def _arm_spans(axes: Axes, places: Sequence[tuple[int, ArmResult]]) -> None:
    """Each arm's range, quartiles and median in its row."""
    for colour, roles in ((POOL, ("pool", )), (RIVAL, ("rival", )),
                          (FLOOR, ("floor", "null", "delay", "other"))):
        mine = [(row, numpy.quantile(arm.times_ns, [0, 0.25, 0.75, 1])) for row, arm in places
                if arm.arm.role in roles]
        _strokes(axes, [((span[0], row), (span[3], row)) for row, span in mine], colour, 1)
        _strokes(axes, [((span[1], row), (span[2], row)) for row, span in mine], colour, 7)
    _medians(axes, places)


def _medians(axes: Axes, places: Sequence[tuple[int, ArmResult]]) -> None:
    _strokes(axes, [((arm.time_ns, row - 0.38), (arm.time_ns, row + 0.38)) for row, arm in places],
             INK, 1.6)


Point = tuple[float, float]


def _in_order(values: Sequence[float], row: float, spread: float) -> list[Point]:
    """A row's values as points, in the order of the rounds from top to bottom."""
    last = max(1, len(values) - 1)
    return [(float(value), row + spread * (index / last - 0.5))
            for index, value in enumerate(values)]


def _dots(axes: Axes, points: Sequence[Point], colour: str, width: float = 2.6) -> None:
    """Dots as one path: strokes of no length with round ends."""
    _strokes(axes, [(point, point) for point in points], colour, width, "round", 0.75)


def _strokes(axes: Axes, lines: Sequence[tuple[Point, Point]], colour: str, width: float,
             ends: str = "butt", alpha: float = 1.0,
             transform: Transform | None = None, under: bool = False) -> None:
    """Straight lines as one path, in the data's coordinates unless told otherwise; under all else
    if asked for."""
    if not lines:
        return
    points = [point for line in lines for point in line]
    codes = [Path.MOVETO, Path.LINETO] * len(lines)
    patch = PathPatch(Path(points, codes), fill=False, edgecolor=colour, linewidth=width,
                      capstyle=ends, alpha=alpha, clip_on=False, zorder=0.5 if under else 1)
    if transform is not None:
        patch.set_transform(transform)
    axes.add_artist(patch)


MOMENTS = 400
"""A longer run's ledger is drawn as the worst of each of so many spans."""


def _worst_of_each_moment(minutes: numpy.ndarray, *columns: numpy.ndarray) -> list[numpy.ndarray]:
    """The columns, or where there are too many rows, their maxima over equal numbers of rows."""
    if len(minutes) <= MOMENTS:
        return [minutes, *columns]
    starts = numpy.linspace(0, len(minutes), MOMENTS, endpoint=False).astype(int)
    return [minutes[starts], *(numpy.maximum.reduceat(column, starts) for column in columns)]


# --- From Matplotlib to the page -----------------------------------------------------------------


def _svg(figure: Figure, name: str, title: str, description: str) -> str:
    """The figure as an <svg> element with its own ids, the page's colours and fonts, and a name."""
    stream = io.StringIO()
    matplotlib.rcParams["svg.hashsalt"] = name
    figure.savefig(stream, format="svg", transparent=True,
                   metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(stream.getvalue())
    _clean(root, name)
    _name(root, name, title, description)
    text = ElementTree.tostring(root, encoding="unicode")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    text = re.sub(
        r"font: (?:(bold|\d+) )?([\d.]+)px [^;\"]*", lambda found:
        (f"font-weight: {found[1]}; " if found[1] else "") + f"font-size: {found[2]}px", text)
    return _shorten(text)


def _shorten(text: str) -> str:
    """The same picture in fewer bytes: a large report holds tens of thousands of dots."""
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    text = re.sub(r"; stroke-(linejoin: miter|dashoffset: 0)", "", text)
    text = re.sub(r'(?<= )(x|y|transform)="[^"]*"',
                  lambda found: re.sub(r"-?\d+\.\d{2,}", _tenths, found[0]), text)
    text = re.sub(r' d="((?:[ML] \S+ \S+ *)+)"', lambda found: f' d="{_relative(found[1])}"', text)
    text = re.sub(r' d="([^"]*)"', lambda found: re.sub(r"-?\d+\.\d{2,}", _tenths, found[0]), text)
    return re.sub(r"\s*\n\s*", " ", text).replace("> <", "><").replace(" />", "/>")


def _relative(path: str) -> str:
    """Straight lines, each point seen from the one before, in tenths of a unit."""
    made, here, last = "", (0, 0), ""
    for letter, x, y in re.findall(r"([ML]) (\S+) (\S+)", path):
        there = round(10 * float(x)), round(10 * float(y))
        dx, dy = there[0] - here[0], there[1] - here[1]
        command, steps = (("m", (dx, dy)) if letter == "M" else ("h", (dx, )) if dy == 0 else
                          ("v", (dy, )) if dx == 0 else ("l", (dx, dy)))
        implied = command == last and command != "m" or command == "l" and last == "m"
        made += ("" if implied else command) + "".join(
            f"{' ' if (implied or place) and step >= 0 else ''}{_tenth(step)}"
            for place, step in enumerate(steps))
        here, last = there, command
    return made


def _tenth(number: int) -> str:
    return f"{number / 10:g}"


def _tenths(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _unwrap(element: ElementTree.Element) -> None:
    """Takes away groups that say nothing about their contents, and shapes that leave no mark."""
    children = []
    for child in element:
        _unwrap(child)
        if child.tag == f"{{{_SVG}}}g" and not child.attrib:
            children += list(child)
        elif child.get("style") != "fill: none" and not (child.tag == f"{{{_SVG}}}defs"
                                                         and not len(child)):
            children.append(child)
    element[:] = children


def _clean(root: ElementTree.Element, name: str) -> None:
    """Drops what only an editor needs, and makes the ids that are referred to the page's own."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    whole = ElementTree.tostring(root, encoding="unicode")
    referred = set(re.findall(r"url\(#([^)]+)\)", whole)) | set(
        re.findall(r'href="#([^"]+)"', whole))
    for element in root.iter():
        if (own := element.get("id")) is not None:
            if own in referred:
                element.set("id", f"{name}-{own}")
            else:
                del element.attrib["id"]
        for key, value in list(element.attrib.items()):
            value = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", value)
            if key == f"{{{_XLINK}}}href":
                value = value.replace("#", f"#{name}-", 1)
            element.set(key, value)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    _unwrap(root)


def _name(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    root.set("role", "img")
    root.set("class", "chart")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(position, element)

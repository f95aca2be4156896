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
from typing import Sequence

import matplotlib
import numpy

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
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

from analysis import wording  # noqa: E402
from analysis.verdicts import Analysis, ArmResult, Claim, WorkloadResult  # noqa: E402

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
    pool, manner, _ = wording.PROMISES[promise]
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
        rival = wording.arm_label(claim.baseline)
        axes.text(high, row - 0.30,
                  f"{wording.SIGNS[claim.verdict]} {wording.ratio(claim.ratio)}× {rival}",
                  ha="right", va="bottom", color=INK if claim.proved else MUTED, bbox=_CLEAR)
    _ratio_axis(axes, low, high)
    axes.set_xlabel("times as fast as the fastest rival", color=MUTED)
    described = "; ".join(f"{claim.workload}: {wording.ratio(claim.ratio)} times {claim.baseline}, "
                          f"{wording.interval(claim)}, {claim.verdict}" for _, claim in rows)
    return _svg(figure, name, f"The pool {manner} against the fastest {promise} on each workload",
                described)


def rounds(result: WorkloadResult, name: str) -> str:
    """Every round of every arm of one workload as a dot, arms in groups of equal promise."""
    groups = _groups(result)
    rows = sum(len(arms) + 1 for _, arms in groups)
    figure, axes = _canvas(22 * rows + 46, left=112)
    times = [time for arm in result.arms for time in arm.times_ns]
    _time_axis(axes, min(times), max(times))
    axes.set_ylim(rows - 0.4, -0.6)
    places = _place(axes, groups)
    _arm_rows(axes, places)
    axes.set_xlabel("time of one operation; each dot is one round", color=MUTED)
    fastest, slowest = result.arms[0], result.arms[-1]
    described = (f"Medians from {wording.time(fastest.time_ns)} ({fastest.arm.name}) to"
                 f" {wording.time(slowest.time_ns)} ({slowest.arm.name}); the table has all.")
    return _svg(figure, name, f"Rounds of {result.workload.workload}", described)


def memory(result: WorkloadResult, name: str) -> str:
    """Peak footprint of each arm as a bar, what is left after draining as a tick, peak live as a
    line."""
    groups = [(title, [arm for arm in arms if "peak_footprint_bytes" in arm.counters])
              for title, arms in _groups(result)[:2]]
    groups = [(title, arms) for title, arms in groups if arms]
    rows = sum(len(arms) + 1 for _, arms in groups)
    figure, axes = _canvas(22 * rows + 46, left=112)
    every = [arm for _, arms in groups for arm in arms]
    most = max(arm.counters["peak_footprint_bytes"] for arm in every)
    live = max(arm.counters.get("peak_live_bytes", 0.0) for arm in every)
    unit_bytes, unit = (2**20, "MiB") if most >= 2**20 else (2**10, "KiB")
    axes.set_xlim(0, 1.04 * max(most, live) / unit_bytes)
    axes.set_ylim(rows - 0.4, -0.6)
    places = _place(axes, groups)
    for row, arm in places:
        peak = arm.counters["peak_footprint_bytes"] / unit_bytes
        end = arm.counters.get("end_footprint_bytes", 0.0) / unit_bytes
        colour = POOL if arm.arm.role == "pool" else FLOOR
        axes.add_patch(
            Rectangle((0, row - 0.28), peak, 0.56, color=colour, alpha=0.75, linewidth=0))
        _strokes(axes, [((end, row - 0.38), (end, row + 0.38))], INK, 1.6)
    axes.axvline(live / unit_bytes, color=SLOWER, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.xaxis.set_major_locator(ticker.MaxNLocator(6))
    axes.grid(axis="x", color=RULE, linewidth=0.7, clip_on=False)
    axes.set_axisbelow(True)
    _plain_axis(axes)
    axes.set_xlabel(f"footprint in {unit}; dashed: peak live", color=MUTED)
    described = "; ".join(
        f"{arm.arm.name}: {wording.size(arm.counters['peak_footprint_bytes'])}" for arm in every)
    return _svg(figure, name, f"Memory of {result.workload.workload}", described)


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
        axes.text(reach, row - 0.26, f"δ {wording.percent(result.limit)}", ha="right", va="bottom",
                  color=MUTED)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5, symmetric=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(
        ticker.FuncFormatter(lambda value, _: f"{math.expm1(value) * 100:+.0f} %".replace("-", "−").
                             replace("+0 %", "0")))
    _plain_axis(axes)
    axes.set_xlabel("glibc against itself; each dot is one round, the band is δ", color=MUTED)
    described = "; ".join(f"{result.workload.workload}: δ {wording.percent(result.limit)}"
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
    upper.set_title("spin probe, as a multiple of its start", loc="left", fontsize=9.5, color=MUTED)
    _strokes(lower, [((x, 0.0), (x, top)) for x, top in zip(minutes, stolen) if top > 0], SLOWER,
             1.4)
    lower.set_xlim(0, max(0.1, float(minutes.max())))
    lower.set_ylim(0, max(2.0, 1.1 * float(stolen.max())))
    lower.set_title("stolen by the hypervisor, % of a process", loc="left", fontsize=9.5,
                    color=MUTED)
    lower.set_xlabel("minutes since the first sample", color=MUTED)
    for axes in (upper, lower):
        _plain_axis(axes)
        axes.yaxis.set_major_locator(ticker.MaxNLocator(3))
        axes.grid(axis="y", color=RULE, linewidth=0.7, clip_on=False)
        axes.set_axisbelow(True)
    upper.tick_params(axis="x", labelbottom=False)
    described = (
        f"Spin probe from {speed.min():.2f} to {speed.max():.2f} times its reference; stolen time"
        f" at most {stolen.max():.1f} % of a process.")
    return _svg(figure, name, "The machine over the time of the run", described)


# --- Parts of charts -----------------------------------------------------------------------------


def _canvas(height: float, left: float) -> tuple[Figure, Axes]:
    """A chart of `height` units with `left` units for labels and room for the horizontal axis."""
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    bottom = 42
    axes = figure.add_axes(
        (left / WIDTH, bottom / height, 1 - (left + 10) / WIDTH, 1 - (bottom + 4) / height))
    axes.set_yticks([])
    return figure, axes


_CLEAR = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
"""Keeps lines from crossing a text."""


def _plain_axis(axes: Axes) -> None:
    axes.tick_params(axis="both", which="both", bottom=False, left=False, labelcolor=MUTED)
    axes.spines["bottom"].set_color(RULE)


def _ratio_limits(claims: Sequence[Claim]) -> tuple[float, float]:
    ends = [
        value for claim in claims for value in (claim.low, claim.ratio, claim.high)
        if 0 < value < math.inf
    ]
    low, high = min([0.8, *ends]), max([1.25, *ends])
    room = (high / low)**0.06
    return low / room, high * room


def _ratio_axis(axes: Axes, low: float, high: float) -> None:
    ticks = [
        value for value in (0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 12,
                            16, 24, 32, 50, 100) if low <= value <= high
    ]
    wanted = _spread_out(ticks, low, high, room=0.105)
    axes.xaxis.set_major_locator(ticker.FixedLocator(wanted))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.grid(axis="x", color=RULE, linewidth=0.7, clip_on=False)
    axes.set_axisbelow(True)
    _plain_axis(axes)


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


def _time_axis(axes: Axes, low: float, high: float) -> None:
    unit_ns, unit = next(
        ((size, unit) for size, unit in ((1e6, "ms"), (1e3, "µs")) if high >= 10 * size),
        (1.0, "ns"))
    if high > 8 * low:
        axes.set_xscale("log")
        ends = low / 1.15, high * 1.15
        axes.set_xlim(*ends)
        steps = [step * 10.0**power for power in range(-2, 12) for step in (1, 2, 5)]
        axes.xaxis.set_major_locator(ticker.FixedLocator(_spread_out(steps, *ends, room=0.15)))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.set_xlim(0, high * 1.05)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(6))
    axes.xaxis.set_major_formatter(
        ticker.FuncFormatter(lambda value, _: f"{value / unit_ns:g} {unit}" if value else "0"))
    axes.grid(axis="x", color=RULE, linewidth=0.7, clip_on=False)
    axes.set_axisbelow(True)
    _plain_axis(axes)


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
        axes.text(-0.02, row, wording.arm_label(arm.arm.name), ha="right", va="center",
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
    medians = [((arm.time_ns, row - 0.38), (arm.time_ns, row + 0.38)) for row, arm in places]
    _strokes(axes, medians, INK, 1.6)


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
             ends: str = "butt", alpha: float = 1.0) -> None:
    """Straight lines as one path."""
    if not lines:
        return
    points = [point for line in lines for point in line]
    codes = [Path.MOVETO, Path.LINETO] * len(lines)
    axes.add_patch(
        PathPatch(Path(points, codes), fill=False, edgecolor=colour, linewidth=width, capstyle=ends,
                  alpha=alpha, clip_on=False))
    axes.update_datalim(points)
    axes.autoscale_view()


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


_CLASSES = {
    "fill: var(--muted); font-size: 10.5px; text-anchor: end": "end",
    "fill: var(--muted); font-size: 10.5px; text-anchor: middle": "mid",
    "fill: var(--ink); font-weight: 700; font-size: 10.5px; text-anchor: end": "own",
    "fill: var(--muted); font-size: 9.5px; text-anchor: start": "title",
    "fill: none; stroke: var(--rule); stroke-width: 0.7; stroke-linecap: square": "grid",
}
"""The styles that charts repeat most, by their name in the page's style sheet."""


def _shorten(text: str) -> str:
    """The same picture in fewer bytes: a large report holds tens of thousands of dots."""
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    text = re.sub(r'(?<= )(d|x|y|transform)="[^"]*"',
                  lambda found: re.sub(r"-?\d+\.\d{2,}", _tenths, found[0]), text)
    for style, name in _CLASSES.items():
        text = text.replace(f'style="{style}"', f'class="{name}"')
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><")
    return re.sub(r"(?:M (\S+ \S+) +L \1 +){2,}", _relative_dots, text)


def _relative_dots(found: re.Match[str]) -> str:
    """Strokes of no length at absolute places, as the same strokes each seen from the one
    before."""
    path, here = "", (0, 0)
    for x, y in re.findall(r"M (\S+) (\S+)", found[0]):
        there = round(10 * float(x)), round(10 * float(y))
        dx, dy = (f"{(b - a) / 10:g}" for a, b in zip(here, there))
        path += f"m{dx}{'' if dy.startswith('-') else ' '}{dy}h0"
        here = there
    return path


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

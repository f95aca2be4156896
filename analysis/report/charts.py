"""Charts of a report as SVG text for inline use: plain functions of an Analysis.

The page puts the same numbers in a table behind each.
"""

from __future__ import annotations

import math
from typing import Callable, Sequence

import numpy

from analysis.report import narrative, workload_tables
from analysis.report.grid import SIGNS
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis, ArmResult, Claim, WorkloadResult
from analysis.system import units
from analysis.system.drawing import WIDTH, Chart, Point, Scale, decades, ticks

RIGHT = WIDTH - 10
"""Where the axes of a chart end that has nothing beside them."""

BELOW = 42
"""Room under the axes for values and what they are."""


def forest(analysis: Analysis, promise: str, name: str) -> str | None:
    """The pool against the fastest rival of one promise: a row a workload. None without claims."""
    pool, manner, _ = narrative.PROMISES[promise]
    rows = [(result, claim) for result in analysis.results
            if (claim := result.against_best(pool)) is not None]
    if not rows:
        return None
    chart = Chart(34 * len(rows) + 62)
    low, high = _ratio_limits([claim for _, claim in rows])
    x = Scale(low, high, 8, RIGHT, logarithmic=True)
    y = Scale(-0.75, len(rows) - 0.35, 4, chart.height - BELOW)
    for row, (result, _) in enumerate(rows):
        start = x(max(low, math.exp(-result.limit)))
        chart.box(start, y(row - 0.22), x(min(high, math.exp(result.limit))) - start,
                  y(0.44) - y(0), "zone")
    chart.across(x, y.end, _ratio_ticks(low, high), lambda value: f"{value:g}×",
                 "times as fast as the fastest rival", y.start)
    chart.strokes([((x(1), y.start), (x(1), y.end))], "ink", 1)
    for row, (_, claim) in enumerate(rows):
        _claim_mark(chart, x, y(row), claim)
        rival = narrative.arm_label(claim.baseline)
        chart.text(x.start, y(row - 0.5), claim.workload, "ink clear")
        chart.text(x.end, y(row - 0.5),
                   f"{SIGNS[claim.verdict]} {units.ratio(claim.ratio)}× {rival}",
                   "ink clear" if claim.proved else "clear", "end")
    described = "; ".join(f"{claim.workload}: {units.ratio(claim.ratio)} times {claim.baseline}, "
                          f"{narrative.interval(claim)}, {claim.verdict}" for _, claim in rows)
    return chart.svg(name, f"The pool {manner} against the fastest {promise} on each workload",
                     described)


MOST_DOTS = 24_000
"""In a whole page. Where a run has more rounds than that, their quartiles are drawn instead."""

BESIDE = 76
"""Width of a panel of bars beside the times."""


def arms(result: WorkloadResult, measured: Parts, name: str, dots: bool = True) -> str:
    """Every arm of one workload: its rounds, and beside them, where measured, work and memory.

    A round is a dot. Without dots, a line from the fastest round to the slowest and a bar between
    the quartiles.
    """
    workload = result.workload.workload
    groups = _groups(result)
    rows = sum(len(members) + 1 for _, members in groups)
    work = {arm: value for (where, arm), value in measured.work.items() if where == workload}
    peaks = {arm: held.ratio for (where, arm), held in measured.memory.items()
             if where == workload and held.ratio is not None}
    beside = [(title, values, write) for title, values, write in (
        ("instructions", work, units.amount),
        ("peak of live", peaks, lambda value: f"{units.ratio(value)}×")) if values]
    longest = max(len(narrative.arm_label(arm.arm.name)) for arm in result.arms)
    left = min(160.0, max(80.0, 10 + 6.1 * longest))
    chart = Chart(22 * rows + 46)
    y = Scale(-0.6, rows - 0.4, 4, chart.height - BELOW)
    x = _time_axis(chart, [time for arm in result.arms for time in arm.times_ns], left,
                   RIGHT - BESIDE * len(beside), y.end,
                   "time of one operation" + "; each dot is one round" * (dots and not beside))
    places = _place(chart, groups, left, y)
    (_arm_dots if dots else _arm_spans)(chart, places, x, y)
    chart.strokes([((x(arm.time_ns), y(row - 0.38)), (x(arm.time_ns), y(row + 0.38)))
                   for row, arm in places], "ink", 1.6)
    for index, (title, values, write) in enumerate(beside):
        _bars(chart, WIDTH + 4 - BESIDE * (len(beside) - index), y, title,
              [(row, arm, values.get(arm.arm.name)) for row, arm in places], write)
    fastest, slowest = result.arms[0], result.arms[-1]
    described = (f"Medians from {units.time(fastest.time_ns)} ({fastest.arm.name}) to"
                 f" {units.time(slowest.time_ns)} ({slowest.arm.name}); the table has all.")
    return chart.svg(name, f"Rounds of {workload}" + ", work and memory beside time" * bool(beside),
                     described)


def memory(result: WorkloadResult, measured: Parts, name: str) -> str | None:
    """What some arms of a workload held from its first operation to its last, and after draining.
    None where nobody looked on the way."""
    workload = result.workload.workload
    curves = {arm: held.curve for (where, arm), held in measured.memory.items()
              if where == workload and held.curve is not None}
    chosen = workload_tables.drawn(result, list(curves))
    if not chosen:
        return None
    lines = {arm: [*map(curves[arm].grown, curves[arm].rss_bytes),
                   curves[arm].grown(curves[arm].drained_rss_bytes)] for arm in chosen}
    live = max(curves.values(), key=lambda line: line.peak_live_bytes)
    most = max(1, live.peak_live_bytes, *(max(values) for values in lines.values()))
    unit_bytes, unit = next(((size, unit) for size, unit in
                             ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if most >= 2 * size),
                            (1, "B"))
    chart = Chart(210)
    x = Scale(0, 108, 44, RIGHT - 104)
    y = Scale(0, 1.05 * most / unit_bytes, chart.height - BELOW, 18)
    chart.upright(y, x.start, x.end, ticks(0, y.high, 5), lambda value: f"{value:g}")
    chart.across(x, y.start, [0, 50, 100], lambda value: f"{value:g} %",
                 "of the operations; then drained")
    chart.strokes([((x(100), y.start), (x(100), y.end))], "rule", 0.8)
    chart.text(x.start, 8, f"{unit} beyond what was there before", "head")
    held = [value / unit_bytes for value in live.live_bytes]
    chart.strokes([[(x(100 * place), y(value)) for place, value in zip(live.progress, held)]],
                  "slower", 1.2, "1 1.5")
    ends = [("live", held[-1], "slower", False)]
    for index, (arm, values) in enumerate(lines.items()):
        kind, dashes, own = _line_of(result, arm, index)
        places = [100 * place for place in curves[arm].progress] + [107]
        chart.strokes([[(x(place), y(value / unit_bytes)) for place, value in zip(places, values)]],
                      kind, 1.8 if own else 1.2, dashes)
        ends.append((narrative.arm_label(arm), values[-1] / unit_bytes, kind, own))
    _labels_at_end(chart, x.end, y, ends)
    described = "; ".join(f"{arm}: at most {units.size(max(values))}, drained"
                          f" {units.size(values[-1])}" for arm, values in lines.items())
    return chart.svg(name, f"Memory of {workload} over its operations", described)


PANEL = 166
"""Height of a panel of latencies, of which 122 are the axes."""


def latency(result: WorkloadResult, measured: Parts, name: str) -> str | None:
    """Times of single operations by percentile, a panel for each kind. None where none were
    timed."""
    workload = result.workload.workload
    kinds = measured.operations(workload)
    if not kinds:
        return None
    chart = Chart(PANEL * len(kinds) + 28)
    headings = [title.replace(" %", "") for title in workload_tables.PERCENTILES.values()]
    x = Scale(-0.1, len(headings) - 0.9, 50, RIGHT - 94)
    described = []
    for number, kind in enumerate(kinds):
        tails = {arm: tail for (where, arm, operation), tail in measured.latency.items()
                 if where == workload and operation == kind}
        chosen = workload_tables.drawn(result, list(tails))
        series = [("clock", workload_tables.clock_of(tails.values()), "slower", "1 1.5", False)]
        series += [(narrative.arm_label(arm), tails[arm].latency_ns, *_line_of(result, arm, index))
                   for index, arm in enumerate(chosen)]
        every = [value for _, times, *_ in series for value in times.values() if value > 0]
        top = PANEL * number + 22
        y = Scale(min(every) / 1.2, max(every) * 1.2, top + 122, top, logarithmic=True)
        chart.upright(y, x.start, x.end, decades(y.low, y.high), _short_time)
        chart.across(x, y.start, range(len(headings)), lambda value: headings[int(value)],
                     "% of operations that took no longer" if kind == kinds[-1] else "")
        chart.text(x.start, top - 10, kind, "head")
        ends = []
        for label, times, colour, dashes, own in series:
            values = [max(times[percentile], min(every)) for percentile in workload_tables.PERCENTILES]
            points = [(x(place), y(value)) for place, value in enumerate(values)]
            chart.strokes([points], colour, 1.8 if own else 1.2, dashes)
            chart.dots(points, colour, 3.6)
            ends.append((label, values[-1], colour, own))
        _labels_at_end(chart, x.end, y, ends)
        described += [f"{kind}, {arm}: half below {units.time(tails[arm].latency_ns['p50'])},"
                      f" 99.9 % below {units.time(tails[arm].latency_ns['p99_9'])}"
                      for arm in chosen]
    return chart.svg(name, f"Latency of single operations of {workload}", "; ".join(described))


def noise(analysis: Analysis, name: str) -> str | None:
    """The null arm on each workload: every round a dot, δ as a band. None without a null arm."""
    rows = [result for result in analysis.results if result.null_differences]
    if not rows:
        return None
    chart = Chart(30 * len(rows) + 56)
    finite = [result.limit for result in rows if math.isfinite(result.limit)]
    reach = 1.1 * max(
        [*finite, *(abs(value) for result in rows for value in result.null_differences)])
    x = Scale(-reach, reach, 8, RIGHT)
    y = Scale(-0.75, len(rows) - 0.35, 4, chart.height - BELOW)
    for row, result in enumerate(rows):
        band = min(result.limit, reach)
        chart.box(x(-band), y(row - 0.25), x(band) - x(-band), y(0.5) - y(0), "zone")
    chart.across(x, y.end, ticks(-reach, reach, 6), _signed_share,
                 "glibc against itself; a dot is a round, the band is δ")
    chart.strokes([((x(0), y.start), (x(0), y.end))], "ink", 1)
    for row, result in enumerate(rows):
        chart.dots(_in_order(result.null_differences, row, 0.32, x, y), "muted", 3.6)
        chart.text(x.start, y(row - 0.5), result.workload.workload, "ink clear")
        chart.text(x.end, y(row - 0.5), f"δ {units.percent(result.limit)}", "clear", "end")
    described = "; ".join(f"{result.workload.workload}: δ {units.percent(result.limit)}"
                          for result in rows)
    return chart.svg(name, "How far the same allocator under two names lands apart", described)


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
    chart = Chart(210)
    x = Scale(0, max(0.1, float(minutes.max())), 40, WIDTH - 8)
    upper = Scale(0, max(1.5, 1.1 * float(speed.max())), 94, 20)
    lower = Scale(0, max(2.0, 1.1 * float(stolen.max())), 166, 120)
    for y, title in ((upper, "spin probe, as a multiple of its start"),
                     (lower, "stolen by the hypervisor, % of a process")):
        chart.text(x.start, y.end - 9, title, "head")
        chart.upright(y, x.start, x.end, ticks(0, y.high, 3), lambda value: f"{value:g}")
    chart.across(x, lower.start, ticks(0, x.high, 6), lambda value: f"{value:g}",
                 "minutes since the first sample")
    limit = upper(analysis.plan.ledger.spin_ratio)
    chart.strokes([((x.start, limit), (x.end, limit))], "slower", 1, "4 3")
    chart.dots([(x(when), upper(value)) for when, value in zip(minutes, speed)], "muted", 2.6)
    chart.strokes([((x(when), lower.start), (x(when), lower(value)))
                   for when, value in zip(minutes, stolen) if value > 0], "slower", 1.4)
    described = (
        f"Spin probe from {speed.min():.2f} to {speed.max():.2f} times its reference; stolen time"
        f" at most {stolen.max():.1f} % of a process.")
    return chart.svg(name, "The machine over the time of the run", described)


# --- Parts of charts -----------------------------------------------------------------------------


def _bars(chart: Chart, left: float, y: Scale, title: str,
          rows: Sequence[tuple[int, ArmResult, float | None]],
          write: Callable[[float], str]) -> None:
    """A panel of bars with their values, in the rows of the times."""
    room = BESIDE - 8
    most = max(value for _, _, value in rows if value is not None) or 1.0
    for own, kind in ((True, "pool"), (False, "floor")):
        chart.strokes([((left, y(row)), (left + 0.42 * room * value / most, y(row)))
                       for row, arm, value in rows
                       if value is not None and (arm.arm.role == "pool") == own], kind, 9)
    for row, _, value in rows:
        chart.text(left + room, y(row), "–" if value is None else write(value), anchor="end")
    chart.text(left + room / 2, y.end + 10, title, anchor="middle")


DASHES = ("", "9 3.6", "3.6 2.9", "12 3.6 2.7 3.6", "16 5", "7 1.8 1.8 1.8")


def _line_of(result: WorkloadResult, arm: str, index: int) -> tuple[str, str, bool]:
    """Colour and dashes of an arm's line, and whether it is the pool's: dashes tell lines apart
    where colour does not."""
    own = next(item.arm.role == "pool" for item in result.arms if item.arm.name == arm)
    return "pool" if own else "rival", DASHES[index % len(DASHES)], own


def _labels_at_end(chart: Chart, right: float, y: Scale,
                   ends: Sequence[tuple[str, float, str, bool]]) -> None:
    """Names of lines beside their ends, moved apart, each with a stroke to where it ends."""
    in_order = sorted(ends, key=lambda end: -end[1])
    places: list[float] = []
    for _, value, _, _ in in_order:
        places.append(max(y(value), places[-1] + 13 if places else y.end))
    bottom = y.start
    for index in reversed(range(len(places))):  # back up from the bottom, as far as need be
        places[index] = min(places[index], bottom)
        bottom = places[index] - 13
    for (label, value, kind, own), place in zip(in_order, places):
        chart.strokes([((right + 1, y(value)), (right + 12, place))], kind, 0.7)
        chart.text(right + 17, place, label, "ink strong" if own else "")


def _signed_share(difference: float) -> str:
    text = f"{math.expm1(difference) * 100:+.0f} %"
    return "0" if text in ("+0 %", "-0 %") else text.replace("-", "−")


def _short_time(time_ns: float) -> str:
    size, unit = next(((size, unit) for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
                       if time_ns >= size), (1.0, "ns"))
    return f"{time_ns / size:g} {unit}"


def _ratio_limits(claims: Sequence[Claim]) -> tuple[float, float]:
    ends = [value for claim in claims for value in (claim.low, claim.ratio, claim.high)
            if 0 < value < math.inf]
    low, high = min([0.8, *ends]), max([1.25, *ends])
    room = (high / low)**0.06
    return low / room, high * room


def _ratio_ticks(low: float, high: float) -> list[float]:
    known = (0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 50,
             100)
    return _spread_out([value for value in known if low <= value <= high], low, high, room=0.105)


def _spread_out(values: Sequence[float], low: float, high: float, room: float) -> list[float]:
    """Those of the values, on a logarithmic axis, that have room: a share of the axis between
    labels.

    The nearest to 1 are kept first, and those too near to an end to be written are left out.
    """
    span = math.log(high / low)
    chosen: list[float] = []
    for value in sorted(values, key=lambda tick: (abs(math.log(tick)), tick)):
        place = math.log(value / low) / span
        if 0.03 <= place <= 0.97 and all(
                abs(math.log(value / other)) > room * span for other in chosen):
            chosen.append(value)
    return sorted(chosen)


def _claim_mark(chart: Chart, x: Scale, y: float, claim: Claim) -> None:
    """Interval and median: filled where the verdict is a claim, hollow and dashed where it is
    not."""
    kind = claim.verdict if claim.verdict in ("faster", "slower") else \
        "ink" if claim.proved else "muted"
    start, end = x(max(claim.low, x.low)), x(min(claim.high, x.high))
    chart.strokes([((start, y), (end, y))], kind, 2.4 if claim.proved else 1.4,
                  "" if claim.proved else "4 3")
    chart.mark(x(claim.ratio), y, kind, claim.proved, claim.verdict == "equal")


def _groups(result: WorkloadResult) -> list[tuple[str, list[ArmResult]]]:
    titles = {"malloc": "memory of any contents", "calloc": "zeroed memory",
              "": "floors and controls"}
    groups = [(title, [arm for arm in result.arms if arm.arm.promise == promise])
              for promise, title in titles.items()]
    return [(title, members) for title, members in groups if members]


def _time_axis(chart: Chart, times: Sequence[float], left: float, right: float, bottom: float,
               label: str) -> Scale:
    """A horizontal axis of times, logarithmic where they differ much."""
    low, high = min(times), max(times)
    room = 42 / (right - left)  # the share of it that a value takes
    unit_ns, unit = next(
        ((size, unit) for size, unit in ((1e6, "ms"), (1e3, "µs")) if high >= 10 * size),
        (1.0, "ns"))
    if high > 8 * low:
        x = Scale(low / 1.15, high * 1.15, left, right, logarithmic=True)
        steps = [step * power for power in decades(x.low / 10, x.high) for step in (1, 2, 5)]
        values = _spread_out(x.within(steps), x.low, x.high, room)
    else:
        x = Scale(0, high * 1.05, left, right)
        values = ticks(0, x.high, max(1, min(6, int(0.95 / room))))
    chart.across(x, bottom, values, lambda value: f"{value / unit_ns:g} {unit}" if value else "0",
                 label, 4)
    return x


def _place(chart: Chart, groups: Sequence[tuple[str, list[ArmResult]]], left: float,
           y: Scale) -> list[tuple[int, ArmResult]]:
    """Writes titles of groups and names of arms, a row each; returns each arm with its row."""
    places: list[tuple[int, ArmResult]] = []
    row = 0
    for title, members in groups:
        chart.text(left, y(row), title, "head")
        places += [(row + 1 + place, arm) for place, arm in enumerate(members)]
        row += len(members) + 1
    for row, arm in places:
        chart.text(left - 6, y(row), narrative.arm_label(arm.arm.name),
                   "ink strong" if arm.arm.role == "pool" else "", "end")
    return places


def _kind(arm: ArmResult) -> str:
    return arm.arm.role if arm.arm.role in ("pool", "rival") else "floor"


def _arm_dots(chart: Chart, places: Sequence[tuple[int, ArmResult]], x: Scale, y: Scale) -> None:
    """Each arm's rounds in its row."""
    for kind in ("pool", "rival", "floor"):
        chart.dots([dot for row, arm in places if _kind(arm) == kind
                    for dot in _in_order(arm.times_ns, row, 0.5, x, y)], kind, 3.2)


def _arm_spans(chart: Chart, places: Sequence[tuple[int, ArmResult]], x: Scale, y: Scale) -> None:
    """Each arm's range and quartiles in its row."""
    for kind in ("pool", "rival", "floor"):
        mine = [(y(row), [x(time) for time in numpy.quantile(arm.times_ns, [0, 0.25, 0.75, 1])])
                for row, arm in places if _kind(arm) == kind]
        chart.strokes([((span[0], at), (span[3], at)) for at, span in mine], kind, 1)
        chart.strokes([((span[1], at), (span[2], at)) for at, span in mine], kind, 7)


def _in_order(values: Sequence[float], row: float, spread: float, x: Scale,
              y: Scale) -> list[Point]:
    """A row's values as points, in the order of the rounds from top to bottom."""
    last = max(1, len(values) - 1)
    return [(x(value), y(row + spread * (index / last - 0.5)))
            for index, value in enumerate(values)]


MOMENTS = 400
"""A longer run's ledger is drawn as the worst of each of so many spans."""


def _worst_of_each_moment(minutes: numpy.ndarray, *columns: numpy.ndarray) -> list[numpy.ndarray]:
    """The columns, or where there are too many rows, their maxima over equal numbers of rows."""
    if len(minutes) <= MOMENTS:
        return [minutes, *columns]
    starts = numpy.linspace(0, len(minutes), MOMENTS, endpoint=False).astype(int)
    return [minutes[starts], *(numpy.maximum.reduceat(column, starts) for column in columns)]

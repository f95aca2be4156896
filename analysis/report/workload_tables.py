"""The tables of one workload."""

from __future__ import annotations

import math
import statistics
from typing import Iterable, Sequence

from analysis.report import narrative
from analysis.report.document import Cell, Column, Grid, Row, cells, slug
from analysis.report.tables import claim_cell
from analysis.runs import plan
from analysis.stats.secondary_metrics import Parts, Tail
from analysis.stats.verdicts import ArmResult, WorkloadResult
from analysis.system import units

USABLE = "usable_share"
"""The counter of a sample: the share of a capacity that was live when a request was refused."""

MOST_DRAWN = 5
"""Lines that one chart can hold and still be read."""

PERCENTILES = {"p50": "50 %", "p90": "90 %", "p99": "99 %", "p99_9": "99.9 %", "p99_99": "99.99 %",
               "max": "slowest"}
"""Percentile of a latency line → its heading."""


def by_promise(result: WorkloadResult) -> dict[str, list[ArmResult]]:
    """The arms of each promise that has any, the fastest first; those of none last."""
    groups = {promise: [arm for arm in result.arms if arm.arm.promise == promise]
              for promise in (*narrative.PROMISES, "")}
    return {promise: arms for promise, arms in groups.items() if arms}


def _look(arm: plan.Arm) -> str:
    """How an arm's row looks."""
    return {"pool": "own", "rival": ""}.get(arm.role, "aside")


def workload_grid(result: WorkloadResult, measured: Parts, arms: Sequence[plan.Arm] = ()) -> Grid:
    """All arms of one workload, fastest first: time, how the pool of equal promise compares, and
    where they were measured, usable capacity, work and memory. Then those of the run's `arms` that
    cannot do it."""
    name, capacity = result.workload.workload, result.workload.capacity_bytes
    extras = [(Column("usable", True, f"of {units.size(capacity)}, when a request was first"
                      " refused"), _usable_cell)] if capacity > 0 else []
    extras += [(Column("instructions", True), _work_cell)] if measured.has(
        measured.work, name) else []
    extras += [(Column("peak memory", True), _peak_cell)] if measured.has(
        measured.memory, name) else []
    by_pair = {(claim.arm, claim.baseline): claim for claim in result.claims}
    rows = []
    for promise, group in by_promise(result).items():
        pool = narrative.PROMISES[promise][0] if promise else ""
        for arm in group:
            about = "" if arm.arm.role == "rival" else plan.describe(arm.arm)
            spread = (f"{units.time(arm.low_ns)} to {units.time(arm.high_ns)}"
                      if math.isfinite(arm.high_ns) else "no interval")
            rows.append(Row([Cell(narrative.arm_label(arm.arm.name), about),
                             Cell(units.time(arm.time_ns), spread),
                             claim_cell(by_pair.get((pool, arm.arm.name))),
                             *(cell(arm, measured, name) for _, cell in extras)], _look(arm.arm)))
    rows += [Row([Cell(narrative.arm_label(arm.name),
                       result.workload.excluded.get(arm.benchmark_arm, arm.limits)),
                  Cell("not applicable"), *[Cell("–")] * (1 + len(extras))], "aside")
             for arm in arms if arm.name not in result.workload.arms]
    return Grid(f"arms-{slug(name)}",
                f"{units.count(result.launches, 'launch')} of {name}, two arms each",
                [Column("arm"), Column("median time", True), Column("pool’s ratio", True),
                 *(column for column, _ in extras)], rows)


def _usable_cell(arm: ArmResult, measured: Parts, workload: str) -> Cell:
    share = arm.counters.get(USABLE)
    return Cell("n/a", "no capacity", kind="off") if share is None else Cell(f"{100 * share:.1f} %")


def _work_cell(arm: ArmResult, measured: Parts, workload: str) -> Cell:
    instructions = measured.work.get((workload, arm.arm.name))
    return Cell("–" if instructions is None else units.amount(instructions))


def _peak_cell(arm: ArmResult, measured: Parts, workload: str) -> Cell:
    held = measured.memory.get((workload, arm.arm.name))
    if held is None:
        return Cell("–")
    return Cell(units.size(held.peak_bytes),
                "" if held.ratio is None else f"{units.ratio(held.ratio)}× live")


def drawn(result: WorkloadResult, there: Sequence[str]) -> list[str]:
    """The arms of a line chart, out of those that have something: the pools, the fastest rival of
    each, the baseline, then others from the fastest on."""
    contestants = [arm.arm.name for arm in result.arms if arm.arm.role in ("pool", "rival")]
    pools = [pool for pool, _ in narrative.PROMISES.values()]
    best = [claim.baseline for pool in pools if (claim := result.against_best(pool))]
    wanted = dict.fromkeys([*pools, *best, plan.BASELINE, *contestants])
    return [name for name in wanted if name in there][:MOST_DRAWN]


def memory_grid(result: WorkloadResult, measured: Parts) -> Grid | None:
    """What the arms of a workload occupied; None where nobody looked."""
    name = result.workload.workload
    helds = {arm: held for (workload, arm), held in measured.memory.items() if workload == name}
    if not helds:
        return None

    def size(size_bytes: float | None) -> str:
        return "–" if size_bytes is None else units.size(size_bytes)

    rows = [Row(cells(narrative.arm_label(arm.arm.name), size(held.peak_bytes),
                      "–" if held.ratio is None else f"{units.ratio(held.ratio)}×",
                      size(held.end_bytes), size(held.drained_bytes), f"{held.faults:,.0f}"),
                _look(arm.arm))
            for group in by_promise(result).values() for arm in group
            if (held := helds.get(arm.arm.name))]
    live = max(held.live_bytes for held in helds.values())
    return Grid(f"memory-{slug(name)}", f"Memory of {name}: medians over the processes; at most"
                f" {units.size(live)} live",
                [Column("arm"), *(Column(title, True) for title in (
                    "peak", "of live", "at the end", "drained", "page faults"))], rows)


def latency_grid(result: WorkloadResult, measured: Parts) -> Grid | None:
    """Times of single operations, of the arms that the chart draws; None where none were timed."""
    name = result.workload.workload
    pools = [pool for pool, _ in narrative.PROMISES.values()]
    rows = []
    for kind in measured.operations(name):
        tails = measured.tails(name, kind)
        rows += [_latency_row(f"{kind}, {narrative.arm_label(arm)}", tails[arm].latency_ns,
                              "own" if arm in pools else "") for arm in drawn(result, list(tails))]
        rows.append(_latency_row(f"{kind}, the clock alone", clock_of(tails.values()), "aside"))
    return Grid(f"latency-{slug(name)}",
                f"Single operations of {name}, one reading of the clock included",
                [Column("operation, arm"),
                 *(Column(title, True) for title in PERCENTILES.values())], rows) if rows else None


def _latency_row(title: str, times_ns: dict[str, float], look: str) -> Row:
    return Row(cells(title, *(units.time(times_ns[name]) for name in PERCENTILES)), look)


def clock_of(tails: Iterable[Tail]) -> dict[str, float]:
    """What the clock alone takes: medians over the arms."""
    tails = list(tails)
    return {percentile: statistics.median(tail.clock_ns[percentile] for tail in tails)
            for percentile in PERCENTILES}

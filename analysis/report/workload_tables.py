"""The tables of one workload."""

from __future__ import annotations

import math
import statistics
from typing import Iterable, Sequence

from analysis.report import narrative
from analysis.report.grid import Cell, Column, Grid, Row, cells, slug
from analysis.report.verdict_tables import claim_cell
from analysis.runs import plan
from analysis.stats.secondary_metrics import Held, Parts, Tail
from analysis.stats.verdicts import WorkloadResult
from analysis.system import units


def workload_grid(result: WorkloadResult, measured: Parts, arms: Sequence[plan.Arm] = ()) -> Grid:
    """All arms of one workload, fastest first: time, how the pool of equal promise compares, and
    where they were measured, usable capacity, work and memory. Then those of the run's `arms` that
    cannot do it."""
    name = result.workload.workload
    works, remembers = measured.has(measured.work, name), measured.has(measured.memory, name)
    fills = result.workload.capacity_bytes > 0
    by_pair = {(claim.arm, claim.baseline): claim for claim in result.claims}
    rows = []
    for promise in ("malloc", "calloc", ""):
        pool = narrative.PROMISES[promise][0] if promise else ""
        for arm in (item for item in result.arms if item.arm.promise == promise):
            claim = by_pair.get((pool, arm.arm.name))
            spread = (f"{units.time(arm.low_ns)} to {units.time(arm.high_ns)}"
                      if math.isfinite(arm.high_ns) else "no interval")
            role = arm.arm.role
            place = name, arm.arm.name
            row = [Cell(narrative.arm_label(arm.arm.name),
                        "" if role == "rival" else plan.describe(arm.arm)),
                   Cell(units.time(arm.time_ns), spread),
                   claim_cell(claim) if claim else Cell("–")]
            row += [_usable_cell(arm.counters.get(USABLE))] if fills else []
            row += [_work_cell(measured.work.get(place))] if works else []
            row += [_peak_cell(measured.memory.get(place))] if remembers else []
            rows.append(Row(row, "own" if role == "pool" else "" if role == "rival" else "aside"))
    unable = [arm for arm in arms if arm.name not in result.workload.arms]
    rows += [Row([Cell(narrative.arm_label(arm.name),
                       result.workload.excluded.get(arm.benchmark_arm, arm.limits)),
                  Cell("not applicable"), *[Cell("–")] * (1 + fills + works + remembers)], "aside")
             for arm in unable]
    columns = [Column("arm"), Column("median time", True), Column("pool’s ratio", True)]
    columns += [Column("usable", True, f"of {units.size(result.workload.capacity_bytes)}, when a"
                       " request was first refused")] if fills else []
    columns += [Column("instructions", True)] if works else []
    columns += [Column("peak memory", True)] if remembers else []
    return Grid(f"arms-{slug(name)}",
                f"{units.count(result.launches, 'launch')} of {name}, two arms each", columns,
                rows)


USABLE = "usable_share"
"""The counter of a sample: the share of a capacity that was live when a request was refused."""


def _usable_cell(share: float | None) -> Cell:
    if share is None:
        return Cell("n/a", "no capacity", kind="off")
    return Cell(f"{100 * share:.1f} %")


def _work_cell(instructions: float | None) -> Cell:
    return Cell("–") if instructions is None else Cell(units.amount(instructions))


def _peak_cell(held: Held | None) -> Cell:
    if held is None:
        return Cell("–")
    return Cell(units.size(held.peak_bytes), _of_live(held.ratio))


def _of_live(ratio: float | None) -> str:
    return "" if ratio is None else f"{units.ratio(ratio)}× live"


MOST_DRAWN = 5
"""Lines that one chart can hold and still be read."""


def drawn(result: WorkloadResult, there: Sequence[str]) -> list[str]:
    """The arms of a line chart, out of those that have something: the pools, the fastest rival of
    each, the baseline, then others from the fastest on."""
    contestants = [arm.arm.name for arm in result.arms if arm.arm.role in ("pool", "rival")]
    pools = [pool for pool, _, _ in narrative.PROMISES.values()]
    best = [claim.baseline for pool in pools if (claim := result.against_best(pool))]
    wanted = dict.fromkeys([*pools, *best, plan.BASELINE, *contestants])
    return [name for name in wanted if name in there][:MOST_DRAWN]


def memory_grid(result: WorkloadResult, measured: Parts) -> Grid | None:
    """What the arms of a workload occupied; None where nobody looked."""
    name = result.workload.workload
    rows = []
    for promise in (*narrative.PROMISES, ""):
        for arm in result.arms:
            held = measured.memory.get((name, arm.arm.name))
            if arm.arm.promise != promise or held is None:
                continue
            rows.append(Row(cells(
                narrative.arm_label(arm.arm.name), units.size(held.peak_bytes),
                f"{units.ratio(held.ratio)}×" if held.ratio is not None else "–",
                _size(held.end_bytes), _size(held.drained_bytes), f"{held.faults:,.0f}"),
                "own" if arm.arm.role == "pool" else "" if arm.arm.promise else "aside"))
    if not rows:
        return None
    live = max(held.live_bytes for (workload, _), held in measured.memory.items()
               if workload == name)
    columns = [Column("arm"), Column("peak", True), Column("of live", True),
               Column("at the end", True), Column("drained", True), Column("page faults", True)]
    return Grid(f"memory-{slug(name)}", f"Memory of {name}: medians over the processes; at most"
                f" {units.size(live)} live", columns, rows)


def _size(size_bytes: float | None) -> str:
    return "–" if size_bytes is None else units.size(size_bytes)


PERCENTILES = {"p50": "50 %", "p90": "90 %", "p99": "99 %", "p99_9": "99.9 %", "p99_99": "99.99 %",
               "max": "slowest"}
"""Percentile of a latency line → its heading."""


def latency_grid(result: WorkloadResult, measured: Parts) -> Grid | None:
    """Times of single operations, of the arms that the chart draws; None where none were timed."""
    name = result.workload.workload
    rows = []
    for kind in measured.operations(name):
        tails = {arm: tail for (workload, arm, operation), tail in measured.latency.items()
                 if workload == name and operation == kind}
        for arm in drawn(result, list(tails)):
            own = arm in (pool for pool, _, _ in narrative.PROMISES.values())
            rows.append(Row(_tail_cells(f"{kind}, {narrative.arm_label(arm)}",
                                        tails[arm].latency_ns),
                            "own" if own else ""))
        rows.append(Row(_tail_cells(f"{kind}, the clock alone", clock_of(tails.values())), "aside"))
    if not rows:
        return None
    return Grid(f"latency-{slug(name)}",
                f"Single operations of {name}, one reading of the clock included",
                [Column("operation, arm"),
                 *(Column(title, True) for title in PERCENTILES.values())], rows)


def clock_of(tails: Iterable[Tail]) -> dict[str, float]:
    """What the clock alone takes: medians over the arms."""
    tails = list(tails)
    return {percentile: statistics.median(tail.clock_ns[percentile] for tail in tails)
            for percentile in PERCENTILES}


def _tail_cells(title: str, times_ns: dict[str, float]) -> list[Cell]:
    return cells(title, *(units.time(times_ns[percentile]) for percentile in PERCENTILES))

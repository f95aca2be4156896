"""The tables of a run: verdicts, what it could see, what it ran on, and those of each workload."""

import math
import pathlib
from typing import Any, Iterable, Sequence

from analysis.report import narrative
from analysis.report.document import Cell, Column, Grid, Row, cells, slug
from analysis.runs import plan
from analysis.runs.samples import Side
from analysis.stats import inference
from analysis.stats.verdicts import Analysis, ArmResult, Claim, Medians, WorkloadResult
from analysis.system import units

# --- Verdicts -------------------------------------------------------------------------------------


def against_best(analysis: Analysis, promise: str) -> list[tuple[WorkloadResult, Claim]]:
    """The pool of a promise against its fastest malloc, on each workload where both ran."""
    pool, _ = narrative.PROMISES[promise]
    return [(result, claim) for result in analysis.results if (claim := result.against_best(pool))]


def claim_cell(claim: Claim | None) -> Cell:
    """A ratio with its interval and verdict."""
    if claim is None:
        return Cell("–")
    note = "; ".join(filter(None, (narrative.interval(claim), claim.doubt)))
    return Cell(f"{units.ratio(claim.ratio)}×", note, claim.verdict)


def map_grid(analysis: Analysis, promise: str) -> Grid | None:
    """The pool against every malloc of one promise on each workload. None if nothing of it ran."""
    pool, _ = narrative.PROMISES[promise]
    mallocs = [arm.name for arm in analysis.plan.arms
               if arm.role == "malloc" and arm.promise == promise]
    rows = [Row([Cell(result.workload.workload), *(_map_cell(result, pool, name)
                                                   for name in mallocs)])
            for result in analysis.results
            if any(arm.arm.promise == promise for arm in result.arms)]
    return Grid(f"map-{promise}", f"{pool} against each {promise}: how many times as fast",
                [Column("workload"), *(Column(narrative.arm_label(name).removesuffix(" calloc"))
                                       for name in mallocs)], rows, "map") if rows else None


def _map_cell(result: WorkloadResult, pool: str, malloc: str) -> Cell:
    for claim in result.claims:
        if (claim.arm, claim.baseline) == (pool, malloc):
            return claim_cell(claim)
    for name in (malloc, pool):
        if any(refusal.arm == name for refusal in result.refusals):
            return Cell("refused", narrative.arm_label(name), kind="off")
        if name not in result.workload.arms:
            return Cell("n/a", "" if name == malloc else f"no {pool}", kind="off")
    return Cell("no launches", kind="off")


def headlines(analysis: Analysis) -> list[Claim]:
    """Each pool against its fastest malloc on the workloads that the user named, or on all: the
    three with the widest proved margins, or, where nothing is proved, the narrowest interval."""
    named = narrative.named(analysis)
    found = [claim for promise in narrative.PROMISES
             for result, claim in against_best(analysis, promise)
             if result in named or not named]
    return sorted(found, key=lambda claim: (
        not claim.proved, -max(claim.interval.low, -claim.interval.high) if claim.proved
        else claim.interval.half_width))[:3]


# --- What the run could see -----------------------------------------------------------------------


def noise_grid(analysis: Analysis) -> Grid:
    """δ and what it makes provable, and what became of the controls, for each workload."""
    rows = [Row(cells(
        result.workload.workload, str(result.launches),
        units.signed_percent(null.interval.median) if (null := result.controls.get("null"))
        else "none",
        units.percent(result.limit), units.percent(narrative.smallest_provable(analysis, result)),
        _delay_cell(result), _bias_cell(result))) for result in analysis.results]
    return Grid("noise-table", "The noise of each workload, the smallest difference that its claims"
                " could have proved, and its controls",
                [Column("workload"), Column("launches", True), Column("null pair, median", True),
                 Column("δ", True), Column("smallest provable difference", True),
                 Column("known delay", True), Column("largest bias of turns", True)], rows)


def _delay_cell(result: WorkloadResult) -> Cell:
    """Whether the delay that was added to the pool was found."""
    claim = result.controls.get("delay")
    if claim is None:
        return Cell("–")
    seen = claim.interval.high < 0 and claim.p <= inference.ALPHA
    added = next(arm.arm.delay_percent for arm in result.arms if arm.arm.name == claim.arm)
    return Cell("seen" if seen else "missed", f"of {added:g} %")


def _bias_cell(result: WorkloadResult) -> Cell:
    """The arm whose turns are most biased, and those beyond the method's limit."""
    biases = {arm.arm.name: arm.bias.median for arm in result.arms if arm.bias}
    if not biases:
        return Cell("–")
    name = max(biases, key=lambda name: abs(biases[name]))
    beyond = ", ".join(narrative.arm_label(arm.arm.name) for arm in result.biased)
    return Cell(units.signed_percent(biases[name]), narrative.arm_label(name)
                + (f"; too much: {beyond}" if beyond else ""))


# --- What it ran on -------------------------------------------------------------------------------


_PROVED = {"compiler": "compiler", "compiler_flags": "compiler flags",
           "benchmark_version": "Google Benchmark"}


def environment_grid(analysis: Analysis) -> Grid:
    """Machine, compiler and versions, and what the machine did."""
    facts = analysis.plan.environment
    rows = [(key.removesuffix("_bytes").replace("_", " "), _fact(key, value))
            for key, value in facts.items() if value not in (None, "", {})]
    rows += [(title, ", ".join(sorted({getattr(side, column) for side in analysis.sides})))
             for column, title in _PROVED.items()]
    launches = analysis.record.launches
    wall_s = sum(launch.wall_s for launch in launches) or 1.0
    rows += [
        ("meanwhile stolen by the hypervisor",
         units.share(sum(launch.steal_s for launch in launches) / wall_s, 2)),
        ("meanwhile waiting for a processor",
         units.share(sum(launch.pressure_s or 0.0 for launch in launches) / wall_s, 1))]
    return Grid("facts-table", "The machine and the software",
                [Column("what"), Column("value")], [Row(cells(*row)) for row in rows])


def _fact(key: str, value: Any) -> str:
    if key.endswith("_bytes"):
        return units.size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items() if number)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def libraries_grid(analysis: Analysis) -> Grid:
    """Which file served malloc in which arms, by their own proof; the binary and the traces."""
    run = analysis.plan

    def arms_of(group: Iterable[Side]) -> str:
        there = {side.arm for side in group}
        return ", ".join(narrative.arm_label(arm.name) for arm in run.arms if arm.name in there)

    owners = sorted({(side.malloc_owner, side.malloc_sha256) for side in analysis.sides})
    rows = [(owner, arms_of(side for side in analysis.sides
                            if (side.malloc_owner, side.malloc_sha256) == (owner, digest)),
             digest[:16]) for owner, digest in owners]
    rows.append((pathlib.Path(run.benchmark["path"]).name, "all", run.benchmark["sha256"][:16]))
    rows += [(f"trace {trace.name}", trace.origin or "given by file", trace.sha256[:16])
             for trace in run.traces]
    return Grid("libraries-table",
                "Files that the result depends on; malloc’s owner as each process proved it",
                [Column("file"), Column("in these arms"),
                 Column("SHA-256, first half of 32 digits")], [Row(cells(*row)) for row in rows])


# --- Of one workload ------------------------------------------------------------------------------


PERCENTILES = {"p50": "50 %", "p90": "90 %", "p99": "99 %", "p99_9": "99.9 %", "p99_99": "99.99 %",
               "max": "slowest"}
"""Percentile of a latency → its heading."""


def by_promise(result: WorkloadResult) -> dict[str, list[ArmResult]]:
    """The arms of each promise that has any, the fastest first; those of none last."""
    groups = {promise: [arm for arm in result.arms if arm.arm.promise == promise]
              for promise in (*narrative.PROMISES, "")}
    return {promise: arms for promise, arms in groups.items() if arms}


def _look(arm: plan.Arm) -> str:
    """How an arm's row looks."""
    return {"pool": "own", "malloc": ""}.get(arm.role, "aside")


def workload_grid(result: WorkloadResult, work: Medians, arms: Sequence[plan.Arm] = ()) -> Grid:
    """All arms of one workload, fastest first: time, how the pool of equal promise compares, and
    where they were measured, usable capacity and work. Then those of the run's `arms` that cannot
    do it."""
    name, capacity = result.workload.workload, result.workload.capacity_bytes
    extras = [(Column("usable", True, f"of {units.size(capacity)}, when a request was first"
                      " refused"), lambda arm: Cell("n/a", "no capacity", kind="off")
               if arm.usable_share is None else Cell(f"{100 * arm.usable_share:.1f} %"))
              ] if capacity > 0 else []
    extras += [(Column("instructions", True), lambda arm: Cell(
        units.amount(work[arm.arm.name]["instructions"]) if arm.arm.name in work else "–"))
               ] if work else []
    by_pair = {(claim.arm, claim.baseline): claim for claim in result.claims}
    rows = []
    for promise, group in by_promise(result).items():
        pool = narrative.PROMISES[promise][0] if promise else ""
        for arm in group:
            about = "" if arm.arm.role == "malloc" else arm.arm.about
            spread = (f"{units.time(arm.low_ns)} to {units.time(arm.high_ns)}"
                      if math.isfinite(arm.high_ns) else "no interval")
            rows.append(Row([Cell(narrative.arm_label(arm.arm.name), about),
                             Cell(units.time(arm.time_ns), spread),
                             claim_cell(by_pair.get((pool, arm.arm.name))),
                             *(cell(arm) for _, cell in extras)], _look(arm.arm)))
    rows += [Row([Cell(narrative.arm_label(arm.name),
                       result.workload.excluded.get(arm.benchmark_arm, arm.limits)),
                  Cell("not applicable"), *[Cell("–")] * (1 + len(extras))], "aside")
             for arm in arms if arm.name not in result.workload.arms]
    return Grid(f"arms-{slug(name)}",
                f"{units.count(result.launches, 'launch')} of {name}, two arms each",
                [Column("arm"), Column("median time", True), Column("pool’s ratio", True),
                 *(column for column, _ in extras)], rows)


def memory_grid(result: WorkloadResult, held: Medians) -> Grid | None:
    """What the arms of a workload occupied; None where nobody looked."""
    def size(figures: dict[str, float], name: str) -> str:
        return units.size(figures[name]) if name in figures else "–"

    def row(arm: ArmResult) -> Row:
        figures = held[arm.arm.name]
        live, peak = figures.get("peak_live_bytes"), figures.get("peak_bytes")
        return Row(cells(narrative.arm_label(arm.arm.name), size(figures, "peak_bytes"),
                         f"{units.ratio(peak / live)}×" if live and peak is not None else "–",
                         size(figures, "end_bytes"), size(figures, "drained_bytes"),
                         f"{figures.get('faults', 0):,.0f}"), _look(arm.arm))

    name = result.workload.workload
    live = max((figures.get("peak_live_bytes", 0.0) for figures in held.values()), default=0.0)
    rows = [row(arm) for group in by_promise(result).values() for arm in group
            if arm.arm.name in held]
    return Grid(f"memory-{slug(name)}", f"Memory of {name}: medians over the processes; at most"
                f" {units.size(live)} live",
                [Column("arm"), *(Column(title, True) for title in (
                    "peak", "of live", "at the end", "drained", "page faults"))],
                rows) if rows else None


def latency_grid(result: WorkloadResult, timed: Medians) -> Grid | None:
    """Times of single operations of the pools and mallocs; None where none were timed."""
    def row(kind: str, arm: str, look: str) -> Row:
        times_ns = [timed[arm].get(f"{kind} {name}") for name in PERCENTILES]
        return Row(cells(f"{kind}, {narrative.arm_label(arm)}", *(
            "–" if time_ns is None else units.time(time_ns) for time_ns in times_ns)), look)

    name = result.workload.workload
    there = [arm.arm for arm in result.arms
             if arm.arm.name in timed and arm.arm.role in ("pool", "malloc")]
    rows = [row(kind, arm.name, _look(arm)) for kind in ("alloc", "free", "realloc")
            for arm in there if f"{kind} p50" in timed[arm.name]]
    rows += [row("clock", arm.name, "aside") for arm in there[:1]]
    return Grid(f"latency-{slug(name)}",
                f"Single operations of {name}, one reading of the clock included",
                [Column("operation, arm"),
                 *(Column(title, True) for title in PERCENTILES.values())], rows) if rows else None

"""The tables of a run: verdicts, what it could see, what it ran on, and those of each workload."""

from __future__ import annotations

import math
import pathlib
import statistics
from typing import Any, Iterable, Sequence

from analysis.report import narrative
from analysis.report.document import Cell, Column, Grid, Row, cells, slug
from analysis.runs import plan
from analysis.runs.samples import Side
from analysis.stats.secondary_metrics import Parts, Tail
from analysis.stats.verdicts import Analysis, ArmResult, Claim, WorkloadResult
from analysis.system import units

# --- Verdicts -------------------------------------------------------------------------------------


def against_best(analysis: Analysis, promise: str) -> list[tuple[WorkloadResult, Claim]]:
    """The pool of a promise against its fastest rival, on each workload where both ran."""
    pool, _ = narrative.PROMISES[promise]
    return [(result, claim) for result in analysis.results if (claim := result.against_best(pool))]


def claim_cell(claim: Claim | None) -> Cell:
    """A ratio with its interval and verdict."""
    if claim is None:
        return Cell("–")
    return Cell(f"{units.ratio(claim.ratio)}×", narrative.interval(claim), claim.verdict)


def map_grid(analysis: Analysis, promise: str, front: bool = True) -> Grid | None:
    """Who is in front on each workload if that is wanted, and the pool against every rival of one
    promise, those that do not apply or are absent included. None if nothing of this promise ran."""
    pool, _ = narrative.PROMISES[promise]
    rivals = [arm.name for arm in analysis.plan.arms
              if arm.role == "rival" and arm.promise == promise]
    absent = [item for item in analysis.plan.absent
              if promise == "calloc" or not item["arm"].endswith("-calloc")]
    rows = [Row([Cell(result.workload.workload),
                 *([_leader_cell(result.leaders.get(promise), pool)] if front else []),
                 *(_map_cell(result, pool, name) for name in rivals),
                 *(Cell("absent", kind="off") for _ in absent)])
            for result in analysis.results
            if any(arm.arm.promise == promise for arm in result.arms)]
    if not rows:
        return None
    columns = [Column("workload"), *([Column("in front")] if front else []),
               *(Column(narrative.arm_label(name).removesuffix(" calloc")) for name in rivals),
               *(Column(item["arm"], note=f"install {item['package']}") for item in absent)]
    return Grid(f"map-{promise}", f"{pool} against each {promise}: how many times as fast", columns,
                rows, "map")


def _map_cell(result: WorkloadResult, pool: str, rival: str) -> Cell:
    for claim in result.claims:
        if (claim.arm, claim.baseline, claim.kind) == (pool, rival, "claim"):
            return claim_cell(claim)
    for name in (rival, pool):
        if any(refusal.arm == name for refusal in result.refusals):
            return Cell("refused", narrative.arm_label(name), kind="off")
        if name not in result.workload.arms:
            return Cell("n/a", "" if name == rival else f"no {pool}", kind="off")
    return Cell("no launches", kind="off")


def _leader_cell(claim: Claim | None, pool: str) -> Cell:
    """The fastest arm and its lead over the runner-up: a winner only where that is proved."""
    if claim is None:
        return Cell("n/a", "no rival", kind="off")
    arm, runner_up = (narrative.arm_label(name).removesuffix(" calloc")
                      for name in (claim.arm, claim.baseline))
    won = claim.arm != pool and claim.verdict == "faster"
    return Cell(arm, f"{units.ratio(claim.ratio)}× {runner_up}, {narrative.interval(claim)}",
                claim.verdict, "theirs" if won else "")


def headlines(analysis: Analysis) -> list[Claim]:
    """The claims that say most: of each pool against its fastest rival, those of workloads that
    the user named, then the widest proved margin each way. Where nothing is proved, the claim that
    came nearest to telling."""
    named = narrative.named(analysis)[:3]
    found: list[Claim | None] = []
    for pairs in (against_best(analysis, promise) for promise in narrative.PROMISES):
        found += [claim for result, claim in pairs if result in named]
        claims = [claim for _, claim in pairs]
        proved = [claim for claim in claims if claim.proved]
        found += [max((claim for claim in proved if claim.verdict == verdict), default=None,
                      key=lambda claim: max(claim.interval.low, -claim.interval.high))
                  for verdict in ("faster", "slower", "equal")]
        if not proved and claims:
            found.append(min(claims, key=lambda claim: claim.interval.half_width))
    return list({(claim.workload, claim.arm): claim for claim in found if claim}.values())


# --- What the run could see -----------------------------------------------------------------------


def noise_grid(analysis: Analysis) -> Grid:
    """δ and what it makes provable, for each workload."""
    rows = [Row(cells(
        result.workload.workload, str(result.launches),
        units.signed_percent(result.null.interval.median) if result.null else "none",
        units.percent(result.limit),
        units.percent(narrative.smallest_provable(analysis, result)), _bias_cell(result)))
        for result in analysis.results]
    return Grid("noise-table", "The noise of each workload, and the smallest difference that its"
                " claims could have proved",
                [Column("workload"), Column("launches", True), Column("null pair, median", True),
                 Column("δ", True), Column("smallest provable difference", True),
                 Column("largest bias of turns", True)], rows)


def _bias_cell(result: WorkloadResult) -> Cell:
    """The arm whose time in turns is farthest from its time alone."""
    biases = {arm.arm.name: arm.bias.median for arm in result.arms if arm.bias}
    if not biases:
        return Cell("–")
    name = max(biases, key=lambda name: abs(biases[name]))
    return Cell(units.signed_percent(biases[name]), narrative.arm_label(name))


# --- What it ran on -------------------------------------------------------------------------------


def facts_grid(name: str, caption: str, rows: Iterable[tuple[str, str | Cell]],
               number: bool = False) -> Grid:
    """A table of two columns."""
    return Grid(name, caption, [Column("what"), Column("value", number)],
                [Row(cells(*row)) for row in rows])


def machine_grid(analysis: Analysis) -> Grid:
    """What the machine did, in figures."""
    launches, sides = analysis.record.launches, analysis.sides
    rows = [("launches", f"{len(launches):,}")]
    if launches:
        wall_s = sum(launch.wall_s for launch in launches)
        waits = [launch for launch in launches if launch.pressure_s is not None]
        switches = [side.involuntary_switches for side in sides]
        stolen = units.share(sum(launch.steal_s for launch in launches) / wall_s, 2)
        worst = max(launch.steal_s / launch.wall_s for launch in launches)
        rows += [("turns", f"{sum(len(side.cpu_ns) for side in sides):,}"),
                 ("stolen by the hypervisor",
                  f"{stolen}, of a launch at most {units.share(worst)}"),
                 ("involuntary switches a process",
                  f"{statistics.median(switches):.0f} (median), {max(switches):.0f} (most)"),
                 ("major page faults", f"{sum(side.major_faults for side in sides):,.0f}")]
    if launches and waits:
        waited = units.share(sum(launch.pressure_s or 0 for launch in waits) / wall_s, 1)
        worst = max((launch.pressure_s or 0) / launch.wall_s for launch in waits)
        rows.append(("waiting for a processor", f"{waited}, of a launch at most"
                                                f" {units.share(worst)}"))
    return facts_grid("machine-table", "What the machine did meanwhile", rows, True)


_PROVED = {"compiler": "compiler", "compiler_flags": "compiler flags",
           "benchmark_version": "Google Benchmark"}


def environment_grid(analysis: Analysis) -> Grid:
    """Machine, compiler and versions."""
    facts = analysis.plan.environment
    rows = [(key.removesuffix("_bytes").replace("_", " "), _fact(key, value))
            for key, value in facts.items() if value not in (None, "", {})]
    rows += [(title, ", ".join(sorted({getattr(side, column) for side in analysis.sides})))
             for column, title in _PROVED.items() if analysis.sides]
    return facts_grid("facts-table", "The machine and the software", rows)


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
    """Which file served malloc in which arms, by the processes' own proof; and the binary and
    traces."""
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
    absent = [(item["arm"], f"absent: install {item['package']}", "–") for item in run.absent]
    return Grid("libraries-table",
                "Files that the result depends on; malloc’s owner as each process proved it",
                [Column("file"), Column("in these arms"),
                 Column("SHA-256, first half of 32 digits")],
                [Row(cells(*row)) for row in rows] + [Row(cells(*row), "aside") for row in absent])


def bugs_grid(board: dict[str, Any]) -> Grid:
    """The scoreboard of planted bugs, a row a class."""
    bugs = [score for score in board["scores"] if score["kind"] == "bug"]
    rows = []
    for name in sorted({score["class"] for score in bugs}):
        scores = [score for score in bugs if score["class"] == name]
        took = [score["median_found"] or 0 for score in scores if score["verdict"] == "found"]
        oracles = sorted({oracle for score in scores for oracle in score["oracles"]})
        rows.append(Row(cells(name, f"{len(took)} of {len(scores)}",
                              f"{max(took):,.0f}" if took else "–", ", ".join(oracles) or "none")))
    return Grid("bugs-table", "Planted bugs by class, and the executions until the slowest of each"
                " was found", [Column("class"), Column("found", True),
                               Column("executions", True), Column("seen by")], rows)


# --- Of one workload ------------------------------------------------------------------------------


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
    where they were measured, usable capacity and work. Then those of the run's `arms` that cannot
    do it."""
    name, capacity = result.workload.workload, result.workload.capacity_bytes
    extras = [(Column("usable", True, f"of {units.size(capacity)}, when a request was first"
                      " refused"), _usable_cell)] if capacity > 0 else []
    extras += [(Column("instructions", True), _work_cell)] if any(
        place[0] == name for place in measured.work) else []
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

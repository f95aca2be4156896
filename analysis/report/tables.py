"""The tables of a run as a whole: verdicts, what it could see, and what it ran on."""

from __future__ import annotations

import pathlib
import statistics
from typing import Any, Iterable

from analysis.report import narrative
from analysis.report.document import SIGNS, Cell, Column, Grid, Row, cells
from analysis.runs.samples import Side
from analysis.stats.verdicts import Analysis, Claim, WorkloadResult
from analysis.system import units

# --- Verdicts -------------------------------------------------------------------------------------


def against_best(analysis: Analysis, promise: str) -> list[tuple[WorkloadResult, Claim]]:
    """The pool of a promise against its fastest rival, on each workload where both ran."""
    pool, _ = narrative.PROMISES[promise]
    return [(result, claim) for result in analysis.results if (claim := result.against_best(pool))]


def promises(analysis: Analysis) -> list[str]:
    """The promises under which this run compared a pool with a rival."""
    return [promise for promise in narrative.PROMISES if against_best(analysis, promise)]


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
    found = [claim for promise in promises(analysis)
             for result, claim in against_best(analysis, promise)
             if result in narrative.named(analysis)[:3]]
    for promise in promises(analysis):
        claims = [claim for _, claim in against_best(analysis, promise)]
        proved = [claim for claim in claims if claim.proved]
        found += [max((claim for claim in proved if claim.verdict == verdict), default=None,
                      key=lambda claim: max(claim.interval.low, -claim.interval.high))
                  for verdict in ("faster", "slower", "equal")]
        if not proved:
            found.append(min(claims, key=lambda claim: claim.interval.half_width))
    return list({(claim.workload, claim.arm): claim for claim in found if claim}.values())


# --- What the run could see -----------------------------------------------------------------------


def sight_grid(analysis: Analysis) -> Grid:
    """What this run could see, at a glance."""
    return Grid("sight-facts", "What this run could see", [Column("asked"), Column("answer")],
                [Row([Cell(what), Cell(value, note)])
                 for what, value, note in narrative.sight(analysis)])


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


LARGE_HARNESS = 0.2
"""A share of the fastest contestant's time that a workload must explain."""


def floors_grid(analysis: Analysis) -> Grid:
    """The floors, and the harness's share of the fastest contestant."""
    names = [arm.name for arm in analysis.plan.arms if arm.role == "floor"]
    rows = []
    for result in analysis.results:
        fastest = next((arm for arm in result.arms if arm.arm.role in ("pool", "rival")), None)
        floors = [result.arm(name) for name in names]
        if fastest is None or not any(floors):
            continue
        share = result.harness_share
        why = result.workload.harness if share and share > LARGE_HARNESS else ""
        rows.append(Row(cells(
            result.workload.workload,
            Cell(units.time(fastest.time_ns), narrative.arm_label(fastest.arm.name)),
            *(units.time(arm.time_ns) if arm else "–" for arm in floors),
            Cell(units.share(share) if share else "–", why))))
    columns = [Column("workload"), Column("fastest contestant", True),
               *(Column(name, True) for name in names), Column("harness share", True)]
    return Grid("floors-table", "Time of an operation, median over the launches", columns, rows)


# --- What it ran on -------------------------------------------------------------------------------


def _facts(name: str, caption: str, rows: Iterable[tuple[str, str]], number: bool) -> Grid:
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
    return _facts("machine-table", "What the machine did meanwhile", rows, True)


_FACTS = {"processor": "processor", "processors": "processors", "architecture": "architecture",
          "memory_bytes": "memory", "virtual_machine": "virtual machine", "system": "system",
          "kernel": "kernel", "c_library": "C library", "huge_pages": "transparent huge pages",
          "address_randomisation": "address randomisation",
          "frequency_governor": "frequency governor", "load_at_start": "load at the start",
          "source": "sources", "poolproof": "Poolproof", "python": "Python"}
_PROVED = {"compiler": "compiler", "compiler_flags": "compiler flags",
           "benchmark_version": "Google Benchmark"}


def environment_grid(analysis: Analysis) -> Grid:
    """Machine, compiler and versions."""
    facts = analysis.plan.environment
    rows = [(title, _fact(key, facts[key])) for key, title in _FACTS.items()
            if facts.get(key) not in (None, "")]
    rows += [(title, ", ".join(sorted({getattr(side, column) for side in analysis.sides})))
             for column, title in _PROVED.items() if analysis.sides]
    libraries = [f"{name} {number}" for name, number in (facts.get("libraries") or {}).items()
                 if number]
    rows += [("statistics by", ", ".join(libraries))] if libraries else []
    removed = facts.get("variables_removed") or ["none was set"]
    rows.append(("variables kept from the samples", ", ".join(removed)))
    return _facts("facts-table", "The machine and the software", rows, False)


def _fact(key: str, value: Any) -> str:
    if key == "memory_bytes":
        return units.size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def libraries_grid(analysis: Analysis) -> Grid:
    """Which file served malloc in which arms, by the processes' own proof; and the binary and
    traces."""
    plan = analysis.plan

    def arms_of(group: Iterable[Side]) -> str:
        there = {side.arm for side in group}
        return ", ".join(narrative.arm_label(arm.name) for arm in plan.arms if arm.name in there)

    owners = sorted({(side.malloc_owner, side.malloc_sha256) for side in analysis.sides})
    rows = [(owner, arms_of(side for side in analysis.sides
                            if (side.malloc_owner, side.malloc_sha256) == (owner, digest)),
             digest[:16]) for owner, digest in owners]
    rows.append((pathlib.Path(plan.benchmark["path"]).name, "all", plan.benchmark["sha256"][:16]))
    rows += [(f"trace {trace.name}", trace.origin or "given by file", trace.sha256[:16])
             for trace in plan.traces]
    absent = [(item["arm"], f"absent: install {item['package']}", "–") for item in plan.absent]
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

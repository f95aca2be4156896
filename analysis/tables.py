"""The tables of a report: each a Grid, which HTML, Markdown and the terminal lay out alike."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re
from typing import Any, Sequence

from analysis import wording
from analysis.verdicts import Analysis, Claim, WorkloadResult


@dataclasses.dataclass(frozen=True)
class Column:
    """A column's heading, and whether it holds numbers."""

    title: str
    number: bool = False


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell: text, a smaller note under it, and a verdict if it states one."""

    text: str
    note: str = ""
    verdict: str = ""

    @property
    def sign(self) -> str:
        """The verdict's shape."""
        return wording.SIGNS.get(self.verdict, "")


@dataclasses.dataclass(frozen=True)
class Row:
    """The first cell is the row's heading."""

    cells: list[Cell]
    kind: str = ""
    """"own" for the pool's rows, "aside" for those that are not contestants."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table with its caption."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[Row]


def promises(analysis: Analysis) -> list[str]:
    """The promises under which this run compared a pool with a rival."""
    return [promise for promise, (pool, _, _) in wording.PROMISES.items()
            if any(result.against_best(pool) for result in analysis.results)]


def answers_grid(family: str, results: Sequence[WorkloadResult]) -> Grid:
    """Workloads that ask the same: each pool against the fastest rival, in a cell."""
    pools = [pool for pool, _, _ in wording.PROMISES.values()
             if any(result.against_best(pool) for result in results)]
    rows = []
    for result in results:
        cells = [Cell(result.workload.workload.partition("/")[2])]
        for pool in pools:
            claim = result.against_best(pool)
            if claim is None:
                cells.append(Cell("–"))
                continue
            rival = wording.arm_label(claim.baseline).removesuffix(" calloc")
            cells.append(Cell(f"{wording.ratio(claim.ratio)}×",
                              f"{wording.interval(claim)} · {rival}", claim.verdict))
        rows.append(Row(cells))
    return Grid(f"answers-{slug(family)}", f"{family}/…: the pool against its fastest rival",
                [Column("workload"), *(Column(pool) for pool in pools)], rows)


def _cells(*texts: str | Cell) -> list[Cell]:
    return [text if isinstance(text, Cell) else Cell(text) for text in texts]


def _claim_cell(claim: Claim | None) -> Cell:
    if claim is None:
        return Cell("–")
    return Cell(f"{wording.ratio(claim.ratio)}×", wording.interval(claim), claim.verdict)


def headline_grid(analysis: Analysis, promise: str) -> Grid:
    """The pool against the fastest rival of one promise on each workload."""
    pool = wording.PROMISES[promise][0]
    rows = []
    for result in analysis.results:
        claim = result.against_best(pool)
        if claim is not None:
            rows.append(
                Row(
                    _cells(claim.workload, wording.arm_label(claim.baseline),
                           f"{wording.ratio(claim.ratio)}×", wording.interval(claim),
                           Cell(claim.verdict, verdict=claim.verdict))))
    columns = [
        Column("workload"),
        Column("fastest rival"),
        Column("ratio", True),
        Column("95 % interval", True),
        Column("verdict")
    ]
    return Grid(f"headline-{promise}", f"{pool} against the fastest {promise}", columns, rows)


def map_grid(analysis: Analysis, promise: str) -> Grid | None:
    """The pool against every rival of one promise; None if there are none."""
    pool = wording.PROMISES[promise][0]
    rivals = [
        arm.name for arm in analysis.plan.arms if arm.role == "rival" and arm.promise == promise
    ]
    rows = []
    for result in analysis.results:
        by_rival = {claim.baseline: claim for claim in result.claims if claim.arm == pool}
        if by_rival:
            rows.append(
                Row(
                    _cells(result.workload.workload,
                           *(_claim_cell(by_rival.get(name)) for name in rivals))))
    if not rows:
        return None
    columns = [Column("workload"), *(Column(wording.arm_label(name)) for name in rivals)]
    return Grid(f"map-{promise}", f"{pool} against each {promise}", columns, rows)


def leaders_grid(analysis: Analysis) -> Grid:
    """The fastest arm of each promise against its runner-up."""
    rows = []
    for result in analysis.results:
        for promise, claim in result.leaders.items():
            if claim is None:
                continue
            own = analysis.plan.arm(claim.arm).role == "pool"
            rows.append(
                Row(
                    _cells(Cell(result.workload.workload, promise), wording.arm_label(claim.arm),
                           wording.arm_label(claim.baseline), f"{wording.ratio(claim.ratio)}×",
                           wording.interval(claim), Cell(claim.verdict, verdict=claim.verdict)),
                    "own" if own else ""))
    columns = [
        Column("workload"),
        Column("in front"),
        Column("runner-up"),
        Column("ratio", True),
        Column("95 % interval", True),
        Column("verdict")
    ]
    return Grid(
        "leaders-table",
        "The arm in front, against its runner-up: a winner only where the verdict is"
        " faster", columns, rows)


def noise_grid(analysis: Analysis) -> Grid:
    """δ and what it makes provable, for each workload."""
    rows = []
    for result in analysis.results:
        null = result.null
        rows.append(
            Row(
                _cells(result.workload.workload, str(result.rounds),
                       wording.signed_percent(null.interval.median) if null else "none",
                       wording.percent(result.limit), wording.percent(result.smallest_provable()))))
    columns = [
        Column("workload"),
        Column("rounds", True),
        Column("null arm, median", True),
        Column("δ", True),
        Column("smallest provable difference", True)
    ]
    return Grid(
        "noise-table",
        "The noise of each workload, and the smallest difference that its claims could have"
        " proved", columns, rows)


def workload_grid(result: WorkloadResult) -> Grid:
    """All arms of one workload, fastest first, and how the pool of equal promise compares."""
    by_pair = {(claim.arm, claim.baseline): claim for claim in result.claims}
    rows = []
    for promise in ("malloc", "calloc", ""):
        pool = wording.PROMISES[promise][0] if promise else ""
        for arm in (item for item in result.arms if item.arm.promise == promise):
            claim = by_pair.get((pool, arm.arm.name))
            spread = (f"{wording.time(arm.low_ns)} to {wording.time(arm.high_ns)}"
                      if math.isfinite(arm.high_ns) else "no interval")
            role = arm.arm.role
            compared = _claim_cell(claim) if claim else Cell("–")
            rows.append(
                Row(
                    _cells(Cell(wording.arm_label(arm.arm.name), "" if role == "rival" else
                                wording.describe(arm.arm)),
                           Cell(wording.time(arm.time_ns), spread), compared),
                    "own" if role == "pool" else "" if role == "rival" else "aside"))
    columns = [
        Column("arm"),
        Column("median time", True),
        Column("pool’s ratio", True)
    ]
    return Grid(
        f"arms-{slug(result.workload.workload)}",
        f"{wording.count(result.rounds, 'round')} of {result.workload.workload}, one process each",
        columns, rows)


def memory_grid(result: WorkloadResult) -> Grid | None:
    """What the arms of a workload occupied; None where the workload does not measure it."""
    rows = []
    for promise in wording.PROMISES:
        for arm in result.arms:
            peak, end, live = (arm.counters.get(name) for name in (
                "peak_footprint_bytes", "end_footprint_bytes", "peak_live_bytes"))
            if arm.arm.promise != promise or peak is None:
                continue
            rows.append(Row(_cells(
                wording.arm_label(arm.arm.name), wording.size(peak),
                f"{wording.ratio(peak / live)}×" if live else "–",
                wording.size(end) if end is not None else "–", f"{arm.minor_faults:,.0f}"),
                "own" if arm.arm.role == "pool" else ""))
    if not rows:
        return None
    columns = [Column("arm"), Column("peak footprint", True), Column("of peak live", True),
               Column("left after draining", True), Column("page faults of a process", True)]
    return Grid(f"memory-{slug(result.workload.workload)}",
                f"Memory of {result.workload.workload}: medians over the rounds", columns, rows)


def floors_grid(analysis: Analysis) -> Grid:
    """The floors, and the harness's share of the fastest contestant."""
    names = [arm.name for arm in analysis.plan.arms if arm.role == "floor"]
    rows = []
    for result in analysis.results:
        fastest = next((arm for arm in result.arms if arm.arm.role in ("pool", "rival")), None)
        floors = [result.arm(name) for name in names]
        if fastest is None or not any(floors):
            continue
        rows.append(
            Row(
                _cells(
                    result.workload.workload,
                    Cell(wording.time(fastest.time_ns), wording.arm_label(fastest.arm.name)),
                    *(wording.time(arm.time_ns) if arm else "–" for arm in floors),
                    f"{result.harness_share:.0%}".replace("%", " %")
                    if result.harness_share else "–")))
    columns = [
        Column("workload"),
        Column("fastest contestant", True), *(Column(name, True) for name in names),
        Column("harness share", True)
    ]
    return Grid("floors-table", "Time of an operation, median over the rounds", columns, rows)


def ledger_grid(analysis: Analysis) -> Grid:
    """The ledger in figures."""
    frame, plan = analysis.frame, analysis.plan
    rows = [("processes", f"{len(frame):,}"),
            ("rounds run again", f"{len(analysis.repeats)} of at most {plan.repeats_allowed()}"), ]
    if not frame.empty:
        spin = frame[["spin_before_ns", "spin_after_ns"]].to_numpy()
        reference = plan.ledger.spin_reference_ns or float(spin.mean())
        busy = (frame["user_s"] + frame["system_s"]).sum() / frame["wall_s"].sum()
        rows += [("spin probe, reference", wording.time(reference)),
                 ("spin probe, fastest and slowest",
                  f"{wording.time(spin.min())}, {wording.time(spin.max())}"),
                 ("stolen by the hypervisor",
                  f"{frame['steal_s'].sum() / frame['wall_s'].sum():.2%}".replace("%", " %")),
                 ("processor time of wall time", f"{busy:.0%}".replace("%", " %")),
                 ("involuntary switches a process",
                  f"{frame['involuntary_switches'].median():.0f} (median),"
                  f" {frame['involuntary_switches'].max():.0f} (most)"),
                 ("major page faults", f"{frame['major_faults'].sum():,.0f}"), ]
        if frame["pressure_s"].notna().any():
            rows.append(
                ("waiting for a processor",
                 f"{frame['pressure_s'].sum() / frame['wall_s'].sum():.1%}".replace("%", " %")))
    return Grid("ledger-table", "What the machine did meanwhile",
                [Column("what"), Column("value", True)], [Row(_cells(*row)) for row in rows])


def repeats_grid(analysis: Analysis) -> Grid | None:
    """The rounds that were run again, and why."""
    if not analysis.repeats:
        return None
    rows = [
        Row(_cells(repeat.workload, str(repeat.round + 1), repeat.reason))
        for repeat in analysis.repeats
    ]
    return Grid(
        "repeats-table", "Rounds that were run again as a whole",
        [Column("workload"),
         Column("round", True),
         Column("what the ledger had against it")], rows)


_FACTS = (("processor", "processor"), ("processors", "processors"),
          ("architecture", "architecture"), ("memory_bytes", "memory"),
          ("virtual_machine", "virtual machine"), ("system", "system"), ("kernel", "kernel"),
          ("c_library", "C library"), ("huge_pages", "transparent huge pages"),
          ("address_randomisation",
           "address randomisation"), ("frequency_governor",
                                      "frequency governor"), ("load_at_start", "load at the start"),
          ("source", "sources"), ("poolproof", "Poolproof"), ("python", "Python"))


def environment_grid(analysis: Analysis) -> Grid:
    """Machine, compiler and versions."""
    facts = analysis.plan.environment
    rows = [
        Row(_cells(title, _fact(key, facts[key]))) for key, title in _FACTS
        if facts.get(key) not in (None, "")
    ]
    frame = analysis.frame
    for column, title in (("compiler", "compiler"), ("compiler_flags", "compiler flags"),
                          ("benchmark_version", "Google Benchmark")):
        values = sorted(set(frame[column])) if not frame.empty else []
        rows += [Row(_cells(title, ", ".join(values)))] if values else []
    libraries = facts.get("libraries") or {}
    if libraries:
        rows.append(
            Row(_cells("statistics by", ", ".join(f"{k} {v}" for k, v in libraries.items() if v))))
    removed = facts.get("variables_removed") or []
    rows.append(Row(_cells("variables kept from the samples", ", ".join(removed)
                           or "none was set")))
    return Grid("facts-table", "The machine and the software",
                [Column("what"), Column("value")], rows)


def _fact(key: str, value: Any) -> str:
    if key == "memory_bytes":
        return wording.size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def libraries_grid(analysis: Analysis) -> Grid:
    """Which file served malloc in which arms, by the processes' own proof; and the binary and
    traces."""
    frame = analysis.frame
    rows = []
    if not frame.empty:
        for (owner, digest), part in frame.groupby(["malloc_owner", "malloc_sha256"]):
            arms = [arm.name for arm in analysis.plan.arms if arm.name in set(part["arm"])]
            rows.append(Row(_cells(owner, ", ".join(map(wording.arm_label, arms)), digest[:16])))
    benchmark = analysis.plan.benchmark
    rows.append(Row(_cells(pathlib.Path(benchmark["path"]).name, "all", benchmark["sha256"][:16])))
    rows += [
        Row(_cells(f"trace {trace.name}", trace.origin or "given by file", trace.sha256[:16]))
        for trace in analysis.plan.traces
    ]
    rows += [
        Row(_cells(item["arm"], f"absent: install {item['package']}", "–"), "aside")
        for item in analysis.plan.absent
    ]
    return Grid(
        "libraries-table",
        "Files that the result depends on; malloc’s owner as each process proved it",
        [Column("file"),
         Column("in these arms"),
         Column("SHA-256, first half of 32 digits")], rows)


def slug(text: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

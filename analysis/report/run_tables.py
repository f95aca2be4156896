"""The tables of a run as a whole."""

from __future__ import annotations

import pathlib
from typing import Any

from analysis.report import narrative
from analysis.report.grid import Cell, Column, Grid, Row, cells
from analysis.stats.verdicts import Analysis, WorkloadResult
from analysis.system import units


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
        rows.append(Row(cells(
            result.workload.workload,
            Cell(units.time(fastest.time_ns), narrative.arm_label(fastest.arm.name)),
            *(units.time(arm.time_ns) if arm else "–" for arm in floors), _harness_cell(result))))
    columns = [Column("workload"), Column("fastest contestant", True),
               *(Column(name, True) for name in names), Column("harness share", True)]
    return Grid("floors-table", "Time of an operation, median over the launches", columns, rows)


def _harness_cell(result: WorkloadResult) -> Cell:
    """The harness's share, and why it is so much where it is more than a fifth."""
    share = result.harness_share
    if not share:
        return Cell("–")
    why = result.workload.harness if share > LARGE_HARNESS else ""
    return Cell(units.share(share), why)


def machine_grid(analysis: Analysis) -> Grid:
    """What the machine did, in figures."""
    launches, frame = analysis.record.launches, analysis.frame
    rows = [("launches", f"{len(launches):,}")]
    if launches:
        wall_s = sum(launch.wall_s for launch in launches)
        waits = [launch.pressure_s for launch in launches if launch.pressure_s is not None]
        rows += [("turns", f"{frame['turns'].sum():,}"),
                 ("stolen by the hypervisor",
                  units.share(sum(launch.steal_s for launch in launches) / wall_s, 2)),
                 ("involuntary switches a process",
                  f"{frame['involuntary_switches'].median():.0f} (median),"
                  f" {frame['involuntary_switches'].max():.0f} (most)"),
                 ("major page faults", f"{frame['major_faults'].sum():,.0f}")]
        rows += [("waiting for a processor", units.share(sum(waits) / wall_s, 1))] if waits else []
    return Grid("machine-table", "What the machine did meanwhile",
                [Column("what"), Column("value", True)], [Row(cells(*row)) for row in rows])


_FACTS = (("processor", "processor"), ("processors", "processors"),
          ("architecture", "architecture"), ("memory_bytes", "memory"),
          ("virtual_machine", "virtual machine"), ("system", "system"), ("kernel", "kernel"),
          ("c_library", "C library"), ("huge_pages", "transparent huge pages"),
          ("address_randomisation", "address randomisation"),
          ("frequency_governor", "frequency governor"), ("load_at_start", "load at the start"),
          ("source", "sources"), ("poolproof", "Poolproof"), ("python", "Python"))


def environment_grid(analysis: Analysis) -> Grid:
    """Machine, compiler and versions."""
    facts = analysis.plan.environment
    rows = [Row(cells(title, _fact(key, facts[key]))) for key, title in _FACTS
            if facts.get(key) not in (None, "")]
    frame = analysis.frame
    for column, title in (("compiler", "compiler"), ("compiler_flags", "compiler flags"),
                          ("benchmark_version", "Google Benchmark")):
        values = sorted(set(frame[column])) if not frame.empty else []
        rows += [Row(cells(title, ", ".join(values)))] if values else []
    libraries = facts.get("libraries") or {}
    if libraries:
        rows.append(Row(cells("statistics by",
                              ", ".join(f"{k} {v}" for k, v in libraries.items() if v))))
    removed = facts.get("variables_removed") or []
    rows.append(Row(cells("variables kept from the samples", ", ".join(removed)
                           or "none was set")))
    return Grid("facts-table", "The machine and the software",
                [Column("what"), Column("value")], rows)


def _fact(key: str, value: Any) -> str:
    if key == "memory_bytes":
        return units.size(value)
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
            rows.append(Row(cells(owner, ", ".join(map(narrative.arm_label, arms)), digest[:16])))
    benchmark = analysis.plan.benchmark
    rows.append(Row(cells(pathlib.Path(benchmark["path"]).name, "all", benchmark["sha256"][:16])))
    rows += [Row(cells(f"trace {trace.name}", trace.origin or "given by file", trace.sha256[:16]))
             for trace in analysis.plan.traces]
    rows += [Row(cells(item["arm"], f"absent: install {item['package']}", "–"), "aside")
             for item in analysis.plan.absent]
    return Grid("libraries-table",
                "Files that the result depends on; malloc’s owner as each process proved it",
                [Column("file"), Column("in these arms"),
                 Column("SHA-256, first half of 32 digits")], rows)


def bugs_grid(board: dict[str, Any]) -> Grid:
    """The scoreboard of planted bugs, a row a class."""
    classes: dict[str, list[dict[str, Any]]] = {}
    for score in board["scores"]:
        if score["kind"] == "bug":
            classes.setdefault(score["class"], []).append(score)
    rows = []
    for name, scores in sorted(classes.items()):
        found = [score for score in scores if score["verdict"] == "found"]
        slowest = max((score["median_found"] or 0 for score in found), default=None)
        oracles = sorted({oracle for score in scores for oracle in score["oracles"]})
        rows.append(Row(cells(name, f"{len(found)} of {len(scores)}",
                               "–" if slowest is None else f"{slowest:,.0f}",
                               ", ".join(oracles) or "none")))
    return Grid("bugs-table", "Planted bugs by class, and the executions until the slowest of each"
                " was found", [Column("class"), Column("found", True),
                               Column("executions", True), Column("seen by")], rows)

"""What a run has beside time, on a terminal."""

from __future__ import annotations

import statistics
from typing import Any, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.runs.records import Record
from analysis.runs.samples import Work
from analysis.system import units

LEAST_LIVE_BYTES = 100_000
"""Below, a ratio to live bytes says more of program text that was read in than of the arm."""


def unsteady(lines: Iterable[Work]) -> list[str]:
    """The (workload, arm) pairs whose counts did not agree to the instruction, as phrases."""
    counts: dict[str, set[tuple[int, int]]] = {}
    for line in lines:
        counts.setdefault(f"{line.workload} with {line.arm}", set()).add(
            (line.short_instructions, line.long_instructions))
    return [name for name, pairs in counts.items() if len(pairs) > 1]


def _cell(part: str, lines: Sequence[Any]) -> str:
    """One arm on one workload, in a few characters."""
    if part == "work":
        return f"{statistics.median(line.instructions_per_operation for line in lines):.1f}"
    if part == "memory":
        if max(line.peak_live_bytes for line in lines) < LEAST_LIVE_BYTES:
            return "–"
        return f"{statistics.median(line.peak_ratio for line in lines):.2f}"
    allocs = [line.latency_ns for line in lines if line.operation == "alloc"]
    if not allocs:
        return "–"
    return " / ".join(f"{statistics.median(entry[name] for entry in allocs):.0f}"
                      for name in ("p50", "p99_9"))


TITLES = {
    "work": "Instructions of an operation (work, not time), the harness's included: see noop",
    "memory": "Peak resident memory of the arm over peak live bytes, where 100 kB or more are live",
    "latency": "Time of a single alloc in ns, the clock's included: half / 99.9 % are no longer"
}


def print_part(record: Record, part: str, console: Console) -> None:
    """A part's figures as a table: an arm a row, a workload a column; narrow tables, several."""
    lines = getattr(record, part)
    if not lines:
        return
    workloads = [item.workload for item in record.plan.measured(part)]
    arms = [arm.name for arm in record.plan.arms if any(line.arm == arm.name for line in lines)]
    by_place: dict[tuple[str, str], list[Any]] = {}
    for line in lines:
        by_place.setdefault((line.workload, line.arm), []).append(line)
    room = max(1, (console.width - 22) // 20)
    for start in range(0, len(workloads), room):
        table = Table(title=TITLES[part] if start == 0 else None, title_justify="left",
                      box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("arm", no_wrap=True)
        shown = workloads[start:start + room]
        for name in shown:
            table.add_column(name, justify="right", overflow="fold", max_width=20,
                             min_width=12)
        for arm in arms:
            cells = (by_place.get((name, arm)) for name in shown)
            table.add_row(arm, *(_cell(part, cell) if cell else "–" for cell in cells))
        console.print(table)
    if part == "work":
        _print_agreement(record, console)
    if part == "latency":
        clock = statistics.median(line.clock_ns["p50"] for line in lines)
        step = max(line.clock_step_ns for line in lines)
        console.print(f"an empty interval takes {clock:.0f} ns; the clock moves in steps of"
                      f" {step:.1f} ns", highlight=False, soft_wrap=True)


def _print_agreement(record: Record, console: Console) -> None:
    """Whether counting again gave the same."""
    if record.plan.part_rounds.get("work", 0) < 2:
        return
    pairs = {(line.workload, line.arm) for line in record.work}
    differing = unsteady(record.work)
    console.print(
        f"counted twice: {len(pairs) - len(differing)} of {units.count(len(pairs), 'figure')}"
        " agree to the instruction" + (f"; not {', '.join(differing[:5])}" if differing else ""),
        highlight=False, soft_wrap=True)
    if len(differing) > 5:
        console.print(f"  and {len(differing) - 5} more", highlight=False)

"""What a run ends with: its report, or the figures of a run that took no times."""

from __future__ import annotations

import collections
import pathlib
import statistics
import sys
from typing import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from analysis.report import document, render
from analysis.report.document import Column, Grid, Row, cells
from analysis.runs import records
from analysis.runs.records import Record
from analysis.stats import secondary_metrics, verdicts
from analysis.system import units
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import output_folder


def output_console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for the tables in a file or a
    pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def report(folder: pathlib.Path, console: Console, output: pathlib.Path | None = None) -> int:
    """Makes the report from the raw samples and says where it is; of a run that took no times,
    prints what it has. Returns the exit code."""
    if output is not None and output.is_file():
        raise UserError(f"{output} is a file; name a folder")
    taken = records.read(folder)
    refused = [entry for entries in taken.part_refusals.values() for entry in entries]
    if "time" not in taken.plan.parts:
        _print_parts(taken, refused, console)
    elif not taken.launches:
        raise UserError(f"{folder} holds no whole launch yet: go on with --resume")
    else:
        refused += taken.refusals
        analysis = verdicts.analyse(taken)
        if output is not None:
            output_folder(output)
        render.print_terminal(analysis, console, render.write_all(analysis, output or folder))
    sys.stdout.flush()
    if any(refusal.crashed for refusal in refused):
        return FINDING
    return UNFIT if refused else PASS


# --- A run without times --------------------------------------------------------------------------


TITLES = {
    "work": "Instructions of an operation (work, not time), the harness's included: see noop",
    "memory": "Peak resident memory of the arm over peak live bytes, where 100 kB or more are live",
    "latency": "Time of a single alloc in ns, the clock's included: half / 99.9 % are no longer"
}

LEAST_LIVE_BYTES = 100_000
"""Below, a ratio to live bytes says more of program text that was read in than of the arm."""


def _print_parts(taken: Record, refused: Sequence[records.Refusal], console: Console) -> None:
    parts = taken.plan.parts
    if not any(getattr(taken, part) or part in taken.part_refusals for part in parts):
        raise UserError(f"{taken.folder} holds no whole line yet: go on with --resume")
    said = []
    for part in parts:
        for grid in part_grids(taken, part, max(1, (console.width - 22) // 20)):
            console.print(document.terminal(grid))
        said += _remarks(taken, part)
    said += [f"refused: {entry.workload} with {entry.arm}: {entry.refused}" for entry in refused]
    for line in [*said, *(str(records.part_file(taken.folder, part)) for part in parts)]:
        console.print(Text(line), soft_wrap=True)


def part_grids(record: Record, part: str, most_columns: int) -> Iterator[Grid]:
    """A part's figures: an arm a row, a workload a column; narrow tables, several."""
    measured = secondary_metrics.of(record)
    figures = {
        "work": {place: f"{counted:.1f}" for place, counted in measured.work.items()},
        "memory": {place: f"{held.ratio:.2f}" for place, held in measured.memory.items()
                   if held.ratio and held.live_bytes >= LEAST_LIVE_BYTES},
        "latency": {(workload, arm): " / ".join(f"{tail.latency_ns[name]:.0f}"
                                                for name in ("p50", "p99_9"))
                    for (workload, arm, kind), tail in measured.latency.items()
                    if kind == "alloc"}}[part]
    there = {line.arm for line in getattr(record, part)}
    workloads = [item.workload for item in record.plan.measured(part)] if there else []
    for start in range(0, len(workloads), most_columns):
        shown = workloads[start:start + most_columns]
        rows = [Row(cells(arm.name, *(figures.get((name, arm.name), "–") for name in shown)))
                for arm in record.plan.arms if arm.name in there]
        yield Grid(part, TITLES[part] if start == 0 else "",
                   [Column("arm"), *(Column(name, True) for name in shown)], rows)


def _remarks(record: Record, part: str) -> list[str]:
    """Whether counting again gave the same, and what the clock alone takes."""
    if part == "latency" and record.latency:
        clock = statistics.median(line.clock_ns["p50"] for line in record.latency)
        step = max(line.clock_step_ns for line in record.latency)
        return [f"an empty interval takes {clock:.0f} ns; the clock moves in steps of {step:.1f}"
                " ns"]
    if part != "work" or not record.work or record.plan.part_rounds.get("work", 0) < 2:
        return []
    counts = collections.defaultdict(set)
    for line in record.work:
        counts[f"{line.workload} with {line.arm}"].add(
            (line.short_instructions, line.long_instructions))
    unsteady = [name for name, pairs in counts.items() if len(pairs) > 1]
    return [f"counted twice: {len(counts) - len(unsteady)} of {units.count(len(counts), 'figure')}"
            " agree to the instruction"
            + (f"; not {', '.join(unsteady)}" if unsteady else "")]

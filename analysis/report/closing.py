"""What a run ends with: its report, or the figures of a run that took no times."""

from __future__ import annotations

import itertools
import pathlib
import sys

from rich.console import Console

from analysis.report import parts, render
from analysis.runs import records
from analysis.runs.records import Record
from analysis.stats import verdicts
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
    if "time" not in taken.plan.parts:
        return _show_parts(taken, console)
    if not taken.launches:
        raise UserError(f"{folder} holds no whole launch yet: go on with --resume")
    analysis = verdicts.analyse(taken)
    if output is not None:
        output_folder(output)
    paths = render.write_all(analysis, output or folder)
    render.print_terminal(analysis, console, paths)
    sys.stdout.flush()
    return _exit_code(taken.refusals + list(
        itertools.chain.from_iterable(taken.part_refusals.values())))


def _show_parts(taken: Record, console: Console) -> int:
    """The figures of a run that has no times, and the exit code."""
    if not any(getattr(taken, part) or part in taken.part_refusals for part in taken.plan.parts):
        raise UserError(f"{taken.folder} holds no whole line yet: go on with --resume")
    for part in taken.plan.parts:
        parts.print_part(taken, part, console)
    refused = [entry for entries in taken.part_refusals.values() for entry in entries]
    for entry in refused:
        console.print(f"refused: {entry.workload} with {entry.arm}: {entry.refused}", markup=False,
                      highlight=False, soft_wrap=True)
    for part in taken.plan.parts:
        console.print(str(records.part_file(taken.folder, part)), markup=False, highlight=False,
                      soft_wrap=True)
    sys.stdout.flush()
    return _exit_code(refused)


def _exit_code(refused: list[records.Refusal]) -> int:
    """FINDING if an arm crashed, UNFIT if one could not prove what it measured, else PASS."""
    if any(refusal.crashed for refusal in refused):
        return FINDING
    return UNFIT if refused else PASS

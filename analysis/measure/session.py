"""A run in its folder: begun, gone on with, measured to its end."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import os
import pathlib
import shlex
import shutil
import signal
from typing import Any, Iterator, Sequence

from rich.console import Console

from analysis.building import meson
from analysis.measure import binary as binaries, launches, planning, probes, progress
from analysis.measure.planning import TRACES
from analysis.runs import plan, records
from analysis.runs.plan import Plan
from analysis.runs.records import Record
from analysis.system import host, units
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT, output_folder, whole_file

RUNS = ROOT / "results" / "runs"
ASKED_FILE = "asked"
"""The command line of a run that has no plan yet."""
INTERRUPTED = 130


def benchmark_binary() -> pathlib.Path:
    """The benchmark binary, built if need be."""
    binary = meson.ensure_build("release") / "bench" / "poolproof-bench"
    if not binary.is_file():
        raise UserError("poolproof-bench was not built; install libbenchmark-dev",
                        UNFIT)
    return binary


@contextlib.contextmanager
def new_folder(wanted: pathlib.Path | None) -> Iterator[pathlib.Path]:
    """A folder for a run that is being planned; taken away again if that fails and nothing else
    is in it.

    UserError if a run is in it already or it is a file, OSError if it cannot be made.
    """
    if wanted is None:
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ")
        folder = RUNS / stamp
    else:
        folder = wanted
    if (folder / records.LAUNCHES_FILE).exists() or (folder / records.RUN_FILE).exists():
        raise UserError(
            f"{folder} holds a run already: go on with --resume {shlex.quote(str(folder))},"
            " or name another folder")
    existed = folder.exists()
    output_folder(folder)
    try:
        yield folder.resolve()
    except BaseException:
        shutil.rmtree(folder / TRACES, ignore_errors=True)
        (folder / ASKED_FILE).unlink(missing_ok=True)
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def begin(args: argparse.Namespace, binary: pathlib.Path, traces: list[plan.Trace],
          console: Console) -> pathlib.Path:
    """Plans a run, and returns its folder. What was asked for lies in it until the plan does."""
    with new_folder(args.output) as folder:
        with whole_file(folder / ASKED_FILE) as stream:
            stream.write(planning.command_again(args) + "\n")
        recorded, notes = planning.program_traces(planning.wanted_programs(args), folder, console,
                                                  args.record)
        notes += planning.of_given(args, traces, [trace.name for trace in recorded])
        taken = {trace.name for trace in traces}
        new = planning.make_plan(
            args, binary, traces + [trace for trace in recorded if trace.name not in taken],
            notes, console)
        records.write_plan(folder, new)
        (folder / ASKED_FILE).unlink()
    return folder


# --- Going on ------------------------------------------------------------------------------------


def asked_before(folder: pathlib.Path) -> list[str] | None:
    """The words of a run that was stopped before it had a plan; None if it has one."""
    if not (folder / ASKED_FILE).is_file() or (folder / records.RUN_FILE).exists():
        return None
    return shlex.split((folder / ASKED_FILE).read_text(encoding="utf-8"))[2:]


def go_on(folder: pathlib.Path, more: Sequence[str]) -> None:
    """Makes a run ready to go on, with more parts than it had. UserError if what it depends on has
    changed."""
    known = records.read_plan(folder)
    planning.require_parts([*known.parts, *more])
    changed = changes(known)
    if changed:
        raise UserError(
            f"{folder} cannot go on, as its samples would not be alike: " +
            "; ".join(changed) + ". Start a new run", UNFIT)
    added = [part for part in more if part not in known.parts]
    if added:
        records.write_plan(folder, _with_parts(known, added, folder))


def _with_parts(known: Plan, added: list[str], folder: pathlib.Path) -> Plan:
    """A plan that measures more parts of its workloads, as often as a part usually is."""
    listed = binaries.list_workloads(pathlib.Path(known.benchmark["path"]), known.traces)
    probed = {item["workload"] for item in listed if item["probes"]}
    if not any(item.workload in probed for item in known.workloads):
        raise UserError(f"{folder} has no workload that {' or '.join(added)} applies to")
    arms = known.arms
    if "work" in added:
        arms = planning.countable(pathlib.Path(known.benchmark["path"]), arms)
    return dataclasses.replace(
        known, arms=arms, parts=[*known.parts, *added],
        left_out=known.left_out + (planning.uncounted(arms) if "work" in added else []),
        part_rounds=known.part_rounds | {part: plan.PART_ROUNDS[part] for part in added
                                         if part != "time"},
        workloads=[
            dataclasses.replace(item, parts=[*item.parts, *added])
            if item.workload in probed else item for item in known.workloads
        ])


def changes(known: Plan) -> list[str]:
    """What is not as it was when the run was planned, each as a phrase."""
    files = [("poolproof-bench", known.benchmark["path"], known.benchmark["sha256"])]
    files += [("the base", known.base["path"], known.base["sha256"])] if known.base else []
    files += [(arm.name, arm.preload, arm.sha256) for arm in known.arms if arm.preload]
    files += [(f"the trace {trace.name}", trace.file, trace.sha256) for trace in known.traces]
    found = []
    for name, path, digest in dict.fromkeys(files):
        try:
            now = host.sha256(path)
        except OSError as error:
            found.append(f"{name} ({path}): {error.strerror}")
            continue
        if now != digest:
            found.append(f"{name} ({path}) has changed, SHA-256 {digest[:12]} → {now[:12]}")
    return found + host.differences(known.environment, host.facts())


# --- Measuring -----------------------------------------------------------------------------------


def measure(folder: pathlib.Path, console: Console) -> None:
    """Runs what is still to run. UserError with the way to go on if interrupted."""
    known = records.read(folder)
    _announce(known, console)
    for part in known.plan.parts:
        with appending(folder, part) as appender, _stoppable(folder, part):
            known = records.read(folder)
            if part == "time":
                _measure_time(known, appender, console)
            else:
                _probe(known, part, appender, console)


@contextlib.contextmanager
def appending(folder: pathlib.Path, part: str) -> Iterator[records.Appender]:
    """The file of a part, open for this process alone. UserError if it cannot be."""
    path = records.part_file(folder, part)
    try:
        appender = records.Appender(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", UNFIT) from None
    try:
        yield appender
    finally:
        appender.close()


def _measure_time(known: Record, appender: records.Appender, console: Console) -> None:
    display = progress.Display(len(known.launches), len(known.launches), "launches", console)

    def listen(entry: Any) -> None:
        if isinstance(entry, records.Refusal):
            display.say(f"refused: {entry.workload} with {entry.arm}: {entry.refused}")
        display.advance(entry)

    try:
        launches.collect(known, appender, listen, display.expect)
    finally:
        display.close()


def _probe(known: Record, part: str, appender: records.Appender, console: Console) -> None:
    todo = probes.missing(known.plan, part, getattr(known, part),
                          known.part_refusals.get(part, []))
    display = progress.Display(0, len(todo), "probes", console)

    def listen(lines: Sequence[Any]) -> None:
        if isinstance(lines[0], records.Refusal):
            display.say(f"refused: {part} of {lines[0].workload} with {lines[0].arm}:"
                        f" {lines[0].refused}")
        display.advance(lines[0])

    try:
        begun = probes.run_part(known.plan, part, todo, appender, listen)
    finally:
        display.close()
    if begun < len(todo):
        console.print(f"mind: time is up for {part} after {begun} of"
                      f" {units.count(len(todo), 'probe')}; --resume does the others",
                      style="yellow", soft_wrap=True, highlight=False)


def _announce(known: Record, console: Console) -> None:
    """What is about to happen, in a few lines."""
    planned, done = known.plan, len(known.launches)
    pairs = [pair for item in planned.measured("time") for pair in item.pairs]
    first = sum(min(planned.looks[0], planned.most_launches(pair.kind)) for pair in pairs)
    console.print(
        f"{units.count(len(planned.workloads), 'workload')},"
        f" {units.count(len(planned.arms), 'arm')}" +
        (f", {units.count(len(pairs), 'pair')} of {planned.looks[0]} to {planned.looks[-1]}"
         f" launches: at least {first}" if pairs else "") +
        (f", {done} of them done" if done else "") + f"; seed {planned.seed}",
        soft_wrap=True, highlight=False)
    console.print(f"samples go to {known.folder}", soft_wrap=True, highlight=False)
    removed = planned.environment.get("variables_removed")
    if removed:
        console.print(f"not handed to the samples: {', '.join(removed)}", soft_wrap=True,
                      highlight=False)
    left = [f"left out: {item['what']}: {item['why']}." for item in planned.left_out]
    for note in [*planned.notes, *left]:
        console.print(f"mind: {note}", style="yellow", soft_wrap=True, markup=False,
                      highlight=False)


@contextlib.contextmanager
def _stoppable(folder: pathlib.Path, part: str) -> Iterator[None]:
    """Says how to go on where an interrupt, or a full disk, ends a measurement."""
    try:
        with _interruptible():
            yield
    except KeyboardInterrupt:
        raise UserError(_how_to_go_on(folder), INTERRUPTED) from None
    except OSError as error:
        raise UserError(
            f"{error.strerror}: {records.part_file(folder, part)}. Nothing recorded is lost; when"
            f" that is mended, {_how_to_go_on(folder).partition('; ')[2]}",
            UNFIT) from None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end a measurement as Ctrl-C does."""
    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _how_to_go_on(folder: pathlib.Path) -> str:
    shown = os.path.relpath(folder)
    if shown.startswith(".."):
        shown = str(folder)
    return f"interrupted; go on with: ./poolproof bench --resume {shlex.quote(shown)}"

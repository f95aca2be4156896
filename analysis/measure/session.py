"""A run in its folder: begun, gone on with, measured to its end."""

import argparse
import datetime
import pathlib
import shlex
import signal

from rich.console import Console

from analysis.building import meson
from analysis.measure import launches, planning, probes, progress
from analysis.runs import records
from analysis.runs.plan import Plan
from analysis.runs.records import Record
from analysis.system import host, units
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT, relative

RUNS = ROOT / "results" / "runs"
INTERRUPTED = 130


def benchmark_binary() -> pathlib.Path:
    """The benchmark binary, built if need be."""
    binary = meson.ensure_build("release") / "bench" / "poolproof-bench"
    if not binary.is_file():
        raise UserError("poolproof-bench was not built; install libbenchmark-dev",
                        UNFIT)
    return binary


def new_folder(wanted: pathlib.Path | None) -> pathlib.Path:
    """Where a new run goes. UserError if a run is there already or it is a file."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ")
    folder = (wanted or RUNS / stamp).resolve()
    if (folder / records.LAUNCHES_FILE).exists() or (folder / records.RUN_FILE).exists():
        raise UserError(f"{wanted} holds a run already: go on with --resume"
                        f" {shlex.quote(str(wanted))}, or name another folder")
    if folder.is_file():
        raise UserError(f"{wanted} is a file; name a folder")
    return folder


def begin(args: argparse.Namespace, console: Console) -> pathlib.Path:
    """Plans a run, and returns its folder."""
    folder = new_folder(args.output)
    traces = planning.traces_of(args)
    records.write_plan(folder, planning.make_plan(args, benchmark_binary(), traces, console))
    return folder


# --- Going on ------------------------------------------------------------------------------------


def go_on(folder: pathlib.Path) -> None:
    """UserError if what a run depends on has changed, so that it cannot go on."""
    if changed := changes(records.read_plan(folder)):
        raise UserError(
            f"{folder} cannot be resumed, as its samples would differ: " +
            "; ".join(changed) + ". Start a new run", UNFIT)


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
    for number in (signal.SIGTERM, signal.SIGHUP):  # they end it as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    go_on = f"go on with: ./poolproof bench --resume {shlex.quote(relative(folder))}"
    _announce(records.read(folder), console)
    try:
        with records.Appender(folder / records.LAUNCHES_FILE) as appender:
            known = records.read(folder)
            done = len(known.launches)
            with progress.Display(done, done, "launches", console) as display:
                launches.collect(known, appender, display.advance, display.expect)
        with records.Appender(folder / records.PROBES_FILE) as appender:
            known = records.read(folder)
            for part, limit_s in known.plan.budgets_s.items():
                if part != "time":
                    _probe(known, part, limit_s, appender, console)
    except KeyboardInterrupt:
        raise UserError(f"interrupted; {go_on}", INTERRUPTED) from None
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; nothing recorded is lost; {go_on}",
                        UNFIT) from None


def _probe(known: Record, part: str, limit_s: float, appender: records.Appender,
           console: Console) -> None:
    todo = probes.missing(known, part)
    with progress.Display(0, len(todo), "probes", console) as display:
        left = probes.run_part(known.plan, todo, appender, limit_s, display.advance)
    if left:
        console.print(f"note: time is up for {part}: {left} of {units.count(len(todo), 'probe')}"
                      " left; --resume does them", style="yellow", soft_wrap=True, highlight=False)


def _announce(known: Record, console: Console) -> None:
    """What is about to happen, in a few lines."""
    planned, done = known.plan, len(known.launches)
    pairs = [pair for item in planned.measured("time") for pair in item.pairs]
    first = sum(min(planned.looks[0], planned.most_launches(pair.kind)) for pair in pairs)
    told = [units.count(len(planned.workloads), "workload"), units.count(len(planned.arms), "arm")]
    if pairs:
        told.append(f"{units.count(len(pairs), 'pair')} of {planned.looks[0]} to"
                    f" {planned.looks[-1]} launches: at least {first}")
    told += [f"{done} of them done"] if done else []
    lines = [f"{', '.join(told)}; seed {planned.seed}", f"samples go to {known.folder}"]
    if removed := planned.environment.get("variables_removed"):
        lines.append(f"not handed to the samples: {', '.join(removed)}")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    for note in planned.notes:
        console.print(f"note: {note}", style="yellow", soft_wrap=True, markup=False,
                      highlight=False)

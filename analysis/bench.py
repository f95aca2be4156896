"""Measures the pool against the mallocs of this machine and reports what that proves.

Every process is a sample, recorded as it ends: a run that was stopped goes on with --resume.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import os
import pathlib
import re
import secrets
import shlex
import shutil
import signal
import sys
from typing import Any, Callable, Collection, Iterator

from rich.console import Console

from analysis import (build, collect, environment, inference, ledger, machine, plan, progress,
                      record, render, samples, verdicts, wording)
from analysis.environment import UserError
from analysis.plan import Plan, Trace, Workload
from analysis.samples import Record

RUNS = environment.ROOT / "results" / "runs"
TRACES = "traces"
REPEATS_TOLD = 5
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof bench."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a first answer within six minutes")
    size.add_argument("--full", action="store_true", help="twice the rounds, up to ninety minutes")
    parser.add_argument("--workload", nargs="+", action="extend", default=[], metavar="W",
                        help="these workloads alone")
    parser.add_argument("--arm", nargs="+", action="extend", default=[], metavar="A",
                        help="these arms, beside the baseline and its null arm")
    parser.add_argument("--trace", nargs="+", action="extend", default=[], metavar="FILE",
                        help="play these recorded traces as well")
    parser.add_argument("--record", action="store_true",
                        help="record the programs anew instead of playing their kept traces")
    parser.add_argument("-o", "--output", type=pathlib.Path, metavar="DIR",
                        help="the run's folder (default: results/runs/ and the time)")
    parser.add_argument("--resume", type=pathlib.Path, metavar="DIR", help="go on with a run")
    parser.add_argument("--seed", type=_natural, metavar="N",
                        help="orders everything that is random")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="how often every arm runs")
    parser.add_argument("--list", action="store_true", help="show workloads and arms, and end")


def _natural(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"a whole number is needed, not {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not 1 <= _natural(text) <= 10_000:
        raise argparse.ArgumentTypeError("between 1 and 10000 are possible")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Measures, reports, and returns the exit code."""
    console = output_console()
    if args.resume:
        return _resume(args, console)
    traces = given_traces(args.trace)
    binary = benchmark_binary()
    if args.list:
        _print_list(binary, [*traces, *kept_traces({trace.name for trace in traces})], console)
        return environment.PASS
    with new_folder(args.output) as folder:
        recorded, notes = program_traces(wanted_programs(args), folder, console, args.record)
        taken = {trace.name for trace in traces}
        traces += [trace for trace in recorded if trace.name not in taken]
        new = make_plan(args, binary, traces, notes, console)
        samples.write_plan(folder, new)
    return measure(folder, new, console)


def output_console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for the tables in a file or a
    pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def benchmark_binary() -> pathlib.Path:
    """The benchmark binary, built if need be."""
    binary = build.ensure_build("release") / "bench" / "poolproof-bench"
    if not binary.is_file():
        raise UserError("poolproof-bench was not built; install libbenchmark-dev",
                        environment.UNFIT)
    return binary


# --- Making a plan -------------------------------------------------------------------------------


def given_traces(files: list[str]) -> list[Trace]:
    """The traces that the user named. UserError if one cannot be read, or two would have one
    name."""
    traces: dict[str, Trace] = {}
    for trace in map(given_trace, map(pathlib.Path, files)):
        if trace.name in traces:
            raise UserError(f"two traces are called {trace.name}: {traces[trace.name].file} and"
                            f" {trace.file}; rename one")
        traces[trace.name] = trace
    return list(traces.values())


def given_trace(file: pathlib.Path) -> Trace:
    """A trace that the user named. UserError if it cannot be read."""
    try:
        digest = machine.sha256(file)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", file.name)
    name = re.sub(r"(\.trace)?(\.gz)?$", "", name) or name
    return Trace(name, str(file.resolve()), digest, "")


@contextlib.contextmanager
def new_folder(wanted: pathlib.Path | None) -> Iterator[pathlib.Path]:
    """A folder for a run that is being planned; taken away again if that fails and nothing else
    is in it.

    UserError if a run is in it already, OSError if it cannot be made.
    """
    if wanted is None:
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ")
        folder = RUNS / stamp
    else:
        folder = wanted
    if (folder / samples.SAMPLES_FILE).exists() or (folder / samples.RUN_FILE).exists():
        raise UserError(
            f"{folder} holds a run already: go on with --resume {shlex.quote(str(folder))},"
            " or name another folder")
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    except BaseException:
        shutil.rmtree(folder / TRACES, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def kept_traces(but: Collection[str] = ()) -> list[Trace]:
    """The kept traces where they lie, but those of these names."""
    return [Trace(program.name, str(program.trace), program.kept.sha256, program.question)
            for program in record.programs() if program.kept and program.name not in but]


def wanted_programs(args: argparse.Namespace) -> list[record.Program]:
    """The real programs whose traces a run plays: those of its mode, or those asked for."""
    known = record.programs()
    if args.workload:
        asked = {name.partition("/")[2] for name in args.workload if plan.is_trace(name)}
        return [program for program in known if program.name in asked]
    modes = list(plan.MODES)
    return [program for program in known if modes.index(program.mode) <= modes.index(_mode(args))]


def _mode(args: argparse.Namespace) -> str:
    return "quick" if args.quick else "full" if args.full else "default"


def program_traces(programs: list[record.Program], folder: pathlib.Path, console: Console,
                   anew: bool = False) -> tuple[list[Trace], list[str]]:
    """Copies the programs' kept traces into the run's folder, or records them there anew: (traces,
    what could not be had as sentences)."""
    traces: list[Trace] = []
    notes: list[str] = []
    for program in programs:
        file = folder / TRACES / program.trace.name
        try:
            file.parent.mkdir(exist_ok=True)
            if anew or not program.trace.is_file():
                console.print(f"recording {program.name}: {program.question}", soft_wrap=True,
                              markup=False, highlight=False)
                operations = record.record_program(program, file).converted[0]["operations"]
                origin = f"{program.name}, recorded for this run, {operations:,} operations"
            else:
                shutil.copyfile(program.trace, file)
                origin = record.provenance(program)
            traces.append(Trace(program.name, str(file), machine.sha256(file),
                                f"{origin}: {program.question}"))
        except UserError as error:
            notes.append(f"{program.name} could not be recorded, so no trace of it is played:"
                         f" {error}.")
    return traces, notes


def rivals() -> tuple[dict[str, tuple[str, str]], list[dict[str, str]]]:
    """(name → path and hash of each rival's library, those that this machine lacks)."""
    folders = plan.library_folders()
    found: dict[str, tuple[str, str]] = {}
    absent: list[dict[str, str]] = []
    for rival in plan.RIVALS:
        path = plan.find_library(rival.files, folders)
        if path is None:
            absent.append({"arm": rival.name, "package": rival.package})
        else:
            found[rival.name] = (str(path), machine.sha256(path))
    return found, absent


def make_plan(args: argparse.Namespace, binary: pathlib.Path, traces: list[Trace], notes: list[str],
              console: Console) -> Plan:
    """Chooses, calibrates and fixes everything that a run is going to do."""
    mode = _mode(args)
    listed = plan.choose_workloads(plan.list_workloads(binary, traces), args.workload, args.quick)
    libraries, absent = rivals()
    offered = dict.fromkeys(arm for item in listed for arm in item["arms"])
    arms = plan.choose_arms(plan.arms_for(offered, libraries), args.arm)
    workloads = [
        Workload(item["workload"], item["question"],
                 [arm.name for arm in arms if arm.benchmark_arm in item["arms"]],
                 item["parameters"], item["source"]) for item in listed
    ]
    rounds = args.rounds or _rounds(mode, arms, workloads)
    console.print(f"calibrating {wording.count(len(workloads), 'workload')}", highlight=False)
    calibrations = {item.workload: _calibrate(binary, traces, item, arms) for item in workloads}
    fitted = plan.fit(workloads, calibrations, rounds, plan.MODES[mode].budget_s)
    used = [
        trace for trace in traces if any(
            item.workload.endswith(f"/{trace.name}") for item in workloads)
    ]
    return Plan(schema=plan.SCHEMA, command=_command_again(args), mode=mode,
                started=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                seed=args.seed if args.seed is not None else secrets.randbelow(10**9),
                rounds=rounds, estimated_s=plan.estimated_s(fitted, rounds),
                benchmark={"path": str(binary), "sha256": machine.sha256(binary)
                           }, arms=arms, absent=absent, workloads=fitted, traces=used, notes=notes,
                ledger=ledger.Rule(spin_reference_ns=ledger.spin_reference_ns()),
                environment=machine.facts())


def _rounds(mode: str, arms: list[plan.Arm], workloads: list[Workload]) -> int:
    """The mode's rounds, or more where its family of claims could not be proved with so few."""
    by_name = {arm.name: arm for arm in arms}
    family = sum(len(plan.compared(by_name, item)) for item in workloads)
    return max(plan.MODES[mode].rounds, inference.rounds_needed(family) + 1)


def _calibrate(binary: pathlib.Path, traces: list[Trace], workload: Workload,
               arms: list[plan.Arm]) -> plan.Calibration:
    """By the baseline where it runs this workload, else by the first arm that does."""
    own = [arm for arm in arms if arm.name in workload.arms]
    chosen = next((arm for arm in own if arm.name == plan.BASELINE), own[0])
    return collect.calibrate(str(binary), traces, workload.workload, chosen.benchmark_arm,
                             chosen.preload)


def _command_again(args: argparse.Namespace) -> str:
    """The command line that asks for the same again."""
    words = ["./poolproof", "bench"]
    words += ["--quick"] if args.quick else ["--full"] if args.full else []
    for flag, values in (("--workload", args.workload), ("--arm", args.arm), ("--trace",
                                                                              args.trace)):
        words += [flag, *values] if values else []
    words += ["--record"] if args.record else []
    words += ["--rounds", str(args.rounds)] if args.rounds else []
    words += ["--seed", str(args.seed)] if args.seed is not None else []
    return shlex.join(words)


def _print_list(binary: pathlib.Path, traces: list[Trace], console: Console) -> None:
    """Workloads with their questions, then arms, a line each."""
    listed = plan.list_workloads(binary, traces)
    libraries, absent = rivals()
    width = max(len(item["workload"]) for item in listed)
    programs = {trace.name: trace.origin for trace in traces}
    for item in listed:
        kind, _, name = item["workload"].partition("/")
        what = f" ({programs[name]})" if kind == "trace" and programs.get(name) else ""
        console.print(f"{item['workload']:<{width}}  {item['question']}{what}", soft_wrap=True,
                      markup=False, highlight=False)
    console.print()
    for arm in plan.arms_for(dict.fromkeys(a for item in listed for a in item["arms"]), libraries):
        console.print(f"{arm.name:<{width}}  {wording.describe(arm)}", soft_wrap=True, markup=False,
                      highlight=False)
    for item in absent:
        console.print(f"{item['arm']:<{width}}  absent: install {item['package']}", soft_wrap=True,
                      markup=False, highlight=False)


# --- Going on ------------------------------------------------------------------------------------


def _resume(args: argparse.Namespace, console: Console) -> int:
    """Goes on with a run, if nothing that it depends on has changed."""
    fixed = {
        "--quick": args.quick, "--full": args.full, "--workload": args.workload, "--arm": args.arm,
        "--trace": args.trace, "-o": args.output, "--seed": args.seed is not None,
        "--rounds": args.rounds, "--list": args.list, "--record": args.record
    }
    given = [flag for flag, value in fixed.items() if value]
    if given:
        raise UserError(f"--resume goes on as the run was planned; leave out {' '.join(given)}")
    folder = args.resume.resolve()
    known = samples.read_plan(folder)
    if not (folder / samples.SAMPLES_FILE).exists() and samples.read(folder).samples:
        raise UserError(
            f"{args.resume} has been put away: unpack its {samples.SAMPLES_FILE}.xz first")
    benchmark_binary()
    changed = changes(known)
    if changed:
        raise UserError(
            f"{args.resume} cannot go on, as its samples would not be alike: " +
            "; ".join(changed) + ". Start a new run", environment.UNFIT)
    return measure(folder, known, console)


def changes(known: Plan) -> list[str]:
    """What is not as it was when the run was planned, each as a phrase."""
    files = [("poolproof-bench", known.benchmark["path"], known.benchmark["sha256"])]
    files += [(arm.name, arm.preload, arm.sha256) for arm in known.arms if arm.preload]
    files += [(f"the trace {trace.name}", trace.file, trace.sha256) for trace in known.traces]
    found = []
    for name, path, digest in dict.fromkeys(files):
        try:
            now = machine.sha256(path)
        except OSError as error:
            found.append(f"{name} ({path}): {error.strerror}")
            continue
        if now != digest:
            found.append(f"{name} ({path}) has changed, SHA-256 {digest[:12]} → {now[:12]}")
    return found + machine.differences(known.environment, machine.facts())


# --- Measuring and reporting ---------------------------------------------------------------------


def measure(folder: pathlib.Path, known_plan: Plan, console: Console) -> int:
    """Runs what is still to run, then reports. UserError with the way to go on if interrupted."""
    appender = samples.Appender(folder / samples.SAMPLES_FILE)
    try:
        known = samples.read(folder)
        _announce(known, console)
        display = progress.display(known_plan, known, console)
        try:
            with _interruptible():
                collect.collect(known_plan, known, appender, _listener(display), _teller(display))
        except KeyboardInterrupt:
            raise UserError(_how_to_go_on(folder), INTERRUPTED) from None
        except OSError as error:
            raise UserError(
                f"{error.strerror}: {folder / samples.SAMPLES_FILE}. Nothing recorded is lost;"
                f" {_how_to_go_on(folder)}", environment.UNFIT) from None
        finally:
            display.close()
    finally:
        appender.close()
    return report(folder, console)


def _announce(known: Record, console: Console) -> None:
    """What is about to happen, in a few lines."""
    known_plan = known.plan
    total, done = known_plan.samples_planned(), len(known.samples)
    share = 1 - done / total if total else 0
    console.print(
        f"{wording.count(len(known_plan.workloads), 'workload')},"
        f" {wording.count(len(known_plan.arms), 'arm')},"
        f" {wording.count(known_plan.rounds, 'round')}:"
        f" {total} processes" + (f", {done} of them done" if done else "") +
        f", about {wording.duration(known_plan.estimated_s * share)}; seed {known_plan.seed}",
        soft_wrap=True, highlight=False)
    console.print(f"samples go to {known.folder}", soft_wrap=True, highlight=False)
    removed = known_plan.environment.get("variables_removed")
    if removed:
        console.print(f"not handed to the samples: {', '.join(removed)}", soft_wrap=True,
                      highlight=False)
    family = sum(
        len(plan.compared(known_plan.arms_by_name(), item)) for item in known_plan.workloads)
    needed = inference.rounds_needed(family)
    if family and known_plan.rounds < needed:
        console.print(
            f"mind: with {known_plan.rounds} rounds none of {family} claims can be proved; that"
            f" needs {needed}", style="yellow", soft_wrap=True, highlight=False)
    for note in known_plan.notes:
        console.print(f"mind: {note}", style="yellow", soft_wrap=True, markup=False,
                      highlight=False)


def _listener(display: progress.Display) -> collect.Listener:
    def listen(entry: samples.Sample | samples.Refusal) -> None:
        if isinstance(entry, samples.Refusal):
            display.say(f"refused: {entry.workload} with {entry.arm}: {entry.refused}")
        display.advance(entry)

    return listen


def _teller(display: progress.Display) -> Callable[[str, int, str], None]:
    """Says which rounds are run again, as long as they are few; the report has them all."""
    told = itertools.count(1)

    def tell(workload: str, round_: int, reason: str) -> None:
        number = next(told)
        if number <= REPEATS_TOLD:
            display.say(f"round {round_ + 1} of {workload} is run again: {reason}")
        elif number == REPEATS_TOLD + 1:
            display.say("more rounds are run again; the report names them")

    return tell


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


def report(folder: pathlib.Path, console: Console, output: pathlib.Path | None = None) -> int:
    """Makes the report from the raw samples and says where it is. Returns the exit code.

    FINDING if an arm crashed, UNFIT if one could not prove what it measured, else PASS.
    """
    taken = samples.read(folder)
    if not taken.samples:
        raise UserError(f"{folder} holds no whole sample yet: go on with --resume")
    analysis = verdicts.analyse(taken)
    paths = render.write_all(analysis, output or folder)
    render.print_terminal(analysis, console, paths)
    sys.stdout.flush()
    if any(refusal.crashed for refusal in taken.refusals):
        return environment.FINDING
    return environment.UNFIT if taken.refusals else environment.PASS

"""Measures the pool against the mallocs of this machine and reports what that proves.

Every process is a sample, recorded as it ends: a run that was stopped goes on with --resume.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
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
from typing import Any, Callable, Collection, Iterable, Iterator, Sequence

from rich.console import Console

from analysis.building import meson
from analysis.measure import catalogue, probes, progress, recorder, runner
from analysis.report import render
from analysis.runs import interference, plan, records
from analysis.stats import inference, verdicts
from analysis.system import host, units
from analysis.runs.plan import Arm, Plan, Trace, Workload
from analysis.runs.records import Record
from analysis.system.exits import FINDING, PASS, UNFIT, USAGE, UserError
from analysis.system.files import ROOT, named_path, nearest, output_folder, whole_file
from analysis.system.process import find_program, processors

RUNS = ROOT / "results" / "runs"
TRACES = "traces"
ASKED_FILE = "asked"
"""The command line of a run that has no plan yet."""
REPEATS_TOLD = 5
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof bench."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a first answer within six minutes")
    size.add_argument("--full", action="store_true",
                      help="every size, and instructions, within an hour")
    catalogue.add_arguments(parser)
    parser.add_argument("--record", action="store_true",
                        help="record the programs anew instead of playing their kept traces")
    parts = parser.add_argument_group("instead of time, or with --resume beside what is there")
    parts.add_argument("--work", action="store_true",
                       help="count the instructions of an operation")
    parts.add_argument("--memory", action="store_true",
                       help="watch resident memory over the whole workload")
    parts.add_argument("--latency", action="store_true", help="time single operations")
    parser.add_argument("-o", "--output", type=named_path, metavar="DIR",
                        help="the run's folder (default: results/runs/ and the time)")
    parser.add_argument("--resume", type=pathlib.Path, metavar="DIR", help="go on with a run")
    parser.add_argument("--seed", type=_natural, metavar="N",
                        help="orders everything that is random")
    parser.add_argument("--rounds", type=_positive, metavar="N",
                        help="how often every arm runs (with --work and its like: is probed)")
    parser.add_argument("--list", action="store_true",
                        help="show workloads and arms, all or those that a run with the other "
                             "words would have, and end")


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
    parts = asked_parts(args)
    require_parts(parts)
    binary = benchmark_binary()
    check_traces(binary, traces)
    if args.list:
        list_offer(args, binary, traces, console)
        return PASS
    return _begin(args, binary, traces, console)


def _begin(args: argparse.Namespace, binary: pathlib.Path, traces: list[Trace],
           console: Console) -> int:
    """Plans and measures. What was asked for lies in the folder until the plan does."""
    with new_folder(args.output) as folder:
        with whole_file(folder / ASKED_FILE) as stream:
            stream.write(_command_again(args) + "\n")
        recorded, notes = program_traces(wanted_programs(args), folder, console, args.record)
        notes += _of_given(args, traces, [trace.name for trace in recorded])
        taken = {trace.name for trace in traces}
        traces += [trace for trace in recorded if trace.name not in taken]
        new = make_plan(args, binary, traces, notes, console)
        records.write_plan(folder, new)
        (folder / ASKED_FILE).unlink()
    return measure(folder, new, console)


def _of_given(args: argparse.Namespace, given: Sequence[Trace], recorded: Collection[str]) -> list[
        str]:
    """What the user may not expect of the traces that he named, as sentences."""
    left_out = [trace for trace in given
                if args.workload and not catalogue.plays(args.workload, trace.name)]
    return [f"{trace.file} is not played; add trace/{trace.name} to --workload."
            for trace in left_out] + \
           [f"trace/{trace.name} is {trace.file}, not the recorded program of that name."
            for trace in given if trace.name in recorded]


def output_console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for the tables in a file or a
    pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def benchmark_binary() -> pathlib.Path:
    """The benchmark binary, built if need be."""
    binary = meson.ensure_build("release") / "bench" / "poolproof-bench"
    if not binary.is_file():
        raise UserError("poolproof-bench was not built; install libbenchmark-dev",
                        UNFIT)
    return binary


def asked_parts(args: argparse.Namespace) -> list[str]:
    """The parts that the user wants measured alone; none for those of the mode."""
    return [part for part in plan.PARTS if getattr(args, part, False)]


def require_parts(parts: Iterable[str]) -> None:
    """UserError if a part needs what this machine lacks."""
    if "work" in parts:
        probes.valgrind_version()


def check_traces(binary: pathlib.Path, traces: list[Trace]) -> None:
    """UserError if a trace cannot be played, before anything else is done: each is played once
    where nothing is allocated."""
    for trace in traces:
        command = runner.command_for(str(binary), [trace], f"trace/{trace.name}", "noop",
                                      ["--iterations=1"])
        outcome = runner.run_process(command, runner.child_environment(None, 0),
                                      10 * runner.PATIENCE_S)
        try:
            runner.check_end(outcome)
        except runner.Unusable as error:
            if outcome.exit_code == USAGE:
                raise UserError(outcome.complaint.removeprefix("poolproof-bench: ")) from None
            raise UserError(f"{trace.file} cannot be played: {error}") from None


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
        digest = host.sha256(file)
    except OSError as error:
        hint = nearest(file) if isinstance(error, FileNotFoundError) else ""
        raise UserError(f"{file}: {error.strerror}{hint}") from None
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", file.name)
    name = re.sub(r"(\.trace)?(\.gz)?$", "", name) or name
    return Trace(name, str(file.resolve()), digest, "")


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
    if (folder / records.SAMPLES_FILE).exists() or (folder / records.RUN_FILE).exists():
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


def kept_traces(but: Collection[str] = ()) -> list[Trace]:
    """The kept traces where they lie, but those of these names."""
    return [Trace(program.name, str(program.trace), program.kept.sha256, program.question)
            for program in recorder.programs() if program.kept and program.name not in but]


def wanted_programs(args: argparse.Namespace) -> list[recorder.Program]:
    """The real programs whose traces a run plays: those of its mode, or those asked for."""
    known = recorder.programs()
    if args.threads:
        return []
    if args.workload:
        return [program for program in known if catalogue.plays(args.workload, program.name)]
    modes = list(plan.MODES)
    return [program for program in known if modes.index(program.mode) <= modes.index(_mode(args))]


def _mode(args: argparse.Namespace) -> str:
    return "quick" if args.quick else "full" if args.full else "default"


def program_traces(programs: list[recorder.Program], folder: pathlib.Path, console: Console,
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
                operations = recorder.record_program(program, file).converted[0]["operations"]
                origin = f"{program.name}, recorded for this run, {operations:,} operations"
            else:
                shutil.copyfile(program.trace, file)
                origin = recorder.provenance(program)
            traces.append(Trace(program.name, str(file), host.sha256(file),
                                f"{origin}: {program.question}"))
        except UserError as error:
            notes.append(f"{program.name} could not be recorded, so no trace of it is played:"
                         f" {error}.")
    return traces, notes


def list_offer(args: argparse.Namespace, binary: pathlib.Path, traces: list[Trace],
               console: Console) -> None:
    """Shows all that there is, or what a run with these words would measure."""
    kept = kept_traces({trace.name for trace in traces})
    if not (args.workload or args.arm or args.threads or args.quick or args.full):
        traces = traces + kept
        catalogue.print_offer(catalogue.offer(binary, traces, args.malloc), traces, console)
        return
    played = [program.name for program in wanted_programs(args)]
    traces = traces + [trace for trace in kept if trace.name in played]
    offered = catalogue.offer(binary, traces, args.malloc, args.threads)
    listed, _, arms = choose(args, offered)
    catalogue.print_offer(catalogue.Offer(listed, arms, [], chosen=True), traces, console)


def choose(args: argparse.Namespace, offered: catalogue.Offer) -> tuple[
        list[dict[str, Any]], list[Arm], list[Arm]]:
    """The workloads that a run has, the arms that apply to them, and those of these that it has."""
    catalogue.require_built(offered, args.workload)
    listed = catalogue.choose_workloads(offered.workloads, args.workload, args.quick, args.threads,
                                    args.full)
    usable = catalogue.applying(offered, listed, args.arm)
    arms = catalogue.choose_arms(usable, args.arm, args.quick,
                             [malloc.name for malloc in args.malloc])
    return listed, usable, arms


def make_plan(args: argparse.Namespace, binary: pathlib.Path, traces: list[Trace], notes: list[str],
              console: Console) -> Plan:
    """Chooses, calibrates and fixes everything that a run is going to do."""
    offered = catalogue.offer(binary, traces, args.malloc, args.threads)
    listed, usable, arms = choose(args, offered)
    workloads = [
        Workload(item["workload"], item["question"],
                 [arm.name for arm in arms if arm.benchmark_arm in item["arms"]],
                 item["parameters"], item["source"], harness=item["harness"],
                 capacity_bytes=item["capacity"], excluded=item["excluded"]) for item in listed
    ]
    if "work" in (asked_parts(args) or plan.MODES[_mode(args)].budgets_s):
        arms = countable(binary, arms)
    console.print(
        f"calibrating {units.count(len(workloads), 'workload')},"
        f" {sum(len(item.arms) for item in workloads)} times an arm on one", highlight=False)
    calibrations = {item.workload: calibrate(binary, traces, item, arms) for item in workloads}
    probed = {item["workload"] for item in listed if item["probes"]}
    extent = _extent(args, arms, workloads, calibrations, probed)
    used = [
        trace for trace in traces if any(
            item.workload.endswith(f"/{trace.name}") for item in extent.workloads)
    ]
    return Plan(schema=plan.SCHEMA, command=_command_again(args), mode=_mode(args),
                started=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                seed=args.seed if args.seed is not None else secrets.randbelow(10**9),
                rounds=extent.rounds, estimated_s=sum(extent.estimates_s.values()),
                benchmark={"path": str(binary), "sha256": host.sha256(binary)
                           }, arms=arms, absent=offered.absent, workloads=extent.workloads,
                traces=used, notes=notes,
                ledger=interference.Rule(spin_reference_ns=interference.spin_reference_ns()),
                environment=host.facts(), parts=list(extent.estimates_s),
                left_out=catalogue.left_out(usable, arms, args.arm) +
                catalogue.excluded(listed, offered.arms, args.arm, args.quick) +
                uncounted(arms) +
                catalogue.sizes_left_out(offered.workloads, listed, args.workload, args.quick or
                                     bool(args.threads)) + extent.left_out + [
                    {"what": name, "why": f"it was not built; install {package}"}
                    for name, package in offered.unbuilt.items()
                    if not args.workload and not args.quick
                ],
                part_rounds=extent.part_rounds, estimates_s=extent.estimates_s,
                least_rounds=extent.least_rounds, limit_s=extent.limit_s,
                part_limits_s=extent.part_limits_s)


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much a run does: the fields of its plan that follow from the time that it may take."""

    workloads: list[Workload]
    rounds: int
    least_rounds: int
    limit_s: float
    part_limits_s: dict[str, float]
    part_rounds: dict[str, int]
    estimates_s: dict[str, float]
    left_out: list[dict[str, str]]


def countable(binary: pathlib.Path, arms: list[plan.Arm]) -> list[plan.Arm]:
    """The arms, marked where Valgrind cannot run them; as they are where there is no Valgrind."""
    if not find_program("valgrind"):
        return arms
    return probes.with_countable(str(binary), arms)


def uncounted(arms: Iterable[plan.Arm]) -> list[dict[str, str]]:
    """Arms whose instructions are not counted: what, why."""
    names = [arm.name for arm in arms if not arm.counted]
    return [{"what": f"work of {', '.join(names)}", "why": "Valgrind cannot run a process with"
             " this library preloaded"}] if names else []


def _extent(args: argparse.Namespace, arms: list[plan.Arm], workloads: list[Workload],
            calibrations: dict[str, plan.Calibration], probed: set[str]) -> Extent:
    """Fits each part into its share of the mode's time."""
    mode, asked = plan.MODES[_mode(args)], asked_parts(args)
    by_name = {arm.name: arm for arm in arms}
    wanted, fewest, needed = _rounds(args, mode, by_name, workloads)
    budgets_s = {part: mode.whole_s / len(asked) for part in asked} or mode.budgets_s
    keep = bool(args.workload)
    fitted = plan.fit(workloads, calibrations, (wanted, fewest),
                      budgets_s.get("time", mode.budgets_s["time"]),
                      keep or "time" not in budgets_s)
    workloads = fitted.workloads
    estimates_s: dict[str, float] = {}
    part_rounds: dict[str, int] = {}
    left_out = list(fitted.left_out)
    parts_of: dict[str, list[str]] = {item.workload: [] for item in workloads}
    for part, budget_s in budgets_s.items():
        if part == "time":
            estimates_s[part] = plan.estimated_s(workloads, fitted.rounds)
            names = list(parts_of)
        elif part == "work" and not find_program("valgrind"):
            left_out.append({"what": "work", "why": "Valgrind counts it; install valgrind"})
            continue
        else:
            fits = plan.fit_part(part, [item for item in workloads if item.workload in probed],
                                 by_name, calibrations, budget_s, keep, least=1 if asked else 0,
                                 rounds=args.rounds if asked else None)
            left_out += fits.left_out
            if not fits.workloads:
                continue
            names = fits.workloads
            estimates_s[part], part_rounds[part] = fits.estimated_s, fits.rounds
        for name in names:
            parts_of[name].append(part)
    unprobed = [item.workload for item in workloads if item.workload not in probed]
    if part_rounds and unprobed:
        left_out.append({
            "what": f"{', '.join(part_rounds)} of {', '.join(unprobed)}",
            "why": "they are seen on one thread and a heap of the workload's own, over and over"
        })
    kept = [
        dataclasses.replace(item, parts=parts_of[item.workload]) for item in workloads
        if parts_of[item.workload]
    ]
    if not kept:
        raise UserError(f"{' and '.join(budgets_s)} cannot be had of {', '.join(parts_of)}: that is"
                        " for workloads of one thread, repeated on a heap of their own")
    limit_s = budgets_s.get("time", 0.0) * plan.REPEATED
    return Extent(kept, fitted.rounds, fitted.rounds if args.rounds or keep else needed,
                  max(limit_s, plan.REPEATED * estimates_s.get("time", 0.0)),
                  {} if keep else {part: plan.REPEATED * max(budgets_s[part], estimates_s[part])
                                   for part in part_rounds},
                  part_rounds, estimates_s, left_out)


def _rounds(args: argparse.Namespace, mode: plan.Mode, arms_by_name: dict[str, plan.Arm],
            workloads: list[Workload]) -> tuple[int, int, int]:
    """(the mode's rounds, or more where its family of claims could not be proved with so few; the
    fewest that are planned; the fewest that prove the family), or thrice what the user wants."""
    if args.rounds:
        return args.rounds, args.rounds, args.rounds
    family = sum(len(plan.compared(arms_by_name, item)) for item in workloads)
    least = inference.rounds_needed(family) + 1
    return max(mode.rounds, least), max(mode.fewest, least), least


def calibrate(binary: pathlib.Path, traces: list[Trace], workload: Workload,
               arms: list[plan.Arm]) -> plan.Calibration:
    """By the baseline where it runs this workload, else by the first arm that does; then each
    other arm, for what it costs alone."""
    own = [arm for arm in arms if arm.name in workload.arms]
    chosen = next((arm for arm in own if arm.name == plan.BASELINE), own[0])
    found, iterations = runner.calibrate(str(binary), traces, workload.workload,
                                          chosen.benchmark_arm, chosen.preload)
    others = [arm for arm in own if arm is not chosen and arm.role not in ("null", "delay")]
    with concurrent.futures.ThreadPoolExecutor(
            min(plan.SIDE_BY_SIDE, processors())) as pool:
        try:
            tried = pool.map(
                lambda arm: runner.try_arm(str(binary), traces, workload.workload, arm,
                                            max(1, iterations // 4)), others)
            costs = {arm.name: cost for arm, cost in zip(others, tried) if cost}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.end_all()
            raise
    if "pool-keep" in costs:
        costs[plan.DELAY] = costs["pool-keep"]
    return dataclasses.replace(found, arms=costs)


def _command_again(args: argparse.Namespace) -> str:
    """The command line that asks for the same again."""
    words = ["./poolproof", "bench"]
    words += ["--quick"] if args.quick else ["--full"] if args.full else []
    words += catalogue.words(args)
    words += ["--record"] if args.record else []
    words += [f"--{part}" for part in asked_parts(args)]
    words += ["--rounds", str(args.rounds)] if args.rounds else []
    words += ["--seed", str(args.seed)] if args.seed is not None else []
    return shlex.join(words)


# --- Going on ------------------------------------------------------------------------------------


def _resume(args: argparse.Namespace, console: Console) -> int:
    """Goes on with a run, if nothing that it depends on has changed."""
    fixed = {
        "--quick": args.quick, "--full": args.full, "--workload": args.workload, "--arm": args.arm,
        "--trace": args.trace, "--malloc": args.malloc, "--threads": args.threads,
        "-o": args.output, "--seed": args.seed is not None,
        "--rounds": args.rounds, "--list": args.list, "--record": args.record
    }
    given = [flag for flag, value in fixed.items() if value]
    if given:
        raise UserError(f"--resume goes on as the run was planned; leave out {' '.join(given)}")
    folder = args.resume.resolve()
    if (folder / ASKED_FILE).is_file() and not (folder / records.RUN_FILE).exists():
        return run(_asked(folder))
    known = records.read_plan(folder)
    more = asked_parts(args)
    require_parts([*known.parts, *more])
    if not (folder / records.SAMPLES_FILE).exists() and records.read(folder).samples:
        raise UserError(
            f"{args.resume} has been put away: unpack its {records.SAMPLES_FILE}.xz first")
    benchmark_binary()
    changed = changes(known)
    if changed:
        raise UserError(
            f"{args.resume} cannot go on, as its samples would not be alike: " +
            "; ".join(changed) + ". Start a new run", UNFIT)
    added = [part for part in more if part not in known.parts]
    if added:
        known = with_parts(known, added, args)
        records.write_plan(folder, known)
    return measure(folder, known, console)


def _asked(folder: pathlib.Path) -> argparse.Namespace:
    """The arguments of a run that was stopped before it had a plan."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = shlex.split((folder / ASKED_FILE).read_text(encoding="utf-8"))
    args = parser.parse_args(words[2:])
    args.output = folder
    return args


def with_parts(known: Plan, added: list[str], args: argparse.Namespace) -> Plan:
    """A plan that measures more parts of its workloads, as often as a part usually is."""
    listed = plan.list_workloads(pathlib.Path(known.benchmark["path"]), known.traces)
    probed = {item["workload"] for item in listed if item["probes"]}
    if not any(item.workload in probed for item in known.workloads):
        raise UserError(f"{args.resume} has no workload that {' or '.join(added)} applies to")
    arms = known.arms
    if "work" in added:
        arms = countable(pathlib.Path(known.benchmark["path"]), arms)
    return dataclasses.replace(
        known, arms=arms, parts=[*known.parts, *added],
        left_out=known.left_out + (uncounted(arms) if "work" in added else []),
        part_rounds=known.part_rounds | {part: plan.PART_ROUNDS[part] for part in added},
        workloads=[
            dataclasses.replace(item, parts=[*item.parts, *added])
            if item.workload in probed else item for item in known.workloads
        ])


def changes(known: Plan) -> list[str]:
    """What is not as it was when the run was planned, each as a phrase."""
    files = [("poolproof-bench", known.benchmark["path"], known.benchmark["sha256"])]
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


# --- Measuring and reporting ---------------------------------------------------------------------


def measure(folder: pathlib.Path, known_plan: Plan, console: Console) -> int:
    """Runs what is still to run, then reports. UserError with the way to go on if interrupted."""
    _announce(records.read(folder), console)
    for part in known_plan.parts:
        with appending(folder, part) as appender, _stoppable(folder, part):
            known = records.read(folder)
            if part == "time":
                _measure_time(known, appender, console)
            else:
                _probe(known, part, appender, console)
    return report(folder, console)


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


def _measure_time(known: Record, appender: records.Appender, console: Console) -> None:
    display = progress.display(progress.clock_of_time(known.plan, known), console)
    try:
        done = runner.collect(known.plan, known, appender, _listener(display), _teller(display))
    finally:
        display.close()
    if done < known.plan.rounds:
        console.print(
            f"mind: time is up after {done} of {known.plan.rounds} rounds, which is enough for"
            " the family of claims", style="yellow", soft_wrap=True, highlight=False)


def _probe(known: Record, part: str, appender: records.Appender, console: Console) -> None:
    todo = probes.missing(known.plan, part, getattr(known, part),
                          known.part_refusals.get(part, []))
    display = progress.display(progress.clock_of_part(known.plan, part, len(todo)), console)

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


def _show_parts(taken: Record, console: Console) -> int:
    """The figures of a run that has no times, and the exit code."""
    if not any(getattr(taken, part) or part in taken.part_refusals for part in taken.plan.parts):
        raise UserError(f"{taken.folder} holds no whole line yet: go on with --resume")
    for part in taken.plan.parts:
        probes.print_part(taken, part, console)
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


def _announce(known: Record, console: Console) -> None:
    """What is about to happen, in a few lines."""
    known_plan = known.plan
    total, done = known_plan.samples_planned(), len(known.samples)
    timed = "time" in known_plan.parts
    console.print(
        f"{units.count(len(known_plan.workloads), 'workload')},"
        f" {units.count(len(known_plan.arms), 'arm')}" +
        (f", {units.count(known_plan.rounds, 'round')}: {total} processes" if timed else "") +
        (f", {done} of them done" if done else "") + f"; seed {known_plan.seed}",
        soft_wrap=True, highlight=False)
    if known_plan.estimates_s:
        console.print(f"expected: {units.duration(known_plan.estimated_s)} in all: " + ", ".join(
            f"{part} {units.duration(seconds)}"
            for part, seconds in known_plan.estimates_s.items()) +
            (f", up to {plan.REPEATED - 1:.0%} more where rounds are run again" if timed else ""),
            soft_wrap=True, highlight=False)
    console.print(f"samples go to {known.folder}", soft_wrap=True, highlight=False)
    removed = known_plan.environment.get("variables_removed")
    if removed:
        console.print(f"not handed to the samples: {', '.join(removed)}", soft_wrap=True,
                      highlight=False)
    family = sum(
        len(plan.compared(known_plan.arms_by_name(), item)) for item in known_plan.workloads)
    needed = inference.rounds_needed(family)
    if timed and family and known_plan.rounds < needed:
        console.print(
            f"mind: with {known_plan.rounds} rounds none of {family} claims can be proved; that"
            f" needs {needed}", style="yellow", soft_wrap=True, highlight=False)
    left = [f"left out: {item['what']}: {item['why']}." for item in known_plan.left_out]
    for note in [*known_plan.notes, *left]:
        console.print(f"mind: {note}", style="yellow", soft_wrap=True, markup=False,
                      highlight=False)


def _listener(display: progress.Display) -> runner.Listener:
    def listen(entry: records.Sample | records.Refusal) -> None:
        if isinstance(entry, records.Refusal):
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
    """Makes the report from the raw samples and says where it is; of a run that took no times,
    prints what it has. Returns the exit code."""
    taken = records.read(folder)
    if "time" not in taken.plan.parts:
        return _show_parts(taken, console)
    if not taken.samples:
        raise UserError(f"{folder} holds no whole sample yet: go on with --resume")
    analysis = verdicts.analyse(taken)
    if output is not None:
        output_folder(output)
    paths = render.write_all(analysis, output or folder)
    render.print_terminal(analysis, console, paths)
    sys.stdout.flush()
    return _exit_code(taken.refusals + list(
        itertools.chain.from_iterable(taken.part_refusals.values())))

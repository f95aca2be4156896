"""Plans a run: which pairs on which workloads, how long a batch is, how many launches at most."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import math
import pathlib
import re
import secrets
import shlex
import shutil
from typing import Any, Collection, Iterable, Sequence

from rich.console import Console

from analysis.measure import catalogue, probes, recorded_programs, runner, words
from analysis.runs import plan
from analysis.runs.plan import Arm, Pair, Plan, Trace, Workload
from analysis.stats import inference
from analysis.system import host, units
from analysis.system.exits import USAGE, UserError
from analysis.system.files import nearest
from analysis.system.process import find_program

TRACES = "traces"


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
        ended = runner.run_process(command, runner.child_environment(None, 0),
                                      10 * runner.PATIENCE_S)
        try:
            runner.check_end(ended)
        except runner.Unusable as error:
            if ended.exit_code == USAGE:
                raise UserError(ended.complaint.removeprefix("poolproof-bench: ")) from None
            raise UserError(f"{trace.file} cannot be played: {error}") from None


# --- Traces --------------------------------------------------------------------------------------


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


def kept_traces(but: Collection[str] = ()) -> list[Trace]:
    """The kept traces where they lie, but those of these names."""
    return [Trace(program.name, str(program.trace), program.kept.sha256, program.question)
            for program in recorded_programs.programs() if program.kept and program.name not in but]


def wanted_programs(args: argparse.Namespace) -> list[recorded_programs.Program]:
    """The real programs whose traces a run plays: those of its mode, or those asked for."""
    known = recorded_programs.programs()
    if args.threads:
        return []
    if args.workload:
        return [program for program in known if catalogue.plays(args.workload, program.name)]
    modes = list(plan.MODES)
    return [program for program in known if modes.index(program.mode) <= modes.index(mode_of(args))]


def mode_of(args: argparse.Namespace) -> str:
    return "quick" if args.quick else "full" if args.full else "default"


def program_traces(programs: list[recorded_programs.Program], folder: pathlib.Path,
                   console: Console, anew: bool = False) -> tuple[list[Trace], list[str]]:
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
                [image] = recorded_programs.record_program(program, file).converted
                origin = (f"{program.name}, recorded for this run, {image['operations']:,}"
                          " operations")
            else:
                shutil.copyfile(program.trace, file)
                origin = recorded_programs.provenance(program)
            traces.append(Trace(program.name, str(file), host.sha256(file),
                                f"{origin}: {program.question}"))
        except UserError as error:
            notes.append(f"{program.name} could not be recorded, so no trace of it is played:"
                         f" {error}.")
    return traces, notes


def of_given(args: argparse.Namespace, given: Sequence[Trace], recorded: Collection[str]) -> list[
        str]:
    """What the user may not expect of the traces that he named, as sentences."""
    left_out = [trace for trace in given
                if args.workload and not catalogue.plays(args.workload, trace.name)]
    return [f"{trace.file} is not played; add trace/{trace.name} to --workload."
            for trace in left_out] + \
           [f"trace/{trace.name} is {trace.file}, not the recorded program of that name."
            for trace in given if trace.name in recorded]


# --- The plan ------------------------------------------------------------------------------------


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


def offered(args: argparse.Namespace, binary: pathlib.Path,
            traces: list[Trace]) -> tuple[catalogue.Offer, list[Trace]]:
    """All that there is, or what a run with these words would measure."""
    kept = kept_traces({trace.name for trace in traces})
    if not (args.workload or args.arm or args.threads or args.quick or args.full):
        traces = traces + kept
        return catalogue.offer(binary, traces, args.malloc), traces
    played = [program.name for program in wanted_programs(args)]
    traces = traces + [trace for trace in kept if trace.name in played]
    listed, _, arms = choose(args, catalogue.offer(binary, traces, args.malloc, args.threads))
    return catalogue.Offer(listed, arms, [], chosen=True), traces


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


def make_plan(args: argparse.Namespace, binary: pathlib.Path, traces: list[Trace],
              notes: list[str], console: Console) -> Plan:
    """Chooses, calibrates and fixes everything that a run is going to do."""
    offered = catalogue.offer(binary, traces, args.malloc, args.threads)
    listed, usable, arms = choose(args, offered)
    arms = [dataclasses.replace(arm, delay_percent=args.delay) if arm.role == "delay" else arm
            for arm in arms]
    mode = plan.MODES[mode_of(args)]
    asked = asked_parts(args)
    budgets_s = dict.fromkeys(asked, math.inf) or mode.budgets_s
    parts = [part for part in budgets_s if part != "work" or find_program("valgrind")]
    if "work" in parts:
        arms = countable(binary, arms)
    workloads, left_out = planned(binary, traces, listed, arms, parts, console)
    return finished(
        args, mode, binary, arms, workloads, traces, notes, absent=offered.absent,
        left_out=catalogue.left_out(usable, arms, args.arm) +
        catalogue.excluded(listed, offered.arms, args.arm, args.quick) + uncounted(arms) +
        catalogue.sizes_left_out(offered.workloads, listed, args.workload, args.quick or
                                 bool(args.threads)) + left_out + [
            {"what": name, "why": f"it was not built; install {package}"}
            for name, package in offered.unbuilt.items() if not args.workload and not args.quick
        ] + ([] if "work" in parts or "work" not in budgets_s else [
            {"what": "work", "why": "Valgrind counts it; install valgrind"}]),
        parts=[part for part in parts if any(part in item.parts for item in workloads)],
        part_rounds={part: args.launches if asked and args.launches else plan.PART_ROUNDS[part]
                     for part in parts if part != "time"},
        part_limits_s={part: seconds for part, seconds in budgets_s.items()
                       if part != "time" and math.isfinite(seconds)})


def finished(args: argparse.Namespace, mode: plan.Mode, binary: pathlib.Path, arms: list[Arm],
             workloads: list[Workload], traces: list[Trace], notes: list[str],
             **more: Any) -> Plan:
    """A plan of these workloads with as many launches as its family of claims needs."""
    used = [trace for trace in traces
            if any(item.workload.endswith(f"/{trace.name}") for item in workloads)]
    family = sum(len(plan.compared(item)) for item in workloads)
    # Per workload and promise the two fastest mallocs may be compared, too.
    family += len({(item.workload, arm) for item in workloads for arm, _ in plan.compared(item)})
    fewest = inference.launches_needed(family, len(mode.stretch))
    looks = [args.launches] if args.launches else sorted(
        {math.ceil(fewest * stretch) for stretch in mode.stretch})
    return Plan(
        schema=plan.SCHEMA, command=command_again(args), mode=mode_of(args),
        started=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seed=secrets.randbelow(10**9) if args.seed is None else args.seed, looks=looks,
        budget_s=mode.budgets_s["time"], precision=mode.precision, benchmark={"path": str(binary),
                                                    "sha256": host.sha256(binary)},
        arms=arms, workloads=workloads, traces=used, notes=notes, environment=host.facts(), **more)


def planned(binary: pathlib.Path, traces: list[Trace], listed: Sequence[dict[str, Any]],
            arms: list[Arm], parts: Sequence[str], console: Console) -> tuple[
                list[Workload], list[dict[str, str]]]:
    """(workloads with their pairs, batches and parts, what was left out: what, why). UserError if
    nothing is left."""
    runner.go_first()
    console.print(f"calibrating {units.count(len(listed), 'workload')}", highlight=False)
    workloads = []
    for item in listed:
        own = [arm for arm in arms if arm.benchmark_arm in item["arms"]]
        pairs = plan.pairs_of(own)
        probed = [part for part in parts if part == "time" or item["probes"]]
        if not probed or not pairs:
            continue
        workloads.append(_calibrated(binary, traces, item, own, pairs, probed))
    unprobed = [item["workload"] for item in listed if not item["probes"]]
    others = [part for part in parts if part != "time"]
    if not workloads:
        raise UserError(f"{' and '.join(parts)} cannot be had of {', '.join(unprobed)}: that is"
                        " for workloads of one thread, repeated on a heap of their own, on which"
                        " two arms run")
    return workloads, [{
        "what": f"{', '.join(others)} of {', '.join(unprobed)}",
        "why": "they are seen on one thread and a heap of the workload's own, over and over"
    }] if others and unprobed else []


def _calibrated(binary: pathlib.Path, traces: list[Trace], item: dict[str, Any], own: list[Arm],
                pairs: list[Pair], parts: list[str]) -> Workload:
    """By the pool where it runs this workload, as its turns are to be long enough, else by the
    first arm that does. UserError if none does."""
    candidates = sorted(own, key=lambda arm: arm.role != "pool")
    for chosen in candidates:
        try:
            seen = runner.calibrate(str(binary), traces, item["workload"], chosen.benchmark_arm,
                                    chosen.preload)
            break
        except UserError as error:
            if error.exit_code == USAGE or chosen is candidates[-1]:
                raise
    threads = item["threads"] > 1 or item["workload"].startswith(("xmalloc-test", "cache-scratch"))
    return Workload(
        item["workload"], item["question"], [arm.name for arm in own], item["parameters"],
        item["source"], harness=item["harness"], capacity_bytes=item["capacity"],
        excluded=item["excluded"], pairs=pairs, parts=parts,
        latency_iterations=max(1, round(probes.LATENCY_OPERATIONS / max(seen.operations, 1))),
        **runner.turns_of(item["workload"], seen, threads))


def command_again(args: argparse.Namespace) -> str:
    """The command line that asks for the same again."""
    line = ["./poolproof", "bench"]
    line += ["--quick"] if args.quick else ["--full"] if args.full else []
    line += words.again(args)
    line += ["--record"] if args.record else []
    line += [f"--{part}" for part in asked_parts(args)]
    line += ["--launches", str(args.launches)] if args.launches else []
    line += ["--delay", f"{args.delay:g}"] if args.delay != plan.DELAY_PERCENT else []
    line += ["--seed", str(args.seed)] if args.seed is not None else []
    return shlex.join(line)

"""Plans a run: which pairs on which workloads, how long a batch is, how many launches at most."""

import argparse
import dataclasses
import datetime
import math
import pathlib
import re
import secrets
import shlex
import sys
from typing import Any, Sequence

from rich.console import Console

from analysis.measure import catalogue, probes, recorded_programs, runner
from analysis.runs import plan
from analysis.runs.plan import Arm, Pair, Plan, Trace, Workload
from analysis.stats import inference
from analysis.system import host, units
from analysis.system.exits import USAGE, UserError
from analysis.system.process import find_program

# --- Traces --------------------------------------------------------------------------------------


def given_traces(files: list[str]) -> list[Trace]:
    """The traces that the user named. UserError if one cannot be read, or two share a name."""
    traces: dict[str, Trace] = {}
    for file in map(pathlib.Path, files):
        name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", file.name)
        name = re.sub(r"(\.trace)?(\.gz)?$", "", name) or name
        if name in traces:
            raise UserError(f"two traces are called {name}: {traces[name].file} and {file}; rename"
                            " one")
        try:
            traces[name] = Trace(name, str(file.resolve()), host.sha256(file), "")
        except OSError as error:
            raise UserError(f"{file}: {error.strerror}") from None
    return list(traces.values())


def traces_of(args: argparse.Namespace) -> list[Trace]:
    """The traces that the user named, and those kept of the real programs that a run of this mode
    plays, or of those asked for. UserError as given_traces."""
    given = given_traces(args.trace)
    modes = list(plan.MODES)
    most = modes.index(mode_of(args))
    return given + [
        Trace(program.name, str(program.trace), host.sha256(program.trace),
              f"{program.provenance}: {program.question}")
        for program in recorded_programs.programs()
        if program.name not in {trace.name for trace in given} and not args.threads
        and (catalogue.plays(args.workload, program.name) if args.workload
             else modes.index(program.mode) <= most)]


def mode_of(args: argparse.Namespace) -> str:
    return "quick" if args.quick else "full" if args.full else "default"


# --- The plan ------------------------------------------------------------------------------------


def make_plan(args: argparse.Namespace, binary: pathlib.Path, traces: list[Trace],
              console: Console) -> Plan:
    """Chooses, calibrates and fixes everything that a run is going to do."""
    offered = catalogue.offer(binary, traces, args.malloc, args.threads)
    listed, usable, arms = catalogue.choose(args, offered)
    notes = [f"{trace.file} is not played; add trace/{trace.name} to --workload."
             for trace in traces
             if args.workload and not catalogue.plays(args.workload, trace.name)]
    notes += catalogue.left_out(args, offered, listed, usable, arms)
    arms = [dataclasses.replace(arm, delay_percent=args.delay) if arm.role == "delay" else arm
            for arm in arms]
    budgets_s = dict(plan.MODES[mode_of(args)].budgets_s)
    if "work" in budgets_s:
        arms = countable(binary, arms, budgets_s, notes)
    workloads = calibrated(binary, traces, listed, arms, console)
    return finished(args, binary, arms, workloads, traces, notes, budgets_s)


def countable(binary: pathlib.Path, arms: list[Arm], budgets_s: dict[str, float],
              notes: list[str]) -> list[Arm]:
    """The arms, marked and noted where Valgrind fails on them; without it there is no such part."""
    if not find_program("valgrind"):
        del budgets_s["work"]
        notes.append("Instructions are not counted; install valgrind.")
        return arms
    arms = probes.with_countable(str(binary), arms)
    names = [arm.name for arm in arms if not arm.counted]
    if names:
        notes.append(f"Instructions of {', '.join(names)} are not counted: Valgrind cannot run a"
                     " process with this library preloaded.")
    return arms


def finished(args: argparse.Namespace, binary: pathlib.Path, arms: list[Arm],
             workloads: list[Workload], traces: list[Trace], notes: list[str],
             budgets_s: dict[str, float], **more: Any) -> Plan:
    """A plan of these workloads with as many launches as its family of claims needs."""
    mode = plan.MODES[mode_of(args)]
    used = [trace for trace in traces
            if any(item.workload.endswith(f"/{trace.name}") for item in workloads)]
    claims = sum(pair.kind == "claim" for item in workloads for pair in item.pairs)
    fewest = inference.launches_needed(claims, len(mode.stretch))
    looks = [args.launches] if args.launches else sorted(
        {math.ceil(fewest * stretch) for stretch in mode.stretch})
    return Plan(
        schema=plan.SCHEMA, command=shlex.join(["./poolproof", *sys.argv[1:]]), mode=mode_of(args),
        started=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seed=1 + secrets.randbelow(10**9) if args.seed is None else args.seed, looks=looks,
        budgets_s=budgets_s, precision=mode.precision,
        benchmark={"path": str(binary), "sha256": host.sha256(binary)}, arms=arms,
        workloads=workloads, traces=used, notes=notes, environment=host.facts(), **more)


def calibrated(binary: pathlib.Path, traces: list[Trace], listed: Sequence[Workload],
               arms: list[Arm], console: Console) -> list[Workload]:
    """The workloads with their pairs and batches. UserError if nothing is left."""
    runner.go_first()
    console.print(f"calibrating {units.count(len(listed), 'workload')}", highlight=False)
    workloads = []
    for item in listed:
        own = [arm for arm in arms if arm.benchmark_arm in item.arms]
        pairs = plan.pairs_of(own)
        if pairs:
            workloads.append(_calibrated(binary, traces, item, own, pairs))
    if not workloads:
        raise UserError("none of these workloads has two of these arms")
    return workloads


def _calibrated(binary: pathlib.Path, traces: list[Trace], item: Workload, own: list[Arm],
                pairs: list[Pair]) -> Workload:
    """By the pool where it runs this workload, else by the first arm. UserError if none does."""
    candidates = sorted(own, key=lambda arm: arm.role != "pool")
    for chosen in candidates:
        try:
            seen = runner.calibrate(str(binary), traces, item.workload, chosen.benchmark_arm,
                                    chosen.preload)
            break
        except UserError as error:
            if error.exit_code == USAGE or chosen is candidates[-1]:
                raise
    threads = item.threads > 1 or item.workload.startswith(("xmalloc-test", "cache-scratch"))
    return dataclasses.replace(
        item, arms=[arm.name for arm in own], pairs=pairs,
        latency_iterations=max(1, round(probes.LATENCY_OPERATIONS / max(seen.operations, 1))),
        **runner.turns_of(item.workload, seen, threads))

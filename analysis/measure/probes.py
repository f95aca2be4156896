"""Runs the parts of a plan beside time: instructions, memory, single operations.

Each process is a line, or a line for each kind of operation, of a file of its part. Instructions
and memory are no times, so two such processes run side by side; latencies are taken one process at
a time.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import itertools
import json
import math
import pathlib
import re
import statistics
import subprocess
import tempfile
import time
from typing import Any, Callable, Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.measure import runner
from analysis.runs import plan
from analysis.system import units
from analysis.measure.runner import Hashes, Outcome, Unusable
from analysis.runs.plan import Arm, Plan, Workload
from analysis.runs.records import Appender, Latency, Memory, Record, Refusal, Work
from analysis.system.exits import UNFIT, UserError
from analysis.system.process import find_program, processors

PATIENCE_S = {"memory": 120.0, "latency": 120.0, "work": 600.0}
"""A process may take so long before it is ended and refused."""
PLACES_KEPT = 64
"""Of a memory curve: the ends, the peaks, and others at equal distances."""
COUNTED = "probe_counted"
"""The function of the benchmark binary whose instructions are counted, with all that it calls."""
KINDS = ("alloc", "free", "realloc")
LEAST_LIVE_BYTES = 100_000
"""Below, a ratio to live bytes says more of program text that was read in than of the arm."""

Task = tuple[int, Workload, Arm]
"""Round, workload, arm: one process, or one slope."""
Lines = Sequence[Work | Memory | Latency | Refusal]
Prober = Callable[[Plan, Task, Hashes], Lines]


# --- One process ---------------------------------------------------------------------------------


def _answer(run: Plan, task: Task, part: str, more: list[str], hashes: Hashes,
            before: list[str] | None = None) -> tuple[dict[str, Any], dict[str, str], Outcome]:
    """Runs one probe: (what it found, its proof, how it ended). Unusable if that says nothing."""
    _, workload, arm = task
    command = runner.command_for(run.benchmark["path"], run.traces, workload.workload,
                                  arm.benchmark_arm, [f"--{part}", *more])
    command.remove("--benchmark_format=json")
    variables = runner.child_environment(arm.preload, 0)
    if part == "work":
        variables["LD_PRELOAD"] = ":".join(filter(
            None, (frozen_clock(run.benchmark["path"]), arm.preload)))
    outcome = runner.run_process((before or []) + command, variables, PATIENCE_S[part])
    runner.check_end(outcome)
    try:
        told = json.loads(outcome.output)
        found, context = told[part], told["context"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unusable(f"its output is not that of a probe: {error!r}") from None
    return found, runner.proven(run, arm, context, hashes), outcome


def probe_memory(run: Plan, task: Task, hashes: Hashes) -> list[Memory]:
    """What a process holds while it does the workload once. Unusable if it does not tell."""
    round_, workload, arm = task
    told, proof, _ = _answer(run, task, "memory", [], hashes)
    try:
        kept = places_kept(told["live_bytes"], told["rss_bytes"], PLACES_KEPT)
        return [
            Memory(workload.workload, arm.name, round_, told["operations"], told["peak_live_bytes"],
                   told["base_rss_bytes"], told["peak_rss_bytes"], told["end_rss_bytes"],
                   told["drained_rss_bytes"], told["minor_faults"], told["major_faults"],
                   progress=[round(told["done"][i] / told["operations"], 6) for i in kept],
                   live_bytes=[told["live_bytes"][i] for i in kept],
                   rss_bytes=[told["rss_bytes"][i] for i in kept], **proof)
        ]
    except (KeyError, IndexError, TypeError, ZeroDivisionError) as error:
        raise Unusable(f"its output is not that of a probe: {error!r}") from None


def places_kept(live_bytes: Sequence[int], rss_bytes: Sequence[int], most: int) -> list[int]:
    """Which places of a curve stand for all: the ends, both peaks, and others evenly between."""
    last = len(live_bytes) - 1
    if last < most:
        return list(range(last + 1))
    even = {round(i * last / (most - 3)) for i in range(most - 2)}
    return sorted(even | {live_bytes.index(max(live_bytes)), rss_bytes.index(max(rss_bytes))})


def probe_latency(run: Plan, task: Task, hashes: Hashes) -> list[Latency]:
    """Single operations, a line a kind. Unusable if the process does not tell."""
    round_, workload, arm = task
    told, proof, _ = _answer(run, task, "latency", [f"--iterations={workload.latency_iterations}"],
                             hashes)
    try:
        empty = told["kinds"]["empty"]
        lines = [
            Latency(workload.workload, arm.name, round_, kind, told["kinds"][kind]["count"],
                    told["kinds"][kind]["ns"], told["clock"], told["clock_step_ns"],
                    empty["count"], empty["ns"], **proof) for kind in KINDS
            if kind in told["kinds"]
        ]
    except (KeyError, TypeError) as error:
        raise Unusable(f"its output is not that of a probe: {error!r}") from None
    if not lines:
        raise Unusable("timed no operation")
    return lines


def probe_work(run: Plan, task: Task, hashes: Hashes) -> list[Work]:
    """Instructions of an operation, as the slope between two lengths. Unusable if there is none."""
    round_, workload, arm = task
    started = time.monotonic()
    short, short_count, proof = _count(run, task, 1, hashes)
    longer = 1 + max(1, round(plan.WORK_OPERATIONS / short["operations"]))
    told, long_count, _ = _count(run, task, longer, hashes)
    operations = (longer * told["operations"] - short["operations"]) / (longer - 1)
    alike = told["operations"] == short["operations"] or workload.capacity_bytes
    if not alike or operations <= 0 or long_count <= short_count:
        raise Unusable(f"counts {short_count} instructions for 1 iteration and {long_count} for"
                       f" {longer}")
    slope = (long_count - short_count) / (longer - 1) / operations
    return [
        Work(workload.workload, arm.name, round_, slope, operations, 1, longer,
             short_count, long_count, f"{valgrind_version()} callgrind",
             round(time.monotonic() - started, 3), **proof)
    ]


def frozen_clock(binary: str) -> str:
    """The library with a clock that stands still: some allocators do more where time passes."""
    return str(pathlib.Path(binary).parent / "libpoolproof-frozen-clock.so")


def with_countable(binary: str, arms: Sequence[Arm]) -> list[Arm]:
    """The arms, marked where a process that has their library preloaded dies in Valgrind."""
    dies: dict[str | None, bool] = {None: False}
    for preload in dict.fromkeys(arm.preload for arm in arms if arm.preload):
        variables = runner.child_environment(None, 0)
        variables["LD_PRELOAD"] = f"{frozen_clock(binary)}:{preload}"
        command = [find_program("valgrind") or "valgrind", "--quiet", "--tool=none",
                   binary, "--owner"]
        dies[preload] = runner.run_process(command, variables, PATIENCE_S["work"]).exit_code != 0
    return [dataclasses.replace(arm, counted=not dies[arm.preload]) for arm in arms]


def _count(run: Plan, task: Task, iterations: int,
           hashes: Hashes) -> tuple[dict[str, Any], int, dict[str, str]]:
    """(what a process told, the instructions of its loop, its proof)."""
    with tempfile.TemporaryDirectory() as folder:
        counting = [
            find_program("valgrind") or "valgrind", "--quiet", "--tool=callgrind",
            "--collect-atstart=no", f"--toggle-collect={COUNTED}",
            f"--callgrind-out-file={folder}/%p"
        ]
        told, proof, outcome = _answer(run, task, "work", [f"--iterations={iterations}"], hashes,
                                       counting)
        counted = pathlib.Path(folder, str(outcome.pid))
        try:  # the child that reads a trace leaves a file of its own
            found = re.search(r"^totals: (\d+)$", counted.read_text(), re.MULTILINE)
        except OSError as error:
            raise Unusable(f"Valgrind wrote no count: {error.strerror}") from None
    if not found or told.get("iterations") != iterations or not told.get("operations"):
        raise Unusable("Valgrind counted nothing")
    return told, int(found.group(1)), proof


@functools.lru_cache(maxsize=None)
def valgrind_version() -> str:
    """Such as valgrind-3.19.0. UserError if there is none."""
    path = find_program("valgrind")
    if not path:
        raise UserError("instructions are counted by Valgrind; install valgrind",
                        UNFIT)
    answer = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True, check=False)
    return answer.stdout.strip() or "valgrind"


PROBERS: dict[str, Prober] = {
    "memory": probe_memory, "latency": probe_latency, "work": probe_work
}


# --- A whole part --------------------------------------------------------------------------------


def tasks(run: Plan, part: str) -> Iterator[Task]:
    """Everything that a part has to do, in the plan's order."""
    for round_ in range(run.part_rounds.get(part, 0)):
        for workload in plan.workload_order(run, round_):
            if part in workload.parts:
                arms = set(plan.probed_arms(run.arms_by_name(), workload, part))
                for arm in plan.arm_order(run, workload, round_, 0):
                    if arm.name in arms:
                        yield round_, workload, arm


def missing(run: Plan, part: str, done: Iterable[Any], refused: Iterable[Refusal]) -> list[Task]:
    """What a part has still to do. An arm that was refused leaves its workload."""
    there = {(line.round, line.workload, line.arm) for line in done}
    withdrawn = {(line.workload, line.arm) for line in refused}
    return [
        task for task in tasks(run, part)
        if (task[0], task[1].workload, task[2].name) not in there and
        (task[1].workload, task[2].name) not in withdrawn
    ]


def run_part(run: Plan, part: str, todo: Sequence[Task], appender: Appender,
             listener: Callable[[Lines], None]) -> int:
    """Does what is to do, appending as it ends, and returns how much of it: all, unless the part's
    limit of time was reached. `listener` is told of each process's lines."""
    hashes = Hashes()
    end = time.monotonic() + run.part_limits_s.get(part, math.inf)
    passed = 0

    def in_time() -> Iterator[Task]:
        nonlocal passed
        for task in todo:
            if time.monotonic() >= end:
                return
            passed += 1
            yield task

    withdrawn: set[tuple[str, str]] = set()
    workers = 1 if part == "latency" else min(plan.SIDE_BY_SIDE, processors())
    waiting = in_time()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        under_way: set[concurrent.futures.Future] = set()
        try:
            while True:
                for task in itertools.islice(
                    (task for task in waiting
                     if (task[1].workload, task[2].name) not in withdrawn),
                        workers - len(under_way)):
                    under_way.add(pool.submit(_one, run, part, task, hashes))
                if not under_way:
                    return passed
                ended, under_way = concurrent.futures.wait(
                    under_way, return_when=concurrent.futures.FIRST_COMPLETED)
                for lines in (future.result() for future in ended):
                    if _is_new(lines, withdrawn):
                        appender.append(*lines)
                        listener(lines)
        except BaseException:
            runner.end_all()
            raise


def _one(run: Plan, part: str, task: Task, hashes: Hashes) -> Lines:
    round_, workload, arm = task
    try:
        return PROBERS[part](run, task, hashes)
    except Unusable as error:
        return [Refusal(workload.workload, arm.name, round_, 0, str(error), error.crashed)]


def _is_new(lines: Lines, withdrawn: set[tuple[str, str]]) -> bool:
    """Notes a refusal. Whether the lines are still wanted: not where the arm has left meanwhile."""
    place = (lines[0].workload, lines[0].arm)
    wanted = place not in withdrawn
    if isinstance(lines[0], Refusal):
        withdrawn.add(place)
    return wanted


# --- On the terminal -----------------------------------------------------------------------------


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

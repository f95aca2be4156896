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
import subprocess
import tempfile
import time
from typing import Any, Callable, Iterable, Iterator, Sequence

from analysis.measure import runner, side_by_side
from analysis.measure.runner import Hashes, Unusable
from analysis.measure.side_by_side import Ended
from analysis.runs import plan
from analysis.runs.plan import Arm, Plan, Workload
from analysis.runs.records import Appender
from analysis.runs.samples import Latency, Memory, Refusal, Work
from analysis.system.exits import UNFIT, UserError
from analysis.system.process import find_program, processors

PATIENCE_S = {"memory": 120.0, "latency": 120.0, "work": 600.0}
"""A process may take so long before it is ended and refused."""
SIDE_BY_SIDE = 2
"""Processes at a time where nothing is timed."""
WORK_OPERATIONS = 20_000
"""So many operations separate the longer of two counted processes from the shorter."""
LATENCY_OPERATIONS = 300_000
"""So many are timed one by one in a process, about."""
PLACES_KEPT = 64
"""Of a memory curve: the ends, the peaks, and others at equal distances."""
COUNTED = "probe_counted"
"""The function of the benchmark binary whose instructions are counted, with all that it calls."""
KINDS = ("alloc", "free", "realloc")

Task = tuple[int, Workload, Arm]
"""Round, workload, arm: one process, or one slope."""
Lines = Sequence[Work | Memory | Latency | Refusal]
Prober = Callable[[Plan, Task, Hashes], Lines]


# --- One process ---------------------------------------------------------------------------------


def _answer(run: Plan, task: Task, part: str, more: list[str], hashes: Hashes,
            before: list[str] | None = None) -> tuple[dict[str, Any], dict[str, str], Ended]:
    """Runs one probe: (what it found, its proof, how it ended). Unusable if that says nothing."""
    _, workload, arm = task
    path = runner.benchmark_of(run, arm)["path"]
    command = runner.command_for(path, run.traces, workload.workload,
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
    longer = 1 + max(1, round(WORK_OPERATIONS / short["operations"]))
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
                for arm in plan.arm_order(run, workload, round_):
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
    workers = 1 if part == "latency" else min(SIDE_BY_SIDE, processors())
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
            side_by_side.end_all()
            raise


def _one(run: Plan, part: str, task: Task, hashes: Hashes) -> Lines:
    round_, workload, arm = task
    try:
        return PROBERS[part](run, task, hashes)
    except Unusable as error:
        return [Refusal(workload.workload, arm.name, round_, str(error), error.crashed)]


def _is_new(lines: Lines, withdrawn: set[tuple[str, str]]) -> bool:
    """Notes a refusal. Whether the lines are still wanted: not where the arm has left meanwhile."""
    place = (lines[0].workload, lines[0].arm)
    wanted = place not in withdrawn
    if isinstance(lines[0], Refusal):
        withdrawn.add(place)
    return wanted

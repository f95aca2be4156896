"""Probes what a plan measures beside time: instructions, memory, single operations.

Each process is a line of probes.jsonl.gz. Instructions and memory are no times, so two such
processes run side by side; latencies are taken one process at a time.
"""

import dataclasses
import functools
import json
import pathlib
import re
import tempfile
import time
from typing import Any, Callable, Sequence

from analysis.measure import lanes, runner, side_by_side
from analysis.measure.runner import Unusable
from analysis.measure.side_by_side import Ended
from analysis.runs import plan
from analysis.runs.plan import Arm, Plan, Workload
from analysis.runs.records import Appender, Record
from analysis.runs.samples import PERCENTILES, Probe, Refusal
from analysis.system.process import answer, processors

PATIENCE_S = {"memory": 120.0, "latency": 120.0, "work": 600.0}
"""A process may take so long before it is ended and refused."""
SIDE_BY_SIDE = 2
"""Processes at a time where nothing is timed."""
ROUNDS = {"memory": 2, "latency": 3, "work": 2}
"""How often a part does the same."""
ROLES = ("pool", "malloc", "floor", "other")
"""The null arm and the delay say something of time alone."""
WORK_OPERATIONS = 20_000
"""So many operations separate the longer of two counted processes from the shorter."""
LATENCY_OPERATIONS = 300_000
"""So many are timed one by one in a process, about."""
COUNTED = "probe_counted"
"""The function of the benchmark binary whose instructions are counted, with all that it calls."""
KINDS = {"alloc": "alloc", "free": "free", "realloc": "realloc", "empty": "clock"}
"""What the binary times one by one, and its name in figures."""

Task = tuple[int, Workload, Arm, str]
"""Round, workload, arm, part: one process, or one slope."""
Found = tuple[dict[str, float], str, dict[str, str]]
"""Figures, the instrument and the proof."""


# --- One process ---------------------------------------------------------------------------------


def probe(run: Plan, task: Task) -> Probe | Refusal:
    """What a process, or two, shows; or why that is nothing."""
    round_, workload, arm, part = task
    look = {"memory": _memory, "latency": _latency, "work": _work}[part]
    try:
        try:
            figures, instrument, proof = look(run, workload, arm)
        except (ValueError, KeyError, TypeError) as error:
            raise Unusable(f"its output is not that of a probe: {error!r}") from None
        return Probe(workload.workload, arm.name, round_, part, figures, instrument, **proof)
    except Unusable as error:
        return Refusal(workload.workload, arm.name, round_, str(error), error.crashed, part)


def _answer(run: Plan, workload: Workload, arm: Arm, part: str, more: Sequence[str] = (),
            before: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, str], Ended]:
    """Runs one probe: (what it found, its proof, how it ended). Unusable if that says nothing."""
    command = runner.command_for(runner.benchmark_of(run, arm)["path"], run.traces,
                                 workload.workload, arm.benchmark_arm, [f"--{part}", *more])
    command.remove("--benchmark_format=json")
    variables = runner.child_environment(arm.preload, 0)
    if part == "work":
        variables["LD_PRELOAD"] = ":".join(filter(
            None, (frozen_clock(run.benchmark["path"]), arm.preload)))
    ended = side_by_side.run([*before, *command], variables, PATIENCE_S[part])
    runner.check_end(ended)
    told = json.loads(ended.output)
    return told[part], runner.proven(run, arm, told["context"]), ended


def _memory(run: Plan, workload: Workload, arm: Arm) -> Found:
    """What a process holds while it does the workload once."""
    told, proof, _ = _answer(run, workload, arm, "memory")
    base = told["base_rss_bytes"]
    return {
        "peak_live_bytes": told["peak_live_bytes"], "base_rss_bytes": base,
        "faults": told["minor_faults"] + told["major_faults"],
        **{f"{when}_bytes": max(0, told[f"{when}_rss_bytes"] - base)
           for when in ("peak", "end", "drained")}
    }, "", proof


def _latency(run: Plan, workload: Workload, arm: Arm) -> Found:
    """Single operations, by kind."""
    told, proof, _ = _answer(run, workload, arm, "latency",
                             [f"--iterations={workload.latency_iterations}"])
    figures = {}
    for kind, seen in told["kinds"].items():
        figures[f"{KINDS[kind]} count"] = seen["count"]
        figures |= {f"{KINDS[kind]} {name}": seen["ns"][name] for name in PERCENTILES}
    return figures, told["clock"], proof


def _work(run: Plan, workload: Workload, arm: Arm) -> Found:
    """Instructions of an operation, as the slope between two lengths. Unusable if there is none."""
    short, short_count, proof = _count(run, workload, arm, 1)
    longer = 1 + max(1, round(WORK_OPERATIONS / short))
    long, long_count, _ = _count(run, workload, arm, longer)
    operations = (longer * long - short) / (longer - 1)
    alike = long == short or workload.capacity_bytes
    if not alike or operations <= 0 or long_count <= short_count:
        raise Unusable(f"counts {short_count} instructions for 1 iteration and {long_count} for"
                       f" {longer}")
    return {
        "instructions": (long_count - short_count) / (longer - 1) / operations,
        "operations": operations, "short_iterations": 1, "long_iterations": longer,
        "short_instructions": short_count, "long_instructions": long_count
    }, f"{valgrind_version()} callgrind", proof


def frozen_clock(binary: str) -> str:
    """The library with a clock that stands still: some allocators do more where time passes."""
    return str(pathlib.Path(binary).parent / "libpoolproof-frozen-clock.so")


def with_countable(binary: str, arms: Sequence[Arm]) -> list[Arm]:
    """The arms, marked where a process that has their library preloaded dies in Valgrind."""
    dies: dict[str | None, bool] = {None: False}
    for preload in dict.fromkeys(arm.preload for arm in arms if arm.preload):
        variables = runner.child_environment(None, 0)
        variables["LD_PRELOAD"] = f"{frozen_clock(binary)}:{preload}"
        command = ["valgrind", "--quiet", "--tool=none",
                   binary, "--owner"]
        dies[preload] = side_by_side.run(command, variables, PATIENCE_S["work"]).exit_code != 0
    return [dataclasses.replace(arm, counted=not dies[arm.preload]) for arm in arms]


def _count(run: Plan, workload: Workload, arm: Arm,
           iterations: int) -> tuple[float, int, dict[str, str]]:
    """(operations of an iteration, the instructions of the loop, the proof) of a process."""
    with tempfile.TemporaryDirectory() as folder:
        counting = [
            "valgrind", "--quiet", "--tool=callgrind",
            "--collect-atstart=no", f"--toggle-collect={COUNTED}",
            f"--callgrind-out-file={folder}/%p"
        ]
        told, proof, ended = _answer(run, workload, arm, "work", [f"--iterations={iterations}"],
                                     counting)
        counted = pathlib.Path(folder, str(ended.pid))
        try:  # the child that reads a trace leaves a file of its own
            found = re.search(r"^totals: (\d+)$", counted.read_text(), re.MULTILINE)
        except OSError as error:
            raise Unusable(f"Valgrind wrote no count: {error.strerror}") from None
    if not found or told["iterations"] != iterations or not told["operations"]:
        raise Unusable("Valgrind counted nothing")
    return told["operations"], int(found.group(1)), proof


@functools.lru_cache(maxsize=None)
def valgrind_version() -> str:
    """Such as valgrind-3.19.0."""
    return answer(["valgrind", "--version"]).stdout.strip()


# --- A whole part --------------------------------------------------------------------------------


def missing(known: Record, part: str) -> list[Task]:
    """What a part has still to do, in the plan's order. A refused arm leaves its workload."""
    run = known.plan
    there = {(line.round, line.workload, line.arm) for line in known.probes if line.part == part}
    gone = {(line.workload, line.arm) for line in known.probe_refusals if line.part == part}
    arms = {arm.name for arm in run.arms
            if arm.role in ROLES and (part != "work" or arm.counted)}
    every = [(item, run.arm(name)) for item in run.measured(part) for name in item.arms]
    return [(round_, item, arm, part) for round_ in range(ROUNDS[part])
            for item, arm in plan.shuffled(run, every, round_)
            if arm.name in arms and (round_, item.workload, arm.name) not in there
            and (item.workload, arm.name) not in gone]


def run_part(run: Plan, todo: Sequence[Task], appender: Appender, limit_s: float,
             listener: Callable[[Probe | Refusal], None]) -> int:
    """Probes until nothing is left or time is up: how many are left. `listener` hears each line."""
    left = list(todo)[::-1]

    def keep(line: Probe | Refusal) -> None:
        appender.append(line)
        listener(line)

    together = 1 if any(task[3] == "latency" for task in todo) else min(SIDE_BY_SIDE, processors())
    lanes.collect(range(together), lambda _: left, lambda task: {(task[1].workload, task[2].name)},
                  lambda task, _: [probe(run, task)], time.monotonic() + limit_s, keep)
    return len(left)

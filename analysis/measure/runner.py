"""Runs one process of the benchmark binary, or a launch of two, and reads what they tell."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import random
import signal
import threading
from typing import Any

from analysis.measure import side_by_side, turns
from analysis.measure.side_by_side import Ended
from analysis.runs.plan import Arm, Pair, Plan, Trace, Workload, is_app, is_cold, is_trace
from analysis.runs.samples import Launch, Refusal, Side
from analysis.system import host
from analysis.system.exits import UNFIT, USAGE, UserError

PATIENCE_S = 60.0
"""A process may take this long, or between two of its turns, before it is ended and refused."""
PADDING_BYTES = 4096
"""The length of a variable that moves the stack is below a page more than what it evens out
(Mytkowicz et al., ASPLOS 2009)."""
LONGEST_NAMES = 2048
"""The longest preload path and arm name together: padding makes all processes of a launch alike."""
TURN_S = (0.0002, 0.0015)
"""The shortest and the longest timed batch on the pool. What disturbs a shared machine lasts longer
than the shortest: with turns of 0.3 ms most launches of equal arms agreed within 0.2 %, with turns
of 1.2 ms within 3 %."""
REFILLED_BYTES_S = 2e9
"""A turn lasts as long as the live bytes take at this rate, a fifth or less of a memory's: so long
that what the neighbour displaced from the caches is back early in the untimed batch."""
COLD_TURN_S = 0.001
"""Of what is done once, which no untimed batch warms."""
THREADS_TURN_S = 0.001
"""Long beside waking the threads."""
CYCLES = (9, 101)
"""A launch has at least and at most so many turns of an arm. Between the two it takes LAUNCH_S."""
PLAYINGS = (3, 101)
"""Likewise of a sliced trace, of which a turn is a part."""
LAUNCH_S = 0.15
"""Both batches of a turn, beside a neighbour half again as slow as the pool; without set-up."""

NICE = -10
"""Of all processes of a launch and of the thread that conducts them, where that is allowed: a turn
then waits for nobody else's time slice. On two processors that others kept busy a launch of pair/64
took 0.24 s instead of 0.46 s, and equal arms agreed within 0.1 % instead of 0.6 %."""

_NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def child_environment(preload: str | None, padding: int, name: str = "") -> dict[str, str]:
    """All variables that a sample sees: nothing of the user's but the search path. As long for
    every arm, whose name is on the command line."""
    evened = max(0, LONGEST_NAMES - len(preload or "") - len(name))
    return {
        "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C",
        "POOLPROOF_PADDING": "x" * (padding + evened),
        "LD_PRELOAD" if preload else "NO_PRELOAD": preload or ""
    }


def go_first() -> None:
    """Lets this thread, and what it starts, run before other programs where that is allowed."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def command_for(binary: str, traces: list[Trace], workload: str, benchmark_arm: str,
                more: list[str]) -> list[str]:
    """The command line of one process."""
    wanted = [trace for trace in traces if workload.endswith(f"/{trace.name}")]
    return [
        binary, *(f"--trace={trace.name}={trace.file}" for trace in wanted),
        f"--workload={workload}", f"--arm={benchmark_arm}", "--benchmark_format=json", *more
    ]


class Unusable(Exception):
    """A process's times cannot be used; the text says why."""
    def __init__(self, reason: str, crashed: bool = False) -> None:
        super().__init__(reason)
        self.crashed = crashed


def read_output(ended: Ended) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(context, one object a repetition) of Google Benchmark's JSON. Unusable if there is none."""
    check_end(ended)
    try:
        answer = json.loads(ended.output)
        context, entries = answer["context"], answer["benchmarks"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unusable(f"its output is not Google Benchmark's JSON: {error!r}") from None
    repetitions = [entry for entry in entries if entry.get("run_type") == "iteration"]
    for entry in repetitions:
        if entry.get("error_occurred"):
            raise Unusable(f"reports: {entry.get('error_message', 'an error')}", crashed=True)
    if not repetitions:
        raise Unusable("ran no benchmark")
    return context, repetitions


def check_end(ended: Ended) -> None:
    """Unusable unless a process ended by itself and well."""
    if ended.timed_out:
        raise Unusable(f"did not end within {ended.wall_s:.0f} s", crashed=True)
    complaint = f": {ended.complaint}" if ended.complaint else ""
    if ended.exit_code < 0:
        name = signal.Signals(-ended.exit_code).name
        raise Unusable(f"ended by {name}{complaint}", crashed=True)
    if ended.exit_code != 0:
        raise Unusable(f"exit code {ended.exit_code}{complaint}", crashed=True)


def check_owner(owner: str, preload: str | None) -> None:
    """Unusable unless the malloc that served the process is the one that was to be measured."""
    if not owner:
        raise Unusable("does not prove which library owns malloc")
    if preload:
        if os.path.realpath(owner) != os.path.realpath(preload):
            raise Unusable(f"malloc belongs to {owner}, not to the preloaded {preload}")
    elif not pathlib.Path(owner).name.startswith(("libc.", "libc-", "ld-musl")):
        raise Unusable(f"malloc belongs to {owner}, not to the C library")


def file_hash(path: str) -> str:
    """SHA-256 of a file, read again only if it has changed. Unusable if it cannot be read."""
    try:
        now = os.stat(path)
        return _hash(path, now.st_ino, now.st_size, now.st_mtime_ns)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None


@functools.lru_cache(maxsize=None)
def _hash(path: str, *_state: int) -> str:
    return host.sha256(path)


def benchmark_of(plan: Plan, arm: Arm) -> dict[str, str]:
    """path and sha256 of the binary that has an arm."""
    return plan.base if arm.build == "base" and plan.base else plan.benchmark


def proven(plan: Plan, arm: Arm, context: dict[str, Any]) -> dict[str, str]:
    """The columns that prove what a process measured. Unusable if it measured something else;
    UserError if what is measured is not what the run began with."""
    benchmark = benchmark_of(plan, arm)
    path = benchmark["path"]
    if not os.path.exists(path) or file_hash(path) != benchmark["sha256"]:
        raise UserError(f"{path} has changed since the run began; the recorded launches are kept,"
                        " but the run cannot go on without what it began with", UNFIT)
    owner = str(context.get("malloc_owner", ""))
    check_owner(owner, arm.preload)
    if arm.sha256 and file_hash(owner) != arm.sha256:
        raise Unusable(f"{owner} has changed since the run began")
    told = {"benchmark_version": "google_benchmark", "compiler": "compiler",
            "compiler_flags": "compiler_flags"}
    silent = [key for key in told.values() if not context.get(key)]
    if silent:
        raise Unusable(f"does not say its {' and its '.join(silent)}")
    return {
        "malloc_owner": owner, "malloc_sha256": file_hash(owner),
        "benchmark_sha256": benchmark["sha256"]
    } | {column: str(context[key]) for column, key in told.items()}


# --- A launch ------------------------------------------------------------------------------------


def launch(plan: Plan, workload: Workload, pair: Pair, number: int,
           processor: int | None) -> list[Launch | Refusal]:
    """One launch of two arms: what they told, or of each that cannot be used why."""
    order = random.Random(f"{plan.seed}/{workload.workload}/{pair.arm}/{pair.baseline}/{number}")
    padding = order.randrange(PADDING_BYTES)
    arms = [plan.arm(pair.arm), plan.arm(pair.baseline)]
    before, pressure = host.steal_s(), host.pressure_s()
    makers = [functools.partial(_program, plan, workload, arm, padding) for arm in arms]
    backwards = number // 2 % 2 == 1  # who starts first: independent of the processor
    told, first = turns.take_turns(makers[::-1] if backwards else makers, workload, processor,
                                   order, PATIENCE_S)
    if backwards:
        told, first = told[::-1], first.translate(str.maketrans("ab", "ba"))
    stolen, waited = host.steal_s() - before, host.pressure_s()
    sides: list[Side] = []
    refusals: list[Launch | Refusal] = []
    # Where one got stuck, the other was ended for it.
    blamed = [bool(item.stuck) for item in told]
    for arm, item in zip(arms, told):
        if any(blamed) and not item.stuck:
            continue
        try:
            sides.append(_side(plan, workload, arm, item))
        except Unusable as error:
            refusals.append(Refusal(workload.workload, arm.name, number, str(error),
                                    error.crashed))
    if refusals:
        return refusals
    started = min(item.ended.started_unix_s for item in told)
    return [Launch(workload.workload, number, processor, first, round(started, 3),
                   round(max(item.ended.wall_s for item in told), 6), round(stolen, 3),
                   None if pressure is None or waited is None else round(waited - pressure, 6),
                   sides)]


def _program(plan: Plan, workload: Workload, arm: Arm, padding: int,
             word: str) -> tuple[list[str], dict[str, str]]:
    delay = f"--delay={arm.delay_percent:g}"
    command = command_for(benchmark_of(plan, arm)["path"], plan.traces, workload.workload,
                          arm.benchmark_arm, [word, f"--batch={workload.batch}",
                                              f"--slices={workload.slices}", delay])
    return command, child_environment(arm.preload, padding, command[0] + arm.benchmark_arm + delay)


def _side(plan: Plan, workload: Workload, arm: Arm, told: turns.Told) -> Side:
    """Unusable if a process told nothing that counts."""
    if told.stuck and told.ended.exit_code in (0, -signal.SIGKILL):
        raise Unusable(told.stuck, crashed=True)
    context, entries = read_output(told.ended)
    if len(told.turns) != workload.cycles + workload.alone:
        raise Unusable(f"told of {len(told.turns)} turns, not of"
                       f" {workload.cycles + workload.alone}")
    operations = float(entries[0].get("operations", 0)) * workload.batch
    if operations <= 0:
        raise Unusable("does not say how many operations an iteration has")
    if min(cpu for _, cpu in told.turns) <= 0:
        raise Unusable("reports a time that is not positive")
    cpu = [turn[1] for turn in told.turns]
    return Side(arm.name, operations, cpu[:workload.cycles], cpu[workload.cycles:],
                workload.slices, entries[0].get("usable_share"), **proven(plan, arm, context))


# --- How long a batch is -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """What an iteration of one arm was seen to be in one short process."""

    iteration_s: float
    operations: float
    live_bytes: float
    """At the peak; 0 where it is not told."""


def calibrate(binary: str, traces: list[Trace], workload: str, benchmark_arm: str,
              preload: str | None = None) -> Calibrated:
    """UserError if the workload does not run."""
    more = ["--iterations=1"] if is_cold(workload) else ["--benchmark_min_time=0.05"]
    ended = side_by_side.run(command_for(binary, traces, workload, benchmark_arm, more),
                             child_environment(preload, 0), 10 * PATIENCE_S)
    try:
        _, entries = read_output(ended)
        entry = entries[-1]
        iteration_s = float(entry["cpu_time"]) * _NANOSECONDS[entry["time_unit"]] / 1e9
        return Calibrated(max(iteration_s, 1e-9), float(entry["operations"]),
                          float(entry.get("peak_live_bytes", 0)))
    except (Unusable, KeyError) as error:
        if ended.exit_code == USAGE:  # the trace is at fault, and the line names it
            raise UserError(ended.complaint.removeprefix("poolproof-bench: ")) from None
        raise UserError(f"{workload} does not run with {benchmark_arm}: {error}", UNFIT) from None


def turns_of(workload: str, seen: Calibrated, threads: bool) -> dict[str, Any]:
    """The fields of a plan's workload that say how its arms take turns. A trace longer than a turn
    is cut into slices, an odd number: each is timed as often as it warms."""
    if is_app(workload):
        return {"form": "side by side"}
    if is_cold(workload):
        slices = max(1, round(seen.iteration_s / COLD_TURN_S))
        return {"slices": slices, "cycles": slices}
    wanted_s = THREADS_TURN_S if threads else \
        min(max(seen.live_bytes / REFILLED_BYTES_S, TURN_S[0]), TURN_S[1])
    batch = max(1, round(wanted_s / seen.iteration_s))
    slices = 1
    if is_trace(workload):
        slices = max(1, 1 + 2 * round((seen.iteration_s / wanted_s - 1) / 2))
    fewest, most = PLAYINGS if slices > 1 else CYCLES
    playings = max(fewest, min(round(LAUNCH_S / (5 * batch * seen.iteration_s)),
                               -(-most // slices)))
    return {"form": "threads" if threads else "turns", "batch": batch, "slices": slices,
            "cycles": playings * slices, "alone": max(1, playings // 5) * slices}

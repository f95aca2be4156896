"""Runs the plan: one process after the other, each appended to samples.jsonl before the next
starts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from typing import Any, Callable

from analysis.runs import interference
from analysis.system import host
from analysis.runs.plan import (Arm, BASELINE, Calibration, Cost, PROCESS_S, Plan, SCHEMA, Trace,
                                Workload, arm_order, is_cold, padding_bytes, workload_order)
from analysis.runs.records import Appender, Record, Refusal, Sample
from analysis.system.exits import UNFIT, USAGE, UserError

PATIENCE_S = 60.0
"""A process may take this long, and this many times …"""
PATIENCE_FACTOR = 30
"""… what the plan expects of it, before it is ended and refused."""

PEAK = "max_rss_bytes"
_NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A process that has ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    output: bytes
    complaint: str
    """The last line of its standard error, "" if none."""
    timed_out: bool
    started_unix_s: float
    wall_s: float
    usage: Any
    """resource.struct_rusage of this process."""
    pid: int = 0


RUNNING: set[subprocess.Popen] = set()
"""The processes that run_process waits for at this moment, in whichever thread."""


def end_all() -> None:
    """Ends the processes that other threads wait for."""
    for process in list(RUNNING):
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def child_environment(preload: str | None, padding: int) -> dict[str, str]:
    """All variables that a sample sees: nothing of the user's but the search path."""
    variables = {
        "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C",
        "POOLPROOF_PADDING": "x" * padding
    }
    return variables | ({"LD_PRELOAD": preload} if preload else {})


def run_process(command: list[str], variables: dict[str, str], patience_s: float) -> Outcome:
    """Runs a command to its end and takes its resource usage from wait4.

    An exception meanwhile, such as an interrupt, ends the process first.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started, begin = time.time(), time.perf_counter()
        process = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=errors)
        expired = threading.Event()

        def give_up() -> None:
            expired.set()
            os.kill(process.pid, signal.SIGKILL)

        timer = threading.Timer(patience_s, give_up)
        RUNNING.add(process)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            timer.cancel()
            RUNNING.discard(process)
            if process.returncode is None:
                process.kill()
                process.wait()
        output.seek(0)
        errors.seek(0)
        said = errors.read()[-4096:].decode(errors="replace").strip().splitlines()
        return Outcome(process.returncode, output.read(), said[-1] if said else "",
                       expired.is_set(), started, wall_s, usage, process.pid)


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


def read_output(outcome: Outcome) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(context, one object a repetition) of Google Benchmark's JSON. Unusable if there is none."""
    check_end(outcome)
    try:
        answer = json.loads(outcome.output)
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


def check_end(outcome: Outcome) -> None:
    """Unusable unless a process ended by itself and well."""
    if outcome.timed_out:
        raise Unusable(f"did not end within {outcome.wall_s:.0f} s", crashed=True)
    if outcome.exit_code < 0:
        name = signal.Signals(-outcome.exit_code).name
        raise Unusable(f"ended by {name}{_quoted(outcome.complaint)}", crashed=True)
    if outcome.exit_code != 0:
        raise Unusable(f"exit code {outcome.exit_code}{_quoted(outcome.complaint)}", crashed=True)


def _quoted(text: str) -> str:
    return f": {text}" if text else ""


def per_operation_ns(entry: dict[str, Any], column: str) -> float:
    """real_time or cpu_time of one repetition, in nanoseconds for each allocator operation."""
    operations = float(entry.get("operations", 0))
    if operations <= 0:
        raise Unusable("does not say how many operations an iteration has")
    return float(entry[column]) * _NANOSECONDS[entry["time_unit"]] / operations


_KNOWN_KEYS = frozenset(("name", "run_name", "run_type", "family_index",
                         "per_family_instance_index", "repetitions", "repetition_index", "threads",
                         "iterations", "real_time", "cpu_time", "time_unit", "operations", "label",
                         "error_occurred", "error_message", "items_per_second", "bytes_per_second",
                         PEAK))


def told_peak(repetitions: list[dict[str, Any]]) -> float | None:
    """The largest resident size that the process saw itself have, None if it did not look."""
    return max((float(entry[PEAK]) for entry in repetitions if PEAK in entry), default=None)


def own_counters(repetitions: list[dict[str, Any]]) -> dict[str, float]:
    """The workload's own counters, each the median over the repetitions."""
    names = {
        name
        for entry in repetitions for name, value in entry.items()
        if name not in _KNOWN_KEYS and isinstance(value, (int, float))
    }
    return {
        name: float(statistics.median(entry[name] for entry in repetitions if name in entry))
        for name in sorted(names)
    }


def peak_resident(told_bytes: float | None, usage_kib: int) -> int | None:
    """A process's peak resident size: what it told itself, else what wait4 says, else None.

    The kernel lets a child inherit the peak of the process that started it, so that a figure no
    larger than our own says nothing about the child.
    """
    if told_bytes is not None:
        return int(told_bytes)
    own_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage_kib * 1024 if usage_kib > own_kib else None


def check_owner(owner: str, preload: str | None) -> None:
    """Unusable unless the malloc that served the process is the one that was to be measured."""
    if not owner:
        raise Unusable("does not prove which library owns malloc")
    if preload:
        if os.path.realpath(owner) != os.path.realpath(preload):
            raise Unusable(f"malloc belongs to {owner}, not to the preloaded {preload}")
    elif not pathlib.Path(owner).name.startswith(("libc.", "libc-", "ld-musl")):
        raise Unusable(f"malloc belongs to {owner}, not to the C library")


class Hashes:
    """SHA-256 of files, each read once, and again if it is not the same file any more."""
    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple, str]] = {}

    def of(self, path: str) -> str:
        """The hash of a file. Unusable if it cannot be read."""
        try:
            now = os.stat(path)
            state = (now.st_ino, now.st_size, now.st_mtime_ns)
            if path not in self._known or self._known[path][0] != state:
                self._known[path] = (state, host.sha256(path))
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {error.strerror}") from None
        return self._known[path][1]


def proven(plan: Plan, arm: Arm, context: dict[str, Any], hashes: Hashes) -> dict[str, str]:
    """The columns that prove what a process measured. Unusable if it measured something else;
    UserError if what is measured is not what the run began with."""
    path = plan.benchmark["path"]
    if not os.path.exists(path) or hashes.of(path) != plan.benchmark["sha256"]:
        raise UserError(f"{path} has changed since the run began; nothing that is recorded is lost,"
                        " but the run cannot go on without what it began with", UNFIT)
    owner = str(context.get("malloc_owner", ""))
    check_owner(owner, arm.preload)
    if arm.sha256 and hashes.of(owner) != arm.sha256:
        raise Unusable(f"{owner} has changed since the run began")
    told = {"benchmark_version": "google_benchmark", "compiler": "compiler",
            "compiler_flags": "compiler_flags"}
    silent = [key for key in told.values() if not context.get(key)]
    if silent:
        raise Unusable(f"does not say its {' and its '.join(silent)}")
    return {
        "malloc_owner": owner, "malloc_sha256": hashes.of(owner),
        "benchmark_sha256": plan.benchmark["sha256"]
    } | {column: str(context[key]) for column, key in told.items()}


def measure(plan: Plan, workload: Workload, arm: Arm, round_: int, attempt: int, position: int,
            hashes: Hashes) -> Sample | Refusal:
    """Runs one process of the plan, and says what it told or why that does not count."""
    padding = padding_bytes(plan, workload.workload, arm.name, round_, attempt)
    command = command_for(plan.benchmark["path"], plan.traces, workload.workload, arm.benchmark_arm,
                          [
                              f"--iterations={workload.iterations}",
                              f"--benchmark_repetitions={workload.repetitions}",
                              *([f"--delay={arm.delay_percent:g}"] if arm.delay_percent else [])
                          ])
    before = interference.observe()
    outcome = run_process(command, child_environment(arm.preload, padding),
                          max(PATIENCE_S, PATIENCE_FACTOR * workload.sample_s))
    after = interference.observe()
    try:
        context, repetitions = read_output(outcome)
        proof = proven(plan, arm, context, hashes)
        counters = own_counters(repetitions)
        times = [per_operation_ns(entry, "real_time") for entry in repetitions]
        cpu_times = [per_operation_ns(entry, "cpu_time") for entry in repetitions]
        if not all(0 < time_ns < float("inf") for time_ns in (*times, *cpu_times)):
            raise Unusable("reports a time that is not positive")
        return Sample(
            workload=workload.workload, arm=arm.name, round=round_, attempt=attempt,
            position=position, started_unix_s=round(outcome.started_unix_s, 3), iterations=int(
                repetitions[0]["iterations"]), operations=float(repetitions[0]["operations"]),
            time_ns=statistics.median(times), cpu_time_ns=statistics.median(cpu_times),
            repetitions_ns=times,
            wall_s=round(outcome.wall_s,
                         6), user_s=outcome.usage.ru_utime, system_s=outcome.usage.ru_stime,
            max_rss_bytes=peak_resident(told_peak(repetitions), outcome.usage.ru_maxrss),
            minor_faults=outcome.usage.ru_minflt, major_faults=outcome.usage.ru_majflt,
            voluntary_switches=outcome.usage.ru_nvcsw, involuntary_switches=outcome.usage.ru_nivcsw,
            steal_s=round(after.steal_s - before.steal_s,
                          3), pressure_s=_difference(before.pressure_s, after.pressure_s),
            spin_before_ns=before.spin_ns, spin_after_ns=after.spin_ns, padding_bytes=padding,
            **proof, counters=counters, schema=SCHEMA)
    except Unusable as error:
        return Refusal(workload.workload, arm.name, round_, attempt, str(error), error.crashed)


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else round(after - before, 6)


def calibrate(binary: str, traces: list[Trace], workload: str, benchmark_arm: str,
              preload: str | None = None) -> tuple[Calibration, int]:
    """What one iteration and the rest of a process cost, and with how many iterations that was
    found. UserError if the workload does not run.

    Google Benchmark finds an iteration count by itself; a second process with that count tells what
    setting up costs.
    """
    variables = child_environment(preload, 0)
    iterations = 1
    if not is_cold(workload):
        first = command_for(binary, traces, workload, benchmark_arm, ["--benchmark_min_time=0.02"])
        iterations = int(_calibration_entry(first, variables, workload)[0]["iterations"])
    second = command_for(binary, traces, workload, benchmark_arm, [f"--iterations={iterations}"])
    entry, wall_s = _calibration_entry(second, variables, workload)
    cost = _cost(entry, wall_s, iterations)
    return Calibration(cost.iteration_s, cost.overhead_s, float(entry["operations"])), iterations


def _cost(entry: dict[str, Any], wall_s: float, iterations: int) -> Cost:
    iteration_s = float(entry["real_time"]) * _NANOSECONDS[entry["time_unit"]] / 1e9
    return Cost(iteration_s, max(0.0, wall_s - iterations * iteration_s))


def try_arm(binary: str, traces: list[Trace], workload: str, arm: Arm,
            iterations: int) -> Cost | None:
    """What an arm costs on a workload, from one short process; None if that tells nothing: why will
    stand in the samples."""
    command = command_for(binary, traces, workload, arm.benchmark_arm,
                          [f"--iterations={iterations}"])
    outcome = run_process(command, child_environment(arm.preload, 0), PATIENCE_S)
    try:
        _, repetitions = read_output(outcome)
        return _cost(repetitions[0], outcome.wall_s, iterations)
    except (Unusable, KeyError):
        return Cost(0.0, PATIENCE_S) if outcome.timed_out else None


def _calibration_entry(command: list[str], variables: dict[str, str],
                       workload: str) -> tuple[dict[str, Any], float]:
    outcome = run_process(command, variables, 10 * PATIENCE_S)
    try:
        _, repetitions = read_output(outcome)
        per_operation_ns(repetitions[0], "real_time")
    except (Unusable, KeyError) as error:
        if outcome.exit_code == USAGE:  # the trace is at fault, and the line names it
            raise UserError(outcome.complaint.removeprefix("poolproof-bench: ")) from None
        raise UserError(f"{workload} does not run with {BASELINE}: {error}",
                        UNFIT) from None
    return repetitions[0], outcome.wall_s


Listener = Callable[[Sample | Refusal], None]
"""Told of each line after it has been appended."""


def collect(plan: Plan, known: Record, appender: Appender, listener: Listener,
            repeated: Callable[[str, int, str], None]) -> int:
    """Runs every process of the plan that `known` lacks, in the plan's order. Returns the rounds
    that are there now: less than planned where the plan's limit of time was reached, but never less
    than prove something. The limit sees the clock alone and no arm's time.

    `repeated` is told of each round that is run again: workload, round, why. A refused arm leaves
    its workload for the rest of the run.
    """
    spent_s = sum(PROCESS_S + sample.wall_s for sample in known.samples)
    done: dict[tuple[str, int, int], list[Sample]] = {}
    for sample in known.samples:
        done.setdefault((sample.workload, sample.round, sample.attempt), []).append(sample)
    withdrawn = {(refusal.workload, refusal.arm) for refusal in known.refusals}
    hashes = Hashes()
    repeats = 0
    for round_ in range(plan.rounds):
        if plan.limit_s and spent_s > plan.limit_s and round_ >= plan.least_rounds:
            return round_
        for workload in workload_order(plan, round_):
            for attempt in range(plan.ledger.attempts):
                taken = done.setdefault((workload.workload, round_, attempt), [])
                have = {sample.arm for sample in taken}
                for position, arm in enumerate(arm_order(plan, workload, round_, attempt)):
                    if arm.name in have or (workload.workload, arm.name) in withdrawn:
                        continue
                    entry = measure(plan, workload, arm, round_, attempt, position, hashes)
                    appender.append(entry)
                    spent_s += PROCESS_S + getattr(entry, "wall_s", 0.0)
                    if isinstance(entry, Sample):
                        taken.append(entry)
                    else:
                        withdrawn.add((workload.workload, arm.name))
                    listener(entry)
                reason = interference.objection(taken, plan.ledger)
                if (reason is None or repeats >= plan.repeats_allowed()
                        or attempt + 1 == plan.ledger.attempts):
                    break
                repeats += 1
                repeated(workload.workload, round_, reason)
    return plan.rounds

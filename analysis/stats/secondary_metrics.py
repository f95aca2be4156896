"""What a run measured beside time, by workload and arm: medians over the processes that did alike.

Pure functions. Where a run has no memory.jsonl, what its samples counted stands in.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from typing import Any, Iterable, Sequence

from analysis.runs.records import Latency, Memory, PERCENTILES, Record
from analysis.stats.verdicts import ArmResult, WorkloadResult

OPERATIONS = ("alloc", "free", "realloc")

Place = tuple[str, str]
"""(workload, arm)."""


@dataclasses.dataclass(frozen=True)
class Held:
    """The memory of one arm on one workload."""

    peak_bytes: float
    """What the arm added to the process's resident size, at most, as are the next two."""
    live_bytes: float
    """What the workload itself held at most: nothing can occupy less."""
    end_bytes: float | None
    """After the last operation; None where nobody asked."""
    drained_bytes: float | None
    faults: float
    curve: Memory | None = None
    """The process of the middle peak, place by place; None where only the peak was counted."""

    @property
    def ratio(self) -> float | None:
        """Peak over live; None if nothing was live."""
        return self.peak_bytes / self.live_bytes if self.live_bytes else None


@dataclasses.dataclass(frozen=True)
class Tail:
    """Single operations of one kind, of one arm on one workload. Times by percentile, in ns."""

    latency_ns: dict[str, float]
    """One reading of the clock included."""
    clock_ns: dict[str, float]
    count: int
    """Operations timed, over all processes."""
    clock: str


@dataclasses.dataclass(frozen=True)
class Parts:
    """All of it. An arm that has nothing is not there."""

    work: dict[Place, float]
    """Instructions of an operation."""
    memory: dict[Place, Held]
    latency: dict[tuple[str, str, str], Tail]
    """(workload, arm, operation)."""

    def operations(self, workload: str) -> list[str]:
        """The kinds of operation that were timed one by one on this workload."""
        return [kind for kind in OPERATIONS
                if any(key[0] == workload and key[2] == kind for key in self.latency)]

    def tails(self, workload: str, operation: str) -> dict[str, Tail]:
        """Arm → its operations of a kind on a workload."""
        return {arm: tail for (where, arm, kind), tail in self.latency.items()
                if (where, kind) == (workload, operation)}


def of(record: Record, results: Sequence[WorkloadResult] = ()) -> Parts:
    """The parts of a run, and of its results."""
    work = {place: statistics.median(line.instructions_per_operation for line in lines)
            for place, lines in _grouped(record.work).items()}
    memory = {(result.workload.workload, arm.arm.name): _counted(arm) for result in results
              for arm in result.arms if "peak_footprint_bytes" in arm.counters}
    memory |= {place: _held(lines) for place, lines in _grouped(record.memory).items()}
    latency = {}
    for kind in OPERATIONS:
        timed = [line for line in record.latency if line.operation == kind]
        latency |= {(*place, kind): _tail(lines) for place, lines in _grouped(timed).items()}
    return Parts(work, memory, latency)


def _grouped(lines: Iterable[Any]) -> dict[Place, list[Any]]:
    groups: dict[Place, list[Any]] = collections.defaultdict(list)
    for line in lines:
        groups[line.workload, line.arm].append(line)
    return groups


def _held(lines: list[Memory]) -> Held:
    in_order = sorted(lines, key=lambda line: (line.grown(line.peak_rss_bytes), line.round))
    middle = statistics.median
    return Held(
        middle(line.grown(line.peak_rss_bytes) for line in lines),
        middle(line.peak_live_bytes for line in lines),
        middle(line.grown(line.end_rss_bytes) for line in lines),
        middle(line.grown(line.drained_rss_bytes) for line in lines),
        middle(line.minor_faults + line.major_faults for line in lines),
        in_order[(len(in_order) - 1) // 2],
    )


def _counted(arm: ArmResult) -> Held:
    counters = arm.counters
    return Held(counters["peak_footprint_bytes"], counters.get("peak_live_bytes", 0.0), None,
                counters.get("end_footprint_bytes"), arm.minor_faults)


def _tail(lines: list[Latency]) -> Tail:
    def middle(times: list[dict[str, float]]) -> dict[str, float]:
        return {name: statistics.median(time[name] for time in times) for name in PERCENTILES}

    return Tail(middle([line.latency_ns for line in lines]), middle([line.clock_ns
                                                                     for line in lines]),
                sum(line.count for line in lines), lines[0].clock)

"""What one line of a run's raw files is: a launch of two arms, or a process that probed one."""

import dataclasses
import math
import statistics
from typing import Annotated, Literal, Sequence

from analysis.runs.plan import Counting, Name, Positive, Sha256, SCHEMA


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """What a process says of itself, and what made it."""

    malloc_owner: Name
    """The file whose malloc served the process, by its own proof."""
    malloc_sha256: Sha256
    benchmark_sha256: Sha256
    benchmark_version: str
    compiler: str
    compiler_flags: str


@dataclasses.dataclass(frozen=True)
class Side(Proof):
    """What one arm's process told in a launch."""

    arm: Name
    operations: Positive
    """Allocator operations of a timed batch: an alloc and its free are two."""
    cpu_ns: list[Counting]
    """Processor time of each timed batch, in the order of the cycles; likewise below."""
    alone_cpu_ns: list[Counting]
    """Of the same process, later, in turns that followed each other without the neighbour's."""
    slices: Counting = 1
    """Turns that are so many apart did the same part of the work."""
    usable_share: float | None = None
    """Of a capacity, live when a request was refused; None where none is filled."""

    @property
    def time_ns(self) -> float:
        """Of an operation, in turns: the median over them, or the mean of each slice's median."""
        return self._per_operation(self.cpu_ns)

    @property
    def alone_ns(self) -> float:
        """Of an operation, alone; not a number where it had no such turn."""
        return self._per_operation(self.alone_cpu_ns) if self.alone_cpu_ns else math.nan

    def _per_operation(self, turns: Sequence[int]) -> float:
        medians = [statistics.median(turns[i::self.slices]) for i in range(self.slices)]
        return statistics.fmean(medians) / self.operations


@dataclasses.dataclass(frozen=True)
class Launch:
    """A line of launches.jsonl.gz: two arms that ran at the same time. The sample."""

    workload: Name
    launch: int
    """From 0, for each pair by itself."""
    processor: int | None
    """The only one that both used; None for a workload of several threads."""
    first: str
    """A letter for each cycle: "a" where the arm was first, "b" where its baseline was."""
    started_unix_s: float
    wall_s: float
    steal_s: float
    """Time that the hypervisor took from all processors meanwhile, in ticks of 10 ms."""
    pressure_s: float | None
    """Time during which some process waited for a processor; None where it is not counted."""
    sides: Annotated[list[Side], ("minItems", 2), ("maxItems", 2)]
    """The arm's and its baseline's."""
    schema: int = SCHEMA

    @property
    def arm(self) -> str:
        """Whose difference it is …"""
        return self.sides[0].arm

    @property
    def baseline(self) -> str:
        """… and from which arm."""
        return self.sides[1].arm

    @property
    def difference(self) -> float:
        """The median over the cycles of log(baseline's time / arm's time): positive where the arm
        is faster. Turns of one launch share their layout and their luck, so that they are not
        samples (Kalibera and Jones, arXiv 2007.10899).

        Of a sliced trace, the log of the ratio of two sums over the slices: of √(ab) · √q and of
        √(ab) / √q, where a and b are the medians of the two arms' times and q is that of their
        ratios. Played once, that is the ratio of the whole times."""
        mine, other = self.sides
        slices = range(mine.slices)
        halves = [statistics.median(math.log(theirs / own) for theirs, own in zip(
            other.cpu_ns[i::mine.slices], mine.cpu_ns[i::mine.slices])) / 2 for i in slices]
        weights = [math.sqrt(statistics.median(mine.cpu_ns[i::mine.slices])
                             * statistics.median(other.cpu_ns[i::mine.slices])) for i in slices]
        return math.log(sum(weight * math.exp(half) for weight, half in zip(weights, halves))
                        / sum(weight * math.exp(-half) for weight, half in zip(weights, halves))
                        * mine.operations / other.operations)

    @property
    def alone_difference(self) -> float:
        """The same of their turns alone; not a number where there are none."""
        return math.log(self.sides[1].alone_ns / self.sides[0].alone_ns)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A process whose times do not count, and why. Its arm leaves that workload in this run."""

    workload: Name
    arm: Name
    round: int
    """The launch, or the probe's repetition, from 0."""
    refused: Name
    crashed: bool
    """Whether the process died, rather than being set aside for what it proved."""
    part: str = "time"
    schema: int = SCHEMA


@dataclasses.dataclass(frozen=True)
class Probe(Proof):
    """A line of probes.jsonl.gz: what one process, or two for a slope, showed beside time."""

    workload: Name
    arm: Name
    round: int
    """Counts processes that did the same."""
    part: Literal["memory", "latency", "work"]
    figures: dict[str, float]
    """memory: peak_live_bytes (asked for); of resident memory base_rss_bytes before the arm was
    opened, and what was there beyond it: peak_bytes, end_bytes after the last operation,
    drained_bytes after everything was freed; faults.
    latency: KIND PERCENTILE → ns of a single alloc, free or realloc, and of an empty interval
    ("clock"), which the others include; KIND count.
    work: instructions of an operation, the slope between a shorter and a longer process; operations
    of an iteration; iterations and instructions of both."""
    instrument: str
    """What read the clock or counted."""
    schema: int = SCHEMA


PERCENTILES = ("p50", "p90", "p99", "p99_9", "p99_99", "max")
Line = Launch | Refusal | Probe
"""What a line of a run's files may be."""

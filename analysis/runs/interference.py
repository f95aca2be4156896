"""What the machine did while a process ran, and the rule by which a round is run again.

The rule is fixed in the plan before the first sample: it sees the machine's state, never the
times of an arm, so that it cannot favour one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import statistics
import time
from typing import Iterable

_SPIN_WORK = bytes(1 << 20)
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Rule:
    """When a round of a workload is run again as a whole, and how often at most."""

    steal_share: float = 0.05
    """Bad if the hypervisor took more than this share of the round's wall time."""
    spin_ratio: float = 1.25
    """Bad if the median spin probe took longer than this many times the reference."""
    spin_reference_ns: int = 0
    """The median spin probe before the first sample."""
    repeat_share: float = 0.25
    """At most this share of all rounds is run again."""
    attempts: int = 3
    """At most this many attempts of one round."""


def spin_ns() -> int:
    """The processor time of a fixed piece of work, in nanoseconds: BLAKE2b over 1 MiB, about 1
    ms."""
    start = time.thread_time_ns()
    hashlib.blake2b(_SPIN_WORK).digest()
    return time.thread_time_ns() - start


def spin_reference_ns(probes: int = 50) -> int:
    """The median of several spin probes."""
    return int(statistics.median(spin_ns() for _ in range(probes)))


def steal_s(stat: pathlib.Path = pathlib.Path("/proc/stat")) -> float:
    """Seconds since boot that the hypervisor took from all processors; 0 where the kernel has no
    count."""
    try:
        fields = stat.read_text().split("\n", 1)[0].split()
        return int(fields[8]) / _TICKS_A_SECOND
    except (OSError, IndexError, ValueError):
        return 0.0


def pressure_s(file: pathlib.Path = pathlib.Path("/proc/pressure/cpu")) -> float | None:
    """Seconds since boot during which some process waited for a processor; None if the kernel is
    silent."""
    try:
        some = next(line for line in file.read_text().splitlines() if line.startswith("some"))
        return int(some.rpartition("total=")[2]) / 1e6
    except (OSError, StopIteration, ValueError):
        return None


@dataclasses.dataclass(frozen=True)
class State:
    """The machine's counters at one moment."""

    steal_s: float
    pressure_s: float | None
    spin_ns: int


def observe() -> State:
    """Reads the counters and runs the spin probe. Costs about a millisecond."""
    return State(steal_s(), pressure_s(), spin_ns())


def objection(samples: Iterable, rule: Rule) -> str | None:
    """Why a round's samples are to be taken again, as a phrase; None if the ledger is good."""
    samples = list(samples)
    if not samples:
        return None
    stolen = sum(sample.steal_s for sample in samples)
    wall = sum(sample.wall_s for sample in samples)
    if stolen > rule.steal_share * wall:
        return f"{100 * stolen / wall:.1f} % of the time stolen by the hypervisor"
    spin = statistics.median(probe for sample in samples
                             for probe in (sample.spin_before_ns, sample.spin_after_ns))
    if rule.spin_reference_ns and spin > rule.spin_ratio * rule.spin_reference_ns:
        return f"the machine ran {spin / rule.spin_reference_ns:.2f} times slower than at the start"
    return None

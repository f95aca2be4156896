"""Foretells the smallest difference that this machine can prove today, from a short null run.

One and the same malloc is measured against itself under two names, as a real run measures it. How
far apart the two land in so many rounds says how far apart they will land in more.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import random
import time
from typing import Any, Callable

import numpy

from analysis.measure import runner
from analysis.runs import interference, plan
from analysis.stats import inference
from analysis.system import host
from analysis.runs.plan import Arm, BASELINE, NULL, Plan, Workload
from analysis.runs.records import Refusal, Sample
from analysis.system.exits import UNFIT, UserError

ROUNDS = 16
LIMIT_S = 40.0
"""No round begins later than this."""
SAMPLE_S = 0.1
"""The timed loop of a process; three make a sample, as in a real run."""


@dataclasses.dataclass(frozen=True)
class Noise:
    """How far one malloc lands from itself on one workload: half the width of the 95 % interval of
    the median, as a logarithm."""

    workload: str
    rounds: int
    half_width: float


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What a run of a mode would prove on this machine, as it is now."""

    noises: list[Noise]
    took_s: float
    busy: float
    """The processes' share of a processor while they ran: below 1 somebody else was there too."""

    def smallest(self, workload: Noise, rounds: int) -> float:
        """The smallest provable difference of that many rounds, as a logarithm.

        An interval between order statistics shrinks with the square root of the rounds (David and
        Nagaraja, Order Statistics, 2003, section 7.1). δ is twice the null arm's reach, at least 3
        %; a claim has to clear it by its own.
        """
        reach = workload.half_width * math.sqrt(workload.rounds / rounds)
        return max(inference.SMALLEST_DELTA, 2 * reach) + reach

    def of_mode(self, mode: str) -> float:
        """The median over the workloads for a mode's rounds."""
        rounds = plan.MODES[mode].rounds
        return float(numpy.median([self.smallest(noise, rounds) for noise in self.noises]))

    def to_json(self) -> dict[str, Any]:
        """The part of the doctor's JSON."""
        return {
            "clock": "processor", "took_s": round(self.took_s, 1), "busy": round(self.busy, 3),
            "workloads": [{
                "workload": noise.workload, "rounds": noise.rounds,
                "half_width": math.expm1(noise.half_width),
                "smallest_provable": {
                    mode: math.expm1(self.smallest(noise, plan.MODES[mode].rounds))
                    for mode in plan.MODES
                }
            } for noise in self.noises],
            "smallest_provable": {mode: math.expm1(self.of_mode(mode)) for mode in plan.MODES},
        }


Measure = Callable[[Workload, Arm, int, int], Sample | Refusal]
"""Runs one process: workload, arm, round, place in the round."""


def forecast(binary: pathlib.Path) -> Forecast:
    """Measures for less than a minute. UserError if the benchmark binary does not run."""
    start = time.monotonic()
    offered = {item["workload"] for item in plan.list_workloads(binary, [])}
    arms = [Arm(BASELINE, "malloc", "rival", "malloc"), Arm(NULL, "malloc", "null", "")]
    workloads = [_fitted(binary, name) for name in plan.QUICK if name in offered]
    if not workloads:
        raise UserError(f"{binary} offers none of {', '.join(plan.QUICK)}", UNFIT)
    known = Plan(
        schema=plan.SCHEMA, command="./poolproof doctor", mode="quick", started="",
        seed=random.SystemRandom().randrange(10**9), rounds=ROUNDS, estimated_s=LIMIT_S,
        benchmark={"path": str(binary), "sha256": host.sha256(binary)}, arms=arms, absent=[],
        workloads=workloads, traces=[], notes=[], ledger=interference.Rule(), environment={})
    hashes = runner.Hashes()
    return measured(
        workloads, arms, start + LIMIT_S, lambda workload, arm, round_, position: runner.measure(
            known, workload, arm, round_, 0, position, hashes), start)


def _fitted(binary: pathlib.Path, name: str) -> Workload:
    cost, _ = runner.calibrate(str(binary), [], name, "malloc")
    iterations = max(1, int(SAMPLE_S / plan.REPETITIONS / max(cost.iteration_s, 1e-9)))
    return Workload(name, "", [BASELINE, NULL], iterations=iterations,
                    repetitions=plan.REPETITIONS, sample_s=SAMPLE_S)


def measured(workloads: list[Workload], arms: list[Arm], deadline: float, measure: Measure,
             start: float) -> Forecast:
    """Rounds until there are enough or the deadline has come. UserError if it comes too early."""
    taken: dict[str, list[float]] = {item.workload: [] for item in workloads}
    wall_s = cpu_s = 0.0
    for round_ in range(ROUNDS):
        for workload in random.sample(workloads, len(workloads)):
            times = {}
            for position, arm in enumerate(random.sample(arms, len(arms))):
                entry = measure(workload, arm, round_, position)
                if isinstance(entry, Refusal):
                    raise UserError(f"{entry.workload} with {entry.arm}: {entry.refused}", UNFIT)
                times[arm.name] = entry.cpu_time_ns
                wall_s, cpu_s = wall_s + entry.wall_s, cpu_s + entry.user_s + entry.system_s
            taken[workload.workload].append(math.log(times[BASELINE] / times[NULL]))
        if time.monotonic() > deadline:
            break
    intervals = {name: inference.order_statistic_interval(seen) for name, seen in taken.items()}
    if not all(math.isfinite(item.low) for item in intervals.values()):
        raise UserError("this machine is too slow for a short null run: fewer than six rounds",
                        UNFIT)
    noises = [Noise(name, seen.rounds, (seen.high - seen.low) / 2)
              for name, seen in intervals.items()]
    return Forecast(noises, time.monotonic() - start, cpu_s / wall_s if wall_s else 1.0)

"""From a run's launches to what it claims: judges pairs.

The only step between the raw launches and the renderers: whatever a report says is a field of
Analysis.
"""

import collections
import dataclasses
import functools
import math
import statistics
from typing import Any, Mapping, Sequence

import numpy

from analysis.runs.plan import Arm, Pair, Plan, Workload, is_trace
from analysis.runs.records import Record
from analysis.runs.samples import Launch, Refusal, Side
from analysis.stats import inference
from analysis.stats.inference import Interval

BIAS_LIMITS = {"micro": math.log(1.03), "trace": math.log(1.05)}
"""An arm that takes so much more or less time in turns than alone is named."""
@dataclasses.dataclass(frozen=True)
class Claim:
    """One comparison and its verdict. Differences are logarithms of baseline time / arm time."""

    workload: str
    arm: str
    baseline: str
    kind: str
    """"claim": a pool and a malloc, or the pool before a change. "control": arms whose difference
    is known. "other": no claim."""
    promise: str
    interval: Interval
    limit: float
    """δ of this workload, as a logarithm."""
    p: float
    """The number of looks is in it."""
    p_holm: float
    verdict: str
    time_ns: float
    """Median over the launches of an operation's time, in turns with the baseline."""
    baseline_time_ns: float
    doubt: str = ""
    """The verdict that was taken back, as the turns alone contradict it; "" if none was."""

    @property
    def ratio(self) -> float:
        """How many times as fast as the baseline the arm is: baseline time / arm time."""
        return self.interval.ratio

    @property
    def proved(self) -> bool:
        """Whether the verdict is a claim: a difference, or its absence."""
        return self.verdict in inference.PROVED

    def to_json(self) -> dict[str, Any]:
        """The entry of verdicts.json."""
        smallest = inference.smallest_provable(self.interval, self.limit)
        low, high = self.interval.ends if math.isfinite(self.interval.low) else (None, None)
        return {
            "workload": self.workload, "arm": self.arm, "baseline": self.baseline,
            "ratio": self.ratio, "low": low, "high": high, "n": self.interval.launches,
            "verdict": self.verdict, "kind": self.kind, "promise": self.promise,
            "time_ns": self.time_ns, "baseline_time_ns": self.baseline_time_ns,
            "delta": _share(self.limit), "p": self.p, "p_holm": self.p_holm,
            "smallest_provable": _share(smallest), "doubt": self.doubt
        }


def _share(difference: float) -> float | None:
    """A logarithm as a share: log 1.03 is 0.03. None for infinity."""
    return math.expm1(difference) if math.isfinite(difference) else None


@dataclasses.dataclass(frozen=True)
class ArmResult:
    """One arm on one workload, over the launches of all its pairs."""

    arm: Arm
    time_ns: float
    low_ns: float
    """The median's interval; 0 and infinity where there is none."""
    high_ns: float
    usable_share: float | None
    """Of a capacity."""
    bias: Interval | None
    """Of the logarithm of its time in turns / its time alone: what taking turns does to it."""


@dataclasses.dataclass(frozen=True)
class WorkloadResult:
    """One workload, and what can be said of it."""

    plan: Plan
    workload: Workload
    pairs: Mapping[tuple[str, str], Sequence[Launch]]
    """Launches by (arm, baseline)."""
    refusals: list[Refusal]
    claims: list[Claim] = dataclasses.field(default_factory=list)
    """Those of the family; none before it is judged."""

    def differences(self, pair: tuple[str, str]) -> list[float]:
        """One entry a launch."""
        return [launch.difference for launch in self.pairs[pair]]

    def p(self, pair: Pair) -> float:
        """The p-value of "no difference", the number of looks in it."""
        seen = self.differences((pair.arm, pair.baseline))
        return min(1.0, len(self.plan.looks) * inference.sign_test(seen))

    def there(self, *kinds: str) -> list[Pair]:
        """The pairs of these kinds that have a launch."""
        return [pair for pair in self.workload.pairs
                if pair.kind in kinds and (pair.arm, pair.baseline) in self.pairs]

    def sides(self, arm: str) -> list[Side]:
        """What an arm told in all launches of it."""
        return [side for launches in self.pairs.values() for launch in launches
                for side in launch.sides if side.arm == arm]

    @functools.cached_property
    def limit(self) -> float:
        """δ."""
        nulls = self.there("null")
        least = inference.BUILD_DELTA if self.plan.base else 0.0
        return max(least, inference.noise_limit(
            self.differences((nulls[0].arm, nulls[0].baseline)) if nulls else []))

    @functools.cached_property
    def arms(self) -> list[ArmResult]:
        """From the fastest to the slowest."""
        there = {name for pair in self.pairs for name in pair}
        return sorted((_arm_result(self, name) for name in self.workload.arms if name in there),
                      key=lambda result: (result.time_ns, result.arm.name))

    @functools.cached_property
    def controls(self) -> dict[str, Claim]:
        """"null", the baseline under two names, and "delay", where they ran."""
        return {pair.kind: _claim(self, pair) for pair in self.there("null", "delay")}

    @property
    def launches(self) -> int:
        """Of all its pairs."""
        return sum(map(len, self.pairs.values()))

    @property
    def harness_share(self) -> float | None:
        """The no-op arm's time as a share of the fastest other arm's; None without that arm."""
        times = {result.arm.name: result.time_ns for result in self.arms}
        others = [times[result.arm.name] for result in self.arms
                  if result.arm.role in ("pool", "malloc")]
        return times["noop"] / min(others) if "noop" in times and others else None

    def against_best(self, pool: str) -> Claim | None:
        """The claim of a pool arm against the fastest malloc of its promise."""
        mine = [claim for claim in self.claims if claim.arm == pool]
        return min(mine, key=lambda claim: claim.interval.median, default=None)

    @property
    def biased(self) -> list[ArmResult]:
        """Arms whose time in turns differs from that alone by more than the method allows."""
        allowed = BIAS_LIMITS["trace" if is_trace(self.workload.workload) else "micro"]
        return [arm for arm in self.arms if arm.bias is not None
                and (arm.bias.low > allowed or arm.bias.high < -allowed)]


@dataclasses.dataclass(frozen=True)
class Analysis:
    """All that a report says."""

    record: Record
    results: list[WorkloadResult]
    claims: list[Claim]
    """The family, then the controls, then the others."""

    @property
    def plan(self) -> Plan:
        """The run's plan."""
        return self.record.plan

    @property
    def family(self) -> list[Claim]:
        """The claims that Holm's correction is about."""
        return [claim for claim in self.claims if claim.kind == "claim"]

    @property
    def complete(self) -> bool:
        """Whether every workload is there, and no claim lacks launches that the plan has for it."""
        return len(self.results) == len(self.plan.workloads) and all(
            claim.proved or claim.interval.launches >= self.plan.looks[0]
            for claim in self.claims if claim.kind in ("claim", "control"))

    @property
    def sides(self) -> list[Side]:
        """What every arm told in every launch."""
        return [side for launch in self.record.launches for side in launch.sides]

    def to_json(self) -> list[dict[str, Any]]:
        """verdicts.json."""
        return [claim.to_json() for claim in self.claims]


def analyse(record: Record) -> Analysis:
    """Everything that the launches of a run have to say. Pure."""
    found = by_workload(record)
    family = [(result, pair) for result in found for pair in result.there("claim")]
    adjusted = inference.holm([result.p(pair) for result, pair in family])
    claims = [_claim(result, pair, p) for (result, pair), p in zip(family, adjusted)]
    results = [dataclasses.replace(result, claims=[
        claim for claim in claims if claim.workload == result.workload.workload])
        for result in found]
    return Analysis(record, results, [
        *claims, *(claim for result in results for claim in result.controls.values()),
        *(_claim(result, pair) for result in results for pair in result.there("other"))])


def by_workload(record: Record) -> list[WorkloadResult]:
    """Workloads that have a launch. A refused arm leaves its workload with all its launches."""
    gone = {(refusal.workload, refusal.arm) for refusal in record.refusals}
    found: dict[str, dict[tuple[str, str], Sequence[Launch]]] = collections.defaultdict(dict)
    for (workload, arm, baseline), launches in record.by_pair().items():
        if not {(workload, arm), (workload, baseline)} & gone:
            found[workload][arm, baseline] = launches
    return [WorkloadResult(record.plan, item, found[item.workload], [
        refusal for refusal in record.refusals if refusal.workload == item.workload])
        for item in record.plan.workloads if item.workload in found]


Pairs = list[tuple[Workload, Pair]]


def open_pairs(record: Record) -> tuple[Pairs, Pairs]:
    """The pairs of a run that more launches may still settle (inference.settled): those without a
    proved verdict, and the others. Claims and the delay and, as they all need δ, the null pair
    beside them."""
    plan = record.plan
    claims = {(claim.workload, claim.arm, claim.baseline): claim
              for claim in analyse(record).claims}
    gone = {(refusal.workload, refusal.arm) for refusal in record.refusals}
    urgent: Pairs = []
    later: Pairs = []
    for item in plan.workloads:
        there = {pair: claims.get((item.workload, pair.arm, pair.baseline)) for pair in item.pairs
                 if pair.kind != "other"
                 and not {(item.workload, pair.arm), (item.workload, pair.baseline)} & gone}
        still = [pair for pair, claim in there.items() if pair.kind != "null" and not (
            claim and inference.settled(claim.verdict, claim.interval, claim.limit,
                                        math.log1p(plan.precision)))]
        unproved = [pair for pair in still if not ((claim := there[pair]) and claim.proved)]
        nulls = [pair for pair in there if pair.kind == "null"]
        urgent += [(item, pair) for pair in unproved + (nulls if unproved else [])]
        later += [(item, pair) for pair in still + (nulls if still else [])
                  if (item, pair) not in urgent]
    return urgent, later


def _claim(data: WorkloadResult, pair: Pair, p_holm: float | None = None) -> Claim:
    """What is said of a pair; outside the family its p-value stands alone."""
    launches = data.pairs[pair.arm, pair.baseline]
    p = data.p(pair)
    p_holm = p if p_holm is None else p_holm
    alone = [launch.alone_difference for launch in launches
             if all(side.alone_cpu_ns for side in launch.sides)]
    interval, word, doubt = inference.judge(data.differences((pair.arm, pair.baseline)), data.limit,
                                            p_holm, alone, len(data.plan.looks))
    times = [statistics.median(launch.sides[i].time_ns for launch in launches) for i in (0, 1)]
    kind = pair.kind if pair.kind in ("claim", "other") else "control"
    return Claim(data.workload.workload, pair.arm, pair.baseline, kind,
                 data.plan.arm(pair.baseline).promise if kind == "claim" else "", interval,
                 data.limit, p, p_holm, word, *times, doubt)


def _arm_result(data: WorkloadResult, name: str) -> ArmResult:
    sides = data.sides(name)
    times = [side.time_ns for side in sides]
    low_ns, high_ns = inference.order_statistic_interval(numpy.log(times)).ends
    usable = [side.usable_share for side in sides if side.usable_share is not None]
    biases = [math.log(side.time_ns / side.alone_ns) for side in sides if side.alone_cpu_ns]
    return ArmResult(data.plan.arm(name), statistics.median(times), low_ns, high_ns,
                     statistics.median(usable) if usable else None,
                     inference.order_statistic_interval(biases) if biases else None)


# --- Beside time ---------------------------------------------------------------------------------


Medians = dict[str, dict[str, float]]
"""Arm → name of a figure → its median over the processes that did alike."""


def medians(record: Record, workload: str, part: str) -> Medians:
    """The figures of a part on a workload; an arm that has none is not there."""
    found: dict[str, dict[str, list[float]]] = collections.defaultdict(
        lambda: collections.defaultdict(list))
    for line in record.probes:
        if (line.workload, line.part) == (workload, part):
            for name, value in line.figures.items():
                found[line.arm][name].append(value)
    return {arm: {name: statistics.median(values) for name, values in figures.items()}
            for arm, figures in found.items()}

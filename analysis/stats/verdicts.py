"""From a run's launches to what it claims: judges pairs, and names leaders.

The only step between the raw launches and the renderers: whatever a report says is a field of
Analysis.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import math
import statistics
from typing import Any, Mapping, Sequence

import numpy

from analysis.runs.plan import Arm, Pair, Plan, Workload, is_trace
from analysis.runs.records import Record, finite
from analysis.runs.samples import Launch, Refusal, Side
from analysis.stats import inference
from analysis.stats.inference import Interval

BIAS_LIMITS = {"micro": math.log(1.03), "trace": math.log(1.05)}
"""An arm that takes so much more or less time in turns than alone is named."""
ALONE = "the arms alone"
"""Turns without the neighbour's between them, of the same processes: what no verdict may
contradict."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """One comparison and its verdict. Differences are logarithms of baseline time / arm time."""

    workload: str
    arm: str
    baseline: str
    kind: str
    """"claim": a pool and a malloc, or the pool before a change. "leader": the fastest malloc and
    the next. "control": arms whose difference is known. "other": no claim."""
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
    """What took a verdict back and made it inconclusive: the methods that disagreed with it."""

    @property
    def ratio(self) -> float:
        """How many times as fast as the baseline the arm is: baseline time / arm time."""
        return self.interval.ratio

    @property
    def low(self) -> float:
        """The interval's lower end, as a ratio; 0 where there is no interval."""
        return self.interval.ends[0]

    @property
    def high(self) -> float:
        """The interval's upper end, as a ratio; infinite where there is no interval."""
        return self.interval.ends[1]

    @property
    def proved(self) -> bool:
        """Whether the verdict is a claim: a difference, or its absence."""
        return self.verdict in inference.PROVED

    def to_json(self) -> dict[str, Any]:
        """The entry of verdicts.json."""
        smallest = inference.smallest_provable(self.interval, self.limit)
        bounded = math.isfinite(self.interval.low)
        return {
            "workload": self.workload, "arm": self.arm, "baseline": self.baseline,
            "ratio": self.ratio, "low": self.low if bounded else None,
            "high": finite(self.high) if bounded else None, "n": self.interval.launches,
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
    times_ns: list[float]
    """Of an operation, one entry a launch, in the order in which they began."""
    time_ns: float
    low_ns: float
    """The median's interval; 0 and infinity where there is none."""
    high_ns: float
    minor_faults: float
    counters: dict[str, float]
    """Medians over the launches, as are the two before."""
    bias: Interval | None
    """Of the logarithm of its time in turns / its time alone: what taking turns does to it."""


@dataclasses.dataclass(frozen=True)
class WorkloadResult:
    """One workload: its arms from the fastest to the slowest, and what can be said of them."""

    workload: Workload
    launches: int
    """Of all its pairs."""
    arms: list[ArmResult]
    limit: float
    """δ as a logarithm; infinite without a null pair."""
    null: Claim | None
    delay: Claim | None
    claims: list[Claim]
    others: list[Claim]
    leaders: dict[str, Claim | None]
    """Promise → its fastest arm against the next fastest; None with fewer than two arms."""
    harness_share: float | None
    """The no-op arm's time as a share of the fastest other arm's; None without that arm."""
    refusals: list[Refusal]

    def against_best(self, pool: str) -> Claim | None:
        """The claim of a pool arm against the fastest malloc of its promise."""
        mine = [claim for claim in self.claims if claim.arm == pool and claim.kind == "claim"]
        return min(mine, key=lambda claim: claim.interval.median, default=None)

    def smallest_provable(self) -> float:
        """The median over the claims of the smallest difference each could have proved; a
        logarithm."""
        values = [inference.smallest_provable(claim.interval, claim.limit) for claim in self.claims]
        return float(numpy.median(values)) if values else math.inf

    @property
    def biased(self) -> list[ArmResult]:
        """Arms that surely take another time in turns than alone, by more than the method allows
        itself."""
        allowed = BIAS_LIMITS["trace" if is_trace(self.workload.workload) else "micro"]
        return [arm for arm in self.arms if arm.bias is not None
                and (arm.bias.low > allowed or arm.bias.high < -allowed)]


@dataclasses.dataclass(frozen=True)
class Analysis:
    """All that a report says."""

    record: Record
    results: list[WorkloadResult]
    claims: list[Claim]
    """The family, leaders included, then the controls, then the others."""

    @property
    def plan(self) -> Plan:
        """The run's plan."""
        return self.record.plan

    @property
    def family(self) -> list[Claim]:
        """The claims that Holm's correction is about."""
        return [claim for claim in self.claims if claim.kind in ("claim", "leader")]

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
    results = [_result(record, data, claims) for data, claims in zip(found, _judge(found))]
    groups = ([claim for result in results for claim in result.claims],
              [claim for result in results for claim in (result.null, result.delay) if claim],
              [claim for result in results for claim in result.others])
    return Analysis(record, results, list(itertools.chain(*groups)))


@dataclasses.dataclass(frozen=True)
class Measured:
    """The launches of one workload by (arm, baseline), before anything is judged."""

    plan: Plan
    workload: Workload
    pairs: Mapping[tuple[str, str], Sequence[Launch]]

    @property
    def looks(self) -> int:
        """How often a verdict may be looked at."""
        return len(self.plan.looks)

    def differences(self, pair: tuple[str, str]) -> list[float]:
        """One entry a launch."""
        return [launch.difference for launch in self.pairs[pair]]

    def alone(self, pair: tuple[str, str]) -> dict[str, list[float]]:
        """The same of turns alone, by the name of that view; nothing where there are none."""
        seen = [launch.alone_difference for launch in self.pairs[pair]
                if all(side.alone_cpu_ns for side in launch.sides)]
        return {ALONE: seen} if seen else {}

    def sides(self, arm: str) -> list[Side]:
        """What an arm told in all launches of it, in their order."""
        launches = sorted(itertools.chain(*self.pairs.values()),
                          key=lambda launch: launch.started_unix_s)
        return [side for launch in launches for side in launch.sides if side.arm == arm]

    @functools.cached_property
    def limit(self) -> float:
        """δ."""
        least = inference.BUILD_DELTA if self.plan.base else 0.0
        return max(least, inference.noise_limit(self.null_differences()))

    def null_differences(self) -> list[float]:
        """Of the null pair; nothing without one."""
        null = next((pair for pair in self.workload.pairs if pair.kind == "null"), None)
        place = (null.arm, null.baseline) if null else None
        return self.differences(place) if place in self.pairs else []


def by_workload(record: Record) -> list[Measured]:
    """Workloads that have a launch. A refused arm leaves its workload with all its launches."""
    gone = {(refusal.workload, refusal.arm) for refusal in record.refusals}
    found: dict[str, dict[tuple[str, str], Sequence[Launch]]] = collections.defaultdict(dict)
    for (workload, arm, baseline), launches in record.by_pair().items():
        if not {(workload, arm), (workload, baseline)} & gone:
            found[workload][arm, baseline] = launches
    return [Measured(record.plan, item, found[item.workload]) for item in record.plan.workloads
            if item.workload in found]


@dataclasses.dataclass(frozen=True)
class _Question:
    """A comparison whose p-value waits for Holm's correction."""

    arm: str
    baseline: str
    kind: str
    promise: str
    differences: Sequence[float]
    views: Mapping[str, Sequence[float]]
    p: float


def _question(data: Measured, pair: Pair) -> _Question:
    place = (pair.arm, pair.baseline)
    differences = data.differences(place)
    kind = pair.kind if pair.kind in ("claim", "other") else "control"
    promise = data.plan.arm(pair.baseline).promise if kind == "claim" else ""
    return _Question(*place, kind, promise, differences, data.alone(place),
                     min(1.0, data.looks * inference.sign_test(differences)))


def _there(data: Measured, *kinds: str) -> list[Pair]:
    return [pair for pair in data.workload.pairs
            if pair.kind in kinds and (pair.arm, pair.baseline) in data.pairs]


def _questions(data: Measured) -> list[_Question]:
    """The family's comparisons on one workload."""
    asked = [_question(data, pair) for pair in _there(data, "claim")]
    for promise in ("malloc", "calloc"):
        asked += _leader_question(data, promise)
    return asked


def _leader_question(data: Measured, promise: str) -> list[_Question]:
    """The fastest malloc against the next fastest, where both lead the pool of that promise.

    They share no launch: their differences from the pool do, in the order of the launches. The two
    are chosen by looking at the data, out of all pairs of mallocs, so the p-value is multiplied by
    their number.
    """
    ranked = _ranking(data, promise)
    if len(ranked) < 3 or any(data.plan.arm(name).role != "rival" for name in ranked[:2]):
        return []
    pool = next(name for name in ranked if data.plan.arm(name).role == "pool")
    first, second = (data.pairs[pool, name] for name in ranked[:2])

    def seen(what: str) -> list[float]:
        return [getattr(other, what) - getattr(mine, what) for mine, other in zip(first, second)]

    rivals = len(ranked) - 1
    p = rivals * (rivals - 1) // 2 * data.looks * inference.sign_test(seen("difference"))
    views = {ALONE: seen("alone_difference")} if data.workload.alone else {}
    return [_Question(*ranked[:2], "leader", promise, seen("difference"), views, min(1.0, p))]


def _ranking(data: Measured, promise: str) -> list[str]:
    """The pool of a promise and the mallocs that it was paired with, the fastest first; nothing
    without a pool, or with two."""
    pools = [arm.name for arm in data.plan.arms if arm.role == "pool" and arm.promise == promise
             and any(pair.arm == arm.name for pair in _there(data, "claim"))]
    if len(pools) != 1:
        return []
    ahead = {pair.baseline: -statistics.median(data.differences((pair.arm, pair.baseline)))
             for pair in _there(data, "claim") if pair.arm == pools[0]} | {pools[0]: 0.0}
    return sorted(ahead, key=lambda name: (-ahead[name], name))


def _judge(found: Sequence[Measured]) -> list[list[Claim]]:
    """The claims of each workload: the whole family at once, as Holm's procedure demands."""
    questions = [_questions(data) for data in found]
    adjusted = iter(inference.holm([item.p for item in itertools.chain(*questions)]))
    return [[_claim(data, item, next(adjusted)) for item in asked]
            for data, asked in zip(found, questions)]


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


def _claim(data: Measured, asked: _Question, p_holm: float) -> Claim:
    judged = inference.judge_pairs(asked.differences, data.limit, p_holm, asked.views, data.looks)
    pair = data.pairs.get((asked.arm, asked.baseline))
    if pair:
        times = [statistics.median(launch.sides[i].time_ns for launch in pair) for i in (0, 1)]
    else:
        times = [statistics.median(side.time_ns for side in data.sides(name))
                 for name in (asked.arm, asked.baseline)]
    return Claim(data.workload.workload, asked.arm, asked.baseline, asked.kind, asked.promise,
                 judged.interval, data.limit, asked.p, p_holm, judged.verdict, *times, judged.doubt)


def _alone_claims(data: Measured, kind: str) -> list[Claim]:
    """Comparisons outside the family: their p-values stand alone."""
    asked = [_question(data, pair) for pair in _there(data, kind)]
    return [_claim(data, question, question.p) for question in asked]


def _result(record: Record, data: Measured, claims: list[Claim]) -> WorkloadResult:
    names = [name for name in data.workload.arms if data.sides(name)]
    arms = sorted((_arm_result(data, name) for name in names), key=lambda result:
                  (result.time_ns, result.arm.name))
    leaders = {promise: _leader(data, claims, promise) for promise in ("malloc", "calloc")
               if _ranking(data, promise)}
    name = data.workload.workload
    nulls = _alone_claims(data, "null")
    return WorkloadResult(data.workload, sum(map(len, data.pairs.values())), arms, data.limit,
                          next(iter(nulls), None),
                          next(iter(_alone_claims(data, "delay")), None), claims,
                          _alone_claims(data, "other"), leaders, _harness_share(arms),
                          [refusal for refusal in record.refusals if refusal.workload == name])


def _leader(data: Measured, claims: list[Claim], promise: str) -> Claim | None:
    """The claim between the two fastest arms of a promise, seen from the fastest."""
    first_two = _ranking(data, promise)[:2]
    for claim in claims:
        if [claim.arm, claim.baseline] == first_two:
            return claim
        if [claim.baseline, claim.arm] == first_two:
            return reverse(claim)
    return None


def reverse(claim: Claim) -> Claim:
    """The same comparison seen from its baseline."""
    seen = claim.interval
    interval = dataclasses.replace(seen, median=-seen.median, low=-seen.high, high=-seen.low)
    turned = {"faster": "slower", "slower": "faster"}.get(claim.verdict, claim.verdict)
    return dataclasses.replace(claim, arm=claim.baseline, baseline=claim.arm, interval=interval,
                               verdict=turned, time_ns=claim.baseline_time_ns,
                               baseline_time_ns=claim.time_ns)


def _arm_result(data: Measured, name: str) -> ArmResult:
    sides = data.sides(name)
    times = [side.time_ns for side in sides]
    low_ns, high_ns = inference.order_statistic_interval(numpy.log(times)).ends
    counted = collections.defaultdict(list)
    for side in sides:
        for counter, value in side.counters.items():
            counted[counter].append(value)
    biases = [math.log(side.time_ns / side.alone_ns) for side in sides if side.alone_cpu_ns]
    return ArmResult(data.plan.arm(name), times, statistics.median(times),
                     low_ns, high_ns,
                     float(statistics.median(side.minor_faults for side in sides)),
                     {key: float(statistics.median(values)) for key, values in counted.items()},
                     inference.order_statistic_interval(biases) if biases else None)


def _harness_share(arms: Sequence[ArmResult]) -> float | None:
    noop = next((result.time_ns for result in arms if result.arm.name == "noop"), None)
    others = [result.time_ns for result in arms if result.arm.role in ("pool", "rival")]
    return noop / min(others) if noop is not None and others else None

"""From a run's samples to what it claims: pairs rounds, judges, and names leaders.

The only step between the raw samples and the renderers: whatever a report says is a field of
Analysis.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from typing import Any, Callable, Sequence

import numpy
import pandas

from analysis.runs import interference
from analysis.stats import inference
from analysis.runs.plan import Arm, BASELINE, DELAY, NULL, Plan, Workload, compared
from analysis.runs.records import Record, Refusal, finite
from analysis.stats.inference import Interval


CLOCK = "cpu_time_ns"
"""Every workload is one thread that never sleeps, so that what it costs is its processor's time.
Waiting for a processor that somebody else holds is no allocator's doing."""

OTHER_CLOCK = "time_ns"
"""The wall clock. It counts that waiting too; the report says what it would have changed."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """One comparison and its verdict. Differences are logarithms of baseline time / arm time."""

    workload: str
    arm: str
    baseline: str
    kind: str
    """"claim": a pool and a rival. "leader": the fastest rival and the next. "control": arms whose
    difference is known."""
    promise: str
    interval: Interval
    limit: float
    """δ of this workload, as a logarithm."""
    p: float
    p_holm: float
    verdict: str
    time_ns: float
    """Median over the rounds of an operation's time."""
    baseline_time_ns: float
    doubt: str = ""
    """What took a verdict back and made it inconclusive: the methods that disagreed with it."""

    @property
    def ratio(self) -> float:
        """How many times as fast as the baseline the arm is: baseline time / arm time."""
        return math.exp(self.interval.median)

    @property
    def low(self) -> float:
        """The interval's lower end, as a ratio; 0 where there is no interval."""
        return math.exp(self.interval.low)

    @property
    def high(self) -> float:
        """The interval's upper end, as a ratio; infinite where there is no interval."""
        return math.exp(self.interval.high) if self.interval.high < 700 else math.inf

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
            "high": finite(self.high) if bounded else None, "n": self.interval.rounds,
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
    """One arm on one workload, over the rounds."""

    arm: Arm
    times_ns: list[float]
    """Of an operation, one entry a round, in the rounds' order."""
    time_ns: float
    low_ns: float
    """The median's interval; 0 and infinity where there is none."""
    high_ns: float
    max_rss_bytes: float | None
    minor_faults: float
    counters: dict[str, float]
    """Medians over the rounds, as are the two before."""


@dataclasses.dataclass(frozen=True)
class WorkloadResult:
    """One workload: its arms from the fastest to the slowest, and what can be said of them."""

    workload: Workload
    rounds: int
    arms: list[ArmResult]
    limit: float
    """δ as a logarithm; infinite without a null arm."""
    null: Claim | None
    null_differences: list[float]
    delay: Claim | None
    claims: list[Claim]
    leaders: dict[str, Claim | None]
    """Promise → its fastest arm against the next fastest; None with fewer than two arms."""
    harness_share: float | None
    """The no-op arm's time as a share of the fastest other arm's; None without that arm."""
    refusals: list[Refusal]

    def arm(self, name: str) -> ArmResult | None:
        """The result of one arm, None if it has none."""
        return next((result for result in self.arms if result.arm.name == name), None)

    def against_best(self, pool: str) -> Claim | None:
        """The claim of a pool arm against the fastest rival of its promise."""
        mine = [claim for claim in self.claims if claim.arm == pool and claim.kind == "claim"]
        return min(mine, key=lambda claim: claim.baseline_time_ns, default=None)

    def smallest_provable(self) -> float:
        """The median over the claims of the smallest difference each could have proved; a
        logarithm."""
        values = [inference.smallest_provable(claim.interval, claim.limit) for claim in self.claims]
        return float(numpy.median(values)) if values else math.inf


@dataclasses.dataclass(frozen=True)
class Repeat:
    """A round of a workload that was run again."""

    workload: str
    round: int
    reason: str


@dataclasses.dataclass(frozen=True)
class Analysis:
    """All that a report says."""

    record: Record
    results: list[WorkloadResult]
    claims: list[Claim]
    """The family, leaders included, then the controls."""
    repeats: list[Repeat]
    frame: pandas.DataFrame
    """Every sample; column `used` tells which ones the verdicts rest on."""
    differing: int
    """Claims proved that the other clock would not have proved alike."""
    @property
    def plan(self) -> Plan:
        """The run's plan."""
        return self.record.plan

    @property
    def family(self) -> list[Claim]:
        """The claims that Holm's correction is about."""
        return [claim for claim in self.claims if claim.kind != "control"]

    @property
    def complete(self) -> bool:
        """Whether every planned round of every workload is there."""
        return all(result.rounds == self.plan.rounds
                   for result in self.results) and len(self.results) == len(self.plan.workloads)

    def to_json(self) -> list[dict[str, Any]]:
        """verdicts.json."""
        return [claim.to_json() for claim in self.claims]


def analyse(record: Record) -> Analysis:
    """Everything that the samples of a run have to say. Pure; a second for ten thousand samples."""
    frame = mark_used(record)
    first = whole_attempts(record, frame, min)
    results = [_result(*judged) for judged in _judged(record, frame, first, CLOCK)]
    family = [claim for result in results for claim in result.claims]
    controls = [claim for result in results for claim in (result.null, result.delay) if claim]
    other = {(claim.workload, claim.arm, claim.baseline): claim.verdict
             for _, _, claims in _judged(record, frame, first, OTHER_CLOCK) for claim in claims}
    differing = sum(claim.proved and other.get((claim.workload, claim.arm, claim.baseline))
                    != claim.verdict for claim in family)
    return Analysis(record, results, [*family, *controls], _repeats(record), frame, differing)


def _judged(record: Record, frame: pandas.DataFrame, first: pandas.Series,
            clock: str) -> list[tuple[_Prepared, float, list[Claim]]]:
    """By one clock, each workload with its δ and its claims."""
    prepared = [
        _prepare(record, workload, frame, clock, first) for workload in record.plan.workloads
    ]
    return _judge([item for item in prepared if item is not None])


def mark_used(record: Record) -> pandas.DataFrame:
    """The samples with a column `used`: of each round the last attempt that has every arm still in.

    A round that was being run when the run was killed has no such attempt, and does not count.
    """
    frame = record.frame()
    frame["used"] = whole_attempts(record, frame, max)
    return frame


def whole_attempts(record: Record, frame: pandas.DataFrame,
                   pick: Callable[[list[int]], int]) -> pandas.Series:
    """Which samples belong to the attempt picked of each round, out of those that have every arm
    still in."""
    withdrawn = {(refusal.workload, refusal.arm) for refusal in record.refusals}
    wanted = {
        workload.workload: {arm for arm in workload.arms
                            if (workload.workload, arm) not in withdrawn}
        for workload in record.plan.workloads
    }
    places = list(zip(frame["workload"], frame["round"], frame["attempt"]))
    there: dict[tuple[str, int, int], set[str]] = collections.defaultdict(set)
    for place, arm in zip(places, frame["arm"]):
        there[place].add(arm)
    whole: dict[tuple[str, int], list[int]] = collections.defaultdict(list)
    for (workload, round_, attempt), arms in there.items():
        if wanted.get(workload) and wanted[workload] <= arms:
            whole[workload, round_].append(attempt)
    picked = {(*place, pick(attempts)) for place, attempts in whole.items()}
    return pandas.Series([place in picked and arm in wanted[place[0]]
                          for place, arm in zip(places, frame["arm"])], index=frame.index,
                         dtype=bool)


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """A workload's rounds as a table, before anything is judged."""

    record: Record
    workload: Workload
    times: pandas.DataFrame
    """Nanoseconds: one row a round, one column an arm."""
    rows: pandas.DataFrame
    views: dict[str, pandas.DataFrame]
    """The same table seen otherwise, by the way of seeing it: what no verdict may contradict."""

    def differences(self, arm: str, baseline: str) -> numpy.ndarray:
        """Logarithms of baseline time / arm time, one a round."""
        return _differences(self.times, arm, baseline)

    def median_ns(self, arm: str) -> float:
        """Of an arm, over the rounds."""
        return float(numpy.median(self.times[arm].to_numpy()))


def _differences(times: pandas.DataFrame, arm: str, baseline: str) -> numpy.ndarray:
    return numpy.log(times[baseline].to_numpy() / times[arm].to_numpy())


def _prepare(record: Record, workload: Workload, frame: pandas.DataFrame, clock: str,
             first: pandas.Series) -> _Prepared | None:
    mine = frame["workload"] == workload.workload
    rows = frame[frame["used"] & mine]
    if rows.empty:
        return None
    views = {"the wall clock": times_of(rows, OTHER_CLOCK)}
    if not (frame["used"] == first)[mine].all():
        views["the rounds as they were before they were run again"] = times_of(
            frame[first & mine], clock)
    return _Prepared(record, workload, times_of(rows, clock), rows, views)


def times_of(rows: pandas.DataFrame, clock: str) -> pandas.DataFrame:
    """Nanoseconds by one clock: one row a round, one column an arm."""
    return rows.pivot(index="round", columns="arm", values=clock).astype(float)


@dataclasses.dataclass(frozen=True)
class _Question:
    """A comparison whose p-value waits for Holm's correction."""

    arm: str
    baseline: str
    kind: str
    promise: str
    p: float


def _questions(data: _Prepared) -> list[_Question]:
    """The family's comparisons on one workload."""
    there = set(data.times.columns)
    plan = data.record.plan
    asked = []
    for pool, rival in compared(plan.arms_by_name(), data.workload):
        if {pool, rival} <= there:
            p = inference.sign_test(data.differences(pool, rival))
            asked.append(_Question(pool, rival, "claim", plan.arm(rival).promise, p))
    for promise in ("malloc", "calloc"):
        asked += _leader_question(data, promise)
    return asked


def _leader_question(data: _Prepared, promise: str) -> list[_Question]:
    """The fastest rival against the next fastest, where both lead all pools of that promise.

    Where a pool is among the two fastest, their comparison is among the claims already. The pair is
    chosen by looking at the data, out of all pairs of rivals, so its p-value is multiplied by their
    number.
    """
    first_two = _ranking(data, promise)[:2]
    plan = data.record.plan
    if len(first_two) < 2 or any(plan.arm(name).role != "rival" for name in first_two):
        return []
    rivals = [name for name in _ranking(data, promise) if plan.arm(name).role == "rival"]
    pairs = len(rivals) * (len(rivals) - 1) // 2
    p = inference.sign_test(data.differences(*first_two))
    return [_Question(*first_two, "leader", promise, min(1.0, pairs * p))]


def _ranking(data: _Prepared, promise: str) -> list[str]:
    """The arms of one promise, the smallest median time first."""
    plan = data.record.plan
    names = [name for name in data.times.columns if plan.arm(name).promise == promise]
    return sorted(names, key=lambda name: (data.median_ns(name), name))


def _judge(prepared: Sequence[_Prepared]) -> list[tuple[_Prepared, float, list[Claim]]]:
    """Judges the whole family at once, as Holm's procedure demands."""
    questions = [_questions(data) for data in prepared]
    adjusted = iter(inference.holm([item.p for item in itertools.chain(*questions)]))
    judged = []
    for data, asked in zip(prepared, questions):
        limit = inference.noise_limit(_null_differences(data))
        judged.append((data, limit, [_claim(data, item, limit, next(adjusted)) for item in asked]))
    return judged


def _claim(data: _Prepared, asked: _Question, limit: float, p_holm: float) -> Claim:
    views = {
        name: _differences(times, asked.arm, asked.baseline) for name, times in data.views.items()
    }
    judged = inference.judge_pairs(data.differences(asked.arm, asked.baseline), limit, p_holm,
                                   views)
    return Claim(data.workload.workload, asked.arm, asked.baseline, asked.kind, asked.promise,
                 judged.interval, limit, asked.p, p_holm, judged.verdict,
                 data.median_ns(asked.arm), data.median_ns(asked.baseline), judged.doubt)


def _null_differences(data: _Prepared) -> list[float]:
    if not {NULL, BASELINE} <= set(data.times.columns):
        return []
    return [float(value) for value in data.differences(NULL, BASELINE)]


def _control(data: _Prepared, arm: str, baseline: str, limit: float) -> Claim | None:
    """A comparison outside the family: its p-value stands alone."""
    if not {arm, baseline} <= set(data.times.columns):
        return None
    p = inference.sign_test(data.differences(arm, baseline))
    return _claim(data, _Question(arm, baseline, "control", "", p), limit, p)


def _result(data: _Prepared, limit: float, claims: list[Claim]) -> WorkloadResult:
    arms = sorted((_arm_result(data, name) for name in data.times.columns), key=lambda result:
                  (result.time_ns, result.arm.name))
    leaders = {
        promise: _leader(data, claims, promise)
        for promise in ("malloc", "calloc") if _ranking(data, promise)
    }
    name = data.workload.workload
    return WorkloadResult(data.workload, len(data.times), arms, limit,
                          _control(data, NULL, BASELINE, limit), _null_differences(data),
                          _control(data, DELAY, "pool-keep", limit), claims, leaders,
                          _harness_share(arms),
                          [refusal for refusal in data.record.refusals if refusal.workload == name])


def _leader(data: _Prepared, claims: list[Claim], promise: str) -> Claim | None:
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


def _arm_result(data: _Prepared, name: str) -> ArmResult:
    rows = data.rows[data.rows["arm"] == name].sort_values("round")
    times = [float(value) for value in data.times[name]]
    interval = inference.order_statistic_interval(numpy.log(times))
    high = math.exp(interval.high) if math.isfinite(interval.high) else math.inf
    counters = {
        column.removeprefix("counter:"): float(numpy.nanmedian(values))
        for column in rows.columns if column.startswith("counter:")
        and not numpy.isnan(values := rows[column].to_numpy(dtype=float)).all()
    }
    resident = pandas.to_numeric(rows["max_rss_bytes"]).dropna()
    return ArmResult(data.record.plan.arm(name), times, float(numpy.median(times)),
                     math.exp(interval.low), high,
                     float(resident.median()) if len(resident) else None,
                     float(rows["minor_faults"].median()), counters)


def _harness_share(arms: Sequence[ArmResult]) -> float | None:
    noop = next((result.time_ns for result in arms if result.arm.name == "noop"), None)
    others = [result.time_ns for result in arms if result.arm.role in ("pool", "rival")]
    return noop / min(others) if noop is not None and others else None


def _repeats(record: Record) -> list[Repeat]:
    """The rounds that were run again, and what the ledger had against the attempt before."""
    attempts: dict[tuple[str, int], dict[int, list]] = {}
    for sample in record.samples:
        place = attempts.setdefault((sample.workload, sample.round), {})
        place.setdefault(sample.attempt, []).append(sample)
    found = []
    for (workload, round_), by_attempt in attempts.items():
        for attempt in sorted(by_attempt)[1:]:
            before = by_attempt.get(attempt - 1, [])
            reason = interference.objection(before, record.plan.ledger) or "the ledger was bad"
            found.append(Repeat(workload, round_, reason))
    return found

"""Two builds or two runs, judged against each other: did the pool's speed change between them?

A gate runs both builds in turns, so that its answer is a verdict like any other. Two runs of
different days share no launch: what is compared is the pool's difference to the C library's malloc,
whose launches slow machines slow alike. What a day does to one of the two and not to the other
passes for a change, which only a null pair that moved would show: such a comparison is a hint, and
says so.

Where instructions were counted on both sides, these are compared as well, and need none of that:
they repeat on any machine, however busy. They are judged beside time, and never mixed with it.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Any, Iterable, Mapping, Sequence


from analysis.runs.plan import BASELINE, NULL, probed_arms
from analysis.runs.records import Record, finite
from analysis.runs.samples import Refusal, Side as Told, Work
from analysis.stats import inference, verdicts
from analysis.stats.inference import Interval
from analysis.system import host
from analysis.system.exits import FINDING, INCONCLUSIVE, PASS, UNFIT, UserError
from analysis.system.files import version

SCHEMA = 1
"""The version of a comparison's JSON."""

MORE_INSTRUCTIONS = 0.01
"""A pool that runs more than this share more is a regression; within it two counts are equal."""

KINDS = {
    "machine": "another machine, kernel or C library",
    "compiler": "another compiler",
    "flags": "other compiler flags",
    "harness": "another version of Google Benchmark",
    "library": "another library behind an arm's malloc",
    "trace": "another recording under the same name",
}
"""What makes two runs unlike."""

EXIT_CODES = {
    "pass": PASS, "regression": FINDING,
    "inconclusive": INCONCLUSIVE, "unfit": UNFIT
}


@dataclasses.dataclass(frozen=True)
class Unlike:
    """One respect in which two runs differ, beside what is compared."""

    kind: str
    """One of KINDS."""
    what: str
    base: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.base} → {self.new}"


@dataclasses.dataclass(frozen=True)
class Change:
    """One arm on one workload, before and after. Differences are logarithms of the base's time /
    the new time."""

    workload: str
    arm: str
    kind: str
    """"claim": a pool. "control": an arm that is known not to have changed. "other": neither."""
    interval: Interval
    limit: float
    """δ, as a logarithm."""
    p: float
    p_holm: float
    """Within the family of the claims; p itself for other arms."""
    verdict: str
    doubt: str
    """The verdict that was taken back as methods disagree, and which; "" if none was."""
    base_launches: int
    new_launches: int
    base_time_ns: float = math.nan
    """Of an operation, the median over the launches; likewise below."""
    new_time_ns: float = math.nan

    @property
    def ratio(self) -> float:
        """How many times as fast as before: 1.25 is 1.25 times as fast."""
        return math.exp(self.interval.median)

    @property
    def outcome(self) -> str:
        """"regression", "pass" or "inconclusive".

        A pass excludes a regression beyond δ, and beyond 10 % where δ is more: the interval's near
        end is what counts, not that nothing was found. Runs that do not know their noise pass
        nothing.
        """
        if self.verdict == "slower":
            return "regression"
        if not math.isfinite(self.limit):
            return "inconclusive"
        margin = min(self.limit, inference.LARGEST_EQUALITY)
        return "pass" if self.interval.low >= -margin and not self.doubt else "inconclusive"

    def to_json(self) -> dict[str, Any]:
        """The entry of a comparison's JSON."""
        smallest = inference.smallest_provable(self.interval, self.limit)
        return {
            "workload": self.workload, "arm": self.arm, "kind": self.kind, "ratio": self.ratio,
            "low": finite_ratio(self.interval.low), "high": finite_ratio(self.interval.high),
            "verdict": self.verdict, "outcome": self.outcome, "doubt": self.doubt,
            "delta": share(self.limit), "smallest_provable": share(smallest), "p": self.p,
            "p_holm": self.p_holm, "base_time_ns": self.base_time_ns,
            "new_time_ns": self.new_time_ns, "base_launches": self.base_launches,
            "new_launches": self.new_launches
        }


def finite_ratio(difference: float) -> float | None:
    """A logarithm as a ratio; None for an end that no interval reaches."""
    return finite(math.exp(difference)) if -700 < difference < 700 else None


def share(difference: float) -> float | None:
    """A logarithm as a share: log 1.03 is 0.03. None for what is out of reach."""
    return math.expm1(difference) if difference < 700 else None


@dataclasses.dataclass(frozen=True)
class Count:
    """The instructions of an operation of one arm on one workload, before and after, as each
    process counted them."""

    workload: str
    arm: str
    kind: str
    """As that of a Change."""
    base: list[float]
    new: list[float]

    @property
    def ratio(self) -> float:
        """How many times as many as now there were before: 1.25 means that a fifth is gone."""
        return statistics.median(self.base) / statistics.median(self.new)

    @property
    def verdict(self) -> str:
        """"more", "fewer" or "equal" where every process of the one run says so beside every one of
        the other, else "inconclusive"."""
        most = 1 + MORE_INSTRUCTIONS
        if min(self.new) > max(self.base) * most:
            return "more"
        if max(self.new) * most < min(self.base):
            return "fewer"
        return "equal" if max(self.new) <= min(self.base) * most else "inconclusive"

    @property
    def outcome(self) -> str:
        """"regression", "pass" or "inconclusive"."""
        return {"more": "regression", "inconclusive": "inconclusive"}.get(self.verdict, "pass")

    def to_json(self) -> dict[str, Any]:
        """The entry of a comparison's JSON."""
        return {
            "workload": self.workload, "arm": self.arm, "kind": self.kind, "ratio": self.ratio,
            "verdict": self.verdict, "outcome": self.outcome,
            "base_instructions": statistics.median(self.base),
            "new_instructions": statistics.median(self.new)
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that is said of two runs."""

    base: Record
    new: Record
    unlike: list[Unlike]
    """What differs beside what is compared, and was allowed to."""
    changes: list[Change]
    """Of time; none where a run measured none."""
    counts: list[Count]
    """Of instructions, likewise."""
    left_out: list[str]
    """What one of the runs has and the other lacks, as phrases."""
    crashed: list[Refusal]
    """Arms that ran in the base and died in the new run."""
    unfit: list[str]
    """Why nothing can be said, as phrases."""

    @property
    def claims(self) -> list[Change]:
        """The changes of time that the outcome rests on."""
        return [change for change in self.changes if change.kind == "claim"]

    @property
    def counted_claims(self) -> list[Count]:
        """The counts that the outcome rests on."""
        return [count for count in self.counts if count.kind == "claim"]

    @property
    def outcome(self) -> str:
        """"pass", "regression", "inconclusive" or "unfit"."""
        if self.unfit:
            return "unfit"
        if self.crashed:
            return "regression"
        said = outcome_of([*self.claims, *self.counted_claims])
        return "inconclusive" if said == "pass" and self.left_out else said

    def to_json(self) -> dict[str, Any]:
        """What `--format json` writes."""
        return {
            "schema": SCHEMA, "poolproof": version(), "outcome": self.outcome,
            "exit_code": EXIT_CODES[self.outcome],
            "base": _run_json(self.base), "new": _run_json(self.new),
            "unlike": [dataclasses.asdict(item) for item in self.unlike],
            "unfit": self.unfit, "left_out": self.left_out,
            "crashed": [
                {"workload": item.workload, "arm": item.arm, "why": item.refused}
                for item in self.crashed
            ],
            "changes": [change.to_json() for change in self.changes],
            "counts": [count.to_json() for count in self.counts]
        }


def _run_json(record: Record) -> dict[str, Any]:
    plan = record.plan
    return {
        "folder": str(record.folder), "started": plan.started, "mode": plan.mode,
        "launches": len(record.launches),
        "benchmark_sha256": plan.benchmark["sha256"],
        "source": str(plan.environment.get("source") or "")
    }


# --- Whether two runs are alike ------------------------------------------------------------------


def unlike(base: Record, new: Record) -> list[Unlike]:
    """In what two runs differ that must be equal for them to be compared.

    The benchmark binary is not among it: a new build of it is what a gate is for.
    """
    found = []
    then, now = base.plan.environment, new.plan.environment
    for name in host.SAME:
        if then.get(name) != now.get(name):
            found.append(Unlike("machine", name, str(then.get(name)), str(now.get(name))))
    for kind, column, what in (("compiler", "compiler", "compiler"),
                               ("flags", "compiler_flags", "compiler flags"),
                               ("harness", "benchmark_version", "Google Benchmark")):
        first, second = (_values(record, column) for record in (base, new))
        if first != second:
            found.append(Unlike(kind, what, first, second))
    return found + _unlike_libraries(base, new) + _unlike_traces(base, new)


def _values(record: Record, column: str) -> str:
    return " and ".join(sorted({getattr(line, column) for line in _lines(record)}))


def _lines(record: Record) -> list[Told | Work]:
    """Everything that a run says of times and instructions."""
    return [*(side for launch in record.launches for side in launch.sides), *record.work]


def _unlike_libraries(base: Record, new: Record) -> list[Unlike]:
    """By the files that the processes proved to have used."""
    first, second = _libraries(base), _libraries(new)
    by_change: dict[tuple[str, str], list[str]] = {}
    for arm in first:
        if arm in second and first[arm] != second[arm]:
            by_change.setdefault((first[arm], second[arm]), []).append(arm)
    return [
        Unlike("library", f"malloc of {', '.join(arms)}", before, after)
        for (before, after), arms in by_change.items()
    ]


def _libraries(record: Record) -> dict[str, str]:
    """Arm → the hashes of what served its malloc."""
    found: dict[str, set[str]] = {}
    for line in _lines(record):
        found.setdefault(line.arm, set()).add(line.malloc_sha256[:12])
    return {arm: " and ".join(sorted(hashes)) for arm, hashes in found.items()}


def _unlike_traces(base: Record, new: Record) -> list[Unlike]:
    before = {trace.name: trace.sha256 for trace in base.plan.traces}
    return [
        Unlike("trace", f"the trace {trace.name}", before[trace.name][:12], trace.sha256[:12])
        for trace in new.plan.traces if before.get(trace.name, trace.sha256) != trace.sha256
    ]


def refuse_unlike(found: Iterable[Unlike], allowed: Iterable[str]) -> None:
    """UserError naming every difference that is not allowed."""
    refused = [item for item in found if item.kind not in set(allowed)]
    if refused:
        kinds = " ".join(dict.fromkeys(f"--allow {item.kind}" for item in refused))
        raise UserError(
            f"the runs are unlike, so that a difference would say nothing of the pool: "
            f"{'; '.join(map(str, refused))}. To compare them all the same: {kinds}")


# --- Judging -------------------------------------------------------------------------------------


Side = Mapping[str, Sequence[float]]
"""One workload of one run: pool, or NULL → its differences from the C library's allocator of equal
promise, one a launch, in the launches' order."""


def _sides(record: Record) -> tuple[dict[str, Side], dict[tuple[str, str], float]]:
    """(workload → its side; workload and arm → the median time of an operation)."""
    found: dict[str, dict[str, list[float]]] = {}
    medians: dict[tuple[str, str], float] = {}
    for data in verdicts.by_workload(record):
        for arm, baseline in data.pairs:
            if baseline in (BASELINE, f"{BASELINE}-calloc") and (
                    arm == NULL or record.plan.arm(arm).role == "pool"):
                name = data.workload.workload
                found.setdefault(name, {})[arm] = data.differences((arm, baseline))
                medians[name, arm] = statistics.median(
                    launch.sides[0].time_ns for launch in data.pairs[arm, baseline])
    return found, medians


def compare(base: Record, new: Record, allowed: Iterable[str] = ()) -> Comparison:
    """Judges two runs. UserError if they are unlike in what is not allowed, or share nothing."""
    timed, counted = (all(map(bool, part)) for part in ((base.launches, new.launches),
                                                        (base.work, new.work)))
    if not timed and not counted:
        lacking = next(record for record in (base, new) if not record.launches)
        raise UserError(f"{lacking.folder} holds no whole launch, and not both runs have"
                        " counted instructions")
    found = unlike(base, new)
    refuse_unlike(found, allowed)
    roles = _roles(base, new, libraries_alike="library" not in {item.kind for item in found})
    changes = _changes(base, new, roles) if timed else []
    counts = _counts(base, new, roles) if counted else []
    if not any(item.kind == "claim" for item in [*changes, *counts]):
        raise UserError(
            f"{base.folder} and {new.folder} share no workload on which a pool ran beside the"
            f" baseline {BASELINE}")
    known = {(item.workload, item.arm) for item in _refused(base, counted)}
    crashed = {(item.workload, item.arm): item for item in _refused(new, counted)
               if item.crashed and (item.workload, item.arm) not in known}
    left_out = _left_out(base, new, "time", changes) if timed else []
    left_out += _left_out(base, new, "work", counts) if counted else []
    return Comparison(base, new, found, changes, counts, left_out, list(crashed.values()),
                      _unfit(base, new, changes) if timed else [])


def _refused(record: Record, counted: bool) -> list[Refusal]:
    """Processes that could not be used, those that were to count among them if that is asked."""
    return [*record.refusals, *(record.part_refusals.get("work", []) if counted else [])]


def _changes(base: Record, new: Record, roles: Mapping[str, str]) -> list[Change]:
    """What both runs timed."""
    (before, before_ns), (after, after_ns) = _sides(base), _sides(new)
    asked = [(name, arm) for name in before if name in after for arm in before[name]
             if arm in after[name] and arm in roles]
    return [
        dataclasses.replace(change, base_time_ns=before_ns[change.workload, change.arm],
                            new_time_ns=after_ns[change.workload, change.arm])
        for change in judge(before, after, asked, roles)
    ]


def _counts(base: Record, new: Record, roles: Mapping[str, str]) -> list[Count]:
    """What both runs counted, in the base's order."""
    before, after = (_instructions(record) for record in (base, new))
    places = [(item.workload, arm) for item in base.plan.workloads for arm in item.arms]
    return [Count(*place, roles[place[1]], before[place], after[place]) for place in places
            if place in before and place in after and place[1] in roles]


def _instructions(record: Record) -> dict[tuple[str, str], list[float]]:
    """Workload and arm → what each process counted."""
    found: dict[tuple[str, str], list[float]] = {}
    for line in record.work:
        found.setdefault((line.workload, line.arm), []).append(line.instructions_per_operation)
    return found


def _roles(base: Record, new: Record, libraries_alike: bool) -> dict[str, str]:
    """Arm → what a change of it means. That of a malloc is only counted."""
    old = base.plan.arms_by_name()
    found = {}
    for name, arm in new.plan.arms_by_name().items():
        if name in old and (name == NULL or arm.role in ("pool", "rival")):
            unchanged = name == NULL or libraries_alike
            found[name] = "claim" if arm.role == "pool" else "control" if unchanged else "other"
    return found


def judge(before: Mapping[str, Side], after: Mapping[str, Side], asked: Sequence[tuple[str, str]],
          roles: Mapping[str, str]) -> list[Change]:
    """Judges (workload, arm) pairs at once, as Holm's procedure demands; the claims are its family.

    `roles` has the kind of change of each arm.
    """
    limits = {name: _limit(before[name], after[name], [
        arm for workload, arm in asked if workload == name and roles[arm] == "control"
    ]) for name, _ in asked}
    p_values = {
        (name, arm): inference.rank_sum_test(before[name][arm], after[name][arm])
        for name, arm in asked
    }
    family = [place for place in asked if roles[place[1]] == "claim"]
    adjusted = dict(zip(family, inference.holm([p_values[place] for place in family])))
    return [
        _change(name, arm, roles[arm], before[name], after[name], limits[name],
                p_values[name, arm], adjusted.get((name, arm), p_values[name, arm]))
        for name, arm in asked
    ]


def _limit(before: Side, after: Side, controls: list[str]) -> float:
    """δ between two runs: the larger of both runs' own, and of how far any unchanged arm moved."""
    moved = [abs(inference.shift_interval(before[arm], after[arm]).median)
             for arm in controls]
    limits = [inference.noise_limit(side.get(NULL, [])) for side in (before, after)]
    return max(*limits, *moved)


def _change(workload: str, arm: str, kind: str, before: Side, after: Side, limit: float,
            p: float, p_holm: float) -> Change:
    base, new = before[arm], after[arm]
    judged = inference.judge_shift(base, new, limit, p_holm)
    return Change(workload, arm, kind, judged.interval, limit, p, p_holm, judged.verdict,
                  judged.doubt, len(base), len(new))


def outcome_of(claims: Sequence[Change | Count]) -> str:
    """"regression" if one is, else "inconclusive" if one is, else "pass"."""
    outcomes = {change.outcome for change in claims}
    return next((word for word in ("regression", "inconclusive") if word in outcomes), "pass")


def _left_out(base: Record, new: Record, part: str, made: Sequence[Change | Count]) -> list[str]:
    """The pools' comparisons of a part that cannot be made, as phrases."""
    compared, planned = {(item.workload, item.arm) for item in made}, [
        _planned_pools(record, part) for record in (base, new)]
    label, lacks = {"time": ("", "no launch"), "work": (" (instructions)", "no count")}[part]
    found = [f"{workload} with {arm}{label} is not in the {missing}"
             for name, missing in ((0, "new run"), (1, "base"))
             for workload, arm in planned[name] if (workload, arm) not in planned[1 - name]]
    return found + [f"{workload} with {arm}{label} has {lacks} in one of the runs"
                    for workload, arm in planned[0]
                    if (workload, arm) in planned[1] and (workload, arm) not in compared]


def _planned_pools(record: Record, part: str) -> list[tuple[str, str]]:
    arms = record.plan.arms_by_name()
    return [(item.workload, arm) for item in record.plan.workloads if part in item.parts
            for arm in (item.arms if part == "time" else probed_arms(arms, item, part))
            if arms[arm].role == "pool"]


def _unfit(base: Record, new: Record, changes: list[Change]) -> list[str]:
    """Why nothing can be said of these runs."""
    found = [
        f"{record.folder}: {item.workload} with {item.arm} was refused: {item.refused}"
        for record in (base, new) for item in record.refusals if not item.crashed
    ]
    if all(math.isinf(change.limit) for change in changes):
        found.append("no workload has a null pair of at least six launches in both runs, so that"
                     " their noise is not known")
    return found


# --- Two builds in one run -----------------------------------------------------------------------


def of_gate(record: Record) -> Comparison:
    """What a gate's run says of the pool before and after. UserError if it holds nothing."""
    analysis = verdicts.analyse(record)
    changes = [
        Change(claim.workload, claim.arm, "claim" if claim.kind == "claim" else "control",
               claim.interval, claim.limit, claim.p, claim.p_holm, claim.verdict, claim.doubt,
               claim.interval.launches, claim.interval.launches, claim.baseline_time_ns,
               claim.time_ns)
        for claim in analysis.claims if claim.kind == "claim" or claim.arm == NULL
    ]
    counted = _instructions(record)
    counts = [Count(item.workload, pair.arm, "claim", counted[item.workload, pair.baseline],
                    counted[item.workload, pair.arm])
              for item in record.plan.workloads for pair in item.pairs if pair.kind == "claim"
              and {(item.workload, pair.arm), (item.workload, pair.baseline)} <= set(counted)]
    if not changes and not counts:
        raise UserError(f"{record.folder} holds nothing of both builds")
    there = {(change.workload, change.arm) for change in changes}
    refused = {(item.workload, item.arm): item for item in record.refusals}
    left_out = [f"{item.workload} with {pair.arm} has no launch"
                for item in record.plan.measured("time") for pair in item.pairs
                if pair.kind == "claim" and (item.workload, pair.arm) not in there]
    old = {arm.name for arm in record.plan.arms if arm.build == "base"}
    crashed = [item for (_, arm), item in refused.items() if item.crashed and arm not in old]
    unfit = [f"{item.workload} with {item.arm} was refused: {item.refused}"
             for item in refused.values() if not item.crashed or item.arm in old]
    return Comparison(record, record, [], changes, counts, left_out, crashed, unfit)

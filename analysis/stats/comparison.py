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

import collections
import dataclasses
import math
import statistics
from typing import Any, Iterable, Mapping, Sequence

from analysis.runs.plan import BASELINE, NULL, probed_arms
from analysis.runs.records import Record
from analysis.runs.samples import Refusal
from analysis.stats import inference, verdicts
from analysis.stats.verdicts import Claim
from analysis.system import host
from analysis.system.exits import FINDING, INCONCLUSIVE, PASS, UNFIT, UserError
from analysis.system.files import version

SCHEMA = 1
"""The version of a comparison's JSON."""

MORE_INSTRUCTIONS = 0.01
"""A pool that runs more than this share more is a regression; within it two counts are equal."""

EXIT_CODES = {"pass": PASS, "regression": FINDING, "inconclusive": INCONCLUSIVE, "unfit": UNFIT}


@dataclasses.dataclass(frozen=True)
class Unlike:
    """One respect in which two runs differ, beside what is compared."""

    kind: str
    """What --allow calls it."""
    what: str
    base: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.base} → {self.new}"


@dataclasses.dataclass(frozen=True)
class Change(Claim):
    """One arm on one workload, before and after: a claim whose baseline is the arm as it was.

    Its kind is "claim" of a pool and "control" of an arm that is known not to have changed."""

    base_launches: int = 0
    new_launches: int = 0

    @property
    def outcome(self) -> str:
        """"regression", "pass" or "inconclusive".

        A pass excludes a regression beyond δ, and beyond 10 % where δ is more: the interval's near
        end is what counts, not that nothing was found. Runs that do not know their noise pass
        nothing.
        """
        if self.verdict == "slower":
            return "regression"
        margin = min(self.limit, inference.LARGEST_EQUALITY)
        passes = math.isfinite(self.limit) and self.interval.low >= -margin and not self.doubt
        return "pass" if passes else "inconclusive"

    def to_json(self) -> dict[str, Any]:
        """The entry of a comparison's JSON."""
        told = super().to_json()
        times = {"base_time_ns": told.pop("baseline_time_ns"), "new_time_ns": told.pop("time_ns")}
        for name in ("baseline", "promise", "n"):
            del told[name]
        return told | times | {"outcome": self.outcome, "base_launches": self.base_launches,
                               "new_launches": self.new_launches}


@dataclasses.dataclass(frozen=True)
class Count:
    """The instructions of an operation of one arm on one workload, before and after, as each
    process counted them."""

    workload: str
    arm: str
    kind: str
    """As that of a Change; "other" of a malloc that may have changed."""
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
    def claims(self) -> list[Change | Count]:
        """What the outcome rests on."""
        return [item for item in [*self.changes, *self.counts] if item.kind == "claim"]

    @property
    def outcome(self) -> str:
        """"pass", "regression", "inconclusive" or "unfit"."""
        if self.unfit:
            return "unfit"
        said = {item.outcome for item in self.claims}
        if self.crashed or "regression" in said:
            return "regression"
        return "inconclusive" if self.left_out or "inconclusive" in said else "pass"

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


# --- Two runs ------------------------------------------------------------------------------------


Place = tuple[str, str]
"""(workload, arm)."""


def unlike(base: Record, new: Record) -> list[Unlike]:
    """In what two runs differ that must be equal for them to be compared."""
    before, after = _circumstances(base), _circumstances(new)
    return [Unlike(*key, before[key], after[key]) for key in before
            if key in after and before[key] != after[key]]


def _circumstances(record: Record) -> dict[tuple[str, str], str]:
    """(kind, what) → its value. The benchmark binary is not among it: a new build of it is what a
    comparison is for."""
    lines = [*(side for launch in record.launches for side in launch.sides), *record.work]

    def values(column: str, arm: str = "") -> str:
        return " and ".join(sorted({getattr(line, column) for line in lines
                                    if arm in ("", line.arm)}))

    found = {("machine", name): str(record.plan.environment.get(name)) for name in host.SAME}
    found |= {("compiler", "compiler"): values("compiler"),
              ("flags", "compiler flags"): values("compiler_flags"),
              ("harness", "Google Benchmark"): values("benchmark_version")}
    found |= {("library", f"malloc of {arm.name}"): values("malloc_sha256", arm.name)[:12]
              for arm in record.plan.arms if arm.role == "rival"
              and any(line.arm == arm.name for line in lines)}
    return found | {("trace", f"the trace {trace.name}"): trace.sha256[:12]
                    for trace in record.plan.traces}


def _refuse_unlike(found: Iterable[Unlike], allowed: Iterable[str]) -> None:
    """UserError naming every difference that is not allowed."""
    refused = [item for item in found if not {item.kind, "all"} & set(allowed)]
    if refused:
        kinds = " ".join(dict.fromkeys(f"--allow {item.kind}" for item in refused))
        raise UserError(
            f"the runs are unlike, so that a difference would say nothing of the pool: "
            f"{'; '.join(map(str, refused))}. To compare them all the same: {kinds}")


def compare(base: Record, new: Record, allowed: Iterable[str] = ()) -> Comparison:
    """Judges two runs. UserError if they are unlike in what is not allowed, or share nothing."""
    parts = [part for part, column in (("time", "launches"), ("work", "work"))
             if getattr(base, column) and getattr(new, column)]
    if not parts:
        lacking = next(record for record in (base, new) if not record.launches)
        raise UserError(f"{lacking.folder} holds no whole launch, and not both runs have"
                        " counted instructions")
    found = unlike(base, new)
    _refuse_unlike(found, allowed)
    changes = judge(_differences(base), _differences(new)) if "time" in parts else []
    same_mallocs = "library" not in {item.kind for item in found}
    counts = _counts(base, new, same_mallocs) if "work" in parts else []
    if not any(item.kind == "claim" for item in [*changes, *counts]):
        raise UserError(
            f"{base.folder} and {new.folder} share no workload on which a pool ran beside the"
            f" baseline {BASELINE}")
    known = {(item.workload, item.arm) for item in _refused(base, parts)}
    crashed = {(item.workload, item.arm): item for item in _refused(new, parts)
               if item.crashed and (item.workload, item.arm) not in known}
    unfit = [f"{record.folder}: {item.workload} with {item.arm} was refused: {item.refused}"
             for record in (base, new) for item in record.refusals
             if "time" in parts and not item.crashed]
    if changes and all(math.isinf(change.limit) for change in changes):
        unfit.append("no workload has a null pair of at least six launches in both runs, so that"
                     " their noise is not known")
    left_out = [phrase for part, made in (("time", changes), ("work", counts)) if part in parts
                for phrase in _left_out(base, new, part, made)]
    return Comparison(base, new, found, changes, counts, left_out, list(crashed.values()), unfit)


def _refused(record: Record, parts: Sequence[str]) -> list[Refusal]:
    """Processes that could not be used, those that were to count among them if that is asked."""
    return [*record.refusals, *(record.part_refusals.get("work", []) if "work" in parts else [])]


@dataclasses.dataclass(frozen=True)
class Differences:
    """Of one arm on one workload of one run, from the C library's allocator of equal promise."""

    of_launches: Sequence[float]
    time_ns: float


def _differences(record: Record) -> dict[Place, Differences]:
    """Those of the pools, and of the null arm."""
    found = {}
    for data in verdicts.by_workload(record):
        for (arm, baseline), launches in data.pairs.items():
            if baseline in (BASELINE, f"{BASELINE}-calloc") and (
                    arm == NULL or record.plan.arm(arm).role == "pool"):
                found[data.workload.workload, arm] = Differences(
                    data.differences((arm, baseline)),
                    statistics.median(launch.sides[0].time_ns for launch in launches))
    return found


def judge(before: Mapping[Place, Differences], after: Mapping[Place, Differences]) -> list[Change]:
    """Judges what both have at once, as Holm's procedure demands; the pools are its family."""
    asked = [place for place in before if place in after]
    p_values = {place: inference.rank_sum_test(before[place].of_launches, after[place].of_launches)
                for place in asked}
    family = [place for place in asked if place[1] != NULL]
    adjusted = p_values | dict(zip(family, inference.holm([p_values[place] for place in family])))
    found = []
    for place in asked:
        base, new = before[place], after[place]
        interval = inference.shift_interval(base.of_launches, new.of_launches)
        limit = _limit(before, after, place[0])
        found.append(Change(
            *place, place[1], "claim" if place in family else "control", "", interval, limit,
            p_values[place], adjusted[place],
            inference.verdict(interval, limit, adjusted[place]), new.time_ns, base.time_ns, "",
            len(base.of_launches), len(new.of_launches)))
    return found


def _limit(before: Mapping[Place, Differences], after: Mapping[Place, Differences],
           workload: str) -> float:
    """δ between two runs: the larger of both runs' own, and of how far the null pair moved."""
    if (workload, NULL) not in before or (workload, NULL) not in after:
        return math.inf
    nulls = [side[workload, NULL].of_launches for side in (before, after)]
    return max(*map(inference.noise_limit, nulls), abs(inference.shift_interval(*nulls).median))


def _counts(base: Record, new: Record, same_mallocs: bool) -> list[Count]:
    """What both runs counted, in the base's order."""
    before, after = (_instructions(record) for record in (base, new))
    found = []
    for item in base.plan.workloads:
        for arm in map(base.plan.arm, item.arms):
            place = item.workload, arm.name
            if place in before and place in after and (arm.role in ("pool", "rival")
                                                       or arm.name == NULL):
                unchanged = arm.name == NULL or same_mallocs
                kind = "claim" if arm.role == "pool" else "control" if unchanged else "other"
                found.append(Count(*place, kind, before[place], after[place]))
    return found


def _instructions(record: Record) -> dict[Place, list[float]]:
    """What each process counted."""
    found = collections.defaultdict(list)
    for line in record.work:
        found[line.workload, line.arm].append(line.instructions_per_operation)
    return dict(found)


def _left_out(base: Record, new: Record, part: str,
              made: Sequence[Change | Count]) -> list[str]:
    """The pools' comparisons of a part that cannot be made, as phrases."""
    compared = {(item.workload, item.arm) for item in made}
    planned, then = _planned_pools(base, part), _planned_pools(new, part)
    label, lacks = {"time": ("", "no launch"), "work": (" (instructions)", "no count")}[part]
    found = []
    for workload, arm in dict.fromkeys([*planned, *then]):
        name = f"{workload} with {arm}{label}"
        if (workload, arm) not in then:
            found.append(f"{name} is not in the new run")
        elif (workload, arm) not in planned:
            found.append(f"{name} is not in the base")
        elif (workload, arm) not in compared:
            found.append(f"{name} has {lacks} in one of the runs")
    return found


def _planned_pools(record: Record, part: str) -> list[Place]:
    arms = record.plan.arms_by_name()
    return [(item.workload, arm) for item in record.plan.workloads if part in item.parts
            for arm in (item.arms if part == "time" else probed_arms(arms, item, part))
            if arms[arm].role == "pool"]


# --- Two builds in one run -----------------------------------------------------------------------


def of_gate(record: Record) -> Comparison:
    """What a gate's run says of the pool before and after. UserError if it holds nothing."""
    changes = [
        Change(**vars(claim) | {"kind": "control" if claim.arm == NULL else "claim"},
               base_launches=claim.interval.launches, new_launches=claim.interval.launches)
        for claim in verdicts.analyse(record).claims if claim.kind == "claim" or claim.arm == NULL
    ]
    pairs = [(item, pair) for item in record.plan.workloads for pair in item.pairs
             if pair.kind == "claim"]
    counted = _instructions(record)
    counts = [Count(item.workload, pair.arm, "claim", counted[item.workload, pair.baseline],
                    counted[item.workload, pair.arm])
              for item, pair in pairs
              if {(item.workload, pair.arm), (item.workload, pair.baseline)} <= set(counted)]
    if not changes and not counts:
        raise UserError(f"{record.folder} holds nothing of both builds")
    there = {(change.workload, change.arm) for change in changes}
    left_out = [f"{item.workload} with {pair.arm} has no launch" for item, pair in pairs
                if "time" in item.parts and (item.workload, pair.arm) not in there]
    refused = list({(item.workload, item.arm): item for item in record.refusals}.values())
    old = {arm.name for arm in record.plan.arms if arm.build == "base"}
    crashed = [item for item in refused if item.crashed and item.arm not in old]
    unfit = [f"{item.workload} with {item.arm} was refused: {item.refused}"
             for item in refused if item not in crashed]
    return Comparison(record, record, [], changes, counts, left_out, crashed, unfit)

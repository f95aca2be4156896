"""Two builds or two runs, judged against each other: did the pool's speed change between them?

A gate runs both builds in turns, so that its answer is a verdict like any other. Two runs of
different days share no launch: what is compared is the pool's difference to the C library's malloc,
whose launches slow machines slow alike. What a day does to one of the two and not to the other
passes for a change, which only a null pair that moved would show: such a comparison is a hint, and
says so.

A gate compares instructions as well, which need none of that: they repeat on any machine, however
busy. They are judged beside time, and never mixed with it.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import statistics
from typing import Any, Mapping, Sequence

from analysis.runs.plan import BASELINE, NULL
from analysis.runs.records import Record
from analysis.runs.samples import Launch, Refusal
from analysis.stats import inference, verdicts
from analysis.stats.verdicts import Claim
from analysis.system import host
from analysis.system.exits import FINDING, INCONCLUSIVE, PASS, UNFIT, UserError
from analysis.system.files import version

SCHEMA = 2
"""The version of a comparison's JSON."""

MORE_INSTRUCTIONS = 0.01
"""A pool that runs more than this share more is a regression; within it two counts are equal."""

EXIT_CODES = {"pass": PASS, "regression": FINDING, "inconclusive": INCONCLUSIVE, "unfit": UNFIT}


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
        return super().to_json() | {"outcome": self.outcome, "base_launches": self.base_launches,
                                    "new_launches": self.new_launches}


@dataclasses.dataclass(frozen=True)
class Count:
    """The instructions of an operation of a pool on one workload, before and after, as each
    process counted them."""

    workload: str
    arm: str
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
            "workload": self.workload, "arm": self.arm, "ratio": self.ratio,
            "verdict": self.verdict, "outcome": self.outcome,
            "base_instructions": statistics.median(self.base),
            "new_instructions": statistics.median(self.new)
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that is said of two runs."""

    base: Record
    new: Record
    unlike: list[str]
    """What differs beside what is compared, and was allowed to, as phrases."""
    changes: list[Change]
    """Of time; none where a run measured none."""
    counts: list[Count]
    """Of instructions: of two builds, where Valgrind is there."""
    left_out: list[str]
    """What one of the runs has and the other lacks, as phrases."""
    crashed: list[Refusal]
    """Arms that ran in the base and died in the new run."""
    unfit: list[str]
    """Why nothing can be said, as phrases."""

    @property
    def claims(self) -> list[Change | Count]:
        """What the outcome rests on."""
        return [*(change for change in self.changes if change.kind == "claim"), *self.counts]

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
            "unlike": self.unlike, "unfit": self.unfit, "left_out": self.left_out,
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


def unlike(base: Record, new: Record) -> list[tuple[str, str]]:
    """In what two runs differ that must be equal for them to be compared: what --allow calls it,
    and a phrase."""
    before, after = _circumstances(base), _circumstances(new)
    return [(kind, f"{what}: {was} → {after[kind, what]}") for (kind, what), was in before.items()
            if after.get((kind, what), was) != was]


def _circumstances(record: Record) -> dict[tuple[str, str], str]:
    """(what --allow calls it, what it is) → its value. The benchmark binary is not among it: a new
    build of it is what a comparison is for."""
    sides = [side for launch in record.launches for side in launch.sides]

    def values(column: str, arm: str = "") -> str:
        return " and ".join(sorted({getattr(side, column) for side in sides
                                    if arm in ("", side.arm)}))

    found = {("machine", name): str(record.plan.environment.get(name)) for name in host.SAME}
    found |= {("compiler", "compiler"): values("compiler"),
              ("flags", "compiler flags"): values("compiler_flags"),
              ("harness", "Google Benchmark"): values("benchmark_version")}
    found |= {("library", f"malloc of {arm.name}"): values("malloc_sha256", arm.name)[:12]
              for arm in record.plan.arms if arm.role == "rival"
              and any(side.arm == arm.name for side in sides)}
    return found | {("trace", f"the trace {trace.name}"): trace.sha256[:12]
                    for trace in record.plan.traces}


def compare(base: Record, new: Record, allowed: Sequence[str] = ()) -> Comparison:
    """Judges two runs. UserError if they are unlike in what is not allowed, or share nothing."""
    for record in (base, new):
        if not record.launches:
            raise UserError(f"{record.folder} holds no whole launch")
    found = unlike(base, new)
    refused = [item for item in found if not {item[0], "all"} & set(allowed)]
    if refused:
        kinds = " ".join(dict.fromkeys(f"--allow {kind}" for kind, _ in refused))
        raise UserError(
            f"the runs are unlike, so that a difference would say nothing of the pool: "
            f"{'; '.join(phrase for _, phrase in refused)}. To compare them all the same: {kinds}")
    changes = judge(_measured(base), _measured(new))
    if not any(item.kind == "claim" for item in changes):
        raise UserError(
            f"{base.folder} and {new.folder} share no workload on which a pool ran beside the"
            f" baseline {BASELINE}")
    known = {(item.workload, item.arm) for item in base.refusals}
    crashed = [item for item in new.refusals
               if item.crashed and (item.workload, item.arm) not in known]
    unfit = [f"{record.folder}: {item.workload} with {item.arm} was refused: {item.refused}"
             for record in (base, new) for item in record.refusals if not item.crashed]
    if all(math.isinf(change.limit) for change in changes):
        unfit.append("no workload has a null pair of at least six launches in both runs, so that"
                     " their noise is not known")
    return Comparison(base, new, [phrase for _, phrase in found], changes, [],
                      _left_out(base, new, changes), crashed, unfit)


Pools = Mapping[Place, Sequence[Launch]]
"""The launches of a run in which a pool, or the null arm, ran beside the C library's allocator."""


def _measured(record: Record) -> Pools:
    return {(data.workload.workload, arm): launches for data in verdicts.by_workload(record)
            for (arm, baseline), launches in data.pairs.items()
            if baseline in (BASELINE, f"{BASELINE}-calloc")
            and (arm == NULL or record.plan.arm(arm).role == "pool")}


def judge(before: Pools, after: Pools) -> list[Change]:
    """Judges what both have at once, as Holm's procedure demands; the pools are its family."""
    both = {place: [[launch.difference for launch in run[place]] for run in (before, after)]
            for place in before if place in after}
    p_values = {place: inference.rank_sum_test(*seen) for place, seen in both.items()}
    family = [place for place in both if place[1] != NULL]
    adjusted = p_values | dict(zip(family, inference.holm([p_values[place] for place in family])))
    found = []
    for place, seen in both.items():
        interval = inference.shift_interval(*seen)
        limit = _limit(both.get((place[0], NULL)))
        was, now = (statistics.median(launch.sides[0].time_ns for launch in run[place])
                    for run in (before, after))
        found.append(Change(
            *place, place[1], "claim" if place in family else "control", "", interval, limit,
            p_values[place], adjusted[place],
            inference.verdict(interval, limit, adjusted[place]), now, was, "", *map(len, seen)))
    return found


def _limit(nulls: Sequence[Sequence[float]] | None) -> float:
    """δ between two runs: the larger of both runs' own, and of how far the null pair moved."""
    if nulls is None:
        return math.inf
    return max(*map(inference.noise_limit, nulls), abs(inference.shift_interval(*nulls).median))


def _left_out(base: Record, new: Record, made: Sequence[Change]) -> list[str]:
    """The pools' comparisons that cannot be made, as phrases."""
    then, now = ([(item.workload, arm) for item in record.plan.measured("time")
                  for arm in item.arms if record.plan.arm(arm).role == "pool"]
                 for record in (base, new))
    compared = {(change.workload, change.arm) for change in made}
    return [f"{place[0]} with {place[1]} " + (
        "is not in the new run" if place not in now else "is not in the base"
        if place not in then else "has no launch in one of the runs")
        for place in dict.fromkeys([*then, *now]) if place not in compared]


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
    counted: dict[Place, list[float]] = collections.defaultdict(list)
    for line in record.work:
        counted[line.workload, line.arm].append(line.instructions_per_operation)
    counts = [Count(item.workload, pair.arm, counted[item.workload, pair.baseline],
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

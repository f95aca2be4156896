"""Two builds or two runs, judged against each other: did the pool's speed change between them?

A gate runs both builds in turns, so that its answer is a verdict like any other. Two runs of
different days share no launch: their pools are compared by their difference to the C library's
malloc, and the answer is a hint. Instructions are judged beside time, and never mixed with it.
"""

import collections
import dataclasses
import math
import statistics
from typing import Mapping, Sequence

from analysis.runs.plan import BASELINE, NULL
from analysis.runs.records import Record
from analysis.runs.samples import Launch, Refusal
from analysis.stats import inference, verdicts
from analysis.stats.verdicts import Claim
from analysis.system import host
from analysis.system.exits import FINDING, INCONCLUSIVE, PASS, UNFIT, UserError

MORE_INSTRUCTIONS = 0.01
"""A pool that runs more than this share more is a regression; within it two counts are equal."""

EXIT_CODES = {"pass": PASS, "regression": FINDING, "inconclusive": INCONCLUSIVE, "unfit": UNFIT}


class Change(Claim):
    """One arm on one workload, before and after: a claim whose baseline is the arm as it was.

    Its kind is "claim" of a pool and "control" of an arm that is known not to have changed."""

    @property
    def outcome(self) -> str:
        """"regression", "pass" or "inconclusive". A pass excludes a regression beyond δ, and beyond
        10 %, by the interval's near end. Runs that do not know their noise pass nothing."""
        if self.verdict == "slower":
            return "regression"
        margin = min(self.limit, inference.LARGEST_EQUALITY)
        passes = math.isfinite(self.limit) and self.interval.low >= -margin and not self.doubt
        return "pass" if passes else "inconclusive"


@dataclasses.dataclass(frozen=True)
class Count:
    """The instructions of an operation, before and after, as each process counted them."""

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
        """"more", "fewer" or "equal" where all processes of both agree, else "inconclusive"."""
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


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that is said of two builds or two runs."""

    changes: list[Change]
    """Of time."""
    counts: list[Count]
    """Of instructions: of two builds, where Valgrind is there."""
    crashed: list[Refusal]
    """Arms that died in what is new alone."""
    left_out: list[str]
    """What is on one side alone, as phrases."""
    unfit: list[str]
    """Why nothing can be said, as phrases."""
    mind: list[str]
    """What a reader must know besides, in sentences."""

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


# --- Two runs ------------------------------------------------------------------------------------


Place = tuple[str, str]
"""(workload, arm)."""
Pools = Mapping[Place, Sequence[Launch]]
"""The launches of a run in which a pool, or the null arm, ran beside the C library's allocator."""


def compare(base: Record, new: Record) -> Comparison:
    """Judges two runs. UserError if they share nothing."""
    for record in (base, new):
        if not record.launches:
            raise UserError(f"{record.folder} holds no whole launch")
    before, after = _pools(base), _pools(new)
    changes = judge(before, after)
    if not any(item.kind == "claim" for item in changes):
        raise UserError(
            f"{base.folder} and {new.folder} share no workload on which a pool ran beside the"
            f" baseline {BASELINE}")
    known = {(item.workload, item.arm) for item in base.refusals}
    crashed = [item for item in new.refusals
               if item.crashed and (item.workload, item.arm) not in known]
    there, then = _circumstances(base), _circumstances(new)
    unfit = [f"the runs are unlike, {what}: {was} → {then[what]}" for what, was in there.items()
             if then.get(what, was) != was]
    unfit += [f"{record.folder}: {item.workload} with {item.arm} was refused: {item.refused}"
              for record in (base, new) for item in record.refusals if not item.crashed]
    if all(math.isinf(change.limit) for change in changes):
        unfit.append("no workload has a null pair of at least six launches in both runs, so that"
                     " their noise is not known")
    left_out = [f"{workload} with {arm} has no launch in {which}"
                for which, here, other in (("the new run", before, after),
                                           ("the base", after, before))
                for workload, arm in here if (workload, arm) not in other and arm != NULL]
    mind = ["The two were not measured in turns: a machine that changed in between may pass for a"
            " change of the pool. gate --base runs two builds now."]
    if base.plan.benchmark["sha256"] == new.plan.benchmark["sha256"]:
        mind.append("Both measured the same binary: what separates them is noise.")
    return Comparison(changes, [], crashed, left_out, unfit, mind)


def _circumstances(record: Record) -> dict[str, str]:
    """What must be equal for two runs to be compared → its value. The benchmark binary is not among
    it: a new build of it is what a comparison is for."""
    sides = [side for launch in record.launches for side in launch.sides]
    found = {name: str(record.plan.environment.get(name)) for name in host.SAME}
    found |= {column: " and ".join(sorted({getattr(side, column) for side in sides}))
              for column in ("compiler", "compiler_flags", "benchmark_version")}
    found |= {f"malloc of {side.arm}": side.malloc_sha256[:12] for side in sides
              if record.plan.arm(side.arm).role == "malloc"}
    return found | {f"the trace {trace.name}": trace.sha256[:12] for trace in record.plan.traces}


def _pools(record: Record) -> Pools:
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
            inference.verdict(interval, limit, adjusted[place]), now, was))
    return found


def _limit(nulls: Sequence[Sequence[float]] | None) -> float:
    """δ between two runs: the larger of both runs' own, and of how far the null pair moved."""
    if nulls is None:
        return math.inf
    return max(*map(inference.noise_limit, nulls), abs(inference.shift_interval(*nulls).median))


# --- Two builds in one run -----------------------------------------------------------------------


def of_gate(record: Record) -> Comparison:
    """What a gate's run says of the pool before and after. UserError if it holds nothing."""
    changes = [
        Change(**vars(claim) | {"kind": "control" if claim.arm == NULL else "claim"})
        for claim in verdicts.analyse(record).claims if claim.kind == "claim" or claim.arm == NULL
    ]
    pairs = [(item, pair) for item in record.plan.workloads for pair in item.pairs
             if pair.kind == "claim"]
    counted: dict[Place, list[float]] = collections.defaultdict(list)
    for line in record.probes:
        if line.part == "work":
            counted[line.workload, line.arm].append(line.figures["instructions"])
    counts = [Count(item.workload, pair.arm, counted[item.workload, pair.baseline],
                    counted[item.workload, pair.arm])
              for item, pair in pairs
              if {(item.workload, pair.arm), (item.workload, pair.baseline)} <= set(counted)]
    if not changes and not counts:
        raise UserError(f"{record.folder} holds nothing of both builds")
    there = {(change.workload, change.arm) for change in changes}
    left_out = [f"{item.workload} with {pair.arm} has no launch" for item, pair in pairs
                if (item.workload, pair.arm) not in there]
    old = {arm.name for arm in record.plan.arms if arm.build == "base"}
    crashed = [item for item in record.refusals if item.crashed and item.arm not in old]
    unfit = [f"{item.workload} with {item.arm} was refused: {item.refused}"
             for item in record.refusals if item not in crashed]
    base = record.plan.base
    mind = ["Both are the same binary: what separates them is noise."] if base and (
        base["sha256"] == record.plan.benchmark["sha256"]) else []
    return Comparison(changes, counts, crashed, left_out, unfit, mind)

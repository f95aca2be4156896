"""Two runs, judged against each other: did an arm's speed change between them?

Two runs share no round, so nothing is paired across them. What is compared is each arm's difference
to the baseline of its own round: what slows the whole machine in one of the runs slows both. What
the machine does to one arm and not to the other is noise that the unchanged arms show: the null
arm, and every rival whose library is the same file in both runs.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Iterable

import numpy
import pandas

from analysis import environment, inference, machine, verdicts
from analysis.environment import UserError
from analysis.inference import Interval
from analysis.plan import BASELINE, DELAY, NULL
from analysis.samples import Record, Refusal, finite

SCHEMA = 1
"""The version of a comparison's JSON (results/schema/comparison.schema.json)."""

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
    "pass": environment.PASS, "regression": environment.FINDING,
    "inconclusive": environment.INCONCLUSIVE, "unfit": environment.UNFIT
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
    the new run's time, each over the baseline of its own round."""

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
    base_time_ns: float
    new_time_ns: float
    base_rounds: int
    new_rounds: int

    @property
    def ratio(self) -> float:
        """How many times as fast as before: 1.25 is 1.25 times as fast."""
        return math.exp(self.interval.median)

    @property
    def outcome(self) -> str:
        """"regression", "pass" or "inconclusive".

        A pass excludes a regression beyond δ, and beyond 10 % where δ is more: the interval's near
        end is what counts, not that nothing was found.
        """
        if self.verdict == "slower":
            return "regression"
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
            "new_time_ns": self.new_time_ns, "base_rounds": self.base_rounds,
            "new_rounds": self.new_rounds
        }


def finite_ratio(difference: float) -> float | None:
    """A logarithm as a ratio; None for an end that no interval reaches."""
    return finite(math.exp(difference)) if -700 < difference < 700 else None


def share(difference: float) -> float | None:
    """A logarithm as a share: log 1.03 is 0.03. None for what is out of reach."""
    return math.expm1(difference) if difference < 700 else None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that is said of two runs."""

    base: Record
    new: Record
    unlike: list[Unlike]
    """What differs beside what is compared, and was allowed to."""
    changes: list[Change]
    left_out: list[str]
    """What one of the runs has and the other lacks, as phrases."""
    crashed: list[Refusal]
    """Arms that ran in the base and died in the new run."""
    unfit: list[str]
    """Why nothing can be said, as phrases."""

    @property
    def claims(self) -> list[Change]:
        """The changes that the outcome rests on."""
        return [change for change in self.changes if change.kind == "claim"]

    @property
    def outcome(self) -> str:
        """"pass", "regression", "inconclusive" or "unfit"."""
        outcomes = [change.outcome for change in self.claims]
        if self.unfit:
            return "unfit"
        if self.crashed or "regression" in outcomes:
            return "regression"
        return "inconclusive" if "inconclusive" in outcomes or self.left_out else "pass"

    def to_json(self) -> dict[str, Any]:
        """What results/schema/comparison.schema.json describes."""
        return {
            "schema": SCHEMA, "poolproof": environment.version(), "outcome": self.outcome,
            "exit_code": EXIT_CODES[self.outcome],
            "base": _run_json(self.base), "new": _run_json(self.new),
            "unlike": [dataclasses.asdict(item) for item in self.unlike],
            "unfit": self.unfit, "left_out": self.left_out,
            "crashed": [
                {"workload": item.workload, "arm": item.arm, "why": item.refused}
                for item in self.crashed
            ],
            "changes": [change.to_json() for change in self.changes]
        }


def _run_json(record: Record) -> dict[str, Any]:
    plan = record.plan
    return {
        "folder": str(record.folder), "started": plan.started, "mode": plan.mode,
        "rounds": plan.rounds, "samples": len(record.samples),
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
    for name in machine.SAME:
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
    return " and ".join(sorted({getattr(sample, column) for sample in record.samples}))


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
    for sample in record.samples:
        found.setdefault(sample.arm, set()).add(sample.malloc_sha256[:12])
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


@dataclasses.dataclass(frozen=True)
class _Side:
    """One workload of one run."""

    cpu: pandas.DataFrame
    """Nanoseconds: one row a round, one column an arm."""
    wall: pandas.DataFrame

    def relative(self, arm: str, clock: str = "cpu") -> numpy.ndarray:
        """Logarithms of baseline time / arm time, one a round, in the rounds' order."""
        times = getattr(self, clock)
        return numpy.log(times[BASELINE].to_numpy() / times[arm].to_numpy())

    def limit(self) -> float:
        """δ of this run."""
        return inference.noise_limit(self.relative(NULL) if NULL in self.cpu.columns else [])


def _sides(record: Record) -> dict[str, _Side]:
    frame = verdicts.mark_used(record)
    used = frame[frame["used"]]
    return {
        str(workload): _Side(verdicts.times_of(rows, verdicts.CLOCK),
                             verdicts.times_of(rows, verdicts.OTHER_CLOCK))
        for workload, rows in used.groupby("workload", sort=False)
    }


def compare(base: Record, new: Record, allowed: Iterable[str] = ()) -> Comparison:
    """Judges two runs. UserError if they are unlike in what is not allowed, or share nothing."""
    for record in (base, new):
        if not record.samples:
            raise UserError(f"{record.folder} holds no whole sample of time")
    found = unlike(base, new)
    refuse_unlike(found, allowed)
    before, after = _sides(base), _sides(new)
    roles = _roles(base, new, libraries_alike="library" not in {item.kind for item in found})
    shared = [name for name in before if name in after]
    asked = [(name, arm) for name in shared for arm in before[name].cpu.columns
             if arm in after[name].cpu.columns and arm in roles
             and BASELINE in before[name].cpu.columns and BASELINE in after[name].cpu.columns]
    if not any(roles[arm] == "claim" for _, arm in asked):
        raise UserError(
            f"{base.folder} and {new.folder} share no workload on which a pool ran beside the"
            f" baseline {BASELINE}")
    changes = _judge(before, after, asked, roles)
    new_refusals = {(item.workload, item.arm) for item in base.refusals}
    crashed = [item for item in new.refusals
               if item.crashed and (item.workload, item.arm) not in new_refusals]
    return Comparison(base, new, found, changes, _left_out(base, new, asked), crashed,
                      _unfit(base, new, changes))


def _roles(base: Record, new: Record, libraries_alike: bool) -> dict[str, str]:
    """Arm → what a change of it means; the baseline and the delayed pool are left out."""
    old = base.plan.arms_by_name()
    found = {}
    for name, arm in new.plan.arms_by_name().items():
        if name in (BASELINE, DELAY) or name not in old:
            continue
        unchanged = name == NULL or (arm.role == "rival" and libraries_alike)
        found[name] = "claim" if arm.role == "pool" else "control" if unchanged else "other"
    return found


def _judge(before: dict[str, _Side], after: dict[str, _Side], asked: list[tuple[str, str]],
           roles: dict[str, str]) -> list[Change]:
    limits = {name: _limit(before[name], after[name], [
        arm for workload, arm in asked if workload == name and roles[arm] == "control"
    ]) for name, _ in asked}
    p_values = {
        (name, arm): inference.rank_sum_test(before[name].relative(arm), after[name].relative(arm))
        for name, arm in asked
    }
    family = [place for place in asked if roles[place[1]] == "claim"]
    adjusted = dict(zip(family, inference.holm([p_values[place] for place in family])))
    return [
        _change(name, arm, roles[arm], before[name], after[name], limits[name],
                p_values[name, arm], adjusted.get((name, arm), p_values[name, arm]))
        for name, arm in asked
    ]


def _limit(before: _Side, after: _Side, controls: list[str]) -> float:
    """δ between two runs: the larger of both runs' own, and of how far any unchanged arm moved."""
    moved = [
        abs(inference.shift_interval(before.relative(arm), after.relative(arm)).median)
        for arm in controls
    ]
    return max(before.limit(), after.limit(), *moved, 0.0)


def _change(workload: str, arm: str, kind: str, before: _Side, after: _Side, limit: float,
            p: float, p_holm: float) -> Change:
    base, new = before.relative(arm), after.relative(arm)
    interval = inference.shift_interval(base, new)
    word = inference.verdict(interval, limit, p_holm)
    doubt = _doubt(arm, before, after, limit, word)
    return Change(workload, arm, kind, interval, limit, p, p_holm,
                  "inconclusive" if doubt else word, doubt,
                  float(before.cpu[arm].median()), float(after.cpu[arm].median()),
                  len(base), len(new))


def _doubt(arm: str, before: _Side, after: _Side, limit: float, word: str) -> str:
    """Which methods disagree with a proved verdict, as a phrase; "" if none does."""
    if word not in ("faster", "slower", "equal"):
        return ""
    base, new = before.relative(arm), after.relative(arm)
    wall = inference.shift_interval(before.relative(arm, "wall"), after.relative(arm, "wall"))
    agree = {
        "the Brunner-Munzel test": inference.shift_affirmed(base, new, limit, word),
        "each half of the rounds": inference.halves_agree(base, new, limit, word),
        "the wall clock": not inference.contradicts(wall, limit, word)
    }
    against = [name for name, agrees in agree.items() if not agrees]
    return f"{word}, not borne out by {' or '.join(against)}" if against else ""


def _left_out(base: Record, new: Record, asked: list[tuple[str, str]]) -> list[str]:
    """The pools' comparisons that cannot be made, as phrases."""
    compared, planned = set(asked), [_planned_pools(record) for record in (base, new)]
    found = [f"{workload} with {arm} is not in the {missing}"
             for name, missing in ((0, "new run"), (1, "base"))
             for workload, arm in planned[name] if (workload, arm) not in planned[1 - name]]
    return found + [f"{workload} with {arm} has no whole round in one of the runs"
                    for workload, arm in planned[0]
                    if (workload, arm) in planned[1] and (workload, arm) not in compared]


def _planned_pools(record: Record) -> list[tuple[str, str]]:
    return [(item.workload, arm) for item in record.plan.workloads for arm in item.arms
            if record.plan.arm(arm).role == "pool"]


def _unfit(base: Record, new: Record, changes: list[Change]) -> list[str]:
    """Why nothing can be said of these runs."""
    found = [
        f"{record.folder}: {item.workload} with {item.arm} was refused: {item.refused}"
        for record in (base, new) for item in record.refusals if not item.crashed
    ]
    if all(math.isinf(change.limit) for change in changes):
        found.append("no workload has a null arm of at least six rounds in both runs, so that"
                     " their noise is not known")
    return found

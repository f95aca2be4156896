"""What a run is going to do: which arms on which workloads, how often, in which order, for how
long.

A plan is fixed before the first sample and stands in run.json. Everything in it that is random
follows from its seed, so that a run that goes on after a kill does what it would have done.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import pathlib
import platform
import random
import subprocess
import sysconfig
from typing import Any, Iterable, Mapping, Sequence

from analysis.runs import interference
from analysis.system.exits import UNFIT, UserError

SCHEMA = 1
"""The version of every file in a run folder. It rises when a column changes its meaning or goes."""

PARTS = ("time", "memory", "latency", "work")
"""What a run may measure, each in processes of its own."""

BASELINE = "glibc"
NULL = "null"
"""The baseline under a second name: what separates the two is noise."""
DELAY = "pool-keep-delayed"
DELAY_PERCENT = 5.0
"""The keeping pool with so much more time in each iteration: a run that cannot see it says so."""
FLOORS = ("noop", "bump", "freelist")
ON_REQUEST = ("pool-checked",)
"""Arms that a run has only where they are named: they take tens of times as long as the others."""
POOLS = {"pool": "calloc", "pool-keep": "malloc"}
"""Pool arms → the call that makes the same promise: zeroed memory, or memory of any contents."""


@dataclasses.dataclass(frozen=True)
class Rival:
    """An allocator that is preloaded in place of the C library's."""

    name: str
    files: tuple[str, ...]
    package: str


RIVALS = (Rival("jemalloc", ("libjemalloc.so.2", ), "libjemalloc2"),
          Rival("mimalloc", ("libmimalloc.so.2.0", "libmimalloc.so.2"), "libmimalloc2.0"),
          Rival("tcmalloc", ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4"),
                "libtcmalloc-minimal4"),
          Rival("scudo", (f"libclang_rt.scudo_standalone-{platform.machine()}.so", ),
                "libclang-rt-19-dev"))


@dataclasses.dataclass(frozen=True)
class Mode:
    """How much a run may cost."""

    rounds: int
    budgets_s: dict[str, float]
    """Part → what its processes together may take: without compiling, recording, calibrating,
    reporting and the rounds that are run again. Parts without a budget are measured when asked
    for."""
    fewest: int = 0
    """Rounds below which loops are shortened and workloads left out instead."""

    @property
    def whole_s(self) -> float:
        """All budgets together: what a part may take that is asked for alone."""
        return sum(self.budgets_s.values())


MODES = {
    "quick": Mode(rounds=8, budgets_s={"time": 140, "memory": 20, "latency": 30}),
    "default": Mode(rounds=20, budgets_s={"time": 850, "memory": 50, "latency": 110}, fewest=20),
    "full": Mode(rounds=40, budgets_s={"time": 1950, "memory": 100, "latency": 240, "work": 500},
                 fewest=20),
}
"""Six, twenty-two and sixty minutes hold all of that, and a quarter of the rounds run again. More
rounds are run where a mode's family of claims could not be proved with so few; fewer, down to what
it needs or the mode's fewest, where the budget does not suffice."""

PART_ROUNDS = {"memory": 3, "latency": 5, "work": 2}
"""How often a part does the same; less where its budget does not suffice."""
PROBED_ROLES = ("pool", "rival", "floor", "other")
"""The null arm and the delay say something of time alone."""

QUICK = ("pair/64", "random/64x1000", "churn/mixed16-512/1000", "churn/mixed16-1024/200000")
"""The micro workloads of a quick run: the shortest path, reuse in no order, mixed sizes within
the caches and beyond them."""

FULL = ("pair/32", "pair/128", "[lf]ifo/[!6]*", "random/32x*", "random/128x*", "churn/16/*",
        "churn/32/*", "churn/128/*", "churn/256/*", "butterfly/mixed*", "larson/8-64/*",
        "glibc-simple/16x1600", "glibc-simple/1024*", "alloc-test/8-8192/*", "sh6bench/*x20000",
        "fleet/*/50000", "cache-thrash/*", "walk/*/100000", "churn/mixed16-1024/10000*", "fill/64",
        "xmalloc-test/mixed*")
"""Patterns of the workloads that a full run alone measures where none is named: further sizes of
those that the others have, and what asks a question of threads."""

LITTERED = ("pair/64/littered", "random/64x1000/littered", "churn/mixed16-512/1000/littered",
            "churn/mixed16-1024/10000/littered")
"""The workloads on a littered heap of a run for which none is named."""

REPETITIONS = 3
SHORTEST_SAMPLE_S = 0.03
LEAST_SAMPLE_S = 0.01
"""For this little time a loop is timed rather than that a workload is left out."""
LONGEST_SAMPLE_S = 0.5
PROCESS_S = 0.004
"""What a process costs beside its own life: two readings of the ledger, a line on the disk."""
REPEATED = 1.25
"""The time that rounds take, those that are run again included, over what they take once."""


@dataclasses.dataclass(frozen=True)
class Arm:
    """One contestant."""

    name: str
    benchmark_arm: str
    """What the benchmark binary calls it."""
    role: str
    """"pool", "rival", "null", "delay", "floor" or "other"."""
    promise: str
    """"malloc" or "calloc": only arms with an equal promise are compared. "" for those that have
    none."""
    preload: str | None = None
    """The library put before the C library's malloc."""
    sha256: str | None = None
    """Of that library."""
    delay_percent: float = 0.0
    """Time added to each iteration on purpose."""
    about: str = ""
    """What it is, as a phrase of the benchmark binary."""
    limits: str = ""
    """What it cannot do, as a sentence."""
    counted: bool = True
    """Whether Valgrind, which counts instructions, can run it."""


@dataclasses.dataclass(frozen=True)
class Workload:
    """One workload, calibrated."""

    workload: str
    question: str
    arms: list[str]
    parameters: str = ""
    """What the parts of the name behind the first slash are."""
    source: str = ""
    """Where the field described it."""
    iterations: int = 1
    """Of the timed loop, in every process of every arm."""
    repetitions: int = 1
    """Of the whole loop inside a process; their median is the sample."""
    sample_s: float = 0.0
    """What a process of the baseline takes, set-up included."""
    round_s: float = 0.0
    """What all its arms take in one round; 0 in a run of an older Poolproof."""
    parts: list[str] = dataclasses.field(default_factory=lambda: ["time"])
    """Which parts of the run measure it."""
    harness: str = ""
    """Why the harness may be more than a fifth of the fastest arm's time, as a sentence."""
    latency_iterations: int = 1
    """Of the loop whose every operation is timed."""
    capacity_bytes: int = 0
    """That it fills, on an arm of just that capacity where it has one; 0 for a workload that does
    not."""
    excluded: dict[str, str] = dataclasses.field(default_factory=dict)
    """Benchmark arm → why it does not apply, as a sentence, where its limits do not say so."""


@dataclasses.dataclass(frozen=True)
class Trace:
    """A trace file that is played as trace/NAME and trace-cold/NAME."""

    name: str
    file: str
    sha256: str
    origin: str
    """What was recorded, as one line."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """A whole run, as run.json holds it."""

    schema: int
    command: str
    mode: str
    started: str
    """UTC, ISO 8601."""
    seed: int
    rounds: int
    estimated_s: float
    benchmark: dict[str, str]
    """path and sha256 of the benchmark binary."""
    arms: list[Arm]
    absent: list[dict[str, str]]
    """Arms that this machine lacks: arm, package."""
    workloads: list[Workload]
    traces: list[Trace]
    notes: list[str]
    """What could not be done, in sentences."""
    ledger: interference.Rule
    environment: dict[str, Any]
    parts: list[str] = dataclasses.field(default_factory=lambda: ["time"])
    """What is measured: some of PARTS."""
    left_out: list[dict[str, str]] = dataclasses.field(default_factory=list)
    """What the mode's time or this machine did not allow: what, why."""
    part_rounds: dict[str, int] = dataclasses.field(default_factory=dict)
    """Part other than time → how often each arm of each of its workloads is probed."""
    estimates_s: dict[str, float] = dataclasses.field(default_factory=dict)
    """Part → what it was expected to take; together they are estimated_s."""
    least_rounds: int = 0
    """With fewer rounds the family of claims cannot be proved; 0 for as many as there are."""
    limit_s: float = 0.0
    """Once samples have taken so long, no round is begun beyond least_rounds. 0 for never."""
    part_limits_s: dict[str, float] = dataclasses.field(default_factory=dict)
    """Part other than time → once it has taken so long, no process of it is begun. None of what was
    asked for by name."""

    def to_json(self) -> dict[str, Any]:
        """The plan as run.json's object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Plan":
        """The plan of a run.json that fits its schema."""
        return cls(
            **(value
               | {
                   "arms": [Arm(**item) for item in value["arms"]
                            ], "workloads": [Workload(**item) for item in value["workloads"]],
                   "traces": [Trace(**item)
                              for item in value["traces"]], "ledger": interference.Rule(**value["ledger"])
               }))

    def arms_by_name(self) -> dict[str, Arm]:
        """Name → arm, in the plan's order."""
        return {arm.name: arm for arm in self.arms}

    def arm(self, name: str) -> Arm:
        """The arm of this name. KeyError if there is none."""
        return self.arms_by_name()[name]

    def samples_planned(self) -> int:
        """Processes in all, without rounds that are run again."""
        return self.rounds * sum(len(item.arms) for item in self.measured("time"))

    def measured(self, part: str) -> list[Workload]:
        """The workloads that a part measures."""
        return [item for item in self.workloads if part in item.parts]

    def repeats_allowed(self) -> int:
        """How many rounds of workloads may be run again for the ledger's sake."""
        return int(self.ledger.repeat_share * self.rounds * len(self.measured("time")))


# --- What there is -------------------------------------------------------------------------------


def list_workloads(binary: pathlib.Path, traces: Sequence[Trace],
                   threads: int = 1) -> list[dict[str, Any]]:
    """What the benchmark binary offers: objects with workload, question, arms. UserError if it
    fails."""
    flags = [f"--trace={trace.name}={trace.file}" for trace in traces]
    listed = _ask(binary, [*flags, f"--threads={threads}"])
    try:
        return [{
            "workload": item["workload"], "question": item["question"], "arms": list(item["arms"]),
            "parameters": item.get("parameters") or "", "source": item.get("source") or "",
            "heap": item.get("heap", "fresh"), "threads": int(item.get("threads", 1)),
            "harness": item.get("harness") or "", "probes": item.get("probes", False) is True,
            "capacity": int(item.get("capacity", 0)), "excluded": dict(item.get("excluded", {}))
        } for item in listed["workloads"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{binary} --list does not answer as it should: {error!r}",
                        UNFIT) from None


def absent_workloads(binary: pathlib.Path) -> dict[str, str]:
    """Workload that was not built → the package that it lacks. UserError as list_workloads."""
    return {item["workload"]: item["package"]
            for item in _ask(binary, []).get("absent_workloads", [])}


def list_arms(binary: pathlib.Path) -> tuple[dict[str, dict[str, str]], list[dict[str, str]]]:
    """(what the binary says of each of its arms: about and limits, the arms that it was built
    without: arm and package). UserError if it fails."""
    listed = _ask(binary, [])
    return ({item["arm"]: {"about": item.get("about") or "", "limits": item.get("limits") or ""}
             for item in listed.get("arms", [])}, listed.get("absent", []))


def _ask(binary: pathlib.Path, flags: Sequence[str]) -> dict[str, Any]:
    answer = subprocess.run([str(binary), *flags, "--list"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        raise UserError(said[-1], 2 if answer.returncode == 2 else UNFIT)
    try:
        return dict(json.loads(answer.stdout))
    except (ValueError, TypeError) as error:
        raise UserError(f"{binary} --list does not answer as it should: {error!r}",
                        UNFIT) from None


def library_folders() -> list[pathlib.Path]:
    """Where shared libraries are looked for."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = ("/usr/local/lib", f"/usr/lib/{multiarch}", f"/lib/{multiarch}", "/usr/lib64",
               "/usr/lib")
    there = [path for path in map(pathlib.Path, dict.fromkeys(folders)) if path.is_dir()]
    # Clang's own libraries, of its newest version first.
    clang = pathlib.Path("/usr/lib").glob("llvm-*/lib/clang/*/lib/linux")
    return there + sorted(clang, key=lambda path: int(path.parts[3].partition("-")[2] or 0)
                          if path.parts[3].partition("-")[2].isdigit() else 0, reverse=True)


def find_library(files: Iterable[str], folders: Iterable[pathlib.Path]) -> pathlib.Path | None:
    """The first of these files in the first folder that has one."""
    folders = list(folders)
    return next(
        (folder / file for file in files for folder in folders if (folder / file).is_file()), None)


def arms_for(offered: Iterable[str], libraries: dict[str, tuple[str, str]]) -> list[Arm]:
    """The run's arms, from the binary's arms and the rivals' libraries (name → path, sha256).

    The binary's malloc and calloc each become one arm for the C library and one for every rival.
    """
    arms: list[Arm] = []
    for name in offered:
        if name in ("malloc", "calloc"):
            suffix = "" if name == "malloc" else "-calloc"
            arms.append(Arm(f"{BASELINE}{suffix}", name, "rival", name))
            arms += [
                Arm(f"{rival}{suffix}", name, "rival", name, path, digest)
                for rival, (path, digest) in libraries.items()
            ]
            if name == "malloc":
                arms.append(Arm(NULL, name, "null", ""))
        elif name in POOLS:
            arms.append(Arm(name, name, "pool", POOLS[name]))
            if name == "pool-keep":
                arms.append(Arm(DELAY, name, "delay", "", delay_percent=DELAY_PERCENT))
        else:
            arms.append(Arm(name, name, "floor" if name in FLOORS else "other", ""))
    return arms


# --- Kinds of workloads --------------------------------------------------------------------------


def is_littered(workload: str) -> bool:
    """Whether a workload has a heap that was filled and thinned before."""
    return workload.endswith("/littered")


def is_trace(workload: str) -> bool:
    """Whether a workload plays a recorded program."""
    return workload.startswith(("trace/", "trace-cold/"))


def is_cold(workload: str) -> bool:
    """Whether a process of this workload does its work once, on a fresh heap: nothing to repeat."""
    return workload.startswith("trace-cold/") or is_app(workload)


def is_app(workload: str) -> bool:
    """Whether a workload is a real program that runs on the arm."""
    return workload.startswith("app/")


def of_full_runs(workload: str) -> bool:
    """Whether a full run alone measures this workload where none is named."""
    return any(fnmatch.fnmatchcase(workload, pattern) for pattern in FULL)


def weight(workload: str) -> int:
    """How little a run can do without a workload: least of all without real programs and what
    every run measures, most easily without further sizes."""
    if workload in QUICK or is_trace(workload) or is_app(workload):
        return 2
    return 0 if of_full_runs(workload) else 1


# --- How long, and in which order ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one arm takes on one workload."""

    iteration_s: float
    overhead_s: float
    """What a process takes beside its timed loop: starting, setting up, ending."""


@dataclasses.dataclass(frozen=True)
class Calibration(Cost):
    """What one workload costs the baseline, and what it costs the others where that is known."""

    operations: float = 2.0
    """Allocator operations of an iteration."""
    arms: dict[str, Cost] = dataclasses.field(default_factory=dict)

    def of(self, arm: str) -> Cost:
        """An arm's cost: its own, or the baseline's if it was not tried."""
        return self.arms.get(arm, self)


@dataclasses.dataclass(frozen=True)
class Fit:
    """A plan's answer to how often, how long, and what not."""

    workloads: list[Workload]
    rounds: int
    left_out: list[dict[str, str]]


def fit(workloads: Sequence[Workload], calibrations: Mapping[str, Calibration],
        rounds: tuple[int, int], budget_s: float, keep: bool = False) -> Fit:
    """Makes all samples fit into the budget, at the cost of what matters least.

    rounds: wanted, and the fewest that prove anything. What the processes cost apart from their
    timed loops is paid first; the rest is shared by the samples, within SHORTEST_SAMPLE_S and
    LONGEST_SAMPLE_S of the baseline's timed loop for each. If that does not suffice there are fewer
    rounds, then shorter loops down to LEAST_SAMPLE_S, then fewer workloads, unless they were asked
    for (keep): those that matter least (see weight), the dearest of them first.
    """
    wanted, least = rounds
    chosen, dropped = list(workloads), []
    while True:
        count = next((n for n in range(wanted, least, -1)
                      if _share_s(chosen, calibrations, n, budget_s) >= SHORTEST_SAMPLE_S), least)
        share_s = _share_s(chosen, calibrations, count, budget_s)
        if share_s >= LEAST_SAMPLE_S or keep or len(chosen) == 1:
            break
        least_weight = min(weight(item.workload) for item in chosen)
        droppable = [item for item in chosen if weight(item.workload) == least_weight]
        dearest = max(droppable, key=lambda item: _round_s(item, calibrations[item.workload],
                                                           LEAST_SAMPLE_S))
        chosen.remove(dearest)
        dropped.append(dearest)
    left_out = []
    if dropped:
        dropped_s = least * sum(
            _round_s(item, calibrations[item.workload], LEAST_SAMPLE_S) for item in dropped)
        left_out.append({
            "what": ", ".join(item.workload for item in dropped),
            "why": f"{dropped_s:.0f} s more than the {budget_s:.0f} s of this mode would be needed"
                   " at least; name what you want with --workload"
        })
    timed_s = min(max(share_s, LEAST_SAMPLE_S), LONGEST_SAMPLE_S)
    return Fit([_fit_one(item, calibrations[item.workload], timed_s) for item in chosen], count,
               left_out)


def _share_s(workloads: Sequence[Workload], calibrations: Mapping[str, Calibration], rounds: int,
             budget_s: float) -> float:
    """How long the baseline's loops may be timed if the budget is to hold; less than 0 if it
    cannot."""
    idle = rounds * sum(_round_s(item, calibrations[item.workload], 0.0) for item in workloads)
    slope = rounds * sum(
        _round_s(item, calibrations[item.workload], 1.0) -
        _round_s(item, calibrations[item.workload], 0.0) for item in workloads)
    return (budget_s - idle) / slope if slope else LONGEST_SAMPLE_S if idle <= budget_s else -1.0


def _round_s(workload: Workload, calibration: Calibration, timed_s: float) -> float:
    """What all arms take in one round if the baseline's loop is timed for so long."""
    costs = [calibration.of(arm) for arm in workload.arms]
    total_s = sum(PROCESS_S + cost.overhead_s for cost in costs)
    if is_cold(workload.workload):
        return total_s + sum(cost.iteration_s for cost in costs)
    return total_s + timed_s * sum(
        cost.iteration_s / max(calibration.iteration_s, 1e-9) for cost in costs)


def _fit_one(workload: Workload, calibration: Calibration, timed_s: float) -> Workload:
    """Repeats the loop only where setting it up again is cheap: every repetition does so."""
    iterations = repetitions = 1
    if not is_cold(workload.workload):
        overhead_s = max(calibration.of(arm).overhead_s for arm in workload.arms)
        if REPETITIONS * overhead_s <= timed_s:
            repetitions = REPETITIONS
            timed_s -= (REPETITIONS - 1) * overhead_s
        possible = max(1, int(timed_s / max(calibration.iteration_s, 1e-9)))
        repetitions = min(repetitions, possible)
        iterations = possible // repetitions

    def process_s(cost: Cost) -> float:
        return repetitions * (cost.overhead_s + iterations * cost.iteration_s)

    return dataclasses.replace(
        workload, iterations=iterations, repetitions=repetitions, sample_s=process_s(calibration),
        round_s=sum(PROCESS_S + process_s(calibration.of(arm)) for arm in workload.arms),
        latency_iterations=_latency_iterations(calibration))


def estimated_s(workloads: Sequence[Workload], rounds: int) -> float:
    """What all samples take together."""
    return rounds * sum(item.round_s or len(item.arms) * item.sample_s for item in workloads)


# --- The parts beside time -----------------------------------------------------------------------

LATENCY_S = 0.06
"""So long a process times single operations …"""
LATENCY_KEPT = 1_000_000
"""… unless it would see more of a kind than the benchmark binary keeps."""
_INTERVAL_S = 5e-8
_EMPTY_S = 6e-5
"""What an interval adds to an operation, and the empty intervals to an iteration."""
VALGRIND_START_S, VALGRIND_FACTOR = 0.4, 30
"""What a process takes under Valgrind at least, and how many times longer its own work takes."""
WORK_OPERATIONS = 20_000
"""So many operations separate the longer of two counted processes from the shorter."""
SIDE_BY_SIDE = 2
"""Processes at a time where nothing is timed."""


def _latency_iterations(calibration: Calibration) -> int:
    possible = LATENCY_S / _latency_iteration_s(calibration, calibration)
    return max(1, int(min(possible, 2 * LATENCY_KEPT / calibration.operations)))


def _latency_iteration_s(cost: Cost, calibration: Calibration) -> float:
    return cost.iteration_s + calibration.operations * _INTERVAL_S + _EMPTY_S


def probe_s(part: str, calibration: Calibration, arm: str) -> float:
    """What one arm's probe of a workload takes, about; side by side is counted."""
    cost = calibration.of(arm)
    if part == "latency":
        return (PROCESS_S + 0.02 + cost.overhead_s +
                _latency_iterations(calibration) * _latency_iteration_s(cost, calibration))
    if part == "memory":
        return (PROCESS_S + 0.04 + 2 * cost.overhead_s + 2 * cost.iteration_s) / SIDE_BY_SIDE
    more = 1 + WORK_OPERATIONS / max(1.0, calibration.operations)
    own_s = 2 * cost.overhead_s + (2 + more) * cost.iteration_s
    return (2 * VALGRIND_START_S + VALGRIND_FACTOR * own_s) / SIDE_BY_SIDE


def probed_arms(arms_by_name: Mapping[str, Arm], workload: Workload, part: str) -> list[str]:
    """The arms of a workload that a part other than time looks at."""
    return [name for name in workload.arms if arms_by_name[name].role in PROBED_ROLES
            and (part != "work" or arms_by_name[name].counted)]


@dataclasses.dataclass(frozen=True)
class PartFit:
    """How often a part probes which workloads, for how long in all."""

    workloads: list[str]
    rounds: int
    estimated_s: float
    left_out: list[dict[str, str]]


def fit_part(part: str, workloads: Sequence[Workload], arms_by_name: Mapping[str, Arm],
             calibrations: Mapping[str, Calibration], budget_s: float, keep: bool = False,
             least: int = 0, rounds: int | None = None) -> PartFit:
    """Makes a part fit into its budget: fewer rounds first unless they were asked for (rounds),
    then without the dearest workloads unless they were (keep), down to so few (least)."""
    costs_s = {
        item.workload: sum(
            probe_s(part, calibrations[item.workload], name)
            for name in probed_arms(arms_by_name, item, part)) for item in workloads
    }
    costs_s = {name: cost_s for name, cost_s in costs_s.items() if cost_s > 0}
    dropped = []
    rounds = rounds or next((n for n in range(PART_ROUNDS[part], 1, -1)
                             if n * sum(costs_s.values()) <= budget_s), 1)
    while not keep and len(costs_s) > least and rounds * sum(costs_s.values()) > budget_s:
        dearest = max(costs_s, key=lambda name: costs_s[name])
        dropped.append((dearest, costs_s.pop(dearest)))
    left_out = []
    if dropped:
        left_out.append({
            "what": f"{part} of {', '.join(name for name, _ in dropped)}",
            "why": f"{sum(cost_s for _, cost_s in dropped):.0f} s more than its"
                   f" {budget_s:.0f} s would be needed; ask for it with --{part} --workload"
        })
    return PartFit(list(costs_s), rounds, rounds * sum(costs_s.values()), left_out)


def workload_order(plan: Plan, round_: int) -> list[Workload]:
    """The workloads in the order of one round."""
    return _shuffled(plan.workloads, f"{plan.seed}/{round_}")


def arm_order(plan: Plan, workload: Workload, round_: int, attempt: int) -> list[Arm]:
    """A workload's arms in the order of one round."""
    names = _shuffled(workload.arms, f"{plan.seed}/{round_}/{workload.workload}/{attempt}")
    return [plan.arm(name) for name in names]


def padding_bytes(plan: Plan, workload: str, arm: str, round_: int, attempt: int) -> int:
    """The length of the variable that moves a process's stack, below a page (Mytkowicz et al.
    2009)."""
    return random.Random(f"{plan.seed}/{round_}/{workload}/{attempt}/{arm}").randrange(4096)


def _shuffled(items: Sequence, seed: str) -> list:
    order = list(items)
    random.Random(seed).shuffle(order)
    return order


def compared(arms_by_name: Mapping[str, Arm], workload: Workload) -> list[tuple[str, str]]:
    """The (pool arm, rival) pairs of equal promise on one workload: the family's declared
    claims."""
    arms = [arms_by_name[name] for name in workload.arms]
    return [(pool.name, rival.name) for pool in arms if pool.role == "pool" for rival in arms
            if rival.role == "rival" and rival.promise == pool.promise]

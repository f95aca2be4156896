"""What a run is going to do: which arms on which workloads, how often, in which order, for how
long.

A plan is fixed before the first sample and stands in run.json. Everything in it that is random
follows from its seed, so that a run that goes on after a kill does what it would have done.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import pathlib
import random
import subprocess
import sysconfig
from typing import Any, Iterable, Mapping, Sequence

from analysis import environment, ledger
from analysis.environment import UserError

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
                "libtcmalloc-minimal4"))


@dataclasses.dataclass(frozen=True)
class Mode:
    """How much a run may cost."""

    rounds: int
    budget_s: float
    """What all samples together may take: without setting up, compiling and reporting."""


MODES = {
    "quick": Mode(rounds=8, budget_s=150),
    "default": Mode(rounds=20, budget_s=1080),
    "full": Mode(rounds=40, budget_s=4500),
}
"""More rounds are run where a mode's family of claims could not be proved with so few."""

QUICK = ("pair/64", "random/64x1000", "churn/mixed16-512/1000", "churn/mixed16-1024/200000")
"""The micro workloads of a quick run: the shortest path, reuse in no order, mixed sizes within
the caches and beyond them."""

REPETITIONS = 3
SHORTEST_SAMPLE_S = 0.03
LONGEST_SAMPLE_S = 0.5


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
    ledger: ledger.Rule
    environment: dict[str, Any]
    parts: list[str] = dataclasses.field(default_factory=lambda: ["time"])
    """What is measured: some of PARTS."""
    left_out: list[dict[str, str]] = dataclasses.field(default_factory=list)
    """What the mode's time or this machine did not allow: what, why."""

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
                              for item in value["traces"]], "ledger": ledger.Rule(**value["ledger"])
               }))

    def arms_by_name(self) -> dict[str, Arm]:
        """Name → arm, in the plan's order."""
        return {arm.name: arm for arm in self.arms}

    def arm(self, name: str) -> Arm:
        """The arm of this name. KeyError if there is none."""
        return self.arms_by_name()[name]

    def samples_planned(self) -> int:
        """Processes in all, without rounds that are run again."""
        return self.rounds * sum(len(item.arms) for item in self.workloads)

    def repeats_allowed(self) -> int:
        """How many rounds of workloads may be run again for the ledger's sake."""
        return int(self.ledger.repeat_share * self.rounds * len(self.workloads))


# --- What there is -------------------------------------------------------------------------------


def list_workloads(binary: pathlib.Path, traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """What the benchmark binary offers: objects with workload, question, arms. UserError if it
    fails."""
    flags = [f"--trace={trace.name}={trace.file}" for trace in traces]
    answer = subprocess.run([str(binary), *flags, "--list"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        raise UserError(said[-1], 2 if answer.returncode == 2 else environment.UNFIT)
    try:
        listed = json.loads(answer.stdout)["workloads"]
        return [{
            "workload": item["workload"], "question": item["question"], "arms": list(item["arms"]),
            "parameters": item.get("parameters") or "", "source": item.get("source") or ""
        } for item in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{binary} --list does not answer as it should: {error!r}",
                        environment.UNFIT) from None


def library_folders() -> list[pathlib.Path]:
    """Where shared libraries are looked for."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = ("/usr/local/lib", f"/usr/lib/{multiarch}", f"/lib/{multiarch}", "/usr/lib64",
               "/usr/lib")
    return [path for path in map(pathlib.Path, dict.fromkeys(folders)) if path.is_dir()]


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


# --- What is chosen ------------------------------------------------------------------------------


def require_known(kind: str, wanted: Iterable[str], known: Sequence[str]) -> None:
    """UserError naming the nearest ones if a wanted name does not exist."""
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UserError(f"no {kind} is called {name}; {hint}")


def choose_workloads(listed: Sequence[dict[str, Any]], wanted: Sequence[str],
                     quick: bool) -> list[dict[str, Any]]:
    """The wanted workloads, or all, or for a quick run those of QUICK and every trace."""
    if wanted:
        require_known("workload", wanted, [item["workload"] for item in listed])
        return [item for item in listed if item["workload"] in wanted]
    if not quick:
        return list(listed)
    return [item for item in listed if item["workload"] in QUICK or is_trace(item["workload"])]


def choose_arms(arms: Sequence[Arm], wanted: Sequence[str]) -> list[Arm]:
    """The wanted arms, the baseline and its null arm always among them; all if none is named."""
    if not wanted:
        return list(arms)
    require_known("arm", wanted, [arm.name for arm in arms])
    return [arm for arm in arms if arm.name in (*wanted, BASELINE, NULL)]


def is_trace(workload: str) -> bool:
    """Whether a workload plays a recorded program."""
    return workload.startswith(("trace/", "trace-cold/"))


def is_cold(workload: str) -> bool:
    """Whether a process of this workload does its work once, on a fresh heap: nothing to repeat."""
    return workload.startswith("trace-cold/")


# --- How long, and in which order ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What one workload costs the baseline."""

    iteration_s: float
    overhead_s: float
    """What a process takes beside its timed loop: starting, setting up, ending."""


def fit(workloads: Sequence[Workload], calibrations: dict[str, Calibration], rounds: int,
        budget_s: float) -> list[Workload]:
    """The workloads with iterations and repetitions such that all samples fit into the budget.

    What the processes cost apart from their timed loops is paid first; the rest is shared equally
    by the samples, within SHORTEST_SAMPLE_S and LONGEST_SAMPLE_S of timed loop for each.
    """
    fixed = sum(
        len(item.arms) * rounds * calibrations[item.workload].overhead_s for item in workloads)
    fixed += sum(
        len(item.arms) * rounds * calibrations[item.workload].iteration_s for item in workloads
        if is_cold(item.workload))
    warm = sum(len(item.arms) * rounds for item in workloads if not is_cold(item.workload))
    share = (budget_s - fixed) / warm if warm else 0.0
    timed_s = min(max(share, SHORTEST_SAMPLE_S), LONGEST_SAMPLE_S)
    return [_fit_one(item, calibrations[item.workload], timed_s) for item in workloads]


def _fit_one(workload: Workload, calibration: Calibration, timed_s: float) -> Workload:
    """Repeats the loop only where setting it up again is cheap: every repetition does so."""
    iterations = repetitions = 1
    if not is_cold(workload.workload):
        if REPETITIONS * calibration.overhead_s <= timed_s:
            repetitions = REPETITIONS
            timed_s -= (REPETITIONS - 1) * calibration.overhead_s
        possible = max(1, int(timed_s / max(calibration.iteration_s, 1e-9)))
        repetitions = min(repetitions, possible)
        iterations = possible // repetitions
    sample_s = repetitions * (calibration.overhead_s + iterations * calibration.iteration_s)
    return dataclasses.replace(workload, iterations=iterations, repetitions=repetitions,
                               sample_s=sample_s)


def estimated_s(workloads: Sequence[Workload], rounds: int) -> float:
    """What all samples take together if every arm is as fast as the baseline."""
    return rounds * sum(len(item.arms) * item.sample_s for item in workloads)


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

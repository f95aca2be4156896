"""What a run is going to do: which pairs of arms on which workloads, how often, in which order.

A plan is fixed before the first launch and stands in run.json. Everything in it that is random
follows from its seed, so that a run that goes on after a kill does what it would have done.
"""

import dataclasses
import fnmatch
import pathlib
import platform
import random
import sysconfig
from typing import Annotated, Any, Iterable, Literal, Sequence, TypeVar

SCHEMA = 3
"""The version of every file in a run folder. It rises when a column changes its meaning or goes."""

Item = TypeVar("Item")
Name = Annotated[str, ("minLength", 1)]
Sha256 = Annotated[str, ("pattern", "^[0-9a-f]{64}$")]
Positive = Annotated[float, ("exclusiveMinimum", 0)]
Counting = Annotated[int, ("minimum", 1)]
Binary = Annotated[dict[str, str], ("required", ("path", "sha256"))]
Probability = Annotated[float, ("maximum", 1)]
"""Types of values in files, and what their schemas say beside the type."""

PARTS = ("time", "memory", "latency", "work")
"""What a run may measure, each in processes of its own."""

BASELINE = "glibc"
NULL = "null"
"""The baseline under a second name: what separates the two is noise."""
DELAY = "pool-keep-delayed"
DELAY_PERCENT = 5.0
"""The keeping pool with so much more time in each iteration: a run that cannot see it says so."""
FLOORS = ("noop", "bump", "freelist")
QUICK_ARMS = ("pool-keep", DELAY, BASELINE, NULL, "jemalloc", "mimalloc", "tcmalloc")
"""The arms of a quick run where none is named: the pool beside the mallocs that a user would pick,
and the controls. So few pairs have several looks within its time."""
ON_REQUEST = ("pool-checked",)
"""Arms that a run has only where they are named: they take tens of times as long as the others."""
POOLS = {"pool": "calloc", "pool-keep": "malloc"}
"""Pool arms → the call that makes the same promise: zeroed memory, or memory of any contents."""


@dataclasses.dataclass(frozen=True)
class MallocLibrary:
    """An allocator that is preloaded in place of the C library's."""

    name: str
    files: tuple[str, ...]
    package: str


MALLOCS = (MallocLibrary("jemalloc", ("libjemalloc.so.2", ), "libjemalloc2"),
           MallocLibrary("mimalloc", ("libmimalloc.so.2.0", "libmimalloc.so.2"), "libmimalloc2.0"),
           MallocLibrary("tcmalloc", ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4"),
                         "libtcmalloc-minimal4"),
           MallocLibrary("scudo", (f"libclang_rt.scudo_standalone-{platform.machine()}.so", ),
                         "libclang-rt-19-dev"))


@dataclasses.dataclass(frozen=True)
class Mode:
    """How much a run may cost."""

    stretch: tuple[float, ...]
    """At how many times the fewest launches that prove anything verdicts are looked at."""
    precision: float
    """The smallest difference, as a share, that a claim is to be able to prove."""
    budgets_s: dict[str, float]
    """Part → what its processes may take in all; compiling, calibrating and reporting are extra."""


MODES = {
    "quick": Mode((1, 1.75, 3), 0.05, {"time": 255, "memory": 15}),
    "default": Mode((1, 1.5, 2.25, 3.5), 0.02, {"time": 1500, "memory": 50, "latency": 110}),
    "full": Mode((1, 1.5, 2.25, 3.5), 0.02,
                 {"time": 3000, "memory": 100, "latency": 240, "work": 500}),
}
"""Six, thirty and seventy minutes hold all of that."""

OTHER_LAUNCHES = 7
"""Of a pair that no claim is about: enough for an interval."""

QUICK = ("lifo/64x1000", "random/64x1000", "churn/mixed16-512/1000",
         "churn/mixed16-1024/10000")
"""The micro workloads of a quick run: reuse in reverse and in no order, mixed sizes within the
caches and beyond them. Not the shortest path, pair/64: on it the pool has two states, a factor of
two apart, for a reason not found, and no number of launches narrows that. With 12 launches beside
other programs it could have shown a difference of 51 %, where lifo/64x1000 could show 2 to 15 %."""

FULL = ("pair/32", "pair/128", "[lf]ifo/[!6]*", "random/32x*", "random/128x*", "churn/16/*",
        "churn/32/*", "churn/128/*", "churn/256/*", "butterfly/mixed*", "larson/8-64/*",
        "glibc-simple/16x1600", "glibc-simple/1024*", "alloc-test/8-8192/*", "sh6bench/*x20000",
        "fleet/*/50000", "cache-thrash/*", "walk/*/100000", "churn/mixed16-1024/10000/*",
        "fill/64", "xmalloc-test/mixed*")
"""Patterns of what a full run alone measures unasked: further sizes, and questions of threads."""

LITTERED = ("pair/64/littered", "random/64x1000/littered", "churn/mixed16-512/1000/littered",
            "churn/mixed16-1024/10000/littered")
"""The workloads on a littered heap of a run for which none is named."""


@dataclasses.dataclass(frozen=True)
class Arm:
    """An allocator's entry in a run."""

    name: str
    benchmark_arm: str
    """What the benchmark binary calls it."""
    role: Literal["pool", "malloc", "null", "delay", "floor", "other"]
    promise: Literal["malloc", "calloc", ""]
    """"malloc" or "calloc": only arms of one promise are compared. "" for those without."""
    preload: str | None = None
    """The library put before the C library's malloc."""
    sha256: Sha256 | None = None
    """Of that library."""
    delay_percent: float = 0.0
    """Time added to each iteration on purpose."""
    about: str = ""
    """What it is, as a phrase."""
    limits: str = ""
    """What it cannot do, as a sentence."""
    counted: bool = True
    """Whether Valgrind, which counts instructions, can run it."""
    build: Literal["new", "base"] = "new"
    """Of which benchmark binary it is."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two arms that run in the same launches."""

    arm: str
    baseline: str
    kind: Literal["claim", "null", "delay", "other"]
    """"claim": a pool, and a malloc of equal promise or the pool before a change. "null" and
    "delay": arms whose difference is known. "other": what no claim is about."""


@dataclasses.dataclass(frozen=True)
class Workload:
    """One workload as the benchmark binary lists it, its arms by the binary's names; and once a run
    is planned, with the run's arms, their pairs and what a launch of these is."""

    workload: Name
    question: str
    arms: list[str]
    parameters: str = ""
    """What the parts of the name after the first slash are."""
    source: str = ""
    """Where the field described it."""
    heap: str = "fresh"
    """Or "littered"."""
    threads: Counting = 1
    pairs: list[Pair] = dataclasses.field(default_factory=list)
    form: Literal["turns", "side by side", "threads"] = "turns"
    """How the arms of a launch alternate. Threads take turns too, on all processors."""
    batch: int = 1
    """Iterations of a timed batch."""
    slices: int = 1
    """Parts of a trace that are played by turns; 1 where a turn is a whole playing, or more."""
    cycles: int = 1
    """Turns of each arm in a launch."""
    alone: int = 0
    """Turns of each arm without its neighbour, after those."""
    probed: bool = False
    """Whether it runs on one thread and a heap of its own, over and over, as probes need it."""
    harness: str = ""
    """Why the harness may be more than a fifth of the fastest arm's time, as a sentence."""
    latency_iterations: int = 1
    """Of the loop whose every operation is timed."""
    capacity_bytes: int = 0
    """Capacity that it fills, on an arm of just that capacity where it has one; else 0."""
    excluded: dict[str, str] = dataclasses.field(default_factory=dict)
    """Benchmark arm → why it does not apply, as a sentence, where its limits do not say so."""


@dataclasses.dataclass(frozen=True)
class Trace:
    """A trace file that is played as trace/NAME and trace-cold/NAME."""

    name: str
    file: str
    sha256: Sha256
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
    looks: list[int]
    """After so many launches of a pair its verdict may be settled; after the last, it ends."""
    budgets_s: dict[str, float]
    """What is measured, some of PARTS → once it has taken so long, no process of it is begun. It
    sees the clock and no arm's time."""
    precision: float
    """Launches of a claim go on until it could prove a difference of so much, as a share."""
    benchmark: Binary
    """path and sha256 of the benchmark binary."""
    arms: list[Arm]
    workloads: list[Workload]
    traces: list[Trace]
    notes: list[str]
    """What is not there or left out, in sentences."""
    environment: dict[str, Any]
    base: Binary | None = None
    """path, sha256 and name of the benchmark binary before a change; None but in a gate's run."""

    def arm(self, name: str) -> Arm:
        """The arm of this name. KeyError if there is none."""
        return {arm.name: arm for arm in self.arms}[name]

    def most_launches(self, kind: str) -> int:
        """Of a pair of this kind."""
        return OTHER_LAUNCHES if kind == "other" else self.looks[-1]

    def measured(self, part: str) -> list[Workload]:
        """The workloads that a part measures."""
        return [item for item in self.workloads if part == "time" or item.probed]


# --- What there is -------------------------------------------------------------------------------


def library_folders() -> list[pathlib.Path]:
    """Where shared libraries are looked for."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = ("/usr/local/lib", f"/usr/lib/{multiarch}", f"/lib/{multiarch}", "/usr/lib64",
               "/usr/lib")
    there = [path for path in map(pathlib.Path, dict.fromkeys(folders)) if path.is_dir()]
    # Clang's own libraries, of its newest version first.
    return there + sorted(pathlib.Path("/usr/lib").glob("llvm-*/lib/clang/*/lib/linux"),
                          reverse=True)


def libraries() -> dict[MallocLibrary, pathlib.Path | None]:
    """The first of each malloc's files in the first folder that has one; None where none has."""
    folders = library_folders()
    return {malloc: next((folder / file for file in malloc.files for folder in folders
                         if (folder / file).is_file()), None) for malloc in MALLOCS}


def arms_for(offered: Iterable[str], libraries: dict[str, tuple[str, str]]) -> list[Arm]:
    """The run's arms, from the binary's arms and the libraries (name → path, sha256): malloc and
    calloc become one arm for the C library and for each of these."""
    arms: list[Arm] = []
    for name in offered:
        if name in ("malloc", "calloc"):
            suffix = "" if name == "malloc" else "-calloc"
            arms += [
                Arm(f"{malloc}{suffix}", name, "malloc", name, path, digest,
                    about=f"{name} of {malloc}")
                for malloc, (path, digest) in ({BASELINE: (None, None)} | libraries).items()
            ]
            if name == "malloc":
                arms.append(Arm(NULL, name, "null", "", about="glibc again: the run’s noise"))
        elif name in POOLS:
            arms.append(Arm(name, name, "pool", POOLS[name]))
            if name == "pool-keep":
                arms.append(Arm(DELAY, name, "delay", "", delay_percent=DELAY_PERCENT,
                                about="pool-keep with a known delay added"))
        else:
            arms.append(Arm(name, name, "floor" if name in FLOORS else "other", ""))
    return arms


# --- Kinds of workloads --------------------------------------------------------------------------


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


# --- Pairs, and their order ----------------------------------------------------------------------


def pairs_of(arms: Sequence[Arm]) -> list[Pair]:
    """The pairs of a workload on these arms. Two at a time, as some mallocs give memory back by the
    wall clock, which goes on while others have their turn."""
    names = {arm.name for arm in arms}
    pools = [arm for arm in arms if arm.role == "pool"]
    found = [Pair(pool.name, malloc.name, "claim") for pool in pools for malloc in arms
             if malloc.role == "malloc" and malloc.promise == pool.promise]
    found += [Pair(NULL, BASELINE, "null")] if {NULL, BASELINE} <= names else []
    found += [Pair(DELAY, "pool-keep", "delay")] if {DELAY, "pool-keep"} <= names else []
    if pools:
        found += [Pair(arm.name, pools[-1].name, "other") for arm in arms
                  if arm.role in ("floor", "other")]
    paired = {name for pair in found for name in (pair.arm, pair.baseline)}
    first = BASELINE if BASELINE in names else arms[0].name
    found += [Pair(arm.name, first, "other") for arm in arms
              if arm.name not in {*paired, first}]
    return found


def shuffled(plan: Plan, items: Iterable[Item], number: int) -> list[Item]:
    """What is done for the time of this number, in the order that the plan's seed gives."""
    order = list(items)
    random.Random(f"{plan.seed}/{number}").shuffle(order)
    return order

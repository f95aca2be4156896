"""Runs with a known truth: what the statistics are proved on, and what the report is tried on.

Nothing here measures. A synthetic run has the shape of a real one, its times drawn from a model:
time = true time × a machine factor that the two arms of a launch share × noise of each process.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from typing import Any, Callable, Mapping

import numpy

from analysis.runs import plan, records
from analysis.runs.plan import Plan, Workload
from analysis.runs.records import Record
from analysis.runs.samples import PERCENTILES, Launch, Probe, Side
from analysis.system.files import ROOT

Noise = Callable[[numpy.random.Generator], float]
"""Draws the logarithm of one process's noise factor."""


def normal(scale: float) -> Noise:
    """Log-normal noise of this standard deviation."""
    return lambda generator: float(generator.normal(0, scale))


def heavy_tailed(scale: float) -> Noise:
    """Student's t with two degrees of freedom: no finite variance, so now and then a huge
    outlier."""
    return lambda generator: float(numpy.clip(scale * generator.standard_t(2), -3, 3))


def bimodal(distance: float, scale: float) -> Noise:
    """Two states, such as huge pages at hand or not, between which each process is thrown at
    random."""
    return lambda generator: distance * float(generator.integers(2)) + float(
        generator.normal(0, scale))


def skewed(scale: float) -> Noise:
    """Only ever slower: an exponential delay."""
    return lambda generator: float(generator.exponential(scale))


@dataclasses.dataclass(frozen=True)
class Truth:
    """What is true of one workload."""

    question: str
    times_ns: Mapping[str, float]
    """Benchmark arm, mallocs included (as "jemalloc", "jemalloc-calloc") → true time of an
    operation."""


HASH = hashlib.sha256(b"synthetic").hexdigest()


CYCLES, ALONE = 9, 5
"""Turns of a launch, and of each arm alone after them."""


def make_plan(truths: Mapping[str, Truth], launches: int, seed: int = 1) -> Plan:
    """A plan over these workloads, with the null pair wherever the baseline runs."""
    libraries = {malloc.name: (f"/usr/lib/{malloc.files[0]}", HASH) for malloc in plan.MALLOCS}
    offered = dict.fromkeys(
        _benchmark_arm(name) for truth in truths.values() for name in truth.times_ns)
    arms = plan.arms_for(offered, libraries)
    workloads = []
    for name, truth in truths.items():
        there = [arm for arm in arms if _true_ns(truth, arm.name) is not None]
        cold = plan.is_cold(name)
        workloads.append(Workload(
            name, truth.question, [arm.name for arm in there], pairs=plan.pairs_of(there),
            form="side by side" if cold else "turns", batch=1 if cold else 997,
            cycles=1 if cold else CYCLES, alone=0 if cold else ALONE, probed=not cold))
    used = {name for workload in workloads for name in workload.arms}
    return Plan(
        schema=plan.SCHEMA, command="./poolproof bench", mode="default",
        started="2026-01-01T00:00:00Z", seed=seed, looks=[launches], budgets_s={"time": 1500},
        precision=0.02,
        benchmark={"path": str(ROOT / "poolproof-bench"), "sha256": HASH},
        arms=[arm for arm in arms if arm.name in used], workloads=workloads, traces=[],
        notes=[
            "All numbers of this run are made up: it exists to try the statistics and the report."
        ], environment={
            "processor": "none", "processors": 1, "kernel": "none", "system": "none",
            "architecture": "none", "memory_bytes": 1 << 30, "c_library": "none", "libraries": {},
            "variables_removed": []
        })


def _true_ns(truth: Truth, arm: str) -> float | None:
    """The true time of an arm, controls included; None if it does not run."""
    if arm == plan.NULL:
        return truth.times_ns.get(plan.BASELINE)
    if arm == plan.DELAY:
        kept = truth.times_ns.get("pool-keep")
        return kept * (1 + plan.DELAY_PERCENT / 100) if kept is not None else None
    return truth.times_ns.get(arm)


def _benchmark_arm(name: str) -> str:
    if name.endswith("-calloc"):
        return "calloc"
    return "malloc" if name == plan.BASELINE or name in {r.name for r in plan.MALLOCS} else name


def make_launches(run: Plan, truths: Mapping[str, Truth], noise: Noise,
                  machine: Noise = normal(0.02)) -> list[Launch]:
    """As many launches of each pair as the plan has for it, in the order in which they would have
    run."""
    generator = numpy.random.default_rng(run.seed)
    pairs = [(workload, pair) for workload in run.workloads for pair in workload.pairs]
    taken: list[Launch] = []
    for number in range(run.looks[-1]):
        for workload, pair in plan.shuffled(run, pairs, number):
            if number < run.most_launches(pair.kind):
                taken.append(_launch(run, truths[workload.workload], workload, pair, number, noise,
                                     machine, len(taken), generator))
    return taken


def _launch(run: Plan, truth: Truth, workload: Workload, pair: plan.Pair, number: int,
            noise: Noise, machine: Noise, index: int,
            generator: numpy.random.Generator) -> Launch:
    shared = machine(generator)
    sides = [_side(workload, run.arm(name), _true_ns(truth, name) * float(
        numpy.exp(shared + noise(generator))), generator) for name in (pair.arm, pair.baseline)]
    return Launch(workload.workload, number, number % 2, "".join(
        generator.choice(["a", "b"], workload.cycles)), 1_767_225_600 + 0.5 * index, 0.5, 0.01,
        0.25, sides)


def _side(workload: Workload, arm: plan.Arm, time_ns: float,
          generator: numpy.random.Generator) -> Side:
    operations = 2.0 * max(997, workload.batch)

    def turns(count: int) -> list[int]:
        return [max(1, int(time_ns * operations * factor))
                for factor in numpy.exp(generator.normal(0, 0.002, count))]

    return Side(
        arm.name, operations, turns(workload.cycles), turns(workload.alone),
        usable_share=1 - 0.0123 * (len(arm.name) - 3) if workload.capacity_bytes and (
            arm.role in ("pool", "delay") or arm.name == "freelist") else None,
        **_PROOF | {"malloc_owner": arm.preload or _PROOF["malloc_owner"]})


def make_record(truths: Mapping[str, Truth], launches: int, noise: Noise, seed: int = 1,
                machine: Noise = normal(0.02)) -> Record:
    """A whole synthetic run, in memory."""
    run = make_plan(truths, launches, seed)
    return Record(pathlib.Path("synthetic"), run, make_launches(run, truths, noise, machine), [])


def write(record: Record, folder: pathlib.Path) -> None:
    """The run's files, as a real run leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    records.write_plan(folder, record.plan)
    for name, lines in ((records.LAUNCHES_FILE, [*record.launches, *record.refusals]),
                        (records.PROBES_FILE, [*record.probes, *record.probe_refusals])):
        if lines:
            appender = records.Appender(folder / name)
            for line in lines:
                appender.append(line)
            appender.close()


def mallocs(glibc: float, jemalloc: float, mimalloc: float, tcmalloc: float,
           suffix: str = "") -> dict[str, float]:
    """The true times of the four mallocs, by arm."""
    return {
        f"{name}{suffix}": value
        for name, value in
        {"glibc": glibc, "jemalloc": jemalloc, "mimalloc": mimalloc, "tcmalloc": tcmalloc}.items()
    }


EXAMPLE = {
    "pair/64": Truth(
        "One chunk of 64 bytes allocated and freed, again and again: what is the floor?",
        {"pool": 2.1, "pool-keep": 1.4, "noop": 0.3, "freelist": 0.9}
        | mallocs(6.1, 4.6, 3.1, 3.4)
        | mallocs(14.2, 8.0, 5.6, 6.0, "-calloc")),
    "lifo/64": Truth("A thousand chunks allocated, then freed in reverse: does a stack pay?",
                     {"pool": 3.4, "pool-keep": 2.2, "noop": 0.4, "freelist": 1.6}
                     | mallocs(8.2, 4.9, 3.5, 3.2)
                     | mallocs(15, 8.3, 6.4, 6.6, "-calloc")),
    "churn/16-512/1000": Truth("Random sizes, a thousand alive: what do mixed sizes cost?",
                               {"pool": 9.8, "pool-keep": 3.49, "noop": 0.5, "freelist": 2.1}
                               | mallocs(14, 6.1, 3.5, 4.0)
                               | mallocs(21, 11, 9.7, 10.4, "-calloc")),
    "churn/16-1024/200000": Truth(
        "The same with two hundred thousand alive: what does memory cost?",
        {"pool": 44, "pool-keep": 19.5, "noop": 1.2, "freelist": 9.5}
        | mallocs(41, 21, 17.4, 18.9)
        | mallocs(58, 40, 36, 37, "-calloc")),
    "trace/sqlite": Truth("A database recorded at work, played on a warm heap",
                          {"pool": 11, "pool-keep": 7.6, "noop": 0.9}
                          | mallocs(10, 9.2, 8.1, 8.4)
                          | mallocs(13, 12.2, 11.1, 11.6, "-calloc")),
    "trace-cold/sqlite": Truth("The same in a fresh process, first touch of every page included",
                               {"pool": 61, "pool-keep": 54, "noop": 20}
                               | mallocs(55, 70, 62, 66)
                               | mallocs(63, 75, 66, 70, "-calloc"))
}
"""A made-up run with every verdict in it."""


def make_uneven(launches: int, noise: Noise, seed: int = 1) -> Record:
    """A run in which a capacity is filled, and objects change hands, which pools cannot do."""
    truths = {name: EXAMPLE[name] for name in ("pair/64", "trace/sqlite")} | {
        "fill/64": Truth("How much is usable?", EXAMPLE["lifo/64"].times_ns),
        "xmalloc-test/64": Truth(
            "What if another frees?",
            {name: time_ns for name, time_ns in EXAMPLE["lifo/64"].times_ns.items()
             if "pool" not in name and name not in plan.FLOORS}),
    }
    why = "Such an arm belongs to one thread."
    run = make_plan(truths, launches, seed)
    run = dataclasses.replace(run, workloads=[
        dataclasses.replace(item, capacity_bytes=4 << 20 if item.workload == "fill/64" else 0,
                            excluded={arm.benchmark_arm: why for arm in run.arms
                                      if arm.name not in item.arms})
        for item in run.workloads])
    return Record(pathlib.Path("synthetic"), run, make_launches(run, truths, noise), [])


# --- Beside time, and at full size ----------------------------------------------------------------

def with_parts(record: Record, seed: int = 1, processes: int = 3) -> Record:
    """The record with work, memory and latency of every arm on every workload but those that are
    not probed."""
    generator = numpy.random.default_rng(seed)
    probes = []
    times = {(launch.workload, side.arm): side.time_ns for launch in record.launches
             for side in launch.sides}
    for workload in record.plan.measured("memory"):
        for arm in map(record.plan.arm, workload.arms):
            time_ns = times[workload.workload, arm.name]
            for round_ in range(processes):
                place = {"workload": workload.workload, "arm": arm.name, "round": round_}
                probes += [_memory(place, arm, generator),
                           work_line(place, round(20 * time_ns) + 3),
                           _latency(place, time_ns, generator)]
    return dataclasses.replace(record, probes=probes, plan=dataclasses.replace(
        record.plan, budgets_s=dict.fromkeys(plan.PARTS, 1500.0)))


_PROOF = {
    "malloc_owner": "/usr/lib/libc.so.6", "malloc_sha256": HASH, "benchmark_sha256": HASH,
    "benchmark_version": "1.7.1", "compiler": "gcc 12.2.0", "compiler_flags": "-O3"
}


def probe(place: dict[str, Any], part: str, figures: dict[str, float],
          instrument: str = "") -> Probe:
    """A process that showed these figures."""
    return Probe(**place, part=part, figures=figures, instrument=instrument, **_PROOF)


def work_line(place: dict[str, Any], instructions: int) -> Probe:
    """So many instructions an operation."""
    return probe(place, "work", {"instructions": instructions}, "valgrind-3.19.0 callgrind")


def _memory(place: dict[str, Any], arm: plan.Arm, generator: numpy.random.Generator) -> Probe:
    live = 3 << 20
    more = 1.04 + 0.06 * (len(arm.name) % 7) + 0.01 * float(generator.uniform())
    return probe(place, "memory", {
        "peak_live_bytes": live, "base_rss_bytes": 2 << 20, "faults": len(arm.name) * 31,
        "peak_bytes": 4096 * round(more * live / 4096), "end_bytes": live // 3,
        "drained_bytes": 4096 * (len(arm.name) * 7)})


def _latency(place: dict[str, Any], time_ns: float, generator: numpy.random.Generator) -> Probe:
    shape = dict(zip(PERCENTILES, (0.8, 1.4, 3.0, 12.0, 90.0, 4000.0)))
    clock = dict(zip(PERCENTILES, (12.0, 12.4, 14.0, 22.0, 90.0, 9500.0)))
    figures = {f"clock {name}": value for name, value in clock.items()} | {"clock count": 100_000.0}
    for kind in ("alloc", "free"):
        factor = float(generator.uniform(0.95, 1.05))
        figures |= {f"{kind} {name}": round(clock[name] + factor * share * time_ns, 1)
                    for name, share in shape.items()}
    return probe(place, "latency", figures, "rdtscp")


OTHERS = ("apr", "boost-pool", "foonathan", "pmr", "talloc")


def full(launches: int = 24, micro: int = 60, traces: int = 8, seed: int = 5) -> Record:
    """As large as a run gets: twenty arms, sixty workloads and eight traces, warm and cold, with
    one arm that does not apply everywhere."""
    shapes = [truth for name, truth in EXAMPLE.items() if not plan.is_trace(name)]
    truths = {f"family{index // 4}/{16 << index % 4}x{1000 * (index % 5 + 1)}":
              shapes[index % len(shapes)] for index in range(micro)}
    for kind in ("trace", "trace-cold"):
        truths |= {f"{kind}/program{index}": EXAMPLE[f"{kind}/sqlite"] for index in range(traces)}
    others = {name: 2.5 + index for index, name in enumerate(OTHERS)}
    truths = {
        name: dataclasses.replace(truth, times_ns=dict(truth.times_ns) | {
            other: time for other, time in others.items() if other != "apr" or plan.is_trace(name)})
        for name, truth in truths.items()
    }
    run = make_plan(truths, launches, seed)
    run = dataclasses.replace(
        run, mode="full",
        arms=[dataclasses.replace(arm, role="malloc", promise="malloc")
              if arm.name in OTHERS else arm
              for arm in run.arms])
    run = dataclasses.replace(run, workloads=[
        dataclasses.replace(item, pairs=plan.pairs_of([run.arm(name) for name in item.arms]))
        for item in run.workloads])
    return with_parts(Record(pathlib.Path("synthetic"), run, make_launches(
        run, truths, normal(0.01)), []))

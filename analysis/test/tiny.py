"""Runs of a few launches with given differences: what verdicts are tested on, digit by digit."""

import dataclasses
import math
import pathlib

from analysis.runs.plan import Arm, Pair, Workload
from analysis.runs.records import Record
from analysis.runs.samples import Launch, Side
from analysis.test import synthetic

BASE_NS = 1000.0
"""Of an operation of every baseline, in every turn."""

ARMS = [Arm("pool-keep", "pool-keep", "pool", "malloc"), Arm("pool", "pool", "pool", "calloc"),
        Arm("base-pool-keep", "pool-keep", "pool", "malloc", build="base"),
        Arm("null", "malloc", "null", ""), Arm("pool-keep-delayed", "pool-keep", "delay", ""),
        *(Arm(name, "malloc", "malloc", "malloc") for name in ("glibc", "jemalloc", "mimalloc")),
        Arm("glibc-calloc", "calloc", "malloc", "calloc")]
KINDS = {"null": "null", "pool-keep-delayed": "delay"}


def spread(middle, step=0.001, launches=8):
    """Differences whose median is the middle, and whose neighbours lie a step apart."""
    return [middle + step * (index - (launches - 1) / 2) for index in range(launches)]


CALM = spread(0.0)
"""A null pair that leaves δ at 1 %."""


def record(workloads, looks=(8,), **more):
    """A run: workload → (arm, baseline) → the arm's lead in each launch, in logarithms; or that and
    the lead of the arms alone."""
    used = {name for pairs in workloads.values() for pair in pairs for name in pair}
    plan = dataclasses.replace(
        synthetic.make_plan({}, looks[-1]), looks=list(looks),
        arms=[arm for arm in ARMS if arm.name in used], workloads=[
            Workload(name, "?", [arm.name for arm in ARMS if arm.name in {*sum(pairs, ())}],
                     pairs=[Pair(*pair, KINDS.get(pair[0], "claim")) for pair in pairs], alone=1)
            for name, pairs in workloads.items()], **more)
    launches = [_launch(name, pair, number, *leads)
                for name, pairs in workloads.items() for pair, given in pairs.items()
                for number, leads in enumerate(zip(*given if isinstance(given, tuple)
                                                   else (given, given)))]
    return Record(pathlib.Path("tiny"), plan, launches, [])


def _launch(workload, pair, number, lead, alone):
    sides = [_side(name, BASE_NS * math.exp(-by * lead), BASE_NS * math.exp(-by * alone))
             for name, by in zip(pair, (1, 0))]
    return Launch(workload, number, 0, "a", float(number), 0.5, 0.0, 0.0, sides)


def _side(arm, time_ns, alone_ns):
    """A turn, and one alone, of a million operations."""
    turn, alone = ([round(1e6 * value)] for value in (time_ns, alone_ns))
    return Side(arm, 1e6, turn, alone, **synthetic._PROOF)

"""Runs whose truth is known: noise made up, verdicts by the code that judges real runs.

A launch has turns, the two arms of a cycle in a random order; launches differ by more than turns
do. Each run goes on from look to look where verdicts are open, as a real one does.
"""

from __future__ import annotations

import dataclasses
import math
import zlib

import numpy
from scipy import stats

from analysis.runs.plan import MODES
from analysis.stats import inference

RUNS = 100
"""Runs for each noise and truth. With so many, 5 % of them are told apart from 11 %."""
WORKLOADS = 2
MALLOCS = 4
CYCLES = 20
TRUTHS = (0.005, 0.03, 0.05, 0.10)
LOOKS = [math.ceil(stretch * inference.launches_needed(WORKLOADS * MALLOCS,
                                                        len(MODES["quick"].stretch)))
         for stretch in MODES["quick"].stretch]
"""Those of a quick run with such a family."""
PRECISION = math.log1p(MODES["quick"].precision)


@dataclasses.dataclass(frozen=True)
class Condition:
    """A kind of noise, as the table names it. Shares, as logarithms."""

    name: str
    within: float = 0.02
    """Of a turn: the standard deviation."""
    between: float = 0.01
    """Of a launch: what layout and luck of placement do to the two arms' ratio."""
    drift: float = 0.0
    """How much slower the machine is at a launch's end than at its beginning."""
    long_burst: float = 0.0
    """How much slower turns are while somebody else runs: for six cycles on, in every other
    launch."""
    short_burst: float = 0.0
    """How much slower a turn is that is hit alone, as one in five is."""
    carry_over: float = 0.0
    """How much slower the pool is in a turn that follows its neighbour's."""
    states: float = 0.0
    """How far apart the two states of a process are, drawn at its start."""
    tails: bool = False
    """Whether launches differ by Student's t with two degrees of freedom, not by the normal."""


CONDITIONS = (
    Condition("calm", 0.005, 0.003),
    Condition("usual"),
    Condition("noisy turns, 10 %", 0.10),
    Condition("noisy launches, 3 %", between=0.03),
    Condition("heavy tails", tails=True),
    Condition("two states, 5 % apart", states=0.05),
    Condition("two states, 30 % apart", states=0.30),
    Condition("drift of 30 % in a launch", drift=0.30),
    Condition("bursts longer than a turn, 40 %", long_burst=0.40),
    Condition("bursts shorter than a turn, 50 %", short_burst=0.50),
    Condition("carry-over of 0.5 %", carry_over=0.005),
)


def launches(generator: numpy.random.Generator, condition: Condition, difference: float,
             count: int, pool: bool = True) -> numpy.ndarray:
    """So many launches of a pair whose arm is faster by `difference`, a logarithm: of each the
    median over the cycles of log(baseline's time / arm's time)."""
    shape = (2, count, CYCLES)
    logs = generator.normal(0, condition.within, shape)
    first = generator.random((count, CYCLES)) < 0.5  # whether the arm is first in its cycle
    place = numpy.arange(CYCLES) * 2.0 + numpy.stack([~first, first])
    logs += math.log1p(condition.drift) * place / (2 * CYCLES)
    start = generator.integers(0, 4 * CYCLES, (count, 1))
    burst = (place >= start) & (place < start + 12)
    logs += math.log1p(condition.long_burst) * burst
    logs += math.log1p(condition.short_burst) * (generator.random(shape) < 0.2)
    if pool:  # the arm follows its neighbour where it is second, or the neighbour was before it
        second_before = numpy.concatenate([numpy.ones((count, 1), bool), first[:, :-1]], axis=1)
        logs[0] += math.log1p(condition.carry_over) * (~first | second_before)
    logs += math.log1p(condition.states) * (generator.random((2, count, 1)) < 0.5)
    draw = generator.standard_t(2, (count, 1)) if condition.tails else generator.normal(
        0, 1, (count, 1))
    logs[0] += condition.between * draw - difference
    return numpy.median(logs[1] - logs[0], axis=1)


@dataclasses.dataclass(frozen=True)
class Judged:
    """A family of claims, judged."""

    verdicts: list[str]
    intervals: list[inference.Interval]
    smallest: list[float]
    """The smallest difference that the run itself calls provable."""


def judge_run(generator: numpy.random.Generator, condition: Condition, difference: float) -> Judged:
    """The family of one run: a pool against each malloc on each workload, look by look."""
    most = LOOKS[-1]
    pairs = [launches(generator, condition, difference, most) for _ in range(WORKLOADS * MALLOCS)]
    nulls = [launches(generator, condition, 0.0, most, False) for _ in range(WORKLOADS)]
    ends = [0] * len(pairs)
    judged: list[tuple[inference.Interval, str, str]] = []
    limits: list[float] = []
    for look in LOOKS:
        ends = [end if judged and inference.settled(judged[i][1], judged[i][0], limits[i],
                                                    PRECISION) else look
                for i, end in enumerate(ends)]
        limits = [inference.noise_limit(
            nulls[i // MALLOCS][:max(ends[i // MALLOCS * MALLOCS:][:MALLOCS])])
            for i in range(len(pairs))]
        seen = [pair[:end] for pair, end in zip(pairs, ends)]
        adjusted = inference.holm([min(1.0, len(LOOKS) * inference.sign_test(item))
                                   for item in seen])
        judged = [inference.judge(item, limit, p, looks=len(LOOKS))
                  for item, limit, p in zip(seen, limits, adjusted)]
    intervals, words, _ = zip(*judged)
    return Judged(list(words), list(intervals),
                  [inference.smallest_provable(interval, limit)
                   for interval, limit in zip(intervals, limits)])


# --- Figures -------------------------------------------------------------------------------------


def percent(hits: int, of: int) -> str:
    """A share, to a tenth of a percent where that can matter."""
    value = 100 * hits / of
    return f"{value:.0f} %" if value in (0.0, 100.0) else f"{value:.1f} %"


def at_most(hits: int, of: int) -> str:
    """A share with the upper end of its exact one-sided 95 % interval (Clopper and Pearson,
    Biometrika 26, 1934)."""
    bound = 1.0 if hits == of else float(stats.beta.ppf(0.95, hits + 1, of - hits))
    return f"{percent(hits, of)} (≤ {100 * bound:.1f} %)"


def covered(intervals: list[inference.Interval], truth: float) -> str:
    """How many of the intervals contain the truth, and how many say that they do."""
    inside = sum(item.low <= truth <= item.high for item in intervals)
    return f"{percent(inside, len(intervals))} of {100 * intervals[0].coverage:.1f} %"


def _generator(*words: object) -> numpy.random.Generator:
    """Every row has a seed of its own, so that one can be computed without the others."""
    return numpy.random.default_rng(zlib.crc32("/".join(map(str, words)).encode()))


COLUMNS = ("noise", "launches of a pair", "false claims, identical", "interval covers",
           "false claims, 0.5 %", *(f"{share:.0%} found".replace("%", " %")
                                    for share in TRUTHS[1:]), "wrong way", "could see")


def row(condition: Condition) -> list[str]:
    """The figures of runs under one noise."""
    generator = _generator("run", condition.name)
    same = [judge_run(generator, condition, 0.0) for _ in range(RUNS)]
    false = sum(not {"faster", "slower"}.isdisjoint(item.verdicts) for item in same)
    intervals = [interval for item in same for interval in item.intervals]
    used = numpy.mean([interval.launches for interval in intervals])
    could = float(numpy.median([value for item in same for value in item.smallest]))
    judged = {share: [judge_run(generator, condition, math.log1p(share))
                      for _ in range(RUNS // 4)] for share in TRUTHS}
    found = {share: [word for item in family for word in item.verdicts]
             for share, family in judged.items()}
    small = sum(not {"faster", "slower"}.isdisjoint(item.verdicts) for item in judged[TRUTHS[0]])
    wrong = sum(word == "slower" or (word == "equal" and share >= 0.10)
                for share, words in found.items() for word in words)
    everything = sum(map(len, found.values()))
    return [condition.name, f"{used:.0f}", at_most(false, RUNS), covered(intervals, 0.0),
            percent(small, RUNS // 4),
            *(percent(found[share].count("faster"), len(found[share])) for share in TRUTHS[1:]),
            percent(wrong, everything), f"{100 * math.expm1(could):.1f} %"]


def table(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def figures() -> str:
    """The table, as it stands in the README."""
    return (f"{WORKLOADS * MALLOCS} claims, looked at after {', '.join(map(str, LOOKS))}"
            f" launches of {CYCLES} cycles:\n\n{table(COLUMNS, list(map(row, CONDITIONS)))}")


if __name__ == "__main__":
    print(figures(), end="")

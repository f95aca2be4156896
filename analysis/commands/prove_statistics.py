"""Proves the statistics on made-up runs whose truth is known, and prints the figures.

Every verdict here is made by the code that judges real runs: the sign test and its interval, Holm's
correction, δ from a null arm, the methods that must agree; and what gate does with two runs. The
noises are worse than a quiet machine's. --check says whether the figures in analysis/README.md are
these.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import gc
import math
import zlib
from typing import Callable

import numpy
from scipy import stats

from analysis.stats import comparison, inference
from analysis.system.exits import FINDING, PASS, UserError
from analysis.system.files import ROOT, whole_file
from analysis.system.process import say

README = ROOT / "analysis" / "README.md"
BEGIN, END = "<!-- prove-statistics: begin -->\n", "<!-- prove-statistics: end -->\n"

RUNS = 300
"""Runs for each noise and truth. With so many, 5 % of them are told apart from 8 %."""
WORKLOADS = 2
RIVALS = 4
ROUNDS = 20
"""Of a default run."""
LONG_ROUNDS = 140
"""What a noisy machine needs; --rounds asks for them."""
GATE_ROUNDS = 12
"""Of a quick run."""
TRUTHS = (0.02, 0.05, 0.10, 0.20)

Noise = Callable[[numpy.random.Generator, numpy.ndarray], numpy.ndarray]
"""Draws the logarithms of the processes' noise factors, given each one's place in time: 0, 1, …"""


def drift(share: float) -> Noise:
    """A machine that becomes slower by this share from the first process to the last."""
    return lambda generator, place: (
        math.log1p(share) * place / place.max() + generator.normal(0, 0.01, place.shape))


def neighbour(share: float) -> Noise:
    """Somebody else on the machine for a fifth of the time, ten processes long, slowing them by
    this share."""
    def draw(generator: numpy.random.Generator, place: numpy.ndarray) -> numpy.ndarray:
        there, disturbed = False, numpy.zeros(place.size)
        for at, change in enumerate(generator.random(place.size)):
            there = change < (0.9 if there else 0.025)
            disturbed[at] = math.log1p(share) * there
        return disturbed[place] + generator.normal(0, 0.01, place.shape)

    return draw


@dataclasses.dataclass(frozen=True)
class Condition:
    """A kind of noise, as a table names it."""

    name: str
    noise: Noise
    rounds: int = ROUNDS
    bias: float = 0.0
    """Of each arm in each run, the standard deviation of a factor's logarithm: what one run alone
    cannot see."""


CONDITIONS = (
    Condition("calm, 0.5 %", lambda g, place: g.normal(0, 0.005, place.shape)),
    Condition("usual, 1 %", lambda g, place: g.normal(0, 0.01, place.shape)),
    Condition("noisy, 5 %", lambda g, place: g.normal(0, 0.05, place.shape)),
    Condition("skewed, 2 %", lambda g, place: g.exponential(0.02, place.shape)),
    Condition("heavy tails, 1 %", lambda g, place: 0.01 * g.standard_t(2, place.shape)),
    Condition("two states, 5 % apart", lambda g, place: 0.05 * g.integers(2, size=place.shape)
              + g.normal(0, 0.01, place.shape)),
    Condition("two states, 30 % apart", lambda g, place: 0.3 * g.integers(2, size=place.shape)
              + g.normal(0, 0.01, place.shape)),
    Condition("drift of 30 %", drift(0.3)),
    Condition("a neighbour, 40 %", neighbour(0.4)),
    Condition("eight rounds, 1 %", lambda g, place: g.normal(0, 0.01, place.shape), rounds=8),
    Condition("five rounds, 1 %", lambda g, place: g.normal(0, 0.01, place.shape), rounds=5),
)

LONGER = tuple(
    dataclasses.replace(condition, name=f"{condition.name}, longer", rounds=LONG_ROUNDS)
    for condition in CONDITIONS
    if condition.name in ("noisy, 5 %", "two states, 5 % apart", "two states, 30 % apart"))
"""What twenty rounds do not see, in as many as it takes to see 10 %."""

GATE_CONDITIONS = tuple(
    dataclasses.replace(condition, rounds=GATE_ROUNDS if condition.rounds == ROUNDS
                        else condition.rounds) for condition in CONDITIONS
) + (Condition("1 %, and 1 % for each run", CONDITIONS[1].noise, GATE_ROUNDS, bias=0.01),)

BASELINE, NULL = 0, 1
"""Rows of a workload's times. Then come RIVALS - 1 others, and the pool."""


def times(generator: numpy.random.Generator, condition: Condition, difference: float
          ) -> tuple[numpy.ndarray, numpy.ndarray]:
    """One workload of one run, by both clocks: logarithms of times, a row an arm, a column a round.

    The pool, in the last row, takes `difference` less than all the others. Each round runs the arms
    in an order of its own, on a machine whose speed differs from round to round.
    """
    arms, rounds = RIVALS + 2, condition.rounds
    orders = numpy.argsort(generator.random((arms, rounds)), axis=0)
    place = orders + arms * numpy.arange(rounds)
    cpu = condition.noise(generator, place) + generator.normal(0, 0.02, rounds)
    cpu += generator.normal(0, condition.bias, (arms, 1)) + generator.normal(0, 0.2)
    cpu[-1] -= difference
    return cpu, cpu + math.log(1.02) + generator.exponential(0.005, cpu.shape)


@dataclasses.dataclass(frozen=True)
class Judged:
    """A family of claims, judged: what was said, and the intervals."""

    verdicts: list[str]
    intervals: list[inference.Interval]
    smallest: list[float]
    """Of each workload, the smallest difference that the run itself calls provable."""


def judge_run(generator: numpy.random.Generator, condition: Condition, difference: float) -> Judged:
    """The family of one run: the pool against each rival on each workload."""
    clocks = [times(generator, condition, difference) for _ in range(WORKLOADS)]
    rivals = [BASELINE, *range(NULL + 1, RIVALS + 1)]
    claims = [(cpu[rival] - cpu[-1], wall[rival] - wall[-1],
               inference.noise_limit(cpu[BASELINE] - cpu[NULL]))
              for cpu, wall in clocks for rival in rivals]
    adjusted = inference.holm([inference.sign_test(seen) for seen, _, _ in claims])
    judged = [inference.judge_pairs(seen, limit, p, {"the wall clock": wall})
              for (seen, wall, limit), p in zip(claims, adjusted)]
    enough = condition.rounds >= inference.rounds_needed(len(claims))
    provable = [inference.smallest_provable(item.interval, limit) if enough else math.inf
                for item, (_, _, limit) in zip(judged, claims)]
    return Judged([item.verdict for item in judged], [item.interval for item in judged],
                  [float(numpy.median(part)) for part in numpy.split(numpy.array(provable),
                                                                     WORKLOADS)])


def judge_gate(generator: numpy.random.Generator, condition: Condition,
               difference: float) -> tuple[str, list[inference.Interval]]:
    """What gate says of two runs, the pool of the second one slower by `difference`."""
    sides = []
    for slower in (0.0, -difference):
        clocks = [times(generator, condition, slower) for _ in range(WORKLOADS)]
        sides.append({str(n): comparison.Side(_relative(cpu), _relative(wall))
                      for n, (cpu, wall) in enumerate(clocks)})
    roles = {name: "control" for name in _names()[1:-1]} | {"pool": "claim"}
    asked = [(str(n), arm) for n in range(WORKLOADS) for arm in roles]
    changes = comparison.judge(sides[0], sides[1], asked, roles)
    claims = [change for change in changes if change.kind == "claim"]
    return comparison.outcome_of(claims), [change.interval for change in claims]


def _names() -> list[str]:
    return ["glibc", "null", *(f"rival{n}" for n in range(RIVALS - 1)), "pool"]


def _relative(logs: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Arm → logarithms of baseline time / arm time."""
    return {name: logs[BASELINE] - row for name, row in zip(_names(), logs)}


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
    """How many of the intervals contain the truth; "none" where there are no intervals."""
    real = [item for item in intervals if item.coverage > 0]
    if not real:
        return "none"
    inside = sum(item.low <= truth <= item.high for item in real)
    return f"{percent(inside, len(real))} of {100 * real[0].coverage:.1f} %"


def _generator(*words: object) -> numpy.random.Generator:
    """Every row has a seed of its own, so that one can be computed without the others."""
    return numpy.random.default_rng(zlib.crc32("/".join(map(str, words)).encode()))


RUN_COLUMNS = ("noise of a process", "rounds", "false claims, identical", "interval covers",
               "false claims, 2 %", *(f"{share:.0%} found".replace("%", " %")
                                      for share in TRUTHS[1:]), "wrong way",
               "says that 10 % is too little")


def run_row(condition: Condition) -> list[str]:
    """The figures of single runs under one noise."""
    generator = _generator("run", condition.name)
    same = [judge_run(generator, condition, 0.0) for _ in range(RUNS)]
    false = sum(not {"faster", "slower"}.isdisjoint(item.verdicts) for item in same)
    intervals = [interval for item in same for interval in item.intervals]
    found, blind = {}, []
    for share in TRUTHS:
        judged = [judge_run(generator, condition, math.log1p(share)) for _ in range(RUNS // 3)]
        if share == 0.10:
            blind = [value > math.log1p(share) for item in judged for value in item.smallest]
        found[share] = [verdict for item in judged for verdict in item.verdicts]
    small = [found[0.02][at:at + WORKLOADS * RIVALS]
             for at in range(0, len(found[0.02]), WORKLOADS * RIVALS)]
    false_small = sum(not {"faster", "slower"}.isdisjoint(family) for family in small)
    wrong = sum(verdict == "slower" or (verdict == "equal" and share > 0.10)
                for share, verdicts in found.items() for verdict in verdicts)
    everything = sum(map(len, found.values()))
    return [condition.name, str(condition.rounds), at_most(false, RUNS), covered(intervals, 0.0),
            percent(false_small, len(small)),
            *(percent(found[share].count("faster"), len(found[share])) for share in TRUTHS[1:]),
            percent(wrong, everything), percent(sum(blind), len(blind))]


GATE_COLUMNS = ("noise of a process", "rounds", "regression, identical", "pass, identical",
                "interval covers", "10 % slower: regression", "10 % slower: pass",
                "20 % slower: regression")


def gate_row(condition: Condition) -> list[str]:
    """The figures of gate under one noise."""
    generator = _generator("gate", condition.name)
    same = [judge_gate(generator, condition, 0.0) for _ in range(RUNS)]
    outcomes = [outcome for outcome, _ in same]
    intervals = [interval for _, seen in same for interval in seen]
    ten, twenty = ([judge_gate(generator, condition, math.log1p(share))[0]
                    for _ in range(RUNS // 3)] for share in (0.10, 0.20))
    return [condition.name, str(condition.rounds), at_most(outcomes.count("regression"), RUNS),
            percent(outcomes.count("pass"), RUNS), covered(intervals, 0.0),
            percent(ten.count("regression"), len(ten)), percent(ten.count("pass"), len(ten)),
            percent(twenty.count("regression"), len(twenty))]


def table(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def figures(told: Callable[[str], None] = lambda _: None) -> str:
    """Both tables, as they stand in the README. Minutes."""
    gc.freeze()  # statsmodels collects garbage at every correction, and there are thousands
    try:
        rows = []
        for row, conditions in ((run_row, (*CONDITIONS, *LONGER)),
                                (gate_row, GATE_CONDITIONS)):
            rows.append([])
            for condition in conditions:
                rows[-1].append(row(condition))
                told(condition.name)
    finally:
        gc.unfreeze()
    return (f"One run, {WORKLOADS * RIVALS} claims:\n\n{table(RUN_COLUMNS, rows[0])}\n"
            f"Two runs, {WORKLOADS} claims:\n\n{table(GATE_COLUMNS, rows[1])}")


def published(readme: str) -> str:
    """The figures that a README holds. UserError if it holds none."""
    _, begin, rest = readme.partition(BEGIN)
    found, end, _ = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{README} has no place for the figures: {BEGIN.strip()} … {END.strip()}")
    return found.strip("\n") + "\n"


def replaced(readme: str, now: str) -> str:
    """A README that holds these figures."""
    head, begin, rest = readme.partition(BEGIN)
    return f"{head}{begin}\n{now}\n{END}{rest.partition(END)[2]}"


# --- The command ---------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof prove-statistics."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true",
                      help="say whether the figures in analysis/README.md are these")
    what.add_argument("--write", action="store_true", help="put them there")


def run(args: argparse.Namespace) -> int:
    """Computes the figures; prints, checks or writes them."""
    readme = README.read_text(encoding="utf-8") if args.check or args.write else ""
    before = published(readme) if readme else ""
    total = len(CONDITIONS) + len(LONGER) + len(GATE_CONDITIONS)
    done = iter(range(1, 100))
    now = figures(lambda name: say(f"{next(done)} of {total}: {name}"))
    if args.write:
        with whole_file(README) as stream:
            stream.write(replaced(readme, now))
    if not args.check:
        print(now, end="")
        return PASS
    if now == before:
        print("the figures in analysis/README.md are these")
        return PASS
    print("".join(difflib.unified_diff(before.splitlines(True), now.splitlines(True),
                                       "analysis/README.md", "now")), end="")
    return FINDING

"""The sentence of a trial, from its intervals alone.

A launch is a sample: two arms ran side by side, and the logarithm of the ratio of their processor
times is the number. Intervals are those of order statistics at 99 %, so that with one-sided errors
of at most 1/200 each the upper limits of ten arms hold together at 95 % (Bonferroni).
"""

import dataclasses
import math
from typing import Sequence

from analysis.runs.trial import HUGE_GLIBC, HUGE_TUNABLE
from analysis.stats import inference
from analysis.stats.inference import Interval

LEVEL = 0.99
FEWEST = 8
"""Launches before there is an interval: the extremes of eight miss with 1/256 a side."""

LEAST_NOISE = 0.002
"""δ, in logs, is never less."""

YES, MALLOC, NO, UNKNOWN = "yes", "no-malloc", "no", "unknown"
"""What a trial can answer."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """An arm's ratio to its baseline. kind: null, delay, malloc, pool, ceiling, adopted, or final:
    the best pool beside the best malloc, on launches that chose neither."""

    arm: str
    baseline: str
    kind: str
    interval: Interval


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What a trial says."""

    answer: str
    sentence: str
    delta: float
    """In logs."""
    delay_seen: bool


def interval(logs: Sequence[float]) -> Interval:
    """The median of a pair's launches and its interval; unbounded with too few of them."""
    if not logs:
        return Interval(math.nan, -math.inf, math.inf, 0.0, 0)
    return inference.order_statistic_interval(logs, LEVEL)


def without_calls(twice: Interval, thrice: Interval) -> Interval:
    """The speed of the program whose calls of malloc and free cost nothing, by extrapolation.

    Time with k calls in the place of each is 1 + b (k - 1) of the plain one; at k = 0 it is 1 - b.
    Both intervals give a range of b; the extremes of both are kept.
    """
    def costs(seen: Interval, calls: int) -> list[float]:
        return [math.expm1(-log) / calls if log > -700 else math.inf
                for log in (seen.median, seen.low, seen.high)]

    def speed(cost: float) -> float:
        return -math.log1p(-cost) if cost < 1 else math.inf

    found = [*costs(twice, 1), *costs(thrice, 2)]
    return Interval(speed((found[0] + found[3]) / 2), speed(min(found)), speed(max(found)),
                    min(twice.coverage, thrice.coverage), min(twice.launches, thrice.launches))


def noise(null: Interval) -> float:
    """δ, in logs: how far apart the null pair's interval says that equal programs can seem."""
    return max(abs(null.low), abs(null.high), LEAST_NOISE)


def verdict(one: Interval, delta: float) -> str:
    """As results are judged everywhere; Bonferroni's correction is in the interval."""
    return inference.verdict(one, delta, 0.0)


def ratio_text(one: Interval) -> str:
    """A ratio with its interval, as the sentence has it."""
    low, high = one.ends
    return f"{one.ratio:.2f} ({low:.2f} to {high:.2f})"


def percent_text(gain: float) -> str:
    """A gain as a percentage, rounded up: a limit may not become smaller by rounding."""
    return f"{max(0.1, math.ceil(gain * 1000 - 1e-9) / 10):.1f} %"


def judge(measured: list[Measured], stated_limit: float) -> Judgement:
    """Yes, no (a malloc does it, or nothing does), or cannot tell. stated_limit: the gain that
    would be worth having, such as 0.05."""
    null = next(one for one in measured if one.kind == "null")
    delay = next(one for one in measured if one.kind == "delay")
    delta = noise(null.interval)
    seen = delay.interval.high < 0
    real = [one for one in measured if one.kind in ("malloc", "pool")]
    again = [one for one in measured if one.kind == "final" and one.baseline == null.baseline]
    limit = max((_most(one) for one in [*real, *again]), default=math.inf)
    answer, sentence = _answer(measured, real, null.baseline, delta, limit, stated_limit)
    return Judgement(answer, sentence, delta, seen)


def _answer(measured: list[Measured], real: list[Measured], plain: str, delta: float,
            limit: float, stated_limit: float) -> tuple[str, str]:
    fewest = min(one.interval.launches for one in measured)
    if fewest < FEWEST:
        return UNKNOWN, (f"Cannot tell in this time: an arm has {fewest} launches of the {FEWEST} "
                         "that an interval needs; give more --time, or a shorter program.")
    final = next((one for one in measured if one.kind == "final"), None)
    mallocs = [one for one in real if one.kind == "malloc"]
    best = max(mallocs, key=lambda one: one.interval.median, default=None)
    if final and verdict(final.interval, delta) == "faster":
        against = (f"{plain}'s malloc, the best there is for it" if final.baseline == plain
                   else f"the best malloc, {final.baseline}")
        return YES, (f"Yes: a pool makes it {ratio_text(final.interval)} times as fast as "
                     f"{against}.")
    if best and verdict(best.interval, delta) == "faster":
        how = (f"set GLIBC_TUNABLES={HUGE_TUNABLE}" if best.arm == HUGE_GLIBC
               else f"preload {best.arm}")
        return MALLOC, (f"No, a malloc does it: {how} for {ratio_text(best.interval)}; a pool adds "
                        f"{_added(final, delta)} to that.")
    if limit <= stated_limit:
        ceilings = [_most(one) for one in measured if one.kind == "ceiling"]
        if ceilings and max(ceilings) <= stated_limit:
            return NO, ("No: nothing known here wins more than "
                        f"{percent_text(max(limit, *ceilings))}.")
        more = (f"; nothing known here wins more than {percent_text(max(ceilings))}" if ceilings
                else "")
        return NO, (f"No: no malloc or pool tried here wins more than {percent_text(limit)}"
                    f"{more}.")
    unseen = max(one.interval.half_width for one in [*real, *([final] if final else [])]) + delta
    pool = max((one for one in real if one.kind == "pool"), default=None,
               key=lambda one: one.interval.median)
    more = ""
    if pool and verdict(pool.interval, delta) == "faster":
        more = (f" A pool is {ratio_text(pool.interval)} times as fast as {plain}; beside "
                f"{final.baseline if final else 'the best malloc'} that is not proved.")
    return UNKNOWN, ("Cannot tell in this time: a gain below "
                     f"{percent_text(math.expm1(unseen))} would not have been seen.{more}")


def _added(final: Measured | None, delta: float) -> str:
    """What a pool adds to the best malloc, by its upper limit."""
    if final is None:
        return "nothing that was tried"
    return ("nothing" if final.interval.high <= delta
            else f"at most {percent_text(_most(final))}")


def _most(one: Measured) -> float:
    """The largest gain that an arm may have."""
    return one.interval.ends[1] - 1

"""Ratios of whole programs, and what follows from them.

A launch is a sample: two arms ran side by side, and the log of the ratio of their
processor times is
the number. The interval of the median is the order-statistic one (David and Nagaraja, Order
Statistics, 2003, 7.1): it holds for any distribution. With one-sided errors of at most 1/200 each,
the upper limits of ten arms hold together at 95 % (Bonferroni).
"""

from __future__ import annotations

import dataclasses
import math
import statistics

ONE_SIDED = 0.005
FEWEST = 8
"""Launches before there is an interval: the extremes of eight miss with 1/256 a side."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A ratio of speeds, above 1 where the arm is faster, with its interval."""

    ratio: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """In logs."""
        if not (self.low > 0 and math.isfinite(self.high)):
            return math.inf
        return math.log(self.high / self.low) / 2


def rank(n: int) -> int:
    """How many samples lie outside of the interval on each side; -1 if there is none yet."""
    below, tail = -1, 0.0
    for k in range(n // 2 + 1):
        tail += math.comb(n, k) / 2.0**n
        if tail > ONE_SIDED:
            break
        below = k
    return below


def interval(logs: list[float]) -> Interval:
    """The median ratio of a pair's launches and its interval; unbounded with too few of them."""
    n = len(logs)
    ordered = sorted(logs)
    ratio = math.exp(statistics.median(ordered)) if ordered else math.nan
    k = rank(n)
    if k < 0:
        return Interval(ratio, 0.0, math.inf, n)
    return Interval(ratio, math.exp(ordered[k]), math.exp(ordered[n - 1 - k]), n)


def without_calls(twice: Interval, thrice: Interval) -> Interval:
    """The speed of the program whose calls of malloc and free cost nothing, by extrapolation.

    Time with k calls in the place of each is 1 + b (k - 1) of the plain one; at k = 0 it is 1 - b.
    Both intervals give a range of b; the extremes of both are kept.
    """
    def cost(speed: float) -> float:
        return 1 / speed - 1 if speed else math.inf

    costs = [cost(value) for value in (twice.ratio, twice.low, twice.high)]
    costs += [cost(value) / 2 for value in (thrice.ratio, thrice.low, thrice.high)]
    middle = (costs[0] + costs[3]) / 2

    def speed(share: float) -> float:
        return 1 / (1 - share) if share < 1 else math.inf

    return Interval(speed(middle), speed(min(costs)), speed(max(costs)), min(twice.n, thrice.n))


def noise(null: Interval) -> float:
    """δ, in logs: how far apart the null pair's interval says that equal programs can seem."""
    if not math.isfinite(null.half_width):
        return math.inf
    return max(abs(math.log(null.low)), abs(math.log(null.high)), 0.002)


def verdict(one: Interval, delta: float) -> str:
    """faster, slower, equal, small or inconclusive, as results are judged everywhere."""
    if not math.isfinite(one.half_width) or not math.isfinite(delta):
        return "inconclusive"
    low, high = math.log(one.low), math.log(one.high)
    if low > delta:
        return "faster"
    if high < -delta:
        return "slower"
    if -delta <= low and high <= delta:
        return "equal"
    return "small" if low > 0 or high < 0 else "inconclusive"

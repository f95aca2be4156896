"""From paired rounds to verdicts: pure functions of numbers, each with its source.

A difference is the natural logarithm of (time of the baseline / time of the arm) in one round:
positive where the arm is faster, and antisymmetric, so that swapping the two only changes its
sign. Every function takes differences as a flat sequence, one entry a round, in any order.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Sequence

import numpy
from scipy import stats
from statsmodels.stats.multitest import multipletests

ALPHA = 0.05
"""The chance that a run admits of making even one false claim; 1 - ALPHA is each interval's
level."""

SMALLEST_DELTA = math.log(1.03)
"""Differences within 3 % are never claimed: layout and chance alone move a program that far
(Mytkowicz et al., ASPLOS 2009)."""

LARGEST_EQUALITY = math.log(1.10)
"""Nothing is called equal that might be 10 % apart, however large δ is: noise is no evidence of
equality."""

VERDICTS = ("faster", "slower", "equal", "small", "inconclusive")


@dataclasses.dataclass(frozen=True)
class Interval:
    """A median of differences with its confidence interval, as natural logarithms."""

    median: float
    low: float
    """-inf where so few rounds admit no interval of the wanted level."""
    high: float
    """+inf likewise."""
    coverage: float
    """The level actually reached: at least the wanted one, or 0 where there is none."""
    rounds: int


def order_statistic_interval(differences: Sequence[float], level: float = 1 - ALPHA) -> Interval:
    """The median and its exact, distribution-free interval between two order statistics.

    The k-th smallest and k-th largest of n values enclose the median with probability
    1 - 2 P(Binomial(n, 1/2) < k), whatever the distribution (David and Nagaraja, Order Statistics,
    2003, section 7.1). The largest k whose probability reaches `level` is taken. Fewer than six
    rounds admit no interval at 95 %. ValueError for no rounds at all.
    """
    values = numpy.sort(numpy.asarray(differences, dtype=float))
    n = len(values)
    if n == 0 or not numpy.isfinite(values).all():
        raise ValueError("an interval needs at least one round, each with a finite difference")
    median = float(numpy.median(values))
    k, coverage = _bounding_rank(n, level)
    if k == 0:
        return Interval(median, -math.inf, math.inf, 0.0, n)
    return Interval(median, float(values[k - 1]), float(values[n - k]), coverage, n)


@functools.lru_cache(maxsize=None)
def _bounding_rank(n: int, level: float) -> tuple[int, float]:
    """(k, its coverage) for n values; k is 0 where even the extremes do not reach the level."""
    coverages = [float(1 - 2 * stats.binom.cdf(k - 1, n, 0.5)) for k in range(1, n // 2 + 1)]
    k = sum(coverage >= level for coverage in coverages)
    return (k, coverages[k - 1]) if k else (0, 0.0)


def sign_test(differences: Sequence[float]) -> float:
    """The two-sided exact p-value of "the median difference is zero"; 1 if every difference is
    zero.

    The test whose inversion is `order_statistic_interval`: it assumes nothing but independent
    rounds (Conover, Practical Nonparametric Statistics, 1999, section 3.4). Rounds of difference
    zero say nothing and are left out, as there.
    """
    values = numpy.asarray(differences, dtype=float)
    return _sign_p(int((values > 0).sum()), int((values < 0).sum()))


@functools.lru_cache(maxsize=None)
def _sign_p(above: int, below: int) -> float:
    if above + below == 0:
        return 1.0
    return float(stats.binomtest(above, above + below, 0.5).pvalue)


def signed_rank_test(differences: Sequence[float]) -> float:
    """The two-sided Wilcoxon signed-rank p-value, exact where there are no ties; 1 if all are zero.

    It weighs rounds by how far they lie from zero, and assumes a symmetric distribution in return
    (Wilcoxon 1945; Conover 1999, section 5.7). Used beside the sign test, never instead of it.
    """
    values = numpy.asarray(differences, dtype=float)
    values = values[values != 0]
    if len(values) == 0:
        return 1.0
    ranks_tied = len(numpy.unique(numpy.abs(values))) < len(values)
    method = "approx" if ranks_tied or len(values) > 50 else "exact"
    return float(stats.wilcoxon(values, method=method).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that all claims together are false with at most the chance of one.

    Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979), valid under any
    dependence among the claims.
    """
    if len(p_values) == 0:
        return []
    return [float(p) for p in multipletests(list(p_values), alpha=ALPHA, method="holm")[1]]


def rounds_needed(claims: int, alpha: float = ALPHA) -> int:
    """The fewest rounds with which any claim of a family of this size can survive `holm`.

    n rounds that all agree have a two-sided sign-test p of 2^(1-n); Holm multiplies the smallest
    by the number of claims. Six rounds are the least that admit an interval at 95 %.
    """
    return max(6, math.ceil(1 + math.log2(max(1, claims) / alpha)))


def noise_limit(null_differences: Sequence[float]) -> float:
    """δ as a logarithm: the larger of 3 % and twice what the null arm's median may be at 95 %.

    The null arm is the baseline under a second name, so whatever separates the medians of the two
    is noise. How far apart they may lie is the far end of the null arm's own
    `order_statistic_interval`: the claims are about medians over rounds, and like theirs this
    noise falls as rounds are added. Infinite if there is no null arm, or too few rounds: a run
    that does not know its noise claims nothing.
    """
    if len(null_differences) == 0:
        return math.inf
    null = order_statistic_interval(null_differences)
    return max(SMALLEST_DELTA, 2 * max(abs(null.low), abs(null.high)))


def verdict(interval: Interval, limit: float, adjusted_p: float) -> str:
    """One of VERDICTS, for an interval, δ as a logarithm, and a p-value that Holm has adjusted.

    faster, slower: the whole interval lies beyond δ, and the claim survives Holm.
    equal: the whole interval lies within δ, and within 10 % where δ is more.
    small: the interval excludes zero without clearing δ.
    inconclusive: anything else.
    """
    if not math.isfinite(interval.low) or not math.isfinite(limit):
        return "inconclusive"
    if interval.low > limit or interval.high < -limit:
        if adjusted_p > ALPHA:
            return "inconclusive"
        return "faster" if interval.low > limit else "slower"
    margin = min(limit, LARGEST_EQUALITY)
    if -margin <= interval.low and interval.high <= margin:
        return "equal"
    if interval.low > 0 or interval.high < 0:
        return "small"
    return "inconclusive"


def smallest_provable(interval: Interval, limit: float) -> float:
    """The smallest true difference, as a logarithm, that a claim this precise would have shown.

    Its median must lie beyond δ by half the width of its interval. Infinite if there is no
    interval.
    """
    return limit + (interval.high - interval.low) / 2

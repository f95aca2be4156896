"""From launches to verdicts: pure functions of numbers, each with its source.

A difference is the natural logarithm of (time of the baseline / time of the arm) in one launch:
positive where the arm is faster, and antisymmetric, so that swapping the two only changes its
sign. Every function takes differences as a flat sequence, one entry a launch, in any order.

With K looks planned, each spends an equal share of the admitted error: p is K times that of the
sign test, and the interval's level is 1 - ALPHA / K (Jennison and Turnbull, Journal of the Royal
Statistical Society B 51, 1989; README.md says why).

Within a run two arms are pairs. Two runs share no launch: what separates their differences is a
shift between two independent samples.
"""

import dataclasses
import functools
import math
from typing import Sequence

import numpy
from scipy import stats

ALPHA = 0.05
"""The chance of even one false claim in a run; intervals have the level 1 - ALPHA."""

SMALLEST_DELTA = math.log(1.01)
"""Differences within 1 % are never claimed: nobody chooses an allocator by them, and what no null
pair shows, such as a neighbour's turn between two of an arm's, may be as large."""

BUILD_DELTA = math.log(1.03)
"""The same between two builds, whose code lies elsewhere: builds of one source in two folders were
2 % apart on churn/mixed16-512/1000 (see Mytkowicz et al., ASPLOS 2009). Smaller changes are told by
instructions."""

LARGEST_EQUALITY = math.log(1.10)
"""Nothing that might be 10 % apart is called equal: noise is no evidence of equality."""

PRECISION = math.log(1.015)
"""What can see so little need not see less."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A median of differences with its confidence interval, as natural logarithms."""

    median: float
    low: float
    """-inf where so few launches admit no interval of the wanted level."""
    high: float
    """+inf likewise."""
    coverage: float
    """The level actually reached: at least the wanted one, or 0 where there is none."""
    launches: int

    @property
    def ratio(self) -> float:
        """The median as a ratio of speeds: 1.25 is 1.25 times as fast."""
        return math.exp(self.median)

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends as ratios; 0 and infinity where there is no interval."""
        return math.exp(self.low), math.exp(self.high) if self.high < 700 else math.inf

    @property
    def half_width(self) -> float:
        """Infinite where there is no interval."""
        return (self.high - self.low) / 2


def order_statistic_interval(differences: Sequence[float], level: float = 1 - ALPHA) -> Interval:
    """The median and its exact, distribution-free interval between two order statistics.

    The k-th smallest and k-th largest of n values enclose the median with probability
    1 - 2 P(Binomial(n, 1/2) < k), whatever the distribution (David and Nagaraja, Order Statistics,
    2003, section 7.1). The largest k whose probability reaches `level` is taken. Fewer than six
    launches admit no interval at 95 %. ValueError for no launches at all.
    """
    values = numpy.sort(numpy.asarray(differences, dtype=float))
    n = len(values)
    if n == 0 or not numpy.isfinite(values).all():
        raise ValueError("an interval needs at least one launch, each with a finite difference")
    median = float(numpy.median(values))
    k, coverage = _bounding_rank(n, level)
    if k == 0:
        return Interval(median, -math.inf, math.inf, coverage, n)
    return Interval(median, float(values[k - 1]), float(values[n - k]), coverage, n)


@functools.lru_cache(maxsize=None)
def _bounding_rank(n: int, level: float) -> tuple[int, float]:
    """(k, its coverage) for n values; k is 0 where even the extremes do not reach the level."""
    coverages = [float(1 - 2 * stats.binom.cdf(k - 1, n, 0.5)) for k in range(1, n // 2 + 1)]
    k = sum(coverage >= level for coverage in coverages)
    return (k, coverages[k - 1]) if k else (0, 0.0)


def sign_test(differences: Sequence[float]) -> float:
    """The two-sided exact p-value of "the median difference is zero"; 1 if all are zero. It assumes
    independent launches alone, and leaves out those of difference zero (Conover, Practical
    Nonparametric Statistics, 1999, section 3.4). `order_statistic_interval` inverts it."""
    values = numpy.asarray(differences, dtype=float)
    return _sign_p(int((values > 0).sum()), int((values < 0).sum()))


@functools.lru_cache(maxsize=None)
def _sign_p(above: int, below: int) -> float:
    if above + below == 0:
        return 1.0
    return float(stats.binomtest(above, above + below, 0.5).pvalue)


def contradicts(interval: Interval, limit: float, word: str) -> bool:
    """Whether an interval, seen otherwise, lies wholly outside of what a verdict claims."""
    if word == "equal":
        margin = min(limit, LARGEST_EQUALITY)
        return interval.low > margin or interval.high < -margin
    return interval.high <= limit if word == "faster" else interval.low >= -limit


# --- Two runs ------------------------------------------------------------------------------------


def shift_interval(base: Sequence[float], new: Sequence[float]) -> Interval:
    """How far the median of `new` lies above that of `base`: between the far ends of both
    intervals, each at half of the error, by Bonferroni's inequality."""
    first, second = (order_statistic_interval(values, 1 - ALPHA / 2) for values in (base, new))
    return Interval(second.median - first.median, second.low - first.high,
                    second.high - first.low, max(0.0, first.coverage + second.coverage - 1),
                    min(first.launches, second.launches))


def rank_sum_test(base: Sequence[float], new: Sequence[float]) -> float:
    """The two-sided Mann-Whitney p-value of "both come from one distribution", exact without ties
    (Annals of Mathematical Statistics 18, 1947)."""
    different = len({*base, *new})
    if different == 1:
        return 1.0
    method = "exact" if different == len(base) + len(new) else "asymptotic"
    return float(stats.mannwhitneyu(base, new, alternative="two-sided", method=method).pvalue)


# --- Families and verdicts -----------------------------------------------------------------------


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted so that all claims together are false with at most the chance of one, under
    any dependence: Holm's procedure (Scandinavian Journal of Statistics 6, 1979)."""
    p = numpy.asarray(p_values, dtype=float)
    order = numpy.argsort(p, kind="stable")
    adjusted = numpy.empty(len(p))
    adjusted[order] = numpy.maximum.accumulate(p[order] * numpy.arange(len(p), 0, -1)).clip(max=1)
    return adjusted.tolist()


def launches_needed(claims: int, looks: int = 1, alpha: float = ALPHA) -> int:
    """The fewest launches with which any claim of a family of this size can survive `holm`: n that
    all agree have a p of 2^(1-n), times the claims, times the looks; and an interval needs some."""
    needed = max(6, math.ceil(1 + math.log2(max(1, claims) * looks / alpha)))
    while _bounding_rank(needed, 1 - alpha / looks)[0] == 0:
        needed += 1
    return needed


def noise_limit(null_differences: Sequence[float]) -> float:
    """δ as a logarithm: 1 %, or the far end of the null pair's interval if that is more. Infinite
    without a null pair or with too few launches: a run that does not know its noise claims nothing.
    """
    if len(null_differences) == 0:
        return math.inf
    null = order_statistic_interval(null_differences)
    return max(SMALLEST_DELTA, abs(null.low), abs(null.high))


def verdict(interval: Interval, limit: float, adjusted_p: float) -> str:
    """A word for an interval, δ as a logarithm, and a p-value that Holm has adjusted; README.md has
    when each is said."""
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


PROVED = ("faster", "slower", "equal")


def judge(differences: Sequence[float], limit: float, adjusted_p: float,
          alone: Sequence[float] = (), looks: int = 1) -> tuple[Interval, str, str]:
    """(the interval of two arms of one run, the verdict, what was taken back and why or ""). A
    proved verdict is taken back where the same launches by the turns `alone` contradict it."""
    interval = order_statistic_interval(differences, 1 - ALPHA / looks)
    word = verdict(interval, limit, adjusted_p)
    if word in PROVED and alone and contradicts(order_statistic_interval(alone), limit, word):
        return interval, "inconclusive", f"{word}, not borne out by the arms alone"
    return interval, word, ""


def settled(word: str, interval: Interval, limit: float, precision: float) -> bool:
    """Whether a verdict gains nothing by more launches: it is proved by an interval that could have
    shown a difference of `precision` (a logarithm), or could see so little that the rest does not
    matter."""
    seen = smallest_provable(interval, limit)
    return seen <= PRECISION or (word in PROVED and seen <= precision)


def smallest_provable(interval: Interval, limit: float) -> float:
    """The smallest true difference, as a logarithm, that a claim this precise would have shown.

    That end of its interval which is nearer to no difference must lie beyond δ. An interval that
    contains no difference has two such ends: the farther one from the median counts. Infinite if
    there is no interval.
    """
    below, above = interval.median - interval.low, interval.high - interval.median
    if interval.low > 0:
        return limit + below
    return limit + (above if interval.high < 0 else max(below, above))

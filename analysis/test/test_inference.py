"""The statistics on tiny inputs whose answers are known by hand or from published tables."""

import math

import numpy
import pytest

from analysis.stats import inference

# Two-sided intervals for a median at 95 %: n, the order statistics that bound it, their coverage.
# From the tables of Conover (1999, A3) and David and Nagaraja (2003, section 7.1).
ORDER_STATISTICS = [(6, 1, 6, 0.969), (7, 1, 7, 0.984), (8, 1, 8, 0.992), (9, 2, 8, 0.961),
                    (10, 2, 9, 0.979), (12, 3, 10, 0.961), (15, 4, 12, 0.965), (20, 6, 15, 0.959),
                    (25, 8, 18, 0.957), (40, 14, 27, 0.962), ]


@pytest.mark.parametrize("n, lower, upper, coverage", ORDER_STATISTICS)
def test_interval_is_between_the_published_order_statistics(n, lower, upper, coverage):
    values = numpy.random.default_rng(n).permutation(numpy.arange(1, n + 1))
    interval = inference.order_statistic_interval(values)
    assert (interval.low, interval.high) == (lower, upper)
    assert interval.coverage == pytest.approx(coverage, abs=0.0006)
    assert interval.median == (n + 1) / 2
    assert interval.launches == n


@pytest.mark.parametrize("n", range(1, 6))
def test_fewer_than_six_rounds_admit_no_interval(n):
    interval = inference.order_statistic_interval(range(n))
    assert (interval.low, interval.high, interval.coverage) == (-math.inf, math.inf, 0.0)


@pytest.mark.parametrize("level, low, high, coverage", [(0.3, 2, 3, 0.375), (0.375, 2, 3, 0.375),
                                                        (0.376, 1, 4, 0.875), (0.875, 1, 4, 0.875)])
def test_the_innermost_pair_that_reaches_the_level_is_taken(level, low, high, coverage):
    """Of four values 1, 4, 6, 4 and 1 of 16 patterns have 0 to 4 below the median."""
    seen = inference.order_statistic_interval([4, 2, 3, 1], level)
    assert (seen.low, seen.high, seen.coverage) == (low, high, coverage)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_interval_refuses_what_is_no_round(values):
    with pytest.raises(ValueError):
        inference.order_statistic_interval(values)


@pytest.mark.parametrize("n", (8, 12, 20))
def test_interval_covers_as_often_as_it_says(n):
    generator = numpy.random.default_rng(7)
    hits = 0
    for _ in range(2000):
        interval = inference.order_statistic_interval(generator.standard_cauchy(n) + 3)
        hits += interval.low <= 3 <= interval.high
    assert hits / 2000 == pytest.approx(interval.coverage, abs=0.012)


def test_sign_test_by_hand():
    assert inference.sign_test([1] * 8) == pytest.approx(2 / 2**8)
    assert inference.sign_test([1] * 11 + [-1]) == pytest.approx(2 * (1 + 12) / 2**12)
    assert inference.sign_test([1, -1, 1, -1]) == 1
    assert inference.sign_test([0, 0]) == 1
    assert inference.sign_test([0, 0] + [3] * 6) == pytest.approx(2 / 2**6)
    assert inference.sign_test([1, 1, 1, -1, -1, -1, -1]) == 1  # 3 of 7 is as even as can be
    assert inference.sign_test([1, -1, -1, -1, -1, -1]) == pytest.approx(2 * (1 + 6) / 2**6)


def test_holm_by_hand():
    # Sorted .005 .01 .03 .04, times 4 3 2 1, then never falling: .02 .03 .06 .06.
    assert inference.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert inference.holm([]) == []
    assert inference.holm([0.03]) == [0.03]
    assert inference.holm([0.9, 0.8]) == [1, 1]


@pytest.mark.parametrize("claims, looks, launches", [
    (1, 1, 6), (6, 1, 8), (7, 1, 9), (48, 1, 11), (60, 1, 12), (240, 1, 14), (60, 2, 13),
    (450, 3, 16)])
def test_launches_needed_are_the_first_that_survive_holm(claims, looks, launches):
    assert inference.launches_needed(claims, looks) == launches
    weakest = [1.0] * (claims - 1)
    assert inference.holm([looks * 2.0**(1 - launches), *weakest])[0] <= inference.ALPHA
    if launches > 6:
        assert inference.holm([looks * 2.0**(2 - launches), *weakest])[0] > inference.ALPHA


def test_every_look_has_an_interval_of_its_share_of_the_error():
    values = [0.1 + 0.001 * i for i in range(20)]
    seen = inference.judge(values, 0.01, 0.01, looks=4)[0]
    assert seen == inference.order_statistic_interval(values, 1 - 0.05 / 4)
    assert seen.coverage >= 1 - 0.05 / 4
    few = inference.launches_needed(1, 4)
    assert math.isfinite(inference.judge(values[:few], 0.01, 0.01, looks=4)[0].low)


def test_noise_limit_is_one_percent_or_the_null_pairs_far_end():
    assert inference.noise_limit([0.001, -0.002, 0.0, 0.001, 0.001,
                                  0.0]) == pytest.approx(math.log(1.01))
    values = [0.01 * i for i in range(1, 21)]  # of 20 the interval is the 6th to the 15th
    assert inference.noise_limit(values) == pytest.approx(0.15)
    assert inference.noise_limit([-v for v in values]) == pytest.approx(0.15)
    assert inference.noise_limit([0.0] * 5) == math.inf
    assert inference.noise_limit([]) == math.inf


def interval(low, high):
    return inference.Interval((low + high) / 2, low, high, 0.96, 12)


@pytest.mark.parametrize("low, high, p, expected", [(0.11, 0.20, 0.01, "faster"),
                                                    (-0.20, -0.11, 0.01, "slower"),
                                                    (0.11, 0.20, 0.051, "inconclusive"),
                                                    (-0.2, -0.11, 0.2, "inconclusive"),
                                                    (0.11, 0.20, 0.05, "faster"),
                                                    (-0.05, 0.05, 0.5, "equal"),
                                                    (0.02, 0.09, 0.001, "equal"),
                                                    (-0.095, 0.095, 1, "equal"),
                                                    (0.05, 0.2, 0.001, "small"),
                                                    (-0.2, -0.05, 0.001, "small"),
                                                    (0.1, 0.2, 0.001, "small"),
                                                    (-0.05, 0.2, 0.5, "inconclusive"),
                                                    (0.0, 0.2, 0.5, "inconclusive"),
                                                    (-0.2, 0.0, 0.5, "inconclusive"),
                                                    (-0.3, 0.3, 1, "inconclusive"),
                                                    (-math.inf, math.inf, 1, "inconclusive"), ])
def test_verdicts_at_their_edges(low, high, p, expected):
    assert inference.verdict(interval(low, high), 0.1, p) == expected


def test_the_edges_of_what_is_equal_and_small():
    assert inference.verdict(interval(-0.05, 0.05), 0.05, 1) == "equal"
    assert inference.verdict(interval(-0.2, -0.1), 0.1, 0.001) == "small"


def test_noise_is_no_evidence_of_equality():
    assert inference.verdict(interval(-0.3, 0.3), 0.7, 1) == "inconclusive"
    assert inference.verdict(interval(0.05, 0.3), 0.7, 0.001) == "small"
    assert inference.verdict(interval(-0.09, 0.09), 0.7, 1) == "equal"


def test_a_run_that_does_not_know_its_noise_claims_nothing():
    assert inference.verdict(interval(1, 2), math.inf, 0.0) == "inconclusive"


def test_verdicts_are_antisymmetric():
    turned = {"faster": "slower", "slower": "faster"}
    generator = numpy.random.default_rng(3)
    for _ in range(500):
        low, high = sorted(generator.normal(0, 0.1, 2))
        p = generator.uniform(0, 0.1)
        there = inference.verdict(interval(low, high), 0.05, p)
        assert inference.verdict(interval(-high, -low), 0.05, p) == turned.get(there, there)


@pytest.mark.parametrize("low, median, high, expected", [
    (0.2, 0.22, 0.3, 0.07), (-0.3, -0.28, -0.2, 0.13), (-0.01, 0.0, 0.03, 0.08),
    (-0.03, 0.0, 0.01, 0.08), (-math.inf, 0.1, math.inf, math.inf)])
def test_smallest_provable_is_delta_and_the_way_to_the_nearer_end(low, median, high, expected):
    seen = inference.Interval(median, low, high, 0.96, 12)
    assert inference.smallest_provable(seen, 0.05) == pytest.approx(expected)
    # What lies as far from no difference, and is as precise, is told; what lies nearer is not.
    if math.isfinite(expected):
        for far, word in ((1.01, "faster"), (0.99, "small")):
            shift = far * expected - median
            moved = inference.Interval(median + shift, low + shift, high + shift, 0.96, 12)
            if low > 0:
                assert inference.verdict(moved, 0.05, 0.0) == word


# --- What takes a verdict back -------------------------------------------------------------------

BEYOND = [0.05 + 0.001 * i for i in range(20)]


@pytest.mark.parametrize("low, high, word, expected",
                         [(0.02, 0.09, "faster", False), (-0.2, 0.03, "faster", True),
                          (0.02, 0.04, "faster", False), (-0.09, -0.02, "slower", False),
                          (-0.03, 0.2, "slower", True), (-0.04, -0.02, "slower", False),
                          (-0.2, 0.2, "equal", False), (0.031, 0.2, "equal", True),
                          (-0.2, -0.031, "equal", True), (0.03, 0.2, "equal", False),
                          (-0.2, -0.03, "equal", False)])
def test_another_view_contradicts_where_none_of_it_lies_in_what_is_claimed(low, high, word,
                                                                           expected):
    assert inference.contradicts(interval(low, high), 0.03, word) is expected


def test_equality_is_contradicted_beyond_ten_percent_however_large_delta_is():
    assert inference.contradicts(interval(0.11, 0.2), 0.7, "equal")
    assert not inference.contradicts(interval(0.05, 0.2), 0.7, "equal")


# --- Two runs ------------------------------------------------------------------------------------


def test_a_shift_lies_between_the_far_ends_of_both_intervals():
    """Of ten values 2 and 9 bound 97.9 %, of twelve 3 and 10 bound 96.1 % and 2 and 11 bound
    99.4 %."""
    seen = inference.shift_interval(range(1, 11), range(101, 113))
    assert (seen.median, seen.low, seen.high) == (106.5 - 5.5, 102 - 9, 111 - 2)
    assert seen.coverage == pytest.approx(0.9785 + 0.9937 - 1, abs=0.0002)
    assert seen.launches == 10


@pytest.mark.parametrize("n, m", [(6, 30), (30, 6), (1, 1)])
def test_too_few_launches_admit_no_shift(n, m):
    seen = inference.shift_interval(range(n), range(m))
    assert (seen.low, seen.high, seen.coverage) == (-math.inf, math.inf, 0.0)


def test_a_shift_is_covered_as_often_as_it_says():
    generator = numpy.random.default_rng(5)
    seen = [inference.shift_interval(generator.normal(0, 1, 9), 0.8 + 3 * generator.normal(
        0, 1, 12)) for _ in range(400)]
    assert sum(item.low <= 0.8 <= item.high for item in seen) >= 0.95 * 400


def test_rank_sum_by_hand():
    assert inference.rank_sum_test([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert inference.rank_sum_test([5, 6, 7, 8], [1, 2, 3, 4]) == pytest.approx(2 / 70)
    assert inference.rank_sum_test([1, 1], [1, 1, 1]) == 1
    assert inference.rank_sum_test([1, 1, 1, 1], [2, 2, 2, 2]) < 0.05


# --- A verdict and the turns alone ---------------------------------------------------------------


@pytest.mark.parametrize("alone, word, doubt", [
    ([], "faster", ""), (BEYOND, "faster", ""),
    ([-v for v in BEYOND], "inconclusive", "faster, not borne out by the arms alone"),
])
def test_a_pair_is_judged_by_the_arms_alone_too(alone, word, doubt):
    assert inference.judge(BEYOND, 0.03, 0.01, alone) == (
        inference.order_statistic_interval(BEYOND), word, doubt)


def test_a_verdict_that_proves_nothing_needs_no_other_view():
    _, word, doubt = inference.judge(BEYOND, 0.055, 0.01, [-1.0] * 20)
    assert (word, doubt) == ("small", "")


def test_what_sees_as_little_as_it_has_to_is_settled():
    """Half the interval's width and δ: 0.012 is less than 1.5 %, 0.018 is not."""
    assert inference.settled("small", interval(0.001, 0.005), 0.01, 0.02)
    assert not inference.settled("small", interval(0.001, 0.017), 0.01, 0.02)
    assert inference.settled("faster", interval(0.021, 0.037), 0.01, 0.02)
    assert not inference.settled("faster", interval(0.021, 0.037), 0.01, 0.017)


# --- Whole families, over and over ---------------------------------------------------------------


NOISES = {
    "calm": lambda generator, shape: generator.normal(0, 0.005, shape),
    "noisy": lambda generator, shape: generator.normal(0, 0.05, shape),
    "heavy tails": lambda generator, shape: 0.01 * generator.standard_t(2, shape),
    "bimodal": lambda generator, shape: 0.3 * generator.integers(2, size=shape) + generator.normal(
        0, 0.01, shape), "skewed": lambda generator, shape: generator.exponential(0.05, shape)
}


def verdicts_of_family(generator, noise, truth, rounds=20):
    """The verdicts of eight arms that are each `truth` slower than a ninth, with a null arm
    beside."""
    logs = noise(generator, (10, rounds))
    null = logs[8] - logs[9]
    differences = [truth + logs[arm] - logs[8] for arm in range(8)]
    adjusted = inference.holm([inference.sign_test(values) for values in differences])
    limit = inference.noise_limit(null)
    return [
        inference.verdict(inference.order_statistic_interval(values), limit, p)
        for values, p in zip(differences, adjusted)
    ]


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_identical_arms_are_claimed_apart_in_at_most_five_of_a_hundred_runs(noise):
    generator = numpy.random.default_rng(11)
    false = sum(not {"faster", "slower"}.isdisjoint(verdicts_of_family(generator, noise, 0.0))
                for _ in range(100))
    assert false <= 5


@pytest.mark.parametrize("name", ["calm", "heavy tails"])
def test_a_true_ten_percent_is_found_in_at_least_ninety_five_of_a_hundred_comparisons(name):
    generator = numpy.random.default_rng(12)
    found = [
        verdict for _ in range(50)
        for verdict in verdicts_of_family(generator, NOISES[name], math.log(1.10))
    ]
    assert found.count("faster") >= 0.95 * len(found)
    assert "slower" not in found

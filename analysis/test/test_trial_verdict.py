"""A trial's intervals and its sentence, on numbers whose answer is known."""

import math
import random

import pytest

from analysis.stats.trial_intervals import FEWEST, interval, noise, rank, verdict, without_calls
from analysis.stats.trial_intervals import Interval
from analysis.stats.trial_verdict import Measured, judge


def measured(**changes):
    """A trial in which nothing differs but what is said: arm → (low, ratio, high)."""
    arms = {"glibc again": (0.999, 1.0, 1.001), "glibc delayed": (0.975, 0.98, 0.985),
            "mimalloc": (0.99, 1.0, 1.01), "pool": (0.99, 1.0, 1.01), "final": (0.99, 1.0, 1.01),
            "bump": (0.98, 0.99, 1.015)} | changes
    kinds = {"mimalloc": "malloc", "pool": "pool", "final": "pool", "bump": "ceiling"}
    roles = {"glibc again": "null", "glibc delayed": "delay", "final": "final"}
    return [Measured(arm, "mimalloc" if arm == "final" else "glibc", kinds.get(arm, "control"),
                     Interval(ratio, low, high, 20), roles.get(arm, ""))
            for arm, (low, ratio, high) in arms.items()]


def test_an_interval_needs_eight_launches():
    assert rank(FEWEST - 1) == -1 and rank(FEWEST) == 0
    assert interval([0.1] * 7).high == math.inf
    assert interval([math.log(1.1)] * 8).low == pytest.approx(1.1)


def test_intervals_hold_as_often_as_they_say():
    randomness = random.Random(1)
    missed = sum(not one.low <= 1 <= one.high for one in
                 (interval([randomness.expovariate(1) - math.log(2) for _ in range(15)])
                  for _ in range(4000)))
    assert 0 < missed < 4000 * 0.015


def test_calls_that_cost_nothing_are_extrapolated():
    free = without_calls(
    Interval(
        1 / 1.1,
        1 / 1.11,
        1 / 1.09,
        9),
        Interval(
            1 / 1.2,
            1 / 1.22,
            1 / 1.18,
             9))
    assert free.ratio == pytest.approx(1 / 0.9)
    assert free.low <= free.ratio <= free.high
    assert without_calls(interval([]), interval([])).high == math.inf


def test_the_null_pair_claims_nothing_about_itself():
    null = Interval(1.01, 1.004, 1.02, 9)
    assert verdict(null, noise(null)) in ("equal", "inconclusive", "small")


def test_yes_names_what_the_pool_is_faster_than():
    said = judge(measured(pool=(1.1, 1.13, 1.15), final=(1.09, 1.12, 1.15)), 0.05)
    assert said.answer == "yes"
    assert said.sentence == ("Yes: a pool makes it 1.12 (1.09 to 1.15) times as fast as the best "
                             "malloc, mimalloc.")


def test_a_malloc_that_does_it_is_named():
    said = judge(measured(mimalloc=(1.1, 1.14, 1.18), final=(0.97, 0.99, 1.0)), 0.05)
    assert said.answer == "no-malloc"
    assert "preload mimalloc for 1.14 (1.10 to 1.18); a pool adds nothing" in said.sentence


def test_no_gives_the_upper_limit_of_the_best_arm():
    said = judge(measured(), 0.05)
    assert said.answer == "no" and said.sentence.endswith("wins more than 1.5 %.")


def test_a_high_ceiling_is_said():
    said = judge(measured(bump=(1.0, 1.1, 1.2)), 0.05)
    assert said.answer == "no" and "1.0 %" in said.sentence and "20.0 %" in said.sentence


def test_wide_intervals_tell_nothing():
    said = judge(measured(pool=(0.9, 1.0, 1.12)), 0.05)
    assert said.answer == "unknown" and said.sentence.startswith("Cannot tell in this time")


def test_a_delay_that_was_not_seen_is_said():
    assert judge(measured(), 0.05).delay_seen
    assert not judge(measured(**{"glibc delayed": (0.97, 0.99, 1.01)}), 0.05).delay_seen

"""Verdicts on synthetic runs whose truth is known, and every number found again in the raw
samples."""

import dataclasses
import math

import pytest

from analysis.report import narrative
from analysis.runs import records
from analysis.stats import verdicts
from analysis.test import synthetic
from analysis.test.synthetic import Truth

SAME = {
    "same": Truth("no difference", {"pool-keep": 5.0, "pool": 5.0}
                  | synthetic.rivals(5, 5, 5, 5)
                  | synthetic.rivals(5, 5, 5, 5, "-calloc"))
}


def ten_percent(faster=1.0):
    return {
        "ten": Truth("10 %", {"pool-keep": 5.0 / faster} | synthetic.rivals(5.5, 5.5, 5.5, 5.5))
    }


def claims_of(truths, noise, seed, rounds=20):
    return verdicts.analyse(synthetic.make_record(truths, rounds, noise, seed))


NOISES = {
    "calm": synthetic.normal(0.005), "noisy": synthetic.normal(0.05),
    "heavy tails": synthetic.heavy_tailed(0.01), "bimodal": synthetic.bimodal(0.3, 0.01),
    "skewed": synthetic.skewed(0.05)
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_equal_arms_yield_no_difference(noise):
    assert not any(c.verdict in ("faster", "slower") for c in claims_of(SAME, noise, 1).family)


@pytest.mark.parametrize("name", ["calm", "heavy tails"])
def test_a_true_ten_percent_is_found(name):
    claims = claims_of(ten_percent(), NOISES[name], 2).family
    assert [c.verdict for c in claims if c.arm == "pool-keep"] == ["faster"] * 4


def test_drowned_in_noise_nothing_is_claimed_and_the_reader_is_told_so():
    analysis = claims_of(ten_percent(), synthetic.normal(0.4), 1)
    assert {c.verdict for c in analysis.family} <= {"inconclusive", "small"}
    answer = narrative.answer(analysis.results[0], "malloc")
    assert answer.word in ("unknown", "small")
    assert math.expm1(analysis.results[0].smallest_provable()) > 0.5


def test_too_few_rounds_yield_no_interval_and_null_in_json():
    analysis = claims_of(ten_percent(), NOISES["calm"], 1, rounds=4)
    entry = analysis.to_json()[0]
    assert entry["low"] is None and entry["high"] is None and entry["verdict"] == "inconclusive"
    assert records.complaint("verdicts", analysis.to_json()) is None


def test_the_known_delay_is_found_or_said_to_be_missed():
    calm = claims_of(ten_percent(), NOISES["calm"], 1)
    assert calm.results[0].delay.ratio == pytest.approx(1 / 1.05, rel=0.01)
    assert "told apart from the pool on 1 of 1" in narrative.delay_sentence(calm)
    noisy = claims_of(ten_percent(), synthetic.normal(0.5), 1)
    assert "could not see so little" in narrative.delay_sentence(noisy)


def test_a_claim_seen_from_its_baseline_is_turned_round():
    claim = next(c for c in claims_of(ten_percent(), NOISES["calm"], 1).family)
    back = verdicts.reverse(claim)
    assert (back.low, back.high) == (pytest.approx(1 / claim.high), pytest.approx(1 / claim.low))
    assert (claim.verdict, back.verdict) == ("faster", "slower")
    assert verdicts.reverse(back) == claim


def test_a_leader_among_rivals_pays_for_having_been_chosen():
    truth = {"slow": Truth("", {"pool-keep": 9.0} | synthetic.rivals(5, 4, 3, 6))}
    analysis = claims_of(truth, NOISES["calm"], 1)
    leader = analysis.results[0].leaders["malloc"]
    assert (leader.arm, leader.baseline, leader.kind) == ("mimalloc", "jemalloc", "leader")
    assert leader.p == pytest.approx(6 * 2 / 2**20)  # six pairs of four rivals
    assert leader.verdict == "faster"


def test_a_pool_in_front_needs_no_claim_of_its_own():
    analysis = claims_of(synthetic.EXAMPLE, NOISES["calm"], 1)
    leader = analysis.results[0].leaders["malloc"]
    assert (leader.arm, leader.kind) == ("pool-keep", "claim")
    assert (sum(c.workload == leader.workload and c.promise == "malloc"
                for c in analysis.family) == 4)


def test_only_equal_promises_are_compared():
    analysis = claims_of(synthetic.EXAMPLE, NOISES["calm"], 1)
    for claim in analysis.family:
        assert (claim.arm == "pool") == (claim.promise == "calloc" and claim.kind == "claim")
        assert claim.baseline.endswith("-calloc") == (claim.promise == "calloc")


# --- Which rows are taken -------------------------------------------------------------------------

FOUR = {"first": Truth("", {"pool-keep": 4.0, "noop": 1.0} | synthetic.rivals(5, 8, 6, 7)
                       | synthetic.rivals(9, 9.5, 9.25, 9.75, "-calloc")),
        "second": Truth("", {"pool-keep": 3.0, "pool": 5.0, "noop": 0.5}
                        | synthetic.rivals(2, 8, 6, 7)
                        | synthetic.rivals(9, 9.5, 9.25, 9.75, "-calloc"))}


def exact_record(truths, rounds=7):
    """A run without noise: every round has the true times."""
    return synthetic.make_record(truths, rounds, lambda generator: 0.0,
                                 machine=lambda generator: 0.0)


def only(record, *arms):
    """The record as if these arms alone had been planned."""
    bare = [dataclasses.replace(workload, arms=[arm for arm in workload.arms if arm in arms])
            for workload in record.plan.workloads]
    return dataclasses.replace(
        record, plan=dataclasses.replace(record.plan, workloads=bare),
        samples=[sample for sample in record.samples if sample.arm in arms])


# --- Rounds that do not count --------------------------------------------------------------------


def small_record(rounds=7):
    return synthetic.make_record(ten_percent(), rounds, NOISES["calm"])


# --- Methods that disagree -----------------------------------------------------------------------


def pool_and_jemalloc(analysis):
    return next(c for c in analysis.family if (c.arm, c.baseline) == ("pool-keep", "jemalloc"))


def disturbed(record, rounds, **factors):
    """The pool's samples of some rounds, with columns multiplied."""
    return dataclasses.replace(record, samples=[
        dataclasses.replace(s, **{name: getattr(s, name) * by for name, by in factors.items()})
        if s.arm == "pool-keep" and s.round in rounds else s for s in record.samples
    ])

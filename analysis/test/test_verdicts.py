"""Verdicts on synthetic runs whose truth is known, and on tiny ones by hand."""

import math

import pytest

from analysis.report import narrative, tables
from analysis.runs import records
from analysis.stats import verdicts
from analysis.test import synthetic, tiny
from analysis.test.synthetic import Truth
from analysis.test.tiny import CALM, spread

SAME = {
    "same": Truth("no difference", {"pool-keep": 5.0, "pool": 5.0}
                  | synthetic.mallocs(5, 5, 5, 5)
                  | synthetic.mallocs(5, 5, 5, 5, "-calloc"))
}


def ten_percent(faster=1.0):
    return {
        "ten": Truth("10 %", {"pool-keep": 5.0 / faster} | synthetic.mallocs(5.5, 5.5, 5.5, 5.5))
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
    assert narrative.outcome_of(analysis.results[0], "pool-keep") == "unproved"
    assert math.expm1(narrative.smallest_provable(analysis, analysis.results[0])) > 0.5


def test_too_few_rounds_yield_no_interval_and_null_in_json():
    analysis = claims_of(ten_percent(), NOISES["calm"], 1, rounds=4)
    entry = analysis.to_json()[0]
    assert entry["low"] is None and entry["high"] is None and entry["verdict"] == "inconclusive"
    assert records.complaint("verdicts", analysis.to_json()) is None


def test_the_known_delay_is_found_or_said_to_be_missed():
    for noise, seen in ((NOISES["calm"], "seen"), (synthetic.normal(0.5), "missed")):
        cell = tables.noise_grid(claims_of(ten_percent(), noise, 1)).rows[0].cells[-2]
        assert (cell.text, cell.note) == (seen, "of 5 %")


def test_only_equal_promises_are_compared():
    analysis = claims_of(synthetic.EXAMPLE, NOISES["calm"], 1)
    for claim in analysis.family:
        assert (claim.arm == "pool") == (claim.promise == "calloc" and claim.kind == "claim")
        assert claim.baseline.endswith("-calloc") == (claim.promise == "calloc")


# --- On a few launches, digit by digit ------------------------------------------------------------

POOL, OTHER = ("pool-keep", "glibc"), ("pool-keep", "jemalloc")
NULL, DELAY = ("null", "glibc"), ("pool-keep-delayed", "pool-keep")
DELTA = math.log(1.01)


def judged(pairs, looks=(8,)):
    """(arm, baseline) → the claim, of a run of one workload."""
    return {(claim.arm, claim.baseline): claim
            for claim in verdicts.analyse(tiny.record({"w": pairs}, looks)).claims}


@pytest.mark.parametrize("lead, word", [
    (spread(0.05), "faster"), (spread(-0.05), "slower"), (spread(0.0), "equal"),
    (spread(0.008), "small"), (spread(-0.008), "small"), (spread(0.0, 0.01), "inconclusive"),
    (spread(DELTA + 0.0036), "faster"), (spread(DELTA + 0.0034), "small")])
def test_each_verdict_is_reached(lead, word):
    """Of eight launches the interval lies between the outermost."""
    claim = judged({POOL: lead, NULL: CALM})[POOL]
    assert (claim.verdict, claim.doubt) == (word, "")
    assert (claim.interval.median, claim.interval.low, claim.interval.high) == pytest.approx(
        (sum(lead) / 8, lead[0], lead[-1]), abs=1e-8)
    assert claim.limit == pytest.approx(DELTA)
    assert claim.time_ns == pytest.approx(1000 * math.exp(-sum(lead) / 8), rel=1e-4)
    assert claim.baseline_time_ns == 1000


@pytest.mark.parametrize("null, delta, word", [
    (spread(0.0), DELTA, "faster"), (spread(0.02), 0.0235, "faster"),
    (spread(-0.02), 0.0235, "faster"), (spread(0.025), 0.0285, "small"),
    (spread(0.0, 0.01), 0.035, "equal"), (spread(0.0, launches=5), math.inf, "inconclusive")])
def test_delta_is_the_far_end_of_the_null_pair(null, delta, word):
    """The claim lies between 0.0265 and 0.0335."""
    claim = judged({POOL: spread(0.03), NULL: null})[POOL]
    assert (claim.limit, claim.verdict) == (pytest.approx(delta), word)
    told = claim.to_json()
    assert told["delta"] == (None if delta == math.inf else pytest.approx(math.expm1(delta)))
    assert told["smallest_provable"] == (None if delta == math.inf
                                         else pytest.approx(math.expm1(delta + 0.0035)))


def test_without_a_null_pair_nothing_is_claimed():
    assert judged({POOL: spread(0.5)})[POOL].verdict == "inconclusive"


@pytest.mark.parametrize("claims, word", [(6, "faster"), (7, "inconclusive")])
def test_a_family_costs_what_holm_says(claims, word):
    """Eight launches that agree have p = 1/128: six of these pass 5 % together, seven do not.
    Controls are no part of the family."""
    names = [f"w{index}" for index in range(claims)]
    analysis = verdicts.analyse(tiny.record({name: {
        POOL: spread(0.05), NULL: CALM, DELAY: spread(-0.05)} for name in names}))
    assert len(analysis.family) == claims
    for claim in analysis.family:
        assert (claim.verdict, claim.p) == (word, 1 / 128)
        assert claim.p_holm == pytest.approx(claims / 128)
    delays = [result.controls["delay"] for result in analysis.results]
    assert {(delay.verdict, delay.p, delay.p_holm) for delay in delays} == {
        ("slower", 1 / 128, 1 / 128)}


def test_holm_steps_down():
    """One launch of eight disagrees: p = 2 (1 + 8) / 256."""
    seen = judged({POOL: spread(0.05), OTHER: [-0.01, *spread(0.05)[1:]], NULL: CALM})
    assert (seen[POOL].p_holm, seen[OTHER].p_holm) == (2 / 128, pytest.approx(18 / 256))


@pytest.mark.parametrize("looks, low, p", [((8,), 2, 1), ((8, 12), 1, 2), ((8, 10, 12), 1, 3)])
def test_looking_twice_costs_an_equal_share_each_time(looks, low, p):
    """Of twelve, the third lies outside of 96.1 % and the second of 99.4 %; p counts each look."""
    lead = spread(0.05, launches=12)
    claim = judged({POOL: lead, NULL: CALM}, looks)[POOL]
    assert claim.interval.low == pytest.approx(lead[low], abs=1e-8)
    assert claim.p == claim.p_holm == p / 2**11


LATER = spread(-0.05)


@pytest.mark.parametrize("lead, alone, doubt", [
    (spread(0.05), spread(0.05), ""), (spread(0.05), spread(0.0), "faster, not borne out by the"
                                       " arms alone"),
    (LATER, spread(0.05), "slower, not borne out by the arms alone"),
    (spread(0.0), LATER, "equal, not borne out by the arms alone"),
    (spread(0.0), spread(0.0, 0.02), "")])
def test_a_verdict_is_taken_back_where_the_arms_alone_contradict_it(lead, alone, doubt):
    claim = judged({POOL: (lead, alone), NULL: CALM}, (len(lead),))[POOL]
    assert claim.doubt == claim.to_json()["doubt"] == doubt
    assert (claim.verdict == "inconclusive") == bool(doubt)


def test_turns_that_change_an_arm_are_seen():
    """The pool takes 4 % more in turns than alone, the baseline as much."""
    shifted = ([value - 0.04 for value in spread(0.05)], spread(0.05))
    result, = verdicts.analyse(tiny.record({"w": {POOL: shifted, NULL: CALM}})).results
    assert [arm.arm.name for arm in result.biased] == ["pool-keep"]
    assert result.biased[0].bias.median == pytest.approx(0.04, abs=1e-6)
    trace = verdicts.analyse(tiny.record({"trace/w": {POOL: shifted, NULL: CALM}})).results[0]
    assert trace.biased == [], "a trace is allowed 5 %"


def test_a_refused_arm_leaves_its_workload_with_all_its_launches():
    run = tiny.record({name: {POOL: spread(0.05), OTHER: spread(0.05), NULL: CALM}
                       for name in ("v", "w")})
    run.refusals.append(records.Refusal("w", "jemalloc", 3, "killed", True))
    first, second = verdicts.analyse(run).results
    assert [[arm.arm.name for arm in result.arms].count("jemalloc")
            for result in (first, second)] == [1, 0]
    assert [len(result.claims) for result in (first, second)] == [2, 1]


def test_open_pairs_are_those_that_more_launches_may_settle():
    """Seen to within 1.5 %, or proved and seen to within the plan's 2 %: settled. Others go on with
    their null pair, those without a proved verdict first."""
    workloads = {"narrow": spread(0.008), "proved": spread(0.05, 0.002),
                 "unproved": spread(0.012, 0.002), "wide": spread(0.1, 0.003)}
    run = tiny.record({name: {POOL: lead, NULL: CALM} for name, lead in workloads.items()})
    assert [[(item.workload, pair.kind) for item, pair in pairs]
            for pairs in verdicts.open_pairs(run)] == [
        [("unproved", "claim"), ("unproved", "null")], [("wide", "claim"), ("wide", "null")]]
    run.refusals.append(records.Refusal("unproved", "pool-keep", 0, "killed", True))
    assert verdicts.open_pairs(run)[0] == []

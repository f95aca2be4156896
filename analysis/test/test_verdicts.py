"""Verdicts on synthetic runs whose truth is known, and every number found again in the raw
samples."""

import dataclasses
import json
import math
import statistics

import pytest

from analysis.report import narrative
from analysis.runs import interference, plan, records
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


def test_eight_rounds_cannot_prove_a_large_family_and_say_so():
    analysis = claims_of(synthetic.EXAMPLE, synthetic.normal(0.001), 1, rounds=8)
    assert not any(c.verdict in ("faster", "slower") for c in analysis.family)
    assert "can prove no difference" in narrative.rounds_sentence(analysis)


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


def test_a_run_without_its_null_arm_claims_nothing():
    record = synthetic.make_record(ten_percent(), 20, NOISES["calm"])
    workload = record.plan.workloads[0]
    arms = [arm for arm in workload.arms if arm != plan.NULL]
    bare = dataclasses.replace(record.plan, workloads=[dataclasses.replace(workload, arms=arms)])
    kept = [sample for sample in record.samples if sample.arm != plan.NULL]
    analysis = verdicts.analyse(dataclasses.replace(record, plan=bare, samples=kept))
    assert {c.verdict for c in analysis.claims} == {"inconclusive"}
    assert "does not know its noise" in narrative.null_sentence(analysis)


def test_ratio_is_baseline_time_over_arm_time():
    record = synthetic.make_record(ten_percent(faster=1.0), 6, lambda generator: 0.0,
                                   machine=lambda generator: 0.0)
    claim = next(c for c in verdicts.analyse(record).claims if c.baseline == "jemalloc")
    assert claim.ratio == pytest.approx(1.1)
    assert (claim.low, claim.high) == (pytest.approx(1.1), pytest.approx(1.1))
    assert (claim.time_ns, claim.baseline_time_ns) == (5.0, 5.5)
    assert claim.limit == pytest.approx(math.log(1.03))
    back = verdicts.reverse(claim)
    assert back.ratio == pytest.approx(
        1 / 1.1) and (back.arm, back.baseline) == ("jemalloc", "pool-keep")
    assert (back.time_ns, back.baseline_time_ns, back.verdict) == (5.5, 5.0, claim.verdict)


def test_a_claim_seen_from_its_baseline_is_turned_round():
    claim = next(c for c in claims_of(ten_percent(), NOISES["calm"], 1).family)
    back = verdicts.reverse(claim)
    assert (back.low, back.high) == (pytest.approx(1 / claim.high), pytest.approx(1 / claim.low))
    assert (claim.verdict, back.verdict) == ("faster", "slower")
    assert verdicts.reverse(back) == claim


def test_every_number_of_verdicts_json_comes_from_the_raw_samples(tmp_path):
    """Recomputed from records.jsonl by other means: plain Python and combinatorics."""
    record = synthetic.make_record(synthetic.EXAMPLE, 13, NOISES["heavy tails"], seed=5)
    synthetic.write(record, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    times = {(line["workload"], line["round"], line["arm"]): line["cpu_time_ns"] for line in lines}
    entries = verdicts.analyse(records.read(tmp_path)).to_json()
    family = [entry for entry in entries if entry["kind"] != "control"]
    assert len(family) >= 48
    for entry in entries:
        name, n = entry["workload"], entry["n"]
        logs = sorted(
            math.log(times[name, r, entry["baseline"]] / times[name, r, entry["arm"]])
            for r in range(n))
        assert n == 13
        assert entry["ratio"] == pytest.approx(math.exp(logs[6]))
        assert entry["low"] == pytest.approx(math.exp(
            logs[2]))  # n = 13: third smallest, third largest
        assert entry["high"] == pytest.approx(math.exp(logs[10]))
        assert entry["time_ns"] == pytest.approx(
            statistics.median(times[name, r, entry["arm"]] for r in range(n)))
        null = sorted(math.log(times[name, r, "glibc"] / times[name, r, "null"]) for r in range(n))
        far = max(abs(null[2]), abs(null[10]))
        assert math.log1p(entry["delta"]) == pytest.approx(max(math.log(1.03), 2 * far))
        less = sum(value < 0 for value in logs)
        tail = sum(math.comb(n, k) for k in range(min(less, n - less) + 1)) / 2**n
        if entry["kind"] != "leader":
            assert entry["p"] == pytest.approx(min(1, 2 * tail))
    ordered = sorted(family, key=lambda entry: entry["p"])
    highest = 0.0
    for place, entry in enumerate(ordered):
        highest = max(highest, min(1.0, entry["p"] * (len(ordered) - place)))
        assert entry["p_holm"] == pytest.approx(highest)


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


def test_the_best_rival_is_the_fastest_of_the_pools_own_claims():
    first, second = verdicts.analyse(exact_record(FOUR)).results
    assert first.against_best("pool-keep").baseline == "glibc"
    assert first.against_best("pool") is None  # though the calloc rivals have a claim of their own
    assert second.against_best("pool-keep").baseline == "glibc"
    assert second.against_best("pool").baseline == "glibc-calloc"
    assert first.against_best("glibc-calloc") is None
    assert (first.leaders["calloc"].kind, first.leaders["calloc"].arm) == ("leader", "glibc-calloc")


def test_a_result_has_its_own_arms_refusals_and_harness():
    record = exact_record(FOUR)
    refusals = [records.Refusal("first", "mimalloc", 3, 0, "malloc belongs to another", False),
                records.Refusal("second", "jemalloc", 2, 0, "ended by SIGSEGV", True)]
    gone = {("first", "mimalloc"), ("second", "jemalloc")}
    kept = [s for s in record.samples if (s.workload, s.arm) not in gone]
    first, second = verdicts.analyse(
        dataclasses.replace(record, samples=kept, refusals=refusals)).results
    assert (first.refusals, second.refusals) == (refusals[:1], refusals[1:])
    assert (first.harness_share, second.harness_share) == (0.25, 0.25)  # 1 of 4, 0.5 of 2
    assert first.arm("tcmalloc").time_ns == 7 and first.arm("mimalloc") is None
    assert second.arm("mimalloc").times_ns == [6.0] * 7
    assert set(first.leaders) == {"malloc", "calloc"}


def test_without_its_no_op_arm_a_harness_has_no_share():
    record = only(exact_record(FOUR), "pool-keep", "glibc")
    assert [result.harness_share for result in verdicts.analyse(record).results] == [None, None]
    record = only(exact_record(FOUR), "noop", "null")
    assert [result.harness_share for result in verdicts.analyse(record).results] == [None, None]


def test_two_arms_are_enough_for_a_claim_and_for_a_control():
    pair = verdicts.analyse(only(exact_record(FOUR), "pool-keep", "jemalloc"))
    assert [(c.workload, c.arm, c.baseline, c.p) for c in pair.claims] == [
        (name, "pool-keep", "jemalloc", 2 / 2**7) for name in FOUR]
    nulls = verdicts.analyse(only(exact_record(FOUR), "null", "glibc"))
    assert [(c.arm, c.baseline, c.kind, c.p) for c in nulls.claims] == [
        ("null", "glibc", "control", 1.0)] * 2
    assert nulls.results[0].null_differences == [0.0] * 7
    assert nulls.results[0].limit == pytest.approx(math.log(1.03))
    delays = verdicts.analyse(only(exact_record(FOUR), "pool-keep-delayed", "pool-keep"))
    assert [(c.arm, c.baseline, c.kind) for c in delays.claims] == [
        ("pool-keep-delayed", "pool-keep", "control")] * 2


def test_one_arm_of_a_promise_leads_nobody():
    result = verdicts.analyse(only(exact_record(FOUR), "glibc", "null")).results[0]
    assert result.claims == [] and result.leaders == {"malloc": None}
    assert result.smallest_provable() == math.inf


def test_a_leaders_p_value_is_at_most_one():
    """Seven rounds, four of them one way: the sign test says 1, and six pairs say no more."""
    record = exact_record({"even": Truth("", {"pool-keep": 9.0} | synthetic.rivals(7, 8, 5, 6))})
    swapped = {"mimalloc": 6.5, "tcmalloc": 5.0}
    record = dataclasses.replace(record, samples=[
        dataclasses.replace(s, cpu_time_ns=swapped[s.arm])
        if s.arm in swapped and s.round < 3 else s for s in record.samples])
    leader = verdicts.analyse(record).results[0].leaders["malloc"]
    assert (leader.arm, leader.baseline, leader.p) == ("mimalloc", "tcmalloc", 1.0)


def test_the_medians_of_an_arm():
    record = exact_record(FOUR, rounds=9)
    numbered = [dataclasses.replace(
        s, cpu_time_ns=s.cpu_time_ns * (1 + s.round), max_rss_bytes=1000 * s.round,
        minor_faults=10 * s.round, counters={"held": float(s.round), "once": 5.0}
        if s.round else {"held": 0.0}) for s in record.samples]
    arm = verdicts.analyse(dataclasses.replace(record, samples=numbered)).results[0].arm("glibc")
    assert arm.times_ns == [5.0 * (1 + n) for n in range(9)]
    assert (arm.time_ns, arm.low_ns, arm.high_ns) == (25, pytest.approx(10), pytest.approx(40))
    assert (arm.max_rss_bytes, arm.minor_faults) == (4000, 40)
    assert arm.counters == {"held": 4.0, "once": 5.0}


def test_what_nobody_knows_has_no_median():
    record = exact_record(FOUR, rounds=5)
    bare = [dataclasses.replace(s, max_rss_bytes=None, counters={"held": 1.0}
                                if s.arm == "null" else {}) for s in record.samples]
    arm = verdicts.analyse(dataclasses.replace(record, samples=bare)).results[0].arm("glibc")
    assert (arm.max_rss_bytes, arm.counters) == (None, {})
    assert (arm.low_ns, arm.high_ns) == (0, math.inf)


@pytest.mark.parametrize("gone, complete", [
    (lambda s: False, True), (lambda s: s.round == 6 and s.workload == "first", False),
    (lambda s: s.round == 6, False), (lambda s: s.workload == "second", False)])
def test_a_run_is_complete_with_every_round_of_every_workload(gone, complete):
    record = exact_record(FOUR)
    kept = [sample for sample in record.samples if not gone(sample)]
    assert verdicts.analyse(dataclasses.replace(record, samples=kept)).complete is complete


def test_the_other_clock_is_counted_where_it_proves_otherwise():
    record = exact_record(ten_percent(2.0), rounds=20)
    assert verdicts.analyse(record).differing == 0
    near = [dataclasses.replace(s, time_ns=s.time_ns * 3.0) if s.arm == "pool-keep"
            and s.round < 12 else s for s in record.samples]
    analysis = verdicts.analyse(dataclasses.replace(record, samples=near))
    assert [c.verdict for c in analysis.family] == ["faster"] * 4 and analysis.differing == 4


# --- Rounds that do not count --------------------------------------------------------------------


def small_record(rounds=7):
    return synthetic.make_record(ten_percent(), rounds, NOISES["calm"])


def test_an_unfinished_round_does_not_count():
    record = small_record()
    analysis = verdicts.analyse(dataclasses.replace(record, samples=record.samples[:-1]))
    assert analysis.results[0].rounds == 6
    assert not analysis.complete
    assert analysis.frame["used"].sum() == 6 * len(record.plan.workloads[0].arms)


def test_a_refused_arm_leaves_and_the_others_stay():
    record = small_record()
    refusal = records.Refusal("ten", "mimalloc", 3, 0, "malloc belongs to another", False)
    kept = [s for s in record.samples if not (s.arm == "mimalloc" and s.round >= 3)]
    analysis = verdicts.analyse(dataclasses.replace(record, samples=kept, refusals=[refusal]))
    assert analysis.results[0].rounds == 7
    assert "mimalloc" not in {c.baseline for c in analysis.claims}
    assert {c.baseline for c in analysis.family} >= {"glibc", "jemalloc", "tcmalloc"}


def test_a_round_run_again_counts_once_with_its_last_attempt():
    record = small_record()
    bad = [dataclasses.replace(s, steal_s=0.1) if s.round == 2 else s for s in record.samples]
    again = [
        dataclasses.replace(s, attempt=1, time_ns=s.time_ns * 3) for s in record.samples
        if s.round == 2
    ]
    analysis = verdicts.analyse(dataclasses.replace(record, samples=bad + again))
    assert analysis.results[0].rounds == 7
    used = analysis.frame[analysis.frame["used"] & (analysis.frame["round"] == 2)]
    assert set(used["attempt"]) == {1}
    assert [(r.workload, r.round) for r in analysis.repeats] == [("ten", 2)]
    assert "stolen" in analysis.repeats[0].reason
    once_more = [dataclasses.replace(s, attempt=2) for s in again]
    repeats = verdicts.analyse(
        dataclasses.replace(record, samples=bad + again + once_more)).repeats
    assert [(r.round, r.reason) for r in repeats] == [
        (2, analysis.repeats[0].reason), (2, "the ledger was bad")]


def test_the_ledgers_rule():
    rule = interference.Rule(spin_reference_ns=1_000_000)
    good = [s for s in small_record().samples if s.round == 0]
    assert interference.objection(good, rule) is None
    assert interference.objection([], rule) is None
    stolen = [dataclasses.replace(good[0], steal_s=0.2), *good[1:]]
    assert "stolen" in interference.objection(stolen, rule)
    slow = [dataclasses.replace(s, spin_before_ns=1_300_000, spin_after_ns=1_300_000) for s in good]
    assert "1.30 times slower" in interference.objection(slow, rule)
    one_slow = [dataclasses.replace(good[0], spin_before_ns=9_000_000), *good[1:]]
    assert interference.objection(one_slow, rule) is None


# --- Methods that disagree -----------------------------------------------------------------------


def pool_and_jemalloc(analysis):
    return next(c for c in analysis.family if (c.arm, c.baseline) == ("pool-keep", "jemalloc"))


def disturbed(record, rounds, **factors):
    """The pool's samples of some rounds, with columns multiplied."""
    return dataclasses.replace(record, samples=[
        dataclasses.replace(s, **{name: getattr(s, name) * by for name, by in factors.items()})
        if s.arm == "pool-keep" and s.round in rounds else s for s in record.samples
    ])


def test_a_verdict_that_the_signed_rank_test_does_not_share_is_taken_back():
    record = synthetic.make_record(ten_percent(2.0), 20, NOISES["calm"])
    sound = verdicts.analyse(record)
    assert pool_and_jemalloc(sound).verdict == "faster" and pool_and_jemalloc(sound).doubt == ""
    assert "none of them disagrees" in narrative.doubt_sentence(sound)
    claim = pool_and_jemalloc(verdicts.analyse(disturbed(record, range(4), cpu_time_ns=99.0)))
    assert claim.interval.low > claim.limit and claim.p_holm <= 0.05
    assert claim.verdict == "inconclusive" and not claim.proved
    assert claim.doubt == "faster, not borne out by the signed-rank test"


def test_a_verdict_that_the_wall_clock_denies_is_taken_back():
    record = disturbed(small_record(20), range(20), time_ns=1.5)
    analysis = verdicts.analyse(record)
    assert pool_and_jemalloc(analysis).doubt == "faster, not borne out by the wall clock"
    said = narrative.doubt_sentence(analysis)
    assert "4 verdicts became inconclusive, not borne out by the wall clock." in said
    assert all(entry["verdict"] == "inconclusive" for entry in analysis.to_json()
               if entry["doubt"])


@pytest.mark.parametrize("repeated", [15, 20])
def test_a_verdict_that_only_repeated_rounds_bear_out_is_taken_back(repeated):
    """Rounds were run again, and only then was the pool the faster one."""
    record = small_record(20)
    again = [dataclasses.replace(s, attempt=1) for s in record.samples if s.round < repeated]
    before = disturbed(record, range(repeated), cpu_time_ns=1.5)
    claim = pool_and_jemalloc(verdicts.analyse(
        dataclasses.replace(record, samples=[*before.samples, *again])))
    assert claim.doubt == ("faster, not borne out by the rounds as they were before they were run"
                           " again")
    same = [*record.samples, *again]
    assert pool_and_jemalloc(verdicts.analyse(
        dataclasses.replace(record, samples=same))).verdict == "faster"

"""Verdicts on synthetic runs whose truth is known, and every number found again in the raw
samples."""

import dataclasses
import json
import math
import statistics

import pytest

from analysis import ledger, plan, samples, synthetic, verdicts, wording
from analysis.synthetic import Truth

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
    answer = wording.answer(analysis.results[0], "malloc")
    assert answer.word in ("unknown", "small")
    assert math.expm1(analysis.results[0].smallest_provable()) > 0.5


def test_eight_rounds_cannot_prove_a_large_family_and_say_so():
    analysis = claims_of(synthetic.EXAMPLE, synthetic.normal(0.001), 1, rounds=8)
    assert not any(c.verdict in ("faster", "slower") for c in analysis.family)
    assert "can prove no difference" in wording.rounds_sentence(analysis)


def test_too_few_rounds_yield_no_interval_and_null_in_json():
    analysis = claims_of(ten_percent(), NOISES["calm"], 1, rounds=4)
    entry = analysis.to_json()[0]
    assert entry["low"] is None and entry["high"] is None and entry["verdict"] == "inconclusive"
    assert samples.complaint("verdicts", analysis.to_json()) is None


def test_the_known_delay_is_found_or_said_to_be_missed():
    calm = claims_of(ten_percent(), NOISES["calm"], 1)
    assert calm.results[0].delay.ratio == pytest.approx(1 / 1.05, rel=0.01)
    assert "told apart from the pool on 1 of 1" in wording.delay_sentence(calm)
    noisy = claims_of(ten_percent(), synthetic.normal(0.5), 1)
    assert "could not see so little" in wording.delay_sentence(noisy)


def test_a_run_without_its_null_arm_claims_nothing():
    record = synthetic.make_record(ten_percent(), 20, NOISES["calm"])
    workload = record.plan.workloads[0]
    arms = [arm for arm in workload.arms if arm != plan.NULL]
    bare = dataclasses.replace(record.plan, workloads=[dataclasses.replace(workload, arms=arms)])
    kept = [sample for sample in record.samples if sample.arm != plan.NULL]
    analysis = verdicts.analyse(dataclasses.replace(record, plan=bare, samples=kept))
    assert {c.verdict for c in analysis.claims} == {"inconclusive"}
    assert "does not know its noise" in wording.null_sentence(analysis)


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


def test_every_number_of_verdicts_json_comes_from_the_raw_samples(tmp_path):
    """Recomputed from samples.jsonl by other means: plain Python and combinatorics."""
    record = synthetic.make_record(synthetic.EXAMPLE, 13, NOISES["heavy tails"], seed=5)
    synthetic.write(record, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    times = {(line["workload"], line["round"], line["arm"]): line["cpu_time_ns"] for line in lines}
    entries = verdicts.analyse(samples.read(tmp_path)).to_json()
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
    refusal = samples.Refusal("ten", "mimalloc", 3, 0, "malloc belongs to another", False)
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


def test_the_ledgers_rule():
    rule = ledger.Rule(spin_reference_ns=1_000_000)
    good = [s for s in small_record().samples if s.round == 0]
    assert ledger.objection(good, rule) is None
    assert ledger.objection([], rule) is None
    stolen = [dataclasses.replace(good[0], steal_s=0.2), *good[1:]]
    assert "stolen" in ledger.objection(stolen, rule)
    slow = [dataclasses.replace(s, spin_before_ns=1_300_000, spin_after_ns=1_300_000) for s in good]
    assert "1.30 times slower" in ledger.objection(slow, rule)
    one_slow = [dataclasses.replace(good[0], spin_before_ns=9_000_000), *good[1:]]
    assert ledger.objection(one_slow, rule) is None


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
    assert "none of them disagrees" in wording.doubt_sentence(sound)
    claim = pool_and_jemalloc(verdicts.analyse(disturbed(record, range(4), cpu_time_ns=99.0)))
    assert claim.interval.low > claim.limit and claim.p_holm <= 0.05
    assert claim.verdict == "inconclusive" and not claim.proved
    assert claim.doubt == "faster, not borne out by the signed-rank test"


def test_a_verdict_that_the_wall_clock_denies_is_taken_back():
    record = disturbed(small_record(20), range(20), time_ns=1.5)
    analysis = verdicts.analyse(record)
    assert pool_and_jemalloc(analysis).doubt == "faster, not borne out by the wall clock"
    said = wording.doubt_sentence(analysis)
    assert "4 verdicts became inconclusive, not borne out by the wall clock." in said
    assert all(entry["verdict"] == "inconclusive" for entry in analysis.to_json()
               if entry["doubt"])


def test_a_verdict_that_only_repeated_rounds_bear_out_is_taken_back():
    """Fifteen of twenty rounds were run again, and only then was the pool the faster one."""
    record = small_record(20)
    again = [dataclasses.replace(s, attempt=1) for s in record.samples if s.round < 15]
    before = disturbed(record, range(15), cpu_time_ns=1.5)
    claim = pool_and_jemalloc(verdicts.analyse(
        dataclasses.replace(record, samples=[*before.samples, *again])))
    assert claim.doubt == ("faster, not borne out by the rounds as they were before they were run"
                           " again")
    same = [*record.samples, *again]
    assert pool_and_jemalloc(verdicts.analyse(
        dataclasses.replace(record, samples=same))).verdict == "faster"

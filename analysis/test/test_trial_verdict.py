"""A trial's intervals, its sentence and its page, on numbers whose answer is known."""

import json
import math
import random

import pytest

from analysis.report import document, trial as report
from analysis.report import trials
from analysis.runs import schema
from analysis.runs.trial import (HUGE_GLIBC, Advice, Advised, Arm, Command, Counted, Document,
                                 Launch, Pair, Process, Trial, Verdict, Work)
from analysis.stats.inference import Interval
from analysis.stats.trial_verdict import (FEWEST, Measured, interval, judge, noise, verdict,
                                          without_calls)
from analysis.system.files import ROOT


def speeds(low, ratio, high, launches=20):
    return Interval(math.log(ratio), math.log(low), math.log(high), 0.99, launches)


def measured(**changes):
    """A trial in which nothing differs but what is said: arm → (low, ratio, high)."""
    arms = {"glibc again": (0.999, 1.0, 1.001), "glibc delayed": (0.975, 0.98, 0.985),
            "mimalloc": (0.99, 1.0, 1.01), "pool": (0.99, 1.0, 1.01), "final": (0.99, 1.0, 1.01),
            "bump": (0.98, 0.99, 1.015)} | changes
    kinds = {"mimalloc": "malloc", HUGE_GLIBC: "malloc", "pool": "pool", "final": "final",
             "bump": "ceiling", "glibc again": "null", "glibc delayed": "delay"}
    return [Measured(arm, "mimalloc" if arm == "final" else "glibc", kinds[arm], speeds(*seen))
            for arm, seen in arms.items()]


def test_an_interval_needs_eight_launches():
    assert interval([0.1] * (FEWEST - 1)).ends == (0, math.inf)
    assert interval([0.1] * FEWEST).low == pytest.approx(0.1)
    assert interval([]).half_width == math.inf


def test_intervals_hold_as_often_as_they_say():
    randomness = random.Random(1)
    missed = sum(not one.low <= 0 <= one.high for one in
                 (interval([randomness.expovariate(1) - math.log(2) for _ in range(15)])
                  for _ in range(4000)))
    assert 0 < missed < 4000 * 0.015


def test_calls_that_cost_nothing_are_extrapolated():
    """Twice as many calls take 10 % more, three times as many 20 %: none at all take 10 % less."""
    free = without_calls(speeds(1 / 1.11, 1 / 1.1, 1 / 1.09, 9),
                         speeds(1 / 1.22, 1 / 1.2, 1 / 1.18, 8))
    assert free.ratio == pytest.approx(1 / 0.9)
    assert free.ends == (pytest.approx(1 / 0.91), pytest.approx(1 / 0.89))
    assert free.launches == 8
    assert without_calls(interval([]), interval([])).high == math.inf


def test_the_null_pair_claims_nothing_about_itself():
    null = speeds(1.004, 1.01, 1.02)
    assert verdict(null, noise(null)) in ("equal", "inconclusive", "small")


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "trial").glob("*.json.gz")),
                         ids=lambda path: path.name)
def test_published_trials_follow_from_their_launches(path):
    told = trials.read(path)
    logs = {(pair.arm, pair.baseline, pair.final): [math.log(other[0] / one[0])
                                                    for one, other in pair.launches]
            for pair in told.pairs}
    delta = noise(interval(logs["glibc again", "glibc", False]))
    assert delta == pytest.approx(told.delta or math.inf, abs=1e-4)
    for row in trials.measured(told):
        seen = interval(logs.get((row.arm, row.baseline, row.kind == "final"), []))
        assert seen.launches == row.n
        if row.low:
            assert (seen.ratio, *seen.ends) == pytest.approx(
                (row.ratio, row.low, row.high), abs=1e-4)
            assert verdict(seen, delta) == row.verdict
    assert any(row.low for row in trials.measured(told))


def test_the_published_page_is_that_of_its_trials():
    folder = ROOT / "results" / "trial"
    assert (folder / "README.md").read_text("utf-8") == trials.page(trials.published(folder))


def document_with(claims, littered=False):
    claims = [("glibc again", "null", 0.999, 1.0, 1.001), *claims]
    command = Command(("prog",), littered=littered, adopted=("POOL=1",))
    verdicts = [Verdict(arm, "glibc", kind, ratio, low, high, 20, "equal")
                for arm, kind, low, ratio, high in claims]
    return Document("1", "No.", "no", verdicts, 0.002, True, [], command, 1, 60.0,
                    {"load_at_start": 2.0, "processors": 2, "processor": "x"},
                    Work(1, 1, True, 0.0, 0, 1), [], Advised([], 0.0, 0),
                    [])


@pytest.mark.parametrize("gain, said", [
    (1.05, "inside"), (0.9, "below"), (1.3, "above"), (1.205, "inside, by its interval")])
def test_a_known_answer_lies_inside_or_not(gain, said):
    rows = trials.known_answers({"prog": document_with([
        ("pool", "pool", 0.98, 1.0, 1.02), ("bump", "ceiling", 1.0, 1.1, 1.2),
        ("adopted", "adopted", gain - 0.01, gain, gain + 0.01)])})
    assert [row[-1] for row in rows] == [said]


@pytest.mark.parametrize("low, holds", [(1.0, "holds"), (1.1, "does not hold")])
def test_a_malloc_that_wins_more_than_the_no_said_is_told(low, holds):
    first = document_with([("pool", "pool", 0.98, 1.0, 1.02)])
    later = document_with([("mimalloc3", "malloc", low, low + 0.01, low + 0.02)])
    assert f"| {holds}: 1.020 | – |\n" in trials.page({"prog": first, "prog-audit": later})


def test_wide_intervals_are_counted_and_what_is_not_launched_is_not():
    narrow = document_with([("pool", "pool", 0.99, 1.0, 1.01),
                            ("calls that cost nothing", "ceiling", 1.0, 1.2, 1.4)])
    wide = document_with([("pool", "pool", 0.9, 1.0, 1.1)], littered=True)
    assert "- 1 of 2 trials" in trials.page({"a": narrow, "a-littered": wide})


def test_yes_names_what_the_pool_is_faster_than():
    said = judge(measured(pool=(1.1, 1.13, 1.15), final=(1.09, 1.12, 1.15)), 0.05)
    assert said.answer == "yes"
    assert said.sentence == ("Yes: a pool makes it 1.12 (1.09 to 1.15) times as fast as the best "
                             "malloc, mimalloc.")


def test_a_malloc_that_does_it_is_named():
    said = judge(measured(mimalloc=(1.1, 1.14, 1.18), final=(0.97, 0.99, 1.0)), 0.05)
    assert said.answer == "no-malloc"
    assert "preload mimalloc for 1.14 (1.10 to 1.18); a pool adds nothing" in said.sentence
    said = judge(measured(**{HUGE_GLIBC: (1.1, 1.14, 1.18), "final": (0.97, 0.99, 1.0)}), 0.05)
    assert "it: set GLIBC_TUNABLES=glibc.malloc.hugetlb=1 for 1.14" in said.sentence


def test_no_gives_the_upper_limit_of_the_best_arm():
    said = judge(measured(), 0.05)
    assert said.answer == "no" and said.sentence.endswith("wins more than 1.5 %.")


def test_a_no_is_no_less_than_the_last_launches_of_the_best_pool_allow():
    final = [Measured("pool", "glibc", "final", speeds(0.99, 1.0, 1.03))]
    said = judge([one for one in measured() if one.kind != "final"] + final, 0.05)
    assert said.answer == "no" and said.sentence.endswith("wins more than 3.0 %.")


def test_a_high_ceiling_is_said():
    said = judge(measured(bump=(1.0, 1.1, 1.2)), 0.05)
    assert said.answer == "no" and "1.0 %" in said.sentence and "20.0 %" in said.sentence


def test_without_a_ceiling_nothing_is_said_of_what_was_not_tried():
    said = judge([one for one in measured() if one.kind != "ceiling"], 0.05)
    assert said.sentence == "No: no malloc or pool tried here wins more than 1.0 %."


def test_wide_intervals_tell_nothing():
    said = judge(measured(pool=(0.9, 1.0, 1.12)), 0.05)
    assert said.answer == "unknown" and said.sentence.startswith("Cannot tell in this time")


def test_a_delay_that_was_not_seen_is_said():
    assert judge(measured(), 0.05).delay_seen
    assert not judge(measured(**{"glibc delayed": (0.97, 0.99, 1.01)}), 0.05).delay_seen


def launch(arm, cpu_s, **counts):
    counts = dict.fromkeys(report.PROVED, 0) | {"served_bytes": 0, "flags": 0} | counts
    return Launch(arm, 0, cpu_s, 0.0, cpu_s, 1 << 20, False, "", (
        Process(1, 0, "p", "witness", "", counts), Process(1, 0, "p", arm, "", counts)), 0.0, None)


def test_the_page_has_every_arm_and_what_it_served(tmp_path):
    """The pool is 10 % faster in each of ten launches, the delay 2 % slower."""
    factors = {("glibc again", "glibc"): 1.0, ("glibc delayed", "glibc"): 1.02,
               ("pool", "glibc"): 1 / 1.1, ("pool", "mimalloc"): 1 / 1.1,
               ("calls twice", "glibc"): 1.1, ("calls three times", "glibc"): 1.2}
    kinds = {"pool": "pool", "calls twice": "ceiling", "calls three times": "ceiling",
             "glibc again": "null", "glibc delayed": "delay"}
    pairs = [Pair(Arm(arm, kinds[arm]), Arm(base, "malloc"), base == "mimalloc",
                  [(launch(arm, 2 * by, served=3, left=1), launch(base, 2.0))] * 10)
             for (arm, base), by in factors.items()]
    plain = launch("glibc", 2.0)
    none = Advice((), 0.0, 0)
    trial = Trial(Command(("prog", "a|b<i>")), plain, Counted(plain, [], False, 0.01), none,
                  pairs, ["A note."], 7, 60.0)
    judgement = report.write(tmp_path, trial, {}, 0.05)
    assert judgement.answer == "yes"
    assert judgement.sentence.startswith("Yes: a pool makes it 1.10 (1.10 to 1.10) times as fast")
    told = json.loads((tmp_path / "trial.json").read_text("utf-8"))
    assert schema.complaint("trial", told) is None
    rows = {row["arm"]: row for row in told["verdicts"] if row["baseline"] == "glibc"}
    assert rows["calls that cost nothing"]["ratio"] == pytest.approx(1 / 0.9, abs=1e-4)
    assert rows["glibc delayed"]["verdict"] == "slower" and told["delay_seen"]
    page, terminal = (tmp_path / "report.html").read_text("utf-8"), report.terminal(
        trial, judgement)
    for text in (judgement.sentence, "1.100 to 1.100", "A note.", "the trial saw it"):
        assert text in page and text in terminal
        assert text in (tmp_path / "trial.md").read_text("utf-8")
    served = {row.cells[0].text: row.cells[1].text for row in report.proof_grid(trial).rows}
    assert served["pool"] == "75.00 %" and "75.00 %" in page
    assert "<i>" not in page and document.escaped("a|b<i>") in (
        tmp_path / "trial.md").read_text("utf-8")

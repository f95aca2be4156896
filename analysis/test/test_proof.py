"""The published figures of the statistics are what is computed here, and what is promised."""

import re

import numpy
import pytest

from analysis.stats import inference
from analysis.system.files import ROOT
from analysis.test import proof, series

PUBLISHED = re.search(r"<!-- proof: begin -->\n\n(.*\n)\n<!-- proof: end -->",
                      (ROOT / "analysis" / "README.md").read_text(encoding="utf-8"), re.S).group(1)


def rows():
    """(columns → cells) of every row of the table."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in PUBLISHED.splitlines() if line[:1] == "|"]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def share(text):
    return float(re.match(r"([\d.]+) %", text).group(1))


def condition(name):
    return next(item for item in proof.CONDITIONS if item.name == name)


def test_every_condition_is_published():
    assert [row["noise"] for row in rows()] == [item.name for item in proof.CONDITIONS]


def test_false_claims_keep_within_five_percent():
    for row in rows():
        assert share(row["false claims, identical"]) <= 5, row
        assert share(row["false claims, 0.5 %"]) <= 5, row
        assert share(row["wrong way"]) <= 0.1, row


def test_a_true_ten_percent_is_found_where_launches_differ_by_little():
    for row in rows():
        if row["noise"] in ("calm", "usual", "drift of 30 % in a launch", "carry-over of 0.5 %"):
            assert share(row["10 % found"]) >= 95 and share(row["5 % found"]) >= 95, row


def test_launches_have_the_truth_as_their_median():
    generator = numpy.random.default_rng(3)
    for item in proof.CONDITIONS:
        if not item.states:
            seen = numpy.median(proof.launches(generator, item, 0.05, 4000, False))
            assert seen == pytest.approx(0.05, abs=0.003), item.name


def test_turns_of_a_launch_share_its_luck():
    generator = numpy.random.default_rng(4)
    spread = proof.launches(generator, proof.Condition("", 0.0, 0.03), 0.0, 4000).std()
    assert spread == pytest.approx(0.03, rel=0.1), "no number of turns takes it away"


def test_a_wrong_statistic_would_be_seen(monkeypatch):
    """With intervals that are far too narrow, identical arms are claimed apart."""
    monkeypatch.setattr(inference, "order_statistic_interval", lambda values, level=0.95:
                        inference.Interval(float(numpy.median(values)), *[
                            float(numpy.median(values))] * 2, 0.95, len(values)))
    monkeypatch.setattr(inference, "sign_test", lambda values: 1e-9)
    generator = numpy.random.default_rng(5)
    noisy = condition("noisy launches, 3 %")
    judged = [proof.judge_run(generator, noisy, 0.0) for _ in range(5)]
    assert any({"faster", "slower"} & set(item.verdicts) for item in judged)


@pytest.mark.slow
def test_the_published_figures_are_computed_again():
    assert proof.figures() == PUBLISHED


def test_the_published_series_is_told_as_it_was():
    text = (ROOT / "analysis" / "README.md").read_text(encoding="utf-8")
    assert f"<!-- series: begin -->\n\n{series.figures()}\n<!-- series: end -->" in text

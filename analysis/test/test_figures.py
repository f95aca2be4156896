"""The figures that documents quote are those of results/, and of the pool that was measured."""

import re

import pytest

from analysis.report import figures


def test_the_readme_quotes_the_results():
    text = figures.README.read_text(encoding="utf-8")
    assert figures.renewed(text) == text, "renew it: python3 -m analysis.report.figures"


def test_the_readme_names_the_commit_that_was_measured():
    """A run of changed sources, "+" at its end, describes no commit."""
    text = figures.README.read_text(encoding="utf-8")
    assert re.search(r"measured the pool of commit [0-9a-f]{7,40},", text)


@pytest.mark.parametrize("figure", [r"/ (\d\.\d\d) \|", r"pool of commit (\w+)",
                                    r"\| ([\d,]+) \| MIT"])
def test_a_wrong_figure_is_noticed(figure):
    text = figures.README.read_text(encoding="utf-8")
    start, end = re.search(figure, text).span(1)
    assert figures.renewed(f"{text[:start]}1234{text[end:]}") == figures.renewed(text)


def claim(baseline, ratio, verdict, workload="pair/64"):
    return {"kind": "claim", "arm": "pool-keep", "workload": workload, "baseline": baseline,
            "ratio": ratio, "verdict": verdict}


@pytest.mark.parametrize("claims, said", [
    ([("a", 1.5, "faster"), ("b", 1.2, "faster")], "faster than all"),
    ([("a", 1.5, "faster"), ("b", 1.0, "equal")], "equal to the fastest"),
    ([("a", 1.5, "faster"), ("b", 0.4, "slower")], "slower than the fastest"),
    ([("a", 1.5, "faster"), ("b", 1.1, "small")], "undecided"),
])
def test_a_workload_is_judged_by_its_fastest_malloc(claims, said):
    assert figures.outcome([claim(*one) for one in claims]) == said


def test_workloads_are_counted_by_kind():
    assert figures.reference_rows([
        claim("a", 1.5, "faster"), claim("a", 2.5, "faster", "lifo/64"),
        claim("a", 2.25, "faster", "fifo/64"), claim("a", 2.0, "faster", "walk/64"),
        claim("a", 0.5, "slower", "app/lua"), claim("b", 0.8, "slower", "app/lua"),
        claim("a", 1.0, "equal", "trace-cold/jq")]) == [
            ("loops", [4, 0, 0, 0], [1.5, 2.125, 2.5]),
            ("recorded programs, first run", [0, 1, 0, 0], [1.0]),
            ("applications", [0, 0, 1, 0], [0.5])]

"""The published figures of the statistics are what the command computes, and what is promised."""

import argparse
import re

import numpy
import pytest

from analysis.commands import prove_statistics
from analysis.stats import inference
from analysis.system.exits import UserError

PUBLISHED = prove_statistics.published(prove_statistics.README.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def quick_holm(monkeypatch):
    """statsmodels collects garbage at every call, which would be most of these tests' time."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


def rows():
    """(columns → cells) of every row of both tables."""
    found, columns = [], []
    for line in PUBLISHED.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if cells and cells[0] == prove_statistics.RUN_COLUMNS[0]:
            columns = cells
        elif cells and set(cells[0]) != {"-"}:
            found.append(dict(zip(columns, cells, strict=True)))
    return found


def share(text):
    return float(re.match(r"([\d.]+) %", text).group(1))


def condition(name, among=prove_statistics.CONDITIONS):
    return next(item for item in among if item.name == name)


@pytest.mark.parametrize("name", ["usual, 1 %", "eight rounds, 1 %", "five rounds, 1 %"])
def test_a_row_of_one_run_is_computed_again(name):
    assert f"| {' | '.join(prove_statistics.run_row(condition(name)))} |\n" in PUBLISHED


@pytest.mark.parametrize("name", ["five rounds, 1 %", "1 %, and 1 % for each run"])
def test_a_row_of_two_runs_is_computed_again(name):
    row = prove_statistics.gate_row(condition(name, prove_statistics.GATE_CONDITIONS))
    assert f"| {' | '.join(row)} |\n" in PUBLISHED


def test_every_condition_is_published():
    names = [row[prove_statistics.RUN_COLUMNS[0]] for row in rows()]
    assert names == [item.name for item in (*prove_statistics.CONDITIONS, *prove_statistics.LONGER,
                                         *prove_statistics.GATE_CONDITIONS)]


def test_false_claims_keep_within_five_percent():
    for row in rows():
        for column in ("false claims, identical", "regression, identical"):
            if column in row:
                bound = re.search(r"≤ ([\d.]+) %", row[column])
                assert float(bound.group(1)) <= 5, row
        assert share(row.get("false claims, 2 %", "0 %")) <= 5
        assert share(row.get("wrong way", "0 %")) <= 0.1
        assert share(row.get("10 % slower: pass", "0 %")) <= 5


def test_ten_percent_are_found_where_the_readme_says_so():
    for name in ("calm, 0.5 %", "usual, 1 %", "skewed, 2 %", "heavy tails, 1 %", "drift of 30 %",
                 "a neighbour, 40 %", *(item.name for item in prove_statistics.LONGER)):
        row = next(item for item in rows() if item[prove_statistics.RUN_COLUMNS[0]] == name)
        assert share(row["10 % found"]) >= 95, name


def test_intervals_cover_as_they_say():
    """But for the row whose truth lies in no single run; two claims of 300 gates scatter by 1 %."""
    for row in rows():
        if row["interval covers"] != "none" and "each run" not in row[prove_statistics.RUN_COLUMNS[0]]:
            covered, stated = map(float, re.findall(r"([\d.]+) %", row["interval covers"]))
            assert stated >= 95 and covered >= stated - 2.5, row


def test_the_noises_are_what_they_say():
    generator = numpy.random.default_rng(1)
    place = numpy.arange(20_000).reshape(4, -1, order="F")
    drifted = prove_statistics.drift(0.3)(generator, place)
    assert drifted[:, -50:].mean() - drifted[:, :50].mean() == pytest.approx(
        numpy.log(1.3), abs=0.01)
    disturbed = prove_statistics.neighbour(0.4)(generator, place).ravel(order="F") > 0.15
    assert disturbed.mean() == pytest.approx(0.2, abs=0.03)
    spells = numpy.diff(disturbed.astype(int)).clip(0).sum()
    assert disturbed.sum() / spells == pytest.approx(10, abs=1.5)


def test_the_truth_is_in_the_times():
    silent = prove_statistics.Condition("none", lambda g, place: numpy.zeros(place.shape), 9)
    cpu, wall = prove_statistics.times(numpy.random.default_rng(1), silent, 0.25)
    assert cpu.shape == wall.shape == (prove_statistics.RIVALS + 2, 9)
    assert cpu[:-1].ptp(axis=0).max() == pytest.approx(0, abs=1e-12)
    assert cpu[0] - cpu[-1] == pytest.approx(0.25) and (wall > cpu).all()


def test_a_judge_that_claims_too_much_is_seen(monkeypatch):
    monkeypatch.setattr(inference, "noise_limit", lambda values: 0.0)
    monkeypatch.setattr(inference, "holm", lambda values: [0.0 for _ in values])
    monkeypatch.setattr(prove_statistics, "RUNS", 60)
    row = dict(zip(prove_statistics.RUN_COLUMNS, prove_statistics.run_row(condition("usual, 1 %"))))
    assert share(row["false claims, identical"]) > 5 and share(row["false claims, 2 %"]) > 90


def test_figures_are_written_to_their_place():
    text = f"a\n{prove_statistics.BEGIN}old\n{prove_statistics.END}b\n"
    written = prove_statistics.replaced(text, "new\n")
    assert prove_statistics.published(written) == "new\n"
    assert written.startswith("a\n") and written.endswith("b\n") and "old" not in written
    with pytest.raises(UserError):
        prove_statistics.published("a\n")


def test_check_tells_a_difference(monkeypatch, capsys):
    monkeypatch.setattr(prove_statistics, "figures", lambda told: "other\n")
    assert prove_statistics.run(argparse.Namespace(check=True, write=False)) == 1
    assert "+other" in capsys.readouterr().out
    monkeypatch.setattr(prove_statistics, "figures", lambda told: PUBLISHED)
    assert prove_statistics.run(argparse.Namespace(check=True, write=False)) == 0


def test_bounds_by_hand():
    assert prove_statistics.at_most(0, 300) == "0 % (≤ 1.0 %)"  # 1 - 0.05^(1/300)
    assert prove_statistics.at_most(300, 300) == "100 % (≤ 100.0 %)"
    assert prove_statistics.percent(1, 3) == "33.3 %"

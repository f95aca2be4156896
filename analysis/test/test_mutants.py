"""Mutants of the statistics are what they say, and the tests of the statistics notice them."""

import ast
import subprocess

import pytest

from analysis import environment, mutants

SOURCE = '''"""Text with 7 in it."""
A: int = 3

@cached(maxsize=4)
def f(a: int | None, b=0.5):
    """1 + 1"""
    if a and -b <= 2:
        return a // b
    return min(x for x in b if not x)
'''


def named():
    return [mutant.name for mutant in mutants.mutants("m", SOURCE)]


def test_every_operator_number_and_condition_is_changed_once():
    assert named() == [
        "m: A: int = 3 → A: int = 4",
        "m.f: a: int | None, b=0.5 → a: int | None, b=0.625",
        "m.f: a and -b <= 2 → a or -b <= 2",
        "m.f: -b <= 2 → -b < 2",
        "m.f: -b <= 2 → -b > 2",
        "m.f: -b <= 2 → b <= 2",
        "m.f: -b <= 2 → -b <= 3",
        "m.f: a // b → a * b",
        "m.f: min((x for x in b if not x)) → max((x for x in b if not x))",
        "m.f: for x in b if not x → for x in b if x",
    ]


def test_a_mutant_has_one_change_and_leaves_the_others_alone():
    whole = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants.mutants("m", SOURCE):
        changed = [line for line in ast.unparse(mutant.tree).splitlines() if line not in whole]
        assert len(changed) == 1, mutant.name


def test_names_of_the_statistics_mutants_are_unlike():
    names = [mutant.name for mutant in mutants.every()]
    assert len(names) == len(set(names)) > 300
    assert set(mutants.EQUIVALENT) <= set(names)
    assert all(reason.endswith(".") for reason in mutants.EQUIVALENT.values())


@pytest.mark.parametrize("number, places", [(1, [0]), (3, [0, 3, 6]), (10, range(10)),
                                            (99, range(10))])
def test_a_sample_is_spread_evenly(number, places):
    assert mutants.sample(range(10), number) == list(places)


def proved(*words):
    return subprocess.run([environment.ROOT / "poolproof", "prove-statistics", *words],
                          capture_output=True, text=True, timeout=600, check=False)


def test_a_few_mutants_are_noticed():
    done = proved("--mutants", "12")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("12 of ") and done.stdout.endswith(" 0 survived\n")


def test_a_survivor_and_a_wrong_excuse_are_told(monkeypatch, capsys):
    some = mutants.every()[:3]
    monkeypatch.setattr(mutants, "every", lambda: some)
    monkeypatch.setattr(mutants, "EQUIVALENT", {some[1].name: "So.", some[2].name: "So.",
                                                "m: gone": "So."})
    monkeypatch.setattr(mutants, "survivors", lambda chosen, told: list(chosen[:2]))
    assert mutants.run(None) == 1
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "3 of 3 mutants: 1 killed, 1 equivalent, 1 survived",
        f"survived: inference.py, line {some[0].line}: {some[0].name}",
        "not equivalent, or not there: m: gone",
        f"not equivalent, or not there: {some[2].name}"]


@pytest.mark.parametrize("word", ["0", "-1", "many"])
def test_a_number_of_mutants_is_a_number(word):
    done = proved("--mutants", word)
    assert done.returncode == 2 and "whole number above zero" in done.stderr

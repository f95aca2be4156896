"""The mutants of a small file are the expected ones, and each is a change of one place."""

import pytest

from analysis.system.exits import FINDING, PASS, UserError

mutants = pytest.importorskip("analysis.fuzzing.mutants", reason="python3-clang-19 is missing")
from analysis.fuzzing import mutant_trials  # noqa: E402

SOURCE = """#define TWICE(x) ((x) * 2)
struct s { int n; };
int f(struct s *s, int a)
{
    if (a < 3)
        s->n = a + 1;
    s->n++;
    return TWICE(a);
}
"""


@pytest.fixture(name="made")
def _made(tmp_path):
    (tmp_path / "f.c").write_text(SOURCE)
    return mutants.of_file(tmp_path / "f.c", [], tmp_path)


def test_each_operator_makes_its_mutants(made):
    assert [(mutant.line, mutant.before, mutant.text) for mutant in made] == [
        (5, "a < 3", "!(a < 3)"), (5, "<", "<="), (5, "3", "2"), (5, "3", "4"),
        (6, "s->n = a + 1", "(void)0"), (6, "+", "-"), (6, "1", "0"), (6, "1", "2"),
        (7, "s->n++", "(void)0")]


def test_a_mutant_changes_one_place(made):
    source = SOURCE.encode()
    for mutant in made:
        changed = mutant.applied(source)
        assert changed != source
        assert changed[:mutant.start] == source[:mutant.start]
        assert changed.endswith(source[mutant.end:])
    assert made[1].name == "f: if (a < 3): < => <="


def test_what_clang_cannot_read_is_one_line(tmp_path):
    (tmp_path / "f.c").write_text("int f( {")
    with pytest.raises(UserError, match="clang says expected"):
        mutants.of_file(tmp_path / "f.c", [], tmp_path)


def test_an_equivalent_mutant_needs_a_reason(tmp_path):
    (tmp_path / "list").write_text("# why\nf: a: b => c\tno caller\n")
    assert mutants.read_equivalent(tmp_path / "list") == {"f: a: b => c": "no caller"}
    (tmp_path / "list").write_text("f: a: b => c\n")
    with pytest.raises(UserError, match="line 1: a mutant without a tab and the reason"):
        mutants.read_equivalent(tmp_path / "list")
    assert mutants.read_equivalent(tmp_path / "none") == {}


def test_what_is_asked_for_is_chosen_evenly(made, tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "of_file", lambda path, words: made)
    files = [str(tmp_path / "f.c")]
    assert mutants.chosen(files, ["f"], 3, "") == [made[0], made[3], made[6]]
    assert mutants.chosen(files, [], None, "") == made
    with pytest.raises(UserError, match="no function g in"):
        mutants.chosen(files, ["g"], None, "")


@pytest.mark.parametrize("outcome, reasons, code, said", [
    ("killed", {}, PASS, "1 mutants: 1 of 1 killed (100.0 %), 0 survived"),
    ("survived", {}, FINDING, "f.c:5: f: if (a < 3): < => <=\n1 mutants: 0 of 1 killed"),
    ("survived", {"f: if (a < 3): < => <=": "why"}, PASS, "(equivalent: why)"),
    ("killed", {"f: if (a < 3): < => <=": "why"}, FINDING, "listed as equivalent, and killed by t"),
    ("same", {}, PASS, "1 with the original's object code"),
])
def test_a_survivor_without_a_reason_is_a_finding(made, capsys, outcome, reasons, code, said):
    wanted = made[1:2]
    outcomes = {wanted[0].name: (outcome, "t")}
    assert mutant_trials.conclude(wanted, outcomes, reasons) == code
    assert said in capsys.readouterr().out

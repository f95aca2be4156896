"""The mutants of a small file are the expected ones, and each is a change of one place."""

import pytest

from analysis.commands import mutants as command
from analysis.system.exits import UserError

mutants = pytest.importorskip("analysis.fuzzing.mutants", reason="python3-clang-19 is missing")

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


def test_an_equivalent_mutant_needs_a_reason():
    assert mutants.read_equivalent("# why\nf: a: b => c\tno caller\n") == {
        "f: a: b => c": "no caller"}
    with pytest.raises(UserError, match="line 1: a mutant without a tab and the reason"):
        mutants.read_equivalent("f: a: b => c\n")


def test_a_count_is_a_whole_number():
    with pytest.raises(command.argparse.ArgumentTypeError, match="invalid count '0'"):
        command._count("0")

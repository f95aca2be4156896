"""The mutants of a small file are the expected ones, and each is a change of one place."""

import pytest

from analysis.building import meson
from analysis.fuzzing.jobs import Crew
from analysis.system.exits import FINDING, PASS, UserError
from analysis.system.process import answer, find_program

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
    return mutants.of_unit(tmp_path / "f.c", [], tmp_path)


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


def test_what_a_file_includes_from_its_folder_is_changed_too(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "far.h").write_text("static int far(void) { return 1; }\n")
    (tmp_path / "part.h").write_text("static int part(struct s *s)\n{ return s->n <\n  far(); }\n")
    (tmp_path / "f.c").write_text('#include "other/far.h"\nstruct s { int n; };\n'
                                  '#include "part.h"\nint f(struct s *s) { return part(s) + 1; }')
    made = mutants.of_unit(tmp_path / "f.c", [], tmp_path)
    assert [(mutant.file, mutant.line, mutant.text) for mutant in made] == [
        ("f.c", 4, "-"), ("f.c", 4, "0"), ("f.c", 4, "2"), ("part.h", 2, "<=")]
    assert all(mutant.name.isprintable() for mutant in made)


def test_every_function_of_the_core_can_be_changed():
    c, _ = meson.compilers("clang")
    headers = answer([c, "-print-resource-dir"]).stdout.strip() + "/include"
    made = mutants.chosen([], None, headers)
    assert len(made) > 1000 and all(mutant.name.isprintable() for mutant in made)
    parts = sorted({mutant.file for mutant in made if mutant.file.endswith(".h")})
    assert len(parts) >= 3, "what a source includes from its folder"
    few = mutants.chosen([], 5, headers)
    assert len(few) == 5 and few[0] == made[0]


def test_what_clang_cannot_read_is_one_line(tmp_path):
    (tmp_path / "f.c").write_text("int f( {")
    with pytest.raises(UserError, match="clang says expected"):
        mutants.of_unit(tmp_path / "f.c", [], tmp_path)


def test_an_equivalent_mutant_needs_a_reason(tmp_path):
    (tmp_path / "list").write_text("# why\nf: a: b => c\tno caller\n")
    assert mutants.read_equivalent(tmp_path / "list") == {"f: a: b => c": "no caller"}
    (tmp_path / "list").write_text("f: a: b => c\n")
    with pytest.raises(UserError, match="line 1: a mutant without a tab and the reason"):
        mutants.read_equivalent(tmp_path / "list")
    assert mutants.read_equivalent(tmp_path / "none") == {}


def test_what_is_asked_for_is_chosen_evenly(made, monkeypatch):
    monkeypatch.setattr(mutants, "of_unit", lambda path, words: made)
    assert mutants.chosen(["f"], 3, "") == [made[0], made[3], made[6]]
    assert mutants.chosen([], None, "") == made
    with pytest.raises(UserError, match="no function of core/ 'gg'"):
        mutants.chosen(["gg"], None, "")


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


TREE = {
    "meson.build": "project('small', 'c')\nsubdir('core')\n",
    "meson_options.txt": "option('benchmarks', type: 'feature')\n",
    "core/meson.build": "f = static_library('f', 'f.c')\n"
                        "test('f', executable('t', 't.c', link_with: f), suite: 'core')\n",
    "core/f.c": "int f(int a);\nint f(int a)\n{\n    return a < 3 ? 1 : 0;\n}\n",
    "core/t.c": "int f(int a);\nint main(void) { return f(2) != 1 || f(4) != 0; }\n",
}


def test_what_becomes_of_a_mutant(tmp_path, monkeypatch):
    if not all(map(find_program, ("meson", "ninja", "gcc", "g++", "strip"))):
        pytest.skip("meson, ninja, gcc or strip is missing; install meson gcc g++ binutils")
    for name, text in TREE.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    monkeypatch.setattr(mutant_trials, "ROOT", tmp_path / "tree")
    monkeypatch.setattr(mutant_trials, "WORK", tmp_path / "work")
    monkeypatch.setattr(mutant_trials, "COPIED", ("core", "meson.build", "meson_options.txt"))
    workshop = mutant_trials.Workshop(0, Crew(1))

    def fate(text):
        start = TREE["core/f.c"].index("a < 3 ? 1 : 0")
        return workshop.tried(mutants.Mutant("core/f.c", "f", 4, start, start + 5, "a < 3", text,
                                             ""))

    assert fate("a > 3") == ("killed", "f")
    assert fate("({ for (;;); 0; })") == ("killed", "f"), "what loops is ended"
    assert fate("a < 4") == ("survived", "")
    assert fate("3 > a") == ("same", "")
    assert fate("a <") == ("invalid", "")
    assert fate("a <= 3") == ("survived", ""), "the copy holds the original again"
    (tmp_path / "tree" / "core" / "t.c").write_text("int main(void) { return 1; }\n")
    with pytest.raises(UserError, match="the test f fails without a mutant"):
        mutant_trials.Workshop(0, Crew(1))

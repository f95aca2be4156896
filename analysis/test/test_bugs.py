"""Planted bugs: what a patch must say, what trials come to, and one small campaign."""

import argparse
import dataclasses
import json
import math
import pathlib
import shutil
from typing import Any

import pytest

from analysis.commands import bugs
from analysis.fuzzing import findings, planted, scoreboard, trials as trying
from analysis.fuzzing.jobs import Crew
from analysis.fuzzing.planted import Patch
from analysis.runs import schema
from analysis.runs.attacks import Score, Trial
from analysis.system.exits import PASS, UserError
from analysis.system.process import find_program

pytestmark = pytest.mark.slow

PATCH = """A line goes.

Class: no merge
Breaks: I5
Target: pool_api
Oracle: invariants

--- a/core/one.txt
+++ b/core/one.txt
@@ -1,3 +1,2 @@
 first
-second
 third
"""


def a_bug(kind: Any = "bug") -> Patch:
    return Patch("a-bug", "A line goes.", "no merge", "I5", "pool_api", "address", "invariants",
                 kind, None, ("core/one.txt",))


def a_trial(seed: int, reached: int | None, wrong: int | None, found: int | None) -> Trial:
    return Trial(seed, found or 1000, reached, wrong, found, "model" if found else None)


def a_score(*trials: tuple[int | None, int | None, int | None], kind: str = "bug",
            kept: int | None = None) -> Score:
    return scoreboard.scored(a_bug(kind), a_trial(0, kept, kept, kept),
                             [a_trial(seed, *trial) for seed, trial in enumerate(trials, 1)])


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "one.txt").write_text("first\nsecond\nthird\n")
    (tmp_path / "core" / "two.txt").write_text("beside\n")
    (tmp_path / "a-bug.patch").write_text(PATCH)
    return tmp_path


def test_a_patch_says_what_it_is(tree: pathlib.Path) -> None:
    bug = planted.read(tree / "a-bug.patch")
    assert bug == dataclasses.replace(a_bug(), path=tree / "a-bug.patch")


@pytest.mark.parametrize("old, new, complaint", [
    ("Breaks: I5\n", "", "no line 'Breaks:'"),
    ("Class: no merge\n", "Class:\n", "no line 'Class:'"),
    ("Oracle: invariants", "Oracle: invariants\nKind: odd", "the kind 'odd'"),
    ("Oracle: invariants", "Oracle: invariants\nSanitizer: odd", "the sanitizer 'odd'"),
    ("+++ b/core/one.txt", "+++ core/one.txt", "no change"),
])
def test_a_patch_that_does_not_say_so_is_refused(tree: pathlib.Path, old: str, new: str,
                                                 complaint: str) -> None:
    (tree / "a-bug.patch").write_text(PATCH.replace(old, new))
    with pytest.raises(UserError, match=complaint):
        planted.read(tree / "a-bug.patch")


def test_a_copy_has_the_bug_and_what_stands_beside_it(tree: pathlib.Path) -> None:
    planted.copy_with(planted.read(tree / "a-bug.patch"), tree / "copy", tree)
    assert (tree / "copy" / "core" / "one.txt").read_text() == "first\nthird\n"
    assert (tree / "copy" / "core" / "two.txt").read_text() == "beside\n"
    assert (tree / "core" / "one.txt").read_text() == "first\nsecond\nthird\n"


def test_a_patch_that_no_longer_applies_is_named(tree: pathlib.Path) -> None:
    (tree / "core" / "one.txt").write_text("all is new\n")
    with pytest.raises(UserError, match="a-bug.patch: the patch no longer applies"):
        planted.copy_with(planted.read(tree / "a-bug.patch"), tree / "copy", tree)


def test_a_trial_is_remembered_and_an_input_that_is_new_is_tried(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def attempt(crew: Crew, program: pathlib.Path, seed: int, *rest: object) -> Trial:
        tried.append(seed)
        return a_trial(seed, 1, 1, 1)

    monkeypatch.setattr(trying, "WORK", tmp_path)
    monkeypatch.setattr(trying, "attempt", attempt)
    program, given = tmp_path / "program", tmp_path / "input"
    program.write_bytes(b"program")
    for text in (b"one", b"one", b"two"):
        given.write_bytes(text)
        trials = trying.Trials(Crew(1), {}, 100, 1)
        made = [trials.trial(program, seed, [str(given)]) for seed in (0, 1)]
        assert made == [a_trial(seed, 1, 1, 1) for seed in (0, 1)]
    assert tried == [0, 1, 0]


@pytest.mark.parametrize("trials, verdict, median", [
    ([(1, 2, 3), (1, 2, 5), (1, 2, None)], "found", 5),
    ([(1, 2, 3), (1, 2, None), (1, 2, None)], "unseen", None),
    ([(1, 2, 7)], "found", 7),
    ([(1, None, None), (None, None, None)], "harmless", None),
    ([(None, None, None)], "unreached", None),
])
def test_how_far_a_bug_got(trials: list, verdict: str, median: int | None) -> None:
    score = a_score(*trials)
    assert (score.verdict, score.median_found) == (verdict, median)
    assert score.behaves is None


@pytest.mark.parametrize("score, behaves", [
    (a_score((1, 2, None), kind="equivalent"), True),
    (a_score((1, 2, 3), kind="equivalent"), False),
    (a_score((1, 2, None), kind="equivalent", kept=4), False),
    (a_score((1, 2, 3), (1, 2, 9), kind="hollow"), True),
    (a_score((1, 2, 3), (1, 2, None), kind="hollow"), False),
    (a_score((1, 2, scoreboard.AT_ONCE + 1), kind="hollow"), False),
])
def test_a_control_behaves(score: Score, behaves: bool) -> None:
    assert score.behaves is behaves


def test_survival_is_the_share_that_is_still_going() -> None:
    scores = [a_score((2, 2, 2), (1, 4, 4)), a_score((1, None, None), (8, 8, 8)),
              a_score((1, 1, 1), kind="hollow")]
    when = scoreboard.ends(scores, "found")
    assert when == [2, 4, 8, math.inf]
    assert [scoreboard.left(when, end) for end in (1, 2, 3, 7, 8, 9)] == [
        1, 3 / 4, 3 / 4, 1 / 2, 1 / 4, 1 / 4]


@pytest.mark.parametrize("found, control, holds", [
    (19, True, True), (18, True, False), (20, False, False),
])
def test_the_board_holds_from_95_percent_on(found: int, control: bool, holds: bool) -> None:
    scores = [a_score((1, 2, 3))] * found + [a_score((1, 2, None))] * (20 - found)
    scores.append(a_score((1, 2, None if control else 3), kind="equivalent"))
    board = scoreboard.board(scores, [], 1000, 1, 1.0, "19")
    assert board.holds is holds
    assert board.found_share_of_reached == found / 20


def test_a_patch_that_could_not_be_planted_is_no_success() -> None:
    board = scoreboard.board([a_score((1, 2, 3))], ["gone"], 1000, 1, 1.0, "19")
    assert not board.holds
    assert "could not be planted: gone" in scoreboard.verdict(board)


def test_what_is_written_keeps_the_schema(tmp_path: pathlib.Path) -> None:
    scores = [a_score((1, 2, 3), (None, None, None)), a_score((1, None, None)),
              a_score((1, 2, None), kind="equivalent")]
    scoreboard.write(scoreboard.board(scores, [], 1000, 2, 1.0, "19"), tmp_path)
    board = json.loads((tmp_path / "scoreboard.json").read_text())
    assert schema.complaint("bugs", board) is None
    page = (tmp_path / "scoreboard.md").read_text()
    assert "**a-bug**, harmless: nobody knows why yet" in page
    assert "<svg" in (tmp_path / "survival.svg").read_text()


def test_an_unknown_bug_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'a-bug'"):
        trying.choose(["a-bugg"], False, [a_bug()])


def test_quick_has_a_bug_for_every_oracle() -> None:
    known = {bug.name: bug for bug in planted.read_all()}
    quick = [known[name] for name in trying.QUICK]
    assert {bug.kind for bug in quick} == set(planted.KINDS)
    common = {"model", "contents", "invariants", "shadow", "refusal", "address",
              "undefinedbehavior"}
    assert common <= {bug.oracle_due for bug in quick}


def test_a_few_bugs_are_found_and_the_controls_behave(tmp_path: pathlib.Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    if not find_program("clang-19", "clang") or not shutil.which("patch"):
        pytest.skip("clang or patch is missing; install clang-19 and patch")
    monkeypatch.setattr(trying, "WORK", tmp_path / "work")
    words = ["--quick", "--executions", "30000", "--jobs", "2", "-o", str(tmp_path / "out")]
    parser = bugs.argparse.ArgumentParser()
    bugs.add_arguments(parser)
    code = bugs.run(parser.parse_args(words))
    board = json.loads((tmp_path / "out" / "scoreboard.json").read_text())
    assert code == PASS, [score for score in board["scores"]
                                      if score["verdict"] != "found"]
    assert board["bugs"] >= 8 and board["controls_behave"]


def test_a_marks_file_that_is_not_whole_is_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "marks").write_bytes(b"\1\0\0")
    assert trying.read_marks(tmp_path / "marks") == (0, None, None)
    assert trying.read_marks(tmp_path / "none") == (0, None, None)


def test_an_oracle_is_told_from_what_a_process_said() -> None:
    assert trying.oracle_of('{"oracle": "model", "index": 1, "operation": "free 0",'
                          ' "message": "m"}\n') == "model"
    assert trying.oracle_of("==1== ERROR: libFuzzer: timeout after 11 seconds\n"
                          "SUMMARY: libFuzzer: timeout\n") == "time"
    assert trying.oracle_of("") == "crash"
    assert findings.read_report("") is None


def test_the_list_shows_those_that_are_named(capsys: pytest.CaptureFixture) -> None:
    parser = argparse.ArgumentParser()
    bugs.add_arguments(parser)
    for words, count in ((["no-coalescing-left"], 1), (["--quick"], len(trying.QUICK))):
        assert bugs.run(parser.parse_args(["--list", *words])) == PASS
        assert len(capsys.readouterr().out.splitlines()) == count

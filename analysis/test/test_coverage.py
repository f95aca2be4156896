"""The gate on coverage: what is missing, excused, stale, or cannot be measured."""

from __future__ import annotations

import json
import pathlib

import pytest

from analysis.quality import coverage, testing
from analysis.system import process

SOURCE = """static int one(int a, int b)
{
    if (a && b)
        return 1;
    return 0;
}
"""
EXCUSED = SOURCE.replace("b)\n    ", "b) /* not covered: no b */\n    ").replace(
    "1;", "1; /* not covered: no b */")


@pytest.fixture
def source(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "one.c"
    path.write_text(SOURCE)
    return path


def exported(source: pathlib.Path, second: int) -> str:
    """llvm-cov's JSON of `one`, whose second condition was true so often."""
    return json.dumps({"data": [{"files": [{
        "filename": str(source),
        "branches": [[3, 9, 3, 10, 4, 2, 0, 0, 4], [3, 14, 3, 15, second, 3, 0, 0, 4]],
        "mcdc_records": [[3, 9, 3, 15, 0, 5, [True, second > 0]]],
    }]}]})


def lcov(source: pathlib.Path, times: int) -> str:
    return f"SF:{source}\nDA:3,6\nDA:4,{times}\nDA:5,6\nend_of_record\n"


def broken(source: pathlib.Path, second: int, text: str = SOURCE) -> dict[str, list[str]]:
    found = coverage.read([exported(source, second)], [lcov(source, second)])
    rules = coverage.judge(found, {str(source): text.split("\n")})
    return {rule: [line.partition("one.c:")[2] for line in complaints]
            for rule, complaints in rules.items() if complaints}


def test_what_is_missing_is_named(source: pathlib.Path,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    assert broken(source, 0) == {
        "every line runs": ["4:0: line is not covered"],
        "every branch goes both ways": ["3:14: branch true is not covered"],
        "every condition decides by itself": ["3:9: mcdc condition 2 is not covered"],
        "MC/DC is above 95%": [""]}
    assert capsys.readouterr().out == (
        "line: 2 of 3, 66.67%\nbranch: 3 of 4, 75.00%\nmcdc: 1 of 2, 50.00%\n")


def test_what_any_program_covers_is_covered(source: pathlib.Path) -> None:
    found = coverage.read([exported(source, 0), exported(source, 1)],
                          [lcov(source, 1), lcov(source, 0)])
    assert all(found.values())
    assert broken(source, 1) == {}


def test_an_excuse_does_not_lower_the_least_of_mcdc(source: pathlib.Path) -> None:
    assert broken(source, 0, EXCUSED) == {"MC/DC is above 95%": [""]}


def test_an_excuse_for_what_is_covered_fails(source: pathlib.Path) -> None:
    assert broken(source, 1, EXCUSED) == {
        "every excuse is one": ["3: all is covered", "4: all is covered"]}
    reasonless = EXCUSED.replace("no b", "")
    assert set(broken(source, 0, reasonless)) == set(broken(source, 0))


def test_nothing_measured_is_no_success() -> None:
    rules = coverage.judge({}, {})
    assert all(rules[rule] == ["nothing was measured"] for rule in coverage.RULES.values())


def test_without_its_tools_it_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "find_program", lambda *names: None)
    result, = testing.attempt("coverage", coverage.check)
    assert (result.outcome, result.reason) == ("skipped", "clang-19 is missing; install clang-19")


@pytest.mark.parametrize("second, outcomes", [(0, {"failed", "passed"}), (1, {"passed"})])
def test_each_rule_is_a_result(second: int, outcomes: set[str], source: pathlib.Path,
                               monkeypatch: pytest.MonkeyPatch) -> None:
    found = coverage.read([exported(source, second)], [lcov(source, second)])
    monkeypatch.setattr(coverage, "measure", lambda: found)
    assert {result.outcome for result in coverage.check()} == outcomes

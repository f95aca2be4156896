"""The gate on coverage: what is missing, excused, stale, or cannot be measured."""

from __future__ import annotations

import json
import pathlib

import pytest

from analysis.quality import coverage, testing
from analysis.quality.coverage import Measured
from analysis.system import process
from analysis.system.exits import UserError

SOURCE = """static int one(int a, int b)
{
    if (a && b)
        return 1;
    return 0;
}
"""
LINE = "line one: return 1;"
BRANCH = "branch one true: b"
MCDC = "mcdc one condition 2: a && b"


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


def read(source: pathlib.Path, second: int) -> Measured:
    return coverage.read([exported(source, second)], [lcov(source, second)], [source])


def broken(rules: dict[str, list[str]]) -> list[str]:
    return [rule for rule, complaints in rules.items() if complaints]


def test_what_is_missing_is_named(source: pathlib.Path) -> None:
    found = read(source, 0)
    assert found.counts == {"line": (2, 3), "branch": (3, 4), "mcdc": (1, 2)}
    assert found.missed == {LINE: "one.c:4", BRANCH: "one.c:3", MCDC: "one.c:3"}


def test_what_any_program_covers_is_covered(source: pathlib.Path) -> None:
    found = read(source, 1)
    assert found.missed == {} and found.counts["mcdc"] == (2, 2)
    assert broken(coverage.judge(found, {})) == []


def test_what_is_missing_fails_unless_it_is_excused(source: pathlib.Path) -> None:
    found = read(source, 0)
    excuses = {place: "a reason" for place in (LINE, BRANCH, MCDC)}
    found.counts["mcdc"] = (99, 100)
    assert broken(coverage.judge(found, excuses)) == []
    for kind, place in zip(coverage.KINDS, (LINE, BRANCH, MCDC)):
        fewer = {name: reason for name, reason in excuses.items() if name != place}
        assert broken(coverage.judge(found, fewer)) == [coverage.KINDS[kind]]


def test_an_excuse_for_what_is_covered_fails(source: pathlib.Path) -> None:
    rules = coverage.judge(read(source, 1), {LINE: "a reason"})
    assert broken(rules) == ["every exception is one"]


def test_an_excuse_needs_a_reason() -> None:
    assert coverage.read_exceptions(f"# how\n\n{LINE} -- no way\n") == {LINE: "no way"}
    with pytest.raises(UserError):
        coverage.read_exceptions(f"{LINE}\n")


def test_excuses_do_not_lower_the_least_of_mcdc(source: pathlib.Path) -> None:
    excuses = {place: "a reason" for place in (LINE, BRANCH, MCDC)}
    assert broken(coverage.judge(read(source, 0), excuses)) == ["MC/DC is above 95%"]


def test_nothing_measured_is_no_success() -> None:
    rules = coverage.judge(Measured({kind: (0, 0) for kind in coverage.KINDS}, {}), {})
    assert set(coverage.KINDS.values()) <= set(broken(rules))


def test_without_its_tools_it_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "find_program", lambda *names: None)
    result, = testing.attempt("coverage", coverage.check)
    assert (result.outcome, result.reason) == ("skipped", "clang-19 is missing; install clang-19")


@pytest.mark.parametrize("second, outcomes", [(0, {"failed", "passed"}), (1, {"passed"})])
def test_each_rule_is_a_result(second: int, outcomes: set[str], source: pathlib.Path,
                               tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = tmp_path / "coverage_exceptions.txt"
    none.write_text("")
    monkeypatch.setattr(coverage, "EXCEPTIONS", none)
    monkeypatch.setattr(coverage, "measure", lambda: read(source, second))
    assert {result.outcome for result in coverage.check()} == outcomes

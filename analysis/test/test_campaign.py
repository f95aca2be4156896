"""Campaigns: executions are shared, counted, resumed, and forgotten when the program changes."""

import json
import pathlib

import pytest

from analysis.fuzzing import execution_count
from analysis.system import arguments
from analysis.system.exits import UserError
from analysis.system.files import ROOT

FACTS = {"engine": "libfuzzer", "sanitizer": "address", "compiler": "clang 19"}


@pytest.fixture(name="programs")
def _programs(tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    made = {name: tmp_path / name for name in ("pool_a", "pool_b")}
    for name, path in made.items():
        path.write_text(name)
    return made


def opened(programs: dict[str, pathlib.Path], goal: int = 30) -> execution_count.Count:
    path = next(iter(programs.values())).parent / "campaign.json"
    return execution_count.Count(path, goal, programs, FACTS)


def work(ledger: execution_count.Count, done: int | None = None) -> str:
    target, part = ledger.claim() or ("", 0)
    ledger.settle(target, part, part if done is None else done, 0.5, 7, 8, 9, 0)
    return target


def test_every_target_gets_as_much_time(programs: dict[str, pathlib.Path],
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_count, "PARTS", 2)
    ledger = opened(programs, 28)
    assert [work(ledger) for _ in range(4)] == ["pool_a", "pool_b", "pool_a", "pool_b"]
    assert ledger.claim() is None and ledger.complete
    said = json.loads(ledger.path.read_text())
    assert (said["executions"], said["busy_seconds"], said["complete"]) == (28, 2.0, True)
    assert said["executions_per_second"] == 14


def test_a_slow_target_is_not_waited_for(programs: dict[str, pathlib.Path]) -> None:
    ledger = opened(programs, 800)
    ledger.settle(*(ledger.claim() or ("", 0)), 50, 9.0, 0, 0, 0, 0)
    assert [work(ledger) for _ in range(3)] == ["pool_b"] * 3


def test_what_is_under_way_is_not_given_twice(programs: dict[str, pathlib.Path],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_count, "PARTS", 1)
    ledger = opened(programs)
    assert ledger.claim() == ("pool_a", 15)
    assert ledger.claim() == ("pool_b", 15)
    assert ledger.claim() is None and not ledger.complete
    ledger.settle("pool_b", 15, 4, 1.0, 0, 0, 0, 1)
    assert ledger.claim() == ("pool_b", 11)


def test_a_campaign_goes_on_where_it_was(programs: dict[str, pathlib.Path]) -> None:
    work(opened(programs), 5)
    again = opened(programs)
    assert again.executions == 5
    assert again.claim() == ("pool_b", 1)


def test_a_program_that_has_changed_starts_at_nothing(programs: dict[str, pathlib.Path]) -> None:
    first = opened(programs)
    work(first, 9)
    work(first, 8)
    programs["pool_a"].write_text("new")
    again = opened(programs)
    assert again.shares["pool_a"].executions == 0
    assert again.executions == 8


def test_other_targets_keep_what_they_have(programs: dict[str, pathlib.Path]) -> None:
    ledger = opened(programs)
    work(ledger, 9)
    work(ledger, 8)
    alone = opened({"pool_b": programs["pool_b"]}, 40)
    work(alone, 7)
    said = json.loads(alone.path.read_text())
    assert [(share["target"], share["executions"]) for share in said["targets"]] == [
        ("pool_a", 9), ("pool_b", 15)]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": 1'])
def test_a_file_of_something_else_is_refused(programs: dict[str, pathlib.Path], text: str) -> None:
    path = programs["pool_a"].parent / "campaign.json"
    path.write_text(text)
    with pytest.raises(UserError, match="campaign.json: not the file of a campaign"):
        opened(programs)
    assert path.read_text() == text


def test_a_campaign_under_other_circumstances_is_not_overwritten(
        programs: dict[str, pathlib.Path]) -> None:
    ledger = opened(programs)
    work(ledger)
    with pytest.raises(UserError, match="with sanitizer address, not memory"):
        execution_count.Count(ledger.path, 5, programs, FACTS | {"sanitizer": "memory"})


def test_the_published_campaigns_are_whole_and_left_no_finding() -> None:
    published = sorted((ROOT / "results" / "fuzz").glob("*.json"))
    said = {path.stem: json.loads(path.read_text()) for path in published}
    assert set(said) == {"libfuzzer-address", "libfuzzer-undefined"}
    for path in published:
        facts = {name: said[path.stem][name] for name in FACTS}
        shares = execution_count.read(path, facts)
        assert path.stem == f"{facts['engine']}-{facts['sanitizer']}"
        assert said[path.stem]["complete"] and not any(share.findings for share in shares)
        assert said[path.stem]["executions"] == sum(share.executions for share in shares)
    assert sum(each["executions"] for each in said.values()) >= 200_000_000


@pytest.mark.parametrize("text, amount", [
    ("5000", 5000), ("2,000_000", 2_000_000), ("500k", 500_000), ("200M", 200_000_000),
])
def test_a_number_of_executions_may_be_short(text: str, amount: int) -> None:
    assert arguments.amount(text) == amount


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "m", "1e6", "1.5m", "9" * 13, "³"])
def test_what_is_no_number_of_executions_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        arguments.amount(text)

"""Campaigns: executions are shared, counted and written."""

import dataclasses
import json
import pathlib

import pytest

from analysis.fuzzing import campaign
from analysis.fuzzing.libfuzzer import Status
from analysis.runs import schema
from analysis.system import arguments
from analysis.system.exits import UserError
from analysis.system.files import ROOT

@pytest.fixture(name="programs")
def _programs(tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    made = {name: tmp_path / name for name in ("pool_a", "pool_b")}
    for name, path in made.items():
        path.write_text(name)
    return made


def opened(programs: dict[str, pathlib.Path], goal: int = 30) -> campaign.Count:
    return campaign.Count(programs, 2, 1e6, goal)


def work(count: campaign.Count, done: int | None = None, took_s: float = 0.5,
         news: int | None = None) -> str:
    turn = count.claim()
    assert turn is not None and turn.executions is not None
    turn = dataclasses.replace(turn, start=turn.start - took_s)
    count.settle(turn, Status(turn.executions if done is None else done, 7, 8, 9), news)
    return turn.target


def test_every_target_gets_as_much_time(programs: dict[str, pathlib.Path], tmp_path: pathlib.Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "PARTS", 2)
    count = opened(programs, 28)
    assert [work(count) for _ in range(4)] == ["pool_a", "pool_b", "pool_a", "pool_b"]
    assert count.claim() is None
    count.write(tmp_path / "campaign.json", "address", "clang 19")
    said = json.loads((tmp_path / "campaign.json").read_text())
    assert schema.complaint("campaign", said) is None
    assert (said["executions"], said["busy_seconds"], said["complete"]) == (28, 2.0, True)
    assert said["executions_per_second"] == 14


@pytest.mark.parametrize("targets, jobs, seconds, turns", [
    (1, 1, 60, [60]), (1, 4, 60, [60] * 4), (5, 2, 60, [20] * 5), (12, 2, 60, [10] * 12),
    (2, 2, 8 * 3600, [campaign.LONGEST_TURN_S] * 2),
])
def test_before_the_time_is_over_every_target_has_its_turn(
        tmp_path: pathlib.Path, targets: int, jobs: int, seconds: int, turns: list[int]) -> None:
    names = [f"pool_{number}" for number in range(targets)]
    for name in names:
        (tmp_path / name).write_text("")
    count = campaign.Count({name: tmp_path / name for name in names}, jobs, seconds)
    claimed = [count.claim() for _ in range(max(targets, jobs))]
    assert [turn and turn.seconds for turn in claimed] == pytest.approx(turns, abs=1)
    assert {turn.target for turn in claimed if turn} == set(names)
    assert all(turn and turn.executions is None for turn in claimed)
    count.end = 0.0
    assert count.claim() is None


def test_a_slow_target_is_not_waited_for(programs: dict[str, pathlib.Path]) -> None:
    count = opened(programs, 800)
    work(count, took_s=9.0)
    assert [work(count) for _ in range(3)] == ["pool_b"] * 3


def test_a_target_that_only_repeats_itself_gets_no_more_turns(
        programs: dict[str, pathlib.Path]) -> None:
    count = opened({"pool_a": programs["pool_a"]}, 10**6)
    for news in (0, 0, 1, *[0] * campaign.STALLED):
        work(count, 1, news=news)
    assert count.claim() is None
    assert count.shares["pool_a"].findings == 1


def test_what_is_under_way_is_not_given_twice(programs: dict[str, pathlib.Path],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "PARTS", 1)
    count = opened(programs)
    turns = [count.claim(), count.claim()]
    assert [(turn.target, turn.executions) for turn in turns if turn] == [
        ("pool_a", 15), ("pool_b", 15)]
    assert count.claim() is None
    count.settle(turns[1], Status(4), 1)
    left = count.claim()
    assert left is not None and (left.target, left.executions) == ("pool_b", 11)


def test_the_published_campaigns_are_whole_and_left_no_finding() -> None:
    published = sorted((ROOT / "results" / "fuzz").glob("*.json"))
    said = {path.stem: json.loads(path.read_text()) for path in published}
    if not said:
        pytest.skip("no campaign of the pool of pages is published yet: ./poolproof fuzz "
                    "--executions 100m --record results/fuzz/libfuzzer-address.json")
    assert set(said) == {"libfuzzer-address", "libfuzzer-undefined"}
    for path in published:
        campaign_of = said[path.stem]
        shares = campaign_of["targets"]
        assert schema.complaint("campaign", campaign_of) is None
        assert path.stem == f"{campaign_of['engine']}-{campaign_of['sanitizer']}"
        assert campaign_of["complete"] and not any(share["findings"] for share in shares)
        assert campaign_of["executions"] == sum(share["executions"] for share in shares)
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

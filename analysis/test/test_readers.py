"""The fuzz target of the result reader: it passes what is refused, and finds what is not."""

import json
import pathlib
import random

import pytest

from analysis.fuzzing import result_reader
from analysis.runs import records
from analysis.system.exits import UserError


def judged(data: bytes, folder: pathlib.Path) -> tuple[str, str | None]:
    return result_reader.judge(data, folder, result_reader.originals())


def test_the_reference_run_is_read(tmp_path: pathlib.Path) -> None:
    for name, content in result_reader.originals().items():
        shape, wrong = judged(name.encode() + b"\n" + content, tmp_path)
        assert (shape, wrong) == (f"read {result_reader.LINES} samples, 0 refusals", None)


@pytest.mark.parametrize("data", [b"", b"run.json\n", b"run.json\n{", b"samples.jsonl\n[]\n",
                                  b"samples.jsonl\n\xff\n", b"../x\n{}"])
def test_damage_is_refused(data: bytes, tmp_path: pathlib.Path) -> None:
    shape, wrong = judged(data, tmp_path)
    assert wrong is None and not shape.startswith("read")


def test_a_reader_that_fails_otherwise_is_found(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    def weak(folder: pathlib.Path) -> records.Record:
        return json.loads((folder / "run.json").read_text())["no such key"]

    monkeypatch.setattr(records, "read", weak)
    code = result_reader.main(["-seed=1", "-runs=50", f"-artifact_prefix={tmp_path}/"])
    left = list(tmp_path.glob("crash-*"))
    assert code == 77 and len(left) == 1
    assert '"oracle": "reader"' in capsys.readouterr().err
    assert result_reader.main(["--replay", str(left[0])]) == 1


def test_a_refusal_of_two_lines_is_found(tmp_path: pathlib.Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    def chatty(folder: pathlib.Path) -> records.Record:
        raise UserError("one\ntwo")

    monkeypatch.setattr(records, "read", chatty)
    assert "not one line" in (judged(b"run.json\n{}", tmp_path)[1] or "")


def test_the_same_seed_changes_alike() -> None:
    data = b"run.json\n" + result_reader.originals()["run.json"]
    made = [[result_reader.change(data, chance) for _ in range(40)]
            for chance in (random.Random(7), random.Random(7), random.Random(8))]
    assert made[0] == made[1] != made[2]
    assert all(one.startswith(b"run.json\n") for one in made[0])


def test_a_short_hunt_finds_nothing_and_keeps_what_is_new(
        tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    assert result_reader.main([str(kept), "-seed=3", "-runs=60"]) == 0
    assert any(kept.iterdir())
    assert "stat::number_of_executed_units: 60" in capsys.readouterr().err

"""The table of every instrument: what ends it badly, and its controls."""

from __future__ import annotations

import argparse
import pathlib
import re

import pytest

from analysis.building import cross_machines, meson
from analysis.commands import check
from analysis.fuzzing import planted
from analysis.quality import checks, instruments, misuse, testing
from analysis.system import process
from analysis.system.exits import FINDING, PASS, UNFIT, UserError


@pytest.fixture(autouse=True)
def kept(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "KEPT", tmp_path / "check")
    monkeypatch.setattr(testing, "LOGS", tmp_path / "test")


BROKEN = [(UserError("clang is missing; install clang-19", UNFIT), "skipped: gcc release, build"),
          (UserError("error: expected ';'", FINDING), "failed: gcc release, build")]


@pytest.mark.parametrize("error, told", BROKEN)
def test_what_cannot_be_built_is_told_and_asked_nothing(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: UserError,
        told: str) -> None:
    def broken(*_: object) -> pathlib.Path:
        raise error
    monkeypatch.setattr(meson, "ensure_build", broken)
    assert checks.run([instruments.INSTRUMENTS[0]]) == FINDING
    out = capsys.readouterr().out
    assert re.search(rf"(?s){told.replace('gcc release, build', '.*compiles')}.*{error}", out)
    assert "control" not in out


@pytest.mark.parametrize("said, tripped", [
    ("==12==ERROR: AddressSanitizer: use-after-poison on address 0x1\n", True),
    ("note: about ==12==ERROR: AddressSanitizer: use-after-poison on x\n", False),
    ("outcome: unnoticed\n", False),
    ("", False),
])
def test_a_control_is_told_by_its_own_line(
        monkeypatch: pytest.MonkeyPatch, said: str, tripped: bool) -> None:
    monkeypatch.setattr(checks, "make_mistake", lambda *_: said)
    one = instruments.Instrument("x", "sanitize", (instruments.POISON,))
    result, = checks.look(one, "control", "x, control")
    assert (result.outcome == "passed") is tripped and (tripped or said in result.output)


def test_every_instrument_has_a_control_and_a_build() -> None:
    for one in instruments.INSTRUMENTS:
        assert one.controls
        assert one.configuration in meson.CONFIGURATIONS
        assert "control" in one.cells
        for control in one.controls:
            assert control.line.startswith("^")
            re.compile(control.line)
            assert control.maker != "planted" or planted.read_named(control.word)
    names = [instruments.name_of(one) for one in instruments.INSTRUMENTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("build, column", [
    ("gcc-debug-checked", "gcc-release-checked"), ("gcc-sanitize", "sanitize"),
    ("thread", "thread"), ("s390x", "release"), ("clang-debug", "release")])
def test_every_build_has_the_column_of_its_kind(build: str, column: str) -> None:
    assert misuse.column_of(build) == column


def test_a_build_is_held_to_the_column_of_its_kind() -> None:
    text = "| misuse | what happens | ordinary |\n| --- | --- | --- |\n| `a` | b | refused |\n"
    assert misuse.differences("s390x", {"a": "refused"}, text) == []
    assert misuse.differences("s390x", {"a": "unnoticed"}, text) == [
        "a: unnoticed, but the document says refused"]
    assert "no column MSan" in misuse.differences("memory", {}, text)[0]


def test_the_document_is_written_as_it_is_read() -> None:
    text = misuse.DOCUMENT.read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    sentences = {row[0].strip("|` "): row[1] for row in rows}
    assert misuse.render(sentences, misuse.documented(text)) == text


def test_a_line_for_each_cell_then_what_failed_and_was_skipped(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def look(one: instruments.Instrument, cell: str, title: str) -> list[testing.Result]:
        return [testing.Result(title, "passed"), testing.Result("c", "skipped", "no disk")] + [
            testing.Result("b", "failed", output="x")] * (cell == "core")
    monkeypatch.setattr(checks, "look", look)
    assert checks.run([instruments.INSTRUMENTS[0]]) == FINDING
    lines = capsys.readouterr().out.splitlines()
    cells = ("build", *instruments.INSTRUMENTS[0].cells)
    assert [line.partition(":")[0] for line in lines[:len(cells)]] == [
        f"gcc release, {cell}" for cell in cells]
    assert "gcc release, core: 1 passed, 1 failed, 1 skipped, 0 s" in lines
    assert "failed: b" in lines and "skipped: c: no disk" in lines
    assert lines[-1] == "6 passed, 1 failed, 6 skipped"


def test_nothing_but_skips_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "look", lambda *_: [testing.Result("x", "skipped", "no clang")])
    assert checks.run([instruments.INSTRUMENTS[0]]) == FINDING


def test_an_unknown_instrument_is_refused() -> None:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    with pytest.raises(UserError, match="there is no instrument 'vax'; there are release"):
        check.run(parser.parse_args(["vax"]))


def test_the_list_shows_those_that_are_named(capsys: pytest.CaptureFixture) -> None:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    quick = sum(one.quick for one in instruments.INSTRUMENTS)
    every = len(instruments.INSTRUMENTS)
    for words, lines in ((["frama-c"], 1), (["--quick"], quick), ([], every)):
        assert check.run(parser.parse_args(["--list", *words])) == PASS
        assert len(capsys.readouterr().out.splitlines()) == lines
    with pytest.raises(UserError, match="no instrument 'nosuch'"):
        check.run(parser.parse_args(["--list", "nosuch"]))


def test_libraries_of_another_machine_are_not_fetched_against_the_users_word(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")
    monkeypatch.setattr(process, "find_program", lambda tool: f"/usr/bin/{tool}")
    with pytest.raises(UserError, match="POOLPROOF_INSTALL=no") as caught:
        cross_machines.describe("s390x", tmp_path)
    assert caught.value.exit_code == UNFIT


@pytest.mark.parametrize("machine, said", [
    ("s390x", "qemu-s390x is missing; install .* qemu-user$"),
    ("windows", "wine is missing; install g.*-mingw-w64-x86-64 wine wine64$")])
def test_a_machine_without_its_emulator_is_unfit(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, machine: str, said: str) -> None:
    monkeypatch.setattr(process, "find_program",
                        lambda tool: None if tool[:4] in ("qemu", "wine") else f"/usr/bin/{tool}")
    with pytest.raises(UserError, match=said) as caught:
        cross_machines.describe(machine, tmp_path)
    assert caught.value.exit_code == UNFIT

"""The table of every instrument: what is kept of it, what ends it badly, and its controls."""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import subprocess
import sys

import pytest

from analysis import __main__ as commands
from analysis.building import cross_machines, meson
from analysis.commands import check
from analysis.quality import checks, instruments, misuse
from analysis.system.exits import FINDING, PASS, UNFIT, UserError


def table() -> dict[str, dict[str, checks.Cell]]:
    return {
        "gcc release": {"build": checks.Cell("passed", "no warnings", 2.0, 1.5),
                        "core": checks.Cell("failed", "1 failed \x1b[0m", 1.0, 1.0)},
        "MSan": {"build": checks.Cell("skipped", "clang is missing", skipped=["a: b"])},
    }


@pytest.fixture(autouse=True)
def kept(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(checks, "KEPT", tmp_path / "check")
    (tmp_path / "check").mkdir()
    return tmp_path / "check"


def test_what_is_kept_is_the_table(kept: pathlib.Path) -> None:
    checks.keep(table(), "quick", 3.5)
    facts = json.loads((kept / "check.json").read_text())
    assert (facts["extent"], facts["wall_s"]) == ("quick", 3.5)
    assert {entry["title"]: {name: checks.Cell(**cell) for name, cell in entry["cells"].items()}
            for entry in facts["instruments"]} == table()


def test_a_skip_has_a_reason() -> None:
    with pytest.raises(AssertionError, match="skipped without a reason"):
        checks.Cell("skipped")


def test_a_failure_is_exit_code_1_and_every_skip_is_told(
        capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.conclude(table(), 1.0) == FINDING
    said = capsys.readouterr().out
    assert "skipped: MSan, build: clang is missing" in said
    assert "left out: MSan, build: a: b" in said


def test_nothing_but_skips_is_no_success() -> None:
    assert checks.conclude({"MSan": {"build": checks.Cell("skipped", "x")}}, 1.0) != 0


def test_an_instrument_without_its_compiler_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(configuration: str) -> pathlib.Path:
        raise UserError("clang is missing; install clang-19", UNFIT)
    monkeypatch.setattr(meson, "ensure_build", absent)
    cells = checks.look(instruments.INSTRUMENTS[0])
    assert [cell.outcome for cell in cells.values()] == ["skipped"]


def test_sources_that_do_not_compile_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(configuration: str) -> pathlib.Path:
        raise meson.BuildError("error: expected ';'", FINDING)
    monkeypatch.setattr(meson, "ensure_build", broken)
    assert checks.look(instruments.INSTRUMENTS[0])["build"].outcome == "failed"


@pytest.mark.parametrize("said, outcome", [
    ("==12==ERROR: AddressSanitizer: use-after-poison on address 0x1\n", "passed"),
    ("note: about ==12==ERROR: AddressSanitizer: use-after-poison on x\n", "failed"),
    ("outcome: unnoticed\n", "failed"),
    ("", "failed"),
])
def test_a_control_is_told_by_its_own_line(
        monkeypatch: pytest.MonkeyPatch, said: str, outcome: str) -> None:
    monkeypatch.setattr(checks, "make_mistake", lambda *_: said)
    one = instruments.Instrument("x", "sanitize", (instruments.POISON,))
    assert checks.controlled(one, pathlib.Path("x")).outcome == outcome


def test_every_instrument_has_a_control_and_a_build() -> None:
    for one in instruments.INSTRUMENTS:
        assert one.controls
        assert one.configuration in meson.CONFIGURATIONS
        assert "control" in one.only
        for control in one.controls:
            assert control.line.startswith("^")
            re.compile(control.line)
    names = [instruments.name_of(one) for one in instruments.INSTRUMENTS]
    assert len(set(names)) == len(names)


def test_every_build_that_commits_misuses_has_a_column() -> None:
    for one in instruments.INSTRUMENTS:
        if "misuse" in one.only:
            column = misuse.ALIKE.get(one.configuration, one.configuration)
            assert column in misuse.BUILDS, one.title


def test_a_build_is_held_to_the_column_of_its_kind() -> None:
    text = "| misuse | what happens | ordinary |\n| --- | --- | --- |\n| `a` | b | refused |\n"
    assert misuse.differences("s390x", {"a": "refused"}, text) == []
    assert misuse.differences("s390x", {"a": "unnoticed"}, text) == [
        "a: unnoticed, but the document says refused"]
    assert "no column MSan" in misuse.differences("memory", {}, text)[0]


def test_the_table_is_kept_in_the_order_asked_for_and_each_pays_for_itself(
        kept: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    def work(title: str) -> checks.Cell:
        if title == "busy":
            spin = "import time\nwhile time.process_time() < 0.5: 0"
            subprocess.run([sys.executable, "-c", spin], check=True)
        return checks.Cell("passed", "said")
    monkeypatch.setattr(checks, "look",
                        lambda one: {"build": checks.timed(lambda: work(one.title))})
    monkeypatch.setattr(checks.testing, "LOGS", tmp_path / "test")
    chosen = [instruments.Instrument(title, "release", (instruments.BUG,))
              for title in ("busy", "idle")]
    assert checks.run(chosen, "chosen") == PASS
    facts = json.loads((kept / "check.json").read_text())
    cells = {one["title"]: one["cells"]["build"] for one in facts["instruments"]}
    assert list(cells) == ["busy", "idle"]
    assert cells["busy"]["cpu_s"] >= 0.5 > 0.3 > cells["idle"]["cpu_s"]
    assert "2 cells passed" in capsys.readouterr().out


def test_an_unknown_instrument_is_refused() -> None:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    with pytest.raises(UserError, match="no instrument 'vax'; there are release"):
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


def test_the_command_is_known() -> None:
    assert commands.load("check") is check


def test_libraries_of_another_machine_are_not_fetched_against_the_users_word(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")
    monkeypatch.setattr(cross_machines.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    with pytest.raises(UserError, match="POOLPROOF_INSTALL=no") as caught:
        cross_machines.cross_file("s390x", tmp_path)
    assert caught.value.exit_code == UNFIT


def test_a_machine_without_its_emulator_is_unfit(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_machines.shutil, "which",
                        lambda tool: None if tool.startswith("qemu") else f"/usr/bin/{tool}")
    with pytest.raises(UserError, match="qemu-s390x is missing; install") as caught:
        cross_machines.cross_file("s390x", tmp_path)
    assert caught.value.exit_code == UNFIT

"""The table of every instrument: what is kept of it, what ends it badly, and its controls."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pathlib
import re
import signal
import time

import jsonschema
import pytest

from analysis import __main__ as commands
from analysis.building import cross_machines, meson
from analysis.commands import check
from analysis.quality import misuse
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import ROOT

SCHEMA = json.loads((ROOT / "results/schema/check.schema.json").read_text())


def table() -> dict[str, dict[str, check.Cell]]:
    return {
        "gcc release": {"build": check.Cell("passed", "no warnings", 2.0, 1.5),
                        "core": check.Cell("failed", "1 failed \x1b[0m", 1.0, 1.0)},
        "MSan": {"build": check.Cell("skipped", "clang is missing", skipped=["a: b"])},
    }


@pytest.fixture(autouse=True)
def kept(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(check, "KEPT", tmp_path / "check")
    (tmp_path / "check").mkdir()
    return tmp_path / "check"


def test_what_is_kept_fits_its_schema(kept: pathlib.Path) -> None:
    check.keep(table(), "quick", 3.5)
    facts = json.loads((kept / "check.json").read_text())
    jsonschema.validate(facts, SCHEMA)
    assert facts["instruments"][0]["cells"]["core"]["outcome"] == "failed"
    text = (kept / "junit.xml").read_text()
    assert 'failures="1"' in text and 'skipped="1"' in text and "\x1b" not in text


def test_a_skip_without_a_reason_does_not_fit_the_schema(kept: pathlib.Path) -> None:
    check.keep({"x": {"core": check.Cell("skipped")}}, "full", 0.0)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads((kept / "check.json").read_text()), SCHEMA)


def test_a_failure_is_exit_code_1_and_every_skip_is_told(
        capsys: pytest.CaptureFixture[str]) -> None:
    assert check.conclude(table(), 1.0) == FINDING
    said = capsys.readouterr().out
    assert "skipped: MSan, build: clang is missing" in said
    assert "left out: MSan, build: a: b" in said


def test_nothing_but_skips_is_no_success() -> None:
    assert check.conclude({"MSan": {"build": check.Cell("skipped", "x")}}, 1.0) != 0


def test_an_instrument_without_its_compiler_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(configuration: str) -> pathlib.Path:
        raise UserError("clang is missing; install clang-19", UNFIT)
    monkeypatch.setattr(meson, "ensure_build", absent)
    cells = check.look(check.INSTRUMENTS[0])
    assert [cell.outcome for cell in cells.values()] == ["skipped"]


def test_sources_that_do_not_compile_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(configuration: str) -> pathlib.Path:
        raise meson.BuildError("error: expected ';'", FINDING)
    monkeypatch.setattr(meson, "ensure_build", broken)
    assert check.look(check.INSTRUMENTS[0])["build"].outcome == "failed"


@pytest.mark.parametrize("said, outcome", [
    ("==12==ERROR: AddressSanitizer: use-after-poison on address 0x1\n", "passed"),
    ("note: about ==12==ERROR: AddressSanitizer: use-after-poison on x\n", "failed"),
    ("outcome: unnoticed\n", "failed"),
    ("", "failed"),
])
def test_a_control_is_told_by_its_own_line(
        monkeypatch: pytest.MonkeyPatch, said: str, outcome: str) -> None:
    monkeypatch.setattr(check, "make_mistake", lambda *_: said)
    instrument = check.Instrument("x", "sanitize", (check.POISON,))
    assert check.controlled(instrument, pathlib.Path("x")).outcome == outcome


def test_every_instrument_has_a_control_and_a_build() -> None:
    for instrument in check.INSTRUMENTS:
        assert instrument.controls
        assert instrument.configuration in meson.CONFIGURATIONS
        assert "control" in instrument.only
        for control in instrument.controls:
            assert control.line.startswith("^")
            re.compile(control.line)
    names = [check.name_of(instrument) for instrument in check.INSTRUMENTS]
    assert len(set(names)) == len(names)


def test_every_build_that_commits_misuses_has_a_column() -> None:
    for one in check.INSTRUMENTS:
        if "misuse" in one.only:
            column = misuse.ALIKE.get(one.configuration, one.configuration)
            assert column in misuse.BUILDS, one.title


def test_a_build_is_held_to_the_column_of_its_kind() -> None:
    text = "| misuse | what happens | ordinary |\n| --- | --- | --- |\n| `a` | b | refused |\n"
    assert misuse.differences("s390x", {"a": "refused"}, text) == []
    assert misuse.differences("s390x", {"a": "unnoticed"}, text) == [
        "a: unnoticed, but the document says refused"]
    assert "no column MSan" in misuse.differences("memory", {}, text)[0]


def instrument(title: str, cpu_s: int) -> check.Instrument:
    return check.Instrument(title, "release", (check.BUG,), cpu_s=cpu_s)


def test_instruments_work_beside_one_another_and_pay_for_themselves_alone(
        kept: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    """The one waits until the other, begun after it, is busy; what that costs is not its own."""
    def work(title: str) -> check.Cell:
        end, start = time.monotonic() + 60, time.process_time()
        if title == "busy":
            (tmp_path / "busy").touch()
            while time.process_time() < start + 0.5:
                pass
        while not (tmp_path / "busy").exists() and time.monotonic() < end:
            time.sleep(0.01)
        return check.Cell("passed" if time.monotonic() < end else "failed", "said")
    monkeypatch.setattr(check, "look", lambda one: {"build": check.timed(lambda: work(one.title))})
    monkeypatch.setattr(check.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(check.testing, "LOGS", tmp_path / "test")
    chosen = [instrument("busy", 1), instrument("waits", 2)]
    assert check.run_alone(chosen, "chosen") == PASS
    facts = json.loads((kept / "check.json").read_text())
    cells = {one["title"]: one["cells"]["build"] for one in facts["instruments"]}
    assert list(cells) == ["busy", "waits"]
    assert cells["busy"]["cpu_s"] >= 0.3 > cells["waits"]["cpu_s"]
    assert "2 cells passed" in capsys.readouterr().out


def test_an_interrupt_ends_what_is_under_way_and_begins_nothing(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(one: check.Instrument) -> dict[str, check.Cell]:
        (tmp_path / one.title).touch()
        time.sleep(0 if one.title == "first" else 60)
        return {}
    monkeypatch.setattr(check, "look", look)
    monkeypatch.setattr(check.os, "cpu_count", lambda: 2)
    start = time.monotonic()
    going = check.at_a_time([instrument(name, 0) for name in ("first", "a", "b", "c", "d")])
    assert next(going)[0] == "first"
    with pytest.raises(KeyboardInterrupt):
        going.throw(KeyboardInterrupt)
    assert time.monotonic() - start < 30
    assert not (tmp_path / "d").exists()


def test_a_process_that_misses_the_interrupt_begins_nothing_either(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes between two instruments, where it is ignored; what is next begins after it."""
    event = multiprocessing.get_context("fork").Event()
    monkeypatch.setattr(check, "look", lambda one: pytest.fail("begun"))
    before = signal.getsignal(signal.SIGINT)
    try:
        check.begin(event)
        event.set()
        os.kill(os.getpid(), signal.SIGINT)
        assert check.apart(instrument("next", 0)) == {}
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_unknown_instrument_is_refused() -> None:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    with pytest.raises(UserError, match="no instrument 'vax'; there are release"):
        check.run(parser.parse_args(["vax"]))


def test_the_list_shows_those_that_are_named(capsys: pytest.CaptureFixture) -> None:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    quick = sum(one.quick for one in check.INSTRUMENTS)
    for words, lines in ((["frama-c"], 1), (["--quick"], quick), ([], len(check.INSTRUMENTS))):
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

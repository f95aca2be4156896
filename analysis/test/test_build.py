"""Builds, and the linters that read them, on a project of three lines in a folder of its own."""

import json
import shutil

import pytest

from analysis.building import meson
from analysis.quality import linters
from analysis.system import files
from analysis.system.exits import FINDING, UserError

pytestmark = pytest.mark.slow

GOOD = "int answer(void);\n\nint answer(void)\n{\n    return 42;\n}\n"
WARNS = GOOD.replace("return 42", "unsigned u = 42; return u > -1")
ERRS = GOOD.replace("42;", "42 +;")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one source, in place of the repository."""
    monkeypatch.setattr(meson, "ROOT", tmp_path)
    monkeypatch.setattr(meson, "BUILD_ROOT", tmp_path / "build")
    monkeypatch.setattr(linters, "ROOT", tmp_path)
    monkeypatch.setattr(linters, "git", lambda *words: "core/toy.c\n")
    monkeypatch.setattr(linters, "WORK", tmp_path / "build" / "lint")
    monkeypatch.setattr(meson, "CONFIGURATIONS", {"plain": meson.Configuration("gcc", ())})
    (tmp_path / "core").mkdir()
    (tmp_path / "core/toy.c").write_text(GOOD)
    (tmp_path / "meson.build").write_text(
        "project('toy', 'c', default_options: 'warning_level=3')\n"
        "static_library('toy', 'core/toy.c')\n")
    for name in (".clang-format", ".clang-tidy"):
        shutil.copy(files.ROOT / name, tmp_path)
    return tmp_path


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is missing")


def test_builds_once_and_anew_when_a_setting_changes(project, monkeypatch):
    need("meson", "ninja", "gcc", "g++")
    folder = meson.ensure_build("plain")
    made = (folder / "build.ninja").stat().st_mtime_ns
    assert meson.ensure_build("plain") == folder
    assert (folder / "build.ninja").stat().st_mtime_ns == made
    changed = {"plain": meson.Configuration("gcc", ("-Dbuildtype=release",))}
    monkeypatch.setattr(meson, "CONFIGURATIONS", changed)
    meson.ensure_build("plain")
    assert (folder / "build.ninja").stat().st_mtime_ns != made
    assert "-Dbuildtype=release" in json.loads((folder / meson.SETTINGS).read_text())["options"]


@pytest.mark.parametrize("source, said", [(ERRS, "error"), (WARNS, "sign-compare")],
                         ids=["error", "warning"])
def test_what_does_not_compile_fails_with_the_compilers_line(project, source, said):
    need("meson", "ninja", "gcc", "g++")
    if meson.compiler_version(meson.compilers("gcc")[0]).partition(".")[0] != "12":
        pytest.skip("only under gcc 12 is a warning an error")
    (project / "core/toy.c").write_text(source)
    with pytest.raises(UserError, match=said) as caught:
        meson.ensure_build("plain")
    assert caught.value.exit_code == FINDING
    (project / "core/toy.c").write_text(GOOD)
    meson.ensure_build("plain")


@pytest.mark.parametrize("linter, program, source, said", [
    ("clang-format", "clang-format-19", GOOD.replace("    return", "  return"), "clang-formatted"),
    ("clang-tidy", "clang-tidy-19", GOOD.replace(
        "return 42;", "return sizeof(sizeof(int)) > 4;"), "bugprone-sizeof-expression"),
    ("cppcheck", "cppcheck", GOOD.replace(
        "return 42;", "int two[2] = {1, 2};\n    return two[2];"), "arrayIndexOutOfBounds"),
], ids=["clang-format", "clang-tidy", "cppcheck"])
def test_each_linter_trips_on_its_mistake_alone(project, linter, program, source, said):
    need(program)
    folder = project / "build/plain"
    folder.mkdir(parents=True)
    entry = {"directory": str(folder), "file": "../../core/toy.c",
             "command": "cc -Wall -std=c11 -MD -MQ toy.o -MF toy.o.d -o toy.o -c ../../core/toy.c"}
    (folder / "compile_commands.json").write_text(json.dumps([entry]))
    assert linters.CHECKS[linter]([folder]) == []
    (project / "core/toy.c").write_text(source)
    complaints = linters.CHECKS[linter]([folder])
    assert any("core/toy.c" in line and said in line for line in complaints)
    assert linters.CHECKS[linter]([folder]) == complaints

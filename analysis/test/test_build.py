"""Builds, and the linters that read them, on a project of three lines in a folder of its own."""

import json
import shutil

import pytest

from analysis import build, environment, lint

GOOD = "int answer(void);\n\nint answer(void)\n{\n    return 42;\n}\n"
WARNS = GOOD.replace("return 42", "unsigned u = 42; return u > -1")
ERRS = GOOD.replace("42;", "42 +;")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one source, in place of the repository."""
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILD_ROOT", tmp_path / "build")
    monkeypatch.setattr(lint, "MEMORY", tmp_path / "build" / "lint")
    monkeypatch.setattr(build, "CONFIGURATIONS", {"plain": build.Configuration("gcc", ())})
    (tmp_path / "core").mkdir()
    (tmp_path / "core/toy.c").write_text(GOOD)
    (tmp_path / "meson.build").write_text(
        "project('toy', 'c', default_options: 'warning_level=3')\n"
        "static_library('toy', 'core/toy.c')\n")
    for name in (".clang-format", ".clang-tidy"):
        shutil.copy(build.__file__.replace("analysis/build.py", name), tmp_path)
    return tmp_path


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is missing")


def test_builds_once_and_anew_when_a_setting_changes(project, monkeypatch):
    need("meson", "ninja", "gcc", "g++")
    folder = build.ensure_build("plain")
    made = (folder / "build.ninja").stat().st_mtime_ns
    assert build.ensure_build("plain") == folder
    assert (folder / "build.ninja").stat().st_mtime_ns == made
    changed = {"plain": build.Configuration("gcc", ("-Dbuildtype=release",))}
    monkeypatch.setattr(build, "CONFIGURATIONS", changed)
    build.ensure_build("plain")
    assert (folder / "build.ninja").stat().st_mtime_ns != made
    assert "-Dbuildtype=release" in json.loads((folder / build.SETTINGS).read_text())["options"]


@pytest.mark.parametrize("source, said", [(ERRS, "error"), (WARNS, "sign-compare")],
                         ids=["error", "warning"])
def test_what_does_not_compile_fails_with_the_compilers_line(project, source, said):
    need("meson", "ninja", "gcc", "g++")
    if build.compiler_version(build.compilers("gcc")[0]).partition(".")[0] != "12":
        pytest.skip("only under gcc 12 is a warning an error")
    (project / "core/toy.c").write_text(source)
    with pytest.raises(build.BuildError, match=said) as caught:
        build.ensure_build("plain")
    assert caught.value.exit_code == environment.FINDING
    (project / "core/toy.c").write_text(GOOD)
    build.ensure_build("plain")


def test_an_unknown_configuration_is_refused(project):
    with pytest.raises(environment.UserError, match="there are plain"):
        build.ensure_build("fast")


@pytest.mark.parametrize("linter, program, source, said", [
    ("clang-format", "clang-format-19", GOOD.replace("    return", "  return"), "clang-formatted"),
    ("clang-tidy", "clang-tidy-19", GOOD.replace(
        "return 42;", "int *none = 0;\n    return *none;"), "NullDereference"),
    ("cppcheck", "cppcheck", GOOD.replace(
        "return 42;", "int two[2] = {1, 2};\n    return two[2];"), "arrayIndexOutOfBounds"),
], ids=["clang-format", "clang-tidy", "cppcheck"])
def test_each_linter_trips_on_its_mistake_alone(project, linter, program, source, said):
    need(program)
    folder = project / "build/plain"
    folder.mkdir(parents=True)
    entry = {"directory": str(folder), "file": "../../core/toy.c",
             "command": "cc -Wall -std=c11 -o toy.o -c ../../core/toy.c"}
    (folder / "compile_commands.json").write_text(json.dumps([entry]))
    assert lint.CHECKS[linter]([folder]) == []
    (project / "core/toy.c").write_text(source)
    complaints = lint.CHECKS[linter]([folder])
    assert any("core/toy.c" in line and said in line for line in complaints)
    assert lint.CHECKS[linter]([folder]) == complaints

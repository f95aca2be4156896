"""What the public fuzzing services would say of the targets, and that the check can say no."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from analysis import services

NEEDED = ("clang-19", "clang++-19", "objdump")


def judge(script: pathlib.Path, engine: str, sanitizer: str, place: pathlib.Path) -> list[str]:
    for tool in NEEDED:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is missing")
    if engine == "afl" and not services.AFL.is_dir():
        pytest.skip("afl++ is missing; install afl++")
    moved, wrong = services.build_targets(script, engine, sanitizer, place)
    return wrong + services.complaints(moved, engine, sanitizer)


@pytest.mark.parametrize("sanitizer", services.SANITIZERS)
@pytest.mark.parametrize("engine", services.ENGINES)
def test_every_target_passes(engine: str, sanitizer: str, tmp_path: pathlib.Path) -> None:
    if (engine, sanitizer) == ("afl", "coverage"):
        pytest.skip("the services measure coverage with libFuzzer alone")
    assert judge(services.SCRIPT, engine, sanitizer, tmp_path / "build") == []


def script_of(tmp_path: pathlib.Path, body: str) -> pathlib.Path:
    """A build script of one target, whose body is given."""
    script = tmp_path / "tree" / ".clusterfuzzlite" / "build.sh"
    script.parent.mkdir(parents=True)
    script.write_text(
        "set -eu\ncat > $WORK/t.c <<'C'\n#include <stdio.h>\n#include <stdlib.h>\n"
        "int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)\n"
        "{ (void)bytes; (void)size; " + body + " return 0; }\nC\n"
        '$CC $CFLAGS -DPLACE="\\"$OUT\\"" -c $WORK/t.c -o $WORK/t.o\n'
        "$CXX $CXXFLAGS $WORK/t.o $LIB_FUZZING_ENGINE -o $OUT/t\n")
    return script


@pytest.mark.parametrize("body, sanitizer, said", [
    ("", "coverage", None),
    ("abort();", "coverage", "t: does not run"),
    ('FILE *f = fopen(PLACE "/t", "r"); if (!f) abort(); fclose(f);', "coverage",
     "t: does not run"),
    ("not C", "coverage", "the build failed"),
    ("", "address", "calls of asan, at least 1000 are due"),
])
def test_what_is_wrong_is_said(body: str, sanitizer: str, said: str | None,
                               tmp_path: pathlib.Path) -> None:
    wrong = judge(script_of(tmp_path, body), "libfuzzer", sanitizer, tmp_path / "build")
    assert (wrong == []) if said is None else any(said in line for line in wrong)


@pytest.mark.parametrize("engine", services.ENGINES)
def test_an_empty_target_holds_the_engine_s_own_calls(engine: str, tmp_path: pathlib.Path) -> None:
    """What is allowed beyond the services' bound is what the runtime holds, no call more."""
    judge(script_of(tmp_path, ""), engine, "memory", tmp_path / "build")
    counted = services.count_calls(tmp_path / "build" / "moved" / "t")
    assert counted["asan"] == services.OWN[engine]


def test_nothing_to_run_is_wrong(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "tree" / ".clusterfuzzlite" / "build.sh"
    script.parent.mkdir(parents=True)
    script.write_text("true\n")
    assert judge(script, "libfuzzer", "address", tmp_path / "build") == ["there is no fuzz target"]

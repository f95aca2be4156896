"""What the public fuzzing services would say of the targets, and that the check can say no."""

from __future__ import annotations

import os
import pathlib
import re
import shutil

import pytest

from analysis.quality import services
from analysis.system import packages
from analysis.system.files import ROOT

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


def script_of(tmp_path: pathlib.Path, body: str, libraries: str = "") -> pathlib.Path:
    """A build script of one target, whose body is given."""
    script = tmp_path / "tree" / ".clusterfuzzlite" / "build.sh"
    script.parent.mkdir(parents=True)
    script.write_text(
        "set -eu\ncat > $WORK/t.c <<'C'\n#include <stdio.h>\n#include <stdlib.h>\n"
        "int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)\n"
        "{ (void)bytes; (void)size; " + body + " return 0; }\nC\n"
        '$CC $CFLAGS -DPLACE="\\"$OUT\\"" -c $WORK/t.c -o $WORK/t.o\n'
        f"$CXX $CXXFLAGS $WORK/t.o $LIB_FUZZING_ENGINE {libraries} -o $OUT/t\n")
    return script


@pytest.mark.parametrize("body, sanitizer, said", [
    ("", "coverage", None),
    ("abort();", "coverage", "t: does not run"),
    ("abort();", "address", "t: does not run"),
    ('FILE *f = fopen(PLACE "/t", "r"); if (!f) abort(); fclose(f);', "coverage",
     "t: does not run"),
    ("not C", "coverage", "the build failed"),
    ("", "address", "calls of asan, at least 1000 are due"),
])
@pytest.mark.parametrize("engine", services.ENGINES)
def test_what_is_wrong_is_said(engine: str, body: str, sanitizer: str, said: str | None,
                               tmp_path: pathlib.Path) -> None:
    wrong = judge(script_of(tmp_path, body), engine, sanitizer, tmp_path / "build")
    assert (wrong == []) if said is None else any(said in line for line in wrong)


def test_a_shared_library_that_is_not_there_is_wrong(tmp_path: pathlib.Path) -> None:
    script = script_of(tmp_path, "", "-Wl,--no-as-needed -lz")
    assert judge(script, "libfuzzer", "coverage", tmp_path / "build") == [
        "t: needs libz.so.1, which is to be linked in"]


def test_a_seed_that_crashes_is_wrong(tmp_path: pathlib.Path) -> None:
    script = script_of(tmp_path, 'if (size == 5 && bytes[4] == 1) abort();')
    with script.open("a") as stream:
        stream.write("printf '\\1\\1\\1\\1\\1' > $WORK/seed\n"
                     "cd $WORK && python3 -m zipfile -c $OUT/t_seed_corpus.zip seed\n")
    wrong = judge(script, "libfuzzer", "coverage", tmp_path / "build")
    assert len(wrong) == 1 and wrong[0].startswith("t: does not pass on its seeds")


@pytest.mark.parametrize("engine", services.ENGINES)
def test_an_empty_target_holds_the_engine_s_own_calls(engine: str, tmp_path: pathlib.Path) -> None:
    """What is allowed beyond the services' bound is what the runtime holds, no call more."""
    judge(script_of(tmp_path, ""), engine, "memory", tmp_path / "build")
    counted = services.count_calls(tmp_path / "build" / "moved" / "t")
    assert counted["asan"] == services.OWN[engine]


@pytest.mark.parametrize("engine", services.ENGINES)
def test_nothing_to_run_is_wrong(engine: str, tmp_path: pathlib.Path) -> None:
    script = tmp_path / "tree" / ".clusterfuzzlite" / "build.sh"
    script.parent.mkdir(parents=True)
    script.write_text("true\n")
    assert judge(script, engine, "address", tmp_path / "build") == ["there is no fuzz target"]


# --- The files that the services read ---------------------------------------------------------


FOLDER = services.SCRIPT.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("fuzz-*.yml"))


def instructions() -> list[tuple[str, str]]:
    """(word, the rest) of each instruction in the Dockerfile."""
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines()
            if line.strip() and not line.startswith("#")]


def test_what_the_dockerfile_copies_and_starts_is_there() -> None:
    copied = [rest.split() for word, rest in instructions() if word in ("COPY", "ADD")]
    assert copied
    for *sources, place in copied:
        assert place == "$SRC/poolproof"
        assert all((ROOT / source).exists() for source in sources)
    text = " ".join(rest for _, rest in instructions())
    started = re.findall(r"\$SRC/poolproof/(\S+?\.sh)", text)
    assert started and all(os.access(ROOT / name, os.X_OK) for name in started)


def test_the_dockerfile_s_packages_are_those_that_the_commands_install() -> None:
    """Names that Debian and Ubuntu share, as the image of the services is Ubuntu's."""
    named = [name for word, rest in instructions() if word == "RUN" and "apt-get install" in rest
             for name in re.split(r"&&|;", rest.partition("apt-get install")[2])[0].split()
             if not name.startswith("-")]
    known = {package.name for package in packages.PACKAGES} | {"python3"}
    assert named and set(named) <= known


def test_what_the_workflows_ask_for_is_what_is_tried_here() -> None:
    said = (FOLDER / "project.yaml").read_text()
    def listed(text: str, key: str) -> set[str]:
        return set(re.split(r", *", re.search(rf"^ *{key}: \[(.*)\]$", text, re.M)[1]))
    assert listed(said, "fuzzing_engines") == set(services.ENGINES)
    assert listed(said, "sanitizers") <= set(services.SANITIZERS)
    assert WORKFLOWS
    for path in WORKFLOWS:
        assert listed(path.read_text(), "sanitizer") == listed(said, "sanitizers")

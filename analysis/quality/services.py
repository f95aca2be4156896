"""Builds the fuzz targets as the public fuzzing services do, without Docker, and judges the result.

The services set compilers, flags and engine from outside, move what was built, start each target
with its engine, and count the sanitizer's calls in it. `build_targets` and `complaints` do the same
with the thresholds of OSS-Fuzz's build check (`bad_build_check`). Standard library alone.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import zipfile

from analysis.system.files import ROOT
from analysis.system.process import clean_environment

SCRIPT = ROOT / ".clusterfuzzlite" / "build.sh"
LIMIT_S = 600
NAME = re.compile(r"[A-Za-z0-9_-]+")
AFL = pathlib.Path("/usr/lib/afl")

SANITIZERS = {
    "address": "-fsanitize=address -fsanitize-address-use-after-scope",
    "undefined": "-fsanitize=array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,"
                 "object-size,return,returns-nonnull-attribute,shift,signed-integer-overflow,"
                 "unsigned-integer-overflow,unreachable,vla-bound,vptr "
                 "-fno-sanitize-recover=array-bounds,bool,builtin,enum,function,"
                 "integer-divide-by-zero,null,object-size,return,returns-nonnull-attribute,shift,"
                 "signed-integer-overflow,unreachable,vla-bound,vptr",
    "memory": "-fsanitize=memory -fsanitize-memory-track-origins",
    "coverage": "-fprofile-instr-generate -fcoverage-mapping",
}
ENGINES = {
    "libfuzzer": ("-fsanitize=fuzzer-no-link", "-fsanitize=fuzzer"),
    "afl": ("-fsanitize-coverage=trace-pc-guard",
            f"{AFL / 'libAFLDriver.a'} {AFL / 'afl-compiler-rt-64.o'}"),
}

LEAST = {"address": {"asan": 1000}, "memory": {"msan": 1000}, "undefined": {"ubsan": 168},
         "coverage": {}}
MOST = {"address": {"ubsan": 200, "msan": 3}, "memory": {"asan": 0, "ubsan": 200},
        "undefined": {"asan": 0, "msan": 3}, "coverage": {}}
"""Sanitizer → calls of which sanitizer a target must hold at least, and may hold at most."""

OWN = {"libfuzzer": 0, "afl": 18}
"""Engine → calls of asan in its own runtime, which speaks to a sanitizer if there is one. The
services build AFL++ with address alone, where they do not matter; under the other sanitizers their
bound of none would refuse every target there is, an empty one too."""

SURROUNDINGS = {"UBSAN_OPTIONS": "print_stacktrace=1:silence_unsigned_overflow=1:symbolize=0"}
"""What a target finds in its environment: counting modulo a power of two is told of, not judged."""

THERE = re.compile(r"lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+)\.so\.\d|ld-linux\S*")
"""Shared libraries that are on the machines where the services run targets."""


def build_targets(script: pathlib.Path, engine: str, sanitizer: str, place: pathlib.Path) -> \
        tuple[pathlib.Path, list[str]]:
    """Runs a build script in the services' environment and moves what it built.

    Returns the moved folder and what went wrong with the build.
    """
    out, work, moved = place / "out", place / "work", place / "moved"
    for folder in (out, work):
        folder.mkdir(parents=True)
    guide, link = ENGINES[engine]
    flags = f"-O1 -fno-omit-frame-pointer -gline-tables-only {SANITIZERS[sanitizer]} {guide}"
    variables = {
        "CC": "clang-19", "CXX": "clang++-19", "CFLAGS": flags, "CXXFLAGS": flags,
        "LIB_FUZZING_ENGINE": link, "OUT": str(out), "SRC": str(script.parent.parent.parent),
        "WORK": str(work), "SANITIZER": sanitizer, "FUZZING_ENGINE": engine,
        "ARCHITECTURE": "x86_64",
    }
    answer = subprocess.run(["bash", str(script)], cwd=place, stdin=subprocess.DEVNULL,
                            env=clean_environment() | variables, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", timeout=LIMIT_S)
    wrong = [] if answer.returncode == 0 else [f"the build failed: {answer.stdout[-400:]}"]
    out.rename(moved)
    shutil.rmtree(work)
    return moved, wrong


def targets_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """The programs that a service would take for fuzz targets."""
    return [path for path in sorted(folder.iterdir())
            if path.is_file() and os.access(path, os.X_OK) and NAME.fullmatch(path.name)
            and b"LLVMFuzzerTestOneInput" in path.read_bytes()]


def complaints(folder: pathlib.Path, engine: str, sanitizer: str) -> list[str]:
    """What the services' build check would say against the moved targets."""
    found = targets_in(folder)
    wrong = [] if found else ["there is no fuzz target"]
    for target in found:
        said = [*_needs(target), *_calls(target, engine, sanitizer), *STARTS[engine](target)]
        wrong += [f"{target.name}: {what}" for what in said]
    return wrong


def count_calls(program: pathlib.Path) -> dict[str, int]:
    """Sanitizer → calls of it in the disassembly."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(program)], text=True,
                          stdout=subprocess.PIPE, check=True, timeout=LIMIT_S).stdout
    return {name: len(re.findall(rf"call.*\b_*{name}_", text))
            for name in ("asan", "msan", "ubsan")}


def _needs(target: pathlib.Path) -> list[str]:
    """Shared libraries that are not there where the services run it."""
    text = subprocess.run(["objdump", "-p", str(target)], text=True, stdout=subprocess.PIPE,
                          check=True, timeout=LIMIT_S).stdout
    return [f"needs {name}, which is to be linked in"
            for name in re.findall(r"^ *NEEDED +(\S+)$", text, re.M) if not THERE.fullmatch(name)]


def _calls(target: pathlib.Path, engine: str, sanitizer: str) -> list[str]:
    if not (LEAST[sanitizer] or MOST[sanitizer]):
        return []
    counted = count_calls(target)
    own = {"asan": OWN[engine]}
    few = [f"{counted[name]} calls of {name}, at least {least} are due"
           for name, least in LEAST[sanitizer].items() if counted[name] < least]
    return few + [f"{counted[name]} calls of {name}, at most {most} may be"
                  for name, most in MOST[sanitizer].items()
                  if counted[name] > most + own.get(name, 0)]


def _said_by(words: list[str], variables: dict[str, str] | None = None) -> tuple[int, str]:
    """(exit code, output) of a program that is started from another folder and without OUT."""
    answer = subprocess.run(words, cwd="/", stdin=subprocess.DEVNULL, text=True, timeout=60,
                            env=SURROUNDINGS | {"PATH": os.environ["PATH"]} | (variables or {}),
                            check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return answer.returncode, answer.stdout


def _with_libfuzzer(target: pathlib.Path) -> list[str]:
    """Four runs, and then the seeds that stand beside it."""
    code, said = _said_by([str(target), "-seed=1337", "-runs=4"])
    if code != 0 or not re.search(r"^Done 4 runs", said, re.M):
        return [f"does not run (exit code {code}): {said[-200:]}"]
    seeds = target.with_name(f"{target.name}_seed_corpus.zip")
    if not seeds.exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(seeds).extractall(folder)
        code, said = _said_by([str(target), "-runs=0", folder])
    return [f"does not pass on its seeds (exit code {code}): {said[-200:]}"] if code else []


def _with_afl(target: pathlib.Path) -> list[str]:
    """afl-fuzz starts it, tries an input on it, and is ready."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "in").mkdir()
        (place / "in" / "input").write_text("hi")
        _, said = _said_by(
            ["afl-fuzz", "-E", "4", "-m", "none", "-i", str(place / "in"), "-o",
             str(place / "out"), "--", str(target)],
            {"AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_NO_AFFINITY": "1",
             "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1", "AFL_FORKSRV_INIT_TMOUT": "30000"})
    ready = "All set and ready to roll" in said
    return [] if ready else [f"does not run under afl-fuzz: {said.strip()[-200:]}"]


STARTS = {"libfuzzer": _with_libfuzzer, "afl": _with_afl}
"""Engine → what starts a target and says what was wrong."""

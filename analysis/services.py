"""Builds the fuzz targets as the public fuzzing services do, without Docker, and judges the result.

The services set compilers, flags and engine from outside, move what was built, and count the
sanitizer's calls in each target. `build_targets` and `complaints` do the same with the thresholds
of OSS-Fuzz's build check. Standard library alone.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

from analysis import environment

SCRIPT = environment.ROOT / ".clusterfuzzlite" / "build.sh"
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
MOST = {"address": {"ubsan": 200}, "memory": {"asan": 0}, "undefined": {}, "coverage": {}}
"""Sanitizer → calls of which sanitizer a target must hold at least, and may hold at most."""

OWN = {"libfuzzer": 0, "afl": 18}
"""Engine → calls of asan in its own runtime, which speaks to a sanitizer if there is one."""


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
                            env=environment.clean_environment() | variables, check=False,
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
        wrong += [f"{target.name}: {what}" for what in _calls(target, engine, sanitizer)]
        wrong += [f"{target.name}: {what}" for what in _runs(target, engine)]
    return wrong


def count_calls(program: pathlib.Path) -> dict[str, int]:
    """Sanitizer → calls of it in the disassembly."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(program)], text=True,
                          stdout=subprocess.PIPE, check=True, timeout=LIMIT_S).stdout
    return {name: len(re.findall(rf"call.*\b_*{name}_", text))
            for name in ("asan", "msan", "ubsan")}


def _calls(target: pathlib.Path, engine: str, sanitizer: str) -> list[str]:
    if not (LEAST[sanitizer] or MOST[sanitizer]):
        return []
    counted = count_calls(target)
    few = [f"{counted[name]} calls of {name}, at least {least} are due"
           for name, least in LEAST[sanitizer].items() if counted[name] < least]
    return few + [f"{counted[name]} calls of {name}, at most {most} may be"
                  for name, most in MOST[sanitizer].items() if counted[name] > most + OWN[engine]]


def _runs(target: pathlib.Path, engine: str) -> list[str]:
    """Four runs from another folder and without OUT, as the services start a target."""
    words = ["-seed=1337", "-runs=4"] if engine == "libfuzzer" else []
    answer = subprocess.run([str(target), *words], cwd="/", stdin=subprocess.DEVNULL, text=True,
                            env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, errors="replace", timeout=60, check=False)
    done = engine != "libfuzzer" or re.search(r"^Done 4 runs", answer.stdout, re.M)
    if answer.returncode != 0 or not done:
        return [f"does not run (exit code {answer.returncode}): {answer.stdout[-200:]}"]
    return []

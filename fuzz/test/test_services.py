"""The contract of OSS-Fuzz and ClusterFuzzLite, without Docker: .clusterfuzzlite/build.sh builds in
their environment, and every target passes what their build check (bad_build_check) runs."""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".clusterfuzzlite" / "build.sh"
AFL = "/usr/lib/afl/libAFLDriver.a /usr/lib/afl/afl-compiler-rt-64.o"
FATAL = ("array-bounds,bool,builtin,enum,function,integer-divide-by-zero,null,object-size,return,"
         "returns-nonnull-attribute,shift,signed-integer-overflow,unreachable,vla-bound,vptr")
SANITIZERS = {  # flags; the least and the most calls of a sanitizer in the disassembly
    "address": ("-fsanitize=address -fsanitize-address-use-after-scope",
                {"asan": 1000}, {"ubsan": 200, "msan": 3}),
    "undefined": (f"-fsanitize={FATAL},unsigned-integer-overflow -fno-sanitize-recover={FATAL}",
                  {"ubsan": 168}, {"asan": 0, "msan": 3}),
    "memory": ("-fsanitize=memory -fsanitize-memory-track-origins",
               {"msan": 1000}, {"asan": 0, "ubsan": 200}),
    "coverage": ("-fprofile-instr-generate -fcoverage-mapping", {}, {}),
}
ENGINES = {"libfuzzer": ("-fsanitize=fuzzer-no-link", "-fsanitize=fuzzer"),
           "afl": ("-fsanitize-coverage=trace-pc-guard", AFL)}
BUILDS = [("libfuzzer", sanitizer) for sanitizer in SANITIZERS] + [("afl", "address")]
THERE = re.compile(r"lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+)\.so\.\d|ld-linux\S*")
TOOLS = ("clang-19", "objdump", "afl-fuzz")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not all(map(shutil.which, TOOLS)),
                                                   reason=f"needs {TOOLS}")]
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
RUN = PATH | {"UBSAN_OPTIONS": "silence_unsigned_overflow=1", "AFL_NO_UI": "1",
              "AFL_SKIP_CPUFREQ": "1", "AFL_NO_AFFINITY": "1", "AFL_FORKSRV_INIT_TMOUT": "30000",
              "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1"}


def said_by(*words: object, variables: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run([str(word) for word in words], cwd="/", env=variables or RUN,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=600,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return done.returncode, done.stdout


def complaints(script: pathlib.Path, engine: str, sanitizer: str, place: pathlib.Path) -> list[str]:
    """Builds the targets, moves them, and says what is wrong with them."""
    flags = f"-O1 -gline-tables-only {SANITIZERS[sanitizer][0]} {ENGINES[engine][0]}"
    for name in ("out", "work", "in"):
        (place / name).mkdir()
    code, said = said_by("bash", script, variables=PATH | {
        "CC": "clang-19", "CXX": "clang++-19", "CFLAGS": flags, "CXXFLAGS": flags,
        "LIB_FUZZING_ENGINE": ENGINES[engine][1], "OUT": f"{place}/out", "WORK": f"{place}/work",
        "SRC": str(ROOT.parent), "SANITIZER": sanitizer, "FUZZING_ENGINE": engine,
        "ARCHITECTURE": "x86_64"})
    moved = (place / "out").rename(place / "moved")
    targets = [path for path in sorted(moved.iterdir()) if path.stat().st_mode & 0o111
               and re.fullmatch(r"[A-Za-z0-9_-]+", path.name)]
    found = [f"the build failed: {said[-300:]}"] if code else [] if targets else ["no target"]
    return found + [f"{path.name}: {wrong}" for path in targets
                    for wrong in (*linked(path, sanitizer), *started(path, engine, place))]


def linked(target: pathlib.Path, sanitizer: str) -> list[str]:
    needed = re.findall(r"^ *NEEDED +(\S+)$", said_by("objdump", "-p", target)[1], re.M)
    code = said_by("objdump", "-d", "--no-show-raw-insn", target)[1]
    calls = {name: len(re.findall(rf"call.*\b_*{name}_", code))
             for name in ("asan", "msan", "ubsan")}
    _, least, most = SANITIZERS[sanitizer]
    return ([f"needs {name}" for name in needed if not THERE.fullmatch(name)] +
            [f"{calls[name]} calls of {name}" for name in calls
             if not least.get(name, 0) <= calls[name] <= most.get(name, calls[name])])


def started(target: pathlib.Path, engine: str, place: pathlib.Path) -> list[str]:
    if engine == "afl":
        (place / "in" / "input").write_text("hi")
        _, said = said_by("afl-fuzz", "-E", 4, "-m", "none", "-i", place / "in", "-o",
                          place / f"found-{target.name}", "--", target)
        return [] if "All set and ready to roll" in said else [f"does not run: {said[-200:]}"]
    code, said = said_by(target, "-seed=1337", "-runs=4")
    return [f"does not run: {said[-200:]}"] if code or "\nDone 4 runs" not in said else []


@pytest.mark.parametrize("engine, sanitizer", BUILDS)
def test_every_target_passes(engine: str, sanitizer: str, tmp_path: pathlib.Path) -> None:
    assert complaints(SCRIPT, engine, sanitizer, tmp_path) == []
    assert {path.stem for path in (ROOT / "fuzz/targets").glob("*.c")} <= {
        path.name for path in (tmp_path / "moved").iterdir()}


@pytest.mark.parametrize("engine, body, sanitizer, more, wrong", [
    ("libfuzzer", "", "coverage", "", None), ("afl", "", "coverage", "", None),
    ("afl", "abort();", "coverage", "", "does not run"),
    ("libfuzzer", "abort();", "address", "", "does not run"),
    ("libfuzzer", 'if (!fopen(PLACE "/t", "r")) abort();', "coverage", "", "does not run"),
    ("libfuzzer", "", "address", "", "calls of asan"),
    ("libfuzzer", "", "coverage", "-lz", "needs libz"),
    ("libfuzzer", "not C", "coverage", "", "the build failed")])
def test_what_is_wrong_is_said(engine: str, body: str, sanitizer: str, more: str, wrong: str | None,
                               tmp_path: pathlib.Path) -> None:
    (script := tmp_path / "build.sh").write_text(
        "set -eu; cd $WORK; cat > t.c <<'C'\n#include <stdio.h>\n#include <stdlib.h>\n"
        "int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)\n"
        "{ (void)bytes; (void)size; " + body + " return 0; }\nC\n"
        '$CC $CFLAGS -DPLACE="\\"$OUT\\"" -c t.c\n'
        f"$CXX $CXXFLAGS t.o $LIB_FUZZING_ENGINE -Wl,--no-as-needed {more} -o $OUT/t\n")
    said = complaints(script, engine, sanitizer, tmp_path)
    assert said == [] if wrong is None else any(wrong in line for line in said)

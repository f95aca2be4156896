"""Lines, branches and MC/DC of the pool that the tests and the corpora run, as llvm-cov has them.

MC/DC asks more than branches: that each condition of a decision has been seen to decide it alone
(Hayhurst et al., NASA/TM-2001-210876). `measure` runs all in two builds, of the ordinary pool and
of the checked one; `read` joins what these covered; `judge` holds it against the rules and the
exceptions.
"""

from __future__ import annotations

import bisect
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
from typing import Iterable, Iterator, Sequence

from analysis.building import meson
from analysis.quality import testing
from analysis.quality.testing import Result
from analysis.system.exits import FINDING, UserError
from analysis.system.files import ROOT
from analysis.system.process import require_program

KEPT = meson.BUILD_ROOT / "coverage-report"
EXCEPTIONS = ROOT / "core" / "test" / "coverage_exceptions.txt"
MCDC_LEAST = 0.95
LIMIT_S = 900
BUILDS = ("coverage", "coverage-checked")
SUITES = ("--suite=core", "--suite=trace", "--suite=fuzz", "--no-suite=any-build")

KINDS = {"line": "every line runs", "branch": "every branch goes both ways",
         "mcdc": "every condition decides by itself"}
"""What is covered → the rule about it, which exceptions excuse from."""
TITLES = {"line": "lines", "branch": "branches", "mcdc": "MC/DC"}


@dataclasses.dataclass
class Measured:
    """What was to be covered, and what was."""

    counts: dict[str, tuple[int, int]]
    """Kind → (covered, all)."""
    missed: dict[str, str]
    """Place → file and line. A place, which may stand at several lines of a function, is "KIND
    FUNCTION WHICH: SOURCE": which is "true" or "false" of a branch, "condition 2" of a decision,
    nothing of a line."""


def check() -> list[Result]:
    """Measures and says how much is covered, writes pages of it; one result for each rule."""
    found = measure()
    for kind, (covered, every) in found.counts.items():
        print(f"{TITLES[kind]}: {covered} of {every}, {share(covered, every):.2%}")
    return testing.judged("coverage", judge(found, read_exceptions(EXCEPTIONS.read_text())))


def share(covered: int, every: int) -> float:
    return covered / every if every else 0.0


def sources_of_core() -> list[pathlib.Path]:
    """The library: its sources and its public header, without the seam for tools."""
    core = ROOT / "core"
    beside = [core / f"pool_{name}.h" for name in ("questions", "system")]
    return sorted([*core.glob("mem_pool.[ch]"), *beside])


# --- Measuring ------------------------------------------------------------------------------------


def measure() -> Measured:
    """What tests and corpora cover in each build. UserError if a test fails: half of a run says
    nothing about coverage."""
    for name, package in (("clang-19", "clang-19"), ("llvm-profdata-19", "llvm-19"),
                          ("llvm-cov-19", "llvm-19")):
        require_program(name, package)
    sources = sources_of_core()
    exported, lines = [], []
    shutil.rmtree(KEPT, ignore_errors=True)
    for name in BUILDS:
        folder = meson.ensure_build(name)
        words = ["-instr-profile", count(folder), *programs_of(folder), "-sources",
                 *map(str, sources)]
        exported.append(tool("llvm-cov", ["export", *words]))
        lines.append(tool("llvm-cov", ["export", "-format=lcov", *words]))
        tool("llvm-cov", ["show", "-format=html", f"-output-dir={KEPT / name}",
                          "-show-branches=count", "-show-mcdc", *words])
        print(f"the sources, with each line's count: {os.path.relpath(KEPT / name)}/index.html")
    return read(exported, lines, sources)


def count(folder: pathlib.Path) -> str:
    """Runs the tests and the corpora with counters; the file that has them all."""
    raw, merged = folder / "counters", folder / "counters.profdata"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir()
    results = testing.run_meson(folder.name, folder, SUITES,
                                {"LLVM_PROFILE_FILE": str(raw / "%m-%p.profraw")})
    failed = [result for result in results if result.outcome == "failed"]
    if failed or not results:
        said = [f"{result.name}: {line}" for result in failed[:1]
                for line in testing.telling_lines(result.output, 4)]
        raise UserError("\n".join([f"{len(failed)} tests failed", *said]), FINDING)
    tool("llvm-profdata", ["merge", "-sparse", "-o", str(merged), *map(str, sorted(raw.iterdir()))])
    return str(merged)


def programs_of(folder: pathlib.Path) -> list[str]:
    """The programs that the tests of a build run, as words for llvm-cov."""
    tests = json.loads((folder / "meson-info" / "intro-tests.json").read_text())
    words = {pathlib.Path(word).resolve() for test in tests for word in test["cmd"]
             if word.startswith("/")}
    return [word for path in sorted(words) if path.is_relative_to(folder) and path.is_file()
            and os.access(path, os.X_OK) for word in ("-object", str(path))]


def tool(name: str, words: list[str]) -> str:
    """Runs one of LLVM's programs and returns what it printed."""
    answer = subprocess.run([f"{name}-19", *words], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=LIMIT_S, check=False)
    if answer.returncode != 0:
        raise UserError(f"{name} failed: {answer.stderr.strip()[-300:]}", FINDING)
    return answer.stdout


# --- Reading --------------------------------------------------------------------------------------


def read(exported: Iterable[str], lines: Iterable[str],
         sources: Iterable[pathlib.Path]) -> Measured:
    """What llvm-cov's JSON of each build says of branches and decisions, and its lcov form of
    lines.

    Code that several programs and builds hold is covered by all of them together.
    """
    covered: dict[tuple, bool] = {}

    def see(kind: str, name: str, place: Sequence[int], which: str, times: int) -> None:
        key = (kind, name, *place[:4], which)
        covered[key] = covered.get(key, False) or times > 0

    for file in (file for text in exported for file in json.loads(text)["data"][0]["files"]):
        for branch in file["branches"]:
            see("branch", file["filename"], branch, "true", branch[4])
            see("branch", file["filename"], branch, "false", branch[5])
        for decision in file["mcdc_records"]:
            for number, decides in enumerate(decision[-1], 1):
                see("mcdc", file["filename"], decision, f"condition {number}", decides)
    for name, line, times in (item for text in lines for item in _lines(text)):
        see("line", name, (line, 1, line, 0), "", times)
    files = {str(path): path.read_text().split("\n") for path in sources}
    found = Measured({kind: (0, 0) for kind in KINDS}, {})
    for (kind, name, first, column, last, end, which), is_covered in covered.items():
        done, every = found.counts[kind]
        found.counts[kind] = (done + is_covered, every + 1)
        if not is_covered:
            text = files[name][first - 1:last]
            text[-1] = text[-1][:end - 1] if end else text[-1]
            text[0] = text[0][column - 1:]
            words = (kind, function_at(files[name], first), *([which] if which else []))
            place = f"{' '.join(words)}: {' '.join(' '.join(text).split())}"
            found.missed[place] = f"{pathlib.Path(name).name}:{first}"
    return found


def _lines(text: str) -> Iterator[tuple[str, int, int]]:
    """(file, line, times) from lcov's form."""
    name = ""
    for line in text.splitlines():
        if line.startswith("SF:"):
            name = line[3:]
        elif line.startswith("DA:"):
            number, times = line[3:].split(",")[:2]
            yield name, int(number), int(times)


def function_at(source: list[str], line: int) -> str:
    """The function that holds a line: the last one whose head starts at the margin before it."""
    heads = [(number, match.group(1)) for number, text in enumerate(source, 1)
             if not text.endswith(";")
             and (match := re.match(r"[A-Za-z][\w \*]*?\*?(\w+)\(", text))]
    at = bisect.bisect_right([number for number, _ in heads], line) - 1
    return heads[at][1] if at >= 0 else "file"


# --- Judging --------------------------------------------------------------------------------------


def read_exceptions(text: str) -> dict[str, str]:
    """Place → reason. UserError for a line that has no reason."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        place, mark, reason = line.partition(" -- ")
        if not mark or not reason.strip():
            raise UserError(
                f"{EXCEPTIONS.name}:{number}: expected PLACE -- REASON: {line}")
        found[place.strip()] = reason.strip()
    return found


def judge(found: Measured, exceptions: dict[str, str]) -> dict[str, list[str]]:
    """Rule → what is against it: places that nobody excused, too little MC/DC, stale excuses."""
    rules: dict[str, list[str]] = {}
    for kind, rule in KINDS.items():
        rules[rule] = [f"{where} is not covered: {place}" for place, where in found.missed.items()
                       if place.startswith(f"{kind} ") and place not in exceptions]
        if found.counts[kind][1] == 0:
            rules[rule].append(f"nothing was measured of {TITLES[kind]}")
    covered, every = found.counts["mcdc"]
    rules[f"MC/DC is above {MCDC_LEAST:.0%}"] = [] if share(covered, every) > MCDC_LEAST else [
        f"MC/DC is {share(covered, every):.2%}; it has to be above {MCDC_LEAST:.0%}"]
    rules["every exception is one"] = [
        f"{EXCEPTIONS.name} excuses what is covered: {place}" for place in exceptions
        if place not in found.missed]
    return rules

"""Lines, branches and MC/DC of the pool that the tests and the corpora run, as llvm-cov has them.

MC/DC asks more than branches: that each condition of a decision has been seen to decide it alone
(Hayhurst et al., NASA/TM-2001-210876). `measure` runs all in two builds, of the ordinary pool and
of the checked one; `read` joins what these covered; `judge` holds it against the rules.
"""

import json
import os
import pathlib
import re
import shutil
from typing import Any, Iterable, NamedTuple

from analysis.building import meson
from analysis.quality import testing
from analysis.quality.testing import Result
from analysis.system.exits import FINDING, UserError
from analysis.system.files import ROOT
from analysis.system.process import answer, require_program

KEPT = meson.BUILD_ROOT / "coverage-report"
EXCUSE = re.compile(r"/\* not covered: \w.*\*/")
"""How a line of the core says why what is on it cannot be covered."""
MCDC_LEAST = 0.95
LIMIT_S = 900
BUILDS = ("coverage", "coverage-checked")
SUITES = ("--suite=core", "--suite=trace", "--suite=fuzz", "--no-suite=any-build")

RULES = {"line": "every line runs", "branch": "every branch goes both ways",
         "mcdc": "every condition decides by itself"}
"""Kind of what is covered → the rule about it, from which a line may be excused."""


class Place(NamedTuple):
    """What is to be covered: a line, a branch that is true or false, a condition of a decision."""

    kind: str
    file: str
    line: int
    column: int = 0
    which: str = ""

    def __str__(self) -> str:
        named = [self.kind, self.which] if self.which else [self.kind]
        return f"{os.path.relpath(self.file, ROOT)}:{self.line}:{self.column}: {' '.join(named)}"


Covered = dict[Place, bool]


def check() -> list[Result]:
    """Measures and says how much is covered, writes pages of it; one result for each rule."""
    found = measure()
    texts = {str(path): path.read_text().split("\n") for path in sources_of_core()}
    return testing.judged("coverage", judge(found, texts))


def sources_of_core() -> list[pathlib.Path]:
    """The library: its sources and its public header, without the seam for tools."""
    core = ROOT / "core"
    beside = [core / f"pool_{name}.h" for name in ("questions", "system")]
    return sorted([*core.glob("mem_pool.[ch]"), *beside])


# --- Measuring ------------------------------------------------------------------------------------


def measure() -> Covered:
    """What tests and corpora cover in each build. UserError if a test fails."""
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
    return read(exported, lines)


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
    told = answer([f"{name}-19", *words], timeout=LIMIT_S)
    if told.returncode != 0:
        raise UserError(f"{name} failed: {told.stderr.strip()[-300:]}", FINDING)
    return told.stdout


# --- Reading --------------------------------------------------------------------------------------


def read(exported: Iterable[str], lines: Iterable[str]) -> Covered:
    """What covers each branch and decision in llvm-cov's JSON, and each line in its lcov form, of
    all programs and builds together."""
    found: Covered = {}

    def see(times: int, *place: Any) -> None:
        found[Place(*place)] = found.get(Place(*place), False) or times > 0

    for file in (file for text in exported for file in json.loads(text)["data"][0]["files"]):
        name = file["filename"]
        for line, column, _, _, true, false, *_ in file["branches"]:
            see(true, "branch", name, line, column, "true")
            see(false, "branch", name, line, column, "false")
        for line, column, *_, conditions in file["mcdc_records"]:
            for number, decides in enumerate(conditions, 1):
                see(decides, "mcdc", name, line, column, f"condition {number}")
    for text in lines:
        for record in text.split("end_of_record")[:-1]:
            name = re.search(r"^SF:(.+)$", record, re.M)[1]
            for line, times in re.findall(r"^DA:(\d+),(\d+)", record, re.M):
                see(int(times), "line", name, int(line))
    return found


def judge(found: Covered, texts: dict[str, list[str]]) -> dict[str, list[str]]:
    """Rule → what is against it: places without an excuse, too little MC/DC, stale excuses."""
    excused = {(file, number): False for file, text in texts.items()
               for number, line in enumerate(text, 1) if EXCUSE.search(line)}
    rules: dict[str, list[str]] = {rule: [] for rule in RULES.values()}
    shares = {}
    for kind, rule in RULES.items():
        places = [place for place in found if place.kind == kind]
        covered = sum(found[place] for place in places)
        shares[kind] = covered / len(places) if places else 0.0
        print(f"{kind}: {covered} of {len(places)}, {shares[kind]:.2%}")
        rules[rule] += [] if places else ["nothing was measured"]
        for place in places:
            if not found[place] and (place.file, place.line) in excused:
                excused[place.file, place.line] = True
            elif not found[place]:
                rules[rule].append(f"{place} is not covered")
    rules[f"MC/DC is above {MCDC_LEAST:.0%}"] = [] if shares["mcdc"] > MCDC_LEAST else [
        f"MC/DC is {shares['mcdc']:.2%}"]
    rules["every excuse is one"] = [f"{os.path.relpath(file, ROOT)}:{number}: all is covered"
                                    for (file, number), used in excused.items() if not used]
    return rules

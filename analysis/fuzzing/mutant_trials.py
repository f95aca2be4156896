"""Tries the project's tests and a short fuzz on mutants of the core.

Each job has a copy of the tree and a build of it. A mutant is written into the copy, compiled, and
put to the tests of the core, the trace and the fuzz corpora, the quickest first, until one fails.
What survives is fuzzed for a while. Outcomes are remembered in build/mutants, so that an
interrupted run goes on where it was.
"""

import collections
import dataclasses
import difflib
import hashlib
import json
import pathlib
import queue
import shutil
import subprocess
import tempfile
import time
from typing import Any

from analysis.building import meson
from analysis.fuzzing import planted, trials
from analysis.fuzzing.jobs import Crew, Memory
from analysis.fuzzing.mutants import EQUIVALENT, Mutant
from analysis.system.exits import FINDING, PASS, UserError
from analysis.system.files import ROOT
from analysis.system.process import answer, clean_environment, say

WORK = meson.BUILD_ROOT / "mutants"
SUITES = {"core", "trace", "fuzz"}
COPIED = ("core", "bench", "fuzz", "analysis", "meson.build", "meson_options.txt")
PATIENCE_S, PATIENCE_FACTOR, BUILD_S = 2.0, 5.0, 600.0
"""A test that takes so much longer than on the original has failed: the mutant loops."""
FUZZED = "pool_api"
"""The target that a survivor is put to."""

Outcome = tuple[str, str]
""""killed" and by what; or "survived", "same" (object code), "invalid" (not C), and ""."""


class Workshop:
    """A copy of the tree with a build of its own, for one job."""

    def __init__(self, number: int, crew: Crew) -> None:
        """Copies the tree, builds it, and times each test. UserError if one fails as it is."""
        self.crew = crew
        self.tree = WORK / str(number) / "tree"
        self.build = WORK / str(number) / "build"
        shutil.rmtree(self.tree.parent, ignore_errors=True)
        self.tree.mkdir(parents=True)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.tree / name)
        meson.build_elsewhere(self.tree, self.build, "mutants")
        self.original = self._object_code()
        said = answer(["meson", "introspect", "--tests", str(self.build)]).stdout
        timed = []
        for test in json.loads(said):
            if {suite.rpartition(":")[2] for suite in test["suite"]} & SUITES \
                    and test["cmd"][0].startswith(str(self.build)):
                start = time.monotonic()
                if not self._passes(test, BUILD_S):
                    raise UserError(f"the test {test['name']} fails without a mutant;"
                                    " ./poolproof test says why", FINDING)
                timed.append((time.monotonic() - start, test))
        self.tests = sorted(timed, key=lambda pair: pair[0])

    def _run(self, command: list[str], seconds: float, folder: str | None = None,
             output: Any = subprocess.DEVNULL, **variables: str) -> int | None:
        return self.crew.run(command, seconds, cwd=folder, stdout=output,
                             stderr=subprocess.DEVNULL, env=clean_environment() | variables)

    def _compile(self) -> bool:
        return self._run(["ninja", "-C", str(self.build)], BUILD_S) == 0

    def _object_code(self) -> bytes:
        """A hash of the machine code of the core and its tests."""
        made = hashlib.sha256()
        files = sorted((self.build / "core").rglob("*.o"))
        assert files, "the objects of the core are not where they were"
        for file in files:
            made.update(file.read_bytes())
        return made.digest()

    def _passes(self, test: dict[str, Any], seconds: float) -> bool:
        with tempfile.TemporaryFile() as output:
            code = self._run(test["cmd"], seconds, test["workdir"], output, **test["env"])
            output.seek(0)
            return code in (0, 77) and b"\nnot ok" not in b"\n" + output.read()

    def tried(self, mutant: Mutant) -> Outcome:
        """The mutant's fate in the tests; the copy holds the original again afterwards."""
        path = self.tree / mutant.file
        original = path.read_bytes()
        path.write_bytes(mutant.applied(original))
        try:
            if not self._compile():
                return "invalid", ""
            if self._object_code() == self.original:
                return "same", ""
            for took_s, test in self.tests:
                if not self._passes(test, PATIENCE_S + PATIENCE_FACTOR * took_s):
                    return "killed", test["name"]
            return "survived", ""
        finally:
            path.write_bytes(original)


def fuzzed(crew: Crew, mutant: Mutant, executions: int, folder: pathlib.Path) -> Outcome:
    """A survivor's fate in a short fuzz, in a build of the fuzz targets."""
    source = (ROOT / mutant.file).read_bytes()
    sides = [text.decode().splitlines(keepends=True) for text in (source, mutant.applied(source))]
    with tempfile.TemporaryDirectory(dir=WORK) as scratch:
        work = pathlib.Path(scratch)
        (work / "mutant.patch").write_text("".join(difflib.unified_diff(
            *sides, f"a/{mutant.file}", f"b/{mutant.file}", n=2)))
        bug = dataclasses.replace(planted.clean(FUZZED, "address"), files=(mutant.file,),
                                  path=work / "mutant.patch")
        program = planted.build_target(bug, folder, work)
        found = trials.attempt(crew, program, 1, executions, []).found
    return ("survived", "") if found is None else ("killed", FUZZED)


def state_of_core(root: pathlib.Path = ROOT) -> str:
    """A hash of everything that decides an outcome: the core and what tests it."""
    made = hashlib.sha256()
    for room in ("core", "fuzz"):
        for file in sorted((root / room).rglob("*")):
            if file.is_file() and file.suffix not in (".md", ".txt", ".pyc"):
                made.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return made.hexdigest()[:16]


def try_all(wanted: list[Mutant], crew: Crew, executions: int) -> dict[str, Outcome]:
    """Every mutant's outcome, by name."""
    memory = Memory(WORK / f"{state_of_core()}.jsonl")
    rest = [mutant for mutant in wanted if mutant.name not in memory.known]
    idle: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
    told = []

    def attempt(mutant: Mutant) -> None:
        workshop = idle.get()
        try:
            outcome = workshop.tried(mutant)
        finally:
            idle.put(workshop)
        if outcome[0] == "survived":
            outcome = fuzzed(crew, mutant, executions, folder)
        memory.keep(mutant.name, outcome)

    def tell(mutant: Mutant, _: None) -> None:
        told.append(mutant)
        if len(told) % 20 == 0 or len(told) == len(rest):
            say(f"{len(told)} of {len(rest)} mutants tried")

    if rest:
        folder = meson.ensure_build(meson.FUZZERS["address"])
        crew.jobs = min(crew.jobs, len(rest))
        say(f"building a copy of the tree for each of {crew.jobs} jobs")
        crew.each(lambda number: Workshop(number, crew), range(crew.jobs),
                  lambda _, workshop: idle.put(workshop))
        crew.each(attempt, rest, tell)
    return {mutant.name: memory.known[mutant.name] for mutant in wanted}


def conclude(wanted: list[Mutant], outcomes: dict[str, Outcome],
             equivalent: dict[str, str]) -> int:
    """Prints the survivors and the sums; the exit code."""
    counts: collections.Counter[str] = collections.Counter()
    unexplained = 0
    for mutant in wanted:
        outcome, by = outcomes[mutant.name]
        reason = equivalent.get(mutant.name)
        if outcome == "survived":
            outcome = "equivalent" if reason else outcome
            unexplained += not reason
            print(f"{mutant.file}:{mutant.line}: {mutant.name}"
                  + (f" (equivalent: {reason})" if reason else ""))
        elif reason and outcome == "killed":
            unexplained += 1
            print(f"{mutant.name}: listed as equivalent, and killed by {by}; remove it from"
                  f" {EQUIVALENT.name}")
        counts[outcome] += 1
    tried = counts["killed"] + counts["survived"] + counts["equivalent"]
    share = f" ({100 * counts['killed'] / tried:.1f} %)" if tried else ""
    print(f"{len(wanted)} mutants: {counts['killed']} of {tried} killed{share},"
          f" {counts['survived']} survived, {counts['equivalent']} equivalent by reason,"
          f" {counts['same']} with the original's object code, {counts['invalid']} do not compile")
    return FINDING if unexplained else PASS

"""Tries the project's tests and a short fuzz on mutants of the core.

Each worker has a copy of the tree and a build of it. A mutant is written into the copy, compiled,
and put to the tests of the core, the trace and the fuzz corpora, the quickest first, until one
fails. What survives is fuzzed for a while. Outcomes are remembered in build/mutants, so that an
interrupted run goes on where it was.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time
from typing import Iterable

from analysis.building import meson
from analysis.fuzzing import findings, planted
from analysis.fuzzing.mutants import Mutant
from analysis.system.exits import FINDING, UserError
from analysis.system.files import ROOT
from analysis.system.process import clean_environment, find_program

WORK = meson.BUILD_ROOT / "mutants"
SUITES = {"core", "trace", "fuzz"}
COPIED = ("core", "bench", "fuzz", "analysis", "meson.build", "meson_options.txt")
PATIENCE_S, PATIENCE_FACTOR = 2.0, 5.0
"""A test that takes so much longer than on the original has failed: the mutant loops."""
FUZZED = ("pool_api", "pool_model")
"""Targets that a survivor is put to, those of them that there are."""


@dataclasses.dataclass(frozen=True)
class Test:
    """One test program of the copy's build, and what it takes on the original."""

    name: str
    command: list[str]
    variables: dict[str, str]
    folder: str | None
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a mutant: "killed", "survived", "same" (object code) or "invalid" (does not
    compile)."""

    name: str
    outcome: str
    by: str = ""
    """The test or the fuzz target that killed it."""


class Workshop:
    """A copy of the tree with a build of its own, for one worker."""

    def __init__(self, number: int) -> None:
        self.tree = WORK / str(number) / "tree"
        self.build = WORK / str(number) / "build"
        self.tests: list[Test] = []
        self.original = b""

    def prepare(self) -> None:
        """Copies the tree, builds it, and times each test. UserError if one fails as it is."""
        shutil.rmtree(self.tree.parent, ignore_errors=True)
        self.tree.mkdir(parents=True)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.tree / name)
        c, cxx = meson.compilers("gcc")
        self._run(["meson", "setup", "-Dbuildtype=debugoptimized", "-Dbenchmarks=disabled",
                   str(self.build), str(self.tree)], {"CC": c, "CXX": cxx})
        if not self._compile():
            raise UserError("the tree does not compile without a mutant; ./poolproof test says why",
                            FINDING)
        self.original = self._object_code()
        self.tests = sorted((self._timed(test) for test in self._declared()),
                            key=lambda test: test.seconds)

    def _run(self, command: list[str], variables: dict[str, str]) -> None:
        done = subprocess.run(command, env=clean_environment() | variables, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise UserError(f"{command[0]}: {(done.stdout + done.stderr).strip()[-300:]}", FINDING)

    def _compile(self) -> bool:
        return subprocess.run(["ninja", "-C", str(self.build)], env=clean_environment(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def _object_code(self) -> bytes:
        """A hash of what the library's machine code is, debug information left out."""
        strip = find_program("strip") or "strip"
        made = hashlib.sha256()
        files = sorted((self.build / "core").glob("lib*.p/*.o"))
        assert files, "the library's objects are not where they were"
        for file in files:
            bare = file.with_suffix(".bare")
            subprocess.run([strip, "--strip-debug", "-o", str(bare), str(file)], check=True)
            made.update(bare.read_bytes())
            bare.unlink()
        return made.digest()

    def _declared(self) -> list[Test]:
        said = subprocess.run(["meson", "introspect", "--tests", str(self.build)],
                              capture_output=True, text=True, check=True).stdout
        return [Test(entry["name"], entry["cmd"], entry["env"], entry["workdir"])
                for entry in json.loads(said)
                if {suite.rpartition(":")[2] for suite in entry["suite"]} & SUITES
                and entry["cmd"][0].startswith(str(self.build))]

    def _timed(self, test: Test) -> Test:
        start = time.monotonic()
        if not self._passes(test, 600):
            raise UserError(f"the test {test.name} fails without a mutant; ./poolproof test says"
                            " why", FINDING)
        return dataclasses.replace(test, seconds=time.monotonic() - start)

    def _passes(self, test: Test, seconds: float) -> bool:
        try:
            done = subprocess.run(test.command, cwd=test.folder, timeout=seconds,
                                  env=clean_environment() | test.variables,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode in (0, 77) and b"\nnot ok" not in b"\n" + done.stdout

    def tried(self, mutant: Mutant) -> Outcome:
        """The mutant's fate in the tests; the copy holds the original again afterwards."""
        path = self.tree / mutant.file
        original = path.read_bytes()
        path.write_bytes(mutant.applied(original))
        try:
            if not self._compile():
                return Outcome(mutant.name, "invalid")
            if self._object_code() == self.original and not mutant.file.endswith(".h"):
                return Outcome(mutant.name, "same")
            for test in self.tests:
                if not self._passes(test, PATIENCE_S + PATIENCE_FACTOR * test.seconds):
                    return Outcome(mutant.name, "killed", test.name)
            return Outcome(mutant.name, "survived")
        finally:
            path.write_bytes(original)


def fuzzed(mutant: Mutant, executions: int, folder: pathlib.Path) -> Outcome:
    """A survivor's fate in a short fuzz of each of FUZZED, in a build of the fuzz targets."""
    work = WORK / "fuzz" / hashlib.sha256(mutant.name.encode()).hexdigest()[:12]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    source = (ROOT / mutant.file).read_bytes()
    sides = {"a": source, "b": mutant.applied(source)}
    for side, text in sides.items():
        (work / side).write_bytes(text)
    patch = subprocess.run(["diff", "-U2", "--label", f"a/{mutant.file}", "--label",
                            f"b/{mutant.file}", "a", "b"], cwd=work, capture_output=True,
                           check=False).stdout
    (work / "mutant.patch").write_bytes(patch)
    known = findings.targets(folder)
    try:
        for target in [name for name in FUZZED if name in known]:
            bug = dataclasses.replace(planted.clean(target, "address"), files=(mutant.file,),
                                      path=work / "mutant.patch")
            program = planted.build_target(bug, folder, work)
            done = subprocess.run([str(program), "-seed=1", f"-runs={executions}", "-timeout=10",
                                   "-rss_limit_mb=1024", "-verbosity=0"], cwd=work,
                                  env=findings.surroundings() | {"POOLPROOF_MARKS":
                                                                 str(work / "marks")},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False)
            if done.returncode != 0:
                return Outcome(mutant.name, "killed", target)
        return Outcome(mutant.name, "survived")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def state_of_core(root: pathlib.Path = ROOT) -> str:
    """A hash of everything that decides an outcome: the core and what tests it."""
    made = hashlib.sha256()
    for room in ("core", "fuzz"):
        for file in sorted((root / room).rglob("*")):
            if file.is_file() and file.suffix not in (".md", ".txt", ".pyc"):
                made.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return made.hexdigest()[:16]


class Memory:
    """The outcomes that are known for this state of the core, kept as lines of JSON."""

    def __init__(self, state: str) -> None:
        self.path = WORK / f"{state}.jsonl"
        self.lock = threading.Lock()
        self.known: dict[str, Outcome] = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            try:
                outcome = Outcome(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the line that was being written when a run was killed
            self.known[outcome.name] = outcome

    def keep(self, outcome: Outcome) -> None:
        """Remembers an outcome at once."""
        with self.lock, self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(dataclasses.asdict(outcome)) + "\n")
            self.known[outcome.name] = outcome


def workers(wanted: int | None, mutants: Iterable[Mutant]) -> int:
    """How many workers: as many as were asked for, processors, or mutants, the least of them."""
    return max(1, min(wanted or len(os.sched_getaffinity(0)), sum(1 for _ in mutants)))

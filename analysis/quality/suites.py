"""What ./poolproof test runs: groups of tests, each run again only where something changed.

A group that passed is remembered in build/test-passed by a digest of all that it depends on: the
repository's files, the build's settings and the installed packages. An unchanged group is not run
again, and its tests count as they did.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import time
from typing import Callable, Iterator

from analysis.building import meson
from analysis.quality import coverage, linters, testing
from analysis.quality.testing import Result
from analysis.system.arguments import require
from analysis.system.files import ROOT, git, write_whole

BUILDS = ("release", "sanitize")
MORE_BUILDS = ("gcc-release-checked",)
"""Those that only --all tests."""

MEMORY = meson.BUILD_ROOT / "test-passed"
ROOMS = ("core", "bench", "fuzz", "analysis")
"""The folders that have tests."""
SOURCES = ("core", "bench", "fuzz", "meson.build", "meson_options.txt")


@dataclasses.dataclass(frozen=True)
class Group:
    """Tests that are run, remembered and told together."""

    title: str
    run: Callable[[], list[Result]]
    inputs: tuple[str, ...] = ()
    """The files and folders that it depends on; none: it costs too little to be remembered."""
    chosen: tuple[str, ...] = ()
    """Which of its tests are run; empty for all."""


def run(names: list[str], every: bool, again: bool) -> int:
    """Runs the suites of these names, or all that are quick, or all; returns the exit code."""
    for name in names:
        require(name, known(), "test suite")
    with testing.alone():
        start = time.monotonic()
        if again:
            shutil.rmtree(MEMORY, ignore_errors=True)
        results = [result for group in groups(names, every) for result in tell(group)]
        return testing.conclude(results, time.monotonic() - start)


def groups(names: list[str], every: bool) -> Iterator[Group]:
    """The groups in their order; what is built is known only as it comes to be."""
    chosen, whole = set(names or known()), every or bool(names)
    compiled = sorted(chosen & declared_suites(ROOT))
    built: list[str] = []
    if compiled or "lint" in names or chosen - {"analysis", "rules", "coverage"}:
        for name in (*BUILDS, *(MORE_BUILDS if whole else ())):
            targets = [] if whole or name == BUILDS[0] else ["meson-test-prereq"]
            yield Group(f"build {name}", lambda: build(name, targets, built))
    for name in built if compiled else ():
        words = [*(f"--suite={suite}" for suite in compiled if names),
                 *([] if whole else ["--no-suite=slow"]),
                 *([] if name == BUILDS[0] else ["--no-suite=any-build"])]
        yield Group(name, lambda: testing.run_meson(name, meson.BUILD_ROOT / name, words), SOURCES,
                    tuple(words))
    files = [path for suite, paths in python_suites(ROOT).items() if suite in chosen
             for path in paths]
    if files:
        yield Group("python", lambda: testing.run_pytest(files, whole), (".",),
                    (*map(str, files), str(whole)))
    if "lint" in chosen:
        some = None if whole else changed()
        folders = [meson.BUILD_ROOT / name for name in built if name in BUILDS]
        yield Group("lint", lambda: lint(folders, some), (*SOURCES, ".clang-format", ".clang-tidy"),
                    tuple(map(str, sorted(some or ()))))
    if "coverage" in chosen and whole:
        yield Group("coverage", lambda: testing.attempt(
            "coverage: measured", coverage.check, "./poolproof test coverage"), SOURCES)


def build(name: str, targets: list[str], built: list[str]) -> list[Result]:
    """Builds a configuration, and enters it among those that were built."""
    results = testing.build(name, targets)
    built += [name] if results[0].outcome == "passed" else []
    return results


def lint(folders: list[pathlib.Path], only: set[pathlib.Path] | None) -> list[Result]:
    """One result for each linter, on all that is compiled or on some files."""
    return [result for name, check in linters.CHECKS.items() for result in testing.attempt(
        f"lint: {name}", lambda: testing.judged("lint", {name: check(folders, only)}))]


def known() -> list[str]:
    return sorted({"coverage", "lint", *python_suites(ROOT), *declared_suites(ROOT)})


def declared_suites(root: pathlib.Path) -> set[str]:
    """The first suite of each test in every meson.build, known before any build."""
    return {suite for room in ROOMS for path in (root / room).rglob("meson.build")
            for suite in re.findall(r"\bsuite: \[?'(\w+)'", path.read_text(encoding="utf-8"))}


def python_suites(root: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """Suite → its test files: named after their folder, or the room where that is called test."""
    suites: dict[str, list[pathlib.Path]] = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("test_*.py")):
            folder = path.parent.relative_to(root)
            suites.setdefault(room if folder.name == "test" else folder.name, []).append(path)
    return suites


# --- Remembering ----------------------------------------------------------------------------------


def tell(group: Group) -> list[Result]:
    """Runs a group, or recalls it, prints one line about it and returns its results."""
    start, before = time.monotonic(), os.times()
    key = digest(group) if group.inputs else ""
    memory = MEMORY / group.title
    if key and memory.exists():
        kept = json.loads(memory.read_text())
        if kept["key"] == key:
            print(f"{group.title}: unchanged since the last pass: {len(kept['results'])} tests",
                  flush=True)
            return [Result(*row) for row in kept["results"]]
    results = group.run()
    after = os.times()
    busy_s = sum(after[:4]) - sum(before[:4])
    print(f"{group.title}: {testing.shown(results) or 'nothing to run'}, "
          f"{time.monotonic() - start:.1f} s, {busy_s:.1f} s of processor time", flush=True)
    counts = testing.tally(results)
    if key and counts["passed"] and not counts["failed"]:
        MEMORY.mkdir(exist_ok=True)
        write_whole(memory, json.dumps({
            "key": key, "results": [[r.name, r.outcome, r.reason] for r in results]}))
    return results


def digest(group: Group) -> str:
    """A digest of all that a group's outcome depends on; "" where git cannot name the files."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", *group.inputs,
                 root=ROOT)
    if listed is None:
        return ""
    variables = sorted((name, value) for name, value in os.environ.items() if "PROOF" in name)
    found = hashlib.sha256(repr((group.title, group.chosen, variables, os.uname())).encode())
    settings = [meson.BUILD_ROOT / name / meson.SETTINGS for name in (*BUILDS, group.title)]
    for path in (*(ROOT / name for name in sorted(set(listed.split("\0")) - {""})), *settings,
                 pathlib.Path("/var/lib/dpkg/status")):
        if path.is_file():
            found.update(f"{path}\0{os.access(path, os.X_OK)}\0".encode() + path.read_bytes())
    return found.hexdigest()


def changed() -> set[pathlib.Path] | None:
    """The files that differ from what this branch began with; None where git cannot say."""
    base = git("merge-base", "HEAD", "origin/main") or git("merge-base", "HEAD", "main") or "HEAD"
    named = git("diff", "--name-only", base.strip())
    new = git("ls-files", "--others", "--exclude-standard")
    if named is None or new is None:
        return None
    return {ROOT / name for name in (named + new).splitlines()}

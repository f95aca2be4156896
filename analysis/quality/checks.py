"""What the instruments of `check` say: their builds, controls, tests and readings, as cells."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import subprocess
import time
from typing import Callable

from analysis.building import cross_machines, meson
from analysis.fuzzing import planted
from analysis.quality import frama_c, linters, misuse, testing
from analysis.quality.instruments import CELLS, SUITES, Control, Instrument
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import ROOT, only_one, whole_file
from analysis.system.process import processors, sanitizer_environment

KEPT = meson.BUILD_ROOT / "check"
LIMIT_S = 300
CONTRACTS = "core/test/contracts"
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            f"--suppressions={ROOT / 'analysis/quality/memcheck.supp'}"]


@dataclasses.dataclass
class Cell:
    """What one instrument said of one thing: "passed", "failed" or "skipped"."""

    outcome: str
    said: str = ""
    """Counts, a reason, or the lines that tell most."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    skipped: list[str] = dataclasses.field(default_factory=list)
    """Tests that were left out within, each with its reason."""

    def __post_init__(self) -> None:
        assert self.said or self.outcome == "passed", f"{self.outcome} without a reason"


def alone() -> contextlib.AbstractContextManager[None]:
    """Nothing else runs the tests meanwhile."""
    meson.BUILD_ROOT.mkdir(exist_ok=True)
    waiting = "another command is running the tests; waiting for it"
    return only_one(meson.BUILD_ROOT / ".test.lock", waiting)


def run(chosen: list[Instrument], extent: str) -> int:
    """Runs the instruments one after another, keeps what they said, and prints the table."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    shutil.rmtree(testing.LOGS, ignore_errors=True)
    testing.LOGS.mkdir(parents=True)
    start = time.monotonic()
    table: dict[str, dict[str, Cell]] = {}
    for instrument in chosen:
        table[instrument.title] = look(instrument)
        print(line_of(instrument.title, table[instrument.title]), flush=True)
    keep(table, extent, time.monotonic() - start)
    return conclude(table, time.monotonic() - start)


def look(instrument: Instrument) -> dict[str, Cell]:
    """All cells of one instrument; without its build or its tool one that says why not."""
    folder = meson.BUILD_ROOT / instrument.configuration
    cells: dict[str, Cell] = {}
    if instrument.tool == "valgrind" and not shutil.which("valgrind"):
        return {"build": Cell("skipped", "valgrind is missing; install valgrind")}
    cells["build"] = timed(lambda: made(instrument.configuration))
    if cells["build"].outcome != "passed":
        return cells
    work: dict[str, Callable[[], Cell]] = {
        "control": lambda: controlled(instrument, folder),
        "misuse": lambda: misused(instrument, folder),
        "read": lambda: read_sources(instrument.tool, folder),
    }
    for cell in instrument.only:
        if cell in SUITES:
            cells[cell] = timed(lambda cell=cell: tested(instrument, folder, cell))
        elif cell in work:
            cells[cell] = timed(work[cell])
    return cells


def timed(work: Callable[[], Cell]) -> Cell:
    """A cell, with what it cost: this process and all that it waited for."""
    def used() -> float:
        return sum(usage.ru_utime + usage.ru_stime for usage in
                   map(resource.getrusage, (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)))
    wall, cpu = time.monotonic(), used()
    try:
        cell = work()
    except UserError as error:
        unfit = error.exit_code == UNFIT
        cell = Cell("skipped" if unfit else "failed", str(error))
    except subprocess.TimeoutExpired as error:
        cell = Cell("failed", f"no end after {error.timeout:.0f} s: {error.cmd}")
    cell.wall_s, cell.cpu_s = time.monotonic() - wall, used() - cpu
    return cell


def made(configuration: str) -> Cell:
    folder = meson.ensure_build(configuration)
    strict = meson.warnings_are_errors(folder)
    return Cell("passed", "no warnings" if strict else "warnings not judged by this compiler")


def tested(instrument: Instrument, folder: pathlib.Path, cell: str) -> Cell:
    """The tests of one suite, but for what other compilers and scripts do in any build alike."""
    tests = json.loads((folder / "meson-info" / "intro-tests.json").read_text())
    suite = f"poolproof:{SUITES[cell]}"
    chosen = [test["name"] for test in tests if suite in test["suite"]
              and depends_on_build(test, folder, instrument)]
    left = sum(suite in test["suite"] for test in tests) - len(chosen)
    words: list[str] = ["--num-processes", str(processors()), "--timeout-multiplier", "10"]
    if instrument.tool == "valgrind":
        words += ["--wrapper", shlex.join(VALGRIND)]
    results = testing.run_meson(instrument.configuration, folder, [*words, *chosen])
    failed = [result for result in results if result.outcome == "failed"]
    skips = [f"{result.name}: {result.reason}" for result in results if result.outcome == "skipped"]
    if left:
        skips.append(f"{left} tests of {SUITES[cell]} that do not depend on the build")
    for result in failed:
        testing.write_log(result)
    passed = sum(result.outcome == "passed" for result in results)
    if failed or not passed:
        first = failed[0] if failed else testing.Result(cell, "failed", output="no test ran")
        lines = testing.telling_lines(first.output, 4)
        return Cell("failed", f"{len(failed)} failed, {passed} passed; {first.name}: "
                    + " / ".join(lines), skipped=skips)
    return Cell("passed", f"{passed}", skipped=skips)


def depends_on_build(test: dict, folder: pathlib.Path, instrument: Instrument) -> bool:
    """Whether a test runs something that this build made; Valgrind would watch a shell's memory."""
    made_here = [word for word in test["cmd"] if word.startswith(f"{folder}/")
                 and pathlib.Path(word).resolve().is_relative_to(folder)]
    if instrument.tool == "valgrind":
        return test["cmd"][0].startswith(f"{folder}/") and not test["name"].startswith("vast")
    return bool(made_here) or any("echo" in word for word in test["cmd"])


def watcher(folder: pathlib.Path) -> list[str]:
    """What stands before a program of this build: Valgrind, or what runs it on this machine."""
    if folder.name == "valgrind":
        return VALGRIND
    machine = meson.CONFIGURATIONS[folder.name].machine
    return cross_machines.wrapper(machine, meson.BUILD_ROOT / "machines") if machine else []


def controlled(instrument: Instrument, folder: pathlib.Path) -> Cell:
    """Whether each mistake on purpose is told of, by the line that only this report has."""
    for control in instrument.controls:
        said = make_mistake(control, instrument, folder)
        if not re.search(control.line, said, re.M):
            what = " ".join(filter(None, (control.maker, control.word)))
            last = " / ".join(testing.telling_lines(said, 3)) or "nothing"
            return Cell("failed", f"{what} was let pass; it said: {last}")
    return Cell("passed", f"{len(instrument.controls)} tripped")


def make_mistake(control: Control, instrument: Instrument, folder: pathlib.Path) -> str:
    """All that is said when the mistake is made."""
    if control.maker == "mistakes":
        return read_mistakes(instrument.tool, folder)
    if control.maker == "contract":
        function, bug = control.word.split()
        tree = KEPT / "planted" / function
        planted.copy_with(planted.read_named(bug), tree)
        return "\n".join(frama_c.unproved(folder / CONTRACTS, tree / "core", [function], [""], 2))
    if control.maker == "planted":
        program = plant(control.word, folder)
        corpus = ROOT / "fuzz" / "corpus" / "pool"
        return said_by([*watcher(folder), str(program), str(corpus)])
    program = folder / "core" / "test" / control.maker
    return said_by([*watcher(folder), str(program), control.word])


def said_by(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, env=sanitizer_environment(), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, errors="replace",
                          stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False).stdout


def plant(bug: str, folder: pathlib.Path) -> pathlib.Path:
    """A replay of the corpus with a bug in its pool, made just as this build makes its own."""
    return planted.build_target(planted.read_named(bug), folder, KEPT / "planted" / folder.name,
                                program="pool_api-replay")


def read_mistakes(tool: str, folder: pathlib.Path) -> str:
    """What a tool that reads sources says of a file that is full of mistakes."""
    place = KEPT / "mistakes" / tool
    place.mkdir(parents=True, exist_ok=True)
    source = (place / "mistakes").with_suffix(".c")
    shutil.copyfile(folder / "core" / "test" / "mistakes", source)
    if tool == "analyzer":
        compiler, _ = meson.compilers("gcc")
        return said_by([compiler, "-fanalyzer", "-O2", "-c", str(source), "-o", os.devnull])
    if tool == "clang-tidy":
        program = linters.find_tool("clang-tidy-19", "clang-tidy")
        config = ROOT / ".clang-tidy"
        return said_by([program, "--quiet", f"--config-file={config}", str(source), "--"])
    return said_by([linters.find_tool("cppcheck"), "--quiet", "--enable=warning", "--template="
                    "{file}:{line}: {severity}: {message} [{id}]", str(source)])


READERS = {"analyzer": linters.check_analyzer, **linters.CHECKS}
"""Tool → what has it read the sources, and returns its complaints."""


def read_sources(tool: str, folder: pathlib.Path) -> Cell:
    if tool == "frama-c":
        left = frama_c.unproved(folder / CONTRACTS)
        functions = len(frama_c.CLOSED + frama_c.WRAPPING)
        return Cell("failed", f"{len(left)} goals; {left[0]}") if left else \
            Cell("passed", f"{functions} functions in {len(frama_c.BUILDS)} builds")
    folders = [folder, meson.ensure_build("sanitize")]  # which has a source or two of its own
    complaints = READERS[tool](folders)
    if complaints:
        return Cell("failed", f"{len(complaints)} complaints; {complaints[0]}")
    return Cell("passed", f"{len(linters.units(folders))} sources")


def misused(instrument: Instrument, folder: pathlib.Path) -> Cell:
    found = outcomes(instrument.configuration, folder)
    wrong = misuse.differences(instrument.configuration, found, misuse.DOCUMENT.read_text())
    if wrong:
        return Cell("failed", f"{len(wrong)} differ from the document; {wrong[0]}")
    return Cell("passed", f"{len(found)} as stated")


def outcomes(configuration: str, folder: pathlib.Path) -> dict[str, str]:
    program = folder / "core" / "test" / "misuse"
    return misuse.outcomes(configuration, program, sanitizer_environment(), watcher(folder))


def write_matrix() -> int:
    """Does every misuse in every build that the document has a column for, and writes it."""
    columns, sentences = {}, {}
    for configuration in misuse.BUILDS:
        folder = meson.ensure_build(configuration)
        columns[configuration] = outcomes(configuration, folder)
        sentences = misuse.misuses(folder / "core" / "test" / "misuse")
    with whole_file(misuse.DOCUMENT) as stream:
        stream.write(misuse.render(sentences, columns))
    print(f"{os.path.relpath(misuse.DOCUMENT)}: {len(sentences)} misuses in {len(columns)} builds")
    return PASS


# --- What is said and kept ------------------------------------------------------------------------


def line_of(title: str, cells: dict[str, Cell]) -> str:
    """One line of the table: each cell in a word, and the time of all."""
    marks = {"passed": "", "failed": "FAILED ", "skipped": "skipped "}
    shown = []
    for name in CELLS:
        if cell := cells.get(name):
            said = cell.said if cell.outcome == "passed" else ""
            shown.append(f"{name}: {marks[cell.outcome]}{said}".rstrip())
    wall = sum(cell.wall_s for cell in cells.values())
    cpu = sum(cell.cpu_s for cell in cells.values())
    return f"{title:<24} {' | '.join(shown)} | {wall:.0f} s, {cpu:.0f} s of CPU"


def conclude(table: dict[str, dict[str, Cell]], seconds: float) -> int:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for title, cells in table.items():
        for name, cell in cells.items():
            counts[cell.outcome] += 1
            if cell.outcome != "passed":
                print(f"{cell.outcome}: {title}, {name}: {cell.said}")
            for reason in cell.skipped:
                print(f"left out: {title}, {name}: {reason}")
    cpu = sum(cell.cpu_s for cells in table.values() for cell in cells.values())
    print(f"kept in {os.path.relpath(KEPT)}/check.json")
    print(f"took {seconds:.0f} s, {cpu:.0f} s of CPU")
    print(", ".join(f"{count} cells {outcome}" for outcome, count in counts.items()))
    return FINDING if counts["failed"] or not counts["passed"] else PASS


def keep(table: dict[str, dict[str, Cell]], extent: str, seconds: float) -> None:
    """Writes the table as JSON."""
    facts = {
        "schema": "1", "extent": extent, "wall_s": round(seconds, 3),
        "instruments": [{"title": title, "cells": {name: dataclasses.asdict(cell)
                                                   for name, cell in cells.items()}}
                        for title, cells in table.items()],
    }
    with whole_file(KEPT / "check.json") as stream:
        json.dump(facts, stream, indent=1, ensure_ascii=False)
        stream.write("\n")

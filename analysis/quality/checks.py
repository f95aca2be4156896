"""What the instruments of `check` say: their builds, controls, tests and readings, as results."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import time
from typing import Callable

from analysis.building import cross_machines, meson
from analysis.fuzzing import planted
from analysis.quality import frama_c, linters, misuse, testing
from analysis.quality.instruments import SUITES, Control, Instrument
from analysis.quality.testing import Result
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import ROOT, only_one, whole_file
from analysis.system.process import find_program, outcome, sanitizer_environment

KEPT = meson.BUILD_ROOT / "check"
LIMIT_S = 300
CONTRACTS = "core/test/contracts"
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            f"--suppressions={ROOT / 'analysis/quality/memcheck.supp'}"]


def alone() -> contextlib.AbstractContextManager[None]:
    """Nothing else runs the tests meanwhile."""
    meson.BUILD_ROOT.mkdir(exist_ok=True)
    waiting = "another command is running the tests; waiting for it"
    return only_one(meson.BUILD_ROOT / ".test.lock", waiting)


def run(chosen: list[Instrument]) -> int:
    """Runs the instruments one after another, prints a line for each and what failed."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    begin = time.monotonic()
    results = []
    for instrument in chosen:
        start = time.monotonic()
        cells = look(instrument)
        print(f"{instrument.title:<24} {' | '.join(map(brief, cells.items()))}"
              f" | {time.monotonic() - start:.0f} s", flush=True)
        results += [result for found in cells.values() for result in found]
    return testing.conclude(results, time.monotonic() - begin)


def brief(cell: tuple[str, list[Result]]) -> str:
    """A cell of the table: what was counted, or how many tests had which outcome."""
    name, results = cell
    counted = len(results) == 1 and results[0].outcome == "passed"
    return f"{name}: {results[0].reason if counted else testing.shown(results)}"


def look(instrument: Instrument) -> dict[str, list[Result]]:
    """All cells of one instrument; without its build or its tool one that says why not."""
    folder = meson.BUILD_ROOT / instrument.configuration
    work: dict[str, Callable[[], str | list[Result]]] = {
        "build": lambda: made(instrument),
        "control": lambda: controlled(instrument, folder),
        "misuse": lambda: misused(instrument, folder),
        "read": lambda: read_sources(instrument.tool, folder),
        **{cell: lambda cell=cell: tested(instrument, folder, cell) for cell in SUITES},
    }
    cells: dict[str, list[Result]] = {}
    for name in ("build", *instrument.cells):
        cells[name] = done(f"{instrument.title}, {name}", work[name])
        if cells["build"][0].outcome != "passed":
            break
    return cells


def done(title: str, work: Callable[[], str | list[Result]]) -> list[Result]:
    """The results of some work, or the one that it passed, with what it counted."""
    def results() -> list[Result]:
        found = work()
        return [Result(title, "passed", found)] if isinstance(found, str) else found
    return testing.attempt(title, results)


def made(instrument: Instrument) -> str:
    if instrument.tool == "valgrind" and not find_program("valgrind"):
        raise UserError("valgrind is missing; install valgrind", UNFIT)
    strict = meson.warnings_are_errors(meson.ensure_build(instrument.configuration))
    return "no warnings" if strict else "warnings not judged by this compiler"


def tested(instrument: Instrument, folder: pathlib.Path, cell: str) -> list[Result]:
    """The tests of one suite, but for those that are the same in any build."""
    suite = SUITES[cell]
    words = [f"--suite={suite}", "--no-suite=any-build"]
    if instrument.tool == "valgrind":  # which would watch a shell's memory, and the vast pools'
        tests = json.loads((folder / "meson-info" / "intro-tests.json").read_text())
        words = ["--wrapper", shlex.join(VALGRIND), *(
            test["name"] for test in tests if f"poolproof:{suite}" in test["suite"]
            and test["cmd"][0].startswith(f"{folder}/") and not test["name"].startswith("vast"))]
    return testing.run_meson(instrument.configuration, folder,
                             ["--timeout-multiplier", "10", *words])


def watcher(folder: pathlib.Path) -> list[str]:
    """What stands before a program of this build: Valgrind, or what runs it on this machine."""
    if folder.name == "valgrind":
        return VALGRIND
    machine = meson.CONFIGURATIONS[folder.name].machine
    return cross_machines.MACHINES[machine].wrapper(meson.MACHINES / machine) if machine else []


def core_program(folder: pathlib.Path, name: str) -> pathlib.Path:
    """A program beside the core's tests, as this build's machine calls it."""
    machine = meson.CONFIGURATIONS[folder.name].machine
    windows = machine and cross_machines.MACHINES[machine].system == "windows"
    return folder / "core" / "test" / (f"{name}.exe" if windows else name)


def controlled(instrument: Instrument, folder: pathlib.Path) -> str:
    """Whether each mistake on purpose is told of, by the line that only this report has."""
    for control in instrument.controls:
        said = make_mistake(control, instrument, folder)
        if not re.search(control.line, said, re.M):
            raise UserError(f"{control.maker} {control.word} was let pass; it said:\n{said}",
                            FINDING)
    return f"{len(instrument.controls)} tripped"


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
    program = core_program(folder, control.maker)
    return said_by([*watcher(folder), str(program), control.word])


def said_by(command: list[str]) -> str:
    return outcome(command, sanitizer_environment(), ROOT, LIMIT_S)[1]


def plant(bug: str, folder: pathlib.Path) -> pathlib.Path:
    """A replay of the corpus with a bug in its pool, made just as this build makes its own."""
    return planted.build_target(planted.read_named(bug), folder, KEPT / "planted" / folder.name,
                                program="pool_api-replay")


READERS = {"analyzer": linters.check_analyzer, **linters.CHECKS}
"""Tool → what has it read the sources, and returns its complaints."""


def read_mistakes(tool: str, folder: pathlib.Path) -> str:
    """What a tool that reads sources says of a file that is full of mistakes."""
    place = KEPT / "mistakes"
    place.mkdir(parents=True, exist_ok=True)
    source = (place / "mistakes").with_suffix(".c")
    shutil.copyfile(folder / "core" / "test" / "mistakes", source)
    unit = {"directory": str(place), "file": source.name, "command": f"cc -O2 -o x -c {source}"}
    (place / "compile_commands.json").write_text(json.dumps([unit]))
    return "\n".join(READERS[tool]([place]))


def read_sources(tool: str, folder: pathlib.Path) -> str:
    if tool == "frama-c":
        complaints = frama_c.unproved(folder / CONTRACTS)
        functions = len(frama_c.CLOSED + frama_c.WRAPPING)
        found = f"{functions} functions in {len(frama_c.BUILDS)} builds"
    else:
        folders = [folder, meson.ensure_build("sanitize")]  # which has a source or two of its own
        complaints = READERS[tool](folders)
        found = f"{len(linters.units(folders))} sources"
    if complaints:
        raise UserError("\n".join(complaints), FINDING)
    return found


def misused(instrument: Instrument, folder: pathlib.Path) -> str:
    found = outcomes(instrument.configuration, folder)
    wrong = misuse.differences(instrument.configuration, found, misuse.DOCUMENT.read_text())
    if wrong:
        raise UserError("\n".join(wrong), FINDING)
    return f"{len(found)} as stated"


def outcomes(configuration: str, folder: pathlib.Path) -> dict[str, str]:
    program = core_program(folder, "misuse")
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

"""What the instruments of `check` say: their builds, controls, tests and readings, as results."""

import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import sys
import time

from analysis.building import cross_machines, meson
from analysis.fuzzing import planted
from analysis.quality import frama_c, linters, misuse, testing
from analysis.quality.instruments import SUITES, Control, Instrument
from analysis.quality.testing import Result
from analysis.system import packages
from analysis.system.exits import PASS
from analysis.system.files import ROOT, write_whole
from analysis.system.process import outcome, require_program, sanitizer_environment

KEPT = meson.BUILD_ROOT / "check"
LIMIT_S = 300
CONTRACTS = "core/test/contracts"
PROGRAMS = ROOT / "bench" / "record" / "test" / "programs.py"
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            f"--suppressions={ROOT / 'analysis/quality/memcheck.supp'}"]


def run(chosen: list[Instrument]) -> int:
    """Runs the instruments one after another, prints a line for each cell and what failed."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    begin = time.monotonic()
    results: list[Result] = []
    for instrument in chosen:
        for cell in ("build", *instrument.cells):
            start, title = time.monotonic(), f"{instrument.title}, {cell}"
            found = testing.attempt(title, lambda: look(instrument, cell, title))
            print(f"{title}: {testing.shown(found)}, {time.monotonic() - start:.0f} s", flush=True)
            results += found
            if cell == "build" and found[0].outcome != "passed":
                break
    return testing.conclude(results, time.monotonic() - begin)


def look(instrument: Instrument, cell: str, title: str) -> list[Result]:
    """The results of one cell, none of which may object to the pool as it is."""
    folder = meson.BUILD_ROOT / instrument.configuration
    if cell == "build":
        if instrument.tool == "valgrind":
            require_program("valgrind")
        packages.ensure(instrument.tool)
        return testing.build(instrument.configuration)
    if cell in SUITES:
        return tested(instrument, folder, SUITES[cell])
    if cell == "programs":
        return testing.run_pytest([PROGRAMS], slow=True)
    if cell == "misuse":
        complaints = misuse.differences(instrument.configuration, outcomes(folder),
                                        misuse.DOCUMENT.read_text())
    else:
        complaints = {"control": controlled, "read": read_sources}[cell](instrument, folder)
    return [Result(title, "failed" if complaints else "passed", output="\n".join(complaints))]


def tested(instrument: Instrument, folder: pathlib.Path, suite: str) -> list[Result]:
    """The tests of one suite, but for those that are the same in any build."""
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
    return cross_machines.wrapper(machine, meson.MACHINES) if machine else []


def core_program(folder: pathlib.Path, name: str) -> pathlib.Path:
    """A program beside the core's tests, as this build's machine calls it."""
    return folder / "core" / "test" / (f"{name}.exe" if folder.name == "windows" else name)


def controlled(instrument: Instrument, folder: pathlib.Path) -> list[str]:
    """The mistakes on purpose that are not told of by the line that only this report has."""
    said = {control: make_mistake(control, instrument, folder) for control in instrument.controls}
    return [f"{control.maker} {control.word} was let pass; it said:\n{text}"
            for control, text in said.items() if not re.search(control.line, text, re.M)]


def make_mistake(control: Control, instrument: Instrument, folder: pathlib.Path) -> str:
    """All that is said when the mistake is made."""
    if control.maker == "mistakes":
        return read_mistakes(instrument.tool, folder)
    if control.maker == "contract":
        function, bug = control.word.split()
        tree = KEPT / "planted" / function
        planted.copy_with(planted.read_named(bug), tree)
        return "\n".join(frama_c.unproved(folder / CONTRACTS, tree / "core", [function], [""], 2))
    variables = sanitizer_environment()
    if control.maker == "planted":  # a replay made just as this build makes its own
        program = planted.build_target(planted.read_named(control.word), folder,
                                       KEPT / "planted" / folder.name, program="pool_api-replay")
        command = [*watcher(folder), program, ROOT / "fuzz" / "corpus" / "pool"]
    elif control.maker == "recorder":
        command = [sys.executable, "-m", "pytest", "-k", "nginx", PROGRAMS]
        variables |= {"RECORDER_BUG": control.word, "PYTHONPATH": str(ROOT)}
    else:
        command = [*watcher(folder), core_program(folder, control.maker), control.word]
    return outcome(command, variables, ROOT, LIMIT_S)[1]


READERS = {**linters.CHECKS,
           "clang-tidy": functools.partial(linters.check_clang_tidy, analyzer=True)}
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


def read_sources(instrument: Instrument, folder: pathlib.Path) -> list[str]:
    if instrument.tool == "frama-c":
        return frama_c.unproved(folder / CONTRACTS)
    # The second build has a source or two of its own.
    return READERS[instrument.tool]([folder, meson.ensure_build("sanitize")])


def outcomes(folder: pathlib.Path) -> dict[str, str]:
    """Misuse → what becomes of it in this build."""
    return misuse.outcomes(folder.name, core_program(folder, "misuse"), sanitizer_environment(),
                           watcher(folder))


def write_matrix() -> int:
    """Does every misuse in every build that the document has a column for, and writes it."""
    columns, sentences = {}, {}
    for configuration in misuse.BUILDS:
        folder = meson.ensure_build(configuration)
        columns[configuration] = outcomes(folder)
        sentences = misuse.misuses(folder / "core" / "test" / "misuse")
    write_whole(misuse.DOCUMENT, misuse.render(sentences, columns))
    print(f"{os.path.relpath(misuse.DOCUMENT)}: {len(sentences)} misuses in {len(columns)} builds")
    return PASS

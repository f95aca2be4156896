"""Runs the test suite and the corpora in every build and under every tool, as one table.

A line is one instrument: a compiler's build, a sanitizer, Valgrind, another machine, or a tool that
reads the sources. Its cells are what it looked at. The cell `control` is a mistake made on purpose
that the instrument must object to, told by a line of its report: an instrument that lets it pass
has proved nothing. --quick takes the instruments that find most in ten minutes, --full takes all.
As many are at work at a time as there are processors.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from multiprocessing.synchronize import Event
from typing import Callable, Iterable, Iterator

from analysis.building import cross_machines, meson
from analysis.fuzzing import planted
from analysis.quality import frama_c, linters, misuse, testing
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import ROOT, only_one, whole_file
from analysis.system.process import sanitizer_environment, say

KEPT = meson.BUILD_ROOT / "check"
CELLS = ("build", "control", "core", "trace", "corpora", "misuse", "read")
SUITES = {"core": "core", "trace": "trace", "corpora": "fuzz"}
"""Cell → the suite of Meson's that it runs."""

LIMIT_S = 300
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            f"--suppressions={ROOT / 'analysis/quality/memcheck.supp'}"]
PLANTED = "wipe-one-byte-short"
"""The planted bug of the ordinary builds' control: any build of the pool must show it."""


@dataclasses.dataclass(frozen=True)
class Control:
    """A mistake on purpose: what makes it, with which word, and the line that must tell of it."""

    maker: str
    word: str
    line: str


@dataclasses.dataclass(frozen=True)
class Instrument:
    """One line of the table."""

    title: str
    configuration: str
    controls: tuple[Control, ...]
    quick: bool = False
    tool: str = ""
    """What looks on besides the build: "valgrind", "clang-tidy", "frama-c" …, or nothing."""
    only: tuple[str, ...] = CELLS[:6]
    cpu_s: int = 60
    """About what all its cells take, from nothing, so that the longest can begin first."""


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


def _misused(name: str, line: str) -> Control:
    return Control("misuse", name, line)


BUG = Control("planted", PLANTED, r"^finding: the contents oracle at operation ")
FOUND_DIRTY = Control("planted", PLANTED, r"^finding: the invariants oracle at operation ")
"""The same, of which pool_check tells where it looks at what is free."""
POISON = _misused("write-freed", r"^==\d+==ERROR: AddressSanitizer: use-after-poison ")
LEAK = _misused("forget-pool", r"^==\d+==ERROR: LeakSanitizer: detected memory leaks$")
UNDEFINED = _misused("use-overaligned", r"^\S+:\d+:\d+: runtime error: .*misaligned address 0x")
OVERRUN = _misused("write-past-size", r"^outcome: pool_check: I10: ")
UNSET = _misused("read-unwritten", r"^==\d+==WARNING: MemorySanitizer: use-of-uninitialized-value$")
RACE = _misused("two-threads", r"^WARNING: ThreadSanitizer: data race \(pid=\d+\)$")
INVALID = _misused("write-freed", r"^==\d+== Invalid write of size 1$")
JUMP = _misused("read-unwritten",
                r"^==\d+== (Conditional jump or move depends on|Use of) uninitialised value")
LOST = _misused("forget-pool", r"^==\d+== .* are definitely lost in loss record ")


def _read(line: str) -> Control:
    return Control("mistakes", "", line)


def _unproved(function: str, bug: str) -> Control:
    return Control("contract", f"{function} {bug}", rf"^unproved: {function}_")


def _shown(word: str) -> Control:
    return Control("other-machine", word, rf"^mistake: {word}$")


INSTRUMENTS = (
    Instrument("gcc release", "release", (BUG,), quick=True),
    Instrument("gcc debug", "gcc-debug", (BUG,), quick=True),
    Instrument("clang release", "clang-release", (BUG,), quick=True),
    Instrument("clang debug", "clang-debug", (BUG,)),
    Instrument("gcc release, checked", "gcc-release-checked", (FOUND_DIRTY, OVERRUN), quick=True),
    Instrument("gcc debug, checked", "gcc-debug-checked", (FOUND_DIRTY, OVERRUN)),
    Instrument("clang release, checked", "clang-release-checked", (FOUND_DIRTY, OVERRUN)),
    Instrument("clang debug, checked", "clang-debug-checked", (FOUND_DIRTY, OVERRUN)),
    Instrument("clang ASan, LSan, UBSan", "sanitize", (POISON, LEAK, UNDEFINED), quick=True),
    Instrument("gcc ASan, LSan, UBSan", "gcc-sanitize", (POISON, LEAK, UNDEFINED)),
    Instrument("MSan", "memory", (UNSET,), quick=True, cpu_s=80),
    Instrument("TSan", "thread", (RACE,), quick=True, cpu_s=100),
    Instrument("Valgrind memcheck", "valgrind", (INVALID, JUMP, LOST), tool="valgrind", cpu_s=180),
    Instrument("32-bit x86", "i686", (BUG, _shown("word-size")), quick=True, cpu_s=35),
    Instrument("big-endian s390x", "s390x", (BUG, _shown("byte-order")), cpu_s=70),
    Instrument("aarch64", "aarch64", (BUG, _shown("char-sign"))),
    Instrument("gcc -fanalyzer", "release",
               (_read(r"^\S+:\d+:\d+: warning: double-.free. of .* \[-Wanalyzer-double-free\]$"),),
               quick=True, tool="analyzer", only=("control", "read")),
    Instrument("clang-tidy", "release",
               (_read(r"^\S+:\d+:\d+: (warning|error): .*\[clang-analyzer-unix.Malloc"),),
               quick=True, tool="clang-tidy", only=("control", "read"), cpu_s=250),
    Instrument("cppcheck", "release",
               (_read(r"^\S+:\d+: error: .*out of bounds.*\[arrayIndexOutOfBounds\]$"),),
               quick=True, tool="cppcheck", only=("control", "read")),
    Instrument("Frama-C, Z3, CVC4", "release",
               (_unproved("granules_for", "granules-rounded-down"),
                _unproved("span_set", "span-one-end"),
                _unproved("pool_required", "required-overflows")),
               tool="frama-c", only=("control", "read"), cpu_s=160),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="the instruments that find most")
    extent.add_argument("--full", action="store_true", help="every instrument; the default")
    parser.add_argument("instruments", nargs="*", metavar="INSTRUMENT",
                        help="these alone, by their build's or tool's name")
    parser.add_argument("--list", action="store_true",
                        help="name the instruments that are meant, and end")
    parser.add_argument("--matrix", action="store_true",
                        help="write core/MISUSE.md anew from what the builds say")


def name_of(instrument: Instrument) -> str:
    """The word by which a command line chooses an instrument."""
    return instrument.tool if "read" in instrument.only else instrument.configuration


def run(arguments: argparse.Namespace) -> int:
    known = {name_of(instrument): instrument for instrument in INSTRUMENTS}
    for word in arguments.instruments:
        if word not in known:
            raise UserError(f"no instrument '{word}'; there are {', '.join(known)}")
    chosen = [known[word] for word in arguments.instruments] or [
        instrument for instrument in INSTRUMENTS if instrument.quick or not arguments.quick]
    if arguments.list:
        for one in chosen:
            print(f"{name_of(one):<22} {one.title}{', quick' if one.quick else ''}")
        return PASS
    meson.BUILD_ROOT.mkdir(exist_ok=True)
    waiting = "another command is running the tests; waiting for it"
    with only_one(meson.BUILD_ROOT / ".test.lock", waiting):
        if arguments.matrix:
            return write_matrix()
        return run_alone(chosen, "quick" if arguments.quick else
                         "chosen" if arguments.instruments else "full")


def run_alone(chosen: list[Instrument], extent: str) -> int:
    """Runs the instruments, keeps what they said, and prints the table."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    shutil.rmtree(testing.LOGS, ignore_errors=True)
    testing.LOGS.mkdir(parents=True)
    start = time.monotonic()
    found: dict[str, dict[str, Cell]] = {}
    for title, cells in at_a_time(chosen):
        found[title] = cells
        print(line_of(title, cells), flush=True)
    table = {instrument.title: found[instrument.title] for instrument in chosen}
    keep(table, extent, time.monotonic() - start)
    return conclude(table, time.monotonic() - start)


def at_a_time(chosen: list[Instrument]) -> Iterator[tuple[str, dict[str, Cell]]]:
    """(title, cells) of each instrument as it ends; the longest begin first.

    Each has a process of its own, so that what it costs can be told from what the others do.
    """
    longest_first = sorted(chosen, key=lambda instrument: -instrument.cpu_s)
    fork = multiprocessing.get_context("fork")
    stopped = fork.Event()
    with concurrent.futures.ProcessPoolExecutor(
            min(os.cpu_count() or 1, len(chosen)), fork, begin, (stopped,)) as pool:
        work = {pool.submit(apart, instrument): instrument for instrument in longest_first}
        try:
            for done in concurrent.futures.as_completed(work):
                yield work[done].title, done.result()
        except BaseException:
            stopped.set()  # before the signal, which one that is between two instruments misses
            for child in multiprocessing.active_children():
                if child.pid:
                    os.kill(child.pid, signal.SIGINT)
            pool.shutdown(cancel_futures=True)
            raise


_stopped: list[Event] = []


def begin(stopped: Event) -> None:
    """What each process of `at_a_time` starts with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stopped[:] = [stopped]


def apart(instrument: Instrument) -> dict[str, Cell]:
    """`look`, in a process that minds an interrupt only while it works, and begins nothing then."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return {} if _stopped[0].is_set() else look(instrument)
    except KeyboardInterrupt:
        return {}
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def has_option(name: str) -> bool:
    return f"option('{name}'" in (ROOT / "meson_options.txt").read_text()


def look(instrument: Instrument) -> dict[str, Cell]:
    """All cells of one instrument; without its build or its tool one that says why not."""
    folder = meson.BUILD_ROOT / instrument.configuration
    cells: dict[str, Cell] = {}
    if instrument.configuration.endswith("-checked") and not has_option("checked"):
        return {"build": Cell("skipped", "the sources have no option 'checked'")}
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


# --- Cells ----------------------------------------------------------------------------------------


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
    words: list[str] = ["--num-processes", str(os.cpu_count() or 1), "--timeout-multiplier", "10"]
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


def environment_of() -> dict[str, str]:
    return sanitizer_environment()


def emulator(folder: pathlib.Path) -> list[str]:
    """What has to stand before a program of this build, so that this machine runs it."""
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
        core = with_bug(bug, function) / "core"
        return "\n".join(frama_c.unproved(contracts_of(folder), core, [function], [""], 2))
    if control.maker == "planted":
        program = plant(control.word, folder)
        corpus = ROOT / "fuzz" / "corpus" / "pool"
        return said_by([*emulator(folder), str(program), str(corpus)])
    program = folder / "core" / "test" / control.maker
    watcher = VALGRIND if instrument.tool == "valgrind" else emulator(folder)
    return said_by([*watcher, str(program), control.word])


def said_by(command: list[str], folder: pathlib.Path = ROOT) -> str:
    answer = subprocess.run(command, cwd=folder, env=environment_of(), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", timeout=LIMIT_S, check=False)
    return answer.stdout


def with_bug(name: str, place: str) -> pathlib.Path:
    """A copy of the pool's sources with a planted bug in it; returns where `core` stands."""
    tree = KEPT / "planted" / place
    planted.copy_with(planted.read_named(name), tree)
    return tree


def plant(bug: str, folder: pathlib.Path) -> pathlib.Path:
    """A replay of the corpus with a bug in its pool, made just as this build makes its own."""
    tree = with_bug(bug, folder.name)
    goal = "fuzz/pool_api-replay"
    listing = subprocess.run(["ninja", "-C", str(folder), "-t", "commands", goal],
                             stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S).stdout
    commands = [shlex.split(line) for line in listing.splitlines() if "ninja:" not in line]
    library = "core/libmem_pool.a"
    compile_it = next(words for words in commands if words[-2:-1] == ["-c"] and
                      (folder / words[-1]).resolve().parent == ROOT / "core")
    link_it = commands[-1]
    for words, output in ((compile_it, tree / "pool.o"), (link_it, tree / "replay")):
        words = [word.replace(library, str(tree / "pool.o")) if word == library else word
                 for word in words]
        words[words.index("-o") + 1] = str(output)
        if words[-2] == "-c":
            words.insert(1, "-DBUG(condition)=((condition) != 0)")
            words[-1] = str(tree / "core" / pathlib.PurePath(words[-1]).name)
            for option in ("-MF", "-MQ"):
                del words[words.index(option):words.index(option) + 2]
            words.remove("-MD")
        said = said_by(words, folder)
        if not output.exists():
            raise UserError(f"the planted bug {bug} cannot be built: {said[-300:]}",
                                        FINDING)
    return tree / "replay"


def contracts_of(folder: pathlib.Path) -> pathlib.Path:
    return folder / "core" / "test" / "contracts"


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
        left = frama_c.unproved(contracts_of(folder))
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
    watcher = VALGRIND if configuration == "valgrind" else emulator(folder)
    return misuse.outcomes(configuration, folder / "core" / "test" / "misuse",
                           sanitizer_environment(), watcher)


def write_matrix() -> int:
    """Does every misuse in every build that the document has a column for, and writes it."""
    columns, sentences = {}, {}
    for configuration in misuse.BUILDS:
        if configuration.endswith("-checked") and not has_option("checked"):
            say(f"no column {misuse.BUILDS[configuration]}: there is no such option")
            continue
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
    print(f"kept in {os.path.relpath(KEPT)}: check.json, junit.xml")
    print(f"took {seconds:.0f} s, {cpu:.0f} s of CPU")
    print(", ".join(f"{count} cells {outcome}" for outcome, count in counts.items()))
    return FINDING if counts["failed"] or not counts["passed"] else PASS


def keep(table: dict[str, dict[str, Cell]], extent: str, seconds: float) -> None:
    """Writes the table as JSON, of results/schema/check.schema.json, and as JUnit's XML."""
    facts = {
        "schema": "1", "extent": extent, "wall_s": round(seconds, 3),
        "instruments": [
            {"title": title, "cells": {name: dataclasses.asdict(cell)
                                       for name, cell in cells.items()}}
            for title, cells in table.items()],
    }
    with whole_file(KEPT / "check.json") as stream:
        json.dump(facts, stream, indent=1, ensure_ascii=False)
        stream.write("\n")
    with whole_file(KEPT / "junit.xml", "wb") as stream:
        junit(table).write(stream, "utf-8", xml_declaration=True)


def junit(table: dict[str, dict[str, Cell]]) -> ElementTree.ElementTree:
    """The table as test suites: one an instrument, one case a cell."""
    top = ElementTree.Element("testsuites")
    for title, cells in table.items():
        suite = ElementTree.SubElement(top, "testsuite", {
            "name": title, "tests": str(len(cells)),
            "failures": str(count(cells.values(), "failed")),
            "skipped": str(count(cells.values(), "skipped"))})
        for name, cell in cells.items():
            case = ElementTree.SubElement(suite, "testcase", {
                "classname": title, "name": name, "time": f"{cell.wall_s:.3f}"})
            if cell.outcome != "passed":
                tag = "failure" if cell.outcome == "failed" else "skipped"
                clean = re.sub(r"[^\t\n\r\x20-\ufffd]", "?", cell.said)
                ElementTree.SubElement(case, tag, {"message": clean})
    return ElementTree.ElementTree(top)


def count(cells: Iterable[Cell], outcome: str) -> int:
    return sum(cell.outcome == outcome for cell in cells)

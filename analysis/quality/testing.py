"""Builds the sources with two compilers and runs every test there is.

The C tests run three times: as gcc's release build, ordinary and checked, and as clang's build
under ASan and UBSan. Beside them stand the Python tests, the packaging tests, the linters, the
repository's rules and the pool's coverage. A suite's name after `test` chooses it alone. --quick
leaves out the sanitizers, the checked build, the linters, the packaging tests and the coverage.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import difflib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from typing import Callable, Iterable, Iterator

from analysis.building import meson
from analysis.quality import linters, rules
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import ROOT, only_one
from analysis.system.process import clean_environment, find_program

TEST_BUILDS = ("release", "sanitize", "gcc-release-checked")
ROOMS = ("core", "bench", "fuzz", "analysis")
"""The folders that have tests."""
LOGS = meson.BUILD_ROOT / "test"
LIMIT_S = 1800
"""A runner of tests is ended after this long; each of Meson's tests has a shorter limit of its
own."""

TELLING_LINES = 12
LINE_COLUMNS = 300

SANITIZER_SETTINGS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1"
                    ":strict_string_checks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    "MSAN_OPTIONS": "halt_on_error=1:abort_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:abort_on_error=1",
}
"""How the sanitizers behave in tests, unless a test sets its own: every finding ends the test."""

TELLING = re.compile(
    r"ERROR: \w+Sanitizer|runtime error:|SUMMARY:|[Aa]ssert|error:|Error\b|^E  |not ok|^# "
    r"|Bail out!|FAIL|exited with status|[Tt]imed? ?out|^finding|killed by"
)

PYTEST_TELLING = re.compile(r"E {2,}\S|\S+\.py:\d+: ")
"""The lines in which pytest says what was wrong, and where."""


@dataclasses.dataclass(frozen=True)
class Result:
    """One test's outcome ("passed", "failed", "skipped"), a skip's reason, what a failure said."""

    name: str
    outcome: str
    reason: str = ""
    output: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="run these suites alone")
    parser.add_argument("--quick", action="store_true",
                        help="leave out the sanitizers, the checked build, the linters, the "
                             "packaging tests and the coverage")
    parser.add_argument("--list", action="store_true", help="name the suites")


def run(arguments: argparse.Namespace) -> int:
    python_suites = find_python_suites(ROOT)
    known = sorted({"coverage", "lint", "rules", *python_suites,
                    *declared_suites(ROOT)})
    for suite in arguments.suites:
        if suite not in known:
            raise UserError(wrong_suite(suite, known))
    if arguments.list:
        print("suites: " + ", ".join(arguments.suites or known))
        return PASS
    meson.BUILD_ROOT.mkdir(exist_ok=True)
    waiting = "another command is running the tests; waiting for it"
    with only_one(meson.BUILD_ROOT / ".test.lock", waiting):
        return run_alone(arguments, known, python_suites)


def run_alone(arguments: argparse.Namespace, known: list[str],
              python_suites: dict[str, list[pathlib.Path]]) -> int:
    """What `run` does, while no other run of the tests uses the same folders."""
    start = time.monotonic()
    folders: dict[str, pathlib.Path] = {}
    builds = needed_builds(arguments)
    results = tell("build", prepare, builds, folders) if builds else []
    everything = not arguments.suites
    left_out = {"coverage", "lint", "package"} if arguments.quick and everything else set()
    chosen = (set(known) if everything else set(arguments.suites)) - left_out

    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    for configuration, folder in folders.items():
        suites = None if everything else sorted(chosen & meson_suites({configuration: folder}))
        if suites is None or suites:
            results += tell(configuration, run_meson, configuration, folder, suites)
    results += run_python({name: files for name, files in python_suites.items() if name in chosen})
    if "rules" in chosen:
        results += tell("rules", check_rules)
    if "lint" in chosen:
        results += tell("lint", check_lint, folders)
    if "coverage" in chosen:
        results += tell("coverage", check_coverage)
    if arguments.quick and everything:
        results += [Result(name, "skipped", "left out by --quick")
                    for name in (*TEST_BUILDS[1:], *sorted(left_out))]
    return conclude(results, time.monotonic() - start)


def needed_builds(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The configurations that the chosen suites may need; three never need one of these."""
    if arguments.suites and set(arguments.suites) <= {"rules", "analysis", "coverage"}:
        return ()
    return TEST_BUILDS[:1] if arguments.quick else TEST_BUILDS


def wrong_suite(suite: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(suite, list(known), n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
    return f"there is no test suite '{suite}'; {hint}"


# --- Builds ---------------------------------------------------------------------------------------


def prepare(configurations: Iterable[str], folders: dict[str, pathlib.Path]) -> list[Result]:
    """Builds each configuration, and enters the folders of those that built in `folders`.

    One result for each: that it compiles, without a warning where the compiler is one that the code
    is kept clean for.
    """
    results = []
    for configuration in configurations:
        name = f"build: {configuration} compiles without a warning"
        try:
            folders[configuration] = meson.ensure_build(configuration)
        except meson.BuildError as error:
            results.append(Result(name, "failed", output=str(error)))
            continue
        except UserError as error:
            results.append(Result(name, "skipped", str(error)))
            continue
        if meson.warnings_are_errors(folders[configuration]):
            results.append(Result(name, "passed"))
        else:
            reason = "warnings are kept away only under gcc 12 and clang 19"
            results.append(Result(name, "skipped", reason))
    return results


# --- The tests in C, run by Meson -----------------------------------------------------------------


def declared_suites(root: pathlib.Path) -> set[str]:
    """The suites that the tests of every meson.build say they are of; known before any build."""
    return {suite for room in ROOMS for path in (root / room).rglob("meson.build")
            for suite in re.findall(r"\bsuite: '(\w+)'", path.read_text(encoding="utf-8"))}


def meson_suites(folders: dict[str, pathlib.Path]) -> set[str]:
    """The suites of the tests in these build folders."""
    return {
        suite.partition(":")[2]
        for folder in folders.values()
        for test in json.loads((folder / "meson-info" / "intro-tests.json").read_text())
        for suite in test["suite"] if ":" in suite
    }


def sanitizer_settings() -> dict[str, str]:
    """SANITIZER_SETTINGS, and where the reports get their names from."""
    found = find_program("llvm-symbolizer-19", "llvm-symbolizer")
    tools = ("ASAN", "UBSAN", "MSAN", "TSAN") if found else ()
    return SANITIZER_SETTINGS | {f"{tool}_SYMBOLIZER_PATH": str(found) for tool in tools}


def run_meson(configuration: str, folder: pathlib.Path, suites: list[str] | None,
              words: Iterable[str] = (), variables: dict[str, str] | None = None) -> list[Result]:
    """Runs a build folder's tests, or those of some suites, and reads their results.

    `words` are further ones for Meson's command line, `variables` for its environment.
    """
    tests = json.loads((folder / "meson-info" / "intro-tests.json").read_text())
    if not tests:
        return []
    logs = folder / "meson-logs"
    for log in logs.glob("testlog*.json"):
        log.unlink()
    command = ["meson", "test", "-C", str(folder), "--no-rebuild", "--no-suite", "analysis"]
    for suite in suites or ():
        command += ["--suite", suite]
    command += words
    code, output = watch(command, sanitizer_settings() | (variables or {}), configuration,
                         re.compile(r"\s*\d+/\d+ .*"))
    log = next(logs.glob("testlog*.json"), None)  # named after the wrapper too, if there is one
    if log is None:
        return [Result(f"{configuration}: meson test", "failed", output=output)]
    tap = {test["name"] for test in tests if test["protocol"] == "tap"}
    results: list[Result] = []
    for line in log.read_text(errors="replace").splitlines():
        results += read_meson_test(configuration, json.loads(line), tap)
    if code != 0 and not results:
        results.append(Result(f"{configuration}: meson test", "failed", output=output))
    return results


def read_meson_test(configuration: str, entry: dict, tap: set[str]) -> list[Result]:
    """The results in one line of Meson's testlog.json: one a subtest of a TAP test, else one."""
    suites, _, test = entry["name"].rpartition(" / ")
    suite = suites.partition(":")[2].partition("+")[0]
    name = f"{configuration}: {suite + '/' if suite else ''}{test}"
    output = entry.get("stdout", "") + entry.get("stderr", "")
    subtests = list(read_tap(name, entry.get("stdout", ""))) if test in tap else []
    if entry["result"] == "SKIP" and not subtests:
        lines = [line.lstrip("# ") for line in output.splitlines() if line.strip()]
        said = re.search(r"^1\.\.0 *# *skip\S* *(.*)", output, re.IGNORECASE | re.MULTILINE)
        reason = said.group(1) if said else (lines or ["no reason given"])[-1]
        return [Result(name, "skipped", reason)]
    sound = entry["result"] in ("OK", "EXPECTEDFAIL")
    only_skips = entry["result"] == "FAIL" and entry["returncode"] == 0 and subtests
    if any(result.outcome == "failed" for result in subtests):
        return [dataclasses.replace(result, output=result.output or output) for result in subtests]
    if not sound and not only_skips:
        how = f"{entry['result'].lower()}, {how_it_ended(entry['returncode'])}"
        return [*subtests, Result(name, "failed", output=f"{output}\n{how}")]
    if test in tap and not subtests:
        return [Result(name, "failed", output=f"{output}\nerror: it ran no test")]
    return subtests or [Result(name, "passed")]


def read_tap(name: str, text: str) -> Iterator[Result]:
    """The subtests in TAP output. A skip without a reason of its own takes the line before it; one
    that passes right after `# left out: WHY` is a skip too, which Meson would call a failure."""
    pattern = re.compile(r"(not )?ok\b *\d* *(?:- *)?([^#]*?) *(?:# *(skip)\S* *(.*))?$",
                         re.IGNORECASE)
    lines = text.splitlines()
    for at, line in enumerate(lines):
        found = pattern.match(line)
        if not found:
            continue
        bad, subtest, skip, words = found.groups()
        left_out = re.match(r"# left out: (.+)", lines[at - 1]) if at and not bad else None
        if left_out:
            yield Result(f"{name}/{subtest}", "skipped", left_out[1])
        elif skip:
            before = lines[at - 1].lstrip("# ") if at else ""
            nameless = not subtest
            subtest = subtest or words
            said = before if nameless and before and not pattern.match(lines[at - 1]) else words
            yield Result(f"{name}/{subtest}", "skipped", said or "no reason given")
        elif bad:
            notes = []
            for note in lines[at + 1:]:
                if not note.startswith("#"):
                    break
                notes.append(note)
            yield Result(f"{name}/{subtest}", "failed", output="\n".join([line, *notes]))
        else:
            yield Result(f"{name}/{subtest}", "passed")


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exited with status {code}"


# --- The tests in Python --------------------------------------------------------------------------


def find_python_suites(root: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """Suite → its test files.

    A suite is named after the folder that test_*.py stands in, or after the room where that is only
    called test.
    """
    suites: dict[str, list[pathlib.Path]] = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("test_*.py")):
            folder = path.parent.relative_to(root)
            suite = room if folder.name == "test" else folder.name
            suites.setdefault(suite, []).append(path)
    return suites


def run_python(suites: dict[str, list[pathlib.Path]]) -> list[Result]:
    """Runs suites of pytest, as many at a time as there are processors, the largest first."""
    largest_first = sorted(suites, key=lambda suite: -len(suites[suite]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [pool.submit(tell, suite, run_pytest, suite, suites[suite])
                for suite in largest_first]
    return [result for job in jobs for result in job.result()]


def run_pytest(suite: str, files: list[pathlib.Path]) -> list[Result]:
    """Runs test files with pytest and reads the JUnit file that it writes."""
    report = LOGS / f"pytest-{suite}.xml"
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--color=no",
               "--import-mode=importlib", f"--rootdir={ROOT}", f"--junitxml={report}",
               *map(str, files)]
    variables = {"PYTHONPATH": str(ROOT)}
    code, output = watch(command, variables, suite, re.compile(r".*::.*"))
    if "No module named pytest" in output:
        return [Result(f"{suite}: pytest", "skipped", "pytest is missing; install python3-pytest")]
    try:
        results = read_junit(suite, report)
    except (OSError, ElementTree.ParseError):
        return [Result(f"{suite}: pytest", "failed", output=output)]
    if code not in (0, 1) or (code == 1 and all(r.outcome != "failed" for r in results)):
        results.append(Result(f"{suite}: pytest", "failed", output=output))
    return results


def read_junit(suite: str, report: pathlib.Path) -> list[Result]:
    """The results in a JUnit file of pytest's."""
    results = []
    for case in ElementTree.parse(report).iter("testcase"):
        place = (case.get("classname") or "").rpartition(".")[2]
        name = f"{suite}: {place + '/' if place else ''}{case.get('name')}"
        wrong = [child for child in case if child.tag in ("failure", "error")]
        skip = case.find("skipped")
        if wrong:
            output = "\n".join(child.text or child.get("message") or "" for child in wrong)
            results.append(Result(name, "failed", output=output))
        elif skip is not None:
            results.append(Result(name, "skipped", skip.get("message") or "no reason given"))
        else:
            results.append(Result(name, "passed"))
    return results


# --- Rules, linters, coverage ---------------------------------------------------------------------


def check_rules() -> list[Result]:
    """One result for each rule of the repository."""
    return [
        Result(f"rules: {rule}", "failed" if broken else "passed", output="\n".join(broken))
        for rule, broken in rules.check(ROOT).items()
    ]


def check_lint(folders: dict[str, pathlib.Path]) -> list[Result]:
    """One result for each linter."""
    results = []
    for name, check in linters.CHECKS.items():
        try:
            complaints = check([folder for configuration, folder in folders.items()
                                if not configuration.endswith("-checked")])
        except UserError as error:
            results.append(Result(f"lint: {name}", "skipped", str(error)))
            continue
        results.append(Result(f"lint: {name}", "failed" if complaints else "passed",
                              output="\n".join(complaints)))
    return results


def check_coverage() -> list[Result]:
    """One result for each rule about what the tests and the corpora cover."""
    from analysis.quality import coverage# which runs tests by this module

    try:
        rules_of_coverage = coverage.check()
    except UserError as error:
        if error.exit_code == UNFIT:
            return [Result("coverage: measured", "skipped", str(error))]
        return [Result("coverage: measured", "failed", output=str(error))]
    return [Result(f"coverage: {rule}", "failed" if complaints else "passed",
                   output="\n".join(complaints))
            for rule, complaints in rules_of_coverage.items()]


# --- Running, watching, telling -------------------------------------------------------------------


def watch(command: list[str], variables: dict[str, str], title: str, step: re.Pattern[str],
          limit_s: float = LIMIT_S) -> tuple[int, str]:
    """Runs a command from the repository's top; its steps are shown in place on a terminal.

    Returns its exit code and all it printed; after limit_s it is killed, and says so.
    """
    live = sys.stderr.isatty()
    output: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=clean_environment() | variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:
        watchdog = threading.Timer(limit_s, process.kill)
        watchdog.start()
        try:
            for line in process.stdout or ():
                output.append(line)
                if live and step.fullmatch(line.rstrip("\n")):
                    columns = shutil.get_terminal_size().columns
                    sys.stderr.write("\r\033[K" + f"{title}: {line.strip()}"[: columns - 1])
                    sys.stderr.flush()
            process.wait()
            if not watchdog.is_alive():
                output.append(f"error: timed out after {limit_s} s\n")
        except BaseException:
            process.terminate()
            raise
        finally:
            watchdog.cancel()
            if live:
                sys.stderr.write("\r\033[K")
    return process.returncode, "".join(output)


def tell(title: str, run_tests: Callable[..., list[Result]], *arguments: object) -> list[Result]:
    """Runs a group of tests, prints one line about their results, and hands them on."""
    start = time.monotonic()
    results = run_tests(*arguments)
    counts = {outcome: sum(result.outcome == outcome for result in results)
              for outcome in ("passed", "failed", "skipped")}
    shown = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    print(f"{title}: {shown or 'nothing to run'}, {time.monotonic() - start:.1f} s", flush=True)
    return results


def telling_lines(output: str, limit: int = TELLING_LINES) -> list[str]:
    """The few lines of a failure's output that say most; its last ones if none stands out."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    if len(lines) <= limit:
        return lines
    chosen = ([line for line in lines if PYTEST_TELLING.match(line)]
              or [line for line in lines if TELLING.search(line)])
    return (chosen or lines[-limit:])[:limit]


def write_log(result: Result) -> pathlib.Path:
    """Keeps a failure's whole output; returns the file."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", result.name).strip("-")[:120]
    path = LOGS / f"{name}.log"
    path.write_text(result.output + "\n", errors="replace")
    return path


def conclude(results: list[Result], seconds: float) -> int:
    """Prints failures, skips and the count, which is the last line; returns the exit code."""
    counts = {outcome: [result for result in results if result.outcome == outcome]
              for outcome in ("passed", "failed", "skipped")}
    for result in counts["failed"]:
        log = os.path.relpath(write_log(result), os.getcwd())
        print(f"failed: {result.name} (log: {log})")
        for line in telling_lines(result.output):
            print(f"    {line[:LINE_COLUMNS]}")
        if (more := len(result.output.splitlines()) - TELLING_LINES) > 0:
            print(f"    … and {more} more lines in the log")
    for result in counts["skipped"]:
        reason = re.sub(r"^skipped: ", "", " ".join(result.reason.split()))
        print(f"skipped: {result.name}: {reason}")
    ran = len(counts["passed"]) + len(counts["failed"])
    if not ran:
        print("error: no test ran")
    print(f"took {seconds:.1f} s")
    print(", ".join(f"{len(chosen)} {outcome}" for outcome, chosen in counts.items()))
    return FINDING if counts["failed"] or not ran else PASS

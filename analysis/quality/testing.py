"""Runs tests by Meson and by pytest, reads the logs that both write, and tells the results.

A failure names the place to look at and the command that runs the one test alone. The JUnit files
stay in build/CONFIGURATION/meson-logs and in build/test.
"""

import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import re
import signal
import sys
import xml.etree.ElementTree as ElementTree
from typing import Callable, Iterable, Iterator, Sequence

from analysis.building import meson
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import ROOT, only_one
from analysis.system.process import (clean_environment, outcome, processors,
                                     sanitizer_environment)

LOGS = meson.BUILD_ROOT / "test"
FAILURES = "failures.log"

TELLING_LINES = 12
LINE_COLUMNS = 300
TELLING = re.compile(
    r"ERROR: \w+Sanitizer|runtime error:|SUMMARY:|[Aa]ssert|error:|Error\b|not ok|^# |Bail out!"
    r"|FAIL|exited with status|[Tt]imed? ?out|^finding|killed by")
PYTEST_TELLING = re.compile(r"E {2,}\S|\S+\.py:\d+: ")
"""The lines in which pytest says what was wrong, and where."""
PLACE = re.compile(r"(?:\.\./)*((?:core|bench|fuzz|analysis)/[\w./-]+\.\w+):(\d+)")
LEFT_OUT = re.compile(r"^# left out: (.+)\nok \d+ - (\S+)", re.MULTILINE)
"""How a test in C says that a case does not concern this build."""


@dataclasses.dataclass(frozen=True)
class Result:
    """One test: "passed", "failed" or "skipped"; why it was skipped; what a failure said."""

    name: str
    outcome: str
    reason: str = ""
    output: str = ""
    alone: str = ""
    """The command that runs this test and no other."""


def attempt(title: str, work: Callable[[], list[Result]], alone: str = "") -> list[Result]:
    """The results of some work; what this machine lacks is a skip, another error a failure."""
    try:
        return work()
    except UserError as error:
        if error.exit_code == UNFIT:
            return [Result(title, "skipped", str(error))]
        return [Result(title, "failed", output=str(error), alone=alone)]
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return [Result(title, "skipped", f"this kernel cannot run {error.filename}")]


def alone() -> contextlib.AbstractContextManager[None]:
    """Nothing else runs the tests meanwhile."""
    meson.BUILD_ROOT.mkdir(exist_ok=True)
    waiting = "another command is running the tests; waiting for it"
    return only_one(meson.BUILD_ROOT / ".test.lock", waiting)


def judged(title: str, complaints: dict[str, list[str]]) -> list[Result]:
    """One result for each rule, with its complaints."""
    return [Result(f"{title}: {rule}", "failed" if said else "passed", output="\n".join(said),
                   alone=f"./poolproof test {title}")
            for rule, said in complaints.items()]


# --- Running --------------------------------------------------------------------------------------


def build(configuration: str, targets: Sequence[str] = ()) -> list[Result]:
    """That a configuration compiles, which the first result says, and without a warning."""
    title = f"build: {configuration} compiles"

    def made() -> list[Result]:
        strict = meson.warnings_are_errors(meson.ensure_build(configuration, targets))
        reason = "" if strict else "warnings are kept away only under gcc 12 and clang 19"
        return [Result(title, "passed"), Result(f"{title} without a warning",
                                                "passed" if strict else "skipped", reason)]
    return attempt(title, made, f"ninja -C build/{configuration}")


def run_meson(configuration: str, folder: pathlib.Path, words: Iterable[str] = (),
              variables: dict[str, str] | None = None) -> list[Result]:
    """Runs a build folder's tests. `words` are more of Meson's: names, suites, a wrapper."""
    logs = folder / "meson-logs"
    for log in logs.glob("testlog*"):
        log.unlink()
    command = ["meson", "test", "-C", str(folder), "--no-rebuild",
               "--timeout-multiplier", "4", *words]
    code, output = outcome(command, sanitizer_environment() | (variables or {}), ROOT)
    log = next(logs.glob("testlog*.json"), None)  # named after the wrapper, if there is one
    if log is None and code == 0 and "No suitable tests" in output:
        return []
    results = list(read_meson(configuration, log.read_text(errors="replace"))) if log else []
    if not results or code != 0 and all(result.outcome != "failed" for result in results):
        results.append(Result(f"{configuration}: meson test", "failed", output=output))
    return results


def run_pytest(files: Iterable[pathlib.Path], slow: bool) -> list[Result]:
    """Runs test files by pytest, one for each processor at a time; also the slow ones, or not."""
    LOGS.mkdir(parents=True, exist_ok=True)
    report = LOGS / "python.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "--color=no", "-n", str(processors()),
               f"--junitxml={report}", *([] if slow else ["-m", "not slow"]), *map(str, files)]
    code, output = outcome(command, clean_environment(), ROOT)
    if "No module named pytest" in output or "unrecognized arguments: -n" in output:
        return [Result("python: pytest", "skipped", "pytest or xdist is missing; install "
                       "python3-pytest python3-pytest-xdist")]
    results = list(read_pytest(report.read_text())) if report.exists() else []
    if not results or code != 0 and all(result.outcome != "failed" for result in results):
        results.append(Result("python: pytest", "failed", output=output))
    return results


# --- Reading --------------------------------------------------------------------------------------


def read_meson(configuration: str, log: str) -> Iterator[Result]:
    """The results in Meson's log, a line of JSON for each test."""
    for entry in map(json.loads, log.splitlines()):
        name = re.sub(r"^\w+:(\w+)\S* / ", r"\1/", entry["name"])
        title, said = f"{configuration}: {name}", entry.get("stdout") or ""
        outcome, code = entry["result"], entry["returncode"]
        lines = [line for line in said.splitlines() if line.strip()] or ["it ran no test"]
        if outcome in ("OK", "EXPECTEDFAIL"):
            yield Result(title, "passed")
            for why, case in LEFT_OUT.findall(said):
                yield Result(f"{title}/{case}", "skipped", why)
        elif outcome == "SKIP" and re.search("skip", lines[-1], re.IGNORECASE):
            reason = re.sub(r"^(1\.\.0 # SKIP|skipped:|# ) *", "", lines[-1])
            yield Result(title, "skipped", reason)
        else:
            ended = f"killed by {signal.Signals(-code).name}" if code < 0 else \
                f"exited with status {code}"
            output = "\n".join([*lines, entry.get("stderr") or "", f"{outcome.lower()}, {ended}"])
            yield Result(title, "failed", output=output, alone="meson test -C "
                         f"build/{configuration} {name.rpartition('/')[2]}")


def read_pytest(report: str) -> Iterator[Result]:
    """The results in pytest's JUnit file."""
    for case in ElementTree.fromstring(report).iter("testcase"):
        file, name = case.get("file") or "", case.get("name") or ""
        title = f"{file or case.get('classname')}: {name}"
        wrong = [child.text or child.get("message") or "" for child in case
                 if child.tag in ("failure", "error")]
        skip = case.find("skipped")
        if wrong:
            chosen = f"::{name}" if name.isascii() and " " not in name else ""
            alone = f"{sys.executable} -m pytest '{file}{chosen}'"
            yield Result(title, "failed", output="\n".join(wrong), alone=alone)
        elif skip is not None:
            yield Result(title, "skipped", skip.get("message") or "no reason given")
        else:
            yield Result(title, "passed")


# --- Telling --------------------------------------------------------------------------------------


def tally(results: Iterable[Result]) -> dict[str, int]:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for result in results:
        counts[result.outcome] += 1
    return counts


def shown(results: Iterable[Result]) -> str:
    """How many tests had each outcome, those that any had."""
    return ", ".join(f"{count} {outcome}" for outcome, count in tally(results).items() if count)


def telling_lines(output: str, limit: int = TELLING_LINES) -> list[str]:
    """The few lines of a failure's output that say most; its last ones if none stands out."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    if len(lines) <= limit:
        return lines
    chosen = ([line for line in lines if PYTEST_TELLING.match(line)]
              or [line for line in lines if TELLING.search(line)])
    return (chosen or lines[-limit:])[:limit]


def place_of(result: Result) -> str:
    """The place to look at: pytest's last, a tool's first, else the test's source."""
    found = [f"{match[1]}:{match[2]}" for match in PLACE.finditer(result.output)
             if (ROOT / match[1]).is_file()]
    if found:
        return found[-1] if " -m pytest " in result.alone else found[0]
    name = result.alone.rpartition(" ")[2].replace("-", "_")
    sources = [path for room in ("core", "bench", "fuzz") for path in (ROOT / room).rglob(
        f"{name}.*") if path.suffix in (".c", ".cpp", ".sh")] if name else []
    return f"{sources[0].relative_to(ROOT)}:1" if sources else ""


def conclude(results: list[Result], seconds: float) -> int:
    """Prints failures, skips and the count, which is the last line; returns the exit code."""
    failed = [result for result in results if result.outcome == "failed"]
    for result in failed:
        print(f"failed: {result.name}")
        for line in telling_lines(result.output):
            print(f"    {line[:LINE_COLUMNS]}")
        if place := place_of(result):
            print(f"  look at {place}")
        if result.alone:
            print(f"  alone: {result.alone}")
    if failed:
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / FAILURES
        log.write_text("".join(f"=== {result.name}\n{result.output}\n" for result in failed))
        print(f"all that the failures said: {os.path.relpath(log)}")
    for result in results:
        if result.outcome == "skipped":
            print(f"skipped: {result.name}: {' '.join(result.reason.split())}")
    counts = tally(results)
    ran = counts["passed"] + counts["failed"]
    if not ran:
        print("error: no test ran")
    print(f"took {seconds:.1f} s")
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return FINDING if counts["failed"] or not ran else PASS

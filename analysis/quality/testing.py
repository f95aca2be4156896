"""Runs tests by Meson and by pytest, reads the JUnit files that both write, and tells the results.

A failure names the place to look at and the command that runs the one test alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from typing import Iterable, Iterator

from analysis.building import meson
from analysis.system.exits import FINDING, PASS
from analysis.system.files import ROOT
from analysis.system.process import clean_environment, processors, sanitizer_environment
from analysis.system.terminal import LiveLine

LOGS = meson.BUILD_ROOT / "test"
LIMIT_S = 1800
"""Meson and pytest are ended after this long; each of Meson's tests has a limit of its own."""

TELLING_LINES = 12
LINE_COLUMNS = 300
TELLING = re.compile(
    r"ERROR: \w+Sanitizer|runtime error:|SUMMARY:|[Aa]ssert|error:|Error\b|^E  |not ok|^# "
    r"|Bail out!|FAIL|exited with status|[Tt]imed? ?out|^finding|killed by")
PYTEST_TELLING = re.compile(r"E {2,}\S|\S+\.py:\d+: ")
"""The lines in which pytest says what was wrong, and where."""
PLACE = re.compile(r"(?:\.\./)*((?:core|bench|fuzz|analysis)/[\w./-]+\.\w+):(\d+)")

PYTEST = ["-m", "pytest", "-p", "no:cacheprovider", "--color=no", "--import-mode=importlib"]


@dataclasses.dataclass(frozen=True)
class Result:
    """One test: "passed", "failed" or "skipped"; why it was skipped; what a failure said."""

    name: str
    outcome: str
    reason: str = ""
    output: str = ""
    alone: str = ""
    """The command that runs this test and no other."""


# --- Running --------------------------------------------------------------------------------------


def watch(command: list[str], variables: dict[str, str], title: str,
          limit_s: float = LIMIT_S) -> tuple[int, str]:
    """Runs a command from the repository's top, its latest line live on a terminal.

    Returns its exit code and all that it printed; after limit_s it is ended, and says so.
    """
    output: list[str] = []
    command = ["timeout", "-k", "5", str(limit_s), *command]
    with LiveLine() as live, subprocess.Popen(
            command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        try:
            for line in process.stdout or ():
                output.append(line)
                live.show(f"{title}: {line.strip()}")
        except BaseException:
            process.terminate()
            raise
    if process.returncode in (124, 137):
        output.append(f"error: timed out after {limit_s} s\n")
    return process.returncode, "".join(output)


def run_meson(configuration: str, folder: pathlib.Path, words: Iterable[str] = (),
              variables: dict[str, str] | None = None) -> list[Result]:
    """Runs a build folder's tests, but for those in Python. `words` are more ones for Meson: names
    of tests, `--suite NAME`, a wrapper."""
    logs = folder / "meson-logs"
    for log in logs.glob("testlog*"):
        log.unlink()
    command = ["meson", "test", "-C", str(folder), "--no-rebuild", "--no-suite", "analysis", *words]
    code, output = watch(command, sanitizer_environment() | (variables or {}), configuration)
    log = next(logs.glob("testlog*.junit.xml"), None)  # named after the wrapper, if there is one
    if log is None:
        if code == 0 and "No suitable tests" in output:
            return []
        return [Result(f"{configuration}: meson test", "failed", output=output)]
    results = list(read_meson(configuration, log, ended(folder)))
    if code != 0 and all(result.outcome != "failed" for result in results):
        results.append(Result(f"{configuration}: meson test", "failed", output=output))
    return results


def ended(folder: pathlib.Path) -> dict[str, str]:
    """Meson's test → how it ended, where that was badly: what no JUnit file tells."""
    log = next((folder / "meson-logs").glob("testlog*.json"), None)
    entries = map(json.loads, log.read_text(errors="replace").splitlines()) if log else ()
    return {entry["name"]: f"{entry['result'].lower()}, {how_it_ended(entry['returncode'])}"
            for entry in entries if entry["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")}


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"


def run_pytest(files: Iterable[pathlib.Path], title: str = "python") -> list[Result]:
    """Runs test files by pytest, as many at a time as there are processors."""
    LOGS.mkdir(parents=True, exist_ok=True)
    report = LOGS / f"{title}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, *PYTEST, "-n", str(processors()), "--dist=load",
               f"--rootdir={ROOT}", f"--junitxml={report}", "-o", "junit_family=xunit1",
               *map(str, files)]
    code, output = watch(command, clean_environment() | {"PYTHONPATH": str(ROOT)}, title)
    for module, package in (("pytest", "python3-pytest"), ("xdist", "python3-pytest-xdist")):
        if f"No module named {module}" in output or (module == "xdist" and
                                                     "unrecognized arguments: -n" in output):
            return [Result(f"{title}: pytest", "skipped",
                           f"{module} is missing; install {package}")]
    try:
        results = list(read_pytest(report))
    except (OSError, ElementTree.ParseError):
        return [Result(f"{title}: pytest", "failed", output=output)]
    if code not in (0, 1) or (code == 1 and all(r.outcome != "failed" for r in results)):
        results.append(Result(f"{title}: pytest", "failed", output=output))
    return results


# --- Reading --------------------------------------------------------------------------------------


def read_meson(configuration: str, log: pathlib.Path, bad: dict[str, str]) -> Iterator[Result]:
    """The results in Meson's JUnit file, in which a TAP test is a suite of its subtests."""
    told = set()
    for suite in ElementTree.parse(log).iter("testsuite"):
        whole = said_by(suite)
        left_out = dict((name, why) for why, name in
                        re.findall(r"^# left out: (.+)\nok \d+ - (\S+)", whole, re.M))
        test = (suite.get("name") or "").partition(".")[2]
        if test and not list(suite.iter("testcase")):
            bad.setdefault(test, "it ran no test")
        for case in suite.iter("testcase"):
            name = case.get("name") or ""
            full = f"{test}/{name.partition(' - ')[2] or name}" if test else name
            alone = f"meson test -C build/{configuration} {(test or name).rpartition(' / ')[2]}"
            title = f"{configuration}: {full.replace('poolproof:', '').replace(' / ', '/')}"
            result = read_case(case, title, alone, whole)
            why = left_out.get(name.partition(" - ")[2])
            if why and result.outcome == "passed":
                result = Result(title, "skipped", why)
            if result.outcome == "failed":
                told.add(test or name)
            yield result
    for test in bad.keys() - told:
        texts = [said_by(suite) for suite in ElementTree.parse(log).iter("testsuite")
                 if (suite.get("name") or "").endswith(test)]
        title = f"{configuration}: {test.replace('poolproof:', '').replace(' / ', '/')}"
        yield Result(title, "failed", output="\n".join([*texts, bad[test]]),
                     alone=f"meson test -C build/{configuration} {test.rpartition(' / ')[2]}")


def read_pytest(report: pathlib.Path) -> Iterator[Result]:
    for case in ElementTree.parse(report).iter("testcase"):
        file, name = case.get("file") or "", case.get("name") or ""
        plain = name.isascii() and " " not in name
        alone = f"python3 -m pytest --import-mode=importlib '{file}{'::' + name if plain else ''}'"
        yield read_case(case, f"{file or case.get('classname')}: {name}", alone)


def read_case(case: ElementTree.Element, title: str, alone: str, whole: str = "") -> Result:
    wrong = [child for child in case if child.tag in ("failure", "error")]
    skip = case.find("skipped")
    if wrong:
        said = "\n".join(child.text or child.get("message") or "" for child in wrong)
        said = "\n".join(filter(str.strip, (said, said_by(case), whole)))
        return Result(title, "failed", output=said, alone=alone)
    if skip is not None:
        lines = [line for line in said_by(case).splitlines() if line.strip()]
        reason = skip.get("message") or (lines[-1] if lines else "no reason given")
        return Result(title, "skipped", re.sub(r"^(1\.\.0 # SKIP|skipped:|# ) *", "", reason))
    return Result(title, "passed")


def said_by(element: ElementTree.Element) -> str:
    return "\n".join(child.text or "" for tag in ("system-out", "system-err")
                     for child in element.findall(tag))


# --- Telling --------------------------------------------------------------------------------------


def tally(results: Iterable[Result]) -> dict[str, int]:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for result in results:
        counts[result.outcome] += 1
    return counts


def telling_lines(output: str, limit: int = TELLING_LINES) -> list[str]:
    """The few lines of a failure's output that say most; its last ones if none stands out."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    if len(lines) <= limit:
        return lines
    chosen = ([line for line in lines if PYTEST_TELLING.match(line)]
              or [line for line in lines if TELLING.search(line)])
    return (chosen or lines[-limit:])[:limit]


def place_of(result: Result) -> str:
    """The file and line to look at: the last that pytest names, the first that a tool does, else
    the test's source."""
    found = [f"{match[1]}:{match[2]}" for match in PLACE.finditer(result.output)
             if (ROOT / match[1]).is_file()]
    if found:
        return found[-1] if result.alone.startswith("python3") else found[0]
    name = re.sub(r"\W", "_", result.alone.rpartition(" ")[2])
    sources = [path for room in ("core", "bench", "fuzz") for path in (
        ROOT / room).rglob(f"{name}.*") if path.suffix in (".c", ".cpp", ".sh", ".py")]
    return f"{sources[0].relative_to(ROOT)}:1" if sources else ""


def write_log(result: Result) -> pathlib.Path:
    """Keeps a failure's whole output; returns the file."""
    LOGS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", result.name).strip("-")[:120]
    path = LOGS / f"{name}.log"
    path.write_text(result.output + "\n", errors="replace")
    return path


def conclude(results: list[Result], seconds: float) -> int:
    """Prints failures, skips and the count, which is the last line; returns the exit code."""
    for result in results:
        if result.outcome == "failed":
            print(f"failed: {result.name} (log: {os.path.relpath(write_log(result))})")
            for line in telling_lines(result.output):
                print(f"    {line[:LINE_COLUMNS]}")
            if place := place_of(result):
                print(f"  look at {place}")
            if result.alone:
                print(f"  alone: {result.alone}")
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

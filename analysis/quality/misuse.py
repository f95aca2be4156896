"""What each build says of each misuse of a pool, and the document that keeps it.

`outcomes` runs the program that commits the misuses; `render` writes core/MISUSE.md; `differences`
says where a build no longer does what the document states.
"""

import pathlib
import re
import signal
from typing import Sequence

from analysis.system.files import ROOT
from analysis.system.process import answer, clean_environment, outcome
from analysis.system.templates import fill

DOCUMENT = ROOT / "core" / "MISUSE.md"
TEMPLATE = pathlib.Path(__file__).with_name("misuse.md.j2")
CHANCE = "left to chance"
LIMIT_S = 60

BUILDS = {
    "release": "ordinary",
    "gcc-release-checked": "checked",
    "sanitize": "ASan, UBSan",
    "memory": "MSan",
    "thread": "TSan",
    "valgrind": "Valgrind",
}
"""Build → its column in the document."""

BY_LUCK = {"two-threads": "thread"}
"""Misuse → the only build whose answer does not hang on how threads happen to run."""

REPORTS = (
    ("AddressSanitizer", re.compile(r"^==\d+==ERROR: AddressSanitizer: ([\w-]+)", re.M)),
    ("LeakSanitizer", re.compile(r"^==\d+==ERROR: LeakSanitizer: detected (memory leaks)", re.M)),
    ("MemorySanitizer", re.compile(r"^==\d+==WARNING: MemorySanitizer: ([\w-]+)", re.M)),
    ("ThreadSanitizer", re.compile(r"^WARNING: ThreadSanitizer: ([a-z -]+?) \(", re.M)),
    ("UBSan", re.compile(r"^\S+:\d+:\d+: runtime error: (.*?)(?: 0x| for type|$)", re.M)),
    ("Valgrind", re.compile(r"^==\d+== (Invalid (?:read|write)|Conditional jump"
                            r"|Use of uninitialised value|Syscall param)", re.M)),
    ("Valgrind", re.compile(r"^==\d+== .* are (definitely lost)", re.M)),
    ("the pool", re.compile(r"^mem_pool: (.*?)(?: 0x|$)", re.M)),
)
"""Who reports, and the anchored line by which."""


def misuses(program: pathlib.Path, wrapper: Sequence[str] = ()) -> dict[str, str]:
    """Misuse → its sentence, from the program's own list."""
    told = answer([*wrapper, str(program), "--list"], timeout=LIMIT_S, env=clean_environment())
    told.check_returncode()
    return dict(line.split("\t") for line in told.stdout.splitlines())


def outcomes(build: str, program: pathlib.Path, variables: dict[str, str],
             wrapper: list[str]) -> dict[str, str]:
    """Misuse → what this build makes of it."""
    found = {}
    for name in misuses(program, wrapper):
        if BY_LUCK.get(name, build) != build:
            found[name] = CHANCE
            continue
        code, said = outcome([*wrapper, str(program), name], clean_environment() | variables,
                             limit_s=LIMIT_S)
        found[name] = read(said, code)
    return found


def read(said: str, code: int) -> str:
    """The outcome in what a misuse's process printed, and how it ended."""
    for tool, line in REPORTS:
        if found := line.search(said):
            return f"{tool}: {found.group(1).strip()}"
    if found := re.search(r"^outcome: (.*)$", said, re.M):
        return found.group(1) if code == 0 else f"{found.group(1)}, then exit code {code}"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}, no word"


def render(sentences: dict[str, str], columns: dict[str, dict[str, str]]) -> str:
    """The document: misuse → sentence, and build → misuse → outcome."""
    unseen = [name for name in sentences if all(
        found[name] in ("unnoticed", CHANCE) or found[name].startswith("not tried")
        for found in columns.values())]
    return fill(TEMPLATE, sentences=sentences, columns=columns, builds=BUILDS, unseen=unseen)


def documented(text: str) -> dict[str, dict[str, str]]:
    """Build → misuse → outcome, as a document states them."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")]
            for line in text.splitlines() if line.startswith("|")]
    if not rows:
        return {}
    names = {title: build for build, title in BUILDS.items()}
    return {names[title]: {row[0].strip("`"): row[at] for row in rows[2:]}
            for at, title in enumerate(rows[0]) if title in names}


def column_of(build: str) -> str:
    """The build whose column is true of this one too."""
    kinds = (("checked", "gcc-release-checked"), ("sanitize", "sanitize"), ("", "release"))
    return build if build in BUILDS else next(of for part, of in kinds if part in build)


def differences(build: str, found: dict[str, str], text: str) -> list[str]:
    """Where a build's outcomes are not what the document states, a line each."""
    column = column_of(build)
    stated = documented(text).get(column)
    if stated is None:
        return [f"the document has no column {BUILDS[column]}; ./poolproof check --matrix writes "
                "it"]
    return [f"{name}: {found.get(name, 'no such misuse')}, but the document says "
            f"{stated.get(name, 'nothing')}"
            for name in sorted(found.keys() | stated.keys())
            if found.get(name) != stated.get(name)]

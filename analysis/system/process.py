"""This process and those that it starts: what it says and finds, which environment it hands on.

Standard library alone.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
from typing import Any, Mapping, Sequence

from analysis.system.exits import UNFIT, UserError


def say(line: str) -> None:
    """One line about what a command is doing, on stderr, so that it never mixes with a result."""
    print(f"poolproof: {line}", file=sys.stderr, flush=True)


def find_program(*names: str) -> str | None:
    """The absolute path of the first of these programs that is on PATH, or None."""
    return next((path for path in map(shutil.which, names) if path), None)


def require_program(name: str, package: str = "") -> str:
    """The path of a program; UserError that says how to get it."""
    found = find_program(name)
    if not found:
        raise UserError(f"{name} is missing; install {package or name}", UNFIT)
    return found


def answer(command: Sequence[str | os.PathLike], **how: Any) -> subprocess.CompletedProcess[str]:
    """A short command that has ended: its exit code, and what it printed and complained of."""
    given = {"stdin": subprocess.DEVNULL} if "input" not in how else {}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                          **given, **how)


def last_line(said: str, otherwise: str = "no reason given") -> str:
    """The last line of what a program said, which tells most; or else what is said of silence."""
    return (said.strip().splitlines() or [otherwise])[-1]


TIMED_OUT = 124
"""The exit code of a command that was ended because it took too long."""


def outcome(command: Sequence[str | os.PathLike], variables: Mapping[str, str] | None = None,
            folder: pathlib.Path | str | None = None, limit_s: float = 3600) -> tuple[int, str]:
    """A command's exit code and output, without input. After limit_s all that it started ends."""
    with subprocess.Popen(["timeout", "-k", "5", str(limit_s), *command], env=variables, cwd=folder,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        try:
            said, _ = process.communicate()
        except BaseException:
            process.terminate()
            raise
    if process.returncode in (TIMED_OUT, 128 + signal.SIGKILL):
        return TIMED_OUT, f"{said}\nerror: timed out after {limit_s:g} s\n"
    return process.returncode, said


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) or 1


def clean_environment() -> dict[str, str]:
    """The environment for compilers and tests, without what would silently change their outcome."""
    unwanted = re.compile(
        r"^(CC|CXX|CPP|LD|AR|CC_LD|CXX_LD|CFLAGS|CXXFLAGS|CPPFLAGS|LDFLAGS|DESTDIR|LD_PRELOAD"
        r"|MALLOC_.*|GLIBC_TUNABLES|(A|UB|M|L|T)SAN_OPTIONS)$"
    )
    kept = {name: value for name, value in os.environ.items() if not unwanted.match(name)}
    return kept | {"LC_ALL": "C.UTF-8"}


def sanitizer_environment(**options: str) -> dict[str, str]:
    """clean_environment, and sanitizers that name functions and end a program at each finding.

    `options` adds to a sanitizer's own, such as ASAN="quarantine_size_mb=1"; the last word counts.
    """
    settings = {
        "ASAN": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
                ":allocator_may_return_null=1",
        "UBSAN": "halt_on_error=1:print_stacktrace=1", "MSAN": "halt_on_error=1",
        "TSAN": "halt_on_error=1",
    }
    found = {f"{tool}_OPTIONS": ":".join(filter(None, (f"abort_on_error=1:{words}",
                                                       options.get(tool))))
             for tool, words in settings.items()}
    if symbolizer := find_program("llvm-symbolizer-19", "llvm-symbolizer"):
        found |= {f"{tool}_SYMBOLIZER_PATH": symbolizer for tool in (*settings, "LLVM")}
    return clean_environment() | found

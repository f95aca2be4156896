"""This process and those that it starts: what it says, what it finds, which environment it hands on.

Standard library alone.
"""

from __future__ import annotations

import os
import re
import shutil
import sys


def say(line: str) -> None:
    """One line about what a command is doing, on stderr, so that it never mixes with a result."""
    print(f"poolproof: {line}", file=sys.stderr, flush=True)


def find_program(*names: str) -> str | None:
    """The absolute path of the first of these programs that is on PATH, or None."""
    return next((path for path in map(shutil.which, names) if path), None)


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

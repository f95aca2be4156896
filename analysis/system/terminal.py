"""What a command says of names it does not know and of work in progress. Standard library alone."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
from typing import Iterable

from analysis.system.files import ROOT


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", most: int = 1) -> str:
    """A hint for a word that is not known: the nearest known ones, else `otherwise`, else all."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=most, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    return otherwise or f"there are {', '.join(known)}"


class LiveLine:
    """One line on stderr, written over again and again; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.show("")

    def show(self, line: str) -> None:
        if self._live:
            columns = shutil.get_terminal_size().columns
            sys.stderr.write("\r\033[K" + line.strip()[:columns - 1])
            sys.stderr.flush()


def watch(command: list[str], variables: dict[str, str], title: str,
          limit_s: float = 3600) -> tuple[int, str]:
    """Runs a command from the repository's top, its latest line live on a terminal.

    Returns its exit code and all that it printed; after limit_s it is ended, and says so.
    """
    output: list[str] = []
    with LiveLine() as live, subprocess.Popen(
            ["timeout", "-k", "5", str(limit_s), *command], cwd=ROOT,
            env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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

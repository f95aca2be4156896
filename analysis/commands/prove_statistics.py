"""Proves the statistics on made-up runs whose truth is known, and prints the figures.

Every verdict here is made by the code that judges real runs: the sign test and its interval, the
looks while launches go on, Holm's correction, δ from a null pair, the methods that must agree.
--write puts the figures into analysis/README.md, where git tells what changed.
"""

from __future__ import annotations

import argparse

from analysis.system.exits import PASS, UserError
from analysis.system.files import ROOT, whole_file
from analysis.system.process import say

README = ROOT / "analysis" / "README.md"
BEGIN, END = "<!-- prove-statistics: begin -->\n", "<!-- prove-statistics: end -->\n"


def published(readme: str) -> str:
    """The figures that a README holds. UserError if it holds none."""
    _, begin, rest = readme.partition(BEGIN)
    found, end, _ = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{README} has no place for the figures: {BEGIN.strip()} … {END.strip()}")
    return found.strip("\n") + "\n"


def replaced(readme: str, now: str) -> str:
    """A README that holds these figures instead of its own."""
    published(readme)
    head, begin, rest = readme.partition(BEGIN)
    return f"{head}{begin}\n{now}\n{END}{rest.partition(END)[2]}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof prove-statistics."""
    parser.add_argument("--write", action="store_true", help="put them in analysis/README.md")


def run(args: argparse.Namespace) -> int:
    """Computes the figures, prints them, and writes them if asked."""
    from analysis.stats import proof
    total = len(proof.CONDITIONS)
    done = iter(range(1, 100))
    now = proof.figures(lambda name: say(f"{next(done)} of {total}: {name}"))
    if args.write:
        before = README.read_text(encoding="utf-8")
        with whole_file(README) as stream:
            stream.write(replaced(before, now))
    print(now, end="")
    return PASS

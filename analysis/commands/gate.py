"""Says whether the pool became slower between two runs: for a pipeline that must not let that pass.

Ends with 0 where every claim excludes a regression beyond what the runs' noise hides, with 1 where
one is proved, with 3 where neither can be said, with 4 where the runs can say nothing. Instructions
that both runs counted are judged beside time; runs of `bench --work` have nothing else, and need no
quiet machine.
"""

from __future__ import annotations

import argparse
import pathlib

from analysis.commands import compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof gate."""
    parser.add_argument("base", type=pathlib.Path, metavar="BASE", help="the run before the change")
    parser.add_argument("new", type=pathlib.Path, metavar="NEW", help="the run after it")
    compare.add_common_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Judges the pools alone; the other arms only say how much is noise."""
    return compare.judge(args, every_arm=False)

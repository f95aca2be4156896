"""Plants bugs in copies of the pool, one at a time, and lets the fuzzer look for them.

Each bug's target starts from nothing with several seeds, each on a budget of executions, so that
the same seed gives the same numbers again. The scoreboard says of every bug whether it was reached,
went wrong and was found, after how many executions, and which oracle saw it. Controls stand beside
it: the pool as it is and changes that make no difference must stay unfound, a call that does
nothing must be found at once. Exit 0 if at least 95 % of the bugs that were reached are found and
the controls behave, else 1. Interrupted, it goes on where it was when run again.

examples:
  ./poolproof bugs --quick                  a few bugs, a minute
  ./poolproof bugs                          all of them, two million executions each for five seeds
  ./poolproof bugs no-merge-left --seeds 1
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time

from analysis.building import meson
from analysis.fuzzing import planted, scoreboard, trials
from analysis.fuzzing.jobs import Crew
from analysis.fuzzing.planted import Patch
from analysis.system import arguments
from analysis.system.exits import FINDING, PASS
from analysis.system.files import named_path, only_one, output_folder, relative

BUDGET, SEEDS = 2_000_000, 5
QUICK_BUDGET, QUICK_SEEDS = 100_000, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bug", nargs="*", metavar="BUG", help="a patch's name in fuzz/bugs")
    parser.add_argument("--quick", action="store_true",
                        help=f"{len(trials.QUICK)} of them, {QUICK_BUDGET:,} executions, one seed")
    parser.add_argument("--executions", type=arguments.amount, default=None, metavar="N",
                        help=f"of each seed (default {BUDGET:,})")
    parser.add_argument("--seeds", type=arguments.count, default=None, metavar="N",
                        help=f"how many, from 1 on (default {SEEDS})")
    parser.add_argument("--jobs", type=arguments.count, default=None, metavar="N",
                        help="processes at a time (default: one for each processor)")
    parser.add_argument("-o", "--output", type=named_path, default=trials.WORK / "results",
                        metavar="DIR",
                        help="where the scoreboard goes (default build/bugs/results)")
    parser.add_argument("--list", action="store_true", help="name the bugs, and what each breaks")


def run(args: argparse.Namespace) -> int:
    known = planted.read_all()
    bugs = trials.choose(args.bug, args.quick, known)
    if args.list:
        for bug in filter(known.__contains__, bugs):
            print(f"{bug.name:<28}{bug.target:<18}{bug.oracle_due:<20}{bug.what}")
        return PASS
    output_folder(args.output)
    folders = {sanitizer: meson.ensure_build(meson.FUZZERS[sanitizer])
               for sanitizer in sorted({bug.sanitizer for bug in bugs})}
    trials.WORK.mkdir(parents=True, exist_ok=True)
    with only_one(trials.WORK / ".lock", "another command plants bugs; waiting for it"):
        return plant(args, bugs, folders)


def plant(args: argparse.Namespace, bugs: list[Patch], folders: dict[str, pathlib.Path]) -> int:
    """Runs every trial, writes the scoreboard, and returns the exit code."""
    executions = args.executions or (QUICK_BUDGET if args.quick else BUDGET)
    seeds = args.seeds or (QUICK_SEEDS if args.quick else SEEDS)
    start = time.monotonic()
    scores, broken = trials.run_all(
        trials.Trials(Crew(args.jobs), folders, executions, seeds), bugs)
    board = scoreboard.board(scores, broken, executions, seeds, time.monotonic() - start,
                             meson.compiler_version(meson.compilers("clang")[0]))
    scoreboard.write(board, args.output)
    print(scoreboard.verdict(board))
    print(f"scoreboard: {relative(args.output / 'scoreboard.md')}")
    sys.stdout.flush()
    return PASS if board.holds else FINDING

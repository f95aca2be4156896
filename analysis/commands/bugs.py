"""Plant bugs in copies of the pool, one at a time, and see whether the fuzzer finds them.

Each target starts from nothing with several seeds and a budget of executions, so that a seed
repeats its figures. The scoreboard shows when a bug was reached, went wrong and was found, and by
which oracle. Controls: the pool as it is and equivalent changes must stay unfound; a hollow call
must be found at once. Exit codes: 0 if the controls hold and at least 95 % of the reached bugs are
found, else 1. An interrupted run continues when it is started again.

examples:
  ./poolproof bugs --quick                  a few bugs, a minute
  ./poolproof bugs                          all of them, two million executions each for five seeds
  ./poolproof bugs no-coalescing-left --seeds 1
"""

import argparse
import sys
import time

from analysis.building import meson
from analysis.fuzzing import planted, scoreboard, trials
from analysis.fuzzing.jobs import Crew
from analysis.system import arguments
from analysis.system.exits import FINDING, PASS
from analysis.system.files import named_path, only_one, output_folder, relative

BUDGET, SEEDS = 2_000_000, 5
QUICK_BUDGET, QUICK_SEEDS = 100_000, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bug", nargs="*", metavar="BUG",
                        help="plant this patch of fuzz/bugs (default: all)")
    parser.add_argument("--quick", action="store_true",
                        help=f"plant {len(trials.QUICK)} bugs, {QUICK_BUDGET:,} executions each")
    parser.add_argument("--executions", type=arguments.amount, default=None, metavar="N",
                        help=f"executions with each seed (default: {BUDGET:,})")
    parser.add_argument("--seeds", type=arguments.count, default=None, metavar="N",
                        help=f"use seeds 1 to N (default: {SEEDS})")
    parser.add_argument("--jobs", type=arguments.count, default=None, metavar="N",
                        help="run N processes at a time (default: one a processor)")
    parser.add_argument("-o", "--output", type=named_path, default=trials.WORK / "results",
                        metavar="DIR",
                        help="write the scoreboard here (default: build/bugs/results)")
    parser.add_argument("--list", action="store_true",
                        help="list the bugs and what each breaks, and exit")


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
    executions = args.executions or (QUICK_BUDGET if args.quick else BUDGET)
    seeds = args.seeds or (QUICK_SEEDS if args.quick else SEEDS)
    trials.WORK.mkdir(parents=True, exist_ok=True)
    with only_one(trials.WORK / ".lock", "waiting for another command that plants bugs"):
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

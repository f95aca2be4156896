"""Says whether the pool became slower since another build: for a pipeline that must not let that
pass.

Builds the base in a folder of its own and runs both builds now, in turns. Ends with 0 where every
claim excludes a regression beyond what noise hides, with 1 where one is proved, with 3 where
neither can be said, with 4 where nothing can. Instructions are counted beside time, where Valgrind
is there: a pool that runs more than 1 % more is a regression, too.
"""

from __future__ import annotations

import argparse

from analysis.measure import words
from analysis.system.files import named_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof gate."""
    parser.add_argument("--base", required=True, metavar="REV|DIR|LIB",
                        help="what to judge by: a revision, a folder of sources or of a build, or"
                             " the shared library of a malloc")
    parser.add_argument("--new", metavar="DIR|LIB",
                        help="what to judge (default: these sources as they are)")
    parser.add_argument("--workload", nargs="+", action="extend", default=[], metavar="W",
                        help="on these workloads (default: those of a quick run)")
    parser.add_argument("--trace", nargs="+", action="extend", default=[], metavar="FILE",
                        help="play these recorded traces as well")
    parser.add_argument("--launches", type=words.number, metavar="N",
                        help="run every pair so often, whatever that proves")
    parser.add_argument("--seed", type=words.number, metavar="N",
                        help="orders everything that is random")
    parser.add_argument("--no-work", action="store_true", help="count no instructions")
    parser.add_argument("--format", choices=("text", "markdown"), default="text",
                        help="how the result is written (default: text)")
    parser.add_argument("-o", "--output", type=named_path, metavar="DIR",
                        help="the run's folder (default: results/runs/ and the time)")
    parser.set_defaults(quick=True, full=False, threads=[], arm=[], malloc=[],
                        delay=words.DELAY_PERCENT)


def run(args: argparse.Namespace) -> int:
    """Builds, measures, judges, and returns the exit code."""
    import sys

    from rich.console import Console

    from analysis.measure import gating, session
    from analysis.report import comparison_formats
    from analysis.runs import records
    from analysis.stats import comparison
    console = Console(file=sys.stderr, width=120)
    folder = gating.begin(args, console)
    session.measure(folder, console)
    compared = comparison.of_gate(records.read(folder))
    print(comparison_formats.FORMATS[args.format](compared), end="")
    return comparison.EXIT_CODES[compared.outcome]

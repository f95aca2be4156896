"""Fail if the pool became slower than another build of it.

Builds the base in its own folder and runs both builds now, in turns, on the workloads of a quick
run where none is named. Exit codes: 0 if every claim excludes a regression beyond noise, 1 if one
is proved, 3 if the run cannot tell, 4 if it cannot run. Where Valgrind is installed, 1 % more
instructions are a regression too.
"""

import argparse

from analysis.measure import words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", required=True, metavar="REV|DIR|LIB",
                        help="compare with this revision, source or build folder, or"
                             " malloc's shared library")
    parser.add_argument("--new", metavar="DIR|LIB",
                        help="judge this build or library (default: these sources)")
    words.add_arguments(parser)
    parser.add_argument("--no-work", action="store_true", help="do not count instructions")
    parser.add_argument("--format", choices=("text", "markdown"), default="text",
                        help="format of the result (default: text)")
    parser.set_defaults(quick=True, full=False, threads=[])


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

"""Compares two runs of different days: did a pool become faster or slower between them?

Each pool's time is taken relative to the C library's allocator in the same launches, so that a
slower machine is no slower pool. The two runs were not measured in turns: take the answer as a
hint, and let gate --base run both builds now. Ends as gate does; with 4 where the runs are of
different machines, compilers, libraries or traces.
"""

from __future__ import annotations

import argparse
import pathlib


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof compare."""
    parser.add_argument("base", type=pathlib.Path, metavar="DIR", help="the run that came first")
    parser.add_argument("new", type=pathlib.Path, metavar="DIR", help="the run to judge by it")
    parser.add_argument("--format", choices=("text", "markdown"), default="text",
                        help="how the result is written (default: text)")


def run(args: argparse.Namespace) -> int:
    """Reads both runs, compares them, prints the result, and returns the exit code."""
    from analysis.report import comparison_formats
    from analysis.runs import records
    from analysis.stats import comparison
    compared = comparison.compare(records.read(args.base), records.read(args.new))
    print(comparison_formats.FORMATS[args.format](compared), end="")
    return comparison.EXIT_CODES[compared.outcome]

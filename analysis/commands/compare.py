"""Compare two runs of different days: did a pool become faster or slower?

Each pool's time is divided by that of the C library's allocator in the same launches, which cancels
a slower machine. The runs were not measured in turns, so the answer is a hint; gate --base measures
both builds now. Exit codes as for gate; 4 if machines, compilers, libraries or traces differ.
"""

import argparse
import pathlib


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", type=pathlib.Path, metavar="DIR", help="the earlier run")
    parser.add_argument("new", type=pathlib.Path, metavar="DIR", help="the run to judge")
    parser.add_argument("--format", choices=("text", "markdown"), default="text",
                        help="format of the result (default: text)")


def run(args: argparse.Namespace) -> int:
    """Reads both runs, compares them, prints the result, and returns the exit code."""
    from analysis.report import comparison_formats
    from analysis.runs import records
    from analysis.stats import comparison
    compared = comparison.compare(records.read(args.base), records.read(args.new))
    print(comparison_formats.FORMATS[args.format](compared), end="")
    return comparison.EXIT_CODES[compared.outcome]

"""Compares two runs of different days: did a pool become faster or slower between them?

Each pool's time is taken relative to the C library's allocator in the same launches, so that a
slower machine is no slower pool. The two runs were not measured in turns: take the answer as a
hint, and let gate --base run both builds now. Ends as gate does.
"""

from __future__ import annotations

import argparse
import pathlib

from analysis.system.exits import UserError
from analysis.system.files import named_path, whole_file

KINDS = ("machine", "compiler", "flags", "harness", "library", "trace", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof compare."""
    parser.add_argument("base", type=pathlib.Path, metavar="DIR", help="the run that came first")
    parser.add_argument("new", type=pathlib.Path, metavar="DIR", help="the run to judge by it")
    parser.add_argument("--allow", action="append", default=[], metavar="KIND",
                        choices=KINDS, help="compare although the runs differ in this: "
                             f"{', '.join(KINDS[:-1])}, or all; may be given again")
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text",
                        help="how the result is written (default: text)")
    parser.add_argument("-o", "--output", type=named_path, metavar="FILE",
                        help="where it is written (default: standard output)")


def run(args: argparse.Namespace) -> int:
    """Reads both runs, compares them, writes the result, and returns the exit code."""
    from analysis.report import comparison_formats
    from analysis.runs import records
    from analysis.stats import comparison
    if args.output is not None and not args.output.parent.is_dir():
        raise UserError(f"{args.output.parent}: no such folder")
    compared = comparison.compare(records.read(args.base), records.read(args.new), args.allow)
    written = comparison_formats.FORMATS[args.format](compared)
    if args.output is None:
        print(written, end="")
    else:
        with whole_file(args.output) as stream:
            stream.write(written)
        print(comparison_formats.headline(compared))
    return comparison.EXIT_CODES[compared.outcome]

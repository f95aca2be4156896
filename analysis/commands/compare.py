"""Compares two runs: which arms became faster or slower between them, with intervals.

Each arm's time is taken relative to glibc's in the same round, so that a slower machine is no
slower pool. Rivals whose library is the same file in both runs cannot have changed: how far they
moved is noise, and no smaller difference is claimed. Instructions that both runs counted are
compared beside time. Ends as gate does.
"""

from __future__ import annotations

import argparse
import pathlib

from analysis.report import comparison_formats
from analysis.runs import records
from analysis.stats import comparison
from analysis.system.exits import UserError
from analysis.system.files import named_path, whole_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof compare."""
    parser.add_argument("base", type=pathlib.Path, metavar="DIR", help="the run that came first")
    parser.add_argument("new", type=pathlib.Path, metavar="DIR", help="the run to judge by it")
    add_common_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """What compare and gate have in common."""
    parser.add_argument("--allow", action="append", default=[], metavar="KIND",
                        choices=[*comparison.KINDS, "all"],
                        help="compare although the runs differ in this: "
                             f"{', '.join(comparison.KINDS)}, or all; may be given again")
    parser.add_argument("--format", choices=list(comparison_formats.FORMATS), default="text",
                        help="how the result is written (default: text)")
    parser.add_argument("-o", "--output", type=named_path, metavar="FILE",
                        help="where it is written (default: standard output)")


def run(args: argparse.Namespace) -> int:
    """Compares, tells, and returns the exit code."""
    return judge(args, every_arm=True)


def judge(args: argparse.Namespace, every_arm: bool) -> int:
    """Reads both runs, compares them, writes the result, and returns the exit code."""
    if args.output is not None and not args.output.parent.is_dir():
        raise UserError(f"{args.output.parent}: no such folder")
    allowed = comparison.KINDS if "all" in args.allow else args.allow
    compared = comparison.compare(records.read(args.base), records.read(args.new), allowed)
    shown = ([*compared.changes, *compared.counts] if every_arm else
             [*compared.claims, *compared.counted_claims])
    written = comparison_formats.FORMATS[args.format](compared, shown)
    if args.output is None:
        print(written, end="")
    else:
        with whole_file(args.output) as stream:
            stream.write(written)
        print(comparison_formats.headline(compared))
    return comparison.EXIT_CODES[compared.outcome]

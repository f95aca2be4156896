"""Make the report of a run again from its recorded launches."""

import argparse
import pathlib

from analysis.system.files import named_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=pathlib.Path, metavar="DIR", help="the run's folder")
    parser.add_argument("-o", "--output", type=named_path, metavar="DIR",
                        help="write the report to this folder (default: that of the run)")


def run(args: argparse.Namespace) -> int:
    """Reads the launches up to the last whole one, judges, and writes the report."""
    from analysis.report import render
    return render.report(args.run, render.output_console(), args.output)

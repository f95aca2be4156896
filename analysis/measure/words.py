"""The words that choose what a run measures. Standard library alone."""

import argparse
import dataclasses
import pathlib
import re

from analysis.system.arguments import whole
from analysis.system.files import named_path


@dataclasses.dataclass(frozen=True)
class Malloc:
    """An allocator that the user wants measured: --malloc NAME=FILE."""

    name: str
    file: pathlib.Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every run: what it measures, how often, and where that goes."""
    parser.add_argument("--workload", nargs="+", action="extend", default=[], metavar="W",
                        help="run only these workloads, or patterns such as 'churn/*'")
    parser.add_argument("--trace", nargs="+", action="extend", default=[], metavar="FILE",
                        help="play these recorded traces too")
    parser.add_argument("--launches", type=whole(1, 10**9), metavar="N",
                        help="run every pair N times, whatever is proved")
    parser.add_argument("--seed", type=whole(1, 10**9), metavar="N",
                        help="seed for every random order")
    parser.add_argument("-o", "--output", type=named_path, metavar="DIR",
                        help="write to this folder (default: results/runs/TIME)")


def malloc_word(text: str) -> Malloc:
    """What --malloc NAME=FILE says. ArgumentTypeError if it says something else."""
    name, equals, file = text.partition("=")
    if not equals or not file or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
        raise argparse.ArgumentTypeError(
            f"invalid malloc {text!r}: use NAME=FILE, with letters, digits and ._+- in NAME")
    return Malloc(name, pathlib.Path(file))


def percent(text: str) -> float:
    """A share of time, in percent."""
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text) or float(text) == 0:
        raise argparse.ArgumentTypeError(f"invalid percentage {text!r}: use a number such as 5")
    return float(text)

"""Change the core in one small way at a time, and list the changes that no test notices.

Mutants are made from clang's syntax tree: each comparison, operator, integer, condition, statement
and update of a field. Each is put to the tests of the core, the trace and the fuzz corpora, and
what survives to a short fuzz. A survivor needs a new test, or a line in
core/test/equivalent_mutants.txt with the reason why nothing could notice it.

examples:
  ./poolproof mutants pool_free           the mutants of one function, minutes
  ./poolproof mutants --sample 40         forty, evenly spread
  ./poolproof mutants                     all of them, hours; interrupted, it goes on when run again
"""

from __future__ import annotations

import argparse
import re


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,7}", text):
        raise argparse.ArgumentTypeError(f"invalid count {text!r}: use a whole number above zero")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof mutants."""
    parser.add_argument("function", nargs="*", help="only mutants of these functions")
    parser.add_argument("--file", nargs="+", metavar="FILE", default=[],
                        help="change only these files (default: all of core/)")
    parser.add_argument("--sample", type=_count, metavar="N", help="only N, evenly spread")
    parser.add_argument("--executions", type=_count, default=20_000, metavar="N",
                        help="of each fuzz target on a survivor (default: 20000)")
    parser.add_argument("--jobs", type=_count, metavar="N", help="workers (default: processors)")
    parser.add_argument("--list", action="store_true", help="list the mutants and exit")


def run(args: argparse.Namespace) -> int:
    """Tries the mutants. 0 if each survivor is explained, else 1."""
    from analysis.fuzzing import mutant_session
    return mutant_session.run(args)

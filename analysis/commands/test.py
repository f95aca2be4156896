"""Builds the sources with two compilers and runs the tests that one waits for.

gcc's release build and clang's build under ASan and UBSan run the tests in C and the corpora;
beside them stand the Python tests, the repository's rules, and the linters on what differs from the
branch's beginning. What passed and has not changed since is not run again. --all adds what is slow:
the checked build, the linters on everything, the coverage of the pool, the installed package in
every route, the golden counts, runs that are killed and resumed, the recorder on real programs, and
the report in a browser. A suite's name runs it alone, its slow tests too.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="run these suites alone")
    parser.add_argument("--all", action="store_true", help="run the slow suites too")
    parser.add_argument("--again", action="store_true",
                        help="run also what has not changed since it passed")
    parser.add_argument("--list", action="store_true", help="name the suites and exit")


def run(arguments: argparse.Namespace) -> int:
    from analysis.quality import suites
    from analysis.system.exits import PASS

    if arguments.list:
        print("suites: " + ", ".join(suites.known()))
        return PASS
    return suites.run(arguments.suites, arguments.all, arguments.again)

"""Build the sources with two compilers and run the fast tests.

gcc's release build and clang's build under ASan and UBSan run the C tests and the corpora. The
Python tests, the repository's rules, and the linters on what this branch changed run beside them.
What passed and has not changed since is not run again. --all adds the slow tests: the checked
build, the linters on everything, coverage, every way to install, the golden counts, resumed runs,
the recorder on real programs, and the report in a browser. A suite's name runs it alone, with its
slow tests.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="run only these suites")
    parser.add_argument("--all", action="store_true", help="run the slow suites too")
    parser.add_argument("--again", action="store_true",
                        help="run what has not changed since it passed, too")
    parser.add_argument("--list", action="store_true", help="list the suites and exit")


def run(arguments: argparse.Namespace) -> int:
    from analysis.quality import suites
    from analysis.system.exits import PASS

    if arguments.list:
        print("suites: " + ", ".join(suites.known()))
        return PASS
    return suites.run(arguments.suites, arguments.all, arguments.again)

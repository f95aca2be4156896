"""Measures how much of the pool the tests and the corpora run: lines, branches, and MC/DC.

MC/DC asks more than branches: that each condition of a decision has been seen to decide it alone
(Hayhurst et al., NASA/TM-2001-210876). The ordinary pool and the checked one are measured, each in
a build of its own; a place that both have is covered where one of them covers it. Whatever is not
covered stands in core/test/coverage_exceptions.txt with its reason; anything else, and an exception
that is covered after all, fails. So does the suite `coverage` of ./poolproof test.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-html", action="store_true", help="measure and judge, no more")


def run(arguments: argparse.Namespace) -> int:
    import time

    from analysis.quality import coverage, testing

    start = time.monotonic()
    return testing.conclude(coverage.check(html=not arguments.no_html), time.monotonic() - start)

"""Runs the test suite and the corpora in every build and under every tool.

An instrument is a compiler's build, a sanitizer, Valgrind, another machine, or a tool that reads
the sources; a line says what one of them made of the tests, the corpora, or each misuse. Tests that
are the same in any build are left to ./poolproof test. `control` is a mistake made on purpose that
the instrument must object to, told by a line of its report: an instrument that lets it pass has
proved nothing. --quick takes the instruments that find most in ten minutes, --full takes all.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="the instruments that find most")
    extent.add_argument("--full", action="store_true", help="every instrument; the default")
    parser.add_argument("instruments", nargs="*", metavar="INSTRUMENT",
                        help="these alone, by their build's or tool's name")
    parser.add_argument("--list", action="store_true",
                        help="name the instruments that are meant, and end")
    parser.add_argument("--matrix", action="store_true",
                        help="write core/MISUSE.md anew from what the builds say")


def run(arguments: argparse.Namespace) -> int:
    from analysis.quality import checks, testing
    from analysis.quality.instruments import INSTRUMENTS, name_of
    from analysis.system.exits import PASS
    from analysis.system.terminal import require

    known = {name_of(instrument): instrument for instrument in INSTRUMENTS}
    chosen = [known[require(word, known, "instrument")] for word in arguments.instruments] or [
        instrument for instrument in INSTRUMENTS if instrument.quick or not arguments.quick]
    if arguments.list:
        for one in chosen:
            print(f"{name_of(one):<22} {one.title}{', quick' if one.quick else ''}")
        return PASS
    with testing.alone():
        return checks.write_matrix() if arguments.matrix else checks.run(chosen)

"""Run the test suite and the corpora in every build and under every tool.

An instrument is a compiler's build, a sanitizer, Valgrind, another machine, or a tool that reads
the sources. A line gives its outcome for the tests, the corpora, or each misuse. Tests that are the
same in any build are left to ./poolproof test. Each instrument must object to its `control`, a
deliberate mistake; one that lets it pass has proved nothing.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true",
                        help="run the instruments that find most, in ten minutes")
    extent.add_argument("--full", action="store_true", help="run every instrument (default)")
    parser.add_argument("instruments", nargs="*", metavar="INSTRUMENT",
                        help="run only these builds or tools")
    parser.add_argument("--list", action="store_true",
                        help="list the instruments and exit")
    parser.add_argument("--matrix", action="store_true",
                        help="write core/MISUSE.md from the builds' outcomes")


def run(arguments: argparse.Namespace) -> int:
    from analysis.quality import checks, testing
    from analysis.quality.instruments import INSTRUMENTS, name_of
    from analysis.system.arguments import require
    from analysis.system.exits import PASS

    known = {name_of(instrument): instrument for instrument in INSTRUMENTS}
    chosen = [known[require(word, known, "instrument")] for word in arguments.instruments] or [
        instrument for instrument in INSTRUMENTS if instrument.quick or not arguments.quick]
    if arguments.list:
        for one in chosen:
            print(f"{name_of(one):<22} {one.title}{', quick' if one.quick else ''}")
        return PASS
    with testing.alone():
        return checks.write_matrix() if arguments.matrix else checks.run(chosen)

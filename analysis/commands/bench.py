"""Measure the pool beside the mallocs of this machine, and report what is proved.

Each sample is kept as it ends: --resume continues a run that was stopped.
"""

import argparse
import pathlib

from analysis.measure import words
from analysis.runs.plan import DELAY_PERCENT
from analysis.system.arguments import whole
from analysis.system.exits import PASS, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="answer within six minutes")
    size.add_argument("--full", action="store_true",
                      help="measure every size, and count instructions")
    words.add_arguments(parser)
    parser.add_argument("--arm", nargs="+", action="extend", default=[], metavar="A",
                        help="run only these arms or patterns, and the controls")
    parser.add_argument("--malloc", nargs="+", action="extend", default=[], type=words.malloc_word,
                        metavar="NAME=FILE", help="measure the malloc of this shared library too")
    parser.add_argument("--threads", nargs="+", action="extend", default=[], type=whole(2, 1024),
                        metavar="N", help="run micro workloads with N threads, with an arm each"
                        " or with one malloc for all")
    parser.add_argument("--resume", type=pathlib.Path, metavar="DIR", help="continue a run")
    parser.add_argument("--delay", type=words.percent, default=DELAY_PERCENT,
                        metavar="PERCENT", help="slow the pool's control copy by PERCENT"
                        f" (default: {DELAY_PERCENT:g})")
    parser.add_argument("--list", action="store_true",
                        help="list the workloads and arms and exit")
    parser.set_defaults(default_of=parser.get_default)


def run(args: argparse.Namespace) -> int:
    """Measures, reports, and returns the exit code."""
    from analysis.measure import catalogue, planning, session
    from analysis.report import render
    console = render.output_console()
    if args.list and not args.resume:
        args.quick, args.full = False, True  # all that there is
        catalogue.print_offer(
            catalogue.offer(session.benchmark_binary(), planning.traces_of(args), args.malloc,
                            args.threads), console)
        return PASS
    if not args.resume:
        folder = session.begin(args, console)
    else:
        given = [f"--{name}" for name, value in vars(args).items()
                 if name != "resume" and value != args.default_of(name)]
        if given:
            raise UserError(f"--resume keeps the plan of the run; leave out {' '.join(given)}")
        folder = args.resume.resolve()
        session.benchmark_binary()
        session.go_on(folder)
    session.measure(folder, console)
    return render.report(folder, console)

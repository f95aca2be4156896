"""Measure the pool beside the mallocs of this machine, and report what is proved.

Each sample is kept as it ends: --resume continues a run that was stopped.
"""

from __future__ import annotations

import argparse
import pathlib

from analysis.measure import words
from analysis.system.exits import PASS, UserError
from analysis.system.files import named_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof bench."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="answer within six minutes")
    size.add_argument("--full", action="store_true",
                      help="measure every size, and count instructions")
    words.add_arguments(parser)
    parser.add_argument("-o", "--output", type=named_path, metavar="DIR",
                        help="write to this folder (default: results/runs/TIME)")
    parser.add_argument("--resume", type=pathlib.Path, metavar="DIR", help="continue a run")
    parser.add_argument("--seed", type=words.number, metavar="N",
                        help="seed for every random order")
    parser.add_argument("--launches", type=words.number, metavar="N",
                        help="run every pair N times, whatever is proved")
    parser.add_argument("--delay", type=words.percent, default=words.DELAY_PERCENT,
                        metavar="PERCENT", help="slow the pool's control copy by PERCENT"
                        f" (default: {words.DELAY_PERCENT:g})")
    parser.add_argument("--list", action="store_true",
                        help="list the workloads and arms and exit")


def run(args: argparse.Namespace) -> int:
    """Measures, reports, and returns the exit code."""
    from analysis.measure import catalogue, offer, planning, session
    from analysis.report import render
    console = render.output_console()
    if args.resume:
        return _resume(args)
    if args.list:
        args.quick, args.full = False, True  # all that there is
        offer.print_offer(catalogue.offer(session.benchmark_binary(), planning.traces_of(args),
                                          args.malloc, args.threads), console)
        return PASS
    folder = session.begin(args, console)
    session.measure(folder, console)
    return render.report(folder, console)


def _resume(args: argparse.Namespace) -> int:
    """Goes on with a run, if nothing that it depends on has changed."""
    from analysis.measure import session
    from analysis.report import render
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = [f"--{name}" for name, value in vars(args).items()
             if name != "resume" and value != parser.get_default(name)]
    if given:
        raise UserError(f"--resume keeps the plan of the run; leave out {' '.join(given)}")
    folder = args.resume.resolve()
    session.benchmark_binary()
    session.go_on(folder)
    console = render.output_console()
    session.measure(folder, console)
    return render.report(folder, console)

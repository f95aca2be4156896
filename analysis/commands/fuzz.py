"""Attack the pool with generated traces until the time is over.

Each target is a libFuzzer program under AddressSanitizer and UndefinedBehaviorSanitizer, or the one
that --sanitizer names. The corpus is kept in build/fuzz-corpus/TARGET between runs, each failure in
build/findings/TARGET: minimised, readable, with the command that repeats it.
Exit codes: 0 without findings, 1 with findings.

examples:
  ./poolproof fuzz                          every target, 60 s in all
  ./poolproof fuzz pool_api --time 10m      one target for ten minutes
  ./poolproof fuzz --time 8h --jobs 8 --seed 1
  ./poolproof fuzz --executions 200m        a number of executions instead of a time
  ./poolproof fuzz --trace mine.trace       start from parts of a recorded program too
  ./poolproof fuzz --sanitizer undefined --time 5m
"""

import argparse
import pathlib
import random
import sys

from analysis.building import meson
from analysis.system import arguments
from analysis.system.arguments import require
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import only_one

CORPUS = meson.BUILD_ROOT / "fuzz-corpus"

LOCK = ".fuzzing.lock"
"""In the build folder; a build of the targets holds another meanwhile."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="*", metavar="TARGET",
                        help="fuzz this target of fuzz/targets (default: all)")
    parser.add_argument("--time", type=arguments.duration, default=None, metavar="TIME",
                        help="time for all targets together: 30s, 5m, 2h or 1d (default: 60s)")
    parser.add_argument("--executions", type=arguments.amount, default=None, metavar="N",
                        help="stop after N executions: 5000, 500k, 200m")
    parser.add_argument("--record", type=pathlib.Path, default=None, metavar="FILE",
                        help="write the totals to FILE")
    parser.add_argument("--sanitizer", choices=list(meson.FUZZERS), default="address",
                        help="address checks the shadow, undefined takes the pool's fast path"
                             " (default: address)")
    parser.add_argument("--jobs", type=arguments.count, default=None, metavar="N",
                        help="run N processes at a time (default: one a processor)")
    parser.add_argument("--seed", type=arguments.seed, default=None, metavar="N",
                        help="seed of the run (default: random, and printed)")
    parser.add_argument("--trace", type=pathlib.Path, nargs="+", action="extend", default=[],
                        metavar="FILE", help="start from parts of these recorded traces too")
    parser.add_argument("--corpus", type=pathlib.Path, default=CORPUS, metavar="DIR",
                        help="keep the corpus here (default: build/fuzz-corpus)")


def run(args: argparse.Namespace) -> int:
    meson.BUILD_ROOT.mkdir(parents=True, exist_ok=True)
    with only_one(meson.BUILD_ROOT / LOCK,
                  "waiting for another ./poolproof fuzz in this tree"):
        return run_alone(args)


def run_alone(args: argparse.Namespace) -> int:
    """The command, while no other run of it works in this tree."""
    from analysis.fuzzing import findings, session
    from analysis.fuzzing.campaign import Count
    from analysis.fuzzing.jobs import Crew

    if args.executions is None and args.record is not None:
        raise UserError("--record needs --executions")
    folder = meson.ensure_build(meson.FUZZERS[args.sanitizer])
    known = findings.targets(folder)
    targets = list(dict.fromkeys(require(name, known, "fuzz target") for name in args.target))
    targets = targets or known
    crew = Crew(args.jobs)
    done = Count({target: folder / "fuzz" / target for target in targets}, crew.jobs,
                 args.time or (366.0 * 86400 if args.executions else 60.0), args.executions)
    compiler = f"clang {meson.compiler_version(meson.compilers('clang')[0])}"
    if args.record is not None:
        done.write(args.record, args.sanitizer, compiler)  # or say now that it cannot be written
    corpus = args.corpus.absolute()
    for target in targets:
        (corpus / target).mkdir(parents=True, exist_ok=True)
    session.learn_traces(folder, args.trace, targets, corpus)
    attack = session.Session(folder, crew, done, args.seed or random.SystemRandom().randrange(
        1, 1 << 32), corpus, args.sanitizer)
    attack.rescue()
    interrupted = False
    try:
        crew.each(attack.job, range(crew.jobs))
    except KeyboardInterrupt:
        interrupted = True
    if args.record is not None:
        done.write(args.record, args.sanitizer, compiler)
    print(attack.ending(interrupted))
    sys.stdout.flush()
    if attack.found:
        return FINDING
    return UNFIT if (done.executions == 0 or attack.troubles) and not interrupted else PASS

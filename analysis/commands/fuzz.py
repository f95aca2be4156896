"""Attacks the pool with generated traces until the time is over.

Each target is a libFuzzer program under AddressSanitizer and UndefinedBehaviorSanitizer, unless
--sanitizer says otherwise. What it learns is kept in build/fuzz-corpus/TARGET between runs, and
what fails in build/findings/TARGET, made small and readable, with the one command that runs it
again. Exit 0 if nothing was found, 1 with findings.

examples:
  ./poolproof fuzz                          every target, 60 s in all
  ./poolproof fuzz pool_api --time 10m      one target for ten minutes
  ./poolproof fuzz --time 8h --jobs 8 --seed 1
  ./poolproof fuzz --executions 200m        goes on where it was when it is run again
  ./poolproof fuzz --trace mine.trace       begins with pieces of a recorded program
  ./poolproof fuzz --sanitizer undefined --time 5m
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import signal
import sys

from analysis.building import meson
from analysis.system import arguments
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import only_one, whole_file

CORPUS = meson.BUILD_ROOT / "fuzz-corpus"
CAMPAIGNS = meson.BUILD_ROOT / "fuzz-campaign"

LOCK = ".fuzzing.lock"
"""In the build folder; a build of the targets holds another meanwhile."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="*", metavar="TARGET", help="a file's name in fuzz/targets")
    parser.add_argument("--time", type=arguments.duration, default=None, metavar="TIME",
                        help="for all targets together: 30s, 5m, 2h or 1d (default 60s)")
    parser.add_argument("--executions", type=arguments.amount, default=None, metavar="N",
                        help="until so many are done, by this run or one before: 5000, 500k, 200m")
    parser.add_argument("--record", type=pathlib.Path, default=None, metavar="FILE",
                        help="where --executions keeps count (default build/fuzz-campaign/…)")
    parser.add_argument("--sanitizer", choices=list(meson.FUZZERS), default="address",
                        help="address watches the shadow; under undefined a pool takes the fast"
                             " path of alloc and free (default address)")
    parser.add_argument("--jobs", type=arguments.count, default=None, metavar="N",
                        help="processes at a time (default: one for each processor)")
    parser.add_argument("--seed", type=arguments.seed, default=None, metavar="N",
                        help="the run's randomness (default: a new one, which is shown)")
    parser.add_argument("--trace", type=pathlib.Path, nargs="+", action="extend", default=[],
                        metavar="FILE", help="begin with pieces of these recorded traces too")
    parser.add_argument("--corpus", type=pathlib.Path, default=CORPUS, metavar="DIR",
                        help="where what is learned is kept (default build/fuzz-corpus)")


def run(args: argparse.Namespace) -> int:
    meson.BUILD_ROOT.mkdir(parents=True, exist_ok=True)
    with only_one(meson.BUILD_ROOT / LOCK,
                  "another ./poolproof fuzz works in this tree; waiting for it"):
        return run_alone(args)


def run_alone(args: argparse.Namespace) -> int:
    from rich.console import Console

    from analysis.fuzzing import findings, session, session_view

    folder = meson.ensure_build(meson.FUZZERS[args.sanitizer])
    targets = session.check_targets(args.target, findings.targets(folder))
    count = open_count(args, folder, targets)
    corpus = args.corpus.absolute()
    for target in targets:
        (corpus / target).mkdir(parents=True, exist_ok=True)
    session.learn_traces(folder, args.trace, targets, corpus)
    findings.KEPT.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    attack = session.Session(
        folder, targets, args.jobs or len(os.sched_getaffinity(0)),
        args.time or (60.0 if count is None else 366.0 * 86400),
        args.seed or random.SystemRandom().randrange(1, 1 << 32), corpus, args.sanitizer, count)
    interrupted = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same for a job that is stopped
    try:
        attack.rescue()
        attack.begin()
        session_view.watch(attack, console)
    except KeyboardInterrupt:
        interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was found is being kept; a moment
        attack.interrupt()
    facts = session_view.summary(attack, interrupted)
    place = findings.KEPT / "summary.json"
    with whole_file(place) as stream:
        json.dump(facts, stream, indent=1)
        stream.write("\n")
    session_view.print_summary(attack, facts, console, place)
    sys.stdout.flush()
    if facts["findings"]:
        return FINDING
    idle = facts["executions"] == 0 and not (count and count.complete)
    troubled = idle or any(progress["troubles"] for progress in facts["targets"])
    return UNFIT if troubled and not interrupted else PASS


def open_count(args: argparse.Namespace, folder: pathlib.Path, targets: list[str]):
    """The count of executions, if that is what the run is to reach."""
    from analysis.fuzzing import execution_count

    if args.executions is None:
        if args.record is not None:
            raise UserError("--record keeps count of --executions; give both")
        return None
    facts = {"engine": "libfuzzer", "sanitizer": args.sanitizer,
             "compiler": f"clang {meson.compiler_version(meson.compilers('clang')[0])}"}
    path = args.record or CAMPAIGNS / f"libfuzzer-{args.sanitizer}.json"
    return execution_count.Count(path.absolute(), args.executions,
                                 {target: folder / "fuzz" / target for target in targets}, facts)

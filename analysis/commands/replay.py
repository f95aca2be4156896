"""Play a trace on the pool and on every malloc of this machine, and verify every promise.

Each object is filled with its own pattern, which is checked before it is freed, resized or kept to
the end. Alignment and overlap are checked too, and on the pool its model and invariants.
To measure a trace, use ./poolproof bench --trace FILE.
"""

import argparse
import os
import pathlib
import sys

from analysis.building import meson
from analysis.runs import plan
from analysis.system.exits import FINDING, PASS, UNFIT, USAGE, UserError
from analysis.system.process import answer

POOLS = {"pool": ("pool", "--lazy"), "pool-keep": ("pool", "--lazy", "--keep-contents")}


def play(player: pathlib.Path, words: tuple[str, ...], preload: pathlib.Path | None,
         trace: pathlib.Path) -> tuple[int, str]:
    """Plays the trace in a process of its own: (0 if it is verified, 1 for a finding, otherwise
    what ended the player; a message)."""
    variables = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    if preload:
        variables["LD_PRELOAD"] = str(preload)
    told = answer([player, "run", "--on", *words, "--", trace], env=variables)
    complaints = told.stderr.strip().splitlines()
    if any("cannot be preloaded" in line for line in complaints):
        return UNFIT, complaints[0]
    if told.returncode < 0:
        return FINDING, f"the player got signal {-told.returncode}"
    line = told.stdout.strip() if told.returncode == 0 else "".join(complaints[-1:])
    return told.returncode, line.removeprefix("poolproof-trace: ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", metavar="FILE", type=pathlib.Path, help="the trace")
    parser.add_argument("--on", choices=("pool", "malloc", "all"), default="all",
                        help="play on both kinds of pool, on every malloc, or on all (default)")


def run(args: argparse.Namespace) -> int:
    """Plays, prints a line for each allocator, and returns the worst exit code."""
    if not args.trace.is_file():
        reason = "is not a file" if args.trace.exists() else "does not exist"
        raise UserError(f"{args.trace} {reason}")
    player = meson.ensure_build("release") / "core" / "trace" / "poolproof-trace"
    played: list[tuple[str, tuple[str, ...], pathlib.Path | None]] = []
    absent = []
    if args.on != "malloc":
        played += [(name, words, None) for name, words in POOLS.items()]
    if args.on != "pool":
        played.append(("glibc", ("malloc",), None))
        for malloc, path in plan.libraries().items():
            if path:
                played.append((malloc.name, ("malloc",), path))
            else:
                absent.append(f"{malloc.name} is absent; install {malloc.package}")
    worst = PASS
    for name, words, preload in played:
        status, message = play(player, words, preload, args.trace)
        if status == USAGE:
            raise UserError(message)
        print(f"{name:<10} {'verified' if status == 0 else 'FAILED':<9} {message}")
        worst = max(worst, status)
    for line in absent:
        print(line, file=sys.stderr)
    return worst

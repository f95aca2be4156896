"""Play a trace on the pool and on every malloc of this machine, with every promise verified.

Each object is filled with a pattern of its own, which is looked at before it is freed, resized or
left behind; alignment and separateness are verified, and on the pool its model and invariants too.
This is not a measurement: ./poolproof bench --trace FILE is.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys

from analysis.building import meson
from analysis.runs import plan
from analysis.system.exits import FINDING, PASS, UNFIT, USAGE, UserError


@dataclasses.dataclass(frozen=True)
class Arm:
    """Something that a trace is played on."""

    name: str
    arguments: tuple[str, ...]
    preload: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How an arm fared. status: 0 verified, 1 a finding, otherwise what ended the player."""

    arm: Arm
    status: int
    message: str


POOL_ARMS = (
    Arm("pool", ("--on", "pool", "--lazy")),
    Arm("pool-keep", ("--on", "pool", "--lazy", "--keep-contents")),
)


def malloc_arms() -> tuple[list[Arm], list[str]]:
    """glibc and the rivals that are installed; and a sentence for each that is not."""
    arms, absent = [Arm("glibc", ("--on", "malloc"))], []
    folders = plan.library_folders()
    for rival in plan.RIVALS:
        path = plan.find_library(rival.files, folders)
        if path:
            arms.append(Arm(rival.name, ("--on", "malloc"), pathlib.Path(path)))
        else:
            absent.append(f"{rival.name} is absent; install {rival.package}")
    return arms, absent


def play(player: pathlib.Path, arm: Arm, trace: pathlib.Path) -> Outcome:
    """Plays the trace on one arm, in a process of its own."""
    variables = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    if arm.preload:
        variables["LD_PRELOAD"] = str(arm.preload)
    answer = subprocess.run([player, "run", *arm.arguments, "--", trace], env=variables,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            errors="replace", check=False)
    complaints = answer.stderr.strip().splitlines()
    if any("cannot be preloaded" in line for line in complaints):
        return Outcome(arm, UNFIT, complaints[0])
    if answer.returncode < 0:
        return Outcome(arm, FINDING, f"the player got signal {-answer.returncode}")
    line = answer.stdout.strip() if answer.returncode == 0 else "".join(complaints[-1:])
    return Outcome(arm, answer.returncode, line.removeprefix("poolproof-trace: "))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("trace", metavar="FILE", type=pathlib.Path, help="the trace")
    parser.add_argument("--on", choices=("pool", "malloc", "all"), default="all",
                        help="the pool, wiping and keeping; every malloc; or all of them (default)")


def run(args: argparse.Namespace) -> int:
    """Plays, prints a line for each arm, and returns the worst exit code."""
    if not args.trace.is_file():
        reason = "is not a file" if args.trace.exists() else "does not exist"
        raise UserError(f"{args.trace} {reason}")
    player = meson.ensure_build("release") / "core" / "trace" / "poolproof-trace"
    arms = list(POOL_ARMS) if args.on != "malloc" else []
    absent: list[str] = []
    if args.on != "pool":
        found, absent = malloc_arms()
        arms += found
    worst = PASS
    for arm in arms:
        outcome = play(player, arm, args.trace)
        if outcome.status == USAGE:
            raise UserError(outcome.message)
        verified = outcome.status == 0
        print(f"{arm.name:<10} {'verified' if verified else 'FAILED':<9} {outcome.message}")
        worst = max(worst, outcome.status)
    for line in absent:
        print(line, file=sys.stderr)
    return worst

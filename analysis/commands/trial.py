"""Try a pool and every malloc at hand in a program of yours: does one pay off?

The command runs unmodified, once for each sample, with preloaded libraries that serve its malloc
and free. Arms run in pairs, side by side on one processor. The answer is one sentence.

    ./poolproof trial -- ./my-program its arguments
    ./poolproof trial --shell -- 'zcat big.gz | ./my-filter >/dev/null'
    ./poolproof trial --process cc1 -- make -B
    ./poolproof trial --client 'until redis-cli -p 700{n} ping; do sleep 0.1; done
        redis-benchmark -p 700{n} -q -n 50000' -- redis-server --port 700{n}

Two arms run at a time: {n} in the command, in --setup and in --client is 1 or 2.
Exit codes: 0 with an answer, 3 if the time was too short for one, 4 if there can be none.
"""

import argparse
import pathlib
import secrets

from analysis.measure import words
from analysis.system.arguments import duration, require
from analysis.system.exits import INCONCLUSIVE, PASS, USAGE, UserError
from analysis.system.files import ROOT, named_path, output_folder

TRIALS = ROOT / "results" / "runs"
LEAST_S = 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--time", type=duration, default=180.0, metavar="T",
                        help="stop after this time (default: 3m)")
    parser.add_argument("--malloc", action="append", default=[], type=words.malloc_word,
                        metavar="NAME=FILE.so", help="try this library too")
    parser.add_argument("--arm", action="append", default=[], metavar="NAME",
                        help="try only these arms, and the controls")
    parser.add_argument("--sites", action="append", default=[], metavar="NAME",
                        help="serve this call site, by its name in a report, instead of those "
                        "found fit")
    parser.add_argument("--adopted", action="append", default=[], metavar="NAME=VALUE",
                        help="a variable that switches the program to a pool of its own: an arm")
    parser.add_argument("--limit", type=float, default=5.0, metavar="PERCENT",
                        help="the smallest gain worth having (default: 5)")
    parser.add_argument("--shell", action="store_true", help="run the command as a shell line")
    parser.add_argument("--input", default="", metavar="FILE", help="read standard input from FILE")
    parser.add_argument("--setup", default="", metavar="LINE",
                        help="run this shell line before each launch")
    parser.add_argument("--stop-after", type=duration, default=0.0, metavar="T",
                        help="send SIGTERM after this time")
    parser.add_argument("--client", default="", metavar="LINE",
                        help="drive a server with this shell line, then send it SIGTERM")
    parser.add_argument("--process", default="", metavar="NAME",
                        help="count only the time of processes of this name")
    parser.add_argument("--ignore-output", action="store_true",
                        help="accept output that differs between runs")
    parser.add_argument("--littered", action="store_true", help="start each arm on a used heap")
    parser.add_argument("--seed", type=int, help="seed of the order (default: random)")
    parser.add_argument("-o", "--output", type=named_path, metavar="DIR",
                        help="write to this folder (default: results/runs/trial-SEED)")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND",
                        help="the program and its arguments")


def run(arguments: argparse.Namespace) -> int:
    """Runs the trial and prints its sentence."""
    if not LEAST_S <= arguments.time:
        raise UserError(f"--time: at least {LEAST_S:.0f}s", USAGE)
    if arguments.input and not pathlib.Path(arguments.input).is_file():
        raise UserError(f"no such file: {arguments.input}")
    for variable in arguments.adopted:
        if not variable.partition("=")[0] or "=" not in variable:
            raise UserError(f"--adopted {variable}: write NAME=VALUE", USAGE)

    from analysis.building import meson
    from analysis.measure import catalogue, trial
    from analysis.report import trial as report
    from analysis.runs import plan
    from analysis.runs.trial import Command
    from analysis.system import host

    known = [*trial.OPTIONAL, *(malloc.name for malloc in arguments.malloc)]
    chosen = {require(name, known, "arm") for name in arguments.arm or known}
    line = (["/bin/sh", "-c", " ".join(arguments.command)] if arguments.shell
            else arguments.command)
    command = Command(tuple(line), str(pathlib.Path(arguments.input).resolve())
                      if arguments.input else "", arguments.setup, arguments.client,
                      arguments.stop_after, arguments.process, arguments.ignore_output,
                      arguments.littered, tuple(arguments.adopted))
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(2**31)
    folder = arguments.output or TRIALS / f"trial-{seed}"
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "trial.json").exists():
        raise UserError(f"{folder} holds other files; name another folder")
    bench = meson.ensure_build("release") / "bench"
    given = catalogue.given_mallocs(bench / "poolproof-bench", arguments.malloc, trial.OPTIONAL)
    mallocs = {malloc.name: str(path) for malloc, path in plan.libraries().items() if path}
    mallocs |= {name: path for name, (path, _) in given.items()}
    wanted = {name: path for name, path in mallocs.items() if name in chosen}
    done = trial.run_trial(bench / "trial", command, wanted, chosen, arguments.time, seed,
                           arguments.sites)
    output_folder(folder)
    judgement = report.write(folder, done, host.facts(), arguments.limit / 100)
    print(report.terminal(done, judgement))
    print(f"\n{folder / 'report.html'}")
    return INCONCLUSIVE if judgement.answer == "unknown" else PASS

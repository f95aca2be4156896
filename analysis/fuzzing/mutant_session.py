"""A whole run of ./poolproof mutants: which mutants, who tries them, what is said of them."""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import queue
import threading

from analysis.building import meson
from analysis.fuzzing import mutant_trials, mutants
from analysis.fuzzing.mutant_trials import Memory, Outcome, Workshop
from analysis.fuzzing.mutants import Mutant
from analysis.system.exits import FINDING, PASS, UserError
from analysis.system.files import ROOT, only_one
from analysis.system.process import say


def sources() -> list[str]:
    """The pool's own sources, from the top of the tree."""
    core = ROOT / "core"
    return [str(file.relative_to(ROOT)) for file in sorted([*core.glob("*.c"), *core.glob("*.h")])]


def chosen(args: argparse.Namespace) -> list[Mutant]:
    """The mutants that were asked for. UserError if there are none."""
    found: list[Mutant] = []
    for file in args.file or sources():
        path = (ROOT / file).resolve()
        if not path.is_file():
            raise UserError(f"no such file: {file}")
        language = ["-x", "c"] if path.suffix == ".h" else []
        found += mutants.of_file(path, ["-std=c11", f"-I{ROOT / 'core'}", *_headers(), *language])
    functions = {mutant.function for mutant in found}
    for name in args.function:
        if name not in functions:
            raise UserError(f"no function {name} in {', '.join(args.file or ['core/'])};"
                            " ./poolproof mutants --list names them")
    if args.function:
        found = [mutant for mutant in found if mutant.function in args.function]
    if args.sample and args.sample < len(found):
        found = [found[i * len(found) // args.sample] for i in range(args.sample)]
    return found


def _headers() -> list[str]:
    """Where clang's own headers are: libclang does not know by itself."""
    c, _ = meson.compilers("clang")
    return [f"-I{meson.resource_folder(c)}/include"]


def run(args: argparse.Namespace) -> int:
    """The command, behind its arguments."""
    wanted = chosen(args)
    if args.list:
        for mutant in wanted:
            print(f"{mutant.file}:{mutant.line}: {mutant.name}")
        return PASS
    equivalent = mutants.read_equivalent(mutants.EQUIVALENT.read_text(encoding="utf-8")
                                         if mutants.EQUIVALENT.exists() else "")
    mutant_trials.WORK.mkdir(parents=True, exist_ok=True)
    with only_one(mutant_trials.WORK / ".lock", "another command tries mutants; waiting for it"):
        outcomes = _try(args, wanted)
    return conclude(wanted, outcomes, equivalent)


def _try(args: argparse.Namespace, wanted: list[Mutant]) -> dict[str, Outcome]:
    """Every mutant's outcome, by name."""
    memory = Memory(mutant_trials.state_of_core())
    rest = [mutant for mutant in wanted if mutant.name not in memory.known]
    folder = meson.ensure_build(meson.FUZZERS["address"]) if rest else None
    idle: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
    jobs = mutant_trials.workers(args.jobs, rest) if rest else 0
    for number in range(jobs):
        say(f"building a copy of the tree, {number + 1} of {jobs}")
        workshop = Workshop(number)
        workshop.prepare()
        idle.put(workshop)
    stop = threading.Event()

    def attempt(mutant: Mutant) -> None:
        if stop.is_set():
            return
        workshop = idle.get()
        try:
            outcome = workshop.tried(mutant)
        finally:
            idle.put(workshop)
        if outcome.outcome == "survived" and folder is not None:
            outcome = mutant_trials.fuzzed(mutant, args.executions, folder)
        memory.keep(outcome)

    with concurrent.futures.ThreadPoolExecutor(max(1, jobs)) as pool:
        waiting = [pool.submit(attempt, mutant) for mutant in rest]
        try:
            for done, one in enumerate(concurrent.futures.as_completed(waiting), start=1):
                one.result()
                if done % 20 == 0 or done == len(rest):
                    say(f"{done} of {len(rest)} mutants tried")
        except BaseException:
            stop.set()
            raise
    return {mutant.name: memory.known[mutant.name] for mutant in wanted}


def conclude(wanted: list[Mutant], outcomes: dict[str, Outcome],
             equivalent: dict[str, str]) -> int:
    """Prints the survivors and the sums; the exit code."""
    counts: collections.Counter[str] = collections.Counter()
    unexplained = 0
    for mutant in wanted:
        outcome = outcomes[mutant.name].outcome
        if outcome == "survived":
            reason = equivalent.get(mutant.name)
            outcome = "equivalent" if reason else outcome
            unexplained += not reason
            print(f"{mutant.file}:{mutant.line}: {mutant.name}"
                  + (f" (equivalent: {reason})" if reason else ""))
        elif mutant.name in equivalent and outcome == "killed":
            unexplained += 1
            print(f"{mutant.name}: listed as equivalent, and killed by"
                  f" {outcomes[mutant.name].by}; remove it from {mutants.EQUIVALENT.name}")
        counts[outcome] += 1
    tried = counts["killed"] + counts["survived"] + counts["equivalent"]
    share = f" ({100 * counts['killed'] / tried:.1f} %)" if tried else ""
    print(f"{len(wanted)} mutants: {counts['killed']} of {tried} killed{share},"
          f" {counts['survived']} survived, {counts['equivalent']} equivalent by reason,"
          f" {counts['same']} with the original's object code, {counts['invalid']} do not compile")
    return FINDING if unexplained else PASS

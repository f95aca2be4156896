"""Change the core in one small way at a time, and list the changes that no test notices.

Mutants come from clang's syntax tree: each comparison, operator, integer, condition, statement and
update of a field. Each runs the tests of the core, the trace and the fuzz corpora; a survivor runs
a short fuzz too. What survives needs a new test, or a line in core/test/equivalent_mutants.txt that
says why nothing can notice it.

examples:
  ./poolproof mutants pool_free           the mutants of one function, minutes
  ./poolproof mutants --sample 40         forty, evenly spread
  ./poolproof mutants                     all of them, hours; run it again after an interrupt
"""

import argparse

from analysis.building import meson
from analysis.system import arguments
from analysis.system.exits import PASS
from analysis.system.files import only_one
from analysis.system.process import answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", nargs="*", help="change only these functions")
    parser.add_argument("--sample", type=arguments.amount, metavar="N",
                        help="try N mutants, evenly spread")
    parser.add_argument("--executions", type=arguments.amount, default=20_000, metavar="N",
                        help="fuzz each survivor for N executions (default: 20000)")
    parser.add_argument("--jobs", type=arguments.count, metavar="N",
                        help="use N copies of the tree at a time (default: one a processor)")
    parser.add_argument("--list", action="store_true", help="list the mutants and exit")


def run(args: argparse.Namespace) -> int:
    """Tries the mutants. 0 if each survivor is explained, else 1."""
    from analysis.fuzzing import mutant_trials, mutants
    from analysis.fuzzing.jobs import Crew

    c, _ = meson.compilers("clang")
    headers = answer([c, "-print-resource-dir"]).stdout.strip() + "/include"
    wanted = mutants.chosen(args.function, args.sample, headers)
    if args.list:
        for mutant in wanted:
            print(f"{mutant.file}:{mutant.line}: {mutant.name}")
        return PASS
    equivalent = mutants.read_equivalent()
    mutant_trials.WORK.mkdir(parents=True, exist_ok=True)
    with only_one(mutant_trials.WORK / ".lock", "waiting for another ./poolproof mutants"):
        outcomes = mutant_trials.try_all(wanted, Crew(args.jobs), args.executions)
    return mutant_trials.conclude(wanted, outcomes, equivalent)

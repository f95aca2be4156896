"""Has Frama-C prove the contracts of the pool's arithmetic, which a build folder has a copy of.

Frama-C's WP makes formulas of a function and its contract; Z3 and CVC4, by way of Why3, prove them
or give up. The lemmas that help them are proved first, by themselves.
"""

import pathlib
import re
import shutil
from typing import Iterable, Iterator

from analysis.building import meson
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT
from analysis.system.process import (clean_environment, last_line, outcome, processors,
                                     require_program)

CORE = ROOT / "core"
WORK = meson.BUILD_ROOT / "check" / "contracts"

TOOLS = {"frama-c": "frama-c-base", "why3": "why3", "z3": "z3", "cvc4": "cvc4"}
"""Program → the package that it comes in."""

CLOSED = ("granules_for", "round_up")
"""Functions in which no sum of unsigned numbers may wrap, which is proved of each by itself."""
WRAPPING = ("alignment_of", "log2_of", "bin_of", "bins_are_in_order")
"""Functions in which one may, where nobody uses it. What they return is proved."""

BUILDS = ("", "-DPOOL_CHECKED")
PATIENCE_S = 30
"""For each formula and prover. Most take a tenth of a second, none takes three."""
LIMIT_S = 600


def unproved(contracts: pathlib.Path, core: pathlib.Path = CORE,
             functions: Iterable[str] = CLOSED + WRAPPING, builds: Iterable[str] = BUILDS,
             patience_s: int = PATIENCE_S) -> list[str]:
    """What of the contracts, and of their lemmas, cannot be proved of the pool in a folder."""
    for program, package in TOOLS.items():
        require_program(program, package)
    WORK.mkdir(parents=True, exist_ok=True)
    source = (WORK / "contracts").with_suffix(".c")
    shutil.copyfile(contracts, source)
    surroundings = clean_environment() | {"WHY3CONFIG": str(WORK / "why3.conf")}
    code, said = outcome(["why3", "config", "detect"], surroundings, limit_s=LIMIT_S)
    if code != 0:
        raise UserError(f"why3 finds no provers: {said.strip()[-200:]}", UNFIT)
    wanted = set(functions)
    complaints = []
    for option in builds:
        for words, names in _passes(wanted):
            _, said = outcome(
                ["frama-c", "-c11", "-machdep", "gcc_x86_64",
                 f"-cpp-extra-args=-I{core} '-DBUG(condition)=((condition)!=0)' {option}",
                 str(source), *words, "-wp", "-wp-prover", "z3,cvc4",
                 "-wp-timeout", str(patience_s), "-wp-par", str(processors())],
                surroundings, limit_s=LIMIT_S)
            complaints += [f"{complaint}{f' ({option})' if option else ''}"
                           for complaint in read(said, names)]
    return complaints


def _passes(wanted: set[str]) -> Iterator[tuple[list[str], list[str]]]:
    """The words of each run of Frama-C, and the functions that it looks at."""
    yield ["-wp-prop=@lemma"], []
    for group, more in ((CLOSED, ["-warn-unsigned-overflow"]), (WRAPPING, [])):
        names = [name for name in group if name in wanted]
        if names:
            yield [*more, "-wp-rte", "-wp-fct", ",".join(names)], names


def read(said: str, names: Iterable[str]) -> list[str]:
    """The complaints in what one run printed: goals without a proof, or that there was none."""
    failed = r"^\[wp\] \[(?:Failed|Timeout|Unknown)\] Goal typed_(\w+)"
    complaints = [f"unproved: {goal}" for goal in re.findall(failed, said, re.M)]
    looked_at = re.findall(r"^\[rte:annot\] annotating function (\w+)$", said, re.M)
    complaints += [f"unproved: {name}: Frama-C did not look at it" for name in names
                   if name not in looked_at]
    proved = re.search(r"^\[wp\] Proved goals: +(\d+) / (\d+)$", said, re.M)
    if not proved or not 0 < int(proved[2]):
        return [f"unproved: all; Frama-C said: {last_line(said, 'nothing')}"]
    left = int(proved[2]) - int(proved[1])
    if left > 0 and not complaints:
        complaints.append(f"unproved: {left} goals")
    return complaints

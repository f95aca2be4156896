"""Changes the statistics, one small change at a time, and sees whether their tests notice.

A mutant is inference.py or verdicts.py with one operator, number or condition replaced. Each is
judged by the two files' own tests in a process of its own; the files themselves stay as they are.
A mutant that no test fails on is a survivor, unless EQUIVALENT says why nothing could tell it from
the original.
"""

from __future__ import annotations

import ast
import collections
import copy
import dataclasses
import gc
import importlib.abc
import importlib.util
import os
import resource
import sys
from types import CodeType
from typing import Callable, Iterator, Sequence

from analysis import environment
from analysis.environment import UserError

FOLDER = environment.ROOT / "analysis"
MODULES = ("inference", "verdicts")
LIMIT_S = 20
"""Of processor time: a mutant that takes longer loops without end, which its tests notice by that.
The original takes a fifth of it."""
LIMIT_BYTES = 8 << 30

_BEYOND = "Ranks beyond the middle cover nothing, so that no level above zero takes them."
_NEVER = "No p-value is exactly a twentieth, or a half of it."
_FINITE = "Powers of e up to 709 are finite, and no logarithm of a ratio comes near."

EQUIVALENT = {
    "inference._bounding_rank: n // 2 → n * 2": _BEYOND,
    "inference._bounding_rank: n // 2 + 1 → n // 2 + 2": _BEYOND,
    "inference._bounding_pair: n * m // 2 → n * m * 2": _BEYOND,
    "inference._bounding_pair: half - 1 → half + 1": "What is beyond the middle is never read.",
    "inference._sign_p: above + below → above - below":
        "As many rounds above as below have a p-value of 1, whichever way it is found.",
    "inference._lies_above: signed_rank_test(shifted) <= ALPHA → signed_rank_test(shifted) < ALPHA":
        _NEVER,
    "inference._shifted_above: answer.pvalue <= ALPHA / 2 → answer.pvalue < ALPHA / 2": _NEVER,
    "inference._shifted_above: lower.min() >= upper.max() → lower.min() > upper.max()":
        "Where all of the one lie at or above the other, the test does not say the opposite.",
    "inference.verdict: interval.low > limit → interval.low >= limit (2)":
        "An interval that only touches δ from above has not come so far.",
    "verdicts.high: self.interval.high < 700 → self.interval.high <= 700": _FINITE,
    "verdicts.high: self.interval.high < 700 → self.interval.high < 701": _FINITE,
}
"""Mutants that no test can tell from the original, and why."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A module with one thing replaced."""

    module: str
    where: str
    """The function, or "" at the top of the file."""
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """What it is called in EQUIVALENT: no line, so that it outlives changes elsewhere."""
        return f"{'.'.join(filter(None, (self.module, self.where)))}: {self.before} → {self.after}"


# --- Making them ---------------------------------------------------------------------------------

_OTHERS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}
_OTHER_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutants(module: str, source: str) -> list[Mutant]:
    """Every mutant of a module's text, from its first line to its last."""
    tree = ast.parse(source)
    found: dict[str, Mutant] = {}
    alike: dict[str, int] = collections.Counter()
    for where, line, shown, change in _changes(tree, ""):
        before = _header(shown)
        old = _put(*change)
        made = Mutant(module, where, line, before, _header(shown), copy.deepcopy(tree))
        _put(*change[:-1], old)
        alike[made.name] += 1
        if made.name in found:
            made = dataclasses.replace(made, after=f"{made.after} ({alike[made.name]})")
        found[made.name] = made
    return list(found.values())


def _header(node: ast.AST) -> str:
    """An expression as text; of a statement with a body the line before it."""
    return ast.unparse(node).strip().splitlines()[0]


def _put(holder: ast.AST, field: str, place: int | None, new: object) -> object:
    """Puts something into a field of a node, or into a place of its list; returns what was
    there."""
    old = getattr(holder, field)
    if place is None:
        setattr(holder, field, new)
        return old
    gone, old[place] = old[place], new
    return gone


_Change = tuple[ast.AST, str, int | None, object]
"""The node, the field and place in it, and what to put there."""


def _changes(node: ast.AST, where: str) -> Iterator[tuple[str, int, ast.AST, _Change]]:
    """(function, line, what to show, the change) for each change within a node."""
    if isinstance(node, ast.FunctionDef):
        where = node.name
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _OTHERS.get(type(operator), ()):
                yield where, line, node, (node, "ops", place, other())
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)):
        for other in _OTHERS.get(type(node.op), ()):
            yield where, line, node, (node, "op", None, other())
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in _OTHER_CALLS:
            yield where, line, node, (node.func, "id", None, _OTHER_CALLS[node.func.id])
    for field, place, child in _children(node):
        line = getattr(child, "lineno", line)
        if isinstance(child, ast.Constant) and isinstance(child.value, (bool, int, float)):
            yield where, line, node, (child, "value", None, _other_value(child.value))
        elif isinstance(child, ast.UnaryOp):
            yield where, line, node, (node, field, place, child.operand)
        elif field in ("test", "ifs") and isinstance(child, (ast.Name, ast.Attribute, ast.Call)):
            other = ast.UnaryOp(ast.Not(), child, lineno=line, col_offset=0)
            yield where, line, node, (node, field, place, other)
        yield from _changes(child, where)


def _other_value(value: bool | int | float) -> bool | int | float:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) or value == 0 else round(1.25 * value, 6)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """(field, place, child) of what a node holds; but for annotations and decorators, which
    compute nothing."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for place, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                yield field, place if isinstance(value, list) else None, child


# --- Judging them --------------------------------------------------------------------------------


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports a mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant, self.name = mutant, f"analysis.{mutant.module}"

    def find_spec(self, fullname, path, target=None):
        """The mutant's place among modules; None for every other one."""
        if fullname != self.name:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def get_source(self, fullname: str) -> str:
        """Nothing but the tree has it."""
        return ast.unparse(self.mutant.tree)

    def get_code(self, fullname: str) -> CodeType:
        """The mutant, compiled."""
        return compile(ast.fix_missing_locations(self.mutant.tree), fullname, "exec")


def _tests_pass(mutant: Mutant | None) -> bool:
    """Whether every test of the statistics passes, on a mutant or (None) on what is there. For a
    process of its own: it forgets all modules of the analysis."""
    import pytest

    for name in [name for name in sys.modules if name.partition(".")[0] == "analysis"]:
        del sys.modules[name]
    if mutant is not None:
        sys.meta_path.insert(0, _Instead(mutant))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.collect = lambda *_: 0  # statsmodels collects at every correction: most of the tests' time
    gc.disable()
    own_first = sorted(MODULES, key=lambda name: mutant is not None and name != mutant.module)
    options = ["-q", "-x", "-p", "no:cacheprovider", "--import-mode=importlib",
               f"--rootdir={environment.ROOT}"]
    return all(pytest.main([*options, str(FOLDER / "test" / f"test_{name}.py")]) == 0
               for name in own_first)


def _child(mutant: Mutant | None) -> int:
    """Starts the tests in a process of its own, which exits with 0 if all pass; its id."""
    process = os.fork()
    if process:
        return process
    passed = False
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        passed = _tests_pass(mutant)
    finally:
        os._exit(0 if passed else 1)


def survivors(chosen: Sequence[Mutant], jobs: int = 1,
              told: Callable[[Mutant, bool], None] = lambda mutant, survived: None
              ) -> list[Mutant]:
    """Those of the mutants that no test fails on. UserError if the tests fail without any."""
    import pandas, pytest, scipy.stats, statsmodels.stats.multitest  # once, for every child

    gc.collect()
    gc.freeze()
    try:
        if os.waitpid(_child(None), 0)[1] != 0:
            raise UserError("the tests of the statistics fail as it is: ./poolproof test analysis")
        waiting, running, found = list(reversed(chosen)), {}, []
        while waiting or running:
            while waiting and len(running) < jobs:
                mutant = waiting.pop()
                running[_child(mutant)] = mutant
            process, status = os.wait()
            mutant = running.pop(process)
            told(mutant, status == 0)
            found += [mutant] if status == 0 else []
    finally:
        gc.unfreeze()
    return sorted(found, key=chosen.index)


def every() -> list[Mutant]:
    """The mutants of both modules."""
    return [mutant for name in MODULES
            for mutant in mutants(name, (FOLDER / f"{name}.py").read_text(encoding="utf-8"))]


# --- The command ---------------------------------------------------------------------------------


def sample(of: Sequence[Mutant], number: int) -> list[Mutant]:
    """So many of them, evenly spread and always the same; all where there are no more."""
    step = max(1.0, len(of) / max(1, number))
    return [of[int(step * place)] for place in range(min(number, len(of)))]


def run(number: int | None) -> int:
    """Judges so many mutants, or every one, and prints what survived."""
    everything = every()
    chosen = everything if number is None else sample(everything, number)
    done = iter(range(1, len(chosen) + 1))

    def told(mutant: Mutant, survived: bool) -> None:
        environment.say(f"{next(done)} of {len(chosen)}: {'survived' if survived else 'killed'}:"
                        f" {mutant.module}.py, line {mutant.line}: {mutant.after}")

    left = survivors(chosen, told=told)
    strange = [mutant for mutant in left if mutant.name not in EQUIVALENT]
    stale = sorted(EQUIVALENT.keys() - {mutant.name for mutant in everything})
    stale += [mutant.name for mutant in chosen if mutant.name in EQUIVALENT and mutant not in left]
    print(f"{len(chosen)} of {len(everything)} mutants: {len(chosen) - len(left)} killed,"
          f" {len(left) - len(strange)} equivalent, {len(strange)} survived")
    for mutant in strange:
        print(f"survived: {mutant.module}.py, line {mutant.line}: {mutant.name}")
    for name in stale:
        print(f"not equivalent, or not there: {name}")
    return environment.FINDING if strange or stale else environment.PASS

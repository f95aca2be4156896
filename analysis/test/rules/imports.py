"""The import graph of analysis/: which module leans on which, and what must not.

Packages stand in levels, and an import goes to a lower level only. `python3 -m
analysis.test.rules.imports` prints the graph, and ends with 1 if there is a circle in it.
"""

from __future__ import annotations

import ast
import collections
import graphlib
import pathlib
import sys
from typing import Iterator, Mapping

LEVELS = (("__main__",), ("commands",), ("measure", "report", "fuzzing", "quality"), ("stats",),
          ("runs",), ("building",), ("system",))
"""The packages of analysis/, the highest first."""

SIDEWAYS = {("quality", "fuzzing")}
"""Imports between packages of one level: a planted bug is what an instrument is proved by."""

LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}

Graph = dict[str, dict[str, int]]
"""Module → each module of analysis/ that it imports, anywhere in its text → the line."""


def graph(sources: Mapping[str, str]) -> Graph:
    """The graph of files, path → text. Tests are left out."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): text
               for path, text in sources.items()
               if path.startswith("analysis/") and path.endswith(".py") and "/test/" not in path}
    return {name: dict(_imports(name, text, modules)) for name, text in sorted(modules.items())}


def _imports(name: str, text: str, modules: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".")[:-node.level] if node.level else []
            module = ".".join([*package, *filter(None, [node.module])])
            found = [f"{module}.{alias.name}" if f"{module}.{alias.name}" in modules else module
                     for alias in node.names]
        yield from ((target, node.lineno) for target in found
                    if target in modules and target not in (name, "analysis"))


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def wrong_arrows(found: Graph) -> Iterator[tuple[str, int, str]]:
    """(module, line, complaint) for each import that does not go down."""
    for module, targets in found.items():
        here = package_of(module)
        if module != "analysis" and here not in LEVEL:
            yield module, 1, f"{here} is no package of the table LEVELS"
            continue
        for target, line in targets.items():
            there = package_of(target)
            inside = here == there and (here != "commands" or target == "analysis.commands")
            if not inside and (here, there) not in SIDEWAYS and LEVEL[here] >= LEVEL.get(there, -1):
                yield module, line, f"{here} must not import {target}"


def circle(found: Graph) -> list[str]:
    """A way that leads back to its first module, the first by name; empty if there is none."""
    try:
        graphlib.TopologicalSorter(found).prepare()
    except graphlib.CycleError as error:
        ring = error.args[1][:0:-1]
        first = ring.index(min(ring))
        return [*ring[first:], *ring[:first + 1]]
    return []


def main() -> int:
    root = pathlib.Path(__file__).resolve().parents[3]
    found = graph({path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
                   for path in sorted((root / "analysis").rglob("*.py"))})
    for module, targets in found.items():
        print(f"{module.removeprefix('analysis.')}: "
              + " ".join(target.removeprefix("analysis.") for target in sorted(targets)))
    arrows = collections.Counter(
        (package_of(module), package_of(target)) for module, targets in found.items()
        for target in targets if package_of(module) != package_of(target))
    print(f"\n{len(arrows)} arrows between packages:")
    for (here, there), times in sorted(arrows.items(), key=lambda item: LEVEL[item[0][0]]):
        print(f"  {here} → {there}: {times}")
    print(f"circle: {' → '.join(circle(found))}" if circle(found) else "no circle")
    return 1 if circle(found) else 0


if __name__ == "__main__":
    sys.exit(main())

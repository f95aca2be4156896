"""The repository's rules: who may lean on whom, and what every file looks like.

Each rule is a function from the files to complaints, "PATH:LINE: what is wrong". `check` runs them
all. This module and its tests are the only ones in analysis/ that may name what they forbid.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
import subprocess
from typing import Callable, Iterator

from analysis.quality import imports

TOP = re.compile(
    r"(README|CONTRIBUTING|CHANGELOG|SECURITY)\.md|LICENSE|poolproof"
    r"|meson\.build|meson_options\.txt"
    r"|\.[A-Za-z].*|core|bench|fuzz|analysis|results|subprojects"
)
"""What may stand at the top."""

VAGUE = re.compile(r"(utils?|common|misc|helpers?|stuff)(\..*)?", re.IGNORECASE)
"""Names of files and folders that say nothing."""

FREESTANDING = {
    "float.h", "iso646.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdnoreturn.h",
}
"""Headers that C11 gives without a hosted library."""

MEMORY_SOURCE = {"stdlib.h", "sys/mman.h", "unistd.h"}
"""What the library needs to get its block."""

REPORT = re.compile(r"core/pool_report\.[ch]")
"""Compiled into programs that are being debugged, never into the library."""

REPORT_NEEDS = {"stdatomic.h", "stdio.h", "sanitizer/asan_interface.h"}

CPP_ADAPTOR = {
    "cstddef", "cstdint", "cstdlib", "exception", "limits", "memory_resource", "new", "utility",
}

C_SUFFIXES = {".c", ".h", ".cc", ".cpp", ".hpp"}
TEXT_SUFFIXES = C_SUFFIXES | {".py", ".md", ".build", ".txt", ".yml", ".yaml", ".j2", ".css", ".js"}
TEXT_NAMES = {
    "poolproof", "LICENSE", "run", "build.sh", "Dockerfile", ".gitignore", ".gitattributes",
    ".clang-format", ".clang-format-ignore", ".clang-tidy", ".editorconfig",
}
"""Files whose layout is checked; the others may hold any bytes."""

MAX_BYTES = 1024 * 1024
MAX_COLUMNS = 100
MAX_LINES = 400

LONG = {
    "core/mem_pool.c", "core/mem_pool.h",
    # Still to be cut:
    "analysis/measure/recorder.py", "analysis/stats/comparison.py", "analysis/stats/verdicts.py",
    "bench/trial/count.c", "bench/trial/family.h",
}
"""Sources that may be longer than MAX_LINES."""

MAY_INCLUDE = {
    "core": {"core"},
    "core/example": {"core"},
    "core/trace": {"core", "core/trace"},
    "core/test": {"core", "core/trace", "core/test"},
    "bench": {"core", "core/trace", "bench"},
    "fuzz": {"core", "core/trace", "fuzz"},
}
"""Room → the rooms whose files it may include."""

NAMES_THE_FORBIDDEN = ("analysis/quality/rules.py", "analysis/test/test_rules.py",
                       "analysis/test/test_testing.py")


@dataclasses.dataclass(frozen=True)
class File:
    """A file of the repository: its path from the top, with slashes, and its bytes."""

    path: str
    data: bytes

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        return pathlib.PurePosixPath(self.path).suffix

    @property
    def is_c(self) -> bool:
        return self.suffix in C_SUFFIXES

    @property
    def is_text(self) -> bool:
        return self.suffix in TEXT_SUFFIXES or self.name in TEXT_NAMES

    def lines(self) -> list[str]:
        return self.data.decode("utf-8", "replace").split("\n")


Tree = list[File]


def read_tree(root: pathlib.Path) -> Tree:
    """The files that git tracks; without git, all but what is built or measured."""
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False) if _has_git(root) else None
    if listing is not None and listing.returncode == 0:
        names = listing.stdout.decode("utf-8", "surrogateescape").split("\0")
    else:
        made = re.compile(r"(build[^/]*|results/runs|subprojects/[^/]+|\.git)/"
                          r"|(.*/)?(__pycache__|\.pytest_cache|\.hypothesis)/")
        names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*"))]
        names = [name for name in names if not made.match(name)]
    files = ((name, root / name) for name in names if name)
    return [File(name, path.read_bytes()) for name, path in files
            if path.is_file() and not path.is_symlink()]


def _has_git(root: pathlib.Path) -> bool:
    return (root / ".git").exists() and shutil.which("git") is not None


def room_of(path: str) -> str:
    """The room a file stands in: a key of MAY_INCLUDE, or the first folder, or "" at the top."""
    for room in sorted(MAY_INCLUDE, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return path.partition("/")[0] if "/" in path else ""


def includes(file: File) -> Iterator[tuple[int, str]]:
    """(line, name) for each include of a C file."""
    for number, line in enumerate(file.lines(), 1):
        if found := re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line):
            yield number, found.group(1)


def resolve(file: File, name: str, paths: set[str]) -> list[str]:
    """The files of the repository that an include may mean; none for a system header."""
    beside = file.path.rpartition("/")[0]
    near = _normal(f"{beside}/{name}")
    if near in paths:
        return [near]
    tail = name.lstrip("./")
    return sorted(path for path in paths if path == tail or path.endswith("/" + tail))


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


# --- Who may lean on whom -------------------------------------------------------------------------


def rooms_keep_apart(tree: Tree) -> Iterator[str]:
    paths = {file.path for file in tree if file.is_c}
    for file in tree:
        allowed = MAY_INCLUDE.get(room_of(file.path))
        if not file.is_c or allowed is None:
            continue
        for number, name in includes(file):
            targets = resolve(file, name, paths)
            if targets and not any(room_of(target) in allowed for target in targets):
                yield (f"{file.path}:{number}: {room_of(file.path)} must not include {targets[0]}; "
                       f"it may lean on {', '.join(sorted(allowed))}")


def library_is_freestanding(tree: Tree) -> Iterator[str]:
    paths = {file.path for file in tree if file.is_c}
    allowed = FREESTANDING | MEMORY_SOURCE | {"string.h"}
    for file in tree:
        if not file.is_c or room_of(file.path) != "core":
            continue
        for number, name in includes(file):
            if REPORT.fullmatch(file.path) and name in REPORT_NEEDS:
                continue
            tool = file.name == "pool_hooks.h" and name.startswith(("sanitizer/", "valgrind/"))
            adaptor = file.suffix == ".hpp" and name in CPP_ADAPTOR
            if name not in allowed and not tool and not adaptor and not resolve(file, name, paths):
                yield f"{file.path}:{number}: the library must not need <{name}>"


def hooks_have_one_user(tree: Tree) -> Iterator[str]:
    for file in tree:
        if file.is_c and file.path != "core/mem_pool.c":
            for number, name in includes(file):
                if name.rpartition("/")[2] == "pool_hooks.h":
                    yield f"{file.path}:{number}: only core/mem_pool.c includes pool_hooks.h"


def library_knows_no_report(tree: Tree) -> Iterator[str]:
    for file in tree:
        if file.is_c and room_of(file.path) == "core" and not REPORT.fullmatch(file.path):
            for number, name in includes(file):
                if name.rpartition("/")[2] == "pool_report.h":
                    yield f"{file.path}:{number}: the library must not know of pool_report.h"


def analysis_names_no_c_file(tree: Tree) -> Iterator[str]:
    names = sorted({re.escape(file.name) for file in tree if file.is_c})
    if not names:
        return
    pattern = re.compile(rf"(?<![\w.])({'|'.join(names)})(?!\w)")
    for file in tree:
        if room_of(file.path) == "analysis" and file.path not in NAMES_THE_FORBIDDEN:
            for number, line in enumerate(file.lines(), 1):
                if found := pattern.search(line):
                    yield f"{file.path}:{number}: analysis names the C file {found.group(1)}"


ARROWS_TO_BE_TURNED = {
    ("analysis.commands.bugs", "analysis.commands.fuzz"),
    ("analysis.commands.gate", "analysis.commands.compare"),
    ("analysis.commands.report", "analysis.commands.bench"),
    ("analysis.measure.catalogue", "analysis.report.narrative"),
}
"""Imports that still go the wrong way."""


def analysis_leans_downwards(tree: Tree) -> Iterator[str]:
    found = imports.graph({file.path: file.data.decode("utf-8", "replace") for file in tree})
    for module, target in ARROWS_TO_BE_TURNED:
        found.get(module, {}).pop(target, None)
    for module, line, complaint in imports.wrong_arrows(found):
        path = module.replace(".", "/")
        there = next(file.path for file in tree
                     if file.path in (f"{path}.py", f"{path}/__init__.py"))
        yield f"{there}:{line}: {complaint}"


def analysis_has_no_circle(tree: Tree) -> Iterator[str]:
    found = imports.graph({file.path: file.data.decode("utf-8", "replace") for file in tree})
    for circle in imports.circles(found):
        yield f"{circle[0].replace('.', '/')}.py: a circle: {' → '.join(circle)}"


# --- The house ------------------------------------------------------------------------------------


def nothing_outside_the_house(tree: Tree) -> Iterator[str]:
    for file in tree:
        if not TOP.fullmatch(file.path.partition("/")[0]):
            yield f"{file.path}: stands outside the rooms that README.md maps"


def names_say_something(tree: Tree) -> Iterator[str]:
    for file in tree:
        for part in file.path.split("/"):
            if VAGUE.fullmatch(part):
                yield f"{file.path}: the name {part} says nothing of what is in it"


def nothing_is_left_undone(tree: Tree) -> Iterator[str]:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    yield from _lines_with(tree, pattern, "unfinished by its own word")


def no_path_of_one_machine(tree: Tree) -> Iterator[str]:
    pattern = re.compile(r"(?<![\w.*}/-])(/(work|home|root|Users)/\w)|\.\./shared\b")
    yield from _lines_with(tree, pattern, "a path that only one machine has")


def _lines_with(tree: Tree, pattern: re.Pattern[str], complaint: str) -> Iterator[str]:
    for file in tree:
        if b"\0" in file.data or file.path in NAMES_THE_FORBIDDEN:
            continue
        for number, line in enumerate(file.lines(), 1):
            if found := pattern.search(line):
                yield f"{file.path}:{number}: {complaint}: {found.group(0)}"


def files_are_small(tree: Tree) -> Iterator[str]:
    for file in tree:
        if len(file.data) > MAX_BYTES:
            yield f"{file.path}: {len(file.data)} bytes; at most {MAX_BYTES}"


def sources_are_short(tree: Tree) -> Iterator[str]:
    for file in tree:
        source = file.is_c or file.suffix == ".py"
        if source and "/test/" not in file.path and file.path not in LONG:
            count = file.data.count(b"\n")
            if count > MAX_LINES:
                yield f"{file.path}: {count} lines; at most {MAX_LINES}"


def lines_are_tidy(tree: Tree) -> Iterator[str]:
    for file in tree:
        if not file.is_text or not file.data:
            continue
        if not file.data.endswith(b"\n") or file.data.endswith(b"\n\n"):
            yield f"{file.path}: must end with one line end"
        for number, line in enumerate(file.lines(), 1):
            if line != line.rstrip():
                yield f"{file.path}:{number}: space at the end of the line"
            if line.startswith("\t"):
                yield f"{file.path}:{number}: indented with a tab"


def lines_are_short(tree: Tree) -> Iterator[str]:
    for file in tree:
        if file.is_c or file.suffix == ".py":
            for number, line in enumerate(file.lines(), 1):
                if len(line) > MAX_COLUMNS:
                    yield f"{file.path}:{number}: {len(line)} columns; at most {MAX_COLUMNS}"


def links_lead_somewhere(tree: Tree) -> Iterator[str]:
    places = {part for file in tree for part in _folders_of(file.path)}
    for file in tree:
        if file.suffix != ".md":
            continue
        beside = file.path.rpartition("/")[0]
        for number, line in enumerate(file.lines(), 1):
            for link in re.findall(r"\]\(([^)#\s]+)", line):
                if "://" not in link and _normal(f"{beside}/{link}") not in places:
                    yield f"{file.path}:{number}: nothing stands at {link}"


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


RULES: tuple[Callable[[Tree], Iterator[str]], ...] = (
    rooms_keep_apart,
    library_is_freestanding,
    hooks_have_one_user,
    library_knows_no_report,
    analysis_names_no_c_file,
    analysis_leans_downwards,
    analysis_has_no_circle,
    nothing_outside_the_house,
    names_say_something,
    nothing_is_left_undone,
    no_path_of_one_machine,
    files_are_small,
    sources_are_short,
    lines_are_tidy,
    lines_are_short,
    links_lead_somewhere,
)


def check(root: pathlib.Path) -> dict[str, list[str]]:
    """Rule → its complaints, empty where it holds."""
    tree = read_tree(root)
    return {rule.__name__.replace("_", " "): list(rule(tree)) for rule in RULES}

"""The repository's rules: who may lean on whom, and what every file looks like.

Each rule is a function from the files to complaints, "PATH:LINE: what is wrong". `check` runs them
all. This module and its tests are the only ones in analysis/ that may name what they forbid.
"""

from __future__ import annotations

import dataclasses
import pathlib
import posixpath
import re
import subprocess
from typing import Callable, Iterator

from analysis.quality import imports
from analysis.system.exits import UNFIT, UserError

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

MAY_NEED = {
    "pool_hooks.h": re.compile(r"core/mem_pool\.c"),
    "pool_report.h": re.compile(r"core/pool_report\.[ch]|core/(?!example/)\w+/.*|(?!core/).*"),
}
"""Header → the files that may include it."""

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
    "analysis/stats/verdicts.py",
    "bench/trial/count.c", "bench/trial/family.h",
}
"""Sources that may be longer than MAX_LINES."""

FORBIDDEN = (
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "unfinished by its own word"),
    (re.compile(r"(?<![\w.*}/-])(/(work|home|root|Users)/\w)|\.\./shared\b"),
     "a path that only one machine has"),
)
"""What no file may say, and why."""

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
    """The files that git tracks. UserError where it does not say."""
    try:
        listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], text=True, check=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    except (OSError, subprocess.CalledProcessError):
        raise UserError(f"git does not say what files {root} has", UNFIT) from None
    files = ((name, root / name) for name in listing.split("\0") if name)
    return [File(name, path.read_bytes()) for name, path in files
            if path.is_file() and not path.is_symlink()]


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
    near = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), name))
    if near in paths:
        return [near]
    tail = name.lstrip("./")
    return sorted(path for path in paths if path == tail or path.endswith("/" + tail))


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
            tool = file.name == "pool_hooks.h" and name.startswith(
                ("assert.h", "sanitizer/", "valgrind/"))
            adaptor = file.suffix == ".hpp" and name in CPP_ADAPTOR
            if name not in allowed and not tool and not adaptor and not resolve(file, name, paths):
                yield f"{file.path}:{number}: the library must not need <{name}>"


def headers_keep_their_users(tree: Tree) -> Iterator[str]:
    for file in tree:
        for number, name in includes(file) if file.is_c else ():
            header = posixpath.basename(name)
            if header in MAY_NEED and not MAY_NEED[header].fullmatch(file.path):
                yield f"{file.path}:{number}: must not include {header}"


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


def analysis_leans_downwards(tree: Tree) -> Iterator[str]:
    found = imports.graph({file.path: file.data.decode("utf-8", "replace") for file in tree})
    for module, line, complaint in imports.wrong_arrows(found):
        path = module.replace(".", "/")
        there = next(file.path for file in tree
                     if file.path in (f"{path}.py", f"{path}/__init__.py"))
        yield f"{there}:{line}: {complaint}"


def analysis_has_no_circle(tree: Tree) -> Iterator[str]:
    found = imports.graph({file.path: file.data.decode("utf-8", "replace") for file in tree})
    if circle := imports.circle(found):
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


def nothing_forbidden_is_said(tree: Tree) -> Iterator[str]:
    for file in tree:
        if b"\0" in file.data or file.path in NAMES_THE_FORBIDDEN:
            continue
        for number, line in enumerate(file.lines(), 1):
            for pattern, why in FORBIDDEN:
                if found := pattern.search(line):
                    yield f"{file.path}:{number}: {why}: {found.group(0)}"


def files_are_small(tree: Tree) -> Iterator[str]:
    for file in tree:
        source = file.is_c or file.suffix == ".py"
        lines = file.data.count(b"\n")
        if len(file.data) > MAX_BYTES:
            yield f"{file.path}: {len(file.data)} bytes; at most {MAX_BYTES}"
        if (source and lines > MAX_LINES and "/test/" not in file.path
                and file.path not in LONG):
            yield f"{file.path}: {lines} lines; at most {MAX_LINES}"


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
            if len(line) > MAX_COLUMNS and (file.is_c or file.suffix == ".py"):
                yield f"{file.path}:{number}: {len(line)} columns; at most {MAX_COLUMNS}"


def links_lead_somewhere(tree: Tree) -> Iterator[str]:
    places = {str(place) for file in tree
              for place in (file.path, *pathlib.PurePosixPath(file.path).parents)}
    for file in tree:
        if file.suffix != ".md":
            continue
        for number, line in enumerate(file.lines(), 1):
            for link in re.findall(r"\]\(([^)#\s]+)", line):
                target = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), link))
                if "://" not in link and target not in places:
                    yield f"{file.path}:{number}: nothing stands at {link}"


RULES: tuple[Callable[[Tree], Iterator[str]], ...] = (
    rooms_keep_apart,
    library_is_freestanding,
    headers_keep_their_users,
    analysis_names_no_c_file,
    analysis_leans_downwards,
    analysis_has_no_circle,
    nothing_outside_the_house,
    names_say_something,
    nothing_forbidden_is_said,
    files_are_small,
    lines_are_tidy,
    links_lead_somewhere,
)


def check(root: pathlib.Path) -> dict[str, list[str]]:
    """Rule → its complaints, empty where it holds."""
    tree = read_tree(root)
    return {rule.__name__.replace("_", " "): list(rule(tree)) for rule in RULES}

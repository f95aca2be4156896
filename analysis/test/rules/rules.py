"""The repository's rules: who may lean on whom, and what every file looks like.

Each rule is a function from the files to complaints, "PATH:LINE: what is wrong"; test_rules.py runs
them all. The two are the only modules in analysis/ that may name what they forbid.
"""

from __future__ import annotations

import dataclasses
import pathlib
import posixpath
import re
from typing import Callable, Iterator

from analysis.system.exits import UNFIT, UserError
from analysis.system.files import git
from analysis.test.rules import imports

TOP = re.compile(
    r"(README|CONTRIBUTING|CHANGELOG|SECURITY)\.md|LICENSE|poolproof"
    r"|meson\.build|meson_options\.txt"
    r"|\.[A-Za-z].*|core|bench|fuzz|analysis|results|subprojects"
)
"""What may stand at the top."""

VAGUE = re.compile(r"(utils?|common|misc|helpers?|stuff)(\..*)?", re.IGNORECASE)
"""Names of files and folders that say nothing."""

NEEDS = (
    "float.h", "iso646.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdnoreturn.h",  # C11 gives these without a hosted library
    "string.h", "stdlib.h", "sys/mman.h", "unistd.h",  # the block and its bytes
)
"""What the library may need of the system."""

MORE_NEEDS = {
    r"core/pool_report\.[ch]": ("stdatomic.h", "stdio.h", "sanitizer/asan_interface.h"),
    r"core/pool_hooks\.h": ("assert.h", "sanitizer/asan_interface.h",
                            "sanitizer/msan_interface.h", "valgrind/memcheck.h"),
    r"core/\w+\.hpp": ("cstddef", "cstdint", "cstdlib", "exception", "limits", "memory_resource",
                       "new", "utility"),
}
"""Pattern of files that are not of the library proper → what they may need beside."""

MAY_NEED = {
    "pool_hooks.h": r"core/mem_pool\.c",
    "pool_report.h": r"core/pool_report\.[ch]|core/(?!example/)\w+/.*|(?!core/).*",
}
"""Header → the files that may include it."""

C_SUFFIXES = {".c", ".h", ".cc", ".cpp", ".hpp"}
TEXT_SUFFIXES = C_SUFFIXES | {".py", ".md", ".build", ".txt", ".yml", ".yaml", ".j2", ".css", ".js"}
TEXT_NAMES = {
    "poolproof", "LICENSE", "run", "build.sh", "Dockerfile", ".gitignore", ".gitattributes",
    ".clang-format", ".clang-format-ignore", ".clang-tidy", ".editorconfig",
}
"""Files whose layout is checked; the others may hold any bytes."""

MAX_BYTES = 1024 * 1024
RAW = {"results/reference/launches.jsonl.gz": 3 * MAX_BYTES}
"""Files that may be larger, and how large: every turn of the published run."""
MAX_COLUMNS = 100
MAX_LINES = 400

LONG = {
    "core/mem_pool.c", "core/mem_pool.h",
}
"""Sources that may be longer than MAX_LINES."""

FORBIDDEN = {
    "unfinished by its own word": r"\b(TODO|FIXME|XXX|HACK)\b",
    "a path that only one machine has":
        r"(?<![\w.*}/-])(/(work|home|root|Users)/\w)|\.\./shared\b",
}
"""Why → what no file may say."""

UNTIDY = {"space at the end of the line": r"\s$", "indented with a tab": r"^\t"}

MAY_INCLUDE = {
    "core": {"core"},
    "core/example": {"core"},
    "core/trace": {"core", "core/trace"},
    "core/test": {"core", "core/trace", "core/test"},
    "bench": {"core", "core/trace", "bench"},
    "fuzz": {"core", "core/trace", "fuzz"},
}
"""Room → the rooms whose files it may include."""

NAMES_THE_FORBIDDEN = ("analysis/test/rules/rules.py", "analysis/test/rules/test_rules.py",
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
    def is_source(self) -> bool:
        return self.is_c or self.suffix == ".py"

    @property
    def is_text(self) -> bool:
        return self.suffix in TEXT_SUFFIXES or self.name in TEXT_NAMES

    def lines(self) -> list[str]:
        return self.data.decode("utf-8", "replace").split("\n")


Tree = list[File]


def read_tree(root: pathlib.Path) -> Tree:
    """The files that git tracks. UserError where it does not say."""
    listing = git("ls-files", "-z", root=root)
    if listing is None:
        raise UserError(f"git cannot list the files of {root}", UNFIT)
    files = ((name, root / name) for name in listing.split("\0") if name)
    return [File(name, path.read_bytes()) for name, path in files
            if path.is_file() and not path.is_symlink()]


def room_of(path: str) -> str:
    """The room a file stands in: a key of MAY_INCLUDE, or the first folder, or "" at the top."""
    for room in sorted(MAY_INCLUDE, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return path.partition("/")[0] if "/" in path else ""


def matches(tree: Tree, wanted: Callable[[File], bool],
            pattern: str | re.Pattern) -> Iterator[tuple[File, str, re.Match]]:
    """(file, "PATH:LINE", match) for each place where a pattern is in a wanted file's text."""
    for file in filter(wanted, tree):
        for number, line in enumerate(file.lines(), 1):
            for found in re.finditer(pattern, line):
                yield file, f"{file.path}:{number}", found


def includes(tree: Tree) -> Iterator[tuple[File, str, str, list[str]]]:
    """(file, "PATH:LINE", name, the files of the repository that it may mean) for each include of a
    C file; of a system header there are none."""
    paths = {file.path for file in tree if file.is_c}
    for file, place, found in matches(tree, lambda file: file.is_c,
                                      r'^\s*#\s*include\s*[<"]([^>"]+)[>"]'):
        name = found.group(1)
        near = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), name))
        tail = name.lstrip("./")
        yield file, place, name, [near] if near in paths else sorted(
            path for path in paths if path == tail or path.endswith("/" + tail))


# --- Who may lean on whom -------------------------------------------------------------------------


def rooms_keep_apart(tree: Tree) -> Iterator[str]:
    for file, place, _, targets in includes(tree):
        room = room_of(file.path)
        allowed = MAY_INCLUDE.get(room, ())
        if allowed and targets and not any(room_of(target) in allowed for target in targets):
            yield (f"{place}: {room} must not include {targets[0]}; it may lean on "
                   f"{', '.join(sorted(allowed))}")


def library_is_freestanding(tree: Tree) -> Iterator[str]:
    for file, place, name, targets in includes(tree):
        allowed = set(NEEDS).union(*(names for pattern, names in MORE_NEEDS.items()
                                     if re.fullmatch(pattern, file.path)))
        if room_of(file.path) == "core" and name not in allowed and not targets:
            yield f"{place}: the library must not need <{name}>"


def headers_keep_their_users(tree: Tree) -> Iterator[str]:
    for file, place, name, _ in includes(tree):
        users = MAY_NEED.get(posixpath.basename(name))
        if users and not re.fullmatch(users, file.path):
            yield f"{place}: must not include {posixpath.basename(name)}"


def analysis_names_no_c_file(tree: Tree) -> Iterator[str]:
    names = "|".join(sorted({re.escape(file.name) for file in tree if file.is_c}))
    for _, place, found in matches(tree, lambda file: room_of(file.path) == "analysis"
                                   and file.path not in NAMES_THE_FORBIDDEN,
                                   rf"(?<![\w.])({names})(?!\w)"):
        yield f"{place}: analysis names the C file {found.group(1)}"


def analysis_leans_downwards(tree: Tree) -> Iterator[str]:
    paths = {file.path for file in tree}
    for module, line, complaint in imports.wrong_arrows(_graph(tree)):
        path = module.replace(".", "/")
        there = f"{path}.py" if f"{path}.py" in paths else f"{path}/__init__.py"
        yield f"{there}:{line}: {complaint}"


def analysis_has_no_circle(tree: Tree) -> Iterator[str]:
    if circle := imports.circle(_graph(tree)):
        yield f"{circle[0].replace('.', '/')}.py: a circle: {' → '.join(circle)}"


def _graph(tree: Tree) -> imports.Graph:
    return imports.graph({file.path: file.data.decode("utf-8", "replace") for file in tree})


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
    for why, pattern in FORBIDDEN.items():
        for _, place, found in matches(tree, lambda file: b"\0" not in file.data
                                       and file.path not in NAMES_THE_FORBIDDEN, pattern):
            yield f"{place}: {why}: {found.group(0)}"


def files_are_small(tree: Tree) -> Iterator[str]:
    for file in tree:
        lines = file.data.count(b"\n")
        most = RAW.get(file.path, MAX_BYTES)
        if len(file.data) > most:
            yield f"{file.path}: {len(file.data)} bytes; at most {most}"
        if (file.is_source and lines > MAX_LINES and "/test/" not in file.path
                and file.path not in LONG):
            yield f"{file.path}: {lines} lines; at most {MAX_LINES}"


def lines_are_tidy(tree: Tree) -> Iterator[str]:
    for file in tree:
        if file.is_text and file.data and not re.search(rb"[^\n]\n\Z", file.data):
            yield f"{file.path}: must end with one line end"
    for why, pattern in UNTIDY.items():
        for _, place, _ in matches(tree, lambda file: file.is_text, pattern):
            yield f"{place}: {why}"
    for _, place, found in matches(tree, lambda file: file.is_source,
                                   rf"^.{{{MAX_COLUMNS + 1},}}"):
        yield f"{place}: {len(found.group(0))} columns; at most {MAX_COLUMNS}"


def links_lead_somewhere(tree: Tree) -> Iterator[str]:
    places = {str(place) for file in tree
              for place in (file.path, *pathlib.PurePosixPath(file.path).parents)}
    for file, place, found in matches(tree, lambda file: file.suffix == ".md",
                                      r"\]\(([^)#\s]+)"):
        link = found.group(1)
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), link))
        if "://" not in link and target not in places:
            yield f"{place}: broken link to {link}"


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

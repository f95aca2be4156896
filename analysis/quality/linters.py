"""The linters, as tests: each reads the C sources that were compiled and must have nothing to say.

What is checked comes from the compilation databases that Meson writes. clang-tidy reads a file
again only after it, a header or a setting changed; cppcheck keeps its own memory in build/lint.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess

from analysis.building import meson
from analysis.quality import rules
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT, whole_file
from analysis.system.process import clean_environment, find_program
from analysis.system.terminal import LiveLine

MEMORY = meson.BUILD_ROOT / "lint"

NOT_FOR_CLANG = re.compile(r"-f(?:sanitize|no-omit|profile|lto)\S*|-W\S*|-MD|-MQ|-MF|-pipe")
"""Words of a compiler's command line that clang-tidy has no use for."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """One compilation: the source, and the words that its compiler got besides files."""

    source: pathlib.Path
    words: tuple[str, ...]
    folder: pathlib.Path


def units(folders: list[pathlib.Path], only: set[pathlib.Path] | None = None) -> list[Unit]:
    """Each source of the repository that any of the build folders compiles, once; or some."""
    found: dict[pathlib.Path, Unit] = {}
    for folder in folders:
        for entry in json.loads((folder / "compile_commands.json").read_text()):
            directory = pathlib.Path(entry["directory"])
            source = (directory / entry["file"]).resolve()
            inside = source.is_relative_to(ROOT)
            if only is not None and source not in only:
                continue
            if inside and not source.is_relative_to(meson.BUILD_ROOT) and source not in found:
                words = tuple(_settings_of(shlex.split(entry["command"])[1:], entry["file"]))
                found[source] = Unit(source, words, directory)
    return [found[source] for source in sorted(found)]


def _settings_of(words: list[str], source: str) -> list[str]:
    """The words of a command line without its files and without what only the compiler needs."""
    kept, skip = [], False
    for word in words:
        if skip or word == source:
            skip = False
        elif word in ("-o", "-MQ", "-MF"):
            skip = True
        elif word != "-c" and not NOT_FOR_CLANG.fullmatch(word):
            kept.append(word)
    return kept


def check_format(folders: list[pathlib.Path],
                 only: set[pathlib.Path] | None = None) -> list[str]:
    """Complaints of clang-format about the layout of any C or C++ file."""
    tool = find_tool("clang-format-19", "clang-format")
    files = [file.path for file in rules.read_tree(ROOT) if file.is_c]
    if not files:
        return []
    answer = _run([tool, "--dry-run", "--Werror", *files], ROOT)
    lines = [line for line in answer.stdout.splitlines() if "error:" in line]
    return lines or ([answer.stdout] if answer.returncode else [])


def check_clang_tidy(folders: list[pathlib.Path],
                     only: set[pathlib.Path] | None = None) -> list[str]:
    """Complaints of clang-tidy about the sources that were compiled, or about some of them."""
    tool = find_tool("clang-tidy-19", "clang-tidy")
    memory = MEMORY / "clang-tidy"
    memory.mkdir(parents=True, exist_ok=True)
    ground = _ground(tool)
    todo = units(folders, only)
    done, answers = set(), []
    with LiveLine() as live, concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {pool.submit(_tidy, tool, unit, ground, memory): unit for unit in todo}
        for at, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            key, complaints = job.result()
            done.add(key)
            answers += complaints
            live.show(f"clang-tidy: {at}/{len(todo)}")
    for stale in memory.iterdir():
        if only is None and stale.name not in done:
            stale.unlink()
    return sorted(set(answers))


def _ground(tool: str) -> bytes:
    """A digest of all that a file's outcome depends on besides itself and its command line."""
    version = subprocess.run([tool, "--version"], stdout=subprocess.PIPE, check=False).stdout
    digest = hashlib.sha256(version)
    digest.update((ROOT / ".clang-tidy").read_bytes())
    for file in rules.read_tree(ROOT):
        if file.suffix in (".h", ".hpp"):
            digest.update(file.path.encode() + b"\0" + file.data)
    return digest.digest()


def _tidy(tool: str, unit: Unit, ground: bytes, memory: pathlib.Path) -> tuple[str, list[str]]:
    """Reads one source unless it was clean before. Returns (name of its memory, complaints)."""
    place = unit.source.relative_to(ROOT)
    words = " ".join([*unit.words, str(unit.folder)])
    digest = hashlib.sha256(ground + words.encode() + b"\0" + unit.source.read_bytes()).hexdigest()
    key = re.sub(r"[^A-Za-z0-9.]+", "-", str(place)) + "-" + digest[:32]
    if (memory / key).exists():
        return key, []
    answer = _run([tool, "--quiet", str(unit.source), "--", *unit.words], unit.folder)
    lines = [re.sub(r"^(\.\./)+", "", line) for line in answer.stdout.splitlines()
             if re.search(r"(warning|error): ", line)]
    if answer.returncode == 0 and not lines:
        (memory / key).touch()
    elif not lines:
        lines = [f"{place}: clang-tidy failed: {answer.stdout.strip()[-200:]}"]
    return key, lines


def check_cppcheck(folders: list[pathlib.Path],
                   only: set[pathlib.Path] | None = None) -> list[str]:
    """Complaints of cppcheck about the sources that were compiled."""
    tool = find_tool("cppcheck")
    memory = MEMORY / "cppcheck"
    memory.mkdir(parents=True, exist_ok=True)
    chosen = units(folders, only)
    if not chosen:
        return []
    database = MEMORY / "compile_commands.json"
    with whole_file(database) as stream:
        json.dump([{"directory": str(unit.folder), "file": str(unit.source),
                    "command": shlex.join(["cc", *unit.words, "-c", str(unit.source)])}
                   for unit in chosen], stream)
    answer = _run([
        tool, f"--project={database}", f"--cppcheck-build-dir={memory}", f"-j{os.cpu_count() or 1}",
        "--enable=warning,performance,portability", "--inline-suppr", "--quiet",
        "--error-exitcode=1", "--template={file}:{line}: {severity}: {message} [{id}]",
        "--template-location=", "--suppress=*:/usr/*",
    ], ROOT)
    return [line for line in answer.stdout.splitlines() if line] if answer.returncode else []


def check_analyzer(folders: list[pathlib.Path],
                   only: set[pathlib.Path] | None = None) -> list[str]:
    """Complaints of gcc's -fanalyzer about the sources that were compiled.

    It does not know that a failed assertion of cmocka ends a test, nor what the hidden state of
    another library owns, so tests and benchmarks are not read.
    """
    compiler, _ = meson.compilers("gcc")
    chosen = [unit for unit in units(folders, only)
              if unit.source.suffix == ".c" and unit.source.parent.name != "test"
              and unit.source.relative_to(ROOT).parts[0] != "bench"]

    def read(unit: Unit) -> list[str]:
        answer = _run([compiler, *unit.words, "-fanalyzer", "-fdiagnostics-color=never", "-c",
                       str(unit.source), "-o", os.devnull], unit.folder)
        return answer.stdout.splitlines()

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return sorted({line for lines in pool.map(read, chosen) for line in lines
                       if re.search(r": (warning|error): ", line)})


def _run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Runs a linter; paths in what it says count from the repository's top."""
    answer = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        env=clean_environment(),
    )
    answer.stdout = answer.stdout.replace(f"{ROOT}/", "")
    return answer


def find_tool(*names: str) -> str:
    """The path of the first of these programs; UserError that says how to get it."""
    found = find_program(*names)
    if not found:
        raise UserError(f"{names[0]} is missing; install {names[0]}", UNFIT)
    return found


CHECKS = {
    "clang-format": check_format,
    "clang-tidy": check_clang_tidy,
    "cppcheck": check_cppcheck,
}
"""Linter → the function that runs it on build folders and returns its complaints."""

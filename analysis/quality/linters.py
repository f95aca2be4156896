"""The linters, as tests: each reads the C sources that were compiled and must have nothing to say.

What is read comes from the compilation databases that Meson writes, joined to one in build/lint.
"""

import json
import pathlib
import re

from analysis.building import meson
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT, git, write_whole
from analysis.system.process import clean_environment, outcome, processors, require_program

WORK = meson.BUILD_ROOT / "lint"

ON_PURPOSE = [f"--suppress={mistake}:*/bench/trial/test/*" for mistake in (
    "doubleFree", "leakReturnValNotUsed", "memleakOnRealloc")]
"""What the programs do that a malloc under trial is tried on."""

NOT_FOR_LINTERS = re.compile(r" (-f(sanitize|no-omit|profile|lto|diagnostics)\S*|-W\S*|-MD"
                             r"|-M[QF] \S+|-pipe)(?= )")
"""Words of a compiler's command line that other programs have no use for."""


def units(folders: list[pathlib.Path], only: set[pathlib.Path] | None = None) -> list[dict]:
    """Entries of a compilation database: the repository's sources in it, once; or some."""
    found: dict[pathlib.Path, dict] = {}
    for folder in folders:
        for entry in json.loads((folder / "compile_commands.json").read_text()):
            source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
            wanted = source.is_relative_to(ROOT) and (only is None or source in only)
            if wanted and source not in found:
                found[source] = {"directory": entry["directory"], "file": str(source),
                                 "command": NOT_FOR_LINTERS.sub("", entry["command"])}
    return [found[source] for source in sorted(found)]


def check_format(_folders: list[pathlib.Path], _only: set[pathlib.Path] | None = None) -> list[str]:
    """Complaints of clang-format about the layout of any C or C++ file."""
    listed = git("ls-files", "*.c", "*.h", "*.cc", "*.cpp", "*.hpp")
    if listed is None:
        raise UserError(f"git does not say what files {ROOT} has", UNFIT)
    files = [name for name in listed.splitlines() if (ROOT / name).is_file()]
    tool = require_program("clang-format-19")
    said = _run([tool, "--dry-run", "--Werror", *files]) if files else ""
    return [line for line in said.splitlines() if "error:" in line]


def check_clang_tidy(folders: list[pathlib.Path], only: set[pathlib.Path] | None = None,
                     analyzer: bool = False) -> list[str]:
    """Complaints of clang-tidy, and of its analyzer, which takes four fifths of the time."""
    tool = require_program("clang-tidy-19")
    if not _write_database(folders, only):
        return []
    said = _run(["run-clang-tidy-19", "-quiet", f"-clang-tidy-binary={tool}", "-p", str(WORK), "-j",
                 str(processors()), *([] if analyzer else ["-checks=-clang-analyzer-*"])])
    return sorted({line for line in said.splitlines() if re.search(r"(warning|error): ", line)})


def check_cppcheck(folders: list[pathlib.Path],
                   only: set[pathlib.Path] | None = None) -> list[str]:
    """Complaints of cppcheck about the sources that were compiled."""
    tool = require_program("cppcheck")
    if not _write_database(folders, only):
        return []
    said = _run([
        tool, f"--project={WORK / 'compile_commands.json'}", f"--cppcheck-build-dir={WORK}",
        f"-j{processors()}", "--enable=warning,performance,portability", "--inline-suppr",
        "--quiet", "--template={file}:{line}: {severity}: {message} [{id}]",
        "--template-location=", "--suppress=*:/usr/*", *ON_PURPOSE,
    ])
    return [line for line in said.splitlines() if line]


def _write_database(folders: list[pathlib.Path], only: set[pathlib.Path] | None) -> bool:
    """Writes the sources that are to be read; whether there are any."""
    chosen = units(folders, only)
    WORK.mkdir(parents=True, exist_ok=True)
    write_whole(WORK / "compile_commands.json", json.dumps(chosen))
    return bool(chosen)


def _run(command: list[str]) -> str:
    """What a linter says; paths in it count from the repository's top."""
    code, said = outcome(command, clean_environment(), ROOT)
    said = re.sub(rf"^({re.escape(str(ROOT))}/|(\.\./)+)", "", said, flags=re.MULTILINE)
    if code and not re.search("warning|error", said):
        said += f"{command[0]}: error: exit code {code}: {said.strip()[-200:]}\n"
    return said


CHECKS = {
    "clang-format": check_format,
    "clang-tidy": check_clang_tidy,
    "cppcheck": check_cppcheck,
}
"""Linter → the function that runs it on build folders and returns its complaints."""

"""Configures and compiles the C side with Meson, out of tree, in build/CONFIGURATION.

These folders hold nothing but what the sources give again: one that no longer matches its settings
is made anew. Standard library alone.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
from typing import Sequence

from analysis.building import cross_machines
from analysis.system import packages
from analysis.system.exits import FINDING, UNFIT, UserError
from analysis.system.files import ROOT, only_one, write_whole
from analysis.system.process import (answer, clean_environment, find_program, outcome,
                                     require_program, say)

BUILD_ROOT = ROOT / "build"
MACHINES = BUILD_ROOT / "machines"
SETTINGS = "poolproof-settings.json"
LOG = "poolproof-build.log"

PROVEN_COMPILERS = {"gcc": "12", "clang": "19"}
"""Compiler family → the major version under which each warning is an error. Newer compilers know
warnings that nobody has seen yet, and may only print them."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One way to build the sources: a compiler family, Meson's options, for which machine."""

    family: str
    options: tuple[str, ...]
    machine: str = ""
    """A key of cross_machines.MACHINES; empty for this one."""


def _with(family: str, buildtype: str, *options: str, machine: str = "") -> Configuration:
    """A build without benchmarks."""
    return Configuration(family, (f"-Dbuildtype={buildtype}", "-Dbenchmarks=disabled", *options),
                         machine)


def _watched(family: str, sanitizers: str, *options: str) -> Configuration:
    return _with(family, "debugoptimized", f"-Db_sanitize={sanitizers}", *options,
                 *(["-Db_lundef=false"] if family == "clang" else []))


WATCHED, CHECKED, FUZZED = "debugoptimized", "-Dchecked=true", "-Dfuzzers=enabled"
COUNTED = ("-Dc_args=-O1 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc",
           "-Dc_link_args=-fprofile-instr-generate")

CONFIGURATIONS = {
    "release": Configuration("gcc", ("-Dbuildtype=release",)),
    "sanitize": _watched("clang", "address,undefined", "-Doptimization=1"),
    "fuzz": _watched("clang", "address,undefined", FUZZED),
    "fuzz-undefined": _watched("clang", "undefined", FUZZED),
    "fuzz-memory": _watched("clang", "memory", FUZZED),
    "gcc-debug": _with("gcc", "debug"),
    "clang-release": _with("clang", "release"),
    "clang-debug": _with("clang", "debug"),
    "mutants": _with("gcc", "release", "-Doptimization=2"),
    "gcc-release-checked": _with("gcc", "release", CHECKED),
    "gcc-debug-checked": _with("gcc", "debug", CHECKED),
    "clang-release-checked": _with("clang", "release", CHECKED),
    "clang-debug-checked": _with("clang", "debug", CHECKED),
    "gcc-sanitize": _watched("gcc", "address,undefined"),
    "memory": _watched("clang", "memory"),
    "thread": _watched("clang", "thread"),
    "valgrind": _with("gcc", WATCHED, "-Dc_args=-DPOOL_VALGRIND"),
    "i686": _with("gcc", WATCHED, machine="i686"),
    "s390x": _with("gcc", WATCHED, machine="s390x"),
    "aarch64": _with("gcc", WATCHED, machine="aarch64"),
    "windows": _with("gcc", WATCHED, machine="windows"),
    "coverage": _with("clang", "release", *COUNTED),
    "coverage-checked": _with("clang", "release", *COUNTED, CHECKED),
}

FUZZERS = {"address": "fuzz", "undefined": "fuzz-undefined", "memory": "fuzz-memory"}
"""Sanitizer → the build of the fuzz targets that it watches. Under the first go the oracles of
the shadow; under the second a pool takes the fast path of alloc and free."""


def compilers(family: str) -> tuple[str, str]:
    """A family's C and C++ compiler, the proven version preferred. UserError if there is none."""
    plus = {"gcc": "g++", "clang": "clang++"}[family]
    major = PROVEN_COMPILERS[family]
    for suffix in (f"-{major}", ""):
        c, cxx = find_program(family + suffix), find_program(plus + suffix)
        if c and cxx:
            return c, cxx
    package = {"gcc": "gcc g++", "clang": f"clang-{major}"}[family]
    raise UserError(f"{family} is missing; install {package}", UNFIT)


def compiler_version(path: str) -> str:
    """The compiler's own version, such as "12.2.0"; "unknown" if it does not say."""
    told = answer([path, "-dumpfullversion", "-dumpversion"]).stdout
    return told.split("\n")[0].strip() or "unknown"


def ensure_build(configuration: str, targets: Sequence[str] = ()) -> pathlib.Path:
    """Configures and compiles one of CONFIGURATIONS, or targets of it, where that is still to do;
    returns its folder. Waits while another process builds the same.

    UserError with the compiler's own lines (FINDING), or if a tool is missing (UNFIT).
    """
    BUILD_ROOT.mkdir(exist_ok=True)
    return build_elsewhere(ROOT, BUILD_ROOT / configuration, configuration, targets)


def build_elsewhere(source: pathlib.Path, folder: pathlib.Path, configuration: str,
                    targets: Sequence[str] = ()) -> pathlib.Path:
    """The same of any sources, in any folder; of these targets alone where there are some."""
    for tool, package in (("meson", "meson"), ("ninja", "ninja-build")):
        require_program(tool, package)
    settings = _settings(CONFIGURATIONS[configuration], source)
    waiting = f"another command is building build/{configuration}; waiting for it"
    with only_one(folder.parent / f".{folder.name}.lock", waiting):
        if _kept_settings(folder) != settings:
            _configure(folder, settings)
        _compile(folder, targets)
    return folder


def warnings_are_errors(folder: pathlib.Path) -> bool:
    """Whether a folder from ensure_build was compiled with every warning an error."""
    return "-Dwerror=true" in _kept_settings(folder).get("options", ())


def _settings(chosen: Configuration, source: pathlib.Path) -> dict:
    """Everything that decides how a folder is configured; a change of any of it configures anew."""
    paths = compilers(chosen.family)
    versions = [compiler_version(path) for path in paths]
    strict = versions[0].partition(".")[0] == PROVEN_COMPILERS[chosen.family]
    libraries = [package.name for package in packages.PACKAGES if package.name.endswith("-dev")]
    return {
        "source": str(source),
        "compilers": list(paths),
        "versions": versions,
        "options": [*chosen.options, f"-Dwerror={str(strict).lower()}"],
        "libraries": packages.installed(libraries),
        "machine": cross_machines.describe(chosen.machine, MACHINES) if chosen.machine else "",
    }


def _kept_settings(folder: pathlib.Path) -> dict:
    """How a folder was configured; empty if it was not, or not to the end."""
    kept = folder / SETTINGS
    return json.loads(kept.read_text()) if kept.exists() else {}


def _configure(folder: pathlib.Path, settings: dict) -> None:
    """Makes the folder anew: Meson remembers libraries that it once did not find."""
    say(f"configuring build/{folder.name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    c, cxx = settings["compilers"]
    command = ["meson", "setup", *settings["options"], str(folder), settings["source"]]
    if settings["machine"]:
        cross = folder / "machine.ini"
        cross.write_text(settings["machine"])
        command.append(f"--cross-file={cross}")
    unkept = {"LLVM_PROFILE_FILE": os.devnull}  # what programs count that Meson tries out
    code, output = _run(command, folder, {"CC": c, "CXX": cxx} | unkept)
    if code != 0:
        lines = output.splitlines()
        wrong = [line for line in lines if "ERROR" in line] or lines[-3:]
        raise UserError(f"meson cannot configure build/{folder.name}: " + "\n".join(wrong), FINDING)
    write_whole(folder / SETTINGS, json.dumps(settings, indent=1))


def _compile(folder: pathlib.Path, targets: Sequence[str]) -> None:
    code, output = _run(["ninja", "-C", str(folder), *targets], folder, {})
    if code != 0:
        telling = re.compile(r"\b(error|ERROR|undefined reference)\b")
        wrong = [line for line in output.splitlines() if telling.search(line)]
        shown = "\n".join((wrong or output.splitlines()[-10:])[:10])
        raise UserError(f"build/{folder.name} does not compile (whole log: {folder / LOG}):\n"
                        f"{shown}", FINDING)


def _run(command: list[str], folder: pathlib.Path, variables: dict[str, str]) -> tuple[int, str]:
    """Runs a step of the build, its output kept in the folder's log."""
    code, output = outcome(command, clean_environment() | variables, ROOT)
    (folder / LOG).write_text(output)
    return code, output

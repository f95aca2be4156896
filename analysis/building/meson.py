"""Configures and compiles the C side with Meson, out of tree, in build/CONFIGURATION.

These folders hold nothing but what the sources give again: one that no longer matches its settings
is made anew. Standard library alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess

from typing import Sequence

from analysis.building import cross_machines
from analysis.system import packages
from analysis.system.exits import FINDING, UNFIT, UserError
from analysis.system.files import ROOT, only_one, whole_file
from analysis.system.process import clean_environment, find_program, say
from analysis.system.terminal import LiveLine

BUILD_ROOT = ROOT / "build"
SETTINGS = "poolproof-settings.json"
LOG = "poolproof-build.log"

PROVEN_COMPILERS = {"gcc": "12", "clang": "19"}
"""Compiler family → the major version under which the code is kept free of warnings; with it a
warning is an error. Newer compilers know warnings that nobody has seen yet, and may only print
them."""

WATCHED = ("-Dbuildtype=debugoptimized", "-Db_lundef=false", "-Dbenchmarks=disabled")
FUZZED = (*WATCHED, "-Dfuzzers=enabled")


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One way to build the sources: a compiler family, Meson's options, for which machine."""

    family: str
    options: tuple[str, ...]
    machine: str = ""
    """A key of cross_machines.MACHINES; empty for this one."""


CONFIGURATIONS = {
    "release": Configuration("gcc", ("-Dbuildtype=release",)),
    "sanitize": Configuration("clang", (*WATCHED, "-Db_sanitize=address,undefined")),
    "fuzz": Configuration("clang", (*FUZZED, "-Db_sanitize=address,undefined")),
    "fuzz-undefined": Configuration("clang", (*FUZZED, "-Db_sanitize=undefined")),
    "fuzz-memory": Configuration("clang", (*FUZZED, "-Db_sanitize=memory")),
}


FUZZERS = {"address": "fuzz", "undefined": "fuzz-undefined", "memory": "fuzz-memory"}
"""Sanitizer → the build of the fuzz targets that it watches. Under the first go the oracles of
the shadow; under the second a pool takes the short way of alloc and free."""


def _checked(family: str, *options: str, machine: str = "") -> Configuration:
    """A build that only `check` or `coverage` makes."""
    return Configuration(family, ("-Dbenchmarks=disabled", *options), machine)


DEBUG = "-Dbuildtype=debug"
RELEASE = "-Dbuildtype=release"
WATCHED = "-Dbuildtype=debugoptimized"

COUNTED = (WATCHED, "-Dc_args=-O1 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc",
           "-Dc_link_args=-fprofile-instr-generate")

CONFIGURATIONS |= {
    "gcc-debug": _checked("gcc", DEBUG),
    "clang-release": _checked("clang", RELEASE),
    "clang-debug": _checked("clang", DEBUG),
    "gcc-release-checked": _checked("gcc", RELEASE, "-Dchecked=true"),
    "gcc-debug-checked": _checked("gcc", DEBUG, "-Dchecked=true"),
    "clang-release-checked": _checked("clang", RELEASE, "-Dchecked=true"),
    "clang-debug-checked": _checked("clang", DEBUG, "-Dchecked=true"),
    "gcc-sanitize": _checked("gcc", WATCHED, "-Db_sanitize=address,undefined"),
    "memory": _checked("clang", WATCHED, "-Db_sanitize=memory", "-Db_lundef=false"),
    "thread": _checked("clang", WATCHED, "-Db_sanitize=thread", "-Db_lundef=false"),
    "valgrind": _checked("gcc", WATCHED, "-Dc_args=-DPOOL_VALGRIND"),
    "i686": _checked("gcc", WATCHED, machine="i686"),
    "s390x": _checked("gcc", WATCHED, machine="s390x"),
    "aarch64": _checked("gcc", WATCHED, machine="aarch64"),
    "coverage": _checked("clang", *COUNTED),
    "coverage-checked": _checked("clang", *COUNTED, "-Dchecked=true"),
}


class BuildError(UserError):
    """The sources do not configure or compile; the message ends with the compiler's own lines."""


def compilers(family: str) -> tuple[str, str]:
    """Absolute paths of the C and the C++ compiler of a family, the proven version preferred.

    UserError if there is none.
    """
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
    answer = subprocess.run([path, "-dumpfullversion", "-dumpversion"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=False)
    return answer.stdout.split("\n")[0].strip() or "unknown"


def resource_folder(path: str) -> str:
    """Where a clang keeps its own headers."""
    return subprocess.run([path, "-print-resource-dir"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


def ensure_build(configuration: str) -> pathlib.Path:
    """Configures and compiles one of CONFIGURATIONS where that is still to do; returns its folder.

    Quiet unless it fails. Costs a fraction of a second when nothing changed. Waits while another
    process builds the same configuration. BuildError if the sources do not compile, UserError if a
    tool is missing.
    """
    BUILD_ROOT.mkdir(exist_ok=True)
    return build_elsewhere(ROOT, BUILD_ROOT / configuration, configuration)


def build_elsewhere(source: pathlib.Path, folder: pathlib.Path, configuration: str,
                    targets: Sequence[str] = ()) -> pathlib.Path:
    """The same of any sources, in any folder; of these targets alone where there are some."""
    if configuration not in CONFIGURATIONS:
        raise UserError(
            f"no build configuration '{configuration}'; there are {', '.join(CONFIGURATIONS)}")
    for tool, package in (("meson", "meson"), ("ninja", "ninja-build")):
        if not shutil.which(tool):
            raise UserError(f"{tool} is missing; install {package}", UNFIT)
    chosen = CONFIGURATIONS[configuration]
    c, cxx = compilers(chosen.family)
    settings = _settings(chosen, c, cxx) | {"source": str(source)}
    waiting = f"another command is building build/{configuration}; waiting for it"
    with only_one(folder.parent / f".{folder.name}.lock", waiting):
        if _read_settings(folder) != settings:
            _configure(folder, settings)
        _compile(folder, configuration, targets)
    return folder


def warnings_are_errors(folder: pathlib.Path) -> bool:
    """Whether a folder from ensure_build was compiled with every warning an error."""
    return "-Dwerror=true" in (_read_settings(folder) or {}).get("options", ())


def _settings(chosen: Configuration, c: str, cxx: str) -> dict:
    """Everything that decides how a folder is configured; a change of any of it configures anew."""
    major = compiler_version(c).partition(".")[0]
    werror = major == PROVEN_COMPILERS[chosen.family]
    machine = []
    if chosen.machine:
        path = cross_machines.cross_file(chosen.machine, BUILD_ROOT / "machines")
        machine = [f"--cross-file={path}", path.read_text()]
    libraries = [package.name for package in packages.PACKAGES if package.name.endswith("-dev")]
    return {
        "source": str(ROOT),
        "compilers": [c, cxx],
        "versions": [compiler_version(c), compiler_version(cxx)],
        "options": [*chosen.options, f"-Dwerror={'true' if werror else 'false'}"],
        "libraries": packages.installed(libraries),
        "machine": machine,
    }


def _read_settings(folder: pathlib.Path) -> dict | None:
    try:
        settings = json.loads((folder / SETTINGS).read_text())
    except (OSError, ValueError):
        return None
    return settings if (folder / "build.ninja").exists() else None


def _configure(folder: pathlib.Path, settings: dict) -> None:
    """Makes the folder anew: Meson remembers libraries that it once did not find."""
    say(f"configuring build/{folder.name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    c, cxx = settings["compilers"]
    command = ["meson", "setup", *settings["options"], *settings["machine"][:1], str(folder),
               settings["source"]]
    unkept = {"LLVM_PROFILE_FILE": os.devnull}  # what programs count that Meson tries out
    code, output = _run(command, folder, {"CC": c, "CXX": cxx} | unkept)
    if code != 0:
        lines = output.splitlines()
        wrong = [line for line in lines if "ERROR" in line] or lines[-3:]
        raise BuildError(f"meson cannot configure build/{folder.name}: " + "\n".join(wrong),
                         FINDING)
    with whole_file(folder / SETTINGS) as stream:
        json.dump(settings, stream, indent=1)


def _compile(folder: pathlib.Path, configuration: str, targets: Sequence[str]) -> None:
    code, output = _run(["ninja", "-C", str(folder), *targets], folder, {}, progress=configuration)
    if code != 0:
        lines = output.splitlines()
        telling = re.compile(r"\b(error|ERROR|undefined reference)\b")
        wrong = [line for line in lines if telling.search(line)]
        shown = "\n".join((wrong or lines[-10:])[:10])
        log = (folder / LOG).relative_to(ROOT)
        raise BuildError(f"build/{configuration} does not compile (whole log: {log}):\n{shown}",
                         FINDING)


def _run(command: list[str], folder: pathlib.Path, variables: dict[str, str],
         progress: str | None = None) -> tuple[int, str]:
    """Runs a step of the build, its output kept in the folder's log; ninja's count is live."""
    output: list[str] = []
    with LiveLine() as live, subprocess.Popen(
        command, cwd=ROOT, env=clean_environment() | variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            output.append(line)
            if progress and (step := re.match(r"\[(\d+)/(\d+)\]", line)):
                live.show(f"poolproof: compiling build/{progress} {step.group(0)}")
    text = "".join(output)
    if folder.exists():
        (folder / LOG).write_text(text)
    return process.returncode, text

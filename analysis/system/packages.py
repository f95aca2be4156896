"""What each command needs from Debian, and how it gets there.

One table, PACKAGES: package, what it is for, which commands need it, what is lost without it.
`ensure` installs what the chosen command lacks, after saying what and why, and goes on without what
cannot be had: the code that needs it says so. Standard library alone.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from typing import Iterable

from analysis.system.process import say


@dataclasses.dataclass(frozen=True)
class Package:
    """A Debian package, and why Poolproof wants it."""

    name: str
    reason: str
    commands: frozenset[str]
    loss: str


def _package(name: str, reason: str, commands: str, loss: str) -> Package:
    return Package(name, reason, frozenset(commands.split()), loss)


BUILDING = "test check coverage trial bench record replay fuzz reproduce bugs mutants"
READING = "test bench report compare gate prove-statistics"
FUZZING = "test check coverage fuzz reproduce bugs mutants"
PLANTING = "test check bugs mutants"
CHECKING = "test check"

PACKAGES = (
    _package("gcc", "compiles the pool", BUILDING, "nothing can be built"),
    _package("g++", "compiles the benchmarks", BUILDING, "nothing can be built"),
    _package("libc6-dev", "headers of the C library", BUILDING, "nothing can be built"),
    _package("meson", "configures the build", BUILDING, "nothing can be built"),
    _package("ninja-build", "runs the build", BUILDING, "nothing can be built"),
    _package("pkg-config", "finds libraries", BUILDING, "libraries are not found"),
    _package("zlib1g-dev", "compresses traces", BUILDING, "traces cannot be read or written"),
    _package("libcmocka-dev", "frame of the C tests", "test check coverage mutants", "the C tests"),
    _package("clang-19", "the second compiler", FUZZING, "sanitizers, fuzzing"),
    _package("libclang-rt-19-dev", "sanitizers, and the rival scudo",
             FUZZING + " bench replay", "sanitizers, fuzzing, the arm scudo"),
    _package("llvm-19", "names in sanitizer reports", FUZZING, "readable reports"),
    _package("python3-clang-19", "reads the syntax tree of C", "test mutants", "mutants"),
    _package("afl++", "a second fuzzing engine", "test", "the services' check with AFL++"),
    _package("clang-format-19", "checks the layout of C", CHECKING, "the format check"),
    _package("clang-tidy-19", "reads the C for mistakes", CHECKING, "the clang-tidy check"),
    _package("cppcheck", "reads the C for mistakes", CHECKING, "the cppcheck check"),
    _package("valgrind", "watches a program", "test check bench", "counts of instructions"),
    _package("libc6-dbg", "lets Valgrind see the C library", CHECKING, "the Valgrind tests"),
    _package("patch", "plants bugs in a copy", PLANTING, "the check of the planted bugs"),
    _package("cmake", "finds the installed library", "test", "the CMake package's tests"),
    _package("g++-12-multilib", "compiles for 32-bit x86", "check", "the check on 32-bit x86"),
    _package("g++-12-s390x-linux-gnu", "compiles for s390x", "check", "the check on s390x"),
    _package("g++-12-aarch64-linux-gnu", "compiles for aarch64", "check", "the check on aarch64"),
    _package("qemu-user", "runs other machines' programs", "check", "the checks by emulation"),
    _package("frama-c-base", "makes formulas of contracts", "check", "the proofs"),
    _package("why3", "hands them to provers", "check", "the proofs"),
    _package("z3", "a prover", "check", "the proofs"),
    _package("cvc4", "a prover", "check", "the proofs"),
    _package("git", "names the repository's files", "test", "rules look at stray files too"),
    _package("libbenchmark-dev", "Google Benchmark", "test bench record replay", "benchmarks"),
    _package("liblua5.4-dev", "a program that runs on the pool", "test bench record replay",
             "the workload app/lua"),
    _package("libsqlite3-dev", "a program that runs on the pool", "test bench record replay",
             "the workload app/sqlite"),
    _package("libjemalloc2", "a rival allocator", "test trial bench replay", "the arm jemalloc"),
    _package("libmimalloc2.0", "a rival allocator", "test trial bench replay", "the arm mimalloc"),
    _package("libtcmalloc-minimal4", "a rival allocator", "test trial bench replay",
             "the arm tcmalloc"),
    _package("libboost-dev", "a rival pool", "test bench", "the arm boost-pool"),
    _package("libfoonathan-memory-dev", "a rival pool", "test bench", "the arms of foonathan"),
    _package("libapr1-dev", "a rival pool", "test bench", "the arm apr-pool"),
    _package("libtalloc-dev", "a rival pool", "test bench", "the arm talloc"),
    _package("sqlite3", "a real program to record", "test bench", "the trace of a database"),
    _package("lua5.4", "a real program to record", "test bench", "the trace of an interpreter"),
    _package("jq", "a real program to record", "test bench", "the trace of a JSON tool"),
    _package("perl", "a real program to record", "test bench", "the trace of a text tool"),
    _package("redis-tools", "a real program to record", "test", "recording a server again"),
    _package("gawk", "a real program to record", "test", "recording it again"),
    _package("libxml2-utils", "a real program to record", "test", "recording it again"),
    _package("xsltproc", "a real program to record", "test", "recording it again"),
    _package("ruby", "a real program to record", "test", "recording it again"),
    _package("python3-numpy", "statistics", READING, "reports"),
    _package("python3-scipy", "statistics", READING, "reports"),
    _package("python3-pandas", "tables of samples", f"{READING} bugs", "reports"),
    _package("python3-statsmodels", "corrects for many claims", READING + " bugs", "reports"),
    _package("python3-matplotlib", "charts", READING + " trial" + " bugs", "charts in reports"),
    _package("python3-jinja2", "report templates", READING + " trial" + " bugs", "reports"),
    _package("python3-fastjsonschema", "checks result files", f"{READING} fuzz",
             "the check of result files"),
    _package("python3-rich", "tables and progress", READING, "live progress"),
    _package("python3-junit.xml", "writes JUnit", "test compare gate", "JUnit of compare and gate"),
    _package("python3-pytest", "frame of the Python tests", "test prove-statistics",
             "the Python tests"),
    _package("python3-pytest-xdist", "runs them side by side", "test", "the Python tests"),
    _package("python3-hypothesis", "generates Python test cases", "test", "some Python tests"),
    _package("chromium", "opens reports as a reader does", "test", "the tests of the open report"),
    _package("chromium-driver", "lets tests drive it", "test", "the tests of the open report"),
    _package("python3-selenium", "lets tests drive it", "test", "the tests of the open report"),
)


def needed_by(command: str) -> list[Package]:
    """The packages that this command needs, in the order of the table."""
    return [package for package in PACKAGES if command in package.commands]


def installed(names: list[str]) -> dict[str, str]:
    """Which of these packages are installed: name → version. Empty where there is no dpkg."""
    if not names or not shutil.which("dpkg-query"):
        return {}
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Abbrev}\t${Package}\t${Version}\n", *names],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
    )
    rows = (line.split("\t") for line in answer.stdout.splitlines())
    return {name: version for status, name, version in rows if status.startswith("ii")}


PROGRAMS = {
    "gcc": ("gcc",), "g++": ("g++",), "meson": ("meson",), "ninja-build": ("ninja",),
    "pkg-config": ("pkg-config",), "clang-19": ("clang-19", "clang"), "valgrind": ("valgrind",),
    "sqlite3": ("sqlite3",), "cppcheck": ("cppcheck",), "clang-format-19": ("clang-format-19",),
    "clang-tidy-19": ("clang-tidy-19", "clang-tidy"), "afl++": ("afl-fuzz",),
}
"""Package → programs that show it is there, by whatever means, on a system without dpkg."""


def missing(wanted: Iterable[Package]) -> list[Package]:
    """Which of these packages are missing. Without dpkg, those whose program or module is."""
    wanted = list(wanted)
    if shutil.which("dpkg-query"):
        there = installed([package.name for package in wanted])
        return [package for package in wanted if package.name not in there]
    return [package for package in wanted if not _seems_there(package.name)]


def _seems_there(name: str) -> bool:
    if name.startswith("python3-"):
        module = next((key for key, package in MODULES.items() if package == name), None)
        return importlib.util.find_spec(module or name.removeprefix("python3-")) is not None
    return name not in PROGRAMS or any(map(shutil.which, PROGRAMS[name]))


def can_install() -> bool:
    """Whether `ensure` would try to install anything; a sudo that then refuses is not foreseen."""
    may = os.geteuid() == 0 or shutil.which("sudo") is not None
    return may and shutil.which("apt-get") is not None and not _told_not_to()


def _told_not_to() -> bool:
    return os.environ.get("POOLPROOF_INSTALL") == "no"


MODULES = {"junit_xml": "python3-junit.xml"}
"""Python modules that are not called after their package."""


def package_of_module(module: str) -> str:
    """The Debian package in which a Python module is expected."""
    name = module.partition(".")[0].lower()
    return MODULES.get(name, f"python3-{name.replace('_', '-')}")


def ensure(command: str) -> None:
    """Installs what the command lacks, or names it and goes on. Milliseconds when all is there."""
    lacking = missing(needed_by(command))
    if not lacking:
        return
    names = [package.name for package in lacking]
    if not shutil.which("apt-get"):
        say("no apt-get here; going on without what looks absent (names of Debian 12):")
        _list(lacking, losses=True)
        return
    prefix = None if _told_not_to() else _root_prefix()
    if prefix is None:
        why = "POOLPROOF_INSTALL=no" if _told_not_to() else "only root can install them"
        say(f"missing, and {why}; going on without:")
        _list(lacking, losses=True)
        say(f"to install them: apt-get install {' '.join(names)}")
        return
    count = f"{len(lacking)} package{'s' if len(lacking) > 1 else ''}"
    say(f"installing {count} for '{command}':")
    _list(lacking)
    start = time.monotonic()
    _install(prefix, names)
    importlib.invalidate_caches()
    still = missing(lacking)
    if still:
        say("could not be installed; going on without:")
        _list(still, losses=True)
    else:
        say(f"installed in {time.monotonic() - start:.0f} s")


def _list(packages: list[Package], losses: bool = False) -> None:
    width = max(len(package.name) for package in packages)
    for package in packages:
        why = f"lost: {package.loss}" if losses else package.reason
        print(f"  {package.name:<{width}}  {why}", file=sys.stderr, flush=True)


def _root_prefix() -> list[str] | None:
    """What to put before a command so that root runs it; None if that cannot be had."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    asks = sys.stdin is not None and sys.stdin.isatty()
    prefix = ["sudo"] if asks else ["sudo", "-n"]
    allowed = subprocess.run(
        [*prefix, "true"], stdin=None if asks else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=None if asks else subprocess.DEVNULL, check=False,
    )
    return prefix if allowed.returncode == 0 else None


def _install(prefix: list[str], names: list[str]) -> None:
    """Installs as many of the packages as the machine's sources have."""
    if not _apt(prefix, "update"):
        say("apt-get update failed; trying with the lists that are there")
    known = _known(names)
    for name in names:
        if name not in known:
            say(f"the package sources of this machine have no {name}")
    if known:
        _apt(prefix, "install", *known)


def _known(names: list[str]) -> list[str]:
    """Those of the packages that the machine's sources have."""
    answer = subprocess.run(
        ["apt-cache", "policy", *names], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, check=False, env=os.environ | {"LC_ALL": "C"},
    )
    there = re.findall(r"^(\S+):\n.*\n  Candidate: (?!\(none\))", answer.stdout, re.MULTILINE)
    return [name for name in names if name in there]


def _apt(prefix: list[str], *words: str) -> bool:
    """Runs apt-get, which waits for another's lock; True on success. A failure shows its end."""
    answer = subprocess.run(
        [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-q", "-y",
         "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0",
         "-o", "Acquire::Retries=3", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False,
    )
    if answer.returncode != 0:
        last = (answer.stdout.strip().splitlines() or ["no reason given"])[-1]
        say(f"apt-get {words[0]} failed: {last}")
    return answer.returncode == 0

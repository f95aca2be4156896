"""What each command needs from Debian, and how it gets there.

One table, PACKAGES: package, what is lost without it, which commands need it; `programs` is what
./poolproof check programs needs beyond check. `ensure` installs what the chosen command lacks,
after saying what and for what, and goes on without what cannot be had: the code that needs it says
so. Standard library alone.
"""

import dataclasses
import importlib
import os
import re
import shutil
import subprocess
import sys
from typing import Iterable

from analysis.system.process import answer, say


@dataclasses.dataclass(frozen=True)
class Package:
    """A Debian package, what is lost without it, and the commands that need it."""

    name: str
    purpose: str
    commands: frozenset[str]


BUILDING = "test check trial bench record replay fuzz reproduce bugs mutants"
READING = "test bench report compare gate"
FUZZING = "test check fuzz reproduce bugs mutants"
RUNNING = "test trial bench replay"

ESSENTIAL = "every build"
"""The purpose of packages without which there is nothing to test or to measure."""

_TABLE = (  # purpose, commands, packages
    (ESSENTIAL, BUILDING, "gcc g++ libc6-dev meson ninja-build pkg-config zlib1g-dev"),
    ("the C tests", "test check mutants", "libcmocka-dev"),
    ("sanitizers and fuzzing", FUZZING, "clang-19"),
    ("sanitizers, fuzzing, the arm scudo", FUZZING + " bench replay", "libclang-rt-19-dev"),
    ("names in sanitizer reports", FUZZING, "llvm-19"),
    ("mutants", "test mutants", "python3-clang-19"),
    ("the services' check with AFL++", "test", "afl++"),
    ("the linters", "test check", "clang-format-19 clang-tidy-19 cppcheck"),
    ("the spelling of the documents", "test", "hunspell hunspell-en-gb"),
    ("Valgrind's tests, counts of instructions", "test check bench", "valgrind"),
    ("Valgrind's tests", "test check", "libc6-dbg"),
    ("the tests without a C library", "test", "gcc-arm-none-eabi gcc-riscv64-unknown-elf"
     " qemu-system-arm qemu-system-misc"),
    ("planted bugs", "test check bugs mutants", "patch"),
    ("the tests of the CMake package", "test", "cmake"),
    ("the check on other machines", "check", "g++-12-multilib g++-12-s390x-linux-gnu"
     " g++-12-aarch64-linux-gnu qemu-user g++-mingw-w64-x86-64 wine wine64"),
    ("the proofs", "check", "frama-c-base why3 z3 cvc4"),
    ("what has not changed", "test", "git"),
    ("benchmarks", "test bench record replay", "libbenchmark-dev"),
    ("the workload app/lua", "test bench record replay", "liblua5.4-dev"),
    ("the workload app/sqlite", "test bench record replay", "libsqlite3-dev"),
    ("the arm jemalloc", RUNNING, "libjemalloc2"),
    ("the arm mimalloc", RUNNING, "libmimalloc2.0"),
    ("the arm tcmalloc", RUNNING, "libtcmalloc-minimal4"),
    ("the arm boost-pool", "test bench", "libboost-dev"),
    ("the arms of foonathan", "test bench", "libfoonathan-memory-dev"),
    ("the arm apr-pool", "test bench", "libapr1-dev"),
    ("the arm talloc", "test bench", "libtalloc-dev"),
    ("recording this program", "test bench", "sqlite3 lua5.4 jq perl"),
    ("recording this program again", "test", "redis-tools gawk libxml2-utils xsltproc ruby"),
    ("recording or trying this server", "test programs", "redis-server"),
    ("recording this server or program", "programs", "nginx curl nodejs"
     " openjdk-17-jdk-headless"),
    ("reports", READING + " trial", "python3-numpy python3-scipy"),
    ("the check of result files", READING + " fuzz", "python3-fastjsonschema"),
    ("pages", READING + " trial bugs check", "python3-jinja2"),
    ("charts", READING + " trial bugs", "python3-matplotlib"),
    ("live progress and tables", READING + " trial", "python3-rich"),
    ("the Python tests", "test", "python3-pytest python3-pytest-xdist python3-hypothesis"),
    ("the tests of the open report", "test", "chromium chromium-driver python3-selenium"),
)

PACKAGES = tuple(Package(name, purpose, frozenset(commands.split()))
                 for purpose, commands, names in _TABLE for name in names.split())


def installed(names: list[str]) -> dict[str, str]:
    """Which of these packages are installed: name → version. Empty where there is no dpkg."""
    if not names or not shutil.which("dpkg-query"):
        return {}
    told = answer(["dpkg-query", "-W", "-f=${db:Status-Abbrev}\t${Package}\t${Version}\n", *names])
    rows = (line.split("\t") for line in told.stdout.splitlines())
    return {name: version for status, name, version in rows if status.startswith("ii")}


def missing(wanted: Iterable[Package]) -> list[Package]:
    """Which of these packages are missing. None where there is no dpkg to ask."""
    if not shutil.which("dpkg-query"):
        return []
    wanted = list(wanted)
    there = installed([package.name for package in wanted])
    return [package for package in wanted if package.name not in there]


def root_prefix() -> list[str] | None:
    """What to put before apt-get so that root runs it; None if it may not be run."""
    if os.environ.get("POOLPROOF_INSTALL") == "no" or not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    asks = sys.stdin is not None and sys.stdin.isatty()
    return ["sudo", *([] if asks else ["-n"])] if shutil.which("sudo") else None


def ensure(command: str) -> None:
    """Installs what the command lacks, or names it and goes on. Milliseconds when all is there."""
    lacking = missing(package for package in PACKAGES if command in package.commands)
    prefix = root_prefix()
    if lacking and prefix is not None:
        say(f"'{command}' needs more; installing")
        _list(lacking)
        _install(prefix, [package.name for package in lacking])
        importlib.invalidate_caches()
        lacking = missing(lacking)
    if lacking:
        say("going on without")
        _list(lacking)
        say(f"to install them: apt-get install {' '.join(package.name for package in lacking)}")


def _list(packages: list[Package]) -> None:
    for package in packages:
        print(f"  {package.name:<25}for {package.purpose}", file=sys.stderr, flush=True)


def _install(prefix: list[str], names: list[str]) -> None:
    """Installs as many of the packages as the machine's sources have."""
    _apt(prefix, "update")
    policy = answer(["apt-cache", "policy", *names], env=os.environ | {"LC_ALL": "C"}).stdout
    known = re.findall(r"^(\S+):\n.*\n  Candidate: (?!\(none\))", policy, re.MULTILINE)
    if known:
        _apt(prefix, "install", *known)


def _apt(prefix: list[str], *words: str) -> bool:
    """Runs apt-get, which waits for another's lock; True on success. A failure shows its end."""
    told = subprocess.run(
        [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-q", "-y",
         "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0",
         "-o", "Acquire::Retries=3", *words],
        stdin=None if prefix == ["sudo"] else subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )
    if told.returncode != 0:
        last = (told.stdout.strip().splitlines() or ["no reason given"])[-1]
        say(f"apt-get {words[0]} failed: {last}")
    return told.returncode == 0
